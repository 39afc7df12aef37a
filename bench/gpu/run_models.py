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
    run = program.bind(given, out=out, on_device=device == "cuda")
    return lambda: run()[0]


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


MADE = {}  # weights on the device, by the name of their file; the last ones only


def prepared(torch, device, model, entry, folder):
    """(program, call, weights, feeds, caches) of one model, all on the device."""
    if not (folder / model.weights.location).exists():
        model.weights.write(folder)
    if model.weights.location not in MADE:
        MADE.clear()
        MADE[model.weights.location] = {name: torch.from_numpy(array).to(device) for name, array in model.weights.arrays().items()}
    weights, feeds = MADE[model.weights.location], feeds_of(model, torch, device)
    caches = caches_of(model, torch, device, feeds["input_ids"].shape[1])
    program = bessemer.load(folder / entry["program"])
    return program, call_of(program, model, device, feeds, caches), weights, feeds, caches


def run_model(torch, device, model, entry, folder, arguments):
    """The row of one model."""
    row = {"case": model.name}
    program, call, weights, feeds, caches = prepared(torch, device, model, entry, folder)
    row["error"] = check(model, torch, device, weights, feeds, caches, call())
    row["wrong"] = row["error"] > 2e-2
    if row["wrong"] or arguments.check_only:
        return row
    step = lambda: model.step(torch, weights, feeds, caches)  # noqa: E731
    engines = {"bessemer": call, "torch": step}
    if device == "cuda" and not arguments.no_compile:
        # With CUDA graphs, as our own runs are: otherwise a small model is a measurement of launches. Caches are written
        # in place, which graphs only take of tensors that stay where they are.
        for tensor in [*weights.values(), *feeds.values(), *(cache for pair in caches for cache in pair)]:
            torch._dynamo.mark_static_address(tensor)
        torch._dynamo.reset()
        engines["torch.compile"] = torch.compile(step, mode="reduce-overhead", fullgraph=True)
    row["seconds"] = median_seconds(torch, device, engines, 10 * arguments.rounds)
    row["device_counts"] = program.device_counts
    row["ratio"] = min(v for n, v in row["seconds"].items() if n != "bessemer") / row["seconds"]["bessemer"]
    row["reached"] = ""
    return row
