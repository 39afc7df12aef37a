#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a run takes in memory.

    memory.py            each model beside ONNX Runtime: the arena, the most bytes live at a time, resident memory right after
                         loading (program and context, session), and the peak during runs less that; each in a process of its
                         own, with the dimensions bound on both sides; the first run counts
    memory.py --limits   MiniLM at length 512 under --memory limits, from the smallest that fits to none: in how many pieces
                         kernels run, what stays, what is read again in each run, and the time in alternating rounds
"""

import argparse
import json
import multiprocessing
import pathlib
import statistics
import subprocess
import sys
import tempfile
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


def _measure(pipe, engine, path, dims, threads, feeds):
    if engine == "bessemer":
        program = bessemer_package().load(path, threads=threads)
        program.prepare()
        run = program
    else:
        run = make_engine(engine, path, threads=threads, dims=dims)
    forget_peak()
    before = status("VmRSS")
    for _ in range(3):
        answers = run(feeds)
        del answers
    pipe.send((before, status("VmHWM") - before))


def compiled(name, dims, folder):
    """An artifact of the model, as a host would deploy it: the compiler is not part of what is measured."""
    artifact = pathlib.Path(folder) / f"{name}.bsm"
    command = [str(TOOL), "compile", str(make(name)), "-o", str(artifact)]
    options = [f"--dim={key}={value}" for key, value in dims.items()]
    if subprocess.run([*command, *options], capture_output=True, check=False).returncode:
        subprocess.run(command, check=True, capture_output=True)  # with free dimensions
    return artifact


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
            if dim in (0, -1, "?"):  # without a name
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
    print(f"{'model':<18} {'case':<14} {'arena':>9} {'live sum':>9} {'loaded':>9} {'ORT':>9} {'run':>9} {'ORT':>9}   MiB")
    worse = []
    for name in names:
        path = make(name)
        label, feeds = largest_case(name)
        dims = bound_dims(path, feeds)
        _, report, _ = explain(path, dims)
        with tempfile.TemporaryDirectory() as folder:
            loaded, ours = in_process(_measure, "bessemer", str(compiled(name, dims, folder)), dims, threads, feeds)
        theirs_loaded, theirs = in_process(_measure, "onnxruntime", str(path), dims, threads, feeds)
        known = report.get("live_bytes", -1) >= 0
        arena = f"{int(report['arena_bytes']) / mib:9.2f}" if known else f"{'?':>9}"
        live = f"{report['live_bytes'] / mib:9.2f}" if known else f"{'?':>9}"
        print(f"{name:<18} {label:<14} {arena} {live} {loaded / mib:9.1f} {theirs_loaded / mib:9.1f} "
              f"{ours / mib:9.2f} {theirs / mib:9.2f}", flush=True)
        if ours >= theirs:
            worse.append(name)
    print("smaller than ONNX Runtime's during the run: " + ("all" if not worse else "all but " + ", ".join(worse)))


def _serve_limit(pipe, path, dims, limit, threads, feeds):
    # Bound, as `explain` sees it: a free dimension leaves the decision, and other kernels, to the run.
    program = bessemer_package().compile(path, dims=dims, threads=threads, memory=limit)
    answers = program(feeds)
    pipe.send(answers if isinstance(answers, (list, tuple)) else list(answers.values()))
    while pipe.recv():
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            program(feeds)
            seconds.append(time.perf_counter() - start)
        pipe.send(min(seconds))


def limits(threads, rounds):
    path = make("minilm")
    feeds = encoder_feeds(512)
    dims = {"batch": 1, "seq": 512}
    _, report, _ = explain(path, dims, "--memory=1T", f"--threads={threads}")
    minimum, whole = report["memory"]["minimum_bytes"], report["memory"]["total_bytes"]
    mib = 1 << 20
    print(f"MiniLM, 1 x 512, {threads} threads; all takes {whole} bytes, the smallest limit is {minimum}")
    print("smallest limit with kernels in pieces: " +
          ", ".join(f"{max(1, choice['pieces'])}: {choice['minimum_bytes']}" for choice in report["memory"]["choices"]))
    context = multiprocessing.get_context("spawn")
    rows = []
    for share in (None, 0, 0.125, 0.25, 0.5, 0.75, 1):
        limit = None if share is None else int(minimum + share * (whole - minimum))
        _, report, _ = explain(path, dims, *([f"--memory={limit}", f"--threads={threads}"] if limit else []))
        pipe, theirs = context.Pipe()
        context.Process(target=_serve_limit, args=(theirs, str(path), dims, limit, threads, feeds), daemon=True).start()
        theirs.close()
        rows.append({"limit": limit, "memory": report.get("memory"), "pipe": pipe, "answers": pipe.recv(), "seconds": []})
    for index in range(rounds):
        for row in rows if index % 2 == 0 else reversed(rows):
            row["pipe"].send(True)
            row["seconds"].append(row["pipe"].recv())
    print(f"{'limit':>12} {'takes':>7} {'stays':>7} {'streamed':>9} {'ahead':>6} {'pieces':>7} {'ms':>7} {'to none':>8} {'error':>9}   MiB")
    for row in rows[1:] + rows[:1]:
        memory = row["memory"] or {"total_bytes": whole, "resident_bytes": whole, "streamed_bytes": 0, "reads_ahead": 0, "pieces": 0}
        error = max(worst_error(a, b) for a, b in zip(row["answers"], rows[0]["answers"]))
        ratio = statistics.median(a / b for a, b in zip(row["seconds"], rows[0]["seconds"]))
        print(f"{row['limit'] or 'none':>12} {memory['total_bytes'] / mib:7.2f} {memory['resident_bytes'] / mib:7.2f} "
              f"{memory['streamed_bytes'] / mib:9.2f} {'yes' if memory['reads_ahead'] else 'no':>6} {max(1, memory['pieces']):7} "
              f"{1e3 * statistics.median(row['seconds']):7.1f} {ratio:8.2f} {error:9.2g}", flush=True)
        row["pipe"].send(False)
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
