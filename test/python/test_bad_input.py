# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a user can feed in by mistake or by malice: a clear error and exit 2, never a signal."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tool import bessemer, refused


def small_model(weight=None, nodes=None):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    weight = weight or numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
    nodes = nodes or [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")]
    graph = helper.make_graph(nodes, "small", [x], [y], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def write(tmp_path, model, name="model.onnx"):
    path = tmp_path / name
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def compile_to(tmp_path, model):
    return "compile", write(tmp_path, model), "-o", tmp_path / "model.bsm"


def external(location, **keys):
    weight = TensorProto(name="w", dims=[4, 3], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **keys}.items():
        weight.external_data.add(key=key, value=str(value))
    return weight


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    arguments = compile_to(folder, small_model())
    ended = bessemer(*arguments)
    assert ended.code == 0, ended.text
    return arguments[-1]


def test_a_missing_file(tmp_path):
    refused("compile", tmp_path / "none.onnx", "-o", tmp_path / "model.bsm", naming="none.onnx")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file(tmp_path, share):
    data = small_model().SerializeToString()
    refused(*compile_to(tmp_path, data[:int(share * len(data))]), naming="model.onnx")


def test_a_file_that_is_no_model(tmp_path):
    refused(*compile_to(tmp_path, b"The quick brown fox jumps over the lazy dog.\n" * 20), naming="model.onnx")


def test_a_cyclic_graph(tmp_path):
    nodes = [helper.make_node("Add", ["x", "b"], ["a"], name="first"),
             helper.make_node("Add", ["a", "x"], ["b"], name="second"),
             helper.make_node("Identity", ["b"], ["y"], name="third")]
    refused(*compile_to(tmp_path, small_model(nodes=nodes)), naming="first")


def test_a_value_that_nothing_makes(tmp_path):
    nodes = [helper.make_node("Add", ["x", "ghost"], ["y"], name="first")]
    refused(*compile_to(tmp_path, small_model(nodes=nodes)), naming="ghost")


def test_a_missing_external_file(tmp_path):
    refused(*compile_to(tmp_path, small_model(external("absent.bin", offset=0, length=48))), naming="absent.bin")


@pytest.mark.parametrize("offset, length", [(0, 47), (8, 48), (1 << 40, 48), ((1 << 64) - 16, 48), (-8, 48),
                                            (0, 1 << 33), ("many", 48)])
def test_external_ranges_that_do_not_fit(tmp_path, offset, length):
    (tmp_path / "weights.bin").write_bytes(bytes(48))
    model = small_model(external("weights.bin", offset=offset, length=length))
    refused(*compile_to(tmp_path, model), naming="w")


def test_an_external_file_outside_of_the_models_folder(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "weights.bin").write_bytes(bytes(48))
    refused(*compile_to(inner, small_model(external("../weights.bin", offset=0, length=48))), naming="w")


def test_ten_gigabytes_claimed_in_a_kilobyte(tmp_path):
    weight = TensorProto(name="w", dims=[50000, 50000], data_type=TensorProto.FLOAT, raw_data=bytes(1000))
    ended = refused(*compile_to(tmp_path, small_model(weight)), naming="w")
    assert ended.peak_bytes < 2 << 30


def test_a_length_beyond_the_file_in_the_wire_format(tmp_path):
    # Field 7 (graph), length 10,000,000,000, and then only some bytes.
    refused(*compile_to(tmp_path, bytes([0x08, 0x08, 0x3A]) + bytes([0x80, 0xC8, 0xAF, 0xA0, 0x25]) + bytes(900)),
            naming="model.onnx")


def test_deep_nesting_in_the_wire_format(tmp_path):
    body = b""
    for _ in range(20000):  # a graph in an attribute of a node of a graph ...
        for tag in (0x32, 0x2A, 0x0A):
            size, varint = len(body), b""
            while True:
                varint += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
                size >>= 7
                if not size:
                    break
            body = bytes([tag]) + varint + body
        if len(body) > 60000:
            break
    size = len(body)
    varint = bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])
    refused(*compile_to(tmp_path, bytes([0x08, 0x08, 0x3A]) + varint + body), naming="model.onnx")


def test_an_unknown_op_is_named_with_its_version(tmp_path):
    nodes = [helper.make_node("Frobnicate", ["x"], ["y"], name="odd one")]
    refused(*compile_to(tmp_path, small_model(nodes=nodes)), naming=["odd one", "Frobnicate"])


def test_all_unsupported_nodes_are_reported_at_once(tmp_path):
    nodes = [helper.make_node("Frobnicate", ["x"], ["a"], name="odd one"),
             helper.make_node("Grobnicate", ["a"], ["y"], name="odd two")]
    refused(*compile_to(tmp_path, small_model(nodes=nodes)), naming=["odd one", "odd two", "Grobnicate"])


def test_shapes_that_do_not_match_in_the_model(tmp_path):
    weight = numpy_helper.from_array(np.zeros((5, 3), np.float32), "w")
    refused(*compile_to(tmp_path, small_model(weight)), naming="product")


@pytest.mark.parametrize("array, word", [
    (np.zeros((2, 4), np.float64), "f32"), (np.zeros((2, 5), np.float32), "x"), (np.zeros(4, np.float32), "x"),
])
def test_a_wrong_type_or_shape_at_run_time(tmp_path, program, array, word):
    np.save(tmp_path / "x.npy", array)
    refused("run", program, "--input", f"x={tmp_path / 'x.npy'}", naming=["expected", "got", word])


def test_an_input_that_the_model_lacks(tmp_path, program):
    np.save(tmp_path / "x.npy", np.zeros((2, 4), np.float32))
    refused("run", program, "--input", f"z={tmp_path / 'x.npy'}", naming="z")


def test_a_missing_input(program):
    refused("run", program, naming="x")


def test_a_damaged_program_is_refused_or_the_damage_lies_in_padding(tmp_path, program):
    data = program.read_bytes()
    np.save(tmp_path / "x.npy", np.ones((2, 4), np.float32))
    generator = np.random.default_rng(0)
    for index in range(40):
        broken = bytearray(data)
        position = int(generator.integers(len(data)))
        broken[position] ^= 1 << int(generator.integers(8))
        path = write(tmp_path, bytes(broken), f"broken{index}.bsm")
        arguments = "run", path, "--input", f"x={tmp_path / 'x.npy'}", "--outputs", tmp_path / "out"
        if data[position] == 0 and bessemer(*arguments).code == 0:
            answer = np.load(tmp_path / "out" / "y.npy")  # zeros between two sections: nothing reads them
            np.testing.assert_array_equal(answer, np.tile(np.float32([18, 22, 26]), (2, 1)))
        else:
            refused(*arguments, naming=path.name)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_program(tmp_path, program, share):
    data = program.read_bytes()
    path = write(tmp_path, data[:int(share * len(data))], "short.bsm")
    refused("run", path, naming="short.bsm")


@pytest.mark.parametrize("arguments", [["--nonsense"], ["compile"], ["frobnicate"],
                                       ["compile", "x.onnx", "--target=abacus", "-o", "y.bsm"]])
def test_a_request_that_makes_no_sense(arguments):
    ended = bessemer(*arguments)
    assert ended.code == 2, ended.text
