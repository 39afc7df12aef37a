# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The exit codes that are fixed: 0 fine, 1 the result differs, 2 refused."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_zoo import make
from tool import bessemer


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A model y = x + 1 and a folder in ONNX's layout."""
    folder = tmp_path_factory.mktemp("case")
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in "xy"]
    one = numpy_helper.from_array(np.array(1, np.float32), "one")
    graph = helper.make_graph([helper.make_node("Add", ["x", "one"], ["y"], name="plus")], "g", info[:1], info[1:], [one])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "m.onnx")
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    for name, values in (("right", x + 1), ("wrong", x + 1.5), ("shape", (x + 1)[:1])):
        (folder / name).mkdir()
        (folder / name / "input_0.pb").write_bytes(numpy_helper.from_array(x, "x").SerializeToString())
        (folder / name / "output_0.pb").write_bytes(numpy_helper.from_array(values, "y").SerializeToString())
    return folder


def test_a_right_case_ends_with_0(case):
    ended = bessemer("run", case / "m.onnx", "--case", case / "right")
    assert ended.code == 0, ended.text


@pytest.mark.parametrize("name", ["wrong", "shape"])
def test_a_wrong_case_ends_with_1_and_says_where(case, name):
    ended = bessemer("run", case / "m.onnx", "--case", case / name)
    assert ended.code == 1, ended.text
    assert "y" in ended.text


def test_tolerances_can_be_set(case):
    ended = bessemer("run", case / "m.onnx", "--case", case / "wrong", "--atol", "1")
    assert ended.code == 0, ended.text


def test_a_program_runs_like_its_model(case, tmp_path):
    program = tmp_path / "m.bsm"
    ended = bessemer("compile", case / "m.onnx", "-o", program)
    assert ended.code == 0, ended.text
    assert bessemer("run", program, "--case", case / "right").code == 0
    assert bessemer("run", program, "--case", case / "wrong").code == 1


def test_outputs_are_written_as_arrays(case, tmp_path):
    np.save(tmp_path / "x.npy", np.full((4, 3), 2, np.float32))
    ended = bessemer("run", case / "m.onnx", "--input", f"x={tmp_path / 'x.npy'}", "--outputs", tmp_path / "out")
    assert ended.code == 0, ended.text
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "y.npy"), np.full((4, 3), 3, np.float32))


def test_bounds_on_symbols_are_guards(case, tmp_path):
    program = tmp_path / "m.bsm"
    assert bessemer("compile", case / "m.onnx", "-o", program, "--dim", "n<=2").code == 0
    for rows, code in ((2, 0), (3, 2)):
        np.save(tmp_path / "x.npy", np.zeros((rows, 3), np.float32))
        ended = bessemer("run", program, "--input", f"x={tmp_path / 'x.npy'}")
        assert ended.code == code, ended.text


def test_explain_tells_about_a_model_without_compiling_it():
    ended = bessemer("explain", make("minilm"))
    assert ended.code == 0, ended.text
    assert "layer" in ended.text.lower()


def test_artifacts_are_the_same_bytes_each_time(tmp_path):
    """Kernels are compiled by several threads; who comes first must not show."""
    artifacts = [tmp_path / "first.bsm", tmp_path / "second.bsm"]
    for artifact in artifacts:
        ended = bessemer("compile", make("rapidocr-cls"), "-o", artifact, "--cpu=x86-64-v3")
        assert ended.code == 0, ended.text
    assert artifacts[0].read_bytes() == artifacts[1].read_bytes()
