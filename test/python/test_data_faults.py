# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Data that a compiled kernel cannot work on ends the run with an error that names the node, and never reads or writes elsewhere."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tool import bessemer

TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64, np.dtype(np.int32): TensorProto.INT32}
TABLE = np.arange(12, dtype=np.float32).reshape(4, 3)


def run(folder, node, inputs, output_type=TensorProto.FLOAT):
    infos = [helper.make_tensor_value_info(name, TYPES[array.dtype], array.shape) for name, array in inputs.items()]
    y = helper.make_tensor_value_info("y", output_type, None)
    graph = helper.make_graph([node], "g", infos, [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), folder / "m.onnx")
    arguments = []
    for name, array in inputs.items():
        np.save(folder / f"{name}.npy", array)
        arguments += ["--input", f"{name}={folder / name}.npy"]
    return bessemer("run", folder / "m.onnx", *arguments, "--outputs", folder)


def node(op, inputs, **attributes):
    return helper.make_node(op, inputs, ["y"], name="the_node", **attributes)


def indices(*values):
    return np.array(values, np.int64)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("index", [4, -5, 2**40, -2**63])
def test_an_index_outside_of_the_table_of_a_gather(tmp_path, axis, index):
    ended = run(tmp_path, node("Gather", ["x", "i"], axis=axis), {"x": TABLE, "i": indices(0, index)})
    assert ended.code == 1 and "the_node" in ended.text and "expected indices inside of the operand" in ended.text, ended.text


def test_the_first_and_the_last_index_are_inside(tmp_path):
    ended = run(tmp_path, node("Gather", ["x", "i"], axis=0), {"x": TABLE, "i": indices(-4, 3)})
    assert ended.code == 0, ended.text
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), TABLE[[0, 3]])


@pytest.mark.parametrize("op, inputs", [
    ("GatherElements", {"x": TABLE, "i": indices(0, 3, 0).reshape(1, 3)}),
    ("GatherND", {"x": TABLE, "i": indices(1, 3).reshape(1, 2)}),
    ("ScatterElements", {"x": TABLE, "i": indices(9, 0, 0).reshape(1, 3), "u": TABLE[:1]}),
    ("ScatterND", {"x": TABLE, "i": indices(7).reshape(1, 1), "u": TABLE[:1]}),
])
def test_an_index_outside_of_other_ops(tmp_path, op, inputs):
    attributes = {"axis": 1} if op == "GatherElements" else {}
    ended = run(tmp_path, node(op, list(inputs), **attributes), inputs)
    assert ended.code == 1 and "the_node" in ended.text and "expected indices inside of the operand" in ended.text, ended.text


@pytest.mark.parametrize("op", ["Div", "Mod"])
def test_an_integer_divided_by_zero(tmp_path, op):
    inputs = {"a": np.array([7, 8, 9], np.int32), "b": np.array([1, 0, 2], np.int32)}
    ended = run(tmp_path, node(op, list(inputs)), inputs, TensorProto.INT32)
    assert ended.code == 1 and "the_node" in ended.text and "expected a divisor other than 0" in ended.text, ended.text


def test_integers_divide_where_every_lane_has_a_divisor(tmp_path):
    """Seven elements: the lanes behind the last have none, which is no fault."""
    inputs = {"a": np.array([7, 8, 9, -7, 2**31 - 1, -2**31, 5], np.int32), "b": np.array([1, 3, 2, 2, -1, -1, -3], np.int32)}
    ended = run(tmp_path, node("Div", list(inputs)), inputs, TensorProto.INT32)
    assert ended.code == 0, ended.text
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), [7, 2, 4, -3, -2147483647, -2**31, -1])


def test_a_length_that_is_longer_than_the_sequence(tmp_path):
    inputs = {"x": np.zeros((3, 2, 4), np.float32), "w": np.zeros((1, 5, 4), np.float32), "r": np.zeros((1, 5, 5), np.float32),
              "lengths": np.array([3, 4], np.int32)}
    ended = run(tmp_path, node("RNN", ["x", "w", "r", "", "lengths"], hidden_size=5), inputs)
    assert ended.code == 1 and "the_node" in ended.text and "expected lengths" in ended.text, ended.text


def test_a_run_after_a_fault_is_sound(tmp_path):
    """The fault of one run is not there any more in the next."""
    import bessemer as package
    table = helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 3])
    index = helper.make_tensor_value_info("i", TensorProto.INT64, ["n"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node("Gather", ["x", "i"], axis=0)], "g", [table, index], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), tmp_path / "m.onnx")
    model = package.compile(tmp_path / "m.onnx")
    for _ in range(3):
        with pytest.raises(Exception, match="expected indices"):
            model({"x": TABLE, "i": indices(1, 100)})
        np.testing.assert_array_equal(model({"x": TABLE, "i": indices(1, 2)})["y"], TABLE[1:3])


def test_a_branch_that_the_sizes_do_not_fit_fails_when_it_is_taken(tmp_path):
    """The other one runs, and compiling warns."""
    branches = {}
    for name, rows in (("then", 4), ("else", 5)):
        weight = onnx.numpy_helper.from_array(np.ones((rows, 2), np.float32), f"{name}_w")
        product = helper.make_node("MatMul", ["x", f"{name}_w"], [f"{name}_y"], name=f"{name}_product")
        branches[f"{name}_branch"] = helper.make_graph(
            [product], name, [], [helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, None)], [weight])
    graph = helper.make_graph([helper.make_node("If", ["c"], ["y"], name="the_choice", **branches)], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, "n"]),
                               helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.ones((3, 4), np.float32))
    ends = {}
    for value in (False, True):
        np.save(tmp_path / "c.npy", np.array(value))
        ends[value] = bessemer("run", tmp_path / "m.onnx", "--dim=n=4", "--input", f"x={tmp_path / 'x.npy'}",
                               "--input", f"c={tmp_path / 'c.npy'}", "--outputs", tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), np.full((3, 2), 4, np.float32))
    assert ends[True].code == 0, ends[True].text
    assert ends[False].code == 1 and "else_product" in ends[False].text, ends[False].text
    assert "one branch is left out" in ends[True].text, ends[True].text
