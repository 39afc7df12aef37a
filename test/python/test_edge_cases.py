# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Legal models at the edge, which test/fuzz/fuzz_compiler.py found to be crashes once, and requests that must be refused by name."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import bessemer
from tool import refused

FLOAT = TensorProto.FLOAT


def save(path, nodes, inputs, constants=(), outputs=("y",), dtype=FLOAT):
    infos = [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()]
    results = [helper.make_tensor_value_info(name, dtype, None) for name in outputs]
    graph = helper.make_graph(nodes, "edge", infos, results, [onnx.numpy_helper.from_array(v, k) for k, v in dict(constants).items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10), path)
    return path


@pytest.mark.parametrize("op, neutral", [("ReduceSum", 0.0), ("ReduceProd", 1.0), ("ReduceL1", 0.0), ("ReduceMax", -np.inf)])
def test_a_reduction_over_nothing_gives_the_neutral_value(tmp_path, op, neutral):
    path = save(tmp_path / "m.onnx", [helper.make_node(op, ["x"], ["y"], keepdims=0)], {"x": [2, 0]})
    answer = bessemer.compile(path)({"x": np.zeros((2, 0), np.float32)})["y"]
    assert answer.shape == () and answer == np.float32(neutral)


def test_a_matrix_without_rows(tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")]
    path = save(tmp_path / "m.onnx", nodes, {"x": [0, "n", 3]}, {"w": np.ones((3, 4), np.float32)})
    assert bessemer.compile(path)({"x": np.zeros((0, 5, 3), np.float32)})["y"].shape == (0, 5, 4)


def test_attention_without_queries(tmp_path):
    nodes = [helper.make_node("Attention", ["q", "k", "k"], ["y"], name="attend")]
    path = save(tmp_path / "m.onnx", nodes, {"q": [1, 2, 0, 4], "k": [1, 2, 3, 4]})
    model = onnx.load(path)
    model.opset_import[0].version = 23
    onnx.save(model, path)
    inputs = {"q": np.zeros((1, 2, 0, 4), np.float32), "k": np.ones((1, 2, 3, 4), np.float32)}
    assert bessemer.compile(path)(inputs)["y"].shape == (1, 2, 0, 4)


def test_bounds_of_a_clip_do_not_change_its_shape(tmp_path):
    nodes = [helper.make_node("Clip", ["x", "low", "high"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, {"x": []}, {"low": np.float32([-0.5]), "high": np.float32([1])})
    answer = bessemer.compile(path)({"x": np.float32(3)})["y"]
    assert answer.shape == () and answer == 1


def test_a_guard_that_does_not_hold_names_its_node_and_both_values(tmp_path):
    nodes = [helper.make_node("Add", ["a", "b"], ["y"], name="sum of both")]
    path = save(tmp_path / "m.onnx", nodes, {"a": ["n"], "b": ["m"]})
    np.save(tmp_path / "a.npy", np.zeros(3, np.float32))
    np.save(tmp_path / "b.npy", np.zeros(4, np.float32))
    refused("run", path, "--input", f"a={tmp_path / 'a.npy'}", "--input", f"b={tmp_path / 'b.npy'}",
            naming=["sum of both", "expected n = m, got 3 and 4"])


@pytest.mark.parametrize("attributes", [{"strides": [2**62, 1]}, {"pads": [2**62, 0, 2**62, 0]}, {"dilations": [1, 0]},
                                        {"dilations": [-1, 1]}, {"kernel_shape": [9, 1]}])
@pytest.mark.parametrize("op", ["Conv", "ConvTranspose", "MaxPool"])
def test_windows_that_make_no_sense_are_refused(tmp_path, op, attributes):
    if op == "ConvTranspose" and "kernel_shape" in attributes:
        return
    operands = ["x"] if op == "MaxPool" else ["x", "w"]
    kernel = attributes.get("kernel_shape", [2, 2])
    nodes = [helper.make_node(op, operands, ["y"], name="window", **{"kernel_shape": kernel, **attributes})]
    path = save(tmp_path / "m.onnx", nodes, {"x": [1, 1, 4, 4]}, {"w": np.ones((1, 1, *kernel), np.float32)})
    refused("compile", path, "-o", tmp_path / "m.bsm", naming=["window", "expected"])


def test_denormals_become_zero_in_kernels_alone(tmp_path):
    path = save(tmp_path / "m.onnx", [helper.make_node("Mul", ["x", "x"], ["y"])], {"x": [64]})
    small = np.full(64, 1e-20, np.float32)
    assert not bessemer.compile(path)({"x": small})["y"].any()
    assert (small * small).all()  # the thread that called computes with them as before
    assert bessemer.compile(path, numerics="strict")({"x": small})["y"].all()
