# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Caches that a decoder appends to in place: nothing of the past moves, and answers stay the same."""

import subprocess
import sys
import textwrap

import numpy as np
import onnx
import onnx.parser
import pytest

import bessemer
from model_zoo import make
from testing.engines import ROOT, make_engine, worst_error

DECODERS = ["gpt2-tiny", "llama-tiny"]


def feeds_of(program, ids, past):
    batch, seq = ids.shape
    feeds = {"input_ids": ids, "attention_mask": np.ones((batch, past + seq), np.int64),
             "position_ids": np.tile(np.arange(past, past + seq, dtype=np.int64), (batch, 1))}
    return {argument.name: feeds[argument.name] for argument in program.inputs if argument.name in feeds}


@pytest.fixture(scope="module", params=DECODERS)
def decoder(request):
    path = make(request.param)
    return bessemer.compile(str(path)), make_engine("onnxruntime", path, threads=1)


def empty_caches(program, batch):
    inputs = {argument.name: argument for argument in program.inputs}
    return {past: np.zeros([batch if d == "batch" else d if isinstance(d, int) else 0 for d in inputs[past].shape], np.float32)
            for past, _, _ in program.caches}


@pytest.mark.parametrize("batch", [1, 2])
def test_decoding_in_place_gives_the_answers_of_decoding_by_copies(decoder, batch):
    program, reference = decoder
    rng = np.random.default_rng(1)
    cache = bessemer.Cache(program, capacity=20, batch=batch)
    buffers = {name: buffer.ctypes.data for name, buffer in cache.buffers.items()}
    copies = empty_caches(program, batch)
    for seq in (7, 1, 1, 3, 8):  # the last fills the cache
        feeds = feeds_of(program, rng.integers(0, 500, (batch, seq), dtype=np.int64), cache.length)
        expected = reference({**feeds, **copies})
        results = cache.run(feeds)
        for name, value in results.items():
            assert worst_error(value, expected[name]) <= 1, (name, cache.length)
        for past, present, axis in program.caches:
            copies[past] = expected[present]
            held = cache.buffers[past][(slice(None),) * axis + (slice(cache.length),)]
            assert worst_error(held, expected[present]) <= 1, (past, cache.length)
    assert cache.length == 20 and buffers == {name: buffer.ctypes.data for name, buffer in cache.buffers.items()}
    with pytest.raises(bessemer.BadInput, match="expected at most 20 places"):
        cache.run(feeds_of(program, np.zeros((batch, 1), np.int64), 20))


@pytest.mark.parametrize("name", DECODERS)
def test_a_step_writes_nothing_of_the_past(name):
    """The pages of the past are read-only during a step: a copy would end the process."""
    code = textwrap.dedent("""
        import ctypes, mmap, sys
        import numpy as np
        import bessemer
        from test_cache import feeds_of
        program = bessemer.compile(sys.argv[1])
        cache = bessemer.Cache(program, capacity=128, batch=1)
        memory = []
        for name, buffer in cache.buffers.items():      # the same buffers on pages of their own
            pages = mmap.mmap(-1, buffer.nbytes)
            memory.append(pages)
            cache.buffers[name] = np.frombuffer(pages, buffer.dtype).reshape(buffer.shape)
        row = 128 * 16 * 4                              # a head: two pages, of which the first is all past
        cache.run(feeds_of(program, np.arange(64)[None], 0))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        for buffer in cache.buffers.values():
            for at in range(0, buffer.nbytes, row):
                assert protect(ctypes.c_void_p(buffer.ctypes.data + at), 4096, mmap.PROT_READ) == 0
        logits = cache.run(feeds_of(program, np.array([[5]]), 64))["logits"]
        assert cache.length == 65 and np.isfinite(logits).all()
        print("ok")
        sys.stdout.flush()
        if sys.argv[2] == "copy":                       # the same step by copies does write there
            past = {name: buffer[:, :, :64] for name, buffer in cache.buffers.items()}
            feeds = {**feeds_of(program, np.array([[5]]), 64), **{name: array.copy() for name, array in past.items()}}
            names = [argument.name for argument in program.outputs]
            out = [None] * len(names)
            for name, present, _ in program.caches:
                out[names.index(present)] = cache.buffers[name][:, :, :65]
            program(feeds, out=out)
            print("copied")
    """)
    path = make(name)
    environment = {"PYTHONPATH": ":".join(str(ROOT / folder) for folder in ("python", "test/python", "test/models"))}
    for how, ending in (("append", "ok"), ("copy", "ok")):
        done = subprocess.run([sys.executable, "-c", code, str(path), how], capture_output=True, text=True, check=False,
                              env=environment)
        assert done.stdout.split() == [ending], done.stderr
        assert (done.returncode == 0) == (how == "append"), done.stderr


def test_a_cache_moves_into_a_buffer_with_more_room(decoder):
    """The past is contiguous, the present has room: it is copied once; also when both begin at one place."""
    program, reference = decoder
    rng = np.random.default_rng(2)
    feeds = feeds_of(program, rng.integers(0, 500, (1, 2), dtype=np.int64), 3)
    names = [argument.name for argument in program.outputs]
    shapes = {argument.name: argument.shape for argument in program.inputs}
    past, out = {}, [None] * len(names)
    for name, present, _ in program.caches:
        heads, depth = shapes[name][1], shapes[name][3]
        room = np.zeros((1, heads, 9, depth), np.float32)
        values = rng.standard_normal((1, heads, 3, depth)).astype(np.float32)
        room.reshape(-1)[:values.size] = values.reshape(-1)
        past[name] = room.reshape(-1)[:values.size].reshape(values.shape)
        out[names.index(present)] = room[:, :, :5]
    expected = reference({**feeds, **past})
    program({**feeds, **past}, out=out)
    for name, array in zip(names, out):
        if array is not None:
            assert worst_error(array, expected[name]) <= 1


def test_caches_of_one_run_have_one_capacity(decoder):
    program, _ = decoder
    cache = bessemer.Cache(program, capacity=16, batch=1)
    other = next(iter(cache.buffers))
    cache.buffers[other] = np.zeros((1, cache.buffers[other].shape[1], 17, 16), np.float32)
    with pytest.raises(bessemer.BadInput, match="expected the capacity of the other caches, 1[67], got 1[67]"):
        cache.run(feeds_of(program, np.zeros((1, 2), np.int64), 0))


def test_an_output_with_too_little_room_is_refused(decoder):
    program, _ = decoder
    cache = bessemer.Cache(program, capacity=16, batch=1)
    cache.run(feeds_of(program, np.zeros((1, 4), np.int64), 0))
    names = [argument.name for argument in program.outputs]
    out = [None] * len(names)
    feeds = feeds_of(program, np.zeros((1, 4), np.int64), 4)
    for past, present, _ in program.caches:
        small = np.zeros((1, cache.buffers[past].shape[1], 6, 16), np.float32)
        feeds[past] = cache.buffers[past][:, :, :4]
        out[names.index(present)] = np.lib.stride_tricks.as_strided(small, (*small.shape[:2], 8, 16), small.strides)
    with pytest.raises(bessemer.BadInput, match="expected room for 8 along dimension 2, got 6"):
        program(feeds, out=out)


def compile_text(text):
    return bessemer.compile(onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]>\n' + text).SerializeToString())


def test_a_past_that_something_else_reads_is_not_appended_to():
    program = compile_text("""
        g (float[2, p, 4] past, float[2, s, 4] x) => (float[2, t, 4] present, float[2, p, 4] twice)
        { present = Concat<axis = 1>(past, x)
          twice = Add(past, past) }""")
    assert program.caches == []


def test_a_present_that_is_read_as_one_piece_is_not_appended_to():
    program = compile_text("""
        g (float[2, p, 4] past, float[2, s, 4] x) => (float[2, t, 4] present, float[m] flat)
        { shape = Constant<value = int64[1] {-1}>()
          present = Concat<axis = 1>(past, x)
          row = Reshape(present, shape)
          flat = Relu(row) }""")
    assert program.caches == []


def test_strides_of_other_outputs_are_refused():
    program = compile_text("g (float[2, p, 4] x) => (float[2, p, 4] y) { y = Relu(x) }")
    room = np.zeros((2, 8, 4), np.float32)
    with pytest.raises(bessemer.BadInput, match="expected a contiguous array"):
        program(np.zeros((2, 3, 4), np.float32), out=[room[:, :3]])


def test_an_artifact_keeps_its_caches(decoder, tmp_path):
    program, _ = decoder
    program.save(tmp_path / "model.bsm")
    loaded = bessemer.load(tmp_path / "model.bsm")
    assert loaded.caches == program.caches and len(loaded.caches) == 4
    cache = bessemer.Cache(loaded, capacity=8, batch=1)
    own = bessemer.Cache(program, capacity=8, batch=1)
    for _ in range(2):
        feeds = feeds_of(program, np.array([[3, 4]]), cache.length)
        np.testing.assert_array_equal(cache.run(feeds)["logits"], own.run(feeds)["logits"])
