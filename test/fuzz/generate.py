# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random legal graphs: some ops one behind the other, each with attributes that fit, on inputs of small extents.

What ops give is asked of ONNX's own shape inference, so that a recipe below says only which operands and attributes an
op takes. Extents of 5, 7 and 17 get names in most models: the road of dynamic shapes.
"""

import random

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
EXTENTS = [1, 2, 3, 4, 5, 5, 7, 7, 8, 17]
UNARY = ["Relu", "Neg", "Exp", "Sigmoid", "Tanh", "Abs", "Sqrt", "Erf", "Floor", "Ceil", "Round", "Sign", "Softplus",
         "Softsign", "Elu", "Selu", "LeakyRelu", "HardSigmoid", "HardSwish", "Gelu", "Mish", "Reciprocal", "Log", "Sin",
         "Cos", "Atan", "Identity", "ThresholdedRelu", "Celu", "Swish"]
BINARY = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "PRelu", "Less", "Greater", "Equal", "GreaterOrEqual", "Mean", "Sum"]
REDUCE = ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
          "ReduceLogSumExp", "ReduceSumSquare"]


class Builder:
    def __init__(self, rng):
        self.rng, self.nodes, self.constants, self.inputs = rng, [], [], {}
        self.values = {}  # name -> (element type, shape)
        self.count = 0

    def name(self):
        self.count += 1
        return f"v{self.count}"

    def input(self, shape, dtype=FLOAT):
        name = self.name()
        generator = np.random.default_rng(self.rng.randrange(1 << 30))
        if dtype == FLOAT:
            data = generator.standard_normal(shape).astype(np.float32)
        elif dtype == BOOL:
            data = generator.integers(0, 2, shape).astype(bool)
        else:
            data = generator.integers(0, 5, shape).astype(np.int64)
        self.inputs[name] = data
        self.values[name] = (dtype, list(shape))
        return name

    def constant(self, array):
        name = self.name()
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, *shape):
        generator = np.random.default_rng(self.rng.randrange(1 << 30))
        return self.constant(generator.standard_normal(shape).astype(np.float32))

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def node(self, op, inputs, outputs=1, **attributes):
        """Adds the node if ONNX infers its shape; returns the first output's name."""
        names = [self.name() for _ in range(outputs)]
        made = helper.make_node(op, inputs, names, name=f"{op}_{self.count}", **attributes)
        constants = {tensor.name: tensor for tensor in self.constants}
        infos = [helper.make_tensor_value_info(name, *self.values[name]) for name in dict.fromkeys(inputs)
                 if name in self.values]
        used = [constants[name] for name in dict.fromkeys(inputs) if name in constants]
        graph = helper.make_graph([made], "one", infos, [helper.make_empty_tensor_value_info(n) for n in names], used)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)])
        try:
            inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        except Exception:  # pylint: disable=broad-except  (not legal: no node)
            return None
        for value in inferred.graph.output:
            tensor = value.type.tensor_type
            shape = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim]
            if not tensor.elem_type or not tensor.HasField("shape") or -1 in shape or np.prod(shape, dtype=float) > 1e5:
                return None
            self.values[value.name] = (tensor.elem_type, shape)
        self.nodes.append(made)
        return names[0]

    def pick(self, dtype=FLOAT, rank=None):
        """A value of this type (and rank), late ones more often; a new input where there is none."""
        names = [n for n, (t, s) in self.values.items() if t == dtype and (rank is None or len(s) == rank)]
        if names and self.rng.random() < 0.9:
            return names[-1] if self.rng.random() < 0.6 else self.rng.choice(names)
        return self.input([self.rng.choice(EXTENTS) for _ in range(rank if rank is not None else self.rng.randint(1, 4))], dtype)

    def shape(self, name):
        return self.values[name][1]


def factor(rng, shape):
    """Another shape of as many elements."""
    total, result = int(np.prod(shape)), []
    while total > 1 and len(result) < 3:
        choices = [n for n in range(1, total + 1) if total % n == 0]
        result.append(rng.choice(choices))
        total //= result[-1]
    return result + [total] if total != 1 or not result else result


POSITIVE = {"Log", "Sqrt", "ReduceLogSum"}  # of other numbers they give NaN, which the ops behind them may order as they like


def unary(b):
    op, x = b.rng.choice(UNARY), b.pick()
    return b.node(op, [b.node("Abs", [x]) if op in POSITIVE else x])


def binary(b):
    x = b.pick()
    shape = b.shape(x)
    kept = shape[b.rng.randint(0, len(shape)):] if shape else []
    other = [n if b.rng.random() < 0.6 else 1 for n in kept]
    same = [n for n, (t, s) in b.values.items() if t == FLOAT and s == shape]
    y = b.rng.choice(same) if b.rng.random() < 0.5 else b.weight(*other) if b.rng.random() < 0.6 else b.input(other)
    op = b.rng.choice(BINARY)
    if op == "Pow":
        return b.node(op, [b.node("Abs", [x]), y])
    return b.node(op, [x, y] if op in ("PRelu",) or b.rng.random() < 0.7 else [y, x])


def where(b):
    x = b.pick()
    condition = b.node("Less", [x, b.weight(1)])
    return condition and b.node("Where", [condition, x, b.weight(1) if b.rng.random() < 0.5 else x])


def clip(b):
    return b.node("Clip", [b.pick(), b.constant(np.float32(-0.5)), b.constant(np.float32(1.0))])


def cast(b):
    clipped = b.node("Clip", [b.pick(), b.constant(np.float32(-100)), b.constant(np.float32(100))])  # beyond: undefined
    x = clipped and b.node("Cast", [clipped], to=b.rng.choice([TensorProto.INT32, INT64, TensorProto.FLOAT16, TensorProto.DOUBLE, BOOL]))
    return x and b.node("Cast", [x], to=FLOAT)


def axis_op(b):
    x = b.pick()
    rank = len(b.shape(x))
    if not rank:
        return None
    axis = b.rng.randint(-rank, rank - 1)
    op = b.rng.choice(["Softmax", "LogSoftmax", "Hardmax", "ArgMax", "ArgMin", "CumSum", "Flatten", "LayerNormalization"])
    if op == "CumSum":
        return b.node(op, [x, b.constant(np.int64(axis))], exclusive=b.rng.randint(0, 1), reverse=b.rng.randint(0, 1))
    if op == "LayerNormalization":
        inner = b.shape(x)[axis:] if axis < 0 else b.shape(x)[axis:]
        return b.node(op, [x, b.weight(*inner), b.weight(*inner)][:b.rng.choice([2, 3])], axis=axis)
    if op.startswith("Arg"):
        return b.node(op, [x], axis=axis, keepdims=b.rng.randint(0, 1), select_last_index=b.rng.randint(0, 1))
    return b.node(op, [x], axis=axis)


def reduce(b):
    x = b.pick()
    rank = len(b.shape(x))
    axes = b.rng.sample(range(rank), b.rng.randint(0, rank)) if rank else []
    axes = [axis - rank if b.rng.random() < 0.3 else axis for axis in axes]
    operands = [x, b.ints(*axes)] if axes or b.rng.random() < 0.5 else [x]
    op = b.rng.choice(REDUCE)
    if op in POSITIVE:
        operands[0] = b.node("Abs", [x])
    return b.node(op, operands, keepdims=b.rng.randint(0, 1), noop_with_empty_axes=b.rng.randint(0, 1))


def move(b):
    x = b.pick()
    shape = b.shape(x)
    rank = len(shape)
    op = b.rng.choice(["Transpose", "Reshape", "Squeeze", "Unsqueeze", "Expand", "Tile", "Slice", "Slice", "Pad", "Concat",
                       "Split", "Gather", "Trilu", "Flatten"])
    if op == "Transpose":
        return b.node(op, [x], perm=b.rng.sample(range(rank), rank))
    if op == "Reshape":
        return b.node(op, [x, b.ints(*factor(b.rng, shape))])
    if op == "Squeeze":
        ones = [i for i, n in enumerate(shape) if n == 1]
        return b.node(op, [x, b.ints(*b.rng.sample(ones, b.rng.randint(1, len(ones))))]) if ones else None
    if op == "Unsqueeze":
        return b.node(op, [x, b.ints(b.rng.randint(-rank - 1, rank))])
    if op == "Expand":
        return b.node(op, [x, b.ints(*([b.rng.choice([1, 2])] if b.rng.random() < 0.3 else []),
                                     *[b.rng.choice([1, n]) if n > 1 else b.rng.choice([1, 3]) for n in shape])])
    if op == "Tile":
        return b.node(op, [x, b.ints(*[b.rng.choice([1, 1, 2, 3]) for _ in shape])])
    if op == "Slice" and rank:
        axes = b.rng.sample(range(rank), b.rng.randint(1, rank))
        steps = [b.rng.choice([1, 1, 1, 2, 3, -1, -2]) for _ in axes]
        starts = [b.rng.randint(0, shape[a] - 1) if s > 0 and shape[a] else b.rng.choice([-1, 100]) for a, s in zip(axes, steps)]
        ends = [b.rng.choice([100, shape[a], -1]) if s > 0 else b.rng.choice([-100, 0]) for a, s in zip(axes, steps)]
        return b.node(op, [x, b.ints(*starts), b.ints(*ends), b.ints(*axes), b.ints(*steps)])
    if op == "Pad" and rank:
        mode = b.rng.choice(["constant", "reflect", "edge", "wrap"])
        limit = 2 if mode == "constant" else max(0, min(2, min(shape) - 1))
        return b.node(op, [x, b.ints(*[b.rng.randint(0, limit) for _ in range(2 * rank)])], mode=mode)
    if op == "Concat" and rank:
        axis = b.rng.randrange(rank)
        same = [n for n, (t, s) in b.values.items() if t == FLOAT and len(s) == rank and s[:axis] + s[axis + 1:] == shape[:axis] + shape[axis + 1:]]
        return b.node(op, [b.rng.choice(same) for _ in range(b.rng.randint(1, 3))], axis=axis - (rank if b.rng.random() < 0.3 else 0))
    if op == "Split" and rank:
        axis = b.rng.randrange(rank)
        if shape[axis] < 2:
            return None
        first = b.rng.randint(1, shape[axis] - 1)
        return b.node(op, [x, b.ints(first, shape[axis] - first)], outputs=2, axis=axis)
    if op == "Gather" and rank:
        axis = b.rng.randrange(rank)
        many = b.rng.choice([(), (2,), (2, 3)])
        if not shape[axis]:
            return None
        indices = np.random.default_rng(b.rng.randrange(1 << 30)).integers(-shape[axis], shape[axis], many)
        return b.node(op, [x, b.constant(indices.astype(np.int64))], axis=axis)
    if op == "Trilu" and rank >= 2:
        return b.node(op, [x, b.constant(np.int64(b.rng.randint(-2, 2)))], upper=b.rng.randint(0, 1))
    return None


def matmul(b):
    x = b.pick()
    shape = b.shape(x)
    if len(shape) < 1:
        return None
    n = b.rng.choice([1, 2, 4, 8, 16, 33])
    choice = b.rng.randrange(4)
    if choice == 0 and len(shape) == 2:
        bias = [[], [b.weight(n)], [b.weight(1, n)], [b.weight(shape[0], 1)]]
        return b.node("Gemm", [x, b.weight(n, shape[1]), *b.rng.choice(bias)], transB=1, alpha=0.5, beta=b.rng.choice([1.0, 2.0]))
    if choice == 1 and len(shape) >= 2:
        rank = len(shape)
        y = b.node("Transpose", [x], perm=[*range(rank - 2), rank - 1, rank - 2])
        return y and b.node("MatMul", [x, y])
    if choice == 2 and len(shape) == 2:
        return b.node("Einsum", [x, b.weight(shape[1], n)], equation=b.rng.choice(["ij,jk->ik", "ij,jk->ki", "ij,jk->i"]))
    batch = shape[:-2] if b.rng.random() < 0.3 else []
    return b.node("MatMul", [x, b.weight(*batch, shape[-1], n)])


def window(b):
    spatial = b.rng.choice([1, 2, 2, 3])
    channels = b.rng.choice([1, 2, 4, 6])
    x = None
    for name, (dtype, shape) in reversed(b.values.items()):
        if dtype == FLOAT and len(shape) == spatial + 2:
            x = name
            break
    x = x or b.input([b.rng.choice([1, 2]), channels, *[b.rng.choice([5, 7, 8]) for _ in range(spatial)]])
    channels = b.shape(x)[1]
    kernel = [b.rng.choice([1, 2, 3]) for _ in range(spatial)]
    attributes = {"strides": [b.rng.choice([1, 1, 2]) for _ in range(spatial)], "kernel_shape": kernel}
    if b.rng.random() < 0.2:
        attributes["auto_pad"] = b.rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
    else:
        attributes["pads"] = [b.rng.randint(0, k - 1) for k in kernel * 2]
    if b.rng.random() < 0.3 and "auto_pad" not in attributes:  # ONNX Runtime pads by the window that is not dilated
        attributes["dilations"] = [b.rng.choice([1, 2]) for _ in range(spatial)]
    op = b.rng.choice(["Conv", "Conv", "MaxPool", "AveragePool", "ConvTranspose", "GlobalAveragePool", "BatchNormalization",
                       "InstanceNormalization", "LRN", "GroupNormalization"])
    groups = b.rng.choice([g for g in (1, 1, 2, channels) if channels % g == 0])
    if op == "Conv":
        out = groups * b.rng.choice([1, 2, 3])
        return b.node(op, [x, b.weight(out, channels // groups, *kernel), *([b.weight(out)] if b.rng.random() < 0.5 else [])],
                      group=groups, **attributes)
    if op == "ConvTranspose":
        return b.node(op, [x, b.weight(channels, b.rng.choice([1, 2]), *kernel)], group=groups, **attributes)
    if op in ("MaxPool", "AveragePool"):
        extra = {"count_include_pad": b.rng.randint(0, 1)} if op == "AveragePool" else {}
        return b.node(op, [x], ceil_mode=b.rng.choice([0, 0, 1]), **extra, **attributes)
    if op == "BatchNormalization":
        variance = b.constant(np.linspace(0.1, 2, channels, dtype=np.float32))
        return b.node(op, [x, b.weight(channels), b.weight(channels), b.weight(channels), variance])
    if op == "InstanceNormalization":
        return b.node(op, [x, b.weight(channels), b.weight(channels)])
    if op == "GroupNormalization":
        return b.node(op, [x, b.weight(channels), b.weight(channels)], num_groups=groups)
    return b.node(op, [x], **({"size": 3} if op == "LRN" else {}))


def index_op(b):
    x = b.pick()
    shape = b.shape(x)
    if not shape or 0 in shape:
        return None
    axis = b.rng.randrange(len(shape))
    generator = np.random.default_rng(b.rng.randrange(1 << 30))
    op = b.rng.choice(["GatherElements", "ScatterElements", "GatherND", "TopK", "OneHot", "Resize", "DepthToSpace"])
    if op == "GatherElements":
        return b.node(op, [x, b.constant(generator.integers(-shape[axis], shape[axis], shape).astype(np.int64))], axis=axis)
    if op == "ScatterElements":
        many = [1] * len(shape)
        return b.node(op, [x, b.constant(np.zeros(many, np.int64)), b.weight(*many)], axis=axis, reduction=b.rng.choice(["none", "add", "mul"]))
    if op == "GatherND":
        return b.node(op, [x, b.constant(generator.integers(0, shape[0], (2, 1)).astype(np.int64))])
    if op == "TopK":
        return b.node(op, [x, b.ints(b.rng.randint(1, shape[axis]))], outputs=2, axis=axis, largest=b.rng.randint(0, 1))
    if op == "Resize":
        scales = np.array([b.rng.choice([1, 1, 2, 0.5, 1.5]) if i >= 2 else 1 for i in range(len(shape))], np.float32)
        mode = b.rng.choice(["nearest", "linear", "cubic"] if len(shape) == 4 else ["nearest", "linear"])
        return b.node(op, [x, "", b.constant(scales)], mode=mode, coordinate_transformation_mode=b.rng.choice(
            ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]))
    if op == "DepthToSpace" and len(shape) == 4 and shape[1] % 4 == 0:
        return b.node(op, [x], blocksize=2, mode=b.rng.choice(["DCR", "CRD"]))
    return None


def shape_arithmetic(b):
    """Reshape by a computed shape: keeps the first dimension, merges the others."""
    x = b.pick()
    if not b.shape(x):
        return None
    flat = b.node("Shape", [x])
    first = flat and b.node("Gather", [flat, b.ints(0)])
    target = first and b.node("Concat", [first, b.ints(-1)], axis=0)
    if not target:
        return None
    shape = b.shape(x)
    name = b.name()
    b.nodes.append(helper.make_node("Reshape", [x, target], [name], name=f"Reshape_{b.count}"))
    b.values[name] = (FLOAT, [shape[0], int(np.prod(shape[1:]))])
    return name if shape[0] else None


RECIPES = [(unary, 6), (binary, 7), (where, 1), (clip, 1), (cast, 1), (axis_op, 4), (reduce, 5), (move, 10), (matmul, 4),
           (window, 4), (index_op, 3), (shape_arithmetic, 1)]


def generate(rng: random.Random):
    """A model and data for its inputs."""
    b = Builder(rng)
    recipes, weights = zip(*RECIPES)
    wanted = rng.randint(1, 8)
    for _ in range(5 * wanted):
        if len(b.nodes) >= wanted:
            break
        rng.choices(recipes, weights)[0](b)
    if not b.nodes:
        unary(b)
    used = {name for node in b.nodes for name in node.input}
    made = [name for node in b.nodes for name in node.output]
    outputs = [name for name in made if name not in used] or made[-1:]
    if rng.random() < 0.2:
        outputs = list(dict.fromkeys([*outputs, rng.choice(made)]))
    named = rng.random() < 0.6

    def dim(extent):
        return f"d{extent}" if named and extent in (5, 7, 17) else extent

    inputs = {name: data for name, data in b.inputs.items() if name in used}
    infos = [helper.make_tensor_value_info(name, b.values[name][0], [dim(n) for n in data.shape]) for name, data in inputs.items()]
    results = [helper.make_tensor_value_info(name, b.values[name][0], None) for name in outputs]
    graph = helper.make_graph(b.nodes, "generated", infos, results, [t for t in b.constants if t.name in used])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    return model, inputs
