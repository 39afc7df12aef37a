# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""scripts/check-layers on small trees, one rule each."""

import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "check-layers"


def check(tmp_path, files):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = subprocess.run([sys.executable, str(SCRIPT), "--root", str(tmp_path)], capture_output=True, text=True)
    return done.returncode, done.stdout


def test_downward_includes_are_right(tmp_path):
    code, text = check(tmp_path, {
        "include/bessemer/Support/A.h": "",
        "include/bessemer/Algorithms/B.h": '#include "bessemer/Support/A.h"\n',
        "dialects/Bess/Bess.h": '#include "bessemer/Algorithms/B.h"\n#include "mlir/IR/Dialect.h"\n',
        "passes/Fuse/Fuse.cpp": '#include "dialects/Bess/Bess.h"\n#include "passes/Fuse/Passes.h.inc"\n',
        "lib/Driver/Driver.cpp": '#include "bessemer/Import/Import.h"\n',
        "include/bessemer/Import/Import.h": '#include "dialects/Bess/Bess.h"\n',
    })
    assert code == 0, text


@pytest.mark.parametrize("files, message", [
    ({"lib/Algorithms/A.cpp": '#include "dialects/Bess/Bess.h"\n'}, "Algorithms includes dialects"),
    ({"lib/Kernels/A.cpp": '#include "bessemer/Algorithms/B.h"\n'}, "Kernels includes Algorithms"),
    ({"dialects/Bess/A.cpp": '#include "passes/Fuse/Fuse.h"\n'}, "dialects includes passes"),
    ({"dialects/Bess/A.td": 'include "passes/Fuse/Passes.td"\n'}, "dialects includes passes"),
    ({"lib/Import/A.cpp": '#include "bessemer/Reference/R.h"\n'}, "Import includes Reference"),
    ({"lib/Runtime/A.cpp": '#include "bessemer/Driver/D.h"\n'}, "Runtime includes Driver"),
    ({"passes/Fuse/A.cpp": '#include "passes/Plan/Plan.h"\n'}, "passes/Fuse includes passes/Plan"),
    ({"lib/Target/CPU/A.cpp": '#include "bessemer/Target/CUDA/B.h"\n'}, "Target/CPU includes Target/CUDA"),
    ({"lib/Runtime/A.cpp": '#include "llvm/ADT/SmallVector.h"\n'}, "Runtime reaches llvm"),
    ({"lib/New/A.cpp": ""}, "unknown component New"),
])
def test_upward_includes_are_found(tmp_path, files, message):
    code, text = check(tmp_path, files)
    assert code == 1
    assert message in text


def test_mlir_behind_another_header_is_found(tmp_path):
    code, text = check(tmp_path, {
        "include/bessemer/Support/A.h": '#include "mlir/IR/Value.h"\n',
        "lib/Runtime/R.cpp": '#include "bessemer/Support/A.h"\n',
    })
    assert code == 1
    assert "Runtime reaches mlir/IR/Value.h" in text


def test_cycles_of_files_are_found(tmp_path):
    code, text = check(tmp_path, {
        "include/bessemer/Support/A.h": '#include "bessemer/Support/B.h"\n',
        "include/bessemer/Support/B.h": '#include "bessemer/Support/A.h"\n',
    })
    assert code == 1
    assert "cycle:" in text
