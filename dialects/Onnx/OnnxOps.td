// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef BESSEMER_ONNX_OPS
#define BESSEMER_ONNX_OPS
include "mlir/IR/OpBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/Bess/BessBase.td"

def Onnx_Dialect : Dialect {
  let name = "onnx";
  let cppNamespace = "::bessemer::onnx";
  let summary = "An ONNX model as it is in the file: one op for every node.";
  let description = [{
    A model is a `builtin.module` with the attributes `onnx.ir_version`,
    `onnx.opsets` (an array of `{domain, version}`), `onnx.producer_name`,
    `onnx.metadata` (an array of `[key, value]`) and so on.

    The main graph is `func.func @main`. Its arguments and results carry
    `onnx.name`. Named dimensions are in the tensor types (`#bess.dims`); a
    dimension without a name gets a fresh symbol such as `x.d0`. A graph input
    that has an initializer is an `onnx.weight`, not an argument.

    A local function is `func.func private @"domain:name:overload"` with the
    dictionary `onnx.function`; the types of its values are `!onnx.unknown`
    wherever the file does not say.

    Names of values are in `output_names` of `onnx.node`, in `name` of
    `onnx.weight` and `onnx.constant`, and for the arguments of a subgraph in
    `details.graphs[i].inputs`.

    Locations are `NameLoc(node name, FileLineColLoc(file, N, 0))`, where N is
    the number of the node in its graph, from 1. A node without a name is
    called by its op type and number, such as `Gemm_12`. Inputs and
    initializers have N = 0.

    Attributes called `details`, `onnx.details` or `onnx.graph` hold only what
    the way back to ONNX needs; nothing else reads them.
  }];
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::bessemer::bess::BessDialect"];
}

class Onnx_Type<string name, string mnemonic_> : TypeDef<Onnx_Dialect, name> { let mnemonic = mnemonic_; }
def Onnx_UnknownType : Onnx_Type<"Unknown", "unknown"> {
  let summary = "a value whose type the file does not say; legalization infers it";
}
def Onnx_AbsentType : Onnx_Type<"Absent", "absent"> {
  let summary = "the type of an optional operand that is not there";
}
def Onnx_StringType : Onnx_Type<"String", "string"> { let summary = "element type of string tensors"; }
def Onnx_SequenceType : Onnx_Type<"Sequence", "sequence"> {
  let summary = "an ONNX sequence";
  let parameters = (ins "::mlir::Type":$element);
  let assemblyFormat = "`<` $element `>`";
}
def Onnx_OptionalType : Onnx_Type<"Optional", "optional"> {
  let summary = "an ONNX optional";
  let parameters = (ins "::mlir::Type":$element);
  let assemblyFormat = "`<` $element `>`";
}
def Onnx_MapType : Onnx_Type<"Map", "map"> {
  let summary = "an ONNX map";
  let parameters = (ins "::mlir::Type":$key, "::mlir::Type":$value);
  let assemblyFormat = "`<` $key `,` $value `>`";
}

def Onnx_SparseType : Onnx_Type<"Sparse", "sparse"> {
  let summary = "an ONNX sparse tensor";
  let parameters = (ins "::mlir::Type":$dense);
  let assemblyFormat = "`<` $dense `>`";
}
def Onnx_OpaqueType : Onnx_Type<"Opaque", "opaque"> {
  let summary = "an ONNX opaque type";
  let parameters = (ins StringRefParameter<>:$domain, StringRefParameter<>:$name);
  let assemblyFormat = "`<` $domain `,` $name `>`";
}

def Onnx_NodeOp : Op<Onnx_Dialect, "node", []> {
  let summary = "one node of an ONNX graph";
  let description = [{
    `domain` is "" for the default domain (also when the file says `ai.onnx`).
    `version` is the opset version of that domain that the model, or the
    function around the node, imports. An absent optional operand is
    `onnx.absent`; an output that is not wanted has the name "" and the type
    `!onnx.absent`.

    `onnx_attributes` has the node's attributes, named as in ONNX. By kind:

    | ONNX      | here                                                     |
    |-----------|----------------------------------------------------------|
    | INT       | `i64` integer attribute                                  |
    | FLOAT     | `f32` float attribute                                    |
    | STRING    | string attribute                                         |
    | INTS      | `array<i64: ...>` (DenseI64ArrayAttr)                    |
    | FLOATS    | `array<f32: ...>` (DenseF32ArrayAttr)                    |
    | STRINGS   | array of string attributes                               |
    | TENSOR    | elements attribute; of more than 64 KiB: `{source = #bess.source<...>, type = tensor<...>}` |
    | SPARSE_TENSOR | `{values = tensor, indices = tensor, dims = array<i64: ...>}` |
    | TYPE_PROTO| type attribute                                           |
    | TENSORS, SPARSE_TENSORS, TYPE_PROTOS | array of the above            |
    | GRAPH     | a region; its name is in `subgraph_names` at the same position |
    | GRAPHS    | one region for each, named `name[0]`, `name[1]` ...      |
    | a reference to a function's attribute | in `ref_attrs`: attribute name -> name of the function's attribute |

    A region sees the values around it, has the subgraph's inputs as block
    arguments and ends in `onnx.return`. `getInt` and the like (Onnx.h) read attributes with
    defaults.

    `device_configurations` are ONNX's sharding annotations
    (NodeDeviceConfigurationProto) as dictionaries: `configuration`,
    `pipeline_stage` and `sharding`, a list of `{tensor, devices, groups,
    dims}`; each of `groups` is `{key, value}`, each of `dims` is `{axis,
    shards}`, each of `shards` is `{dim, num_shards}`. A key is there when the
    field is.
    ```mlir
    %3 = onnx.node "Gemm"(%x, %w, %absent) version 13 name "fc1" outputs ["h"]
         attributes {transB = 1 : i64} : (...) -> tensor<?x128xf32, #bess.dims<"batch", "128">>
    ```
  }];
  let arguments = (ins StrAttr:$op_type, DefaultValuedStrAttr<StrAttr, "">:$domain, DefaultValuedStrAttr<StrAttr, "">:$overload,
                       I64Attr:$version, DefaultValuedStrAttr<StrAttr, "">:$node_name, StrArrayAttr:$output_names,
                       DefaultValuedAttr<DictionaryAttr, "{}">:$onnx_attributes,
                       DefaultValuedAttr<StrArrayAttr, "{}">:$subgraph_names,
                       OptionalAttr<DictionaryAttr>:$ref_attrs, OptionalAttr<ArrayAttr>:$metadata,
                       OptionalAttr<ArrayAttr>:$device_configurations, OptionalAttr<DictionaryAttr>:$details,
                       Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region VariadicRegion<AnyRegion>:$subgraphs);
  let assemblyFormat = [{
    $op_type `(` $inputs `)` (`domain` $domain^)? (`overload` $overload^)? `version` $version (`name` $node_name^)?
    `outputs` $output_names (`attributes` $onnx_attributes^)? (`refs` $ref_attrs^)? (`metadata` $metadata^)?
    (`devices` $device_configurations^)? (`details` $details^)? attr-dict `:` functional-type($inputs, $outputs)
    (`subgraphs` $subgraph_names^)? $subgraphs
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// `node "fc1" (Gemm)`, as diagnostics call it; `node #12 (Gemm)` when it has no name.
    std::string describe();
    /// The region that is the graph attribute `name`, or null.
    ::mlir::Region *getSubgraph(::llvm::StringRef name);
  }];
}
def Onnx_WeightOp : Op<Onnx_Dialect, "weight", [Pure]> {
  let summary = "an initializer, or a Constant node with a tensor: its name and where its bytes are";
  let description = [{
    `details` has what the way back to ONNX needs: the TensorProto field that
    the bytes are in, the external data entries, the Constant node.
    ```mlir
    %w = onnx.weight "fc1.w" <file = "m.onnx", offset = 1234, length = 2359296> : tensor<768x768xf32>
    ```
  }];
  let arguments = (ins StrAttr:$name, Bess_SourceAttr:$source, OptionalAttr<DictionaryAttr>:$details);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$name $source (`details` $details^)? attr-dict `:` type($y)";
  let hasVerifier = 1;
}
def Onnx_ConstantOp : Op<Onnx_Dialect, "constant", [Pure, AllTypesMatch<["value", "y"]>]> {
  let summary = "a constant whose elements are in the IR";
  let description = [{
    String tensors, sparse initializers, Constant nodes with numbers or
    strings, and small tensors whose bytes are in more than one piece of the
    file. A Constant node that yields a sparse tensor is kept as `onnx.node`.
    ```mlir
    %c = onnx.constant "axes" dense<[1, 2]> : tensor<2xi64>
    ```
  }];
  let arguments = (ins StrAttr:$name, ElementsAttr:$value, OptionalAttr<DictionaryAttr>:$details);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$name $value (`details` $details^)? attr-dict";
}
def Onnx_AbsentOp : Op<Onnx_Dialect, "absent", [Pure]> {
  let summary = "an optional operand that is not there";
  let description = [{
    Stands where a node's list of inputs has an empty name.
    ```mlir
    %absent = onnx.absent
    %y = onnx.node "Clip"(%x, %absent, %max) version 13 outputs ["y"] : ...
    ```
  }];
  let results = (outs Onnx_AbsentType:$y);
  let assemblyFormat = "attr-dict";
}
def Onnx_ReturnOp : Op<Onnx_Dialect, "return", [Pure, Terminator]> {
  let summary = "ends a subgraph";
  let description = [{
    Its operands are the subgraph's outputs.
    ```mlir
    onnx.return %3 : tensor<2x3xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}
#endif
