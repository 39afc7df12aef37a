# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What bench/gpu measures: chains of one kernel, at full size and at a size that the emulator can run.

A case is a model that applies one operation `length` times, each to the result before, and the same operation in
PyTorch. Two lengths are compiled: what the longer one takes more, divided by the difference, is the time of one
operation, without the copies at the edges. All operands are inputs of the model, so an archive holds no weights.

    case.model(8)                      an ONNX model of eight operations
    case.operands(generator)           float32 arrays by name; `x` is the one that goes through the chain
    case.step(torch, x, operands)      one operation in PyTorch
"""

import dataclasses
import math
from typing import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    group: str                  # "matmul", "attention", "rows"
    dtype: str                  # of the operands: "float32", "float16", "bfloat16"
    shapes: dict                # of the operands; "x" first
    write: Callable             # write(graph, x, names) -> result, of x's shape
    step: Callable              # step(torch, x, operands) -> result
    flops: float = 0.0          # of one operation
    bytes: float = 0.0          # least traffic of one operation
    lengths: tuple = (1, 9)     # of the two chains; the answer of the first is checked
    tolerance: float = 2e-2     # of ||result - reference|| / ||reference||
    scales: dict = dataclasses.field(default_factory=dict)  # of operands that are not drawn from N(0, 1)
    apart: bool = False         # operations that would become one kernel: each result has a second reader, one element

    def operands(self, generator):
        return {name: (generator.standard_normal(shape, dtype=np.float32) * np.float32(self.scales.get(name, 1)))
                for name, shape in self.shapes.items()}

    def model(self, length):
        """The serialized ONNX model. Only where the tree is: the GPU machine has no onnx."""
        import ml_dtypes
        from graph_builder import GraphBuilder
        kind = ml_dtypes.bfloat16 if self.dtype == "bfloat16" else np.dtype(self.dtype)
        graph = GraphBuilder(self.name, opset=23, ir_version=11)
        for name, shape in self.shapes.items():
            graph.input(name, kind, shape)
        x, elements, rank = "x", [], len(self.shapes["x"])
        for _ in range(length):
            x = self.write(graph, x, list(self.shapes))
            if self.apart:
                elements.append(graph.Slice(x, graph.constant([0] * rank, np.int64), graph.constant([1] * rank, np.int64)))
        graph.output(x, "y", kind, self.shapes["x"])
        if self.apart:
            graph.output(graph.Concat(*elements, axis=0), "elements", kind, [length] + [1] * (rank - 1))
        return graph.model().SerializeToString()


# ---- matrix products --------------------------------------------------------------------

def matmul(m, k, n, dtype="bfloat16"):
    """x (M x K) times K x N, and back by N x K where it is not square: the chain's one operation is then two products."""
    square = k == n
    shapes = {"x": (m, k), "w": (k, n)} | ({} if square else {"v": (n, k)})

    def write(graph, x, _names):
        y = graph.MatMul(x, "w")
        return y if square else graph.MatMul(y, "v")

    def step(_torch, x, operands):
        y = x @ operands["w"]
        return y if square else y @ operands["v"]

    products = 1 if square else 2
    item = 4 if dtype == "float32" else 2
    return Case(f"matmul {m} x {k} x {n} {dtype}", "matmul", dtype, shapes, write, step, flops=products * 2.0 * m * k * n,
                bytes=products * item * (m * k + k * n + m * n), lengths=(1, 1 + max(8, min(64, int(4e12 / (2.0 * m * k * n))))),
                scales={"w": 1 / math.sqrt(k), "v": 1 / math.sqrt(n)}, tolerance=1e-4 if dtype == "float32" else 2e-2)


# ---- attention --------------------------------------------------------------------------

def attention(heads, length, depth, causal, dtype="bfloat16", batch=1, key_heads=None, queries=None):
    """Queries go through the chain, keys and values stay: x = attention(x, k, v). queries: unless as many as keys."""
    key_heads, own = key_heads or heads, queries or length

    def write(graph, x, _names):
        return graph.Attention(x, "k", "v", is_causal=int(causal))

    def step(torch, x, operands):
        return torch.nn.functional.scaled_dot_product_attention(x, operands["k"], operands["v"], is_causal=causal,
                                                                enable_gqa=key_heads != heads)

    keys = (batch, key_heads, length, depth)
    lengths = f"{length}" if own == length else f"{own} of {length}"
    return Case(f"attention {batch} x {heads}/{key_heads} heads x {lengths} x {depth}{' causal' if causal else ''} {dtype}",
                "attention", dtype, {"x": (batch, heads, own, depth), "k": keys, "v": keys}, write, step,
                flops=4.0 * batch * heads * own * length * depth * (0.5 if causal else 1),
                bytes=4.0 * batch * depth * (own * heads + length * key_heads), scales={"x": 3})


# ---- rows -------------------------------------------------------------------------------

def rows(op, count, columns, dtype="bfloat16"):
    """Softmax, RMSNormalization or LayerNormalization of `count` rows."""
    operands = {"softmax": ["x"], "rms_norm": ["x", "g"], "layer_norm": ["x", "g", "b"]}[op]
    node = {"softmax": "Softmax", "rms_norm": "RMSNormalization", "layer_norm": "LayerNormalization"}[op]
    shapes = {name: (count, columns) if name == "x" else (columns,) for name in operands}

    def write(graph, x, names):
        return graph.node(node, [x, *names[1:]], axis=-1)

    def step(torch, x, given):
        functional = torch.nn.functional
        if op == "softmax":
            return functional.softmax(x, -1)
        if op == "rms_norm":
            return functional.rms_norm(x, (columns,), given["g"], 1e-5)
        return functional.layer_norm(x, (columns,), given["g"], given["b"], 1e-5)

    item = 4 if dtype == "float32" else 2
    return Case(f"{op} {count} x {columns} {dtype}", "rows", dtype, shapes, write, step, bytes=2.0 * item * count * columns,
                apart=True, tolerance=1e-4 if dtype == "float32" else 2e-2)


LLM_ROWS = (1, 16, 64, 256, 2048, 8192)


def full():
    """The table of the benchmark."""
    cases = [matmul(4096, 4096, 4096), matmul(8192, 8192, 8192)]
    for m in LLM_ROWS:  # of Llama 8B: queries, keys and values together; the first product of the feed-forward layer
        cases += [matmul(m, 4096, 6144), matmul(m, 4096, 14336)]
    for depth in (64, 128):
        for causal in (False, True):
            for length in (1024, 4096, 16384):
                cases.append(attention(2048 // depth, length, depth, causal, batch=16384 // length))
    cases.append(attention(32, 4096, 128, True, batch=4, key_heads=8))
    # Steps of decoders: GPT-2, Llama 8B.
    cases += [attention(12, 1024, 64, False, "float16", queries=1)]
    cases += [attention(32, length, 128, False, key_heads=8, queries=1) for length in (1024, 8192, 65536)]
    for op in ("rms_norm", "layer_norm", "softmax"):
        for columns in (1024, 4096, 16384, 65536):
            cases.append(rows(op, (1 << 26) // columns, columns))
    return cases


def small():
    """Each kind once, for the emulator: the same code paths, a few blocks each."""
    return [matmul(128, 96, 96), matmul(40, 64, 160), matmul(1, 64, 192), matmul(64, 64, 64, "float16"),
            matmul(48, 40, 56, "float32"), attention(2, 96, 64, False), attention(2, 80, 64, True, "float16"),
            attention(4, 64, 128, True, key_heads=2),
            attention(4, 520, 64, False, key_heads=2, queries=1), rows("rms_norm", 6, 1024), rows("layer_norm", 6, 1536, "float16"),
            rows("softmax", 6, 1000), rows("softmax", 3, 2048, "float32"),
            rows("softmax", 2, 65536), rows("layer_norm", 1056, 1024)]
