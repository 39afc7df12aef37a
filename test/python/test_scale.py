# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A GPT-3-sized graph, 350 GB of weights in a file that is a hole: memory stays small, whatever the number of layers."""

import subprocess
import sys

import pytest

from tool import BESSEMER, ROOT

GIGABYTE = 10**9


def make_graph(layers):
    folder = ROOT / "build" / "models" / f"gpt3-{layers}"
    if not (folder / "gpt3.onnx").exists() or not (folder / "gpt3.weights").exists():
        subprocess.run([sys.executable, str(ROOT / "test" / "models" / "make_gpt3_graph.py"), "--layers", str(layers),
                        "--out", str(folder)], check=True)
    return folder / "gpt3.onnx"


# A process that measures only its one child: RUSAGE_CHILDREN is the largest of all children so far.
PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL).returncode
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
sys.exit(code)
"""


@pytest.mark.parametrize("command", ["compile", "explain"])
def test_96_layers_take_less_than_a_gigabyte(tmp_path, command):
    output = ["-o", str(tmp_path / "gpt3.bsm")] if command == "compile" else []
    done = subprocess.run([sys.executable, "-c", PEAK, str(BESSEMER), command, str(make_graph(96)), *output],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    peak = int(done.stdout.split("peak ")[-1])
    assert peak <= GIGABYTE, f"{peak / GIGABYTE:.2f} GB of resident memory"
