# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Each model, compiled once and run at several shapes, against ONNX Runtime.

Every element is within 1e-4 absolute or 1e-3 relative.
"""

import json

import pytest
from tool import bessemer

from model_zoo import MODELS, make
from testing.engines import make_engine, worst_error


@pytest.mark.parametrize("name", MODELS)
def test_model_agrees_with_onnx_runtime_at_every_shape(name):
    path = make(name)
    reference = make_engine("onnxruntime", path, threads=2)
    program = make_engine("bessemer", path, threads=2)
    for label, feeds in MODELS[name].cases():
        expected = reference(feeds)
        actual = program(feeds)
        for output, values in expected.items():
            error = worst_error(actual[output], values)
            assert error <= 1, f"{name} at {label}, output {output}: {error:.3g} times the allowed error"


@pytest.mark.parametrize("name", MODELS)
def test_every_node_of_a_model_that_computes_runs_in_a_compiled_kernel(name, tmp_path):
    report = tmp_path / "report.json"
    ended = bessemer("compile", make(name), "-o", tmp_path / "model.bsm", f"--report={report}")
    assert ended.code == 0, ended.text
    record = json.loads(report.read_text())
    assert record["kernels"], name
    left = [f"{fallback['op']} {fallback['type']}: {', '.join(fallback['nodes'])}" for fallback in record["fallbacks"]]
    assert not left, "on the reference kernels:\n" + "\n".join(left)
