# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""On a terminal a command shows what it does when that takes more than two seconds; elsewhere it never does."""

import os
import pty
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tool import BESSEMER, bessemer


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory):
    """Products of the reference kernels, some seconds of them."""
    path = tmp_path_factory.mktemp("slow") / "slow.onnx"
    weight = numpy_helper.from_array(np.zeros((700, 700), np.float32), "w")
    names = ["x"] + [f"t{i}" for i in range(40)]
    nodes = [helper.make_node("MatMul", [a, "w"], [b], name=b) for a, b in zip(names, names[1:])]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [info("x", TensorProto.FLOAT, [700, 700])],
                              [info(names[-1], TensorProto.FLOAT, [700, 700])], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    np.save(path.with_name("x.npy"), np.zeros((700, 700), np.float32))
    return path


def on_terminal(*arguments):
    """Exit code, and what came out of a pseudo-terminal on stderr."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([str(BESSEMER), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux: the other end is closed
            break
        if not piece:
            break
        text += piece
    os.close(ours)
    return process.wait(), text.decode(errors="replace")


@pytest.mark.parametrize("command, step", [
    (["run", "{m}", "--input", "x={x}", "--no-kernels", "--threads", "1"], "run"),
    (["bench", "{m}", "--repeat", "3", "--no-kernels", "--threads", "1"], "bench: run"),
])
def test_long_work_shows_its_step_and_takes_the_line_away(slow_model, command, step):
    words = [word.format(m=slow_model, x=slow_model.with_name("x.npy")) for word in command]
    code, text = on_terminal(*words)
    assert code == 0, text
    assert f" s  {step}" in text, text
    assert text.endswith("\r\x1b[K"), repr(text[-200:])


def test_short_work_shows_nothing(tmp_path, slow_model):
    code, text = on_terminal("compile", slow_model, "--compile-to=import", "-o", tmp_path / "m.mlir")
    assert (code, text) == (0, "")


def test_no_progress_without_a_terminal(slow_model):
    ended = bessemer("run", slow_model, "--input", f"x={slow_model.with_name('x.npy')}", "--no-kernels", "--threads", "1")
    assert ended.code == 0 and "\r" not in ended.text
