#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""f32 matrix multiplication with cold weights, against ONNX Runtime and the measured FMA peak.

Each model is a chain of multiplications, x (M x K) by weights K x N, then N x K, and so on, long enough that its weights
(100 MB) do not stay in the caches: that is what a real model does. "128x384x1536" stands for M=128 with the weights
384 x 1536 and 1536 x 384 in turn.
"""

import functools

import numpy as np
from common import ROOT, main

from graph_builder import GraphBuilder, RandomWeights
from testing.measure import Case

SHAPES = [(16, 384, 384), (16, 384, 1536), (128, 384, 384), (128, 384, 1536), (128, 768, 768), (128, 768, 3072),
          (512, 384, 1536), (2048, 2048, 2048), (1, 768, 3072)]
WEIGHT_BYTES = 100e6


def chain_length(k, n):
    """An even number: the result of the chain is M x K again."""
    return 2 * max(1, round(WEIGHT_BYTES / (2 * 4 * k * n)))


def make_chain(path, m, k, n):
    if path.exists():
        return
    weights = RandomWeights(seed=1)
    graph = GraphBuilder("gemm", opset=17, weights=weights)
    x = graph.input("x", np.float32, [m, k])
    for index in range(chain_length(k, n)):
        rows, columns = (k, n) if index % 2 == 0 else (n, k)
        weights.scale = np.float32(1 / np.sqrt(rows))  # keeps the values of the chain at one
        x = graph.MatMul(x, graph.weight(f"w{index}", [rows, columns]))
    graph.output(x, "y", np.float32, [m, k])
    graph.save(path)


def cases():
    generator = np.random.default_rng(0)
    for m, k, n in SHAPES:
        path, count = ROOT / "build" / "models" / f"gemm-{m}x{k}x{n}.onnx", chain_length(k, n)
        x = generator.standard_normal((m, k), dtype=np.float32)
        yield Case(f"gemm {m}x{k}x{n} (x{count})", path, {"x": x}, 2.0 * m * k * n * count,
                   prepare=functools.partial(make_chain, path, m, k, n))


if __name__ == "__main__":
    main("gemm", __doc__, cases)
