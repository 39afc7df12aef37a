# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The hosts in examples/, in C and in C++: built by the project against the shared libraries, and the headers alone in the
oldest languages that they promise."""

import re
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tool import ROOT, bessemer, refused

BIN = ROOT / "build" / "bin"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """y = x W + 1 with x of ones: column sums of W, plus 1."""
    path = tmp_path_factory.mktemp("example") / "m.onnx"
    weight = numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
    one = numpy_helper.from_array(np.ones(3, np.float32), "one")
    info = helper.make_tensor_value_info
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Add", ["h", "one"], ["y"])], "g",
                              [info("x", TensorProto.FLOAT, ["n", 4])], [info("y", TensorProto.FLOAT, ["n", 3])], [weight, one])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)


def test_the_c_example_needs_the_runtime_alone(model, tmp_path):
    artifact = tmp_path / "m.bsm"
    assert bessemer("compile", model, "-o", artifact).code == 0
    done = run(BIN / "run_model", artifact)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "y: [1, 3] 19 23 27\n"
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", BIN / "run_model").stdout)
    assert "libbessemer-runtime.so" in needed and "libbessemer.so" not in needed
    done = run(BIN / "run_model", model)
    assert done.returncode == 2 and "expected a compiled model" in done.stderr


def test_the_cpp_example_compiles_and_runs(model, tmp_path):
    done = run(BIN / "compile_and_run", model)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "y: [ 1 3 ] 19 23 27\n"
    assert done.stderr.split()[0] == "import"
    done = run(BIN / "compile_and_run", tmp_path / "none.onnx")
    assert done.returncode == 2 and "none.onnx" in done.stderr


@pytest.mark.parametrize("compiler, standard, headers", [
    ("clang-22", "c99", ["runtime.h", "compile.h"]), ("clang++-22", "c++17", ["runtime.hpp", "compile.hpp"]),
    ("clang++-22", "c++98", ["runtime.h", "compile.h"]),
])
def test_headers_stand_alone(compiler, standard, headers, tmp_path):
    for header in headers:
        source = tmp_path / ("x.c" if standard == "c99" else "x.cpp")
        source.write_text(f'#include "bessemer/{header}"\nint main(void) {{ return 0; }}\n')
        extra = ["-Wno-c++11-long-long", "-Wno-long-long", "-Wno-variadic-macros"] if standard == "c++98" else []
        done = run(compiler, f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror", *extra, "-fsyntax-only",
                   f"-I{ROOT / 'include'}", source)
        assert done.returncode == 0, done.stderr


def test_an_artifact_of_the_future_is_refused_by_the_tool(model, tmp_path):
    artifact = tmp_path / "m.bsm"
    assert bessemer("compile", model, "-o", artifact, "--embed-weights").code == 0
    data = bytearray(artifact.read_bytes())
    data[8] += 1
    artifact.write_bytes(data)
    refused("run", artifact, naming="format version")


def test_weights_that_changed_behind_an_artifact_are_refused(tmp_path):
    copy, artifact = tmp_path / "m.onnx", tmp_path / "m.bsm"
    weight = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    info = helper.make_tensor_value_info
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [info("x", TensorProto.FLOAT, ["n", 64])],
                              [info("y", TensorProto.FLOAT, ["n", 64])], [numpy_helper.from_array(weight, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), copy)
    np.save(tmp_path / "x.npy", np.ones((1, 64), np.float32))
    assert bessemer("compile", copy, "-o", artifact).code == 0
    assert bessemer("run", artifact, "--input", f"x={tmp_path / 'x.npy'}").code == 0
    data = bytearray(copy.read_bytes())
    data[data.index(weight.tobytes()) + weight.nbytes // 2] ^= 1  # one bit, in the middle
    copy.write_bytes(data)
    refused("run", artifact, "--input", f"x={tmp_path / 'x.npy'}", naming="not those that the program was compiled with")
