#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""On the GPU machine: checks each case against PyTorch in a wider type, then times both in turn.

    python3 run.py [--results FILE] [--filter REGEX] [--rounds N] [--check-only] [--no-compile] [--timeout SECONDS]

A row is microseconds of one operation for Bessemer and for the fastest of PyTorch's ways (eager, torch.compile, for attention
its flash and cuDNN kernels), what was reached of the device's figures, and PyTorch's time over Bessemer's (above 1: Bessemer is
faster). All operands lie on the device. The time of one operation is the difference of two chains (cases.py); rounds alternate.

Cases run in a process of their own, one after the other; one that fails, crashes or hangs takes only itself along, since the
next process goes on with the case behind it. A wrong answer ends with exit code 1.
"""

import argparse
import contextlib
import datetime
import json
import pathlib
import re
import select
import statistics
import subprocess
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

# pylint: disable=wrong-import-position
import bessemer  # noqa: E402
import cases  # noqa: E402
import models  # noqa: E402
from run_models import run_model  # noqa: E402

try:
    from ml_dtypes import bfloat16
except ImportError:
    bfloat16 = np.uint16  # what bessemer takes it as then

ROW = "row: "  # what a worker's line of results begins with


def operands_of(case, torch, device):
    """Tensors on PyTorch's device."""
    kind = getattr(torch, case.dtype)
    return {name: torch.from_numpy(array).to(device=device, dtype=kind)
            for name, array in case.operands(np.random.default_rng(7)).items()}


def native(torch, tensor):
    """What a program takes: the tensor itself on a GPU, else an array on its memory."""
    if tensor.is_cuda:
        return tensor
    return tensor.view(torch.int16).numpy().view(bfloat16) if tensor.dtype == torch.bfloat16 else tensor.numpy()


def call_of(case, torch, program, there):
    """(run, result): `result` is the tensor that a run writes. It began with NaNs, so that nothing is left unwritten."""
    kind, device = getattr(torch, case.dtype), there["x"].device
    out = [torch.full(argument.shape, float("nan"), dtype=kind, device=device) for argument in program.outputs]
    given = {name: native(torch, tensor) for name, tensor in there.items()}
    return program.bind(given, out=[native(torch, tensor) for tensor in out], on_device=there["x"].is_cuda), out[0]


def check(case, torch, program, there):
    """||result - reference|| / ||reference||, the reference in float32 (of float32: in float64)."""
    wider = torch.float64 if case.dtype == "float32" else torch.float32
    reference = case.step(torch, there["x"].to(wider), {name: tensor.to(wider) for name, tensor in there.items()}).double()
    run, result = call_of(case, torch, program, there)
    run()
    error = float((result.double() - reference).norm() / reference.norm())
    return error if error == error else float("inf")


def seconds_of_bessemer(run):
    start = time.perf_counter()
    run()
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


def chain(step, length):
    def run(there):
        x = there["x"]
        for _ in range(length):
            x = step(x, there)
        return x
    return run


def with_attention_backend(torch, backend, step):
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def run(x, there):
        with sdpa_kernel(getattr(SDPBackend, backend)):
            return step(x, there)
    return run


def peers_of(case, torch, device, no_compile):
    """PyTorch's ways of one operation. Each is compiled by itself: of a chain of rows Inductor makes one kernel."""
    step = lambda x, there: case.step(torch, x, there)  # noqa: E731
    if case.group == "attention" and device == "cuda":
        return {name: with_attention_backend(torch, backend, step)
                for name, backend in (("flash", "FLASH_ATTENTION"), ("cudnn", "CUDNN_ATTENTION"))}
    peers = {"torch": step}
    if case.group == "rows" and not no_compile:
        torch._dynamo.reset()
        peers["torch.compile"] = torch.compile(step, fullgraph=True)
    return peers


def time_case(case, torch, programs, there, device, arguments):
    """Seconds of one operation, {"bessemer": median, "torch": ..., "torch.compile": ...}."""
    short, long = case.lengths
    runs = [call_of(case, torch, programs[n], there)[0] for n in (short, long)]
    engines = {"bessemer": [lambda r=r: seconds_of_bessemer(r) for r in runs]}
    for name, step in peers_of(case, torch, device, arguments.no_compile).items():
        # The time on the device of the longer chain less the shorter one's: warm-up and launches count for neither.
        functions = [chain(step, n) for n in (short, long)]
        measures = [lambda f=f: seconds_of_torch(torch, f, there, device) for f in functions]
        with contextlib.suppress(RuntimeError):  # a way of PyTorch's that does not take this case is not a peer
            measures[0]()
            engines[name] = measures
    for measure in engines.values():
        for run in measure:
            run(), run()
    differences = {name: [] for name in engines}
    for index in range(arguments.rounds):
        for name in list(engines) if index % 2 == 0 else reversed(engines):
            first, second = engines[name]
            differences[name].append((second() - first()) / (long - short))
    return {name: statistics.median(values) for name, values in differences.items()}


def copy_bandwidth(torch, device):
    """Bytes a second of a copy on the device, read plus written."""
    source = torch.empty(1 << (20 if device == "cpu" else 30), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    run = lambda _: target.copy_(source)  # noqa: E731
    return 2 * source.numel() / min(seconds_of_torch(torch, run, None, device) for _ in range(10))


def run_case(torch, device, case, entry, bandwidth, arguments):
    row = {"case": case.name}
    programs = {int(n): bessemer.load(HERE / "programs" / name) for n, name in entry["programs"].items()}
    there = operands_of(case, torch, device)
    row["error"] = check(case, torch, programs[case.lengths[0]], there)
    row["wrong"] = row["error"] > case.tolerance
    if row["wrong"] or arguments.check_only:
        return row
    row["seconds"] = time_case(case, torch, programs, there, device, arguments)
    ours = row["seconds"]["bessemer"]
    row["ratio"] = min(v for n, v in row["seconds"].items() if n != "bessemer") / ours
    row["reached"] = f"{case.flops / ours / 1e12:.0f} TFLOP/s" if case.flops else f"{100 * case.bytes / ours / bandwidth:.0f} % of copy"
    return row


def work(manifest, names, arguments):
    """A worker: a line of JSON for each case, in order. After a failure the device is of no more use to this process."""
    import torch
    torch.backends.cuda.matmul.allow_tf32 = False
    device = "cpu" if manifest["target"] == "cpu" else "cuda"  # of PyTorch
    bandwidth = copy_bandwidth(torch, device)
    title = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(ROW + json.dumps({"device": title, "torch": torch.__version__, "copy_GB_s": bandwidth / 1e9}), flush=True)
    known = {case.name: case for case in getattr(cases, manifest["size"])()}
    known_models = {model.name: model for model in getattr(models, manifest["size"])()}
    entries = {entry["case"]: entry for entry in manifest["cases"] + manifest["models"]}
    for name in names:
        try:
            if name in known:
                row = run_case(torch, device, known[name], entries[name], bandwidth, arguments)
            else:
                row = run_model(torch, device, known_models[name], entries[name], HERE / "programs", arguments)
        except Exception as error:  # pylint: disable=broad-except
            print(ROW + json.dumps({"case": name, "failed": f"{type(error).__name__}: {error}"}), flush=True)
            sys.exit(2)
        print(ROW + json.dumps(row), flush=True)
        if device == "cuda":
            torch.cuda.empty_cache()


def show(row):
    if "failed" in row or "refused" in row:
        what = "failed" if "failed" in row else "refused"
        print(f"{row['case']:52} {what}: {row[what].splitlines()[0][:200]}", flush=True)
    elif "seconds" not in row:
        print(f"{row['case']:52} {'WRONG' if row['wrong'] else 'right'} {row['error']:.2g}", flush=True)
    else:
        peers = {name: value for name, value in row["seconds"].items() if name != "bessemer"}
        best = min(peers, key=peers.get)
        print(f"{row['case']:52} {1e6 * row['seconds']['bessemer']:10.1f} {1e6 * peers[best]:10.1f} {row['reached']:>13} {row['ratio']:6.2f}"
              f" {row['error']:8.2g}  {', '.join(f'{n} {1e6 * v:.1f}' for n, v in peers.items())}", flush=True)


def supervise(names, timeout, options):
    """Rows of all cases, from as many workers as it takes."""
    while names:
        worker = subprocess.Popen([sys.executable, __file__, "--worker", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        worker.stdin.write(json.dumps(names).encode())
        worker.stdin.close()
        rest, ended, begun = b"", False, False
        while names and not ended:
            if not select.select([worker.stdout], [], [], timeout if begun else timeout + 60)[0]:
                worker.kill()
                yield {"case": names.pop(0), "failed": f"no answer in {timeout} s"}
                break
            piece = worker.stdout.read1()
            ended = not piece
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if not line.startswith(ROW.encode()):
                    print(line.decode(errors="replace"), flush=True)
                    continue
                row = json.loads(line[len(ROW):])
                begun = True
                ended = ended or "failed" in row
                if "case" in row:
                    names.pop(0)
                yield row
            if not piece and names and not any(b"failed" in line for line in lines):
                yield {"case": names.pop(0), "failed": f"the process ended with exit code {worker.wait()}"}
        worker.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("--filter", default="")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--check-only", action="store_true")
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile, which takes most of the time")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    manifest = json.loads((HERE / "manifest.json").read_text())
    if arguments.worker:
        return work(manifest, json.load(sys.stdin), arguments)
    chosen = [entry for entry in manifest["cases"] + manifest["models"] if re.search(arguments.filter, entry["case"])]
    refused = [entry for entry in chosen if "refused" in entry]
    report = {"date": datetime.date.today().isoformat(), "target": manifest["target"], "bessemer": manifest["version"], "rows": refused}
    for row in refused:
        show(row)
    options = [f"--rounds={arguments.rounds}", *(["--check-only"] if arguments.check_only else []),
               *(["--no-compile"] if arguments.no_compile else [])]
    for row in supervise([entry["case"] for entry in chosen if "refused" not in entry], arguments.timeout, options):
        if "case" in row:
            report["rows"].append(row)
            show(row)
        elif "device" not in report:
            report |= row
            print(f"{row['device']}, {manifest['target']}, PyTorch {row['torch']}; a copy on the device: {row['copy_GB_s']:.0f} GB/s")
            print(f"{'':52} {'bessemer us':>10} {'torch us':>9} {'reached':>13} {'ratio':>6} {'error':>8}")
        if arguments.results:
            arguments.results.write_text(json.dumps(report, indent=1))
    wrong = sum("failed" in row or row.get("wrong", False) for row in report["rows"])
    if wrong:
        sys.exit(f"{wrong} cases are wrong or failed")
    return None


if __name__ == "__main__":
    main()
