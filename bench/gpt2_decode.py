#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""GPT-2 small (12 layers, width 768, random weights): one token behind a cache of 128, and a prompt of 64."""

import subprocess
import sys

import numpy as np
from common import ROOT, main

from model_zoo import decoder_inputs
from testing.measure import Case

LAYERS, HEADS, HEAD_SIZE, VOCABULARY = 12, 12, 64, 50257
WIDTH = HEADS * HEAD_SIZE


def flops(past, seq):
    total = past + seq
    weights = LAYERS * 12 * WIDTH * WIDTH + WIDTH * VOCABULARY
    return 2.0 * seq * weights + LAYERS * 4.0 * seq * total * WIDTH


def cases():
    path = ROOT / "build" / "models" / "gpt2.onnx"
    if not path.exists():
        subprocess.run([sys.executable, str(ROOT / "test" / "models" / "make_gpt2.py"), "--real-size", "--out", str(path)],
                       check=True)
    generator = np.random.default_rng(0)
    for label, past, seq in (("decode 1 behind 128", 128, 1), ("decode 1 behind 512", 512, 1), ("prompt 64", 0, 64)):
        feeds = decoder_inputs(generator, LAYERS, HEADS, HEAD_SIZE, VOCABULARY, 1, past, seq)
        yield Case(f"gpt2 {label}", path, feeds, flops(past, seq))


if __name__ == "__main__":
    main("gpt2_decode", __doc__, cases)
