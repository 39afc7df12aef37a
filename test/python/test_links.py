# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the runtime library asks of the machine that it is shipped to."""

import re
import subprocess

from tool import ROOT

RUNTIME = ROOT / "build" / "lib" / "libbessemer-runtime.so"


def test_the_runtime_links_neither_llvm_nor_mlir():
    text = subprocess.run(["readelf", "-d", str(RUNTIME)], capture_output=True, text=True, check=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
    assert needed
    assert not [name for name in needed if re.search("LLVM|MLIR|python", name)], needed


def test_the_runtime_exports_the_c_interface_alone():
    text = subprocess.run(["nm", "-D", "--defined-only", str(RUNTIME)], capture_output=True, text=True, check=True).stdout
    names = [line.split()[-1] for line in text.splitlines()]
    foreign = [name for name in names if not name.startswith("bessemer_")]
    assert not foreign, f"{len(foreign)} symbols that are not of the interface, such as {foreign[:5]}"
