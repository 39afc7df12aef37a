// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef BESSEMER_TILE_OPS
#define BESSEMER_TILE_OPS
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/Bess/BessBase.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::bessemer::tile";
  let summary = "Kernels: one tile program for all targets.";
  let description = [{
    A kernel runs once for every point of its grid. Its values are tiles: ranked
    `tensor`s that live on chip. Elementwise work on tiles is upstream `arith` and
    `math`, loops and branches are `scf`, index arithmetic is `arith` on `index`.
    `tile` adds what upstream lacks: the kernel with its grid, views of memory,
    loads and stores that know where a view ends, dot, reduce, broadcast, iota.

    Where the elements of a tile live is its encoding, a `#tile.layout` (a linear
    atom times integer repeats, `bessemer/Algorithms/LinearLayout.h`). Block sizes
    and register blocks are in the kernel's `schedule`, not in its body.

    A tile's extent may be `?` on targets whose tiles are scratch memory (the CPU);
    the ops that make such a tile take the extent as an operand.

    ```mlir
    // y = x * rsqrt(mean(x^2) + eps), a row for each point of the grid
    tile.kernel @rms_0 grid <"s0"> views 2 symbols 1 kind "row" reason "..." schedule {} {
    ^bb0(%x: !tile.view<<"s0", "384">, f32>, %y: !tile.view<<"s0", "384">, f32>, %s0: index, %row: index):
      %zero = arith.constant 0 : index
      %t = tile.load %x[%row, %zero] dims [1] : !tile.view<<"s0", "384">, f32> -> tensor<384xf32>
      %q = arith.mulf %t, %t : tensor<384xf32>
      %s = tile.reduce sum %q axis 0 : tensor<384xf32> -> tensor<1xf32>
      ...
      tile.store %r, %y[%row, %zero] dims [1] : tensor<384xf32>, !tile.view<<"s0", "384">, f32>
      tile.return
    }
    ```
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::bessemer::bess::BessDialect"];
}

def Tile_LayoutAttr : AttrDef<Tile_Dialect, "Layout"> {
  let mnemonic = "layout";
  let summary = "which hardware location holds which element of a tile";
  let description = "The text of a `TileLayout` (bessemer/Algorithms/LinearLayout.h).";
  let parameters = (ins StringRefParameter<>:$text);
  let assemblyFormat = "`<` $text `>`";
}

def Tile_ViewType : TypeDef<Tile_Dialect, "View"> {
  let mnemonic = "view";
  let summary = "a tensor in memory, row-major; its dimensions are expressions over the kernel's symbols s0, s1, …";
  let parameters = (ins "::bessemer::bess::DimsAttr":$dims, "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $dims `,` $elementType `>`";
  let extraClassDeclaration = [{ int64_t getRank() { return getDims().getExprs().size(); } }];
}

def Tile_ReductionKind : I32EnumAttr<"ReductionKind", "how elements are combined; umax and umin take integers as unsigned", [
    I32EnumAttrCase<"Sum", 0, "sum">, I32EnumAttrCase<"Prod", 1, "prod">,
    I32EnumAttrCase<"Max", 2, "max">, I32EnumAttrCase<"Min", 3, "min">,
    I32EnumAttrCase<"UMax", 4, "umax">, I32EnumAttrCase<"UMin", 5, "umin">,
    I32EnumAttrCase<"And", 6, "and">, I32EnumAttrCase<"Or", 7, "or">]> {
  let cppNamespace = "::bessemer::tile";
  let genSpecializedAttr = 0;
}
def Tile_ReductionKindAttr : EnumAttr<Tile_Dialect, Tile_ReductionKind, "reduction">;

def Tile_Tile : RankedTensorOf<[AnyType]>;

class Tile_Op<string mnemonic, list<Trait> traits = []> : Op<Tile_Dialect, mnemonic, traits>;

def Tile_KernelOp : Tile_Op<"kernel", [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "a tile program and the grid it runs on";
  let description = [{
    Block arguments: `views` views (inputs, then outputs), `symbols` indices (s0, s1, …), then one index for each dimension of the grid: this
    point. `schedule` holds block sizes and the like. Points of the grid are independent and may run in any order, at the same time.
    `provenance` is the location.

    The grid, the dimensions of the views, `flops` and `bytes` are expressions over s0, s1, …; the schedule's entries are integers.
  }];
  let hasVerifier = 1;
  let arguments = (ins SymbolNameAttr:$sym_name, Bess_DimsAttr:$grid, I64Attr:$views, I64Attr:$outputs, I64Attr:$symbols, StrAttr:$kind,
                       StrAttr:$reason, DictionaryAttr:$schedule, DefaultValuedStrAttr<StrAttr, "0">:$flops, DefaultValuedStrAttr<StrAttr, "0">:$bytes);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name `grid` $grid `views` $views `outputs` $outputs `symbols` $symbols `kind` $kind `reason` $reason `schedule` $schedule attr-dict-with-keyword $body
  }];
  let extraClassDeclaration = [{
    ::mlir::Value getView(unsigned i) { return getBody().getArgument(i); }
    ::mlir::Value getSymbolArgument(unsigned i) { return getBody().getArgument(getViews() + i); }
    ::mlir::Value getGridId(unsigned i) { return getBody().getArgument(getViews() + getSymbols() + i); }
  }];
}
def Tile_ReturnOp : Tile_Op<"return", [Pure, Terminator, HasParent<"KernelOp">]> {
  let summary = "ends a kernel";
  let assemblyFormat = "attr-dict";
}

def Tile_LoadOp : Tile_Op<"load", [AttrSizedOperandSegments]> {
  let summary = "read a tile";
  let description = [{
    Element (i0, i1, ..) of the tile is the view's element at `offsets`, moved by i_j along view dimension `dims[j]`. What lies outside
    of the view is 0. `sizes` gives the `?` extents of the tile. There is one offset for each dimension of the view; `dims` names
    each at most once, but for extents of 1. The tile's element type is the view's, without a sign, and i8 for float8, unless the tile is an operand of
    `tile.dot` on a GPU, which keeps the format. Where `condition` is given and
    false, nothing is read and the tile is 0. With `in_bounds` nothing lies outside.

    A GPU's lowering knows `kept = N` on loads in loops over pieces of a row (`bessemer-cut-long-rows`): input number N of a ring in shared memory. Copies to it
    start ahead, the first loop waits for them, and further loops with the same number find the piece there.
  }];
  let hasVerifier = 1;
  let arguments = (ins Tile_ViewType:$view, Variadic<Index>:$offsets, Variadic<Index>:$sizes, Optional<I1>:$condition, DenseI64ArrayAttr:$dims);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$view `[` $offsets `]` `dims` $dims (`sizes` `(` $sizes^ `)`)? (`if` $condition^)? attr-dict `:` type($view) `->` type($tile)";
  let builders = [OpBuilder<(ins "::mlir::Type":$tile, "::mlir::Value":$view, "::mlir::ValueRange":$offsets, "::mlir::ValueRange":$sizes,
                                 "::llvm::ArrayRef<int64_t>":$dims),
                            [{ build($_builder, $_state, tile, view, offsets, sizes, ::mlir::Value(), dims); }]>];
}
def Tile_LoadScalarOp : Tile_Op<"load_scalar"> {
  let summary = "read one element; the offsets must be inside of the view";
  let hasVerifier = 1;
  let arguments = (ins Tile_ViewType:$view, Variadic<Index>:$offsets);
  let results = (outs AnyType:$value);
  let assemblyFormat = "$view `[` $offsets `]` attr-dict `:` type($view) `->` type($value)";
}
def Tile_GatherOp : Tile_Op<"gather"> {
  let summary = "read elements at computed places";
  let description = [{
    Element i of the tile is the view's element number `linear[i]` in row-major order, or 0 where `mask[i]` is false.
    Where the mask is true the number must be inside of the view. Numbers, mask and result have one shape.
  }];
  let hasVerifier = 1;
  let arguments = (ins Tile_ViewType:$view, Tile_Tile:$linear, Optional<Tile_Tile>:$mask);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$view `at` $linear (`mask` $mask^)? attr-dict `:` functional-type(operands, results)";
}
def Tile_GatherRowsOp : Tile_Op<"gather_rows", [AttrSizedOperandSegments]> {
  let summary = "read rows that begin at computed places";
  let description = [{
    Element (r, c) of the tile is the view's element number `linear[r] + c` in row-major order, or 0 where `mask[r]` is false; `linear` and `mask`
    are tiles [rows, 1]. Where the mask is true all of the row must be inside of the view; the view has at least one row. `sizes` gives
    the `?` extent of the columns.
  }];
  let hasVerifier = 1;
  let arguments = (ins Tile_ViewType:$view, Tile_Tile:$linear, Optional<Tile_Tile>:$mask, Variadic<Index>:$sizes);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$view `at` $linear (`mask` $mask^)? (`sizes` `(` $sizes^ `)`)? attr-dict `:` functional-type(operands, results)";
}
def Tile_PatchesOp : Tile_Op<"patches", [AttrSizedOperandSegments]> {
  let summary = "what a window sees at a run of places of a channels-last image: the left operand of a convolution";
  let description = [{
    The view is [N, in.., groups, C]. Row r of the tile [rows, taps * C] belongs to place number `first` + r of the [N, out..] places, in
    row-major order, and holds the C channels of `group` at each tap of the window; what lies outside of the image is 0.
    `sizes` gives a `?` number of rows. On the CPU the tile is scratch memory.
    ```mlir
    %p = tile.patches %x at %first group %g out(%h, %w) {window = array<i64: 3, 3>, strides = ..., dilations = ..., pads = array<i64: 1, 1>}
      : !tile.view<<"1", "8", "8", "1", "16">, f32> -> tensor<32x144xf32>
    ```
  }];
  let hasVerifier = 1;
  let arguments = (ins Tile_ViewType:$view, Index:$first, Index:$group, Variadic<Index>:$out, Variadic<Index>:$sizes,
                       DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$pads);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$view `at` $first `group` $group `out` `(` $out `)` (`sizes` `(` $sizes^ `)`)? attr-dict `:` type($view) `->` type($tile)";
}
def Tile_StoreOp : Tile_Op<"store", [AttrSizedOperandSegments]> {
  let summary = "write a tile; what lies outside of the view is not written, and nothing is where `condition` is given and false";
  let description = "Offsets and `dims` are those of `tile.load`. The view is one of the kernel's outputs.";
  let hasVerifier = 1;
  let arguments = (ins Tile_Tile:$tile, Tile_ViewType:$view, Variadic<Index>:$offsets, Optional<I1>:$condition, DenseI64ArrayAttr:$dims);
  let assemblyFormat = "$tile `,` $view `[` $offsets `]` `dims` $dims (`if` $condition^)? attr-dict `:` type($tile) `,` type($view)";
  let builders = [OpBuilder<(ins "::mlir::Value":$tile, "::mlir::Value":$view, "::mlir::ValueRange":$offsets, "::llvm::ArrayRef<int64_t>":$dims),
                            [{ build($_builder, $_state, tile, view, offsets, ::mlir::Value(), dims); }]>];
}
def Tile_CheckOp : Tile_Op<"check"> {
  let summary = "the run ends with an error when what the data says does not hold";
  let description = [{
    `ok` is an i1 or a tile of them. The kernel goes on, so what follows must be safe for any data; the run fails after the launch and names
    the node. `what` is an entry of `kernelFaults` (bessemer/Support/KernelFault.h): index, length, divisor, exponent.
    ```mlir
    %ok = arith.cmpi ult, %row, %rows : index
    tile.check %ok "index" : i1
    ```
  }];
  let arguments = (ins AnyType:$ok, StrAttr:$what);
  let assemblyFormat = "$ok $what attr-dict `:` type($ok)";
  let hasVerifier = 1;
}
def Tile_SplatOp : Tile_Op<"splat", [Pure]> {
  let summary = "a tile of one value";
  let hasVerifier = 1;
  let arguments = (ins AnyType:$value, Variadic<Index>:$sizes);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$value (`sizes` `(` $sizes^ `)`)? attr-dict `:` type($value) `->` type($tile)";
}
def Tile_IotaOp : Tile_Op<"iota", [Pure]> {
  let summary = "start + the index along `axis`, as i64";
  let hasVerifier = 1;
  let arguments = (ins Index:$start, Variadic<Index>:$sizes, I64Attr:$axis);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$start `axis` $axis (`sizes` `(` $sizes^ `)`)? attr-dict `:` type($tile)";
}
def Tile_BroadcastOp : Tile_Op<"broadcast", [Pure]> {
  let summary = "stretch extents of 1; ranks are equal";
  let hasVerifier = 1;
  let arguments = (ins Tile_Tile:$x, Variadic<Index>:$sizes);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$x (`sizes` `(` $sizes^ `)`)? attr-dict `:` type($x) `->` type($tile)";
}
def Tile_ReduceOp : Tile_Op<"reduce", [Pure]> {
  let summary = "combine along `axis`, which becomes 1 or goes away";
  let description = [{
    The order in which elements are combined is free; a sum of many floats is a sum of partial sums. A `max` that finds a NaN is NaN;
    with `skip_nan` it may be the largest of the others, which takes one instruction instead of three. It is for a reader that meets the NaN
    elsewhere.
  }];
  let hasVerifier = 1;
  let arguments = (ins Tile_ReductionKindAttr:$kind, Tile_Tile:$x, I64Attr:$axis, UnitAttr:$skip_nan);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$kind $x `axis` $axis attr-dict `:` type($x) `->` type($tile)";
}
def Tile_DotOp : Tile_Op<"dot", [Pure]> {
  let summary = "a [M, K] (or [K, M] with `transpose_a`) times b [K, N] (or [N, K] with `transpose_b`), summed in the result's type";
  let description = [{
    An operand that is a `tile.load` stays in memory. On the CPU the result is made in register blocks of the kernel's schedule.
    A `b` of rank 3 is in panels: [N / block, K, block]; the result may have fewer columns than the panels together.
    `transpose_a` is for a GPU: `a` is a load then, and `b` no panels.
  }];
  let hasVerifier = 1;
  let arguments = (ins Tile_Tile:$a, Tile_Tile:$b, UnitAttr:$transpose_b, UnitAttr:$transpose_a);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$a `,` $b attr-dict `:` type($a) `,` type($b) `->` type($tile)";
}
def Tile_ConvertOp : Tile_Op<"convert", [Pure]> {
  let summary = "the same tile in another layout: the encoding of the result";
  let description = [{
    Placed by `bessemer-assign-gpu-layouts` where an op wants its operand elsewhere. How the elements get there (registers, shuffles, shared memory)
    follows from the two layouts (`bessemer/Algorithms/LayoutConversion.h`). Without layouts it is the tile itself.
    ```mlir
    %p = tile.convert %w : tensor<64x64xf16, #tile.layout<"...">> -> tensor<64x64xf16, #tile.layout<"...">>
    ```
  }];
  let hasVerifier = 1;
  let arguments = (ins Tile_Tile:$x);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($tile)";
}
def Tile_PanelsOp : Tile_Op<"panels", [Pure]> {
  let summary = "the [K, N] (or [N, K] with `transposed`) tile as panels [ceil(N / block), K, block] in scratch memory";
  let hasVerifier = 1;
  let arguments = (ins Tile_Tile:$x, I64Attr:$block, UnitAttr:$transposed);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$x `block` $block attr-dict `:` type($x) `->` type($tile)";
}
#endif
