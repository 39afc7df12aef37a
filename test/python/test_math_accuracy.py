# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The polynomials of exp and erf (passes/Lower/MathApproximation.h) keep the bounds that are stated of them. Also holds
them to infinities, NaN and where they saturate: a GELU multiplies what is left of 1 + erf by a large number. Long sums
lose no more bits than sums of sums do."""

import math

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import bessemer

SPECIAL = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e-30, -1e-30, 3.4e38, -3.4e38, 88.72, 88.73, -86.9, -87.5, -104,
                    3.83, 3.85], np.float32)


GPU = {"target": "cuda:sm_90a", "emulate": True}


def run(op, values, numerics=None, **options):
    info = helper.make_tensor_value_info
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"])], op, [info("x", TensorProto.FLOAT, ["n"])],
                              [info("y", TensorProto.FLOAT, ["n"])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    return bessemer.compile(model.SerializeToString(), numerics=numerics, **options)({"x": values})["y"]


def ulps(got, exact):
    return np.abs(got.astype(np.float64) - exact) / np.spacing(np.maximum(np.abs(exact), 1e-37).astype(np.float32))


def test_exp():
    x = np.concatenate([np.linspace(-86.9, 88.7, 300_001), np.linspace(-1, 1, 50_001)]).astype(np.float32)
    assert ulps(run("Exp", x), np.exp(x.astype(np.float64))).max() <= 1
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(run("Exp", SPECIAL), np.exp(SPECIAL), rtol=1e-6, atol=1.7e-38)


@pytest.mark.parametrize("numerics", [None, "strict"])
def test_exp_on_a_gpu(numerics):
    """By the instruction for powers of two, which the emulator computes better than a device: it has 2 of 4 ulp. Strict:
    upstream's polynomial."""
    x = np.linspace(-86.9, 88.7, 20_001).astype(np.float32)
    assert ulps(run("Exp", x, numerics, **GPU), np.exp(x.astype(np.float64))).max() <= (4 if numerics else 2)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(run("Exp", SPECIAL, numerics, **GPU), np.exp(SPECIAL), rtol=1e-6, atol=1.7e-38)


@pytest.mark.parametrize("numerics, absolute, options", [(None, 2e-7, {}), ("strict", 2.5e-7, {}), (None, 2e-7, GPU)])
def test_erf(numerics, absolute, options):
    count = 20_001 if options else 200_001
    x = np.concatenate([np.linspace(-5, 5, count, dtype=np.float32), np.logspace(-30, 0, 1001, dtype=np.float32)])
    exact, got = np.array([math.erf(v) for v in x]), run("Erf", x, numerics, **options)
    assert ulps(got, exact).max() <= 4 and np.abs(got - exact).max() <= absolute
    special = run("Erf", SPECIAL, numerics, **options)
    assert np.isnan(special[4]) and special[2] == 1 and special[3] == -1 and special[7] == 1 and special[15] == 1


def test_gelu_vanishes_far_below_zero():
    x = np.array([-5.5, -10, -1e4, -1e30], np.float32)
    np.testing.assert_allclose(run("Gelu", x), 0, atol=1e-6)


@pytest.mark.parametrize("shape, axes", [((2, 500_003), (1,)), ((300_000, 8), (0,)), ((1, 8, 512, 320), (2, 3)),
                                         ((500, 3, 600), (0, 2))], ids=["rows", "columns", "image", "outer"])
@pytest.mark.parametrize("op, square", [("ReduceMean", False), ("ReduceSumSquare", True)])
def test_long_sums(op, square, shape, axes):
    """A chain of as many additions in float is off by 1e-5 to 1e-3."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph([helper.make_node(op, ["x", "axes"], ["y"], keepdims=0)], op,
                              [info("x", TensorProto.FLOAT, [None] * len(shape))], [info("y", TensorProto.FLOAT, None)],
                              [helper.make_tensor("axes", TensorProto.INT64, [len(axes)], axes)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    x = np.random.default_rng(3).random(shape, dtype=np.float32)
    wide = x.astype(np.float64)
    exact = (wide * wide).sum(axes) if square else wide.mean(axes)
    np.testing.assert_allclose(bessemer.compile(model.SerializeToString())({"x": x})["y"], exact, rtol=4e-6)
