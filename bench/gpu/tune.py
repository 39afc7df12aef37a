#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures the candidates that `bessemer tune --pack=DIR` wrote, on a machine with a GPU and no compiler.

    python3 tune.py DIR --results=results.json [--filter TEXT] [--rounds N]

Needs NumPy, the package `bessemer` with libbessemer-runtime.so (beside this file, or the tree's), and an NVIDIA driver.
Each product has a process of its own: a candidate that takes the device down, or never ends, costs its product alone. Results
are written after each product. `bessemer tune --merge=results.json` takes them. Exit code 1 when a candidate failed or
gave another answer than the first one.
"""

import argparse
import datetime
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)] if (HERE / "bessemer").is_dir() else [str(HERE.parents[1] / "python")]


def title_of(product):
    sizes = " x ".join(str(product[name]) for name in ("rows", "columns", "depth"))
    words = [product["instruction"]] + [name for name in ("transpose_a", "transpose_b") if product[name]]
    words += [product["epilogue"]] if product["epilogue"] != "none" else []
    return (f"{product['batches']} of " if product["batches"] > 1 else "") + " ".join([sizes, *words])


def measure(folder, entry, rounds):
    """(name of the device, a timing for each candidate), in this process."""
    import bessemer
    programs = [bessemer.load(folder / candidate["program"]) for candidate in entry["candidates"]]
    return programs[0].device_name, bessemer.time_programs(programs, rounds)


def measure_apart(folder, entry, rounds, seconds):
    """The same in a process of its own."""
    command = [sys.executable, __file__, str(folder), "--one", "--rounds", str(rounds)]
    try:
        done = subprocess.run(command, input=json.dumps(entry), capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return "", [{"error": f"the product took more than {seconds} s"}] * len(entry["candidates"])
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        return "", [{"error": last}] * len(entry["candidates"])
    answer = json.loads(done.stdout)
    return answer["device"], answer["timings"]


def show(entry):
    """A line for each candidate; how many are wrong."""
    wrong = 0
    print(title_of(entry["product"]))
    right = [c["seconds"] for c in entry["candidates"] if c.get("seconds") and not c["error"] and c["difference"] <= entry["tolerance"]]
    for candidate in entry["candidates"]:
        if candidate["error"] or not candidate["difference"] <= entry["tolerance"]:
            wrong += 1
            print(f"  {'':>10}  {candidate['error'] or 'WRONG by %.3g' % candidate['difference']}: {candidate['text']}")
            continue
        seconds, product = candidate["seconds"] / entry["copies"], entry["product"]
        rate = 2e-12 * product["batches"] * product["rows"] * product["columns"] * product["depth"] / max(seconds, 1e-12)
        print(f"  {1e6 * seconds:10.2f} us ({1e6 * candidate['expected_seconds']:.2f} expected) {rate:7.1f} TFLOP/s "
              f"{'*' if candidate['seconds'] == min(right) else ' '} {candidate['text']}")
    sys.stdout.flush()
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("--filter", default="", help="only products whose title, as it is printed, has this text")
    parser.add_argument("--rounds", type=int, help="runs of each candidate; else as the pack says")
    parser.add_argument("--timeout", type=int, default=180, help="seconds for a product")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        device, timings = measure(arguments.folder, json.load(sys.stdin), arguments.rounds)
        json.dump({"device": device, "timings": timings}, sys.stdout)
        return
    results = json.loads((arguments.folder / "manifest.json").read_text())
    rounds = arguments.rounds or results["rounds"]
    entries = [entry for entry in results["products"] if arguments.filter in title_of(entry["product"])]
    results |= {"device": "", "date": datetime.date.today().isoformat(), "rounds": rounds, "products": []}
    wrong = 0
    for entry in entries:
        device, timings = measure_apart(arguments.folder, entry, rounds, arguments.timeout)
        results["device"] = results["device"] or device
        for candidate, timing in zip(entry["candidates"], timings):
            candidate.update({"seconds": 0, "low": 0, "high": 0, "difference": 0} | timing)
        wrong += show(entry)
        results["products"].append(entry)
        if arguments.results:
            arguments.results.write_text(json.dumps(results, indent=1))
    if wrong:
        sys.exit(f"{wrong} candidates are wrong or failed")


if __name__ == "__main__":
    main()
