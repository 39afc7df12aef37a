# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The contract of the generated code, read off the disassembly: inner loops of matrix products do fused multiply-adds
of the target's full width, more of them than they read operands, and touch no vector on the stack; no loop of a product,
of attention or of an activation gathers. The code is not run, so any machine can check all targets."""

import pathlib
import re
import subprocess

import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
BESSEMER = ROOT / "build" / "bin" / "bessemer"
OBJDUMP = "/usr/lib/llvm-22/bin/llvm-objdump"

# Target, the multiply-add as the disassembler writes it, the registers it must use, how a vector on the stack looks,
# and a read of memory (not a prefetch, not an address, not a store).
READS_X86 = r"^(?!lea|prefetch)\S+\s+(?:[^(]*,\s*)?[^,\s]*\([^)]*\)(?:\{1to\d+\})?,"
TARGETS = {
    "x86-64-v3": (r"vfmadd\w+ps", r"%ymm", r"ymm.*\(%rsp\)|\(%rsp\).*ymm", READS_X86),
    "skylake-avx512": (r"vfmadd\w+ps", r"%zmm", r"zmm.*\(%rsp\)|\(%rsp\).*zmm", READS_X86),
    "neoverse-n1": (r"fmla", r"v\d+\.4s", r"\bq\d+.*\[sp", r"^ld"),
}


def save(path, nodes, inputs, outputs, weights=()):
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
              for name, shape in {**inputs, **outputs}.items()}
    graph = helper.make_graph(nodes, "g", [values[n] for n in inputs], [values[n] for n in outputs],
                              [numpy_helper.from_array(array.astype(numpy.float32), name) for name, array in weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)


def write_feed_forward(path, rows, activation):
    """384 -> 1536, bias and activation in the epilogue."""
    rng = numpy.random.default_rng(0)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Add", ["m", "b"], ["a"]),
             helper.make_node(activation, ["a"], ["y"])]
    save(path, nodes, {"x": [rows, 384]}, {"y": [rows, 1536]},
         [("w", rng.standard_normal((384, 1536))), ("b", rng.standard_normal(1536))])


def write_attention(path, length):
    """Two heads of 64, as exporters write them."""
    nodes, shape = [], numpy_helper.from_array(numpy.array([1, -1, 2, 64], numpy.int64), "heads")
    for name, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [helper.make_node("Constant", [], [name + "s"], value=shape),
                  helper.make_node("Reshape", [name, name + "s"], [name + "r"]),
                  helper.make_node("Transpose", [name + "r"], [name + "t"], perm=order)]
    nodes += [helper.make_node("MatMul", ["qt", "kt"], ["scores"]),
              helper.make_node("Mul", ["scores", "scale"], ["scaled"]),
              helper.make_node("Softmax", ["scaled"], ["p"], axis=-1), helper.make_node("MatMul", ["p", "vt"], ["yt"]),
              helper.make_node("Transpose", ["yt"], ["y"], perm=[0, 2, 1, 3])]
    save(path, nodes, {n: [1, length, 128] for n in "qkv"}, {"y": [1, length, 2, 64]}, [("scale", numpy.array(0.125))])


def disassemble(artifact, folder):
    """The code object is an ELF file in the artifact; trailing bytes do not disturb the disassembler."""
    data = artifact.read_bytes()
    start = data.index(b"\x7fELF")
    code = folder / "code.so"
    code.write_bytes(data[start:])
    done = subprocess.run([OBJDUMP, "-d", "--no-show-raw-insn", str(code)], capture_output=True, text=True, check=True)
    return [(int(m[1], 16), m[2]) for m in re.finditer(r"^\s*([0-9a-f]+):\s+(.*)$", done.stdout, re.M)]


def innermost_loops(instructions):
    """Ranges between a branch backwards and its goal that hold no other such range."""
    loops = []
    for address, text in instructions:
        goal = re.search(r"^(?:j(?!mp)\w+|b\.\w+|cbn?z|tbn?z)\s(?:[^<]*\s)?0x([0-9a-f]+)", text)
        if goal and int(goal[1], 16) <= address:
            loops.append((int(goal[1], 16), address))
    return [(low, high) for low, high in loops
            if not any((low, high) != other and low <= other[0] and other[1] <= high for other in loops)]


MODELS = {
    "known rows": lambda path: write_feed_forward(path, 128, "Relu"),
    "free rows": lambda path: write_feed_forward(path, "rows", "Relu"),
    "gelu": lambda path: write_feed_forward(path, 128, "Gelu"),
    "attention": lambda path: write_attention(path, "length"),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("cpu", TARGETS)
def test_inner_loops_hold_their_sums_in_registers(cpu, model, tmp_path):
    multiply_add, register, stack, read = TARGETS[cpu]
    path, artifact = tmp_path / "m.onnx", tmp_path / "m.bsm"
    MODELS[model](path)
    subprocess.run([BESSEMER, "compile", path, "-o", artifact, f"--cpu={cpu}"], check=True)
    instructions = disassemble(artifact, tmp_path)
    assert not [text for _, text in instructions if "gather" in text]
    most = 0
    for low, high in innermost_loops(instructions):
        body = [text for address, text in instructions if low <= address <= high]
        sums = [text for text in body if re.search(multiply_add, text)]
        if not sums:
            continue
        assert all(re.search(register, text) for text in sums)
        # With 16 registers the constants of an activation are read from the stack; the sums of a product never are.
        if cpu != "x86-64-v3" or 2 * len(sums) > len(body):
            assert not [text for text in body if re.search(stack, text)]
        most = max(most, len(sums) / max(1, len([text for text in body if re.search(read, text)])))
    # A block of R x 2 registers reads R + 2 operands for 2 R multiply-adds.
    assert most >= 1.5
