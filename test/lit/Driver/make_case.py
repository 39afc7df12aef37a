# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes model.onnx, a right case and a wrong one into a folder: relu(x w + b) for any number of rows.

w has 80 KiB: smaller weights become constants."""
import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

folder = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(7)
w = rng.standard_normal((160, 128)).astype(np.float32)
b = rng.standard_normal(128).astype(np.float32)
nodes = [
    helper.make_node("MatMul", ["x", "w"], ["h"], name="fc"),
    helper.make_node("Add", ["h", "b"], ["s"], name="bias"),
    helper.make_node("Relu", ["s"], ["y"], name="act"),
]
graph = helper.make_graph(
    nodes, "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 160])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 128])],
    [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")])
save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx")
x = rng.standard_normal((3, 160)).astype(np.float32)
y = np.maximum(x.astype(np.float64) @ w + b, 0).astype(np.float32)
np.save(folder / "x.npy", x)
np.save(folder / "y.npy", y)
np.save(folder / "wide.npy", np.zeros((3, 161), np.float32))
np.save(folder / "double.npy", x.astype(np.float64))
for name, answer in (("right", y), ("wrong", y + 1)):
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "input_0.pb").write_bytes(numpy_helper.from_array(x, "x").SerializeToString())
    (folder / name / "output_0.pb").write_bytes(numpy_helper.from_array(answer, "y").SerializeToString())
