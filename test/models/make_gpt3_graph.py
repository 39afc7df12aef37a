#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a GPT-3-sized graph: f16 weights in an external file that is a hole, so nothing is really stored.

    make_gpt3_graph.py --layers 96 --width 12288 --out DIR     # 349 GB of weights, a second, a few MB on disk

Writes DIR/gpt3.onnx and DIR/gpt3.weights. Same graph as make_gpt2.py, with dynamic batch and length.
"""

import argparse
import pathlib

import numpy as np

from graph_builder import MODELS_DIR, SparseExternalWeights
from make_gpt2 import GPT2, Config


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=96)
    parser.add_argument("--width", type=int, default=12288)
    parser.add_argument("--heads", type=int, help="default: a head for each 128 of the width")
    parser.add_argument("--vocabulary", type=int, default=50257)
    parser.add_argument("--positions", type=int, default=2048)
    parser.add_argument("--cache", action="store_true", help="with a KV cache")
    parser.add_argument("--out", type=pathlib.Path, default=MODELS_DIR / "gpt3")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    heads = arguments.heads or max(1, arguments.width // 128)
    config = Config(arguments.layers, arguments.width, heads, arguments.vocabulary, arguments.positions,
                    arguments.cache)
    weights = SparseExternalWeights("gpt3.weights", np.float16)
    graph = GPT2(config, weights).build()
    graph.save(arguments.out / "gpt3.onnx")
    weights.truncate(arguments.out)
    print(f"{arguments.out / 'gpt3.onnx'}: {len(graph.nodes)} nodes, {weights.size / 1e9:.1f} GB of weights")


if __name__ == "__main__":
    main()
