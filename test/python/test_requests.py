# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Requests that cannot be met end with 2 and a sentence, before any work; those that can say what they should."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tool import bessemer, refused


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    weight = numpy_helper.from_array(np.ones((8, 16), np.float32), "w")
    info = helper.make_tensor_value_info
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Tanh", ["h"], ["y"])], "g",
                              [info("x", TensorProto.FLOAT, ["n", 8])], [info("y", TensorProto.FLOAT, ["n", 16])], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("words, naming", [
    (["frobnicate"], ["expected one of the commands", "frobnicate"]),
    (["compile", "--frob", "{m}"], "--frob"),
    (["compile"], "model"),
    (["compile", "{m}"], "-o"),
    (["compile", "{m}", "-o", "{t}/none/x.bsm"], ["cannot write", "no folder"]),
    (["compile", "{m}", "-o", "{t}"], ["cannot write", "it is a folder"]),
    (["compile", "{m}", "-o", "{t}/x.bsm", "--report={t}/none/r.json"], ["cannot write", "no folder"]),
    (["compile", "{m}", "-o", "{t}/x.bsm", "--dim", "n"], ["--dim", "NAME=VALUE"]),
    (["compile", "{m}", "-o", "{t}/x.bsm", "--dim", "q=3"], "q"),
    (["compile", "{m}", "-o", "{t}/x.bsm", "--dim", "n=-3"], "--dim"),
    (["compile", "{m}", "-o", "{t}/x.bsm", "--cpu=pdp11"], "pdp11"),
    (["compile", "{m}", "-o", "{t}/x.bsm", "--target=abacus"], "abacus"),
    (["compile", "{m}", "-o", "{t}/x.bsm", "--numerics=wild"], ["--numerics", "wild"]),
    (["compile", "{m}", "--compile-to=lunch"], ["lunch", "legalize"]),
    (["compile", "{m}", "-o", "{t}/x.bsm", "--dump-phases={m}"], "m.onnx"),
    (["run", "{m}"], ["input", "x"]),
    (["run", "{m}", "--input", "x={t}/none.npy"], "none.npy"),
    (["run", "{m}", "--input", "x"], "NAME=FILE"),
    (["run", "{m}", "--case", "{t}/none"], ["--case", "folder"]),
    (["run", "{m}", "--case", "{t}"], "input_0.pb"),
    (["run", "{m}", "--threads", "-1"], "--threads"),
    (["run", "{m}", "--threads", "many"], "--threads"),
    (["run", "{m}", "--rtol", "-1"], "--rtol"),
    (["bench", "{m}", "--repeat", "0"], "--repeat"),
    (["bench", "{m}", "--size", "m=3"], ["--size", "(n)"]),
    (["bench", "{m}", "--size", "n=3x"], ["--size", "NAME=VALUE"]),
    (["explain", "{m}", "--size", "m=3"], ["--size", "(n)"]),
    (["explain", "{t}/none.onnx"], "none.onnx"),
])
def test_a_request_that_cannot_be_met_is_refused(words, naming, model, tmp_path):
    refused(*[word.format(m=model, t=tmp_path) for word in words], naming=naming)


def test_no_command_is_an_error_that_shows_the_help():
    ended = bessemer()
    assert ended.code == 2 and "compile" in ended.text


@pytest.mark.parametrize("command", [[], ["compile"], ["run"], ["bench"], ["explain"], ["plan-buffers"]])
def test_help_is_fine(command):
    ended = bessemer(*command, "--help")
    assert ended.code == 0
    assert "Usage: bessemer" in ended.text
    if command and command[0] != "plan-buffers":
        assert "Example" in ended.text


def test_an_option_does_not_swallow_the_model(model, tmp_path):
    ended = bessemer("compile", "--dim", "n=2", model, "-o", tmp_path / "m.bsm")
    assert ended.code == 0, ended.text
    ended = bessemer("bench", "--size", "n=2", model, "--repeat", "1")
    assert ended.code == 0, ended.text


@pytest.mark.parametrize("phase", ["import", "legalize", "simplify", "outline", "shard", "fuse", "layout", "tile", "plan", "lower"])
def test_each_phase_is_shown(phase, model, tmp_path):
    ended = bessemer("compile", model, f"--compile-to={phase}", f"--dump-phases={tmp_path}")
    assert ended.code == 0 and "func.func @main" in ended.text, ended.text
    assert [path for path in tmp_path.iterdir() if phase in path.name]


def test_bench_gives_numbers_for_programs(model):
    ended = bessemer("bench", model, "--repeat", "3", "--json", "--threads", "1", "--size", "n=4")
    assert ended.code == 0, ended.text
    report = json.loads(ended.text)
    assert report["runs"] == 3 and report["threads"] == 1
    assert 0 < report["low_seconds"] <= report["median_seconds"] <= report["high_seconds"]
    assert report["peak_flops"] > 0 and report["peak_bytes"] > 0
    assert report["kernels"]
    for kernel in report["kernels"]:
        assert {"name", "kind", "nodes", "launches", "seconds", "flops", "bytes", "gflops", "gbs", "roofline"} <= set(kernel)


def test_explain_estimates_a_run(model):
    ended = bessemer("explain", model, "--size", "n=10", "--json")
    assert ended.code == 0, ended.text
    estimate = json.loads(ended.text)["estimate"]
    assert estimate["sizes"] == {"n": 10}
    [kernel] = estimate["kernels"]
    assert kernel["launches"] == 1
    assert 2 * 10 * 8 * 16 <= kernel["flops"] <= 2 * 10 * 8 * 16 + 100 * 10 * 16  # the product, and some for tanh
    assert kernel["least_seconds"] > 0
    text = bessemer("explain", model, "--dim", "n<=7")
    assert "one run at n=7" in text.text and "least ms" in text.text
    # The roofline of another machine is not that of this one.
    other = json.loads(bessemer("explain", model, "--cpu=neoverse-n1", "--json").text)["estimate"]
    assert other["peak_flops"] == 0
