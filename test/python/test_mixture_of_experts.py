# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""MoE of com.microsoft: tokens go to their best experts. Beside ONNX Runtime where it has the form, else a formula."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

import bessemer

HIDDEN, INNER, EXPERTS = 24, 40, 5
TARGETS = ("cpu", "cuda:sm_80", "cuda:sm_90a")
NAMES = ("x", "router", "w1", "b1", "w2", "b2", "w3", "b3")


def shapes(tokens, fused=False, bias=True, gate=False, experts=EXPERTS):
    """Of the operands of a node; None: it is not given."""
    outer = INNER * (2 if fused else 1)
    return {"x": [tokens, HIDDEN] if not isinstance(tokens, tuple) else [*tokens, HIDDEN],
            "router": [int(np.prod(tokens)) if not isinstance(tokens, str) else tokens, experts],
            "w1": [experts, outer, HIDDEN], "b1": [experts, outer] if bias else None,
            "w2": [experts, HIDDEN, INNER], "b2": [experts, HIDDEN] if bias else None,
            "w3": [experts, INNER, HIDDEN] if gate else None, "b3": [experts, INNER] if gate and bias else None}


def make(given, element=TensorProto.FLOAT, **attributes):
    inputs = [helper.make_tensor_value_info(name, element, shape) for name, shape in given.items() if shape]
    names = [name if given[name] else "" for name in NAMES]
    while not names[-1]:
        names.pop()
    node = helper.make_node("MoE", names, ["y"], domain="com.microsoft", name="experts", **attributes)
    graph = helper.make_graph([node], "moe", inputs, [helper.make_tensor_value_info("y", element, None)])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def draw(given, dtype=np.float32, **sizes):
    random = np.random.default_rng(7)
    return {name: (random.standard_normal([sizes.get(d, d) for d in shape]) * (1 if name in ("x", "router") else 0.3))
            .astype(dtype) for name, shape in given.items() if shape}


def compiled(model, target):
    emulated = {} if target == "cpu" else {"emulate": True, "sanitize": True}
    return bessemer.compile(model, target=target, **emulated)


def formula(values, k, activation, normalize=False, fusion=0, alpha=1.0, beta=0.0, limit=None):
    """In double, token by token."""
    v = {name: value.astype(np.float64) for name, value in values.items()}
    x, sigmoid = v["x"].reshape(-1, HIDDEN), lambda z: 1 / (1 + np.exp(-z))
    p = np.exp(v["router"] - v["router"].max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    y = np.zeros_like(x)
    for t, row in enumerate(x):
        best = np.argsort(-p[t], kind="stable")[:k]
        total = p[t, best].sum() if normalize else 1
        for e in best:
            layer = lambda number: v[f"w{number}"][e] @ row_in + (v[f"b{number}"][e] if f"b{number}" in v else 0)  # noqa: E731
            row_in = row
            h = layer(1)
            gate = layer(3) if "w3" in v else None
            if activation == "swiglu":
                if fusion:
                    h, gate = (h[0::2], h[1::2]) if fusion == 1 else (h[:INNER], h[INNER:])
                if limit is not None:
                    h, gate = np.minimum(h, limit), np.clip(gate, -limit, limit)
                h = h * sigmoid(alpha * h) * (gate + beta)
            else:
                h = {"relu": lambda z: np.maximum(z, 0), "silu": lambda z: z * sigmoid(z), "identity": lambda z: z}[activation](h)
                h = h * gate if gate is not None else h
            row_in = h
            y[t] += p[t, e] / total * layer(2)
    return y.reshape(v["x"].shape)


def close(actual, expected, tolerance=2e-5):
    actual = np.asarray(actual).astype(np.float64)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("activation, k, normalize", [("relu", 1, 0), ("silu", 2, 1), ("gelu", 2, 0), ("identity", 5, 1),
                                                      ("swiglu", 2, 0)])
def test_as_onnx_runtime(activation, k, normalize):
    fused = activation == "swiglu"
    attributes = {"activation_type": activation, "k": k, "normalize_routing_weights": normalize}
    if fused:
        attributes |= {"swiglu_fusion": 1, "activation_alpha": 1.5, "activation_beta": 1.0, "swiglu_limit": 0.8}
    for tokens in (9, (2, 3)):
        given = shapes(tokens, fused=fused)
        model, values = make(given, **attributes), draw(given)
        reference = ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, values)[0]
        close(compiled(model, "cpu")(values)["y"], reference.astype(np.float64))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("form", ["switch", "mixtral", "halves"])
def test_experts_match_the_formula(form, target):
    options = {"switch": ("relu", 1, False, {"bias": False}, {}),
               "mixtral": ("silu", 2, True, {"bias": False, "gate": True}, {}),
               "halves": ("swiglu", 3, False, {"fused": True}, {"swiglu_fusion": 2})}
    activation, k, normalize, parts, more = options[form]
    given = shapes(13, **parts)
    values = draw(given)
    model = make(given, activation_type=activation, k=k, normalize_routing_weights=int(normalize), **more)
    expected = formula(values, k, activation, normalize, fusion=more.get("swiglu_fusion", 0))
    close(compiled(model, target)(values)["y"], expected)


@pytest.mark.parametrize("target", TARGETS)
def test_any_number_of_tokens(target):
    """One program for all: experts without tokens, all tokens at one expert."""
    given = shapes("tokens", gate=True)
    program = compiled(make(given, TensorProto.FLOAT16, activation_type="silu", k=2, normalize_routing_weights=1), target)
    for tokens in (1, 40):
        values = draw(given, np.float16, tokens=tokens)
        values["router"][:, 3] += 6
        close(program(values)["y"], formula(values, 2, "silu", normalize=True), 3e-3)


@pytest.mark.parametrize("change, attributes, message", [
    ({}, {"k": 6}, "expected k from 1 to the 5 experts, got 6"),
    ({}, {"k": 0}, "expected k from 1 to the 5 experts, got 0"),
    ({}, {"activation_type": "mish"}, "expected relu, gelu, silu, swiglu or identity as activation_type, got 'mish'"),
    ({}, {"use_sparse_mixer": 1}, "use_sparse_mixer is not supported"),
    ({}, {"activation_type": "swiglu"}, "expected fc3_experts_weights with a swiglu_fusion of 0"),
    ({}, {"activation_type": "swiglu", "swiglu_fusion": 3}, "expected a swiglu_fusion of 0, 1 or 2, got 3"),
    ({"w1": [EXPERTS, HIDDEN, INNER]}, {}, r"dimension 1 of fc1_experts_weights \[experts, inner, hidden\]: expected 40, got 24"),
    ({"w2": [EXPERTS + 1, HIDDEN, INNER]}, {}, r"dimension 0 of fc2_experts_weights .*: expected 5, got 6"),
    ({"b1": [EXPERTS, INNER + 1]}, {}, r"dimension 1 of fc1_experts_bias .*: expected 40, got 41"),
    ({"router": [9, EXPERTS - 1]}, {}, r"dimension 1 of router_probs \[tokens, experts\]: expected 5, got 4"),
    ({"router": [8, EXPERTS]}, {}, r"dimension 0 of router_probs .*: expected 9, got 8"),
    ({"x": [HIDDEN]}, {}, "expected tokens of rank 2 or 3, got rank 1"),
])
def test_what_does_not_fit_is_refused(change, attributes, message):
    with pytest.raises(bessemer.Unsupported, match=f'(?s)"experts".*{message}'):
        bessemer.compile(make(shapes(9) | change, **attributes))
