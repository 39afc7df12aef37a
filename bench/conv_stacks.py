#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Stacks of eight 3x3 convolutions with relu, at the sizes of ResNet's stages, against ONNX Runtime."""

import numpy as np
import onnx
from common import ROOT, main
from onnx import TensorProto, helper, numpy_helper

from testing.measure import Case

LAYERS = 8
SIZES = ((64, 56), (128, 28), (256, 14), (512, 7))


def make_stack(channels, extent, path):
    rng = np.random.default_rng(channels)
    nodes, weights, value = [], [], "x"
    for layer in range(LAYERS):
        w = rng.standard_normal((channels, channels, 3, 3)) * (2 / (9 * channels)) ** 0.5
        weights += [numpy_helper.from_array(w.astype(np.float32), f"w{layer}"),
                    numpy_helper.from_array(rng.standard_normal(channels).astype(np.float32) * 0.1, f"b{layer}")]
        nodes += [helper.make_node("Conv", [value, f"w{layer}", f"b{layer}"], [f"c{layer}"], name=f"conv{layer}", pads=[1, 1, 1, 1]),
                  helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"], name=f"relu{layer}")]
        value = f"r{layer}"
    shape = [1, channels, extent, extent]
    graph = helper.make_graph(nodes, "stack", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info(value, TensorProto.FLOAT, shape)], weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def cases():
    for channels, extent in SIZES:
        path = ROOT / "build" / "models" / f"conv-stack-{channels}.onnx"
        if not path.exists():
            make_stack(channels, extent, path)
        image = np.random.default_rng(0).standard_normal((1, channels, extent, extent), dtype=np.float32)
        yield Case(f"8 x 3x3, {channels} @ {extent}", path, {"x": image}, LAYERS * 18.0 * channels ** 2 * extent ** 2)


if __name__ == "__main__":
    main("conv_stacks", __doc__, cases)
