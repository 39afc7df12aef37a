// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The `bess` dialect itself, its attributes, and the base classes of its ops.
#ifndef BESSEMER_BESS_BASE
#define BESSEMER_BESS_BASE

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/IR/RegionKindInterface.td"

def Bess_Dialect : Dialect {
  let name = "bess";
  let cppNamespace = "::bessemer::bess";
  let summary = "The graph level: what a model computes, on tensors.";
  let description = [{
    Values are `tensor`s. A dimension is a constant or `?`; a tensor with a `?`
    carries the encoding `#bess.dims`, which says what each dimension is: a
    constant or an expression over named symbols. Two dimensions are equal when
    their expressions are (they are kept in canonical form). A tensor without
    `?` has no encoding.

    Signedness is in the type: `ui8` is unsigned, `i8` is signed, `i1` is bool.
    (One fact in one place: with signless integers some thirty ops would carry
    a flag, and a graph input of type uint8 would need one too.)

    Elementwise ops broadcast as NumPy does: ranks are aligned at the right, a
    dimension of constant 1 stretches, all others are equal.

    There are three classes of ops:
     * *structured* ops declare their iteration space (`StructuredOp`);
     * *composite* ops (softmax, normalizations, attention, rope) declare a
       decomposition into structured ones (`CompositeOp`);
     * *opaque* ops (topk, nonzero, recurrences …) have only a kernel in
       `lib/Kernels`, and a tile program where one was written.
    Every op has a reference kernel in `lib/Kernels` under its own name.
  }];
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

class Bess_Attr<string name, string mnemonic_, list<Trait> traits = []>
    : AttrDef<Bess_Dialect, name, traits> {
  let mnemonic = mnemonic_;
}

def Bess_DimsAttr : Bess_Attr<"Dims", "dims"> {
  let summary = "dimensions, or other integers, as expressions over named symbols";
  let description = [{
    Each entry is the canonical text of a `SymbolicExpr`
    (`bessemer/Algorithms/SymbolicExpr.h`). As a tensor's encoding it has one
    entry for each dimension.
    ```mlir
    tensor<?x?x384xf32, #bess.dims<"batch", "seq", "384">>
    ```
  }];
  let parameters = (ins ArrayRefParameter<"::mlir::StringAttr">:$exprs);
  let hasCustomAssemblyFormat = 1;
}

def Bess_SourceAttr : Bess_Attr<"Source", "source"> {
  let summary = "where the bytes of a weight are: a range of a file";
  let description = [{
    `file` is the path as given at import (relative external files are resolved
    beside the model), or `host:KEY` for a pointer that the host owns.
    `encoding` is `raw` (little-endian elements, as in memory) or `varint`
    (protobuf packed varints: TensorProto.int32_data and int64_data) or
    `float16_varint` (TensorProto.int32_data that carries 16-bit patterns).
    The bytes are read by the constant folder (64 KiB and less) and by the
    loader, never otherwise.
  }];
  let parameters = (ins StringRefParameter<>:$file, "int64_t":$offset, "int64_t":$length,
                        StringRefParameter<"", "\"raw\"">:$encoding);
  let assemblyFormat = "`<` struct(params) `>`";
}

// ---- base classes ----------------------------------------------------------

def Bess_Tensor : RankedTensorOf<[AnyType]>;

def StructuredOp : OpInterface<"StructuredOp"> {
  let cppNamespace = "::bessemer::bess";
  let description = [{
    An op whose meaning is a perfect loop nest with one scalar expression in
    it. From what it declares follow fusion legality, tiling, the cost and (in
    a later issue) the sharding rule.
  }];
  let methods = [
    InterfaceMethod<"Kind of each loop, outermost first.",
      "::llvm::SmallVector<::bessemer::bess::LoopKind>", "getLoopKinds", (ins)>,
    InterfaceMethod<[{For each operand and then each result, the map from loops to
      its dimensions. A broadcast dimension maps to the constant 0.}],
      "::llvm::SmallVector<::mlir::AffineMap>", "getIndexingMaps", (ins)>,
    InterfaceMethod<"Arithmetic operations for one point of the iteration space.",
      "double", "getOpsPerPoint", (ins)>,
  ];
}

def BessElementwise : NativeOpTrait<"Elementwise"> { let cppNamespace = "::bessemer::bess"; }
def CompositeOp : OpInterface<"CompositeOp"> {
  let cppNamespace = "::bessemer::bess";
  let description = [{
    An op that is short for several structured ones. A target without a program for it, or for this form of it, runs the
    decomposition; `bessemer-decompose` shows it.
  }];
  let methods = [
    InterfaceMethod<[{Builds the decomposition where `builder` stands; a value for each result. Failure, with nothing built,
      for forms that have none (integers, heads whose number is not known).}],
      "::mlir::FailureOr<::llvm::SmallVector<::mlir::Value>>", "decompose", (ins "::mlir::OpBuilder &":$builder)>,
  ];
}
def BessOpaque : NativeOpTrait<"Opaque"> { let cppNamespace = "::bessemer::bess"; }

class Bess_Op<string mnemonic, list<Trait> traits = []> : Op<Bess_Dialect, mnemonic, traits> {
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

// `inferReturnTypes` on the adaptor, and compatibility of types as `compatibleTypes` (Bess.h) defines it.
def Bess_InferTypes : InferTypeOpAdaptorBase<[{
  static bool isCompatibleReturnTypes(::mlir::TypeRange l, ::mlir::TypeRange r) {
    return ::bessemer::bess::compatibleTypes(l, r);
  }
}]>;

// An op without side effects whose result types follow from operands and attributes.
class Bess_PureOp<string mnemonic, list<Trait> traits = []>
    : Bess_Op<mnemonic, !listconcat([Pure, Bess_InferTypes], traits)>;

class Bess_Unary<string mnemonic, string meaning> : Bess_PureOp<mnemonic, [BessElementwise, DeclareOpInterfaceMethods<StructuredOp>]> {
  let summary = meaning;
  let description = "Elementwise: `y = " # meaning # "`. The result has the operand's type.";
  let arguments = (ins Bess_Tensor:$x);
  let results = (outs Bess_Tensor:$y);
}
class Bess_Predicate<string mnemonic, string meaning> : Bess_Unary<mnemonic, meaning> {
  let description = "Elementwise: `y = " # meaning # "`. The result is of `i1`.";
}
class Bess_Binary<string mnemonic, string meaning> : Bess_PureOp<mnemonic, [BessElementwise, DeclareOpInterfaceMethods<StructuredOp>]> {
  let summary = meaning;
  let description = "Elementwise with broadcasting: `y = " # meaning # "`. Operands and result have one element type.";
  let arguments = (ins Bess_Tensor:$a, Bess_Tensor:$b);
  let results = (outs Bess_Tensor:$y);
}
class Bess_Compare<string mnemonic, string meaning> : Bess_Binary<mnemonic, meaning> {
  let description = "Elementwise with broadcasting: `y = " # meaning # "`. Operands have one element type, the result is of `i1`.";
}
class Bess_Composite<string mnemonic, list<Trait> traits = []> : Bess_PureOp<mnemonic, !listconcat([DeclareOpInterfaceMethods<CompositeOp>], traits)>;
class Bess_Opaque<string mnemonic, list<Trait> traits = []> : Bess_PureOp<mnemonic, !listconcat([BessOpaque], traits)>;

#endif
