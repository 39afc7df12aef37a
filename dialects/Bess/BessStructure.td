// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights, symbols, calls, fusions, and the ops that move elements.
#ifndef BESSEMER_BESS_STRUCTURE
#define BESSEMER_BESS_STRUCTURE
include "dialects/Bess/BessBase.td"

// ---- weights and constants -------------------------------------------------

def Bess_WeightOp : Bess_Op<"weight", [Pure]> {
  let summary = "a weight: a name and where its bytes are";
  let description = [{
    Never loaded by the compiler, except by the constant folder when it has
    64 KiB or less.
    ```mlir
    %w = bess.weight "h0.fc.w" #bess.source<file = "m.onnx", offset = 128, length = 9437184, encoding = "raw"> : tensor<768x3072xf32>
    ```
  }];
  let arguments = (ins StrAttr:$name, Bess_SourceAttr:$source);
  let results = (outs Bess_Tensor:$y);
  let assemblyFormat = "$name $source attr-dict `:` type($y)";
  let hasVerifier = 1;
}
def Bess_ConstantOp : Bess_Op<"constant", [Pure, ConstantLike, AllTypesMatch<["value", "y"]>]> {
  let summary = "a small constant that the compiler may look into (64 KiB and less)";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Bess_Tensor:$y);
  let assemblyFormat = "$value attr-dict";
  let hasFolder = 1;
}
def Bess_PackOp : Bess_Op<"pack", [Pure]> {
  let summary = "a weight in the order in which a kernel reads it";
  let description = [{
    `layout = "panels"` : [.., K, N] becomes [.., ceil(N/block), K, block], zero-padded; with `transposed`
    the operand is [.., N, K]. Chosen by the layout phase; run by the loader, not by the compiler.
  }];
  let arguments = (ins Bess_Tensor:$x, StrAttr:$layout, I64Attr:$block, UnitAttr:$transposed);
  let results = (outs Bess_Tensor:$y);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

// ---- symbols ---------------------------------------------------------------

def Bess_BindSymbolsOp : Bess_Op<"bind_symbols"> {
  let summary = "define symbols by the elements of a small integer tensor";
  let description = [{
    The way from data to dimensions: run by the host, which waits for `x` first.
    Element i (in row-major order) becomes the symbol `symbols[i]`.
  }];
  let arguments = (ins Bess_Tensor:$x, StrArrayAttr:$symbols);
  let hasVerifier = 1;
}
def Bess_FromDimsOp : Bess_Op<"from_dims", [Pure]> {
  let summary = "a small integer tensor of values over symbols: the way from dimensions to data";
  let description = "`dims` has the elements in row-major order; the result's type is i64 or i32 with that many elements.";
  let arguments = (ins Bess_DimsAttr:$dims);
  let results = (outs Bess_Tensor:$y);
  let assemblyFormat = "$dims attr-dict `:` type($y)";
  let hasVerifier = 1;
}
def Bess_GuardOp : Bess_Op<"guard"> {
  let summary = "what must hold of the symbols for the program to be right";
  let description = "`relation` is `eq`, `le` or `lt`; checked by the host before the first kernel that depends on it.";
  let arguments = (ins StrAttr:$relation, StrAttr:$lhs, StrAttr:$rhs, StrAttr:$message);
  let assemblyFormat = "$relation $lhs $rhs $message attr-dict";
  let hasVerifier = 1;
}

// ---- groups and calls --------------------------------------------------------

def Bess_FusionOp : Bess_Op<"fusion", [IsolatedFromAbove, SingleBlock]> {
  let summary = "ops that become one kernel, and why";
  let description = [{
    The region's arguments are the operands; it ends in `bess.yield`. `kind` is the tile program that makes the kernel
    ("map", "reduce", "matmul", "attention", "conv", "gather", …), `reason` is what `bessemer explain` prints.
  }];
  let arguments = (ins StrAttr:$kind, StrAttr:$reason, Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$kind `(` $inputs `)` `reason` $reason attr-dict `:` functional-type($inputs, $outputs) $body";
  let hasVerifier = 1;
}
def Bess_YieldOp : Bess_Op<"yield", [Pure, Terminator, ParentOneOf<["FusionOp"]>]> {
  let summary = "ends a fusion";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}
def Bess_LaunchOp : Bess_Op<"launch"> {
  let summary = "run a compiled kernel";
  let description = [{
    `kernel` is a `tile.kernel`. Operands are its inputs, results its outputs, in the order of the kernel's views.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$outputs);
  let assemblyFormat = "$kernel `(` $inputs `)` attr-dict `:` functional-type($inputs, $outputs)";
}

def Bess_PrepareOp : Bess_Op<"prepare", [Pure]> {
  let summary = "tensors made from weights once, when the program is loaded";
  let description = [{
    `function` is a private function over the weights: packing, transposing, dequantizing, folding a normalization. The loader
    runs it as it streams the weights in; the compiler never sees their bytes.
    ```mlir
    %p = bess.prepare @prepare_0(%w) : (tensor<768x3072xf32>) -> tensor<192x768x16xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$function, Variadic<Bess_Tensor>:$weights);
  let results = (outs Variadic<Bess_Tensor>:$outputs);
  let assemblyFormat = "$function `(` $weights `)` attr-dict `:` functional-type($weights, $outputs)";
}

// ---- the memory plan -----------------------------------------------------------

def Bess_StorageAttr : Bess_Attr<"Storage", "storage"> {
  let summary = "memory of a function that holds one or several values, one after the other or one within the other";
  let description = [{
    `kind` is input, output, weight, constant, arena or pool (allocated at run time). `index` is the number of the argument or
    result. `bytes` is an expression over symbols. The storage lives from op number `lower` to before op number `upper`
    (ops of the function counted in the order of their text, nested ones too). `offset` is the place in the frame, -1 when the
    runtime plans it.
  }];
  let parameters = (ins StringRefParameter<>:$kind, "int64_t":$index, "::mlir::StringAttr":$bytes, "int64_t":$lower,
                        "int64_t":$upper, "int64_t":$offset);
  let assemblyFormat = "`<` struct(params) `>`";
}
def Bess_PlacementAttr : Bess_Attr<"Placement", "placement"> {
  let summary = "where a value lies: a number in the function's `bess.storages`, and an offset in bytes";
  let parameters = (ins "int64_t":$storage, "::mlir::StringAttr":$offset);
  let assemblyFormat = "`<` $storage `,` $offset `>`";
}

// ---- moving elements ---------------------------------------------------------

def Bess_ReshapeOp : Bess_Op<"reshape", [Pure]> {
  let summary = "the same elements in the same order, in the result type's shape";
  let arguments = (ins Bess_Tensor:$x);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}
def Bess_BroadcastOp : Bess_Op<"broadcast", [Pure]> {
  let summary = "stretch to the result type's shape, NumPy style (ONNX Expand)";
  let arguments = (ins Bess_Tensor:$x);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}
def Bess_TransposeOp : Bess_PureOp<"transpose"> {
  let summary = "result dimension i is operand dimension permutation[i]";
  let arguments = (ins Bess_Tensor:$x, DenseI64ArrayAttr:$permutation);
  let results = (outs Bess_Tensor:$y);
}
def Bess_SliceOp : Bess_Op<"slice", [Pure]> {
  let summary = "elements at offsets[d] + i * steps[d], i in [0, result dimension d)";
  let description = "`offsets` has one expression a dimension, already clamped; steps may be negative. The result's type says how many.";
  let arguments = (ins Bess_Tensor:$x, Bess_DimsAttr:$offsets, DenseI64ArrayAttr:$steps);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}
def Bess_ConcatOp : Bess_PureOp<"concat"> {
  let summary = "operands one after the other along `axis`";
  let arguments = (ins Variadic<Bess_Tensor>:$xs, I64Attr:$axis);
  let results = (outs Bess_Tensor:$y);
}
def Bess_PadOp : Bess_Op<"pad", [Pure]> {
  let summary = "add elements before and after; negative amounts cut";
  let description = "`mode` is constant, reflect, edge or wrap; `low` has one expression a dimension, the result's type gives the rest. `value` is a scalar (absent: 0).";
  let arguments = (ins Bess_Tensor:$x, Optional<Bess_Tensor>:$value, Bess_DimsAttr:$low, DefaultValuedStrAttr<StrAttr, "constant">:$mode);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}
def Bess_RepeatOp : Bess_Op<"repeat", [Pure]> {
  let summary = "the operand again and again along each dimension (ONNX Tile)";
  let description = "result[i] = x[i mod extent]; the result's type gives the counts.";
  let arguments = (ins Bess_Tensor:$x);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}
def Bess_ReverseOp : Bess_PureOp<"reverse"> {
  let summary = "flip along the given axes";
  let arguments = (ins Bess_Tensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs Bess_Tensor:$y);
}
def Bess_RangeOp : Bess_Op<"range", [Pure]> {
  let summary = "start + i * delta; both are scalars";
  let arguments = (ins Bess_Tensor:$start, Bess_Tensor:$delta);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}
def Bess_IotaOp : Bess_Op<"iota", [Pure]> {
  let summary = "the index along `axis` at each place";
  let arguments = (ins I64Attr:$axis);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}
def Bess_GatherOp : Bess_PureOp<"gather"> {
  let summary = "whole slices of `x` along `axis`, chosen by `indices` (ONNX Gather)";
  let description = "A negative index counts from the end. Result shape: x[:axis] + indices + x[axis+1:].";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$indices, I64Attr:$axis);
  let results = (outs Bess_Tensor:$y);
}
def Bess_GatherElementsOp : Bess_PureOp<"gather_elements"> {
  let summary = "single elements along `axis`, chosen by `indices` of the result's shape";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$indices, I64Attr:$axis);
  let results = (outs Bess_Tensor:$y);
}
def Bess_GatherNdOp : Bess_PureOp<"gather_nd"> {
  let summary = "slices of `x` by index tuples in the last dimension of `indices`";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$indices, I64Attr:$batch_dims);
  let results = (outs Bess_Tensor:$y);
}
def Bess_ScatterElementsOp : Bess_PureOp<"scatter_elements", [BessOpaque]> {
  let summary = "a copy of `x` with single elements replaced or combined";
  let description = "`reduction` is none, add, mul, max or min.";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$indices, Bess_Tensor:$updates, I64Attr:$axis, DefaultValuedStrAttr<StrAttr, "none">:$reduction);
  let results = (outs Bess_Tensor:$y);
}
def Bess_ScatterNdOp : Bess_PureOp<"scatter_nd", [BessOpaque]> {
  let summary = "a copy of `x` with slices replaced or combined by index tuples";
  let description = "`reduction` is none, add, mul, max or min.";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$indices, Bess_Tensor:$updates, DefaultValuedStrAttr<StrAttr, "none">:$reduction);
  let results = (outs Bess_Tensor:$y);
}
#endif
