#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""On the GPU machine: what each kernel of a case takes, ours and PyTorch's, as CUPTI sees it (PyTorch's profiler).

    python3 kernels.py [--filter REGEX] [--top N]
    ncu --set full python3 kernels.py --once --filter REGEX       what the counters say of ours
"""

import argparse
import json
import re
from collections import defaultdict

import bessemer
import cases
import models
import run
import run_models

RUNS = 10


def kernel_times(torch, function):
    """{kernel: (launches in one run, microseconds of one run)}."""
    for _ in range(3):
        function()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        for _ in range(RUNS):
            function()
        torch.cuda.synchronize()
    times = defaultdict(lambda: [0.0, 0.0])
    for event in profiler.events():
        if event.device_type == torch.autograd.DeviceType.CUDA:
            entry = times[event.name]
            entry[0] += 1 / RUNS
            entry[1] += event.device_time / RUNS
    return times


def show(title, times, top):
    total = sum(value for _, value in times.values())
    print(f"  {title}: {total:.1f} us in {sum(count for count, _ in times.values()):.0f} kernels and copies")
    for name, (count, value) in sorted(times.items(), key=lambda item: -item[1][1])[:top]:
        print(f"    {value:9.1f} us {100 * value / total:4.0f} % {count:5.1f} x {value / count:8.2f}  {name[:110]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filter", default="")
    parser.add_argument("--top", type=int, default=20)
    parser.add_argument("--once", action="store_true", help="run ours once and show nothing: for another profiler")
    arguments = parser.parse_args()
    import torch
    manifest = json.loads((run.HERE / "manifest.json").read_text())
    known = {case.name: case for case in getattr(cases, manifest["size"])()}
    known_models = {model.name: model for model in getattr(models, manifest["size"])()}
    for entry in manifest["cases"] + manifest["models"]:
        name = entry["case"]
        if not re.search(arguments.filter, name) or "refused" in entry:
            continue
        if name in known:
            case = known[name]
            there = run.operands_of(case, torch, "cuda")
            program = bessemer.load(run.HERE / "programs" / entry["programs"][str(case.lengths[1])])
            ours, _ = run.call_of(case, torch, program, there)
            chain = run.chain(lambda x, given, case=case: case.step(torch, x, given), case.lengths[1])
            theirs = lambda: chain(there)  # noqa: E731
        else:
            model = known_models[name]
            program, ours, weights, feeds, caches = run_models.prepared(torch, "cuda", model, entry, run.HERE / "programs")
            theirs = lambda: model.step(torch, weights, feeds, caches)  # noqa: E731
        if arguments.once:
            ours()
            continue
        print(name)
        with torch.no_grad():
            show("bessemer", kernel_times(torch, ours), arguments.top)
            show("torch", kernel_times(torch, theirs), arguments.top // 2)


if __name__ == "__main__":
    main()
