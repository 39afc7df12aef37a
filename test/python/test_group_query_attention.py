# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""GroupQueryAttention of com.microsoft against ONNX Runtime: prompts and decoding, sequences of unequal length."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

import bessemer

HEADS, KEPT, DEPTH = 4, 2, 16


def make(batch, rotary):
    """Query, key and value of free length, a cache that grows, rotary embedding on demand."""
    float_ = TensorProto.FLOAT
    info = helper.make_tensor_value_info
    inputs = [info("q", float_, [batch, "new", HEADS * DEPTH]), info("k", float_, [batch, "new", KEPT * DEPTH]),
              info("v", float_, [batch, "new", KEPT * DEPTH]), info("past_k", float_, [batch, KEPT, "past", DEPTH]),
              info("past_v", float_, [batch, KEPT, "past", DEPTH]), info("last", TensorProto.INT32, [batch]),
              info("total", TensorProto.INT32, [])]
    names = [value.name for value in inputs]
    angles = np.outer(np.arange(64), 10000.0 ** (-np.arange(DEPTH // 2) / (DEPTH / 2))).astype(np.float32)
    caches = [onnx.numpy_helper.from_array(np.cos(angles), "cos"), onnx.numpy_helper.from_array(np.sin(angles), "sin")]
    node = helper.make_node("GroupQueryAttention", names + (["cos", "sin"] if rotary else []), ["y", "k_out", "v_out"],
                            domain="com.microsoft", num_heads=HEADS, kv_num_heads=KEPT, do_rotary=int(rotary), name="attend")
    outputs = [info("y", float_, None), info("k_out", float_, None), info("v_out", float_, None)]
    graph = helper.make_graph([node], "gqa", inputs, outputs, caches if rotary else [])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def data(valid, new, past):
    """`valid` rows of each sequence after the step; the cache holds `past` rows, those that are not used are junk."""
    generator = np.random.default_rng(3)
    batch = len(valid)
    draw = lambda *shape: generator.standard_normal(shape).astype(np.float32)  # noqa: E731
    return {"q": draw(batch, new, HEADS * DEPTH), "k": draw(batch, new, KEPT * DEPTH), "v": draw(batch, new, KEPT * DEPTH),
            "past_k": draw(batch, KEPT, past, DEPTH), "past_v": draw(batch, KEPT, past, DEPTH),
            "last": np.array(valid, np.int32) - 1, "total": np.array(past + new, np.int32)}


@pytest.fixture(scope="module", params=["batch", 1])
def models(request, tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("gqa"), {}
    for rotary in (False, True):
        path = folder / f"{rotary}.onnx"
        onnx.save(make(request.param, rotary), path)
        made[rotary] = bessemer.compile(path), ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return request.param, made


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("valid, new, past", [
    ([6], 1, 5), ([7], 7, 0), ([6, 6], 1, 5), ([6, 3, 4], 1, 5), ([1, 6], 1, 5), ([7, 4], 7, 0), ([5], 7, 0),
])
def test_each_sequence_attends_to_its_own_rows(models, rotary, valid, new, past):
    batch, made = models
    if batch == 1 and len(valid) > 1:
        return
    model, runtime = made[rotary]
    inputs = data(valid, new, past)
    expected, got = runtime.run(None, inputs), list(model(inputs).values())
    for row, length in enumerate(valid):
        kept = new if past else length  # rows of padding behind a prompt have no meaning
        np.testing.assert_allclose(got[0][row, :kept], expected[0][row, :kept], rtol=1e-3, atol=1e-4)
        for mine, theirs in zip(got[1:], expected[1:]):
            np.testing.assert_allclose(mine[row, :, :length], theirs[row, :, :length], rtol=1e-3, atol=1e-4)


def test_one_sequence_that_is_shorter_than_its_cache_is_refused(models):
    batch, made = models
    if batch != 1:
        return
    with pytest.raises(Exception, match="seqlens_k"):
        made[False][0](data([4], 1, 5))
