#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a ResNet (bottleneck blocks; ResNet-50 by default) as ONNX with random weights.

Input: input float32 [batch, 3, height, width]. Output: logits float32 [batch, classes].
Convolutions and batch normalizations are separate nodes, as in an export that was not optimized.
"""

import argparse
import pathlib

import numpy as np

from graph_builder import MODELS_DIR, GraphBuilder, RandomWeights


class HeWeights(RandomWeights):
    """He initialization: each convolution keeps the size of its input, so that fifty of them do not overflow."""

    def tensor(self, name, shape, kind="normal"):
        if kind == "normal":
            self.scale = np.float32(np.sqrt(2.0 / np.prod(shape[1:])))
        return super().tensor(name, shape, kind)


class ResNet:
    EXPANSION = 4

    def __init__(self, blocks, width, classes, seed=4):
        self.blocks, self.width, self.classes = blocks, width, classes
        self.graph = GraphBuilder("resnet", opset=17, weights=HeWeights(seed))

    def conv_norm(self, x, name, inputs, outputs, kernel, stride=1, relu=True, gain="ones"):
        g = self.graph
        pad = kernel // 2
        x = g.Conv(x, g.weight(f"{name}.conv.weight", [outputs, inputs, kernel, kernel]), dilations=[1, 1], group=1,
                   kernel_shape=[kernel, kernel], pads=[pad] * 4, strides=[stride, stride])
        statistics = [g.weight(f"{name}.bn.{part}", [outputs], kind)
                      for part, kind in (("weight", gain), ("bias", "zeros"), ("running_mean", "zeros"),
                                         ("running_var", "variance"))]
        x = g.BatchNormalization(x, *statistics, epsilon=1e-5, momentum=0.9, training_mode=0)
        return g.Relu(x) if relu else x

    def bottleneck(self, x, name, inputs, width, stride):
        g = self.graph
        outputs = width * self.EXPANSION
        with g.scope(name):
            y = self.conv_norm(x, f"{name}.1", inputs, width, 1)
            y = self.conv_norm(y, f"{name}.2", width, width, 3, stride)
            # A small last gain keeps the sum of sixteen branches in range, as in trained networks.
            y = self.conv_norm(y, f"{name}.3", width, outputs, 1, relu=False, gain="small")
            if stride != 1 or inputs != outputs:
                x = self.conv_norm(x, f"{name}.downsample", inputs, outputs, 1, stride, relu=False)
            return g.Relu(g.Add(y, x))

    def build(self):
        g = self.graph
        x = g.input("input", np.float32, ["batch", 3, "height", "width"])
        x = self.conv_norm(x, "stem", 3, self.width, 7, stride=2)
        x = g.MaxPool(x, ceil_mode=0, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
        channels = self.width
        for stage, count in enumerate(self.blocks):
            width = self.width * 2 ** stage
            for block in range(count):
                stride = 2 if stage and not block else 1
                x = self.bottleneck(x, f"layer{stage + 1}.{block}", channels, width, stride)
                channels = width * self.EXPANSION
        x = g.Flatten(g.GlobalAveragePool(x), axis=1)
        logits = g.Gemm(x, g.weight("fc.weight", [self.classes, channels]), g.weight("fc.bias", [self.classes], "zeros"),
                        alpha=1.0, beta=1.0, transB=1)
        g.output(logits, "logits", np.float32, ["batch", self.classes])
        return g


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=MODELS_DIR / "resnet50.onnx")
    parser.add_argument("--blocks", type=int, nargs="+", default=[3, 4, 6, 3])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--classes", type=int, default=1000)
    arguments = parser.parse_args()
    print(ResNet(arguments.blocks, arguments.width, arguments.classes).build().save(arguments.out))


if __name__ == "__main__":
    main()
