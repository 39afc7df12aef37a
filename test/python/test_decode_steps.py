# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Steps of decoders on the emulated device. There a head has its keys in parts, however long the cache is: kernels and
their blocks are those of the compilation."""

import numpy as np
import pytest
from graph_builder import GraphBuilder
from model_zoo import make
from testing.engines import make_engine

import bessemer

HEADS, KEY_HEADS, DEPTH = 4, 2, 32
ARCHITECTURES = ["sm_80", "sm_90a"]


def step_model(path, masked):
    """One query behind `past` others: keys and values of past and step by Concat, heads that share keys, a mask on demand."""
    graph = GraphBuilder("step", opset=23, ir_version=11)
    half = np.float16
    past = [graph.input(name, half, [1, KEY_HEADS, "past", DEPTH]) for name in ("past_k", "past_v")]
    new = [graph.input(name, half, [1, KEY_HEADS, 1, DEPTH]) for name in ("k", "v")]
    query = graph.input("q", half, [1, HEADS, 1, DEPTH])
    keys, values = (graph.Concat(old, own, axis=2) for old, own in zip(past, new))
    mask = [graph.input("mask", half, [1, 1, 1, "past + 1"])] if masked else []
    graph.output(graph.Attention(query, keys, values, *mask), "y", half, [1, HEADS, 1, DEPTH])
    graph.output(keys, "present_k", half, [1, KEY_HEADS, "past + 1", DEPTH])
    graph.output(values, "present_v", half, [1, KEY_HEADS, "past + 1", DEPTH])
    graph.save(path)
    return path


def expected_step(query, keys, values, mask):
    query, keys, values = (x[0].astype(np.float64) for x in (query, keys, values))
    keys, values = (np.repeat(x, HEADS // KEY_HEADS, axis=0) for x in (keys, values))
    scores = query @ keys.transpose(0, 2, 1) / np.sqrt(DEPTH) + (0 if mask is None else mask[0].astype(np.float64))
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True) @ values)[None]


def kernels_of(program, feeds):
    return {entry["name"] for entry in program.profile(feeds)}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_cache_that_grows_by_concat(architecture, masked, tmp_path):
    program = bessemer.compile(str(step_model(tmp_path / "m.onnx", masked)), target=f"cuda:{architecture}", emulate=True,
                               sanitize=True)
    random = np.random.default_rng(5)

    def draw(heads, length):
        return random.standard_normal((1, heads, length, DEPTH)).astype(np.float16)

    # Most parts are empty at first; 31 to 33 keys, and what one step appends to a long cache.
    for start, steps in [(0, 3), (30, 3), (300, 2)]:
        keys, values = draw(KEY_HEADS, start), draw(KEY_HEADS, start)
        for _ in range(steps):
            feeds = {"past_k": keys, "past_v": values, "k": draw(KEY_HEADS, 1), "v": draw(KEY_HEADS, 1), "q": draw(HEADS, 1)}
            mask = None
            if masked:
                mask = feeds["mask"] = random.standard_normal((1, 1, 1, keys.shape[2] + 1)).astype(np.float16)
                mask[..., :-1:3] = -np.inf
            results = program(feeds)
            keys, values = (np.concatenate([feeds[f"past_{x}"], feeds[x]], axis=2) for x in "kv")
            np.testing.assert_array_equal(results["present_k"], keys)
            np.testing.assert_array_equal(results["present_v"], values)
            np.testing.assert_allclose(results["y"], expected_step(feeds["q"], keys, values, mask), atol=4e-3)
    assert program.findings == ""
    names = kernels_of(program, feeds)
    assert any(name.startswith("attention_parts") for name in names) and any(name.startswith("combine_parts") for name in names), names


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_gpt2_step_in_parts_is_one_graph(architecture):
    """The caches stay on the device and grow; what was recorded at 65 keys is replayed up to 128."""
    path = make("gpt2-tiny")
    program = bessemer.compile(str(path), target=f"cuda:{architecture}", emulate=True, sanitize=True,
                               dims={"batch": 1, "sequence_length": 1, "past_sequence_length": "<=127"})
    reference = make_engine("onnxruntime", path, threads=2)
    cache = bessemer.Cache(program, capacity=128, batch=1, on_device=True)
    past = {argument.name: np.random.default_rng(6).standard_normal((1, argument.shape[1], 64, argument.shape[3])).astype(np.float32)
            for argument in program.inputs if argument.name in cache.buffers}
    for name, array in past.items():
        room = np.zeros(cache.buffers[name].shape, np.float32)
        room[:, :, :64] = array
        cache.buffers[name] = program.to_device(room)
    cache.length = 64
    before = program.device_counts
    for token in range(5):
        feeds = {"input_ids": np.array([[token]]), "attention_mask": np.ones((1, cache.length + 1), np.int64),
                 "position_ids": np.array([[cache.length]])}
        expected = reference(feeds | past)
        np.testing.assert_allclose(cache.run(feeds)["logits"], expected["logits"], atol=1e-4)
        past = {name: expected[present] for name, present, _ in program.caches}
    counts = {name: value - before[name] for name, value in program.device_counts.items()}
    assert counts["graphs"] == 1 and counts["replays"] >= 3, counts
    assert program.findings == ""
    feeds |= {name: np.ascontiguousarray(array[:, :, :-1]) for name, array in past.items()}
    assert any(name.startswith("attention_parts") for name in kernels_of(program, feeds))
