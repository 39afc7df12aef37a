# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Side-by-side timing: Bessemer and ONNX Runtime in alternating rounds, each in a process of its own.

A process each, because the idle thread pool of one library may spin and slow the other. Rounds alternate, because a shared
machine moves by the minute; the ratio is the median of the rounds' ratios.

    case = Case("minilm 1x128", path, feeds)
    results = compare([case], threads=1)
"""

import dataclasses
import json
import multiprocessing
import pathlib
import statistics
import subprocess
import time
from typing import Callable

from .engines import ROOT, EngineError, bessemer_package, make_engine, worst_error

ENGINES = ("bessemer", "onnxruntime")
PAUSE_S = 0.03  # idle pools stop spinning before the other engine is timed


@dataclasses.dataclass
class Case:
    label: str
    path: pathlib.Path
    feeds: dict
    flops: float = 0.0  # multiplications and additions of one call, for GFLOP/s; 0: not shown
    dims: dict | None = None
    prepare: Callable = lambda: None  # makes the model, if it is not there


def _serve(pipe, name, path, threads, dims):
    """The process of one engine: compiles, then answers ('run', feeds) and ('time', feeds, calls)."""
    try:
        start = time.perf_counter()
        engine = make_engine(name, path, threads, dims)
        pipe.send(("ready", time.perf_counter() - start))
        while True:
            request = pipe.recv()
            if request[0] == "run":
                pipe.send(("answers", engine(request[1])))
                continue
            _, feeds, calls = request
            seconds = []
            for _ in range(calls):
                start = time.perf_counter()
                engine(feeds)
                seconds.append(time.perf_counter() - start)
            pipe.send(("seconds", seconds))
    except EOFError:
        pass
    except Exception as error:  # pylint: disable=broad-except
        pipe.send(("error", f"{type(error).__name__}: {error}"))


class Remote:
    """One engine in its process; requests are answered in order."""

    def __init__(self, name, path, threads, dims):
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, name, str(path), threads, dims), daemon=True)
        self.process.start()
        theirs.close()
        self.compile_s = self._receive("ready")

    def _receive(self, expected):
        try:
            kind, value = self.pipe.recv()
        except EOFError:
            self.process.join()
            raise EngineError(f"{self.name} died with exit code {self.process.exitcode}") from None
        if kind != expected:
            raise EngineError(f"{self.name}: {value}")
        return value

    def run(self, feeds):
        self.pipe.send(("run", feeds))
        return self._receive("answers")

    def time(self, feeds, calls):
        self.pipe.send(("time", feeds, calls))
        return self._receive("seconds")

    def close(self):
        self.pipe.close()
        self.process.join(timeout=5)
        if self.process.is_alive():
            self.process.kill()


def measure_case(case, remotes, rounds, round_s):
    """One row: medians in milliseconds, the ratio (above 1: Bessemer is faster), and the worst error."""
    answers = {name: remote.run(case.feeds) for name, remote in remotes.items()}
    error = max(worst_error(answers["bessemer"][k], v) for k, v in answers["onnxruntime"].items())
    calls = {}
    for name, remote in remotes.items():
        once = min(remote.time(case.feeds, 3))
        calls[name] = max(1, min(200, int(round_s / max(once, 1e-6))))
    seconds = {name: [] for name in remotes}
    medians = {name: [] for name in remotes}
    for index in range(rounds):
        order = list(remotes) if index % 2 == 0 else list(reversed(remotes))
        for name in order:
            time.sleep(PAUSE_S)
            samples = remotes[name].time(case.feeds, calls[name] + 1)[1:]  # the first call wakes the pool
            seconds[name] += samples
            medians[name].append(statistics.median(samples))
    row = {"label": case.label, "error": error,
           "ratio": statistics.median(b / a for a, b in zip(medians["bessemer"], medians["onnxruntime"]))}
    for name in remotes:
        row[name] = {"median_ms": 1e3 * statistics.median(seconds[name]), "best_ms": 1e3 * min(seconds[name]),
                     "compile_s": remotes[name].compile_s}
        if case.flops:
            row[name]["gflops"] = case.flops / statistics.median(seconds[name]) / 1e9
    return row


def compare(cases, threads, rounds=7, round_s=0.5):
    """Rows for the cases; those of one model must follow each other: it is then compiled once."""
    if not bessemer_package():
        raise EngineError("the Python package bessemer is not built; run scripts/build")
    rows, remotes, current = [], {}, None
    try:
        for case in cases:
            key = (case.path, tuple((case.dims or {}).items()))
            if key != current:
                for remote in remotes.values():
                    remote.close()
                remotes = {}
                case.prepare()
                for name in ENGINES:
                    remotes[name] = Remote(name, case.path, threads, case.dims)
                current = key
            rows.append(measure_case(case, remotes, rounds, round_s))
    finally:
        for remote in remotes.values():
            remote.close()
    return rows


def fma_peak(threads):
    """GFLOP/s by instruction set, {"avx2": ..., "avx512": ...}, measured now."""
    binary = ROOT / "build" / "bench" / "fma_peak"
    source = ROOT / "bench" / "fma_peak.c"
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        binary.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["clang-22", "-O2", "-pthread", str(source), "-o", str(binary)], check=True)
    answer = json.loads(subprocess.run([str(binary), str(threads)], check=True, capture_output=True).stdout)
    return {name: value for name, value in answer.items() if name != "threads"}


def print_rows(rows, threads, peak=None):
    print(f"{threads} thread{'s' if threads > 1 else ''}; median (best) ms; ratio above 1: bessemer is faster")
    if peak:
        print("FMA peak: " + ", ".join(f"{name} {value:.0f} GFLOP/s" for name, value in peak.items()))
    print(f"{'':32} {'bessemer':>18} {'onnxruntime':>18} {'ratio':>6} {'error':>7}")
    for row in rows:
        cells = [f"{row[n]['median_ms']:.3f} ({row[n]['best_ms']:.3f})" for n in ENGINES]
        print(f"{row['label']:32} {cells[0]:>18} {cells[1]:>18} {row['ratio']:6.2f} {row['error']:7.2g}")
        if "gflops" in row["bessemer"]:
            for name in ENGINES:
                gflops = row[name]["gflops"]
                shares = ", ".join(f"{100 * gflops / value:.0f} % of {isa}" for isa, value in (peak or {}).items())
                print(f"    {name:12} {gflops:7.1f} GFLOP/s  {shares}")
