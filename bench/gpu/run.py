#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""On the GPU machine: checks each case against PyTorch in a wider type, then times both in turn.

    python3 run.py [--results FILE] [--filter TEXT] [--rounds N] [--check-only]

A row is microseconds of one operation for Bessemer and for PyTorch, what was reached of the device's figures, and PyTorch's
time over Bessemer's (above 1: Bessemer is faster). Bessemer's time is the difference of two chains (cases.py), PyTorch's
that of the same chains between two events of the device; rounds alternate. A wrong answer ends with exit code 1.
"""

import argparse
import datetime
import json
import pathlib
import statistics
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

# pylint: disable=wrong-import-position
import bessemer  # noqa: E402
import cases  # noqa: E402
from run_models import run_models  # noqa: E402

try:
    from ml_dtypes import bfloat16
except ImportError:
    bfloat16 = np.uint16  # what bessemer takes it as then


def operands_of(case, torch, device):
    """(arrays of the case's type, the same as tensors on the device)."""
    kind = getattr(torch, case.dtype)
    host = {name: torch.from_numpy(array).to(kind) for name, array in case.operands(np.random.default_rng(7)).items()}
    there = {name: tensor.to(device) for name, tensor in host.items()}
    if case.dtype == "bfloat16":
        return {name: tensor.view(torch.int16).numpy().view(bfloat16) for name, tensor in host.items()}, there
    return {name: tensor.numpy() for name, tensor in host.items()}, there


def result_of(case, torch, answers):
    """Output y as a float64 tensor."""
    y = answers["y"]
    if case.dtype == "bfloat16":
        return torch.from_numpy(y.view(np.uint16).astype(np.int32) << 16).view(torch.float32).double()
    return torch.from_numpy(y).double()


def check(case, torch, program, host, there):
    """||result - reference|| / ||reference||, the reference in float32 (of float32: in float64)."""
    wider = torch.float64 if case.dtype == "float32" else torch.float32
    wide = {name: tensor.to(wider) for name, tensor in there.items()}
    reference = case.step(torch, wide["x"], wide).double().cpu()
    result = result_of(case, torch, program(host))
    error = float((result - reference).norm() / reference.norm())
    return error if error == error else float("inf")


def seconds_of_bessemer(program, host):
    start = time.perf_counter()
    program(host)
    return time.perf_counter() - start


def seconds_of_torch(torch, function, there, device):
    if device == "cpu":
        start = time.perf_counter()
        function(there)
        return time.perf_counter() - start
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    function(there)
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / 1e3


def chain(case, torch, length):
    def run(there):
        x = there["x"]
        for _ in range(length):
            x = case.step(torch, x, there)
        return x
    return run


def time_case(case, torch, programs, host, there, device, rounds):
    """Seconds of one operation, {"bessemer": median, "torch": ..., "torch.compile": ...}."""
    short, long = case.lengths
    engines = {"bessemer": [lambda p=programs[n]: seconds_of_bessemer(p, host) for n in (short, long)]}
    peers = {"torch": lambda function: function}
    if case.group == "rows":
        peers["torch.compile"] = torch.compile
    for name, wrap in peers.items():
        # The time on the device of the longer chain less the shorter one's: warm-up and launches count for neither.
        functions = [wrap(chain(case, torch, n)) for n in (short, long)]
        engines[name] = [lambda f=f: seconds_of_torch(torch, f, there, device) for f in functions]
    for measure in engines.values():
        for run in measure:
            run(), run()
    differences = {name: [] for name in engines}
    for index in range(rounds):
        for name in list(engines) if index % 2 == 0 else reversed(engines):
            first, second = engines[name]
            differences[name].append((second() - first()) / (long - short))
    return {name: statistics.median(values) for name, values in differences.items()}


def copy_bandwidth(torch, device):
    """Bytes a second of a copy on the device, read plus written."""
    source = torch.empty(1 << (20 if device == "cpu" else 29), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    run = lambda _: target.copy_(source)  # noqa: E731
    return 2 * source.numel() / min(seconds_of_torch(torch, run, None, device) for _ in range(10))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("--filter", default="")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--check-only", action="store_true")
    arguments = parser.parse_args()
    import torch
    torch.backends.cuda.matmul.allow_tf32 = False
    manifest = json.loads((HERE / "manifest.json").read_text())
    device = "cpu" if manifest["target"] == "cpu" else "cuda"  # of PyTorch
    known = {case.name: case for case in getattr(cases, manifest["size"])()}
    bandwidth = copy_bandwidth(torch, device)
    title = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    report = {"date": datetime.date.today().isoformat(), "device": title, "target": manifest["target"],
              "torch": torch.__version__, "bessemer": manifest["version"], "copy_GB_s": bandwidth / 1e9, "rows": [], "models": []}
    print(f"{title}, {manifest['target']}, PyTorch {torch.__version__}; a copy on the device: {bandwidth / 1e9:.0f} GB/s")
    print(f"{'':52} {'bessemer us':>12} {'torch us':>10} {'reached':>12} {'ratio':>6} {'error':>8}")
    wrong = 0
    for entry in manifest["cases"]:
        if arguments.filter not in entry["case"]:
            continue
        case, row = known[entry["case"]], {"case": entry["case"]}
        report["rows"].append(row)
        if "refused" in entry:
            row["refused"] = entry["refused"]
            print(f"{case.name:52} refused: {entry['refused'].splitlines()[0]}")
            continue
        try:
            programs = {int(n): bessemer.load(HERE / "programs" / name) for n, name in entry["programs"].items()}
            host, there = operands_of(case, torch, device)
            row["error"] = check(case, torch, programs[case.lengths[0]], host, there)
        except bessemer.Error as error:  # the other cases still tell something
            row["failed"] = str(error)
            wrong += 1
            print(f"{case.name:52} FAILED: {error}", flush=True)
            continue
        bad = row["error"] > case.tolerance
        wrong += bad
        if bad or arguments.check_only:
            print(f"{case.name:52} {'WRONG' if bad else 'right'} {row['error']:.2g}", flush=True)
            continue
        row["seconds"] = time_case(case, torch, programs, host, there, device, arguments.rounds)
        ours, peer = row["seconds"]["bessemer"], min(v for n, v in row["seconds"].items() if n != "bessemer")
        row["ratio"] = peer / ours
        reached = f"{case.flops / ours / 1e12:.0f} TFLOP/s" if case.flops else f"{100 * case.bytes / ours / bandwidth:.0f} % of copy"
        print(f"{case.name:52} {1e6 * ours:12.1f} {1e6 * peer:10.1f} {reached:>12} {row['ratio']:6.2f} {row['error']:8.2g}",
              flush=True)
    wrong += run_models(torch, device, manifest, HERE / "programs", arguments, report)
    if arguments.results:
        arguments.results.write_text(json.dumps(report, indent=1))
    if wrong:
        sys.exit(f"{wrong} cases are wrong or failed")


if __name__ == "__main__":
    main()
