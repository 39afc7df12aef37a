# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Convolutions and pools of all forms, compiled and run, against ONNX Runtime; none of them on the reference kernels."""

import json
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from testing.engines import make_engine, worst_error
from tool import BESSEMER

RNG = np.random.default_rng(7)


class Graph:
    """A model that grows node by node."""

    def __init__(self, shape):
        self.nodes, self.weights, self.shape, self.count = [], [], shape, 0

    def weight(self, *shape, scale=1.0):
        name = f"w{len(self.weights)}"
        values = (RNG.standard_normal(shape) * scale).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def node(self, op, *inputs, **attributes):
        self.count += 1
        name = f"v{self.count}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=f"{op}_{self.count}", **attributes))
        return name

    def conv(self, x, channels, outputs, window, groups=1, bias=True, **attributes):
        taps = int(np.prod(window))
        w = self.weight(outputs, channels // groups, *window, scale=(channels // groups * taps) ** -0.5)
        inputs = [x, w] + ([self.weight(outputs)] if bias else [])
        return self.node("Conv", *inputs, kernel_shape=list(window), group=groups, **attributes)

    def save(self, path, output):
        graph = helper.make_graph(self.nodes, "conv", [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)],
                                  [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)], self.weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def single(shape, channels, outputs, window, **attributes):
    def build(g):
        return g.conv("x", channels, outputs, window, **attributes)
    return shape, build


def residual(g):
    """A bottleneck with its shortcut: bias, add and relu in epilogues."""
    a = g.node("Relu", g.conv("x", 32, 16, (1, 1)))
    b = g.node("Relu", g.conv(a, 16, 16, (3, 3), pads=[1, 1, 1, 1]))
    return g.node("Relu", g.node("Add", g.conv(b, 16, 32, (1, 1)), "x"))


def skip(g, groups):
    """The image is added to what is computed from it."""
    a = g.node("Relu", g.conv("x", 24, 24, (1, 3), pads=[0, 1, 0, 1], groups=groups))
    return g.node("Add", g.conv(a, 24, 24, (3, 3), pads=[1, 1, 1, 1], groups=groups), a)


def squeeze(g):
    """A gate for each channel, computed from the mean of its plane."""
    a = g.node("HardSwish", g.conv("x", 8, 24, (3, 3), strides=[2, 2], pads=[1, 1, 1, 1]))
    mean = g.node("GlobalAveragePool", a)
    gate = g.node("Sigmoid", g.conv(g.node("Relu", g.conv(mean, 24, 6, (1, 1))), 6, 24, (1, 1)))
    return g.conv(g.node("Mul", a, gate), 24, 10, (1, 1))


def branches(g):
    """Concat of branches, a slice of channels and a transpose behind them."""
    a, b = g.conv("x", 8, 8, (1, 1)), g.conv("x", 8, 16, (3, 3), pads=[1, 1, 1, 1])
    c = g.node("Concat", a, g.node("MaxPool", b, kernel_shape=[3, 3], pads=[1, 1, 1, 1]), axis=1)
    return g.node("Transpose", g.conv(c, 24, 12, (1, 1)), perm=[0, 2, 3, 1])


def channels_broadcast(g):
    """Operands that stretch: a plane, a row, a value for each channel."""
    a = g.conv("x", 4, 8, (3, 3))
    a = g.node("Add", a, g.weight(8, 1, 1))
    a = g.node("Mul", a, g.weight(1, 1, 10, 12))
    return g.node("Relu", g.node("Add", a, g.weight(8, 10, 1)))


def wide_winograd(g):
    """Large enough for Winograd's algorithm; edges that no tile fits, and an epilogue with a residual."""
    a = g.node("Relu", g.conv("x", 64, 64, (3, 3), pads=[1, 1, 1, 1]))
    b = g.conv(a, 64, 64, (3, 3), pads=[1, 1, 1, 1])
    return g.node("Relu", g.node("Add", b, "x"))


CASES = {
    "1x1": single([1, 16, 9, 7], 16, 24, (1, 1)),
    "1x1 stride 2": single([2, 16, 9, 7], 16, 24, (1, 1), strides=[2, 2]),
    "3x3": single([1, 5, 9, 7], 5, 33, (3, 3), pads=[1, 1, 1, 1]),
    "3x3 batch 3": single([3, 16, 6, 5], 16, 16, (3, 3), pads=[1, 1, 1, 1], bias=False),
    "3x3 uneven pads": single([1, 8, 9, 7], 8, 8, (3, 3), pads=[0, 2, 1, 0], strides=[2, 1]),
    "3x3 dilation": single([1, 8, 12, 11], 8, 20, (3, 3), pads=[2, 2, 2, 2], dilations=[2, 2]),
    "7x7 of an image": single([1, 3, 33, 31], 3, 64, (7, 7), pads=[3, 3, 3, 3], strides=[2, 2]),
    "window larger than the image": single([1, 4, 3, 3], 4, 8, (5, 5), pads=[2, 2, 2, 2]),
    "one output channel": single([1, 12, 8, 8], 12, 1, (3, 3), pads=[1, 1, 1, 1]),
    "groups": single([1, 24, 8, 9], 24, 36, (3, 3), groups=3, pads=[1, 1, 1, 1]),
    "many groups": single([1, 32, 8, 9], 32, 64, (3, 3), groups=16, pads=[1, 1, 1, 1]),
    "depthwise": single([1, 40, 9, 11], 40, 40, (3, 3), groups=40, pads=[1, 1, 1, 1]),
    "depthwise 5x5 stride 2": single([2, 17, 9, 11], 17, 17, (5, 5), groups=17, pads=[2, 2, 2, 2], strides=[2, 2]),
    "depthwise, two for each channel": single([1, 8, 9, 9], 8, 16, (3, 3), groups=8, pads=[1, 1, 1, 1]),
    "one dimension": single([1, 10, 50], 10, 21, (5,), pads=[2, 2], strides=[2]),
    "three dimensions": single([1, 4, 5, 6, 7], 4, 9, (2, 3, 3), pads=[0, 1, 1, 1, 1, 1]),
    "late layer": single([1, 512, 7, 7], 512, 512, (3, 3), pads=[1, 1, 1, 1]),
    "late layer, stride 2": single([1, 256, 14, 14], 256, 512, (3, 3), pads=[1, 1, 1, 1], strides=[2, 2]),
    "residual": ([1, 32, 10, 11], residual),
    "skip": ([1, 24, 9, 8], lambda g: skip(g, 1)),
    "skip, depthwise": ([1, 24, 9, 8], lambda g: skip(g, 24)),
    "squeeze and excite": ([1, 8, 20, 18], squeeze),
    "branches": ([1, 8, 9, 10], branches),
    "channels broadcast": ([1, 4, 12, 14], channels_broadcast),
    "Winograd": ([1, 64, 30, 29], wide_winograd),
    "Winograd, batch of 2": ([2, 64, 14, 14], wide_winograd),
}
for kind, op in {"max": "MaxPool", "average": "AveragePool"}.items():
    CASES[f"{kind} pool"] = ([1, 8, 11, 9], lambda g, op=op: g.node(op, g.conv("x", 8, 40, (1, 1)), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))
    CASES[f"{kind} pool, ceil"] = ([1, 8, 10, 9], lambda g, op=op: g.node(op, g.conv("x", 8, 7, (1, 1)), kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1))
CASES["average pool with padding"] = ([1, 8, 11, 9], lambda g: g.node("AveragePool", g.conv("x", 8, 9, (1, 1)), kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1))


def compare(path, feeds):
    expected = make_engine("onnxruntime", path, threads=2)(feeds)
    actual = make_engine("bessemer", path, threads=2)(feeds)
    for output, values in expected.items():
        error = worst_error(actual[output], values)
        assert error <= 1, f"output {output}: {error:.3g} times the allowed error"


@pytest.mark.parametrize("name", CASES)
def test_convolution_agrees_with_onnx_runtime(name, tmp_path):
    shape, build = CASES[name]
    graph, path = Graph(shape), tmp_path / "m.onnx"
    graph.save(path, build(graph))
    compare(path, {"x": RNG.standard_normal(shape).astype(np.float32)})


@pytest.mark.parametrize("name", ["3x3", "7x7 of an image", "depthwise", "groups", "residual", "squeeze and excite", "Winograd", "max pool", "average pool"])
def test_free_extents_agree_at_several_shapes(name, tmp_path):
    shape, build = CASES[name]
    graph, path = Graph(["n", shape[1], "h", "w"]), tmp_path / "m.onnx"
    graph.save(path, build(graph))
    for n, h, w in [(1, shape[2], shape[3]), (2, shape[2] + 5, shape[3] + 2), (1, 3, 3)]:
        compare(path, {"x": RNG.standard_normal((n, shape[1], h, w)).astype(np.float32)})
