# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A short run of the compiler's fuzzer, always of the same models; scripts/fuzz runs it long, with others each time."""

import subprocess
import sys

from tool import ROOT


def test_mutants_and_random_graphs_are_right_or_refused_by_name(tmp_path):
    command = [sys.executable, ROOT / "test/fuzz/fuzz_compiler.py", "--seed", "1", "--count", "250", "--findings", tmp_path]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
