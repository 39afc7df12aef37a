# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The contract of the generated code, read off the disassembly: inner loops of matrix products do fused multiply-adds
of the target's full width and touch no vector on the stack. The code is not run, so any machine can check all targets."""

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

# Target, the multiply-add as the disassembler writes it, the registers it must use, how a vector on the stack looks.
TARGETS = {
    "x86-64-v3": (r"vfmadd\w+ps", r"%ymm", r"ymm.*\(%rsp\)|\(%rsp\).*ymm"),
    "skylake-avx512": (r"vfmadd\w+ps", r"%zmm", r"zmm.*\(%rsp\)|\(%rsp\).*zmm"),
    "neoverse-n1": (r"fmla", r"v\d+\.4s", r"\bq\d+.*\[sp"),
}


def write_feed_forward(path):
    """gelu-free feed-forward block: 128 rows, 384 -> 1536, bias and relu in the epilogue."""
    rng = numpy.random.default_rng(0)
    weight = numpy_helper.from_array(rng.standard_normal((384, 1536)).astype(numpy.float32), "w")
    bias = numpy_helper.from_array(rng.standard_normal(1536).astype(numpy.float32), "b")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Add", ["m", "b"], ["a"]),
             helper.make_node("Relu", ["a"], ["y"])]
    graph = helper.make_graph(nodes, "ffn", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [128, 384])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [128, 1536])], [weight, bias])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


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
        goal = re.search(r"^(?:j\w+|b\.?\w*|cbn?z|tbn?z)\s.*0x([0-9a-f]+)", text)
        if goal and int(goal[1], 16) <= address:
            loops.append((int(goal[1], 16), address))
    return [(low, high) for low, high in loops
            if not any((low, high) != other and low <= other[0] and other[1] <= high for other in loops)]


@pytest.mark.parametrize("cpu", TARGETS)
def test_inner_loops_hold_their_sums_in_registers(cpu, tmp_path):
    multiply_add, register, stack = TARGETS[cpu]
    model, artifact = tmp_path / "ffn.onnx", tmp_path / "ffn.bsm"
    write_feed_forward(model)
    subprocess.run([BESSEMER, "compile", model, "-o", artifact, f"--cpu={cpu}"], check=True)
    instructions = disassemble(artifact, tmp_path)
    checked = 0
    for low, high in innermost_loops(instructions):
        body = [text for address, text in instructions if low <= address <= high]
        sums = [text for text in body if re.search(multiply_add, text)]
        if not sums:
            continue
        checked += 1
        assert all(re.search(register, text) for text in sums)
        assert not [text for text in body if re.search(stack, text)]
    assert checked >= 1
