# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Command line and output that the benchmarks share."""

import argparse
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "test" / "models")]

# pylint: disable=wrong-import-position
from testing.engines import EngineError  # noqa: E402
from testing.measure import compare, fma_peak, print_rows  # noqa: E402


def main(name, description, cases):
    """Runs cases(arguments) at each thread count, prints the table, and writes build/bench/NAME.json."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--round-seconds", type=float, default=0.5)
    parser.add_argument("--filter", default="", help="only cases whose label contains this")
    arguments = parser.parse_args()
    report = []
    chosen = [case for case in cases() if arguments.filter in case.label]
    if not chosen:
        parser.error("no case is selected")
    for threads in arguments.threads:
        peak = fma_peak(threads)
        try:
            rows = compare(chosen, threads, arguments.rounds, arguments.round_seconds)
        except EngineError as error:
            sys.exit(f"{name}: {error}")
        after = fma_peak(threads)  # the machine may have been busier before
        peak = {isa: max(value, after[isa]) for isa, value in peak.items()}
        print_rows(rows, threads, peak)
        print(f"compile: bessemer {rows[0]['bessemer']['compile_s']:.2f} s, "
              f"onnxruntime {rows[0]['onnxruntime']['compile_s']:.2f} s\n", flush=True)
        report.append({"threads": threads, "peak": peak, "rows": rows})
    out = ROOT / "build" / "bench" / f"{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1))
    wrong = [row["label"] for entry in report for row in entry["rows"] if row["error"] > 1]
    if wrong:
        sys.exit(f"{name}: wrong answers (error above 1): {', '.join(wrong)}")
