# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "test" / "models")]
