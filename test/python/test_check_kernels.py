# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`bessemer run --check`: each kernel beside the reference kernels."""

import numpy as np
import onnx

from model_zoo import make
from tool import bessemer, refused


def run_checked(tmp_path, *options):
    """A tiny GPT-2, a few positions behind a cache."""
    path = make("gpt2-tiny")
    generator = np.random.default_rng(0)
    symbols, arguments = {"batch": 2, "sequence_length": 4, "past_sequence_length": 3}, []
    for index, value in enumerate(onnx.load(path, load_external_data=False).graph.input):
        tensor = value.type.tensor_type
        shape = [dim.dim_value or sum(symbols[name.strip()] for name in dim.dim_param.split("+")) for dim in tensor.shape.dim]
        floats = tensor.elem_type == onnx.TensorProto.FLOAT
        file = tmp_path / f"{index}.npy"
        np.save(file, generator.standard_normal(shape).astype(np.float32) if floats else np.ones(shape, np.int64))
        arguments += ["--input", f"{value.name}={file}"]
    return bessemer("run", path, "--check", *arguments, *options)


def test_all_kernels_of_a_model_agree(tmp_path):
    ended = run_checked(tmp_path, "--rtol", "1e-3", "--atol", "1e-4")
    assert ended.code == 0, ended.text
    assert "agree with the reference kernels" in ended.text, ended.text


def test_the_first_kernel_beyond_the_tolerance_is_named(tmp_path):
    ended = run_checked(tmp_path, "--rtol", "0", "--atol", "0")  # kernels round, the reference does it once
    assert ended.code == 1 and "is the first result that differs from the reference kernels" in ended.text, ended.text
    assert " of " in ended.text, ended.text


def test_an_artifact_cannot_be_checked(tmp_path):
    refused("run", tmp_path / "m.bsm", "--check", naming="m.bsm")
