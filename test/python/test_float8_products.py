# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Matrix products of models whose weights, and activations, are float8 behind DequantizeLinear."""

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import bessemer

FORMATS = {"FLOAT8E4M3FN": ml_dtypes.float8_e4m3fn, "FLOAT8E5M2": ml_dtypes.float8_e5m2}
TARGETS = ("cpu", "cuda:sm_80", "cuda:sm_90a")
HALF, SINGLE = (TensorProto.FLOAT16, np.float16), (TensorProto.FLOAT, np.float32)


def tensor(name, values, kind):
    return helper.make_tensor(name, getattr(TensorProto, kind), values.shape, values.tobytes(), raw=True)


def make(kind, element, weights, scale, axis=1, activations=None, gemm=False):
    """x by dequantized weights; `activations`: a scale with which x becomes float8 and float again before."""
    tensors = [tensor("q", weights, kind), tensor("zero", np.zeros(scale.shape, FORMATS[kind]), kind),
               onnx.numpy_helper.from_array(scale, "s")]
    nodes = [helper.make_node("DequantizeLinear", ["q", "s", "zero"], ["w"], axis=axis, name="weights")]
    x = "x"
    if activations is not None:
        tensors += [onnx.numpy_helper.from_array(scale.dtype.type(activations), "t"),
                    tensor("point", np.zeros((), FORMATS[kind]), kind)]
        nodes += [helper.make_node("QuantizeLinear", ["x", "t", "point"], ["low"], name="quantize"),
                  helper.make_node("DequantizeLinear", ["low", "t", "point"], ["back"], name="dequantize")]
        x = "back"
    nodes.append(helper.make_node("Gemm", [x, "w"], ["y"], transB=1, name="product") if gemm
                 else helper.make_node("MatMul", [x, "w"], ["y"], name="product"))
    rows = ["m", weights.shape[1 if gemm else 0]]
    graph = helper.make_graph(nodes, "float8", [helper.make_tensor_value_info("x", element, rows)],
                              [helper.make_tensor_value_info("y", element, ["m", weights.shape[0 if gemm else 1]])], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def compiled(model, target):
    emulated = {} if target == "cpu" else {"emulate": True, "sanitize": True}
    return bessemer.compile(model, target=target, **emulated)


def drawn(kind, shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(FORMATS[kind])


def check(actual, x, w, tolerance):
    expected = x.astype(np.float64) @ w
    np.testing.assert_allclose(np.asarray(actual).astype(np.float64), expected, rtol=0,
                               atol=tolerance * np.abs(expected).max())


# More than the 64 KiB that would be folded.
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("element", [HALF, SINGLE], ids=["f16", "f32"])
def test_weights_are_float8(kind, element, target):
    weights, scale = drawn(kind, (288, 256)), np.linspace(0.01, 0.1, 256).astype(element[1])
    program = compiled(make(kind, element[0], weights, scale), target)
    for rows in (1, 37):
        x = np.random.default_rng(1).normal(size=(rows, 288)).astype(element[1])
        check(program({"x": x})["y"], x, weights.astype(np.float64) * scale.astype(np.float64), 2e-3 if element is HALF else 1e-5)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("gemm", [False, True])
def test_both_operands_are_float8(gemm, target):
    kind = "FLOAT8E4M3FN"
    weights, scale = drawn(kind, (256, 320) if gemm else (320, 256)), np.array(0.05, np.float32)
    program = compiled(make(kind, TensorProto.FLOAT, weights, scale, activations=0.25, gemm=gemm), target)
    x = np.random.default_rng(1).normal(size=(40, 320)).astype(np.float32)
    quantized = (x / np.float32(0.25)).astype(FORMATS[kind]).astype(np.float64) * 0.25
    w = weights.astype(np.float64) * np.float64(scale)
    check(program({"x": x})["y"], quantized, w.T if gemm else w, 1e-5)


@pytest.mark.parametrize("target", TARGETS[1:])
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("element", [TensorProto.FLOAT16, TensorProto.BFLOAT16], ids=["f16", "bf16"])
def test_every_code_is_widened(kind, element, target):
    """A product of depth 1 by 1: each code as it is, infinities and NaN too."""
    codes = np.arange(256, dtype=np.uint8).view(FORMATS[kind]).reshape(1, 256)
    wide = helper.make_tensor_value_info
    nodes = [helper.make_node("Cast", ["q"], ["w"], to=element, name="widen"),
             helper.make_node("MatMul", ["x", "w"], ["y"], name="product")]
    graph = helper.make_graph(nodes, "codes", [wide("x", element, [1, 1]), wide("q", getattr(TensorProto, kind), [1, 256])],
                              [wide("y", element, [1, 256])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()
    dtype = np.float16 if element == TensorProto.FLOAT16 else ml_dtypes.bfloat16
    actual = np.asarray(compiled(model, target)({"x": np.ones((1, 1), dtype), "q": codes})["y"])
    np.testing.assert_array_equal(actual.astype(np.float32), codes.astype(np.float32))


@pytest.mark.parametrize("target", TARGETS[1:])
def test_weights_stay_float8_on_a_gpu(target):
    """No kernel but the product, and a byte for each weight."""
    weights, scale = drawn("FLOAT8E4M3FN", (512, 256)), np.array(0.05, np.float16)
    program = compiled(make("FLOAT8E4M3FN", TensorProto.FLOAT16, weights, scale), target)
    assert program.weight_bytes < 1.01 * weights.size
    program({"x": np.ones((3, 512), np.float16)})
    assert program.device_counts["launches"] == 1
