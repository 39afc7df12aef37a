# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The Python package on small models: the answers against NumPy, the errors by their text."""

import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import bessemer

WEIGHT = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
BIAS = np.array([0.5, -0.5, 1], dtype=np.float32)


def dense_model():
    """y = relu(x @ W + b) for x of (batch, 4), and the shape of x."""
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "W"], ["h"], name="project"),
            helper.make_node("Add", ["h", "b"], ["s"], name="shift"),
            helper.make_node("Relu", ["s"], ["y"], name="clip"),
            helper.make_node("Shape", ["x"], ["size"], name="measure"),
        ],
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3]),
         helper.make_tensor_value_info("size", TensorProto.INT64, [2])],
        [numpy_helper.from_array(WEIGHT, "W"), numpy_helper.from_array(BIAS, "b")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def expected(x):
    return np.maximum(x.astype(np.float64) @ WEIGHT + BIAS, 0)


@pytest.fixture(scope="module")
def program():
    return bessemer.compile(dense_model())


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "dense.onnx"
    onnx.save(dense_model(), path)
    return path


def batch(rows, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, 4), dtype=np.float32)


def test_one_program_serves_all_shapes(program):
    for rows in (1, 5, 2, 64, 5):
        y, size = program(batch(rows))
        np.testing.assert_allclose(y, expected(batch(rows)), rtol=1e-5, atol=1e-6)
        assert size.tolist() == [rows, 4]


def test_dict_in_dict_out_and_names(program):
    x = batch(3)
    answers = program({"x": x})
    assert list(answers) == ["y", "size"]
    np.testing.assert_array_equal(program(x=x)[0], answers["y"])


def test_describes_itself(program):
    [x] = program.inputs
    assert (x.name, x.dtype, x.shape) == ("x", "float32", ("batch", 4))
    assert [argument.name for argument in program.outputs] == ["y", "size"]
    assert program.output_shapes((7, 4)) == {"y": (7, 3), "size": (2,)}
    assert program.output_shapes(batch(2))["y"] == (2, 3)
    assert program.arena_bytes((7, 4)) >= 0
    assert isinstance(program.report, dict)


def test_strided_and_dlpack_inputs(program):
    x = batch(6)
    np.testing.assert_array_equal(program(np.asfortranarray(x))[0], program(x)[0])
    np.testing.assert_array_equal(program(x[::2])[0], program(x[::2].copy())[0])

    class Foreign:  # what torch.Tensor shows
        def __dlpack__(self, **options):
            return x.__dlpack__(**options)

        def __dlpack_device__(self):
            return x.__dlpack_device__()

    np.testing.assert_array_equal(program(Foreign())[0], program(x)[0])


def test_writes_into_given_arrays(program):
    x, y = batch(2), np.zeros((2, 3), np.float32)
    result = program(x, out=[y, None])
    assert result[0] is y
    np.testing.assert_allclose(y, expected(x), rtol=1e-5, atol=1e-6)
    with pytest.raises(bessemer.BadInput, match=r"output 'y': expected room for \[2, 3\], got \[3, 3\]"):
        program(x, out=[np.zeros((3, 3), np.float32), None])


def test_results_outlive_the_program():
    program = bessemer.compile(dense_model())
    y = program(batch(4))[0]
    del program
    np.testing.assert_allclose(y, expected(batch(4)), rtol=1e-5, atol=1e-6)


def test_many_threads_on_one_program(program):
    failures = []

    def work(seed):
        try:
            for rows in range(1, 20):
                x = batch(rows, seed)
                np.testing.assert_allclose(program(x)[0], expected(x), rtol=1e-5, atol=1e-6)
        except Exception as error:  # noqa: BLE001: into the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("self_contained", [False, True])
def test_artifacts(model_file, tmp_path, self_contained):
    path = tmp_path / "dense.bsm"
    bessemer.compile(model_file).save(path, self_contained=self_contained)
    if self_contained:
        model_file.unlink()
    x = batch(3)
    np.testing.assert_allclose(bessemer.load(path)(x)[0], expected(x), rtol=1e-5, atol=1e-6)
    if self_contained:
        loaded = bessemer.load(path.read_bytes(), threads=1)
        np.testing.assert_allclose(loaded(x)[0], expected(x), rtol=1e-5, atol=1e-6)


def test_bound_and_bounded_dimensions(model_file):
    with pytest.raises(bessemer.BadInput, match="input 'x'"):
        bessemer.compile(model_file, dims={"batch": 2})(batch(3))
    bounded = bessemer.compile(model_file, dims={"batch": "<=8"})
    assert bounded(batch(8))[0].shape == (8, 3)
    with pytest.raises(bessemer.BadInput, match="8"):
        bounded(batch(9))
    with pytest.raises(bessemer.InvalidArgument, match="expected a number or '<=NUMBER'"):
        bessemer.compile(model_file, dims={"batch": "many"})


def test_profile_names_kernels(program):
    entries = program.profile(batch(8), repeat=3)
    assert entries and all(entry["seconds"] >= 0 and entry["runs"] % 3 == 0 for entry in entries)


@pytest.mark.parametrize("call, message", [
    (lambda p: p(batch(2).astype(np.float64)), "input 'x': expected float32, got float64"),
    (lambda p: p(np.zeros((2, 5), np.float32)), r"input 'x': expected shape \[batch, 4\], got \[2, 5\]"),
    (lambda p: p(np.zeros(4, np.float32)), r"input 'x': expected shape \[batch, 4\], got \[4\]"),
    (lambda p: p(), "got none for"),
    (lambda p: p(batch(1), batch(1)), "expected 1 inputs, got 2"),
    (lambda p: p(q=batch(1)), "got unknown"),
    (lambda p: p(batch(1), x=batch(1)), "got it twice"),
])
def test_wrong_inputs(program, call, message):
    with pytest.raises(bessemer.Error, match=message):
        call(program)


def test_bad_files(tmp_path):
    with pytest.raises(bessemer.BadFile, match="No such file"):
        bessemer.load(tmp_path / "missing.bsm")
    (tmp_path / "text.bsm").write_text("not a model")
    with pytest.raises(bessemer.BadFile, match="expected a compiled model"):
        bessemer.load(tmp_path / "text.bsm")
    with pytest.raises(bessemer.Error):
        bessemer.compile(tmp_path / "missing.onnx")
    with pytest.raises(bessemer.Error):
        bessemer.compile(b"\xff" * 100)


def test_damaged_artifact(model_file, tmp_path):
    path = tmp_path / "dense.bsm"
    bessemer.compile(model_file).save(path, self_contained=True)
    data = bytearray(path.read_bytes())
    for position in range(64, len(data), max(len(data) // 50, 1)):
        damaged = bytearray(data)
        damaged[position] ^= 0xff
        with pytest.raises(bessemer.Error, match="."):
            bessemer.load(bytes(damaged))


def test_supported_nodes():
    model = dense_model()
    model.graph.node.append(helper.make_node("NoSuchOp", ["y"], ["z"], name="strange", domain="com.example"))
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    answer = bessemer.supported_nodes(model)
    assert answer["nodes"] == 5
    [entry] = answer["unsupported"]
    assert (entry["index"], entry["name"], entry["op"]) == (4, "strange", "NoSuchOp")
    with pytest.raises(bessemer.Error, match="strange"):
        bessemer.compile(model)
