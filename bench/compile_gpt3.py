#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles GPT-3-sized graphs of 12 and of 96 layers for the CPU: seconds and peak resident memory of each."""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]


def compile_once(layers, command):
    folder = ROOT / "build" / "models" / f"gpt3-{layers}"
    if not (folder / "gpt3.onnx").exists():
        subprocess.run([sys.executable, str(ROOT / "test" / "models" / "make_gpt3_graph.py"), "--layers", str(layers),
                        "--out", str(folder)], check=True)
    with tempfile.TemporaryDirectory() as out:
        output = ["-o", f"{out}/gpt3.bsm"] if command == "compile" else []
        start = time.perf_counter()
        process = subprocess.Popen([str(ROOT / "build" / "bin" / "bessemer"), command, str(folder / "gpt3.onnx"), *output],
                                   stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    return os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--command", choices=["compile", "explain"], default="compile")
    arguments = parser.parse_args()
    times = {}
    for layers in (12, 96):
        code, seconds, peak = compile_once(layers, arguments.command)
        times[layers] = seconds
        print(f"{arguments.command} {layers:3} layers: {seconds:6.2f} s, {peak / 1e9:.2f} GB resident, exit {code}")
        if code:
            sys.exit(1)
    print(f"96 layers take {times[96] / times[12]:.2f} times what 12 layers take")


if __name__ == "__main__":
    main()
