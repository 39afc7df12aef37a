#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a GPT-2 decoder with KV cache as ONNX, in the op form of Hugging Face exports; random weights.

Inputs:  input_ids int64 [batch, sequence], attention_mask int64 [batch, past + sequence],
         position_ids int64 [batch, sequence], past_key_values.I.key/value [batch, heads, past, head size].
Outputs: logits [batch, sequence, vocabulary], present.I.key/value [batch, heads, past + sequence, head size].
One model serves the prompt (past = 0) and each further token.
"""

import argparse
import dataclasses
import pathlib

import numpy as np

from graph_builder import MODELS_DIR, GraphBuilder, RandomWeights

TOTAL = "past_sequence_length + sequence_length"


@dataclasses.dataclass
class Config:
    layers: int = 2
    width: int = 64
    heads: int = 4
    vocabulary: int = 500
    positions: int = 128
    cache: bool = True
    epsilon: float = 1e-5

    @property
    def head_size(self):
        return self.width // self.heads


class GPT2:
    def __init__(self, config, weights):
        self.config = config
        self.graph = GraphBuilder("gpt2", opset=17, weights=weights)
        self.presents = []

    def conv1d(self, x, name, inputs, outputs):
        """Transformers' Conv1D: flatten the tokens, addmm, restore the shape."""
        g = self.graph
        batch, seq = g.size(x, 0), g.size(x, 1)
        flat = g.reshape(x, -1, inputs)
        weight, bias = g.weight(f"{name}.weight", [inputs, outputs]), g.weight(f"{name}.bias", [outputs], "zeros")
        return g.reshape(g.Gemm(flat, weight, bias, alpha=1.0, beta=1.0), batch, seq, outputs)

    def split_heads(self, x):
        g, c = self.graph, self.config
        return g.Transpose(g.reshape(x, g.size(x, 0), g.size(x, 1), c.heads, c.head_size), perm=[0, 2, 1, 3])

    def causal_mask(self, query, key, scores):
        """Rows of the lower triangle that belong to the queries, which are the last of the keys."""
        g, c = self.graph, self.config
        queries, keys = g.size(query, 2), g.size(key, 2)
        triangle = g.initializer("causal_mask", np.tril(np.ones((c.positions, c.positions), bool))[None, None])
        first = g.unsqueeze(g.Sub(keys, queries), 0)
        last = g.unsqueeze(keys, 0)
        mask = g.slice(g.slice(triangle, 2, first, last), 3, 0, last)
        return g.Where(mask, scores, g.scalar(np.finfo(g.dtype).min))

    def attention(self, x, mask, index):
        g, c = self.graph, self.config
        name = f"transformer.h.{index}.attn"
        fused = self.conv1d(x, f"{name}.c_attn", c.width, 3 * c.width)
        sizes = g.constant([c.width] * 3, np.int64)
        query, key, value = (self.split_heads(part) for part in g.Split(fused, sizes, axis=2, outputs=3))
        if c.cache:
            shape = ["batch", c.heads, "past_sequence_length", c.head_size]
            past_key, past_value = (g.input(f"past_key_values.{index}.{part}", g.dtype, shape)
                                    for part in ("key", "value"))
            key = g.Concat(past_key, key, axis=-2)
            value = g.Concat(past_value, value, axis=-2)
            self.presents += [(f"present.{index}.key", key), (f"present.{index}.value", value)]
        scores = g.MatMul(query, g.Transpose(key, perm=[0, 1, 3, 2]))
        scores = self.causal_mask(query, key, g.Div(scores, g.scalar(np.sqrt(c.head_size))))
        weights = g.Softmax(g.Add(scores, mask), axis=-1)
        context = g.Transpose(g.MatMul(weights, value), perm=[0, 2, 1, 3])
        context = g.reshape(context, g.size(context, 0), g.size(context, 1), c.width)
        return self.conv1d(context, f"{name}.c_proj", c.width, c.width)

    def block(self, x, mask, index):
        g, c = self.graph, self.config
        name = f"transformer.h.{index}"
        with g.scope("attn"):
            normal = g.layer_norm(x, f"{name}.ln_1", c.width, c.epsilon)
            x = g.Add(self.attention(normal, mask, index), x)
        with g.scope("mlp"):
            normal = g.layer_norm(x, f"{name}.ln_2", c.width, c.epsilon)
            hidden = g.gelu_tanh(self.conv1d(normal, f"{name}.mlp.c_fc", c.width, 4 * c.width))
            return g.Add(x, self.conv1d(hidden, f"{name}.mlp.c_proj", 4 * c.width, c.width))

    def build(self):
        g, c = self.graph, self.config
        total = TOTAL if c.cache else "sequence_length"
        input_ids = g.input("input_ids", np.int64, ["batch", "sequence_length"])
        attention_mask = g.input("attention_mask", np.int64, ["batch", total])
        position_ids = g.input("position_ids", np.int64, ["batch", "sequence_length"])
        to = {np.dtype(np.float32): 1, np.dtype(np.float16): 10}[g.dtype]
        with g.scope("transformer"):
            flat_ids = g.reshape(input_ids, -1, g.size(input_ids, 1))
            mask = g.Cast(g.unsqueeze(attention_mask, 1, 2), to=to)
            mask = g.Mul(g.Sub(g.scalar(1.0), mask), g.scalar(np.finfo(g.dtype).min))
            x = g.Add(g.Gather(g.weight("transformer.wte.weight", [c.vocabulary, c.width]), flat_ids),
                      g.Gather(g.weight("transformer.wpe.weight", [c.positions, c.width]), position_ids))
            for index in range(c.layers):
                with g.scope(f"h.{index}"):
                    x = self.block(x, mask, index)
            x = g.layer_norm(x, "transformer.ln_f", c.width, c.epsilon)
        # The head is tied to the word table; exporters write it as a second, transposed tensor.
        logits = g.MatMul(x, g.weight("lm_head.weight_t", [c.width, c.vocabulary]))
        g.output(logits, "logits", g.dtype, ["batch", "sequence_length", c.vocabulary])
        for name, value in self.presents:
            g.output(value, name, g.dtype, ["batch", c.heads, total, c.head_size])
        return g


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=MODELS_DIR / "gpt2-tiny.onnx")
    for field in dataclasses.fields(Config):
        if field.type is int:
            parser.add_argument(f"--{field.name}", type=int, default=field.default)
    parser.add_argument("--real-size", action="store_true", help="12 layers, width 768: GPT-2 small")
    parser.add_argument("--no-cache", action="store_true")
    arguments = parser.parse_args()
    if arguments.real_size:
        config = Config(layers=12, width=768, heads=12, vocabulary=50257, positions=1024)
    else:
        config = Config(arguments.layers, arguments.width, arguments.heads, arguments.vocabulary, arguments.positions)
    config.cache = not arguments.no_cache
    # Wide enough that attention is not flat and logits differ.
    weights = RandomWeights(seed=2, scale=0.02 if arguments.real_size else 0.15)
    print(GPT2(config, weights).build().save(arguments.out))


if __name__ == "__main__":
    main()
