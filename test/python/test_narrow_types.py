# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""float8, float4 and integers of 2 and 4 bits in kernels: conversions beside ml_dtypes, elements that share a byte."""

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import bessemer as package

TARGETS = ("cpu", "cuda:sm_80")
FORMATS = {"FLOAT8E4M3FN": ml_dtypes.float8_e4m3fn, "FLOAT8E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
           "FLOAT8E5M2": ml_dtypes.float8_e5m2, "FLOAT8E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
           "FLOAT4E2M1": ml_dtypes.float4_e2m1fn}
INTEGERS = ("INT4", "UINT4", "INT2", "UINT2")


def compile_nodes(nodes, inputs, outputs, target):
    """Kernels of all nodes, none in one piece with another: no op may run on the host."""
    values = [[helper.make_tensor_value_info(name, getattr(TensorProto, kind), shape) for name, kind, shape in side]
              for side in (inputs, outputs)]
    model = helper.make_model(helper.make_graph(nodes, "narrow", *values), opset_imports=[helper.make_opsetid("", 25)])
    onnx.checker.check_model(model)
    emulated = {} if target == "cpu" else {"emulate": True, "sanitize": True}
    return package.compile(model.SerializeToString(), target=target, **emulated)


def bits(values):
    """The codes of narrow floats; all NaNs of a format are one."""
    return np.asarray(values).reshape(-1).view(np.uint8)


def packed(codes, width):
    """As elements that share a byte lie in memory: the first in the low bits."""
    shared = 8 // width
    codes = np.concatenate([codes.reshape(-1), np.zeros(-codes.size % shared, np.uint8)]).reshape(-1, shared)
    return np.bitwise_or.reduce(codes << (width * np.arange(shared, dtype=np.uint8)), axis=1).astype(np.uint8)


def numbers(dtype, count=3000):
    """Everywhere in the range of the type, with ties of the narrow formats, and what is special."""
    random = np.random.default_rng(0)
    ties = np.arange(-600, 600) / 32.0
    powers = np.ldexp(1 + random.integers(0, 64, count) / 64.0, random.integers(-24, 20, count))
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 448, 464, 464.5, 480, 57344, 61440, 61441, 65504, 240, 248, 249, 6, 7, 5]
    x = np.concatenate([ties, ties / 4096, powers, -powers, np.ldexp(random.normal(size=count), -8), special])
    with np.errstate(over="ignore"):
        return x.astype(dtype)


def saturated(x, kind):
    """As ONNX has it: what is too large, infinity too, becomes the largest finite number."""
    most = float(ml_dtypes.finfo(FORMATS[kind]).max)
    return np.where(np.isnan(x), x, np.clip(x, -most, most))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", FORMATS)
def test_floats_become_narrow(kind, target):
    for source, dtype in (("FLOAT", np.float32), ("FLOAT16", np.float16), ("DOUBLE", np.float64)):
        x = numbers(dtype)
        for saturate in (0, 1):
            node = helper.make_node("Cast", ["x"], ["y"], to=getattr(TensorProto, kind), saturate=saturate)
            program = compile_nodes([node], [("x", source, x.shape)], [("y", kind, x.shape)], target)
            actual = np.asarray(program({"x": x})["y"])
            wide = x.astype(np.float64)
            if saturate or kind == "FLOAT4E2M1":
                wide = saturated(wide, kind)
            expected = wide.astype(FORMATS[kind])
            if kind == "FLOAT4E2M1":
                expected[np.isnan(wide)] = FORMATS[kind](-0.0)
                np.testing.assert_array_equal(bits(actual), packed(bits(expected), 4))
                continue
            actual = actual.view(FORMATS[kind])
            wrong = (bits(actual) != bits(expected)) & ~(np.isnan(actual) & np.isnan(expected))
            assert not wrong.any(), (source, saturate, x[wrong][:5], actual[wrong][:5], expected[wrong][:5])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", FORMATS)
def test_narrow_floats_are_read(kind, target):
    codes = np.arange(16 if kind == "FLOAT4E2M1" else 256, dtype=np.uint8)
    x = codes.view(FORMATS[kind])
    # An input cannot be packed: the values of float4 are made on the way.
    made = kind == "FLOAT4E2M1"
    first = [helper.make_node("Cast", ["f"], ["x"], to=TensorProto.FLOAT4E2M1)] if made else []
    name, given, feed = ("f", "FLOAT", x.astype(np.float32)) if made else ("x", kind, x)
    for result, dtype in (("FLOAT", np.float32), ("FLOAT16", np.float16), ("DOUBLE", np.float64)):
        node = helper.make_node("Cast", ["x"], ["y"], to=getattr(TensorProto, result))
        program = compile_nodes([*first, node], [(name, given, x.shape)], [("y", result, x.shape)], target)
        np.testing.assert_array_equal(program({name: feed})["y"], x.astype(dtype))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("mode", ("up", "down", "nearest"))
def test_scales_are_powers_of_two(mode, target):
    fractions = np.array([1, 1.25, 1.5, 1.75, np.nextafter(np.float32(1), np.float32(2))], np.float32)
    x = (np.ldexp(1.0, np.arange(-140, 128))[:, None] * fractions).astype(np.float32).reshape(-1)
    x = np.concatenate([x, [0, np.inf, -2, np.nan, np.finfo(np.float32).max]]).astype(np.float32)
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT8E8M0, saturate=1, round_mode=mode)
    program = compile_nodes([node], [("x", "FLOAT", x.shape)], [("y", "FLOAT8E8M0", x.shape)], target)
    with np.errstate(divide="ignore", invalid="ignore"):
        magnitude = np.abs(x.astype(np.float64))
        exponent = np.floor(np.log2(magnitude))
        fraction = magnitude / np.exp2(exponent)
    more = {"up": fraction > 1, "down": fraction < 1, "nearest": fraction >= 1.5}[mode]
    expected = np.clip(exponent + more + 127, 0, 254)
    expected = np.where(magnitude < 2.0**-127, 0, np.where(np.isnan(x), 255, np.where(np.isinf(x), 254, expected)))
    np.testing.assert_array_equal(bits(program({"x": x})["y"]), expected.astype(np.uint8))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", INTEGERS)
def test_elements_that_share_a_byte_move(kind, target):
    """An odd number of elements to a row, so that rows begin within a byte."""
    to = getattr(TensorProto, kind)
    random = np.random.default_rng(1)
    x = random.integers(-40, 40, (3, 5)).astype(np.int32)
    rows = np.array([2, 0, -1, 1], np.int64)
    nodes = [helper.make_node("Cast", ["x"], ["narrow"], to=to), helper.make_node("Transpose", ["narrow"], ["turned"]),
             helper.make_node("Gather", ["narrow", "rows"], ["chosen"]),
             helper.make_node("Concat", ["narrow", "chosen"], ["joined"], axis=0),
             helper.make_node("Cast", ["joined"], ["whole"], to=TensorProto.INT32),
             helper.make_node("Cast", ["turned"], ["real"], to=TensorProto.FLOAT)]
    program = compile_nodes(nodes, [("x", "INT32", (3, 5)), ("rows", "INT64", (4,))],
                            [("whole", "INT32", (7, 5)), ("real", "FLOAT", (5, 3)), ("turned", kind, (5, 3))], target)
    result = program({"x": x, "rows": rows})
    width = 2 if kind.endswith("2") else 4
    wrapped = x & ((1 << width) - 1)
    if not kind.startswith("U"):
        wrapped = np.where(wrapped >= 1 << (width - 1), wrapped - (1 << width), wrapped)
    np.testing.assert_array_equal(result["whole"], np.concatenate([wrapped, wrapped[rows]]))
    np.testing.assert_array_equal(result["real"], wrapped.T.astype(np.float32))
    codes = (wrapped.T & ((1 << width) - 1)).astype(np.uint8)
    np.testing.assert_array_equal(bits(result["turned"]), packed(codes, width))
