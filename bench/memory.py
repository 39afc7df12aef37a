#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a run takes in memory.

    memory.py            each model beside ONNX Runtime: the arena, the most bytes live at a time, and the peak resident
                         memory during runs less that right after loading, each in a process of its own
    memory.py --limits   MiniLM at length 512 under --memory limits, from the smallest that fits to none: what stays,
                         what is read again in each run, and the time
"""

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import time

from common import ROOT  # noqa: F401  (sets the path)

# pylint: disable=wrong-import-position
import numpy as np  # noqa: E402
from model_zoo import MODELS, make  # noqa: E402
from testing.engines import TOOL, bessemer_package, make_engine, worst_error  # noqa: E402


def status(key):
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {key} in /proc/self/status")


def forget_peak():
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def _measure(pipe, engine, path, threads, feeds):
    run = make_engine(engine, path, threads=threads)
    forget_peak()
    before = status("VmRSS")
    for _ in range(3):
        answers = run(feeds)
        del answers
    pipe.send(status("VmHWM") - before)


def in_process(target, *arguments):
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        answer = None
    process.join()
    return answer


def inputs_of(path):
    import onnx
    graph = onnx.load(str(path), load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    return {value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
            for value in graph.input if value.name not in weights}


def explain(path, dims, *more):
    command = [str(TOOL), "explain", str(path), "--json", *more]
    for name, value in dims.items():
        command += ["--dim", f"{name}={value}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else {}, done.stderr


def bound_dims(path, feeds):
    """The named dimensions as the shapes of the inputs bind them."""
    dims = {}
    for name, shape in inputs_of(path).items():
        for axis, (dim, extent) in enumerate(zip(shape, feeds[name].shape)):
            if dim in (0, "?"):  # without a name
                dim = f"{name}.d{axis}"
            if isinstance(dim, str):
                dims[dim] = extent
    return dims


def encoder_feeds(seq):
    ids = np.random.default_rng(0).integers(0, 30522, (1, seq), dtype=np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def largest_case(name):
    if name == "minilm":
        return "1x512", encoder_feeds(512)
    return max(MODELS[name].cases(), key=lambda case: sum(array.nbytes for array in case[1].values()))


def table(names, threads):
    mib = 1 << 20
    print(f"{'model':<18} {'case':<14} {'arena':>9} {'live sum':>9} {'run, ours':>10} {'run, ORT':>10}   MiB")
    worse = []
    for name in names:
        path = make(name)
        label, feeds = largest_case(name)
        _, report, _ = explain(path, bound_dims(path, feeds))
        ours = in_process(_measure, "bessemer", str(path), threads, feeds)
        theirs = in_process(_measure, "onnxruntime", str(path), threads, feeds)
        known = report.get("live_bytes", -1) >= 0
        arena = f"{int(report['arena_bytes']) / mib:9.2f}" if known else f"{'?':>9}"
        live = f"{report['live_bytes'] / mib:9.2f}" if known else f"{'?':>9}"
        print(f"{name:<18} {label:<14} {arena} {live} {ours / mib:10.2f} {theirs / mib:10.2f}", flush=True)
        if ours >= theirs:
            worse.append(name)
    if worse:
        print("not smaller than ONNX Runtime's: " + ", ".join(worse))


def _timed(pipe, path, dims, limit, threads, feeds, rounds):
    # Bound, as `explain` sees it: a free dimension leaves the decision, and other kernels, to the run.
    program = bessemer_package().compile(path, dims=dims, threads=threads, memory=limit)
    answers = program(feeds)
    forget_peak()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        program(feeds)
        seconds.append(time.perf_counter() - start)
    pipe.send((answers if isinstance(answers, (list, tuple)) else list(answers.values()), statistics.median(seconds), status("VmHWM")))


def limits(threads, rounds):
    path = make("minilm")
    feeds = encoder_feeds(512)
    dims = {"batch": 1, "seq": 512}
    _, report, _ = explain(path, dims, "--memory=1T")
    minimum, whole = report["memory"]["minimum_bytes"], report["memory"]["total_bytes"]
    expected, _, _ = in_process(_timed, str(path), dims, None, threads, feeds, rounds)
    mib = 1 << 20
    print(f"MiniLM, 1 x 512, {threads} threads; all takes {whole} bytes, the smallest limit is {minimum}")
    print(f"{'limit':>12} {'takes':>9} {'stays':>9} {'streamed':>9} {'ahead':>6} {'ms':>8} {'error':>9}   MiB")
    for share in (0, 0.125, 0.25, 0.5, 0.75, 1, None):
        limit = None if share is None else int(minimum + share * (whole - minimum))
        _, report, _ = explain(path, dims, *([f"--memory={limit}"] if limit else []))
        memory = report.get("memory", {"total_bytes": whole, "resident_bytes": whole - int(report["arena_bytes"]),
                                       "streamed_bytes": 0, "reads_ahead": 0})
        answers, seconds, _ = in_process(_timed, str(path), dims, limit, threads, feeds, rounds)
        error = max(worst_error(a, b) for a, b in zip(answers, expected))
        print(f"{limit or 'none':>12} {memory['total_bytes'] / mib:9.2f} {memory['resident_bytes'] / mib:9.2f} "
              f"{memory['streamed_bytes'] / mib:9.2f} {'yes' if memory['reads_ahead'] else 'no':>6} {1e3 * seconds:8.1f} {error:9.2g}", flush=True)
        if error > 1:
            sys.exit("memory: a wrong answer")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limits", action="store_true", help="MiniLM under memory limits")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    arguments = parser.parse_args()
    if arguments.limits:
        limits(arguments.threads, arguments.rounds)
    else:
        table(arguments.models, arguments.threads)


if __name__ == "__main__":
    main()
