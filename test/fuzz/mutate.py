# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Mutations of ONNX models that keep the wire format legal: what reaches the compiler behind the importer.

Each mutation changes a model in place and returns a word for it, or None where it finds nothing to change. Some keep a
model legal (a dimension that gets a name, an input that becomes a constant), so that its answer can be compared.
"""

import functools
import random

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

INTEGERS = [0, 1, -1, 2, -2, 3, 4, 5, 7, -3, 8, 16, 100, 2**31 - 1, -2**31, 2**31, 2**63 - 1, -2**63]
FLOATS = [0.0, 1.0, -1.0, 0.5, 1e-30, 1e30, -1e30, float("nan"), float("inf"), float("-inf")]
TYPES = [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.INT64,
         TensorProto.INT32, TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL, TensorProto.UINT16,
         TensorProto.INT16, TensorProto.UINT32, TensorProto.UINT64, TensorProto.INT4, TensorProto.STRING,
         TensorProto.COMPLEX64, TensorProto.FLOAT8E4M3FN]
STRINGS = ["", "linear", "nearest", "constant", "reflect", "edge", "wrap", "SAME_UPPER", "VALID", "NOTSET", "mean",
           "sum", "none", "add", "mul", "ij,jk->ik", "...", "->", "i,i", "ii->i", "forward", "reverse", "bidirectional",
           "Relu", "tanh", "\u00e9", "x" * 300]


# 0 or 1: what another number means is each implementation's own affair.
FLAGS = {"keepdims", "exclusive", "reverse", "select_last_index", "upper", "largest", "sorted", "ceil_mode", "transA", "transB",
         "count_include_pad", "noop_with_empty_axes", "is_causal", "fmod", "allowzero", "interleaved", "saturate"}


@functools.cache
def schemas(domain=""):
    latest = {}
    for schema in onnx.defs.get_all_schemas():
        if schema.domain == domain:
            latest[schema.name] = schema
    return latest


def pick_node(rng, model):
    nodes = list(model.graph.node)
    for node in list(nodes):
        for attribute in node.attribute:
            nodes += [*attribute.g.node, *(inner for graph in attribute.graphs for inner in graph.node)]
    return rng.choice(nodes) if nodes else None


def value_names(model):
    graph = model.graph
    return ([v.name for v in graph.input] + [v.name for v in graph.initializer] +
            [name for node in graph.node for name in node.output if name])


def attribute_value(rng, model, node):
    if not node.attribute:
        return None
    attribute = rng.choice(node.attribute)
    kind = attribute.type
    if kind == AttributeProto.INT:
        attribute.i = rng.choice(INTEGERS[:2] if attribute.name in FLAGS else INTEGERS)
    elif kind == AttributeProto.FLOAT:
        attribute.f = rng.choice(FLOATS)
    elif kind == AttributeProto.STRING:
        attribute.s = rng.choice(STRINGS).encode()
    elif kind == AttributeProto.INTS:
        values = list(attribute.ints)
        change = rng.randrange(4)
        if change == 0 and values:
            values[rng.randrange(len(values))] = rng.choice(INTEGERS)
        elif change == 1 and values:
            values.pop(rng.randrange(len(values)))
        elif change == 2:
            values.insert(rng.randint(0, len(values)), rng.choice(INTEGERS))
        else:
            rng.shuffle(values)
        del attribute.ints[:]
        attribute.ints.extend(values)
    elif kind == AttributeProto.TENSOR:
        return tensor_change(rng, attribute.t)
    else:
        return None
    return f"{node.op_type}.{attribute.name} changed"


def attribute_drop(rng, model, node):
    if not node.attribute:
        return None
    index = rng.randrange(len(node.attribute))
    name = node.attribute[index].name
    del node.attribute[index]
    return f"{node.op_type}.{name} dropped"


def attribute_add(rng, model, node):
    schema = schemas(node.domain).get(node.op_type)
    if not schema or not schema.attributes:
        return None
    name, declared = rng.choice(sorted(schema.attributes.items()))
    kinds = {"INT": lambda: rng.choice(INTEGERS[:2] if name in FLAGS else INTEGERS[:10]), "FLOAT": lambda: rng.choice(FLOATS[:4]),
             "STRING": lambda: rng.choice(STRINGS), "INTS": lambda: [rng.choice(INTEGERS[:10]) for _ in range(rng.randint(1, 4))],
             "FLOATS": lambda: [rng.choice(FLOATS) for _ in range(rng.randint(1, 3))]}
    make = kinds.get(rng.choice(sorted(kinds)) if rng.random() < 0.1 else declared.type.name)
    if not make or any(a.name == name for a in node.attribute):
        return None
    node.attribute.append(helper.make_attribute(name, make()))
    return f"{node.op_type}.{name} added"


def attribute_type(rng, model, node):
    if not node.attribute:
        return None
    attribute = rng.choice(node.attribute)
    name = attribute.name
    attribute.Clear()
    value = rng.choice([3, 1.5, "text", [1, 2], [0.5], helper.make_tensor("t", TensorProto.FLOAT, [2], [1, 2])])
    attribute.CopyFrom(helper.make_attribute(name, value))
    return f"{node.op_type}.{name} of another type"


def operation(rng, model, node):
    node.op_type = rng.choice(sorted(schemas(node.domain) or schemas()))
    return f"op became {node.op_type}"


def input_drop(rng, model, node):
    if not node.input:
        return None
    if rng.random() < 0.5:
        del node.input[-1]
        return f"{node.op_type}: last input dropped"
    index = rng.randrange(len(node.input))
    node.input[index] = ""
    return f"{node.op_type}: input {index} absent"


def input_rewire(rng, model, node):
    if not node.input:
        return None
    node.input[rng.randrange(len(node.input))] = rng.choice(value_names(model))
    return f"{node.op_type}: rewired"


def input_add(rng, model, node):
    node.input.append(rng.choice(value_names(model)))
    return f"{node.op_type}: one more input"


def inputs_swap(rng, model, node):
    if len(node.input) < 2:
        return None
    i, j = rng.sample(range(len(node.input)), 2)
    node.input[i], node.input[j] = node.input[j], node.input[i]
    return f"{node.op_type}: inputs swapped"


def output_change(rng, model, node):
    change = rng.randrange(3)
    if change == 0 and len(node.output) > 1:
        node.output[rng.randrange(len(node.output))] = ""
    elif change == 1:
        node.output.append("one_more_output")
    elif len(node.output) > 1:
        del node.output[-1]
    else:
        return None
    return f"{node.op_type}: outputs changed"


def node_duplicate(rng, model, node):
    copy = model.graph.node.add()
    copy.CopyFrom(node)
    for index, name in enumerate(copy.output):
        copy.output[index] = name + "_again" if name else ""
    return f"{node.op_type} duplicated"


def node_drop(rng, model, node):
    if len(model.graph.node) < 2:
        return None
    del model.graph.node[rng.randrange(len(model.graph.node))]
    return "node dropped"


def append_node(rng, model, node):
    """A random unary op behind an output; the model stays legal where the types fit."""
    graph = model.graph
    if not graph.output:
        return None
    output = rng.choice(graph.output)
    name = output.name
    op = rng.choice(["Relu", "Neg", "Exp", "Sigmoid", "Tanh", "Abs", "Identity", "Softmax", "Not", "Transpose", "Sqrt",
                     "Shape", "Flatten", "ReduceSum", "ReduceMax", "Size", "Erf", "Floor", "Add", "Mul"])
    operands = [name, name] if op in ("Add", "Mul") else [name]
    graph.node.append(helper.make_node(op, operands, [name + "_next"], name="appended"))
    output.Clear()
    output.name = name + "_next"
    return f"{op} appended"


def input_type(rng, model, node):
    if not model.graph.input:
        return None
    value = rng.choice(model.graph.input)
    value.type.tensor_type.elem_type = rng.choice(TYPES)
    return f"{value.name} of type {value.type.tensor_type.elem_type}"


def input_shape(rng, model, node):
    if not model.graph.input:
        return None
    value = rng.choice(model.graph.input)
    if not value.type.HasField("tensor_type"):
        return None
    dims = value.type.tensor_type.shape.dim
    change = rng.randrange(4)
    if change == 0:
        dims.add().dim_value = rng.choice([0, 1, 2, 3, 5])
    elif change == 1 and dims:
        del dims[rng.randrange(len(dims))]
    elif change == 2 and dims:
        rng.choice(dims).dim_value = rng.choice([0, 1, 2, 3, 5, 7, 17, -1, 2**40, 2**62])
    elif dims:
        value.type.tensor_type.ClearField("shape")
    else:
        return None
    return f"shape of {value.name} changed"


def name_dims(rng, model, node):
    """Dimensions of the same extent get the same name: legal, and the road of dynamic shapes."""
    named = False
    for value in model.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            if dim.HasField("dim_value") and dim.dim_value > 1 and rng.random() < 0.6:
                dim.dim_param = f"d{dim.dim_value}"
                named = True
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return "dimensions named" if named else None


def tensor_change(rng, tensor):
    try:
        array = numpy_helper.to_array(tensor)
    except Exception:  # pylint: disable=broad-except
        return None
    name, change = tensor.name, rng.randrange(5)
    if change == 0:
        array = array.reshape(-1)[: max(0, array.size - 1)]
    elif change == 1:
        array = array.reshape(1, *array.shape)
    elif change == 2 and array.size and array.dtype.kind in "iu":
        array = array.copy()
        low, high = np.iinfo(array.dtype).min, np.iinfo(array.dtype).max
        array.flat[rng.randrange(array.size)] = min(max(rng.choice(INTEGERS), low), high)
    elif change == 3 and array.size and array.dtype.kind == "f":
        array = array.copy()
        with np.errstate(all="ignore"):
            array.flat[rng.randrange(array.size)] = rng.choice(FLOATS)
    elif array.dtype.kind in "fiu":
        with np.errstate(all="ignore"):
            array = array.astype(rng.choice([np.float32, np.int64, np.int32, np.float16, np.uint8]))
    else:
        return None
    tensor.CopyFrom(numpy_helper.from_array(array, name))
    return f"tensor {name} changed"


def initializer(rng, model, node):
    if not model.graph.initializer:
        return None
    return tensor_change(rng, rng.choice(model.graph.initializer))


def output_type(rng, model, node):
    if not model.graph.output:
        return None
    value = rng.choice(model.graph.output)
    if rng.random() < 0.5:
        value.type.Clear()
        return "output without a type"
    value.type.tensor_type.elem_type = rng.choice(TYPES)
    return "output of another type"


def opset(rng, model, node):
    if not model.opset_import:
        return None
    model.opset_import[0].version = rng.choice([1, 6, 7, 9, 11, 13, 17, 18, 20, 21, 23, 24, 25, 100, 0, -1])
    return f"opset {model.opset_import[0].version}"


def graph_output(rng, model, node):
    value = model.graph.output.add()
    value.name = rng.choice(value_names(model))
    return f"one more output {value.name}"


MUTATIONS = [(attribute_value, 8), (attribute_drop, 3), (attribute_add, 4), (attribute_type, 1), (operation, 4),
             (input_drop, 4), (input_rewire, 4), (input_add, 1), (inputs_swap, 2), (output_change, 2),
             (node_duplicate, 1), (node_drop, 1), (append_node, 4), (input_type, 4), (input_shape, 5), (name_dims, 6),
             (initializer, 5), (output_type, 1), (opset, 2), (graph_output, 1)]


def constant_inputs(rng, model, inputs):
    """Inputs with their data become initializers; `inputs` loses them. Legal."""
    for value in list(model.graph.input):
        if value.name in inputs and isinstance(inputs[value.name], np.ndarray) and rng.random() < 0.5:
            model.graph.initializer.append(numpy_helper.from_array(inputs.pop(value.name), value.name))
            model.graph.input.remove(value)


def mutate(rng: random.Random, model, count):
    """Applies `count` mutations and returns the words for them."""
    words = []
    functions, weights = zip(*MUTATIONS)
    for _ in range(count * 4):
        if len(words) == count:
            break
        node = pick_node(rng, model)
        if node is None:
            break
        word = rng.choices(functions, weights)[0](rng, model, node)
        if word:
            words.append(word)
    return words
