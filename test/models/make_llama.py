#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a Llama-like decoder with KV cache as ONNX, in the op form of Hugging Face exports; random weights.

RMSNorm from primitive ops, rotary embedding by rotate-half with the angles computed in the graph, grouped heads
repeated through Expand and Reshape, SwiGLU, causal mask from Range, Trilu and Where.

Inputs:  input_ids, position_ids int64 [batch, sequence], attention_mask int64 [batch, past + sequence],
         past_key_values.I.key/value [batch, kv heads, past, head size].
Outputs: logits [batch, sequence, vocabulary], present.I.key/value [batch, kv heads, past + sequence, head size].
"""

import argparse
import dataclasses
import pathlib

import numpy as np

from graph_builder import MODELS_DIR, GraphBuilder, RandomWeights

TOTAL = "past_sequence_length + sequence_length"
END = (1 << 63) - 1  # "to the end", as the exporter writes it


@dataclasses.dataclass
class Config:
    layers: int = 2
    width: int = 64
    heads: int = 4
    kv_heads: int = 2
    ffn: int = 176
    vocabulary: int = 500
    theta: int = 10000
    epsilon: float = 1e-5

    @property
    def head_size(self):
        return self.width // self.heads


class Llama:
    def __init__(self, config, weights):
        self.config = config
        self.graph = GraphBuilder("llama", opset=17, weights=weights)
        self.presents = []

    def rms_norm(self, x, name):
        g, c = self.graph, self.config
        variance = g.ReduceMean(g.Pow(x, g.scalar(2.0)), axes=[-1])
        inverse = g.Div(g.scalar(1.0), g.Sqrt(g.Add(variance, g.scalar(c.epsilon))))
        return g.Mul(g.weight(f"{name}.weight", [c.width], "ones"), g.Mul(x, inverse))

    def rotary_angles(self, position_ids):
        """cos and sin, [batch, sequence, head size]."""
        g, c = self.graph, self.config
        with g.scope("rotary_emb"):
            half = c.head_size // 2
            frequencies = c.theta ** -(np.arange(half, dtype=np.float64) / half)
            frequencies = g.initializer("inv_freq", frequencies.astype(np.float32)[None, :, None])
            frequencies = g.expand(frequencies, g.size(position_ids, 0), -1, 1)
            positions = g.Cast(g.unsqueeze(position_ids, 1), to=1)
            angles = g.Transpose(g.MatMul(frequencies, positions), perm=[0, 2, 1])
            angles = g.Concat(angles, angles, axis=-1)
            return g.unsqueeze(g.Cos(angles), 1), g.unsqueeze(g.Sin(angles), 1)

    def rotate(self, x, cos, sin):
        g, c = self.graph, self.config
        half = c.head_size // 2
        first = g.slice(x, 3, 0, half)
        second = g.slice(x, 3, half, END)
        rotated = g.Concat(g.Neg(second), first, axis=-1)
        return g.Add(g.Mul(x, cos), g.Mul(rotated, sin))

    def causal_mask(self, input_ids, attention_mask):
        """[batch, 1, sequence, total]: 0 where a query may look, the lowest float elsewhere."""
        g = self.graph
        with g.scope("causal_mask"):
            lowest = g.scalar(np.finfo(np.float32).min)
            queries, keys = g.size(input_ids, 1), g.size(attention_mask, 1)
            past = g.Sub(keys, queries)
            zero, one = g.constant(0, np.int64), g.constant(1, np.int64)
            cache_position = g.Range(past, keys, one)
            full = g.Expand(lowest, g.shape_of(queries, keys))
            upper = g.Trilu(full, one, upper=1)
            beyond = g.Greater(g.Range(zero, keys, one), g.reshape(cache_position, -1, 1))
            # The triangle is right for the prompt; the comparison makes it right behind a cache, too.
            causal = g.Where(g.Cast(beyond, to=9), full, g.Mul(upper, g.scalar(0.0)))
            causal = g.expand(g.unsqueeze(causal, 0, 1), g.size(input_ids, 0), 1, queries, keys)
            padding = g.Add(causal, g.Cast(g.unsqueeze(attention_mask, 1, 2), to=1))
            return g.Where(g.Equal(padding, g.scalar(0.0)), lowest, causal)

    def split_heads(self, x, heads):
        g = self.graph
        x = g.reshape(x, g.size(x, 0), g.size(x, 1), heads, self.config.head_size)
        return g.Transpose(x, perm=[0, 2, 1, 3])

    def repeat_kv(self, x):
        g, c = self.graph, self.config
        repeats = c.heads // c.kv_heads
        if repeats == 1:
            return x
        batch, length = g.size(x, 0), g.size(x, 2)
        x = g.expand(g.unsqueeze(x, 2), batch, c.kv_heads, repeats, length, c.head_size)
        return g.reshape(x, batch, c.heads, length, c.head_size)

    def attention(self, x, angles, mask, index):
        g, c = self.graph, self.config
        name = f"model.layers.{index}.self_attn"
        kv_width = c.kv_heads * c.head_size
        query = self.split_heads(g.linear(x, f"{name}.q_proj", c.width, c.width, bias=False), c.heads)
        key = self.split_heads(g.linear(x, f"{name}.k_proj", c.width, kv_width, bias=False), c.kv_heads)
        value = self.split_heads(g.linear(x, f"{name}.v_proj", c.width, kv_width, bias=False), c.kv_heads)
        query, key = self.rotate(query, *angles), self.rotate(key, *angles)
        shape = ["batch", c.kv_heads, "past_sequence_length", c.head_size]
        past_key, past_value = (g.input(f"past_key_values.{index}.{part}", np.float32, shape)
                                for part in ("key", "value"))
        key = g.Concat(past_key, key, axis=-2)
        value = g.Concat(past_value, value, axis=-2)
        self.presents += [(f"present.{index}.key", key), (f"present.{index}.value", value)]
        keys = g.Transpose(self.repeat_kv(key), perm=[0, 1, 3, 2])
        scores = g.Mul(g.MatMul(query, keys), g.scalar(c.head_size ** -0.5))
        weights = g.Softmax(g.Add(scores, mask), axis=-1)
        context = g.Transpose(g.MatMul(weights, self.repeat_kv(value)), perm=[0, 2, 1, 3])
        context = g.reshape(context, g.size(x, 0), g.size(x, 1), c.width)
        return g.linear(context, f"{name}.o_proj", c.width, c.width, bias=False)

    def mlp(self, x, index):
        g, c = self.graph, self.config
        name = f"model.layers.{index}.mlp"
        gate = g.linear(x, f"{name}.gate_proj", c.width, c.ffn, bias=False)
        gate = g.Mul(gate, g.Sigmoid(gate))
        up = g.linear(x, f"{name}.up_proj", c.width, c.ffn, bias=False)
        return g.linear(g.Mul(gate, up), f"{name}.down_proj", c.ffn, c.width, bias=False)

    def build(self):
        g, c = self.graph, self.config
        input_ids = g.input("input_ids", np.int64, ["batch", "sequence_length"])
        attention_mask = g.input("attention_mask", np.int64, ["batch", TOTAL])
        position_ids = g.input("position_ids", np.int64, ["batch", "sequence_length"])
        with g.scope("model"):
            x = g.Gather(g.weight("model.embed_tokens.weight", [c.vocabulary, c.width]), input_ids)
            angles = self.rotary_angles(position_ids)
            mask = self.causal_mask(input_ids, attention_mask)
            for index in range(c.layers):
                name = f"model.layers.{index}"
                with g.scope(f"layers.{index}/self_attn"):
                    normal = self.rms_norm(x, f"{name}.input_layernorm")
                    x = g.Add(x, self.attention(normal, angles, mask, index))
                with g.scope(f"layers.{index}/mlp"):
                    normal = self.rms_norm(x, f"{name}.post_attention_layernorm")
                    x = g.Add(x, self.mlp(normal, index))
            x = self.rms_norm(x, "model.norm")
        logits = g.linear(x, "lm_head", c.width, c.vocabulary, bias=False)
        g.output(logits, "logits", np.float32, ["batch", "sequence_length", c.vocabulary])
        for name, value in self.presents:
            g.output(value, name, np.float32, ["batch", c.kv_heads, TOTAL, c.head_size])
        return g


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=MODELS_DIR / "llama-tiny.onnx")
    for field in dataclasses.fields(Config):
        if field.type is int:
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, default=field.default)
    arguments = vars(parser.parse_args())
    out = arguments.pop("out")
    print(Llama(Config(**arguments), RandomWeights(seed=3, scale=0.15)).build().save(out))


if __name__ == "__main__":
    main()
