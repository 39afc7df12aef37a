# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Code for AArch64 is run: the runtime is built for it with the cross compiler, and artifacts that this machine has
compiled run under qemu-aarch64. The answers are those of this machine's own code."""

import os
import shutil
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import bessemer
from model_zoo import make
from tool import ROOT, bessemer as tool

BUILD = ROOT / "build-aarch64"
SYSROOT = "/usr/aarch64-linux-gnu"
NUMBERS = {np.dtype(np.float32): 1, np.dtype(np.int64): 7, np.dtype(np.int32): 6, np.dtype(np.bool_): 9}
TYPES = {number: dtype for dtype, number in NUMBERS.items()}


@pytest.fixture(scope="module")
def runner():
    """The path of run_artifact for AArch64."""
    for command in (["cmake", "--preset", "aarch64"], ["cmake", "--build", "--preset", "aarch64"]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    program = BUILD / "run_artifact"
    subprocess.run(["clang-22", "--target=aarch64-linux-gnu", "-std=c11", "-Wall", "-Werror", "-O1", f"-I{ROOT / 'include'}",
                    str(ROOT / "test" / "aarch64" / "run_artifact.c"), "-o", str(program), f"-L{BUILD / 'lib'}",
                    "-lbessemer-runtime", f"-Wl,-rpath,{BUILD / 'lib'}", "--ld-path=/usr/bin/ld.lld-22"], check=True)
    return program


def write(path, array):
    array = np.ascontiguousarray(array)
    path.write_bytes(np.array([NUMBERS[array.dtype], array.ndim, *array.shape], np.int64).tobytes() + array.tobytes())


def read(path):
    data = path.read_bytes()
    number, rank = np.frombuffer(data, np.int64, 2)
    shape = np.frombuffer(data, np.int64, rank, 16)
    return np.frombuffer(data, TYPES[int(number)], offset=16 + 8 * int(rank)).reshape(shape)


def emulate(runner, artifact, folder, inputs, cpu="neoverse-n1"):
    folder.mkdir(exist_ok=True)
    for i, array in enumerate(inputs):
        write(folder / f"input_{i}.bin", array)
    done = subprocess.run(["qemu-aarch64", "-L", SYSROOT, "-cpu", cpu, str(runner), str(artifact), str(folder)],
                          capture_output=True, text=True, timeout=120)
    return done, [read(folder / f"output_{i}.bin") for i in range(len(list(folder.glob("output_*.bin"))))]


def compiled(model, folder, cpu):
    path, artifact = folder / "m.onnx", folder / f"{cpu}.bsm"
    if isinstance(model, onnx.ModelProto):
        onnx.save(model, path)
    else:
        path = model
    ended = tool("compile", path, "-o", artifact, f"--cpu={cpu}", "--embed-weights")
    assert ended.code == 0, ended.text
    return path, artifact


def conv_model():
    """Convolution, batch normalization, residual, pooling and a dense layer; the image's size is free."""
    rng = np.random.default_rng(1)
    weights = {"w1": rng.standard_normal((16, 3, 3, 3)) / 5, "b1": rng.standard_normal(16), "w2": rng.standard_normal((16, 16, 3, 3)) / 12,
               "scale": rng.uniform(0.5, 2, 16), "shift": rng.standard_normal(16), "mean": rng.standard_normal(16),
               "var": rng.uniform(0.5, 2, 16), "w3": rng.standard_normal((16, 10)), "b3": rng.standard_normal(10)}
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c2", "scale", "shift", "mean", "var"], ["n2"]),
        helper.make_node("Add", ["n2", "r1"], ["a2"]),
        helper.make_node("MaxPool", ["a2"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["p"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["d"]),
        helper.make_node("Softmax", ["d"], ["y"], axis=1),
    ]
    graph = helper.make_graph(nodes, "conv", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
                              [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def elementwise_model():
    """Functions, reductions, integers and masks."""
    nodes = [helper.make_node(op, ["x"], [f"t{i}"]) for i, op in enumerate(["Erf", "Tanh", "Sigmoid", "Exp", "Sin", "Floor"])]
    nodes += [helper.make_node("Concat", [f"t{i}" for i in range(6)], ["c"], axis=0),
              helper.make_node("ReduceMax", ["c"], ["m"], axes=[1], keepdims=1),
              helper.make_node("Sub", ["c", "m"], ["s"]),
              helper.make_node("Cast", ["s"], ["i"], to=TensorProto.INT32),
              helper.make_node("Greater", ["s", "m"], ["b"]),
              helper.make_node("Where", ["b", "s", "m"], ["y"])]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "elementwise", [info("x", TensorProto.FLOAT, ["n", "k"])],
                              [info("y", TensorProto.FLOAT, None), info("i", TensorProto.INT32, None)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def minilm_inputs(batch, length):
    rng = np.random.default_rng(0)
    mask = np.ones((batch, length), np.int64)
    mask[0, length // 2:] = 0
    return [rng.integers(0, 1000, (batch, length)), mask, np.zeros((batch, length), np.int64)]


def images(*shape):
    return [np.random.default_rng(2).standard_normal(shape).astype(np.float32)]


MODELS = {
    "conv": (conv_model, [images(1, 3, 32, 32), images(2, 3, 21, 18)]),
    "elementwise": (elementwise_model, [images(3, 37), images(1, 1)]),
    "minilm": (lambda: make("minilm"), [minilm_inputs(1, 16), minilm_inputs(2, 9)]),
}


@pytest.mark.parametrize("name", MODELS)
def test_answers_are_those_of_this_machine(name, runner, tmp_path):
    model, cases = MODELS[name]
    path, artifact = compiled(model(), tmp_path, "neoverse-n1")
    here = bessemer.compile(os.fspath(path))
    by_name = [argument.name for argument in here.inputs]
    for number, inputs in enumerate(cases):
        if name == "minilm":
            values = dict(zip(("input_ids", "attention_mask", "token_type_ids"), inputs))
            inputs = [values[argument] for argument in by_name]
        done, outputs = emulate(runner, artifact, tmp_path / str(number), inputs)
        assert done.returncode == 0, done.stderr
        for mine, theirs in zip(here(*inputs), outputs, strict=True):
            np.testing.assert_allclose(theirs, mine, rtol=1e-3, atol=1e-4)


def test_a_missing_instruction_set_is_refused(runner, tmp_path):
    # neoverse-v1 has SVE, dot products and more; the emulator is told to be a processor without.
    _, artifact = compiled(elementwise_model(), tmp_path, "neoverse-v1")
    done, _ = emulate(runner, artifact, tmp_path / "run", images(3, 4), cpu="cortex-a57")
    assert done.returncode == 2
    assert "expected a CPU with" in done.stderr


def test_code_for_another_machine_is_refused(runner, tmp_path):
    _, artifact = compiled(elementwise_model(), tmp_path, "x86-64-v3")
    done, _ = emulate(runner, artifact, tmp_path / "run", images(3, 4))
    assert done.returncode == 2
    assert "expected code for aarch64, got x86_64" in done.stderr
    _, artifact = compiled(elementwise_model(), tmp_path, "neoverse-n1")
    ended = tool("run", artifact, "--input", f"x={tmp_path / 'none.npy'}")
    assert ended.code == 2 and "expected code for x86_64, got aarch64" in ended.text, ended.text


def test_qemu_is_there():
    """Set-up installs it: these tests must not pass because nothing ran."""
    assert shutil.which("qemu-aarch64")
