# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models of transformers, written by both of torch's exporters: torch's own answers at the exported shapes, and ONNX
Runtime's at others. Run by `scripts/test torch`."""

import subprocess
import sys

import numpy as np
import pytest

from model_zoo import HERE, decoder_inputs, right_padded_mask, tokens
from testing.engines import interface, make_engine, worst_error


def decoder_shapes(kv_heads):
    generator = np.random.default_rng(21)
    for batch, past, seq in ((1, 0, 6), (1, 9, 1), (3, 4, 2)):
        yield decoder_inputs(generator, 2, kv_heads, 16, 500, batch, past, seq)


def encoder_shapes():
    generator = np.random.default_rng(22)
    for batch, seq in ((1, 5), (3, 20)):
        yield {"input_ids": tokens(generator, batch, seq, 500), "attention_mask": right_padded_mask(batch, seq)}


def image_shapes(*shapes):
    generator = np.random.default_rng(23)
    for shape in shapes:
        yield {"pixel_values": generator.standard_normal(shape, dtype=np.float32)}


SHAPES = {
    "gpt2": lambda: decoder_shapes(4), "llama": lambda: decoder_shapes(2), "bert": encoder_shapes,
    "vit": lambda: image_shapes((1, 3, 32, 32), (5, 3, 32, 32)),
    "resnet": lambda: image_shapes((1, 3, 32, 32), (3, 3, 64, 40)),
}


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
@pytest.mark.parametrize("name", SHAPES)
def test_exported_model(tmp_path, name, exporter):
    subprocess.run([sys.executable, str(HERE / "export_transformers.py"), name, "--exporter", exporter,
                    "--out", str(tmp_path)], check=True)
    path = tmp_path / f"hf-{name}.onnx"
    program = make_engine("bessemer", path, threads=2)
    data = np.load(path.with_suffix(".npz"))
    inputs, outputs = interface(path)
    answers = program({key: data[f"in.{key}"] for key in inputs})
    for output in outputs:
        assert worst_error(answers[output], data[f"out.{output}"]) <= 1, f"{output}, against torch"
    reference = make_engine("onnxruntime", path, threads=2)
    for feeds in SHAPES[name]():
        answers = program(feeds)
        for output, values in reference(feeds).items():
            shapes = {key: value.shape for key, value in feeds.items()}
            assert worst_error(answers[output], values) <= 1, f"{output} at {shapes}, against ONNX Runtime"
