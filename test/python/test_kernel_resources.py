# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every class of kernel at the size that models have, assembled by ptxas for both generations of GPUs: no kernel spills
a register or has a stack, and ptxas warns of nothing (that it serializes wgmma, say)."""

import os
import re
import shutil
import subprocess

import ml_dtypes
import numpy as np
import pytest
from graph_builder import GraphBuilder
from tool import BESSEMER, ROOT

HALF, BRAIN, SINGLE = np.float16, ml_dtypes.bfloat16, np.float32
E4M3, E5M2 = ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2


def applied(op, *shapes, dtype=SINGLE, **attributes):
    """One node whose operands are inputs of the model."""
    def write(graph):
        names = [graph.input(f"x{i}", dtype, shape) for i, shape in enumerate(shapes)]
        return graph.node(op, names, **attributes)
    return write, dtype


def product(m, n, k, dtype, left=False, right=False):
    """x [m, k] by w [k, n], each given as its transpose on demand."""
    def write(graph):
        x = graph.input("x", dtype, [k, m] if left else [m, k])
        w = graph.input("w", dtype, [n, k] if right else [k, n])
        x = graph.Transpose(x, perm=[1, 0]) if left else x
        return graph.MatMul(x, graph.Transpose(w, perm=[1, 0]) if right else w)
    return write, dtype


def layer(m, n, k, dtype):
    """A product with a bias, GELU and a residual behind it."""
    def write(graph):
        x, w = graph.input("x", dtype, [m, k]), graph.input("w", dtype, [k, n])
        y = graph.Gelu(graph.Add(graph.MatMul(x, w), graph.input("b", dtype, [n])))
        return graph.Add(y, graph.input("r", dtype, [m, n]))
    return write, dtype


def residual_norm(rows, columns, dtype):
    """Layer norm of a sum that is a result, too."""
    def write(graph):
        y = graph.Add(graph.input("x", dtype, [rows, columns]), graph.input("r", dtype, [rows, columns]))
        graph.output(y, "sum", dtype, None)
        return graph.LayerNormalization(y, graph.input("s", dtype, [columns]), graph.input("b", dtype, [columns]), axis=-1)
    return write


def float8_product(m, n, k, dtype, weights=E4M3, activations=False, right=False):
    """x [m, k] by dequantized weights, a scale for each column, with a bias and GELU; `activations`: x is float8, too."""
    def write(graph):
        x = graph.input("x", weights if activations else dtype, [m, k])
        if activations:
            x = graph.DequantizeLinear(x, graph.input("t", dtype, []))
        w = graph.DequantizeLinear(graph.input("w", weights, [n, k] if right else [k, n]), graph.input("s", dtype, [n]),
                                   axis=0 if right else 1)
        y = graph.MatMul(x, graph.Transpose(w, perm=[1, 0]) if right else w)
        return graph.Gelu(graph.Add(y, graph.input("b", dtype, [n])))
    return write, dtype


def experts(tokens, hidden, inner, count, dtype):
    """Mixtral's feed-forward block."""
    def write(graph):
        weights = [graph.input(name, dtype, shape) for name, shape in
                   [("w1", [count, inner, hidden]), ("w2", [count, hidden, inner]), ("w3", [count, inner, hidden])]]
        x, router = graph.input("x", dtype, [tokens, hidden]), graph.input("r", dtype, [tokens, count])
        return graph.node("MoE", [x, router, weights[0], "", weights[1], "", weights[2]], domain="com.microsoft",
                          activation_type="silu", k=2, normalize_routing_weights=1)
    return write, dtype


def attention(heads, queries, keys, depth, dtype, key_heads=None, **attributes):
    kept = key_heads or heads
    return applied("Attention", [1, heads, queries, depth], [1, kept, keys, depth], [1, kept, keys, depth], dtype=dtype,
                   **attributes)


def convolution(channels, outputs, extent, window, stride, dtype, groups=1):
    def write(graph):
        x = graph.input("x", dtype, [1, channels, extent, extent])
        w = graph.input("w", dtype, [outputs, channels // groups, window, window])
        return graph.Relu(graph.node("Conv", [x, w, graph.input("b", dtype, [outputs])], group=groups,
                                     strides=[stride] * 2, pads=[window // 2] * 4))
    return write, dtype


def with_indices(op, data, indices, updates=None, dtype=SINGLE, **attributes):
    def write(graph):
        names = [graph.input("x", dtype, data), graph.input("i", np.int64, indices)]
        return graph.node(op, names + ([graph.input("u", dtype, updates)] if updates else []), **attributes)
    return write, dtype


def top_k(graph):
    return graph.TopK(graph.input("x", SINGLE, [64, 1000]), graph.constant([8], np.int64), outputs=2)[0]


def scan(graph):
    return graph.CumSum(graph.input("x", SINGLE, [16, 4096]), graph.constant(1, np.int64))


def reduction(op, axis):
    def write(graph):
        return graph.node(op, [graph.input("x", SINGLE, [256, 1024]), graph.constant([axis], np.int64)], keepdims=0)
    return write, SINGLE


def quantized(graph):
    x = graph.input("x", SINGLE, [64, 512])
    low = graph.QuantizeLinear(x, graph.constant(0.05, SINGLE), graph.constant(3, np.uint8))
    return graph.DequantizeLinear(low, graph.constant(0.05, SINGLE), graph.constant(3, np.uint8))


def float8(graph):
    return graph.Cast(graph.Cast(graph.input("x", SINGLE, [64, 512]), to=17), to=1)


KERNELS = {
    "elementwise": applied("Gelu", [64, 4096], dtype=HALF),
    "functions in f64": applied("Sin", [4096]),
    "power": applied("Pow", [64, 512], [64, 512]),
    "erf": applied("Erf", [64, 512]),
    "softmax": applied("Softmax", [128, 4096], dtype=HALF, axis=-1),
    "long rows": applied("Softmax", [4, 65536], axis=-1),
    "long rows, bf16": applied("LayerNormalization", [400, 65536], [65536], [65536], dtype=BRAIN, axis=-1),
    "long rows, residual": (residual_norm(300, 50000, HALF), HALF),
    "long rows, softmax of half": applied("Softmax", [300, 65536], dtype=HALF, axis=-1),
    "many rows": applied("LayerNormalization", [65536, 1024], [1024], [1024], dtype=BRAIN, axis=-1),
    "many rows, softmax": applied("Softmax", [32768, 2048], dtype=HALF, axis=-1),
    "many rows, residual": (residual_norm(8192, 768, HALF), HALF),
    "many rows, f32": applied("Softmax", [65536, 1024], axis=-1),
    "layer norm": applied("LayerNormalization", [128, 4096], [4096], [4096], dtype=BRAIN, axis=-1),
    "rms norm": applied("RMSNormalization", [128, 1024], [1024], axis=-1),
    "product, half": product(2048, 2048, 2048, HALF),
    "product, bf16, right transposed": product(2048, 2048, 1024, BRAIN, right=True),
    "product, left transposed": product(512, 512, 512, HALF, left=True),
    "product, few rows": product(1, 4096, 4096, HALF),
    "product, f32": product(1024, 1024, 1024, SINGLE),
    "product, f32, right transposed": product(1024, 1024, 1024, SINGLE, right=True),
    "product, ragged": product(77, 65, 33, HALF),
    "layer, half": layer(512, 3072, 768, HALF),
    "layer, f32": layer(512, 3072, 768, SINGLE),
    "product, float8 weights, f16": float8_product(2048, 2048, 2048, HALF),
    "product, float8 weights, bf16": float8_product(2048, 2048, 2048, BRAIN, right=True),
    "product, float8 weights, f32": float8_product(1024, 1024, 1024, SINGLE, E5M2),
    "product, float8 weights, few rows": float8_product(1, 4096, 4096, HALF),
    "product, float8": float8_product(2048, 2048, 2048, HALF, activations=True),
    "product, float8, right transposed": float8_product(4096, 4096, 4096, BRAIN, activations=True, right=True),
    "experts, half": experts(1024, 1024, 3584, 8, HALF),
    "experts, bf16, few rows": experts(4, 1024, 3584, 8, BRAIN),
    "experts, f32": experts(512, 512, 1024, 8, SINGLE),
    "attention": attention(8, 1024, 1024, 64, HALF),
    "attention, causal": attention(8, 1024, 1024, 128, BRAIN, is_causal=1),
    "attention, one query": attention(8, 1, 1024, 64, HALF),
    "attention, one query, heads share keys": attention(32, 1, 8192, 128, BRAIN, key_heads=8),
    "attention, one query, many parts": attention(32, 1, 8192, 128, HALF, key_heads=1),
    "attention, one query, heads of 80": attention(32, 1, 2048, 80, HALF),
    "attention, one query, heads of 256": attention(8, 1, 4096, 256, BRAIN, key_heads=4),
    "attention, one query, f32": attention(12, 1, 1024, 64, SINGLE),
    "attention, some causal queries": attention(8, 4, 4096, 128, BRAIN, key_heads=2, is_causal=1),
    "attention, long and causal": attention(32, 4096, 4096, 128, BRAIN, is_causal=1),
    "attention, long": attention(16, 4096, 4096, 128, HALF),
    "attention, heads of 64, causal and ragged": attention(16, 4000, 4000, 64, BRAIN, is_causal=1),
    "attention, heads of 256": attention(16, 2048, 2048, 256, BRAIN, is_causal=1),
    "attention, heads of 80": attention(32, 1024, 1024, 80, HALF),
    "attention, f32": attention(8, 256, 256, 64, SINGLE),
    "convolution": convolution(64, 64, 56, 3, 1, HALF),
    "convolution, first layer": convolution(3, 64, 224, 7, 2, HALF),
    "convolution, 1x1": convolution(256, 64, 56, 1, 1, HALF),
    "convolution, f32": convolution(128, 128, 28, 3, 2, SINGLE),
    "convolution, f32, first layer": convolution(3, 64, 224, 7, 2, SINGLE),
    "convolution, groups": convolution(128, 128, 28, 3, 1, HALF, groups=32),
    "convolution, depthwise": convolution(96, 96, 28, 3, 1, HALF, groups=96),
    "max pool": applied("MaxPool", [1, 64, 56, 56], dtype=HALF, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
    "gather": with_indices("Gather", [1000, 512], [64], axis=0),
    "scatter": with_indices("ScatterElements", [128, 64], [32, 64], [32, 64], axis=0),
    "scatter of slices": with_indices("ScatterND", [128, 64], [32, 1], [32, 64]),
    "transpose": applied("Transpose", [16, 128, 256], perm=[2, 0, 1]),
    "concat": applied("Concat", [64, 100], [64, 28], axis=1),
    "reduce rows": reduction("ReduceSum", 1),
    "reduce columns": reduction("ReduceMax", 0),
    "scan": (scan, SINGLE),
    "top k": (top_k, SINGLE),
    "quantized": (quantized, SINGLE),
    "float8": (float8, SINGLE),
}


@pytest.fixture(name="reported")
def recording_ptxas(tmp_path, monkeypatch):
    """Puts a ptxas on the PATH that also keeps what the real one says; gives that as a function."""
    real = shutil.which("ptxas", path=f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}")
    assert real, "expected ptxas: scripts/setup installs it"
    log, program = tmp_path / "ptxas.log", tmp_path / "bin" / "ptxas"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n"{real}" "$@" > "{log}.now" 2>&1\ncode=$?\ncat "{log}.now" | tee -a "{log}"\nexit $code\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return lambda: log.read_text() if log.exists() else ""


@pytest.mark.parametrize("target", ["sm_80", "sm_90a"])
@pytest.mark.parametrize("name", KERNELS)
def test_no_kernel_spills(name, target, reported, tmp_path):
    write, dtype = KERNELS[name]
    graph = GraphBuilder(name, opset=23, ir_version=11)
    graph.output(write(graph), "y", dtype, None)
    graph.save(tmp_path / "m.onnx")
    ended = subprocess.run([BESSEMER, "compile", tmp_path / "m.onnx", f"--target=cuda:{target}", "-o", tmp_path / "m.bsm"],
                           capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    report = reported()
    frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", report)
    assert frames, f"expected a report of at least one kernel, got:\n{report}"
    assert "warning" not in report and "C7510" not in report, report
    assert all(frame == ("0", "0", "0") for frame in frames), report
