# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The part of run.py that checks and times whole models.

Both sides get tensors that lie on the device, and leave their results there; a time is that of one call until its result
is there, the median of all rounds, in which the engines take turns. Caches of GPT-2 are written in place by both.
"""

import statistics
import time

import numpy as np

import bessemer
import models


def feeds_of(model, torch, device):
    return {name: torch.from_numpy(np.ascontiguousarray(array)).to(device) for name, array in model.feeds().items()}


def caches_of(model, torch, device, length):
    """[layer][key, value]: the first `past` places are taken."""
    if not model.cache:
        return []
    layers, heads, size = model.cache
    generator = torch.Generator().manual_seed(5)
    result = []
    for _ in range(layers):
        pair = [torch.zeros(1, heads, model.past + length, size, dtype=torch.float16) for _ in range(2)]
        for cache in pair:
            cache[:, :, :model.past] = torch.randn(1, heads, model.past, size, generator=generator).half()
        result.append([cache.to(device) for cache in pair])
    return result


def call_of(program, model, device, feeds, caches):
    """A run of the program: its first output."""
    native = (lambda tensor: tensor) if device == "cuda" else (lambda tensor: tensor.numpy())
    given = {name: native(tensor) for name, tensor in feeds.items()}
    out = [None] * len(program.outputs)
    names = [argument.name for argument in program.outputs]
    for layer, pair in enumerate(caches):
        for part, cache in zip(("key", "value"), pair):
            given[f"past_key_values.{layer}.{part}"] = native(cache[:, :, :model.past])
            out[names.index(f"present.{layer}.{part}")] = native(cache)
    return lambda: program._run(program._ordered((given,), {}), out, device == "cuda")[0]


def to_double(torch, value):
    if hasattr(value, "numpy") and not isinstance(value, np.ndarray):
        value = value.numpy()
    return torch.from_numpy(np.ascontiguousarray(value)).double()


def check(model, torch, device, weights, feeds, caches, result):
    """||result - reference|| / ||reference||, the reference in float32."""
    wide = {name: tensor.float() for name, tensor in weights.items()}
    with torch.no_grad():
        reference = model.step(torch, wide, feeds, [[cache.float() for cache in pair] for pair in caches]).double().cpu()
    error = float((to_double(torch, result) - reference).norm() / reference.norm())
    return error if error == error else float("inf")


def median_seconds(torch, device, engines, rounds):
    times = {name: [] for name in engines}
    with torch.no_grad():
        for engine in engines.values():
            for _ in range(3):
                engine()
        for index in range(rounds):
            for name in list(engines) if index % 2 == 0 else reversed(engines):
                if device == "cuda":
                    torch.cuda.synchronize()
                start = time.perf_counter()
                engines[name]()
                if device == "cuda":
                    torch.cuda.synchronize()
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def run_models(torch, device, manifest, folder, arguments, report):
    """Rows of the report; the number of wrong answers."""
    known, wrong, made = {model.name: model for model in getattr(models, manifest["size"])()}, 0, {}
    for entry in manifest["models"]:
        if arguments.filter not in entry["case"]:
            continue
        model, row = known[entry["case"]], {"case": entry["case"]}
        report["models"].append(row)
        if "refused" in entry:
            row["refused"] = entry["refused"]
            print(f"{model.name:52} refused: {entry['refused'].splitlines()[0]}")
            continue
        if not (folder / model.weights.location).exists():
            model.weights.write(folder)
        if model.weights.location not in made:
            made = {model.weights.location: {name: torch.from_numpy(array).to(device)
                                             for name, array in model.weights.arrays().items()}}
        weights, feeds = made[model.weights.location], feeds_of(model, torch, device)
        length = feeds["input_ids"].shape[1]
        caches = caches_of(model, torch, device, length)
        try:
            program = bessemer.load(folder / entry["program"])
            call = call_of(program, model, device, feeds, caches)
            row["error"] = check(model, torch, device, weights, feeds, caches, call())
        except bessemer.Error as error:
            row["failed"] = str(error)
            wrong += 1
            print(f"{model.name:52} FAILED: {error}", flush=True)
            continue
        bad = row["error"] > 2e-2
        wrong += bad
        if bad or arguments.check_only:
            print(f"{model.name:52} {'WRONG' if bad else 'right'} {row['error']:.2g}", flush=True)
            continue
        step = lambda: model.step(torch, weights, feeds, caches)  # noqa: E731
        engines = {"bessemer": call, "torch": step}
        if device == "cuda":
            engines["torch.compile"] = torch.compile(step)
        row["seconds"] = median_seconds(torch, device, engines, 10 * arguments.rounds)
        row["device_counts"] = program.device_counts
        ours, peer = row["seconds"]["bessemer"], min(v for n, v in row["seconds"].items() if n != "bessemer")
        row["ratio"] = peer / ours
        print(f"{model.name:52} {1e6 * ours:12.1f} {1e6 * peer:10.1f} {'':>12} {row['ratio']:6.2f} {row['error']:8.2g}", flush=True)
    return wrong
