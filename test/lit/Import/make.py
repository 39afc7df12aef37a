# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the small ONNX models of these tests: make.py NAME FILE. Each function below is one model; its name is NAME."""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

MODELS = {}


def model(function):
    MODELS[function.__name__] = function
    return function


def value(name, shape=(2, 3), dtype=T.FLOAT):
    return h.make_tensor_value_info(name, dtype, shape)


def build(nodes, inputs, outputs, initializers=(), opset=17, ir_version=8, opsets=(), **kwargs):
    graph_keys = ("value_info", "sparse_initializer", "doc_string")
    graph_args = {key: kwargs.pop(key) for key in graph_keys if key in kwargs}
    graph = h.make_graph(nodes, "g", inputs, outputs, list(initializers), **graph_args)
    imports = [h.make_opsetid("", opset), *opsets]
    return h.make_model(graph, opset_imports=imports, ir_version=ir_version, producer_name="test", **kwargs)


def relu(source="x", target="y", name="act"):
    return h.make_node("Relu", [source], [target], name=name)


def one_node(node, inputs=("x",), **kwargs):
    return build([node], [value(name) for name in inputs], [value("y")], **kwargs)


def floats(name, shape, first=0.0):
    count = int(np.prod(shape))
    return numpy_helper.from_array(np.arange(first, first + count, dtype=np.float32).reshape(shape), name)


@model
def gemm(path):
    nodes = [
        h.make_node("Gemm", ["x", "w", ""], ["h"], name="fc1", transB=1, alpha=0.5),
        h.make_node("Relu", ["h"], ["y"]),
    ]
    inputs = [value("x", ["batch", 3])]
    made = build(nodes, inputs, [value("y", ["batch", 4])], [floats("w", (4, 3))], value_info=[value("h", ["batch", 4])])
    h.set_model_props(made, {"author": "nobody"})
    return made


@model
def dims(path):
    inputs = [
        value("x", ["batch", "seq"]),
        value("past", ["past_len", None]),
        value("mask", ["batch", "past_len + seq"]),
        value("odd", ["a-b", "?"]),
    ]
    return build([relu(), relu("mask", "z")], inputs, [value("y", ["batch", "seq"]), value("z", None)])


@model
def attributes(path):
    node = h.make_node(
        "Custom", ["x", "", "x"], ["y", ""], name="c", domain="my.domain", an_int=-3, a_float=0.5, a_string="s\n",
        ints=[1, 2], floats=[1.0, 2.0], strings=["a", "b"],
        tensor=numpy_helper.from_array(np.array([[1, -2]], np.int8)),
        type=h.make_sequence_type_proto(h.make_tensor_type_proto(T.FLOAT, ["n"])),
    )
    node.attribute.append(h.make_attribute("empty", [], attr_type=onnx.AttributeProto.INTS))
    return one_node(node, opsets=[h.make_opsetid("my.domain", 3)])


@model
def constants(path):
    def constant(name, **kwargs):
        return h.make_node("Constant", [], [name], name="make_" + name, **kwargs)

    nodes = [
        constant("tensor", value=h.make_tensor("t", T.INT64, [2], [3, -4])),
        constant("raw", value=numpy_helper.from_array(np.array([1.5], np.float32))),
        constant("an_int", value_int=7),
        constant("a_float", value_float=0.25),
        constant("a_string", value_string="hello"),
        constant("ints", value_ints=[1, 2]),
        constant("floats", value_floats=[1.0, 2.5]),
        constant("strings", value_strings=["a", "bc"]),
        relu(),
    ]
    return build(nodes, [value("x")], [value("y")])


@model
def types(path):
    codes = [T.UINT8, T.INT8, T.UINT16, T.INT16, T.INT32, T.INT64, T.STRING, T.BOOL, T.FLOAT16, T.DOUBLE, T.UINT32,
             T.UINT64, T.COMPLEX64, T.COMPLEX128, T.BFLOAT16, T.FLOAT8E4M3FN, T.FLOAT8E4M3FNUZ, T.FLOAT8E5M2,
             T.FLOAT8E5M2FNUZ, T.UINT4, T.INT4, T.FLOAT4E2M1, T.FLOAT8E8M0, T.UINT2, T.INT2]
    inputs = [value(f"t{code}", [2], code) for code in codes]
    tensor = h.make_tensor_type_proto(T.FLOAT, [2])
    inputs += [
        h.make_value_info("seq", h.make_sequence_type_proto(tensor)),
        h.make_value_info("opt", h.make_optional_type_proto(tensor)),
        h.make_value_info("map", h.make_map_type_proto(T.STRING, tensor)),
        h.make_value_info("sparse", h.make_sparse_tensor_type_proto(T.FLOAT, [2])),
        value("ranked_not", None),
    ]
    return build([relu("ranked_not")], inputs, [value("y", None)], opset=25, ir_version=13)


@model
def typed_data(path):
    """Each of the typed fields of TensorProto."""
    tensors = [
        h.make_tensor("f32", T.FLOAT, [2], [1, 2]),
        h.make_tensor("f64", T.DOUBLE, [1], [1]),
        h.make_tensor("i64", T.INT64, [2], [-1, 300]),
        h.make_tensor("i8", T.INT8, [2], [-1, 5]),
        h.make_tensor("f16", T.FLOAT16, [2], [1, 2]),
        h.make_tensor("u32", T.UINT32, [1], [7]),
        h.make_tensor("u4", T.UINT4, [3], [1, 2, 3]),
        h.make_tensor("c64", T.COMPLEX64, [1], [1 + 2j]),
        h.make_tensor("s", T.STRING, [2], [b"a", b"b"]),
        h.make_tensor("none", T.FLOAT, [0, 4], []),
    ]
    return build([relu()], [value("x")], [value("y")], tensors, opset=21, ir_version=10)


def branch(name, output, op="Relu"):
    return h.make_graph([h.make_node(op, ["x"], [output], name=name)], name + "_graph", [], [value(output)])


@model
def subgraph(path):
    node = h.make_node("If", ["cond"], ["y"], name="choose", then_branch=branch("t", "yt"), else_branch=branch("e", "ye", "Abs"))
    return build([node], [value("cond", [], T.BOOL), value("x")], [value("y")])


@model
def loop(path):
    """Body nodes read an outer value that is produced after the loop in the file."""
    body = h.make_graph(
        [h.make_node("Identity", ["go"], ["go_out"]), h.make_node("Add", ["acc", "late"], ["acc_out"], name="step")],
        "body",
        [value("i", [], T.INT64), value("go", [], T.BOOL), value("acc")],
        [value("go_out", [], T.BOOL), value("acc_out")],
    )
    nodes = [h.make_node("Loop", ["n", "", "x"], ["y"], name="again", body=body), relu("x", "late", "late_node")]
    return build(nodes, [value("n", [], T.INT64), value("x")], [value("y")])


@model
def function(path):
    made = one_node(h.make_node("Scaled", ["x"], ["y"], name="call", domain="local", by=2.0), ir_version=9,
                    opsets=[h.make_opsetid("local", 1)])
    by = h.make_node("Constant", [], ["c"], name="by")
    by.attribute.add(name="value_float", ref_attr_name="by", type=onnx.AttributeProto.FLOAT)
    body = [by, h.make_node("Mul", ["a", "c"], ["b"], name="scale")]
    made.functions.append(h.make_function("local", "Scaled", ["a"], ["b"], body, [h.make_opsetid("", 17)], ["by"]))
    return made


@model
def sharding(path):
    node = relu()
    configuration = node.device_configurations.add(configuration_id="tp", pipeline_stage=1)
    spec = configuration.sharding_spec.add(tensor_name="x", device=[0, -1])
    spec.index_to_device_group_map.add(key=-1, value=[1, 2])
    dim = spec.sharded_dim.add(axis=-1)
    dim.simple_sharding.add(dim_value=3, num_shards=1)
    dim.simple_sharding.add(dim_param="n", num_shards=2)
    made = one_node(node, opset=23, ir_version=11)
    made.configuration.add(name="tp", num_devices=3, device=["a", "b", "c"])
    return made


def external_tensor(name="w", count=4, **entries):
    tensor = T(name=name, data_type=T.FLOAT, dims=[count], data_location=T.EXTERNAL)
    for key, text in entries.items():
        tensor.external_data.add(key=key, value=str(text))
    return tensor


def external(path, data=b"\0" * 64, **entries):
    path.with_name("weights.bin").write_bytes(data)
    return build([relu()], [value("x")], [value("y")], [external_tensor(**{"location": "weights.bin", **entries})])


@model
def external_data(path):
    return external(path, offset=16, length=16, checksum="abc")


@model
def external_missing(path):
    return external(path, location="nowhere.bin")


@model
def external_short(path):
    return external(path, offset=52, length=16)


@model
def external_length(path):
    return external(path, length=12)


@model
def external_parent(path):
    return external(path, location="../weights.bin")


@model
def external_absolute(path):
    return external(path, location="/etc/passwd")


@model
def external_number(path):
    return external(path, offset="-5")


@model
def external_link(path):
    made = external(path, location="link.bin")
    link = path.with_name("link.bin")
    link.unlink(missing_ok=True)
    link.symlink_to("/etc/passwd")
    return made


@model
def external_huge(path):
    """An offset and a size beyond 4 GiB, in a sparse file."""
    made = external(path, location="huge.bin", offset=5 << 30)
    with open(path.with_name("huge.bin"), "wb") as file:
        file.truncate((5 << 30) + 16)
    return made


@model
def unsorted(path):
    return build([relu("a", "y", "second"), relu("x", "a", "first")], [value("x")], [value("y")])


@model
def initializer_input(path):
    node = h.make_node("Add", ["x", "w"], ["y"], name="add")
    return build([node], [value("w"), value("x")], [value("y")], [floats("w", (2, 3))], ir_version=3, opset=8)


@model
def sparse(path):
    dense = h.make_sparse_tensor(h.make_tensor("s", T.FLOAT, [2], [5, 6]), h.make_tensor("i", T.INT64, [2], [1, 4]), [2, 3])
    return build([h.make_node("Add", ["x", "s"], ["y"])], [value("x")], [value("y")], sparse_initializer=[dense])


# ---- what is refused ----------------------------------------------------------------------------------------------


@model
def cycle(path):
    nodes = [h.make_node("Add", ["x", "b"], ["a"], name="first"), relu("a", "b", "second"), relu("b", "y", "last")]
    return build(nodes, [value("x")], [value("y")])


@model
def undefined(path):
    return one_node(h.make_node("Add", ["x", "nothing"], ["y"], name="add"))


@model
def undefined_output(path):
    return build([relu("x", "a")], [value("x")], [value("y")])


@model
def twice(path):
    return build([relu("x", "y", "one"), relu("x", "y", "two")], [value("x")], [value("y")])


@model
def unnamed_input(path):
    return build([relu()], [value("x"), value("")], [value("y")])


@model
def no_op_type(path):
    return one_node(h.make_node("", ["x"], ["y"], name="what"))


@model
def no_domain(path):
    return one_node(h.make_node("Thing", ["x"], ["y"], name="thing", domain="else.where"))


@model
def old_opset(path):
    return one_node(relu(), opset=6)


@model
def new_opset(path):
    return one_node(relu(), opset=29)


@model
def old_ir(path):
    return one_node(relu(), ir_version=2)


@model
def bad_element_type(path):
    return build([relu()], [value("x", [2], 99)], [value("y")])


@model
def bad_raw_size(path):
    return build([relu()], [value("x")], [value("y")], [T(name="w", data_type=T.FLOAT, dims=[3], raw_data=b"12345678")])


@model
def bad_varint_count(path):
    return build([relu()], [value("x")], [value("y")], [T(name="w", data_type=T.INT64, dims=[3], int64_data=[1, 2])])


@model
def bad_string_count(path):
    tensor = T(name="w", data_type=T.STRING, dims=[1 << 40], string_data=[b"x"])
    return build([relu()], [value("x")], [value("y")], [tensor])


@model
def huge_shape(path):
    tensor = T(name="w", data_type=T.FLOAT, dims=[1 << 40, 1 << 40], raw_data=b"1234")
    return build([relu()], [value("x")], [value("y")], [tensor])


@model
def negative_shape(path):
    return build([relu()], [value("x")], [value("y")], [T(name="w", data_type=T.FLOAT, dims=[-4], raw_data=b"1234")])


@model
def attribute_twice(path):
    node = h.make_node("Softmax", ["x"], ["y"], name="soft", axis=1)
    node.attribute.append(h.make_attribute("axis", 0))
    return one_node(node)


@model
def attribute_without_value(path):
    node = relu()
    node.attribute.add(name="what")
    return one_node(node)


@model
def recursion(path):
    made = one_node(h.make_node("F", ["x"], ["y"], domain="local"), ir_version=9, opsets=[h.make_opsetid("local", 1)])
    imports = [h.make_opsetid("local", 1)]
    for name, other in (("F", "G"), ("G", "F")):
        node = h.make_node(other, ["a"], ["b"], name="calls" + other, domain="local")
        made.functions.append(h.make_function("local", name, ["a"], ["b"], [node], imports))
    return made


@model
def sparse_outside(path):
    dense = h.make_sparse_tensor(h.make_tensor("s", T.FLOAT, [1], [5]), h.make_tensor("i", T.INT64, [1], [9]), [2, 3])
    return build([relu()], [value("x")], [value("y")], sparse_initializer=[dense])


@model
def sparse_huge(path):
    dense = h.make_sparse_tensor(h.make_tensor("s", T.FLOAT, [1], [5]), h.make_tensor("i", T.INT64, [1], [0]), [1 << 50])
    return build([relu()], [value("x")], [value("y")], sparse_initializer=[dense])


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, payload, claim=None):
    """A length-delimited field that claims `claim` bytes."""
    return varint(number << 3 | 2) + varint(len(payload) if claim is None else claim) + payload


@model
def claim_10_gb(path):
    return b"\x08\x08" + field(7, b"", claim=10 << 30)


@model
def claim_4_gb_and_1(path):
    """A length that is small again when cut to 32 bits."""
    return b"\x08\x08" + field(7, b"\0" * 8, claim=(1 << 32) + 8)


@model
def inline_5_gb(path):
    """A graph of 5 GB, all of which is there (in a sparse file)."""
    head = b"\x08\x08" + field(7, b"", claim=5 << 30)
    path.write_bytes(head)
    with open(path, "r+b") as file:
        file.truncate(len(head) + (5 << 30))


@model
def reference_outside(path):
    node = relu()
    node.attribute.add(name="axis", ref_attr_name="by", type=onnx.AttributeProto.INT)
    return one_node(node)


@model
def truncated(path):
    return gemm(path).SerializeToString()[:60]


@model
def not_onnx(path):
    return b"this is no model\n"


@model
def empty(path):
    return b""


@model
def no_graph(path):
    return b"\x08\x08"


@model
def deep(path):
    graph = b""
    for _ in range(60):
        attribute = field(1, b"body") + field(6, graph) + b"\xa0\x01\x05"
        graph = field(1, field(4, b"If") + field(5, attribute))
    return b"\x08\x08" + field(7, graph)


def main():
    name, path = sys.argv[1], pathlib.Path(sys.argv[2])
    path.parent.mkdir(parents=True, exist_ok=True)
    made = MODELS[name](path)
    if made is not None:
        path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())


if __name__ == "__main__":
    main()
