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
    A model is a `builtin.module` with the attributes `onnx.ir_version`, `onnx.opsets` (domain -> version), `onnx.producer_name`,
    `onnx.metadata` and so on; the main graph is `func.func @main` whose arguments and results carry `onnx.name`
    (a dictionary attribute) and `onnx.dims` where a dimension has a name. Local functions are `func.func private @"domain:name:overload"` with
    `onnx.function`. Value names are kept in `onnx.node`'s `output_names`.
  }];
  let useDefaultTypePrinterParser = 1;
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

def Onnx_NodeOp : Op<Onnx_Dialect, "node", []> {
  let summary = "one node of an ONNX graph";
  let description = [{
    `version` is the opset version of the node's domain that the model imports. An absent optional operand is `onnx.absent`.
    Attributes of the node are in `onnx_attributes`, named as in ONNX: ints are i64, floats f32, tensors elements attributes or,
    when they have more than 64 KiB, `#bess.source` with the type beside it ({source, type}). Graph attributes are regions, in the order of
    `subgraph_names`; they see the values around them and end in `onnx.return`. Function bodies use `ref_attrs` (attribute name -> name of the
    function's attribute).
    ```mlir
    %3 = onnx.node "Gemm"(%x, %w, %absent) version 13 name "fc1" outputs ["h"] {transB = 1 : i64} : (...) -> tensor<?x128xf32>
    ```
  }];
  let arguments = (ins StrAttr:$op_type, StrAttr:$domain, I64Attr:$version, StrAttr:$node_name, StrArrayAttr:$output_names,
                       DictionaryAttr:$onnx_attributes, StrArrayAttr:$subgraph_names, OptionalAttr<DictionaryAttr>:$ref_attrs,
                       OptionalAttr<DictionaryAttr>:$metadata, Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region VariadicRegion<AnyRegion>:$subgraphs);
  let assemblyFormat = [{
    $op_type `(` $inputs `)` `domain` $domain `version` $version `name` $node_name `outputs` $output_names
    `subgraphs` $subgraph_names attr-dict `:` functional-type($inputs, $outputs) $subgraphs
  }];
}
def Onnx_WeightOp : Op<Onnx_Dialect, "weight", [Pure]> {
  let summary = "an initializer: its name and where its bytes are";
  let arguments = (ins StrAttr:$name, Bess_SourceAttr:$source);
  let results = (outs AnyType:$y);
  let assemblyFormat = "$name $source attr-dict `:` type($y)";
}
def Onnx_ConstantOp : Op<Onnx_Dialect, "constant", [Pure, ConstantLike]> {
  let summary = "an initializer whose elements are in the IR (string tensors, and small ones without a range of bytes)";
  let arguments = (ins StrAttr:$name, AnyAttr:$value);
  let results = (outs AnyType:$y);
  let assemblyFormat = "$name attr-dict `:` type($y)";
}
def Onnx_AbsentOp : Op<Onnx_Dialect, "absent", [Pure]> {
  let summary = "an optional operand that is not there";
  let results = (outs Onnx_AbsentType:$y);
  let assemblyFormat = "attr-dict";
}
def Onnx_ReturnOp : Op<Onnx_Dialect, "return", [Pure, Terminator]> {
  let summary = "ends a subgraph";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}
#endif
