#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""MiniLM sentence encoder at batch 1 and lengths 16, 128, 512, against ONNX Runtime."""

import numpy as np
from common import main

from model_zoo import make
from testing.measure import Case

LAYERS, WIDTH, FFN = 6, 384, 1536


def flops(seq):
    """Matrix multiplications only: projections and FFN by weights, and two products of attention."""
    return LAYERS * (2.0 * seq * (4 * WIDTH * WIDTH + 2 * WIDTH * FFN) + 4.0 * seq * seq * WIDTH)


def cases():
    path = make("minilm")
    generator = np.random.default_rng(0)
    for seq in (16, 128, 512):
        ids = generator.integers(0, 30522, (1, seq), dtype=np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        yield Case(f"minilm 1x{seq}", path, feeds, flops(seq))


if __name__ == "__main__":
    main("minilm", __doc__, cases)
