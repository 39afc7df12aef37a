# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Custom ops, host weights and DLPack from Python."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import bessemer

info = helper.make_tensor_value_info


def model(nodes, inputs, outputs, weights=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(weights))
    return helper.make_model(graph, ir_version=9,
                             opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)])


@pytest.fixture
def registered():
    def same(attributes, x, *others):
        assert attributes["by"] == 3
        return [x]

    def scale(attributes, inputs, outputs):
        if np.isnan(inputs[0]).any():
            raise ValueError("expected numbers")
        np.multiply(inputs[0], attributes["by"], out=outputs[0])
        if len(inputs) > 2 and inputs[2] is not None:
            outputs[0] += inputs[2]

    calls = []

    def positive(attributes, inputs, outputs):
        calls.append(1)
        outputs[0] = inputs[0][inputs[0] > 0]

    bessemer.register_op("com.example.Scale", scale, same)
    bessemer.register_op("com.example.Positive", positive, lambda attributes, x: [(x[0], (None,))])
    yield calls
    bessemer.unregister_op("com.example.Scale")
    bessemer.unregister_op("com.example.Positive")


def scaled(inputs=("a",)):
    return model([helper.make_node("Add", ["x", "x"], ["a"]),
                  helper.make_node("Scale", list(inputs), ["s"], name="scale", domain="com.example", by=3),
                  helper.make_node("Relu", ["s"], ["y"])],
                 [info("x", TensorProto.FLOAT, ["n", 2])], [info("y", TensorProto.FLOAT, ["n", 2])])


def test_a_custom_op_runs_for_every_shape(registered):
    program = bessemer.compile(scaled())
    for rows in (1, 5, 3):
        x = np.random.default_rng(rows).standard_normal((rows, 2)).astype(np.float32)
        np.testing.assert_allclose(program(x)[0], np.maximum(6 * x, 0), rtol=1e-6)
    assert program.output_shapes((4, 2))["y"] == (4, 2)
    assert bessemer.supported_nodes(scaled())["unsupported"] == []


def test_an_operand_may_be_left_out(registered):
    x = np.ones((2, 2), np.float32)
    np.testing.assert_array_equal(bessemer.compile(scaled(["a", "", "x"]))(x)[0], 7 * x)


def test_a_size_that_only_the_kernel_tells(registered):
    program = bessemer.compile(model([helper.make_node("Positive", ["x"], ["p"], domain="com.example"),
                                      helper.make_node("Neg", ["p"], ["y"])],
                                     [info("x", TensorProto.FLOAT, ["n"])], [info("y", TensorProto.FLOAT, ["m"])]))
    for seed in range(4):
        x = np.random.default_rng(seed).standard_normal(11 + seed).astype(np.float32)
        np.testing.assert_array_equal(program(x)[0], -x[x > 0])
    assert len(registered) == 4  # asked for its shape and for its result, and called once


def test_exceptions_become_errors(registered):
    program = bessemer.compile(scaled())
    with pytest.raises(bessemer.Failed, match="expected numbers"):
        program(np.full((1, 2), np.nan, np.float32))
    bessemer.register_op("com.example.Scale", lambda *_: None, lambda attributes, x: [("float32", (1, 2, 3))] * 0)
    with pytest.raises(bessemer.Unsupported, match='(?s)"scale".*expected 1 results, got 0'):
        bessemer.compile(scaled())


def test_an_artifact_needs_the_kernel(registered, tmp_path):
    bessemer.compile(scaled()).save(tmp_path / "m.bsm")
    x = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(bessemer.load(tmp_path / "m.bsm")(x)[0], 6 * x)
    bessemer.unregister_op("com.example.Scale")
    with pytest.raises(bessemer.Unsupported, match="com.example.Scale"):
        bessemer.load(tmp_path / "m.bsm")


def external_model(weight):
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=weight.shape, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "my/weights"), ("offset", "0"), ("length", str(weight.nbytes))):
        tensor.external_data.add(key=key, value=value)
    return model([helper.make_node("MatMul", ["x", "w"], ["y"])], [info("x", TensorProto.FLOAT, ["n", weight.shape[0]])],
                 [info("y", TensorProto.FLOAT, ["n", weight.shape[1]])], [tensor])


class Foreign:
    """What torch.Tensor shows."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("wrap", [lambda w: w, Foreign, lambda w: w.tobytes()], ids=["numpy", "dlpack", "bytes"])
def test_weights_from_the_hosts_memory(wrap, tmp_path):
    weight = np.random.default_rng(0).standard_normal((64, 48)).astype(np.float32)
    x = np.random.default_rng(1).standard_normal((3, 64)).astype(np.float32)
    host = {"my/weights": wrap(weight)}
    program = bessemer.compile(external_model(weight), host_weights=host)
    np.testing.assert_allclose(program(x)[0], x @ weight, rtol=1e-4, atol=1e-4)
    program.save(tmp_path / "whole.bsm", self_contained=True)
    np.testing.assert_array_equal(bessemer.load(tmp_path / "whole.bsm", check_all_weights=True)(x)[0], program(x)[0])
    program.save(tmp_path / "part.bsm")
    np.testing.assert_array_equal(bessemer.load(tmp_path / "part.bsm", host_weights=host)(x)[0], program(x)[0])
    with pytest.raises(bessemer.InvalidArgument, match="my/weights"):
        bessemer.load(tmp_path / "part.bsm")
    with pytest.raises(bessemer.BadFile, match="not those that the program was compiled with"):
        bessemer.load(tmp_path / "part.bsm", host_weights={"my/weights": weight + 1})


def test_outputs_go_to_dlpack():
    program = bessemer.compile(model([helper.make_node("Neg", ["x"], ["y"])], [info("x", TensorProto.FLOAT, ["n"])],
                                     [info("y", TensorProto.FLOAT, ["n"])]))
    x = np.arange(4, dtype=np.float32)
    np.testing.assert_array_equal(np.from_dlpack(program(x)[0]), -x)


def test_a_tensor_of_another_device_is_refused():
    class Far(Foreign):
        def __dlpack_device__(self):
            return (2, 0)  # CUDA

        def __dlpack__(self, stream=None, **options):
            assert stream == 1  # the legacy default stream, of a device
            return self.array.__dlpack__(**options)

    program = bessemer.compile(model([helper.make_node("Neg", ["x"], ["y"])], [info("x", TensorProto.FLOAT, ["n"])],
                                     [info("y", TensorProto.FLOAT, ["n"])]))
    with pytest.raises(bessemer.BadInput, match="memory of the host"):
        program(Far(np.zeros(3, np.float32)))


def test_progress_and_cancellation_of_a_compilation():
    weight = numpy_helper.from_array(np.zeros((4, 4), np.float32), "w")
    dense = model([helper.make_node("MatMul", ["x", "w"], ["y"])], [info("x", TensorProto.FLOAT, ["n", 4])],
                  [info("y", TensorProto.FLOAT, ["n", 4])], [weight])
    phases = []
    bessemer.compile(dense, progress=phases.append)
    assert phases[0] == "import" and phases[-1] == "emit"
    with pytest.raises(bessemer.Cancelled):
        bessemer.compile(dense, progress=lambda phase: phase != "tile")
    with pytest.raises(KeyError, match="mine"):
        bessemer.compile(dense, progress=lambda phase: {}["mine"])
