# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes ONNX graphs node by node, in the plain op form that torch's exporter leaves behind.

Example: a linear layer on a dynamic batch.

    graph = GraphBuilder("linear", opset=17)
    x = graph.input("x", np.float32, ["batch", 4])
    y = graph.linear(x, "fc", 4, 8)
    graph.output(y, "y", np.float32, ["batch", 8])
    graph.save("linear.onnx")
"""

import contextlib
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MODELS_DIR = pathlib.Path(__file__).resolve().parents[2] / "build" / "models"


class RandomWeights:
    """Weights drawn from a seeded generator and stored in the model file itself.

    `scale` is the standard deviation of matrices; vectors of ones and zeros get a tenth of it as noise, so that
    a kernel that forgets a bias or a gain is seen.
    """

    def __init__(self, seed=0, scale=0.02, dtype=np.float32):
        self.generator = np.random.default_rng(seed)
        self.scale = scale
        self.dtype = np.dtype(dtype)

    def tensor(self, name, shape, kind="normal"):
        values = self.generator.standard_normal(shape, dtype=np.float32)
        values *= self.scale if kind == "normal" else 0.1
        if kind == "ones":
            values += 1.0
        elif kind == "small":
            values += 0.3
        elif kind == "variance":
            values = 1.0 + np.abs(values)
        return numpy_helper.from_array(values.astype(self.dtype), name)


class GivenWeights:
    """Weights taken from a dictionary of arrays (real models)."""

    def __init__(self, arrays, dtype=np.float32):
        self.arrays = arrays
        self.dtype = np.dtype(dtype)

    def tensor(self, name, shape, kind="normal"):
        values = np.ascontiguousarray(self.arrays[name]).astype(self.dtype, copy=False)
        if tuple(values.shape) != tuple(shape):
            raise ValueError(f"weight {name}: expected shape {tuple(shape)}, got {values.shape}")
        return numpy_helper.from_array(values, name)


class SparseExternalWeights:
    """Weights that exist only as ranges of one external file, which is a hole from end to end.

    Nothing is written, so a model of hundreds of gigabytes is made in a second; all weights read as zero.
    """

    ALIGNMENT = 4096

    def __init__(self, location, dtype=np.float16):
        self.location = location
        self.dtype = np.dtype(dtype)
        self.size = 0

    def tensor(self, name, shape, kind="normal"):
        length = int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize
        offset = -(-self.size // self.ALIGNMENT) * self.ALIGNMENT
        self.size = offset + length
        proto = TensorProto(name=name, dims=list(shape), data_type=helper.np_dtype_to_tensor_dtype(self.dtype))
        proto.data_location = TensorProto.EXTERNAL
        for key, value in (("location", self.location), ("offset", offset), ("length", length)):
            entry = proto.external_data.add()
            entry.key, entry.value = key, str(value)
        return proto

    def truncate(self, directory):
        with open(pathlib.Path(directory) / self.location, "wb") as file:
            file.truncate(self.size)


class GraphBuilder:
    def __init__(self, name, opset=17, weights=None, ir_version=8):
        self.name = name
        self.opset = opset
        self.ir_version = ir_version
        self.weights = weights or RandomWeights()
        self.nodes, self.initializers, self.inputs, self.outputs = [], [], [], []
        self._known_weights = {}
        self._scopes = []
        self._counts = {}

    @property
    def dtype(self):
        return self.weights.dtype

    @contextlib.contextmanager
    def scope(self, name):
        self._scopes.append(name)
        yield
        self._scopes.pop()

    # --- inputs, outputs, constants ---------------------------------------------------------
    def input(self, name, dtype, shape):
        self.inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape))
        return name

    def output(self, value, name, dtype, shape):
        self.nodes.append(helper.make_node("Identity", [value], [name], name=f"{name}/Identity"))
        self.outputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape))

    def weight(self, name, shape, kind="normal"):
        """A named initializer; asked for twice, it is one tensor."""
        if name not in self._known_weights:
            self.initializers.append(self.weights.tensor(name, shape, kind))
            self._known_weights[name] = name
        return name

    def initializer(self, name, array):
        """An initializer whose values are given here (tables that a module keeps as buffers)."""
        if name not in self._known_weights:
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
            self._known_weights[name] = name
        return name

    def constant(self, value, dtype=None):
        """A Constant node, as the exporter writes for each literal."""
        array = np.asarray(value, dtype=dtype if dtype is not None else None)
        return self.node("Constant", [], value=numpy_helper.from_array(array))

    def scalar(self, value):
        """A literal of the model's floating-point type."""
        return self.constant(value, self.dtype)

    # --- nodes ------------------------------------------------------------------------------
    def node(self, op, inputs, outputs=1, **attributes):
        path = "/" + "/".join(self._scopes + [op])
        count = self._counts.get(path, 0)
        self._counts[path] = count + 1
        if count:
            path += f"_{count}"
        names = [f"{path}_output_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=path, **attributes))
        return names[0] if outputs == 1 else names

    def __getattr__(self, op):
        """graph.MatMul(a, b) is graph.node("MatMul", [a, b])."""
        if not op[:1].isupper():
            raise AttributeError(op)
        return lambda *inputs, outputs=1, **attributes: self.node(op, inputs, outputs, **attributes)

    # --- the idioms of the exporter ---------------------------------------------------------
    def size(self, value, axis):
        """x.size(axis): Shape and Gather, a scalar."""
        return self.Gather(self.Shape(value), self.constant(axis, np.int64), axis=0)

    def shape_of(self, *sizes):
        """A shape operand: integers become constants, scalars are unsqueezed, all are concatenated."""
        if all(isinstance(size, int) for size in sizes):
            return self.constant(list(sizes), np.int64)
        parts = []
        for size in sizes:
            if isinstance(size, int):
                parts.append(self.constant([size], np.int64))
            else:
                parts.append(self.Unsqueeze(size, self.constant([0], np.int64)))
        return self.Concat(*parts, axis=0)

    def reshape(self, value, *sizes):
        return self.Reshape(value, self.shape_of(*sizes))

    def expand(self, value, *sizes):
        """x.expand(...): the exporter guards against -1 by Equal and Where."""
        shape = self.shape_of(*sizes)
        ones = self.ConstantOfShape(self.constant([len(sizes)], np.int64),
                                    value=numpy_helper.from_array(np.array([1], np.int64)))
        minus = self.Mul(ones, self.constant(-1, np.int64))
        return self.Expand(value, self.Where(self.Equal(shape, minus), ones, shape))

    def unsqueeze(self, value, *axes):
        for axis in axes:
            value = self.Unsqueeze(value, self.constant([axis], np.int64))
        return value

    def slice(self, value, axis, start, end, step=1):
        """start and end are integers or 1-D int64 values."""
        def bound(b):
            return self.constant([b], np.int64) if isinstance(b, int) else b
        return self.Slice(value, bound(start), bound(end), self.constant([axis], np.int64),
                          self.constant([step], np.int64))

    # --- layers -----------------------------------------------------------------------------
    def linear(self, x, name, inputs, outputs, bias=True):
        """MatMul by the transposed weight, then Add: torch's nn.Linear on more than two dimensions."""
        y = self.MatMul(x, self.weight(f"{name}.weight_t", [inputs, outputs]))
        if bias:
            y = self.Add(self.weight(f"{name}.bias", [outputs], "zeros"), y)
        return y

    def layer_norm(self, x, name, width, epsilon, decomposed=False):
        gain = self.weight(f"{name}.weight", [width], "ones")
        shift = self.weight(f"{name}.bias", [width], "zeros")
        if not decomposed:
            return self.LayerNormalization(x, gain, shift, axis=-1, epsilon=epsilon)
        centered = self.Sub(x, self.ReduceMean(x, axes=[-1]))
        variance = self.ReduceMean(self.Pow(centered, self.scalar(2.0)), axes=[-1])
        normal = self.Div(centered, self.Sqrt(self.Add(variance, self.scalar(epsilon))))
        return self.Add(self.Mul(normal, gain), shift)

    def gelu_erf(self, x):
        erf = self.Erf(self.Div(x, self.scalar(np.sqrt(2.0))))
        return self.Mul(self.Mul(x, self.Add(erf, self.scalar(1.0))), self.scalar(0.5))

    def gelu_tanh(self, x):
        """GPT-2's gelu_new."""
        cube = self.Mul(self.Pow(x, self.scalar(3.0)), self.scalar(0.044715))
        inner = self.Mul(self.Add(x, cube), self.scalar(np.sqrt(2.0 / np.pi)))
        return self.Mul(self.Mul(x, self.scalar(0.5)), self.Add(self.Tanh(inner), self.scalar(1.0)))

    # --- the file ---------------------------------------------------------------------------
    def model(self):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.initializers)
        others = sorted({node.domain for node in self.nodes} - {""})
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset),
                                                        *(helper.make_opsetid(domain, 1) for domain in others)],
                                  producer_name="bessemer-test-models", ir_version=self.ir_version)
        return model

    def save(self, path):
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(self.model().SerializeToString())
        temporary.replace(path)  # never a half-written model under the final name
        return path
