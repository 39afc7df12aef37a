#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How long `bessemer plan-buffers` takes to fit hard instances.

    plan_buffers.py DIR...          each CSV file of the folders (capacity 1048576)
    plan_buffers.py --dense 20      the rectangle of lifetimes and addresses cut at random into 454 buffers, 20 times: no byte to spare

Each plan is checked here, pair by pair. The time is the wall time of the command, the best of the rounds and the worst.
"""

import argparse
import csv
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from common import ROOT

TOOL = ROOT / "build" / "bin" / "bessemer"
CAPACITY = 1048576


def cut_rectangle(pieces, seed):
    """Buffers (lower, upper, size) that fill time x CAPACITY without a hole."""
    draw = random.Random(seed)
    cut = [(0, 4 * pieces, 0, CAPACITY)]
    while len(cut) < pieces:
        # The larger of two, so that sizes do not differ beyond measure.
        index = max(draw.randrange(len(cut)), draw.randrange(len(cut)), key=lambda i: (cut[i][1] - cut[i][0]) * (cut[i][3] - cut[i][2]))
        lower, upper, bottom, top = cut[index]
        if draw.random() < 0.5 and upper - lower > 1:
            at = draw.randrange(lower + 1, upper)
            cut[index] = (lower, at, bottom, top)
            cut.append((at, upper, bottom, top))
        elif top - bottom > 1:
            at = draw.randrange(bottom + 1, top)
            cut[index] = (lower, upper, bottom, at)
            cut.append((lower, upper, at, top))
    draw.shuffle(cut)
    return [(lower, upper, top - bottom) for lower, upper, bottom, top in cut]


def write_instance(path, buffers):
    with open(path, "w", encoding="ascii", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "lower", "upper", "size"])
        writer.writerows((f"b{index}", *buffer) for index, buffer in enumerate(buffers))


def check(path):
    with open(path, encoding="ascii", newline="") as file:
        rows = [tuple(int(row[key]) for key in ("lower", "upper", "size", "offset")) for row in csv.DictReader(file)]
    for index, (lower, upper, size, offset) in enumerate(rows):
        if not 0 <= offset <= CAPACITY - size:
            sys.exit(f"{path}: row {index + 1} lies outside of the capacity")
        for other in rows[:index]:
            if lower < other[1] and other[0] < upper and offset < other[3] + other[2] and other[3] < offset + size:
                sys.exit(f"{path}: row {index + 1} shares bytes with another")
    return len(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=pathlib.Path)
    parser.add_argument("--dense", type=int, default=0, help="how many instances to make")
    parser.add_argument("--buffers", type=int, default=454)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        paths = [path for folder in arguments.folders for path in sorted(folder.glob("*.csv"))]
        for seed in range(arguments.dense):
            paths.append(pathlib.Path(scratch) / f"dense-{seed}.csv")
            write_instance(paths[-1], cut_rectangle(arguments.buffers, seed))
        if not paths:
            parser.error("expected folders with CSV files, or --dense")
        print(f"{'instance':<12} {'buffers':>8} {'best, s':>8} {'worst, s':>9}")
        totals = [0.0, 0.0]
        for path in paths:
            out = pathlib.Path(scratch) / "plan.csv"
            seconds = []
            for _ in range(arguments.rounds):
                start = time.perf_counter()
                subprocess.run([TOOL, "plan-buffers", path, f"--capacity={CAPACITY}", "-o", out], check=True)
                seconds.append(time.perf_counter() - start)
            print(f"{path.stem:<12} {check(out):>8} {min(seconds):>8.2f} {max(seconds):>9.2f}", flush=True)
            totals = [totals[0] + min(seconds), totals[1] + max(seconds)]
        print(f"{'total':<12} {'':>8} {totals[0]:>8.2f} {totals[1]:>9.2f}")


if __name__ == "__main__":
    main()
