# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tensors in a GPU's memory, and graphs of launches, on the emulated device. test/unit/Runtime/CudaDriverTest.cpp has the
driver's side."""

import ctypes
import gc

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import bessemer
from bessemer import _device
from model_zoo import make
from testing.engines import make_engine


def steps_of(program, reference, steps, **where):
    """A prompt of five tokens and single ones behind it, against ONNX Runtime with caches of its own."""
    cache = bessemer.Cache(program, capacity=24, batch=1, **where)
    past = {argument.name: np.zeros((1, argument.shape[1], 0, argument.shape[3]), np.float32)
            for argument in program.inputs if argument.name in cache.buffers}
    ids = [3, 1, 4, 1, 5]
    for _ in range(steps):
        length, count = cache.length, len(ids)
        feeds = {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, length + count), np.int64),
                 "position_ids": np.arange(length, length + count)[None]}
        expected = reference(feeds | past)
        logits = cache.run(feeds)["logits"]
        logits = logits.numpy() if isinstance(logits, bessemer.DeviceArray) else logits
        np.testing.assert_allclose(logits, expected["logits"], atol=1e-4)
        past = {name: expected[present] for name, present, _ in program.caches}
        ids = [int(logits[0, -1].argmax())]
    return cache, past


@pytest.fixture(name="decoder", scope="module")
def decoder_and_reference():
    path = make("gpt2-tiny")
    return (bessemer.compile(str(path), target="cuda:sm_80", emulate=True, sanitize=True),
            make_engine("onnxruntime", path, threads=2))


def test_steps_of_a_decoder_are_one_graph_and_its_caches_stay_on_the_device(decoder):
    program, reference = decoder
    before = program.device_counts
    cache, past = steps_of(program, reference, 6, on_device=True)
    counts = {name: value - before[name] for name, value in program.device_counts.items()}
    # The prompt and the first step as they are, the second is recorded. Its past goes from 5 to 9 places: the last step has a
    # plan of its own, whose list is the same.
    assert counts["graphs"] == 1 and counts["replays"] == 4 and counts["repeats"] == 2, counts
    # Ids, mask and positions in; logits and what the kernels have found out; the caches: when they are made.
    assert counts["copies_in"] == 6 * 3 + len(program.caches) and counts["copies_out"] == 6 * 2, counts
    for name, array in past.items():
        np.testing.assert_allclose(cache.buffers[name].numpy()[:, :, :cache.length], array, atol=1e-4)
    assert program.findings == ""


def test_caches_on_the_host_with_room_for_more(decoder):
    program, reference = decoder
    cache, past = steps_of(program, reference, 3)
    for name, array in past.items():
        np.testing.assert_allclose(cache.buffers[name][:, :, :cache.length], array, atol=1e-4)
    assert program.findings == ""


@pytest.fixture(name="model", scope="module")
def doubled_and_summed():
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n"])
    nodes = [helper.make_node("Add", ["x", "x"], ["y"]), helper.make_node("ReduceMax", ["y"], ["z"], axes=[1], keepdims=0)]
    return helper.make_model(helper.make_graph(nodes, "g", [x], [y, z]),
                             opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()


@pytest.fixture(name="program", scope="module")
def emulated_program(model):
    return bessemer.compile(model, target="cuda:sm_80", emulate=True, sanitize=True)


def test_an_output_is_the_next_input(program):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    y = program.to_device(x)
    before = program.device_counts
    for _ in range(3):
        y, z = program(y, on_device=True)
    counts = program.device_counts
    assert counts["copies_in"] == before["copies_in"]
    assert (y.shape, y.dtype) == ((3, 4), "float32") and repr(y) == "DeviceArray(float32, (3, 4))"
    np.testing.assert_array_equal(y.numpy(), 8 * x)
    np.testing.assert_array_equal(z.numpy(), 8 * x.max(1))
    # In place, beside an output on the host.
    result, maxima = program(y, out=[y, None])
    assert result is y
    np.testing.assert_array_equal(y.numpy(), 16 * x)
    np.testing.assert_array_equal(maxima, 16 * x.max(1))
    assert program.findings == ""


def test_a_bound_run_is_one_replay(program):
    """The same tensors again, whatever they hold; and what other runs in between do to it."""
    x = program.to_device(np.arange(12, dtype=np.float32).reshape(3, 4))
    y, z = program.to_device(np.zeros((3, 4), np.float32)), program.to_device(np.zeros(3, np.float32))
    run, back = program.bind(x, out=[y, z], on_device=True), program.bind(y, out=[x, z], on_device=True)
    run()  # recorded
    before = program.device_counts
    for _ in range(3):
        assert run() == [y, z]
    counts = {name: value - before[name] for name, value in program.device_counts.items()}
    assert counts["replays"] == counts["repeats"] == 3, counts
    assert counts["launches"] == counts["graphs"] == counts["copies_in"] == 0, counts
    first = x.numpy()
    for count in range(1, 4):
        run(), back()
        program(np.ones((5, 4), np.float32))  # another plan, on the host's arrays
        program.output_shapes((7, 4))
        np.testing.assert_array_equal(x.numpy(), 4 ** count * first)
        np.testing.assert_array_equal(z.numpy(), x.numpy().max(1))
    in_place = program.bind(x, out=[x, z], on_device=True)
    for count in range(2, 5):
        in_place()
        np.testing.assert_array_equal(x.numpy(), 2 ** count * 64 * first)
    assert program.findings == ""


def test_a_bound_run_makes_its_results_once(program, model):
    x = np.ones((3, 4), np.float32)
    for made, options in ((program, {"on_device": True}), (program, {}), (bessemer.compile(model), {})):
        run = made.bind({"x": x}, **options)
        x[0, 0] = 5
        y, z = run()
        assert y is run.results[0] and run()[0] is y
        y, z = (result.numpy() if options else result for result in (y, z))
        assert y[0, 0] == 10 and z[0] == 10 and z[1] == 2
        x[0, 0] = 1
        del run
        assert y[0, 0] == 10
    with pytest.raises(bessemer.BadInput, match="can be read where it lies"):
        program.bind(np.lib.stride_tricks.as_strided(x, (2, 4), (18, 4)))
    with pytest.raises(bessemer.InvalidArgument, match="got none for"):
        program.bind()


def test_an_empty_tensor_on_the_device(program):
    y, z = program(program.to_device(np.zeros((0, 4), np.float32)), on_device=True)
    assert y.shape == (0, 4) and z.numpy().shape == (0,)


def test_dlpack_shows_the_memory_and_gives_it_back(program):
    y, _ = program(np.ones((2, 4), np.float32), on_device=True)
    assert y.__dlpack_device__() == (2, 0)
    capsule = y.__dlpack__(stream=1)
    tensor = _device._Tensor.from_address(_device._pointer(capsule, b"dltensor"))
    assert (tensor.code, tensor.bits, tensor.lanes, tensor.device_type) == (2, 32, 1, 2)
    assert tensor.shape[:2] == [2, 4] and tensor.data == y._tensor.data

    class Framework:
        """A tensor of a framework on the same device."""
        __dlpack_device__ = y.__dlpack_device__
        __dlpack__ = y.__dlpack__

    np.testing.assert_array_equal(program(Framework())[0], np.full((2, 4), 4))
    assert _device._exported
    del capsule, tensor
    gc.collect()
    assert not _device._exported
    # A consumer renames the capsule and calls the deleter.
    capsule = y.__dlpack__()
    address = _device._pointer(capsule, b"dltensor")
    ctypes.pythonapi.PyCapsule_SetName(ctypes.py_object(capsule), b"used_dltensor")
    _device._Managed.from_address(address).deleter(address)
    assert not _device._exported
    with pytest.raises(BufferError, match="no copy"):
        y.__dlpack__(copy=True)


def test_what_is_refused(program, model):
    y = program.to_device(np.ones((3, 4), np.float32))
    with pytest.raises(bessemer.BadInput, match="'x': expected float32, got int64"):
        program(program.to_device(np.ones((3, 4), np.int64)))
    with pytest.raises(bessemer.BadInput, match="contiguous tensor on the device"):
        program(program.to_device(np.ones((3, 8), np.float32)).first(1, 4))
    with pytest.raises(bessemer.BadInput, match="expected shape"):
        program(program.to_device(np.ones((3, 5), np.float32)))
    with pytest.raises(bessemer.BadInput, match="a part of one"):
        y.first(0, 2).numpy()
    with pytest.raises(bessemer.BadInput, match="'x': expected memory of the host, where the program runs"):
        bessemer.compile(model)(y)
    with pytest.raises(bessemer.InvalidArgument, match="on the program's device"):
        bessemer.compile(model).to_device(np.ones((3, 4), np.float32))
