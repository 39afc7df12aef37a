// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Contractions, reductions, windows, normalizations, attention, recurrences,
// and the opaque ops.
#ifndef BESSEMER_BESS_COMPUTE
#define BESSEMER_BESS_COMPUTE
include "dialects/Bess/BessBase.td"

// ---- structured ---------------------------------------------------------------

def Bess_MatmulOp : Bess_PureOp<"matmul", [DeclareOpInterfaceMethods<StructuredOp>]> {
  let summary = "matrix product, batched as NumPy's matmul for ranks of at least 2";
  let description = [{
    a: [.., M, K] (or [.., K, M] with `transpose_a`), b: [.., K, N] (or [.., N, K] with `transpose_b`), batch dimensions broadcast.
    Loops: batch.., m, n parallel, k reduction. Floats narrower than f32 are summed in f32; integers in i32 (result type `to` when given).
    With `to` the operands may be of two float types: float8 weights beside wider activations (`bessemer-narrow-products`).
  }];
  let arguments = (ins Bess_Tensor:$a, Bess_Tensor:$b, UnitAttr:$transpose_a, UnitAttr:$transpose_b, OptionalAttr<TypeAttr>:$to);
  let results = (outs Bess_Tensor:$y);
}
def Bess_MatmulPartsOp : Bess_PureOp<"matmul_parts", [DeclareOpInterfaceMethods<StructuredOp>]> {
  let summary = "a matrix product in parts of its depth: a product for each, in f32; `sum_parts` adds them";
  let description = [{
    a and b as for `matmul`, floats. The result is [P, batch.., M, N] in f32: part p is the product over the depth from p * `part_depth` on,
    `part_depth` of it or what is left, and P = ceil(K / `part_depth`). Loops: p, batch.., m, n parallel, k < `part_depth` reduction; a depth
    p * `part_depth` + k that is not below K adds nothing. The layout phase makes it for a GPU, where a product has fewer blocks than there are multiprocessors.
    ```mlir
    %p = bess.matmul_parts %a, %b {part_depth = 1024 : i64} : (tensor<16x2500xf16>, tensor<2500x512xf16>) -> tensor<3x16x512xf32>
    %y = bess.sum_parts %p {to = f16} : (tensor<3x16x512xf32>) -> tensor<16x512xf16>
    ```
  }];
  let arguments = (ins Bess_Tensor:$a, Bess_Tensor:$b, UnitAttr:$transpose_a, UnitAttr:$transpose_b, I64Attr:$part_depth);
  let results = (outs Bess_Tensor:$y);
}
def Bess_SumPartsOp : Bess_PureOp<"sum_parts", [DeclareOpInterfaceMethods<StructuredOp>]> {
  let summary = "the sum along the first dimension, in its order, rounded to `to` once";
  let description = [{
    x: [P, ..] in f32, P known; the result is [..]. The order is fixed: the same bits each time. Loops: p reduction, the others parallel.
    ```mlir
    %y = bess.sum_parts %p {to = bf16} : (tensor<3x16x512xf32>) -> tensor<16x512xbf16>
    ```
  }];
  let arguments = (ins Bess_Tensor:$x, TypeAttr:$to);
  let results = (outs Bess_Tensor:$y);
}
def Bess_GroupedMatmulOp : Bess_Opaque<"grouped_matmul"> {
  let summary = "rows in groups, each group times a matrix of its own: the experts of a mixture";
  let description = [{
    x: [T, K], its rows sorted by group; w: [E, K, N] (or [E, N, K] with `transpose_b`), E known; offsets: i64 [E + 1], ascending from 0 to T;
    bias: [E, N], of x's type. Rows offsets[e] .. offsets[e + 1] - 1 of the result [T, N] are those rows of x times w[e], plus bias[e];
    a group may be empty. Floats, summed in f32 and rounded once, to the type of x. Offsets that are not as said are an error of the run on the reference
    kernels; compiled kernels stay within the tensors, and rows of no group are left unwritten.
    ```mlir
    %y = bess.grouped_matmul %x, %w, %offsets, %bias {transpose_b}
      : (tensor<10x64xf16>, tensor<4x128x64xf16>, tensor<5xi64>, tensor<4x128xf16>) -> tensor<10x128xf16>
    ```
  }];
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$w, Bess_Tensor:$offsets, Optional<Bess_Tensor>:$bias, UnitAttr:$transpose_b);
  let results = (outs Bess_Tensor:$y);
}
def Bess_ReduceOp : Bess_PureOp<"reduce", [DeclareOpInterfaceMethods<StructuredOp>]> {
  let summary = "combine the elements along `axes`";
  let description = [{
    `kind`: sum, mean, prod, max, min, l1, l2, sum_square, log_sum, log_sum_exp, and, or.
    Reduced dimensions become 1 with `keepdims`, else vanish. Empty sums are 0, empty products 1, empty max/min the lowest/largest value.
  }];
  let arguments = (ins Bess_Tensor:$x, StrAttr:$kind, DenseI64ArrayAttr:$axes, DefaultValuedAttr<BoolAttr, "true">:$keepdims);
  let results = (outs Bess_Tensor:$y);
}
def Bess_ArgReduceOp : Bess_PureOp<"arg_reduce"> {
  let summary = "the index (i64) of the extreme element along `axis`";
  let arguments = (ins Bess_Tensor:$x, StrAttr:$kind, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "true">:$keepdims, DefaultValuedAttr<BoolAttr, "false">:$select_last);
  let description = "`kind` is max or min.";
  let results = (outs Bess_Tensor:$y);
}
def Bess_ConvOp : Bess_PureOp<"conv", [DeclareOpInterfaceMethods<StructuredOp>]> {
  let summary = "convolution of x [N, C, spatial..] with w [O, C/groups, window..], bias [O] optional";
  let description = [{
    `pads` is low.. then high.. as in ONNX; integers are summed in i32 (result type `to` when given).
    `layout` = "channels_last": x and the result are [N, spatial.., C] (the layout phase chooses it).
    `weight_shape` = [O, C/groups, window..] says what w was before it went into panels [groups, ceil(O/groups/block), window * C/groups, block];
    of a depthwise convolution (C/groups = 1, O = C), [window, C].
  }];
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$w, Optional<Bess_Tensor>:$bias, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$pads, I64Attr:$groups, OptionalAttr<TypeAttr>:$to,
                       DefaultValuedStrAttr<StrAttr, "channels_first">:$layout, OptionalAttr<DenseI64ArrayAttr>:$weight_shape);
  let results = (outs Bess_Tensor:$y);
}
def Bess_PoolOp : Bess_PureOp<"pool", [DeclareOpInterfaceMethods<StructuredOp>]> {
  let summary = "combine windows of the spatial dimensions of x [N, C, spatial..]";
  let description = [{
    `kind`: max, average, lp. `pads` is low.. then high.. (high pads already hold what ceil_mode adds; `ceil_pads` says how much of them
    is that, which count_include_pad does not count). `p` is for lp. `layout` = "channels_last": x and the result are [N, spatial.., C].
  }];
  let arguments = (ins Bess_Tensor:$x, StrAttr:$kind, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$ceil_pads, DefaultValuedAttr<BoolAttr, "false">:$count_include_pad, DefaultValuedAttr<I64Attr, "2">:$p,
                       DefaultValuedStrAttr<StrAttr, "channels_first">:$layout);
  let results = (outs Bess_Tensor:$y);
}

// Winograd's convolution F(m x m, 3 x 3) in three steps; the middle one is a batched `matmul`. a = m + 2.
def Bess_WinogradInputOp : Bess_PureOp<"winograd_input", [BessOpaque]> {
  let summary = "B^T d B for the overlapping a x a tiles of x [N, H, W, C]: [a * a, N * tiles, C]";
  let description = [{
    `tile` is m: 2 or 4. Tiles step by m over the result of the convolution, which has (H + pads - 2) x (W + pads - 2) places;
    `pads` is low, low, high, high. What lies outside of x is 0.
    ```mlir
    %v = bess.winograd_input %x {tile = 4 : i64, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x16xf32>) -> tensor<36x4x16xf32>
    ```
  }];
  let arguments = (ins Bess_Tensor:$x, I64Attr:$tile, DenseI64ArrayAttr:$pads);
  let results = (outs Bess_Tensor:$y);
}
def Bess_WinogradWeightsOp : Bess_PureOp<"winograd_weights", [BessOpaque]> {
  let summary = "G g G^T for the 3 x 3 weights w [O, C, 3, 3]: [a * a, C, O]";
  let description = "`tile` is m: 2 or 4. Run by the loader.";
  let arguments = (ins Bess_Tensor:$w, I64Attr:$tile);
  let results = (outs Bess_Tensor:$y);
}
def Bess_WinogradOutputOp : Bess_Op<"winograd_output", [Pure, BessOpaque]> {
  let summary = "A^T v A for products v [a * a, N * tiles, O], plus bias [O]: the convolution's result [N, H, W, O]";
  let description = "`tile` is m: 2 or 4. The result's type gives N, H and W.";
  let arguments = (ins Bess_Tensor:$v, Optional<Bess_Tensor>:$bias, I64Attr:$tile);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}

// ---- composite ----------------------------------------------------------------

def Bess_SoftmaxOp : Bess_Composite<"softmax"> {
  let summary = "exp(x - max) / sum(exp(x - max)) along `axis`; with `log`, its logarithm";
  let arguments = (ins Bess_Tensor:$x, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "false">:$log);
  let results = (outs Bess_Tensor:$y);
}
def Bess_LayerNormOp : Bess_Composite<"layer_norm"> {
  let summary = "(x - mean) / sqrt(variance + epsilon) * scale + bias over the dimensions from `axis` on";
  let description = "scale and bias broadcast to x (unidirectional); bias may be absent.";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$scale, Optional<Bess_Tensor>:$bias, I64Attr:$axis, F64Attr:$epsilon);
  let results = (outs Bess_Tensor:$y);
}
def Bess_RmsNormOp : Bess_Composite<"rms_norm"> {
  let summary = "x / sqrt(mean(x^2) + epsilon) * scale over the dimensions from `axis` on";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$scale, I64Attr:$axis, F64Attr:$epsilon);
  let results = (outs Bess_Tensor:$y);
}
def Bess_AttentionOp : Bess_Composite<"attention", [AttrSizedOperandSegments]> {
  let summary = "softmax(scale * q k^T + mask) v for each head";
  let description = [{
    q [B, Hq, S, D], k [B, Hkv, T, D], v [B, Hkv, T, Dv]; Hq is a multiple of Hkv, head h reads head h / (Hq / Hkv).
    `mask` broadcasts to [B, Hq, S, T]: i1 (true keeps) or float (added). `causal`: key j is seen by query i iff j <= i + offset,
    offset = T - S when `causal_bottom_right`, else 0. `softcap` > 0: scores become softcap * tanh(score / softcap) before the mask.
    `valid` (i64 or i32 [B], may be absent): keys at and after valid[b] are not seen. Rows in which nothing is seen give 0.
    `k_layout`/`v_layout`/`q_layout` = "bshd" when the operand is [B, S, H, D] instead.
  }];
  let arguments = (ins Bess_Tensor:$q, Bess_Tensor:$k, Bess_Tensor:$v, Optional<Bess_Tensor>:$mask, Optional<Bess_Tensor>:$valid,
                       F64Attr:$scale, DefaultValuedAttr<BoolAttr, "false">:$causal, DefaultValuedAttr<BoolAttr, "false">:$causal_bottom_right,
                       DefaultValuedAttr<F64Attr, "0.0">:$softcap,
                       DefaultValuedStrAttr<StrAttr, "bhsd">:$q_layout, DefaultValuedStrAttr<StrAttr, "bhsd">:$k_layout,
                       DefaultValuedStrAttr<StrAttr, "bhsd">:$v_layout, DefaultValuedStrAttr<StrAttr, "bhsd">:$y_layout);
  let results = (outs Bess_Tensor:$y);
}
// Opaque: `bessemer-split-keys` makes them for a GPU, which has programs for both.
def Bess_AttentionPartsOp : Bess_Opaque<"attention_parts", [AttrSizedOperandSegments]> {
  let summary = "attention in parts of its keys, each with a maximum and a sum of its own; `combine_parts` makes one of them";
  let description = [{
    Operands and attributes are those of `attention`. Of each batch the keys that exist (those below T, and below valid[b]) are cut into P = `parts` parts:
    part p has the keys from p * n on, n of them or what is left, where n is their number / P, rounded up to a multiple of `unit`. So P is known although T may not be;
    the last parts may have no key. With `of_one_query` P is 1 where S is not 1: a number of queries that only the run knows may be that of a step, or that of
    a prompt, which needs no parts to keep a machine busy and would make large results of them.

    Results, in f32, for each part and query, over the keys of the part that the query sees, s being a score after scale, softcap and mask:
     * `largest` [P, B, Hq, S]: the largest log2(e) * s; the least finite f32 where no key is seen, so that differences are numbers,
     * `sum` [P, B, Hq, S]: the sum of 2^(log2(e) * s - largest),
     * `y` [P, B, Hq, S, Dv]: the sum of 2^(log2(e) * s - largest) times the value.

    With `y_layout` = "bshd" they are [P, B, S, Hq] and [P, B, S, Hq, Dv].
    ```mlir
    // A step of a decoder: one query, 12 heads, past + 1 keys.
    %y, %m, %s = bess.attention_parts %q, %k, %v {parts = 8 : i64, unit = 64 : i64, scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>}
      : (tensor<1x12x1x64xf16>, tensor<1x12x?x64xf16, #bess.dims<"1", "12", "past + 1", "64">>, tensor<1x12x?x64xf16, #bess.dims<"1", "12", "past + 1", "64">>)
      -> (tensor<8x1x12x1x64xf32>, tensor<8x1x12x1xf32>, tensor<8x1x12x1xf32>)
    %r = bess.combine_parts %y, %m, %s {to = f16} : (tensor<8x1x12x1x64xf32>, tensor<8x1x12x1xf32>, tensor<8x1x12x1xf32>) -> tensor<1x12x1x64xf16>
    ```
  }];
  let arguments = (ins Bess_Tensor:$q, Bess_Tensor:$k, Bess_Tensor:$v, Optional<Bess_Tensor>:$mask, Optional<Bess_Tensor>:$valid,
                       I64Attr:$parts, I64Attr:$unit, UnitAttr:$of_one_query,
                       F64Attr:$scale, DefaultValuedAttr<BoolAttr, "false">:$causal, DefaultValuedAttr<BoolAttr, "false">:$causal_bottom_right,
                       DefaultValuedAttr<F64Attr, "0.0">:$softcap,
                       DefaultValuedStrAttr<StrAttr, "bhsd">:$q_layout, DefaultValuedStrAttr<StrAttr, "bhsd">:$k_layout,
                       DefaultValuedStrAttr<StrAttr, "bhsd">:$v_layout, DefaultValuedStrAttr<StrAttr, "bhsd">:$y_layout);
  let results = (outs Bess_Tensor:$y, Bess_Tensor:$largest, Bess_Tensor:$sum);
}
def Bess_CombinePartsOp : Bess_Opaque<"combine_parts"> {
  let summary = "the parts of `attention_parts` as one: the sum of their results by the sum of their sums, rounded to `to` once";
  let description = [{
    y: [P, .., D], largest and sum: [P, ..], in f32; the result is [.., D]. P is known, or at most `most_parts`. With m = the largest of `largest` along P and w = 2^(largest - m) it is
    sum(w * y) / sum(w * sum), both along P in its order: the same bits each time. Where nothing was seen (all sums are 0) it is 0.
    ```mlir
    %r = bess.combine_parts %y, %m, %s {to = bf16} : (tensor<3x2x64xf32>, tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<2x64xbf16>
    ```
  }];
  let arguments = (ins Bess_Tensor:$y, Bess_Tensor:$largest, Bess_Tensor:$sum, TypeAttr:$to, OptionalAttr<I64Attr>:$most_parts);
  let results = (outs Bess_Tensor:$result);
}
def Bess_RopeOp : Bess_Composite<"rope"> {
  let summary = "rotary position embedding of x [B, H, S, D] by cos and sin, each broadcasting to [B, H, S, rotary/2]";
  let description = "Rotates the first `rotary` of the D elements: pairs (i, i + rotary/2), or (2i, 2i+1) with `interleaved`.";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$cos, Bess_Tensor:$sin, I64Attr:$rotary, DefaultValuedAttr<BoolAttr, "false">:$interleaved);
  let results = (outs Bess_Tensor:$y);
}
// ---- opaque --------------------------------------------------------------------

// Recurrences: a loop over time around structured ops; their tile program keeps the state on the chip.
def Bess_LstmOp : Bess_Opaque<"lstm", [AttrSizedOperandSegments]> {
  let summary = "ONNX LSTM (layout 0): x [S, B, I], w [D, 4H, I], r [D, 4H, H], gates in the order i, o, f, c";
  let description = "Results y [S, D, B, H], y_h [D, B, H], y_c [D, B, H]. `activations` has three names for each direction, lower case.";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$w, Bess_Tensor:$r, Optional<Bess_Tensor>:$bias, Optional<Bess_Tensor>:$lengths,
                       Optional<Bess_Tensor>:$initial_h, Optional<Bess_Tensor>:$initial_c, Optional<Bess_Tensor>:$peephole,
                       StrAttr:$direction, StrArrayAttr:$activations, DefaultValuedAttr<F64Attr, "0.0">:$clip, DefaultValuedAttr<BoolAttr, "false">:$input_forget,
                       OptionalAttr<DenseF64ArrayAttr>:$activation_alpha, OptionalAttr<DenseF64ArrayAttr>:$activation_beta);
  let results = (outs Bess_Tensor:$y, Bess_Tensor:$y_h, Bess_Tensor:$y_c);
}
def Bess_GruOp : Bess_Opaque<"gru", [AttrSizedOperandSegments]> {
  let summary = "ONNX GRU (layout 0), gates in the order z, r, h; results y, y_h";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$w, Bess_Tensor:$r, Optional<Bess_Tensor>:$bias, Optional<Bess_Tensor>:$lengths, Optional<Bess_Tensor>:$initial_h,
                       StrAttr:$direction, StrArrayAttr:$activations, DefaultValuedAttr<F64Attr, "0.0">:$clip, DefaultValuedAttr<BoolAttr, "false">:$linear_before_reset,
                       OptionalAttr<DenseF64ArrayAttr>:$activation_alpha, OptionalAttr<DenseF64ArrayAttr>:$activation_beta);
  let results = (outs Bess_Tensor:$y, Bess_Tensor:$y_h);
}
def Bess_RnnOp : Bess_Opaque<"rnn", [AttrSizedOperandSegments]> {
  let summary = "ONNX RNN (layout 0); results y, y_h";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$w, Bess_Tensor:$r, Optional<Bess_Tensor>:$bias, Optional<Bess_Tensor>:$lengths, Optional<Bess_Tensor>:$initial_h,
                       StrAttr:$direction, StrArrayAttr:$activations, DefaultValuedAttr<F64Attr, "0.0">:$clip,
                       OptionalAttr<DenseF64ArrayAttr>:$activation_alpha, OptionalAttr<DenseF64ArrayAttr>:$activation_beta);
  let results = (outs Bess_Tensor:$y, Bess_Tensor:$y_h);
}

def Bess_ConvTransposeOp : Bess_Op<"conv_transpose", [Pure, BessOpaque]> {
  let summary = "ONNX ConvTranspose of x [N, C, spatial..] with w [C, O/groups, window..]";
  let description = "The result's type gives the spatial extents; `pads` low.. then high...";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$w, Optional<Bess_Tensor>:$bias, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$pads, I64Attr:$groups);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}
def Bess_MaxPoolIndicesOp : Bess_Op<"max_pool_indices", [Pure, BessOpaque]> {
  let summary = "the flat indices (i64) that ONNX MaxPool's second output has";
  let arguments = (ins Bess_Tensor:$x, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$pads, DefaultValuedAttr<BoolAttr, "false">:$column_major);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}
def Bess_TopKOp : Bess_Op<"topk", [Pure, BessOpaque]> {
  let summary = "the k largest (or smallest) elements along `axis` and their indices (i64); k is in the result type";
  let description = "Ties: the lower index first.";
  let arguments = (ins Bess_Tensor:$x, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "true">:$largest, DefaultValuedAttr<BoolAttr, "true">:$sorted);
  let results = (outs Bess_Tensor:$values, Bess_Tensor:$indices);
  let hasVerifier = 1;
}
def Bess_CumulateOp : Bess_Opaque<"cumulate"> {
  let summary = "running sum or product along `axis`";
  let description = "`kind` is sum or prod.";
  let arguments = (ins Bess_Tensor:$x, StrAttr:$kind, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "false">:$exclusive, DefaultValuedAttr<BoolAttr, "false">:$reverse);
  let results = (outs Bess_Tensor:$y);
}
def Bess_ResizeOp : Bess_Op<"resize", [Pure, BessOpaque]> {
  let summary = "ONNX Resize of the dimensions `axes`";
  let description = [{
    The result's type gives the extents; `scales` (one for each of `axes`) as the coordinate transformation uses them, empty: result/operand extents.
    `roi` (start.. end.. of `axes`) for tf_crop_and_resize.
  }];
  let arguments = (ins Bess_Tensor:$x, DenseI64ArrayAttr:$axes, DenseF64ArrayAttr:$scales, DenseF64ArrayAttr:$roi, StrAttr:$mode,
                       StrAttr:$coordinate_transformation_mode, StrAttr:$nearest_mode, DefaultValuedAttr<F64Attr, "-0.75">:$cubic_coeff_a,
                       DefaultValuedAttr<BoolAttr, "false">:$exclude_outside, DefaultValuedAttr<F64Attr, "0.0">:$extrapolation_value, DefaultValuedAttr<BoolAttr, "false">:$antialias);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}
def Bess_OneHotOp : Bess_Op<"one_hot", [Pure]> {
  let summary = "ONNX OneHot: values = [off, on]; the result's type gives the depth";
  let arguments = (ins Bess_Tensor:$indices, Bess_Tensor:$values, I64Attr:$axis);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}
def Bess_TriluOp : Bess_PureOp<"trilu"> {
  let summary = "upper or lower triangle of the last two dimensions, the rest 0";
  let description = "`k` is the text of an expression over symbols: the diagonal that is kept.";
  let arguments = (ins Bess_Tensor:$x, StrAttr:$k, DefaultValuedAttr<BoolAttr, "true">:$upper);
  let results = (outs Bess_Tensor:$y);
}
def Bess_NonZeroOp : Bess_Op<"nonzero", [Pure, BessOpaque]> {
  let summary = "indices (i64, [rank, count]) of the elements that are not 0; count is a symbol that running it defines";
  let arguments = (ins Bess_Tensor:$x);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}
def Bess_CustomOp : Bess_Op<"custom", [Pure, BessOpaque]> {
  let summary = "an op that the host has registered (bessemer_register_op), by its domain and type";
  let description = [{
    Runs the host's kernel. `node_attributes` are the node's, as integers, numbers, texts or lists of them; `absent`
    are the positions of operands that the node leaves out. The host has given the types of the results; a
    dimension that only running it tells is a symbol of `defines`.
    ```mlir
    %y = bess.custom %x {op_type = "com.example.Scale", node_attributes = {by = 2 : i64}} : (tensor<4xf32>) -> tensor<4xf32>
    ```
  }];
  let arguments = (ins Variadic<Bess_Tensor>:$inputs, StrAttr:$op_type, DictionaryAttr:$node_attributes,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$absent, OptionalAttr<StrArrayAttr>:$defines);
  let results = (outs Variadic<Bess_Tensor>:$outputs);
  let hasVerifier = 1;
}
def Bess_UniqueOp : Bess_Op<"unique", [Pure, BessOpaque]> {
  let summary = "ONNX Unique; the counts are symbols that running it defines";
  let arguments = (ins Bess_Tensor:$x, OptionalAttr<I64Attr>:$axis, DefaultValuedAttr<BoolAttr, "true">:$sorted);
  let results = (outs Bess_Tensor:$y, Bess_Tensor:$indices, Bess_Tensor:$inverse, Bess_Tensor:$counts);
}
def Bess_CompressOp : Bess_Op<"compress", [Pure, BessOpaque]> {
  let summary = "ONNX Compress; the count is a symbol that running it defines";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$condition, OptionalAttr<I64Attr>:$axis);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}
def Bess_NonMaxSuppressionOp : Bess_Op<"non_max_suppression", [Pure, BessOpaque, AttrSizedOperandSegments]> {
  let summary = "ONNX NonMaxSuppression; result i64 [count, 3], count is a symbol that running it defines";
  let arguments = (ins Bess_Tensor:$boxes, Bess_Tensor:$scores, Optional<Bess_Tensor>:$max_output_boxes, Optional<Bess_Tensor>:$iou_threshold, Optional<Bess_Tensor>:$score_threshold, DefaultValuedAttr<BoolAttr, "false">:$center_point_box);
  let results = (outs Bess_Tensor:$y);
  let hasVerifier = 1;
}
def Bess_ReverseSequenceOp : Bess_PureOp<"reverse_sequence", [BessOpaque]> {
  let summary = "ONNX ReverseSequence";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$lengths, I64Attr:$batch_axis, I64Attr:$time_axis);
  let results = (outs Bess_Tensor:$y);
}
def Bess_GridSampleOp : Bess_PureOp<"grid_sample", [BessOpaque]> {
  let summary = "ONNX GridSample: x [N, C, spatial..], grid [N, out.., rank]";
  let description = "`mode` linear, nearest or cubic; `padding_mode` zeros, border or reflection.";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$grid, StrAttr:$mode, StrAttr:$padding_mode, DefaultValuedAttr<BoolAttr, "false">:$align_corners);
  let results = (outs Bess_Tensor:$y);
}
def Bess_RoiAlignOp : Bess_PureOp<"roi_align", [BessOpaque]> {
  let summary = "ONNX RoiAlign";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$rois, Bess_Tensor:$batch_indices, StrAttr:$mode, I64Attr:$output_height, I64Attr:$output_width, I64Attr:$sampling_ratio, F64Attr:$spatial_scale, DefaultValuedAttr<BoolAttr, "true">:$half_pixel);
  let results = (outs Bess_Tensor:$y);
}
def Bess_LrnOp : Bess_PureOp<"lrn", [BessOpaque]> {
  let summary = "ONNX LRN: local response normalization across channels";
  let arguments = (ins Bess_Tensor:$x, F64Attr:$alpha, F64Attr:$beta, F64Attr:$bias, I64Attr:$size);
  let results = (outs Bess_Tensor:$y);
}
def Bess_DetOp : Bess_PureOp<"det", [BessOpaque]> {
  let summary = "determinants of the last two dimensions";
  let arguments = (ins Bess_Tensor:$x);
  let results = (outs Bess_Tensor:$y);
}
def Bess_DftOp : Bess_Op<"dft", [Pure, BessOpaque]> {
  let summary = "ONNX DFT along `axis`; the last dimension is 1 (real) or 2 (complex); the result's type gives the length";
  let arguments = (ins Bess_Tensor:$x, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "false">:$inverse, DefaultValuedAttr<BoolAttr, "false">:$onesided, DefaultValuedAttr<I64Attr, "0">:$length);
  let results = (outs Bess_Tensor:$y);
}
def Bess_StftOp : Bess_Op<"stft", [Pure, BessOpaque]> {
  let summary = "ONNX STFT of signal [B, L, 1 or 2] with an optional window";
  let arguments = (ins Bess_Tensor:$signal, Optional<Bess_Tensor>:$window, I64Attr:$frame_step, I64Attr:$frame_length, DefaultValuedAttr<BoolAttr, "true">:$onesided);
  let results = (outs Bess_Tensor:$y);
}
def Bess_Col2ImOp : Bess_Op<"col2im", [Pure, BessOpaque]> {
  let summary = "ONNX Col2Im; the result's type gives the image's extents";
  let arguments = (ins Bess_Tensor:$x, DenseI64ArrayAttr:$block, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$pads);
  let results = (outs Bess_Tensor:$y);
}
def Bess_MaxUnpoolOp : Bess_Op<"max_unpool", [Pure, BessOpaque]> {
  let summary = "ONNX MaxUnpool; the result's type gives the extents";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$indices);
  let results = (outs Bess_Tensor:$y);
}
def Bess_DeformConvOp : Bess_Op<"deform_conv", [Pure, BessOpaque, AttrSizedOperandSegments]> {
  let summary = "ONNX DeformConv";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$w, Bess_Tensor:$offset, Optional<Bess_Tensor>:$bias, Optional<Bess_Tensor>:$mask, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$pads, I64Attr:$groups, I64Attr:$offset_groups);
  let results = (outs Bess_Tensor:$y);
}
def Bess_TensorScatterOp : Bess_PureOp<"tensor_scatter", [BessOpaque]> {
  let summary = "ONNX TensorScatter: a cache with `update` written at write_indices[b] (absent: 0) along `axis`";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$update, Optional<Bess_Tensor>:$write_indices, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "false">:$circular);
  let results = (outs Bess_Tensor:$y);
}
#endif
