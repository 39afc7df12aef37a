#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a vision transformer as ONNX with random weights.

Input: pixels float32 [batch, 3, image, image]. Output: logits float32 [batch, classes].
Fused QKV projection split by Gather, class token by Expand and Concat, GELU from Erf.
"""

import argparse
import dataclasses
import pathlib

import numpy as np

from graph_builder import MODELS_DIR, GraphBuilder, RandomWeights


@dataclasses.dataclass
class Config:
    layers: int = 2
    width: int = 64
    heads: int = 4
    image: int = 32
    patch: int = 8
    classes: int = 10
    epsilon: float = 1e-6


class VisionTransformer:
    def __init__(self, config, weights):
        self.config = config
        self.graph = GraphBuilder("vit", opset=17, weights=weights)

    def patches(self, pixels):
        g, c = self.graph, self.config
        with g.scope("patch_embed"):
            x = g.Conv(pixels, g.weight("patch_embed.weight", [c.width, 3, c.patch, c.patch]),
                       g.weight("patch_embed.bias", [c.width], "zeros"), dilations=[1, 1], group=1,
                       kernel_shape=[c.patch] * 2, pads=[0] * 4, strides=[c.patch] * 2)
            # flatten(2): the first two sizes are kept, the rest is one.
            kept = g.slice(g.Shape(x), 0, 0, 2)
            x = g.Reshape(x, g.Concat(kept, g.constant([-1], np.int64), axis=0))
            x = g.Transpose(x, perm=[0, 2, 1])
        tokens = (c.image // c.patch) ** 2
        token = g.expand(g.weight("cls_token", [1, 1, c.width]), g.size(x, 0), -1, -1)
        return g.Add(g.Concat(token, x, axis=1), g.weight("pos_embed", [1, tokens + 1, c.width]))

    def attention(self, x, name):
        g, c = self.graph, self.config
        head = c.width // c.heads
        batch, tokens = g.size(x, 0), g.size(x, 1)
        fused = g.reshape(g.linear(x, f"{name}.qkv", c.width, 3 * c.width), batch, tokens, 3, c.heads, head)
        fused = g.Transpose(fused, perm=[2, 0, 3, 1, 4])
        query, key, value = (g.Gather(fused, g.constant(i, np.int64), axis=0) for i in range(3))
        scores = g.MatMul(g.Mul(query, g.scalar(head ** -0.5)), g.Transpose(key, perm=[0, 1, 3, 2]))
        context = g.MatMul(g.Softmax(scores, axis=-1), value)
        context = g.reshape(g.Transpose(context, perm=[0, 2, 1, 3]), batch, tokens, c.width)
        return g.linear(context, f"{name}.proj", c.width, c.width)

    def build(self):
        g, c = self.graph, self.config
        x = self.patches(g.input("pixels", np.float32, ["batch", 3, c.image, c.image]))
        for index in range(c.layers):
            name = f"blocks.{index}"
            with g.scope(name):
                x = g.Add(x, self.attention(g.layer_norm(x, f"{name}.norm1", c.width, c.epsilon), f"{name}.attn"))
                hidden = g.linear(g.layer_norm(x, f"{name}.norm2", c.width, c.epsilon), f"{name}.fc1", c.width, 4 * c.width)
                x = g.Add(x, g.linear(g.gelu_erf(hidden), f"{name}.fc2", 4 * c.width, c.width))
        x = g.Gather(g.layer_norm(x, "norm", c.width, c.epsilon), g.constant(0, np.int64), axis=1)
        logits = g.Gemm(x, g.weight("head.weight", [c.classes, c.width]), g.weight("head.bias", [c.classes], "zeros"),
                        alpha=1.0, beta=1.0, transB=1)
        g.output(logits, "logits", np.float32, ["batch", c.classes])
        return g


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=MODELS_DIR / "vit-tiny.onnx")
    for field in dataclasses.fields(Config):
        if field.type is int:
            parser.add_argument(f"--{field.name}", type=int, default=field.default)
    arguments = vars(parser.parse_args())
    out = arguments.pop("out")
    print(VisionTransformer(Config(**arguments), RandomWeights(seed=5, scale=0.1)).build().save(out))


if __name__ == "__main__":
    main()
