// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef BESSEMER_LAYOUT_PASSES
#define BESSEMER_LAYOUT_PASSES
include "mlir/Pass/PassBase.td"

def AssignLayouts : Pass<"bessemer-assign-layouts", "::mlir::ModuleOp"> {
  let summary = "give convolutions and what is around them images with the channels last";
  let description = [{
    Convolutions with weights known at load want [N, spatial.., C]: then a place is a row of a matrix product. Pools, elementwise ops, concats and
    reductions join when fewer values have to be transposed with them than without; transposes stay at the edges. An outlined layer takes
    and gives images as its convolutions want them. For a GPU the weights need not be known at load.
    ```mlir
    %0 = bess.conv %x, %w {...} : (tensor<1x3x8x8xf32>, tensor<16x3x3x3xf32>) -> tensor<1x16x8x8xf32>
    %1 = bess.relu %0 : (tensor<1x16x8x8xf32>) -> tensor<1x16x8x8xf32>
    // becomes
    %t = bess.transpose %x {permutation = array<i64: 0, 2, 3, 1>} : (tensor<1x3x8x8xf32>) -> tensor<1x8x8x3xf32>
    %0 = bess.conv %t, %w {layout = "channels_last", ...} : (tensor<1x8x8x3xf32>, tensor<16x3x3x3xf32>) -> tensor<1x8x8x16xf32>
    %1 = bess.relu %0 : (tensor<1x8x8x16xf32>) -> tensor<1x8x8x16xf32>
    %y = bess.transpose %1 {permutation = array<i64: 0, 3, 1, 2>} : (tensor<1x8x8x16xf32>) -> tensor<1x16x8x8xf32>
    ```
  }];
}

def ChooseConvAlgorithm : Pass<"bessemer-choose-conv-algorithm", "::mlir::ModuleOp"> {
  let summary = "Winograd's algorithm for 3x3 convolutions where it takes less time";
  let description = [{
    F(4x4, 3x3) has 2.25 multiplications for each element and channel of the result, F(2x2, 3x3) 4, direct convolution 9; but weights grow (4 and 1.8 times)
    and the transforms pass over the image. A cost model (`bessemer/Algorithms/ConvCost.h`) weighs them. The relative error grows, too (rms 2e-6 to 7e-6),
    so `--numerics=strict` turns it off. Not for a GPU, whose convolutions are implicit matrix products.
    ```mlir
    %y = bess.conv %x, %w, %b {layout = "channels_last", ...} : (tensor<1x56x56x64xf32>, tensor<64x64x3x3xf32>, tensor<64xf32>) -> tensor<1x56x56x64xf32>
    // becomes
    %v = bess.winograd_input %x {tile = 4 : i64, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x56x56x64xf32>) -> tensor<36x196x64xf32>
    %u = bess.winograd_weights %w {tile = 4 : i64} : (tensor<64x64x3x3xf32>) -> tensor<36x64x64xf32>
    %m = bess.matmul %v, %u : (tensor<36x196x64xf32>, tensor<36x64x64xf32>) -> tensor<36x196x64xf32>
    %y = bess.winograd_output %m, %b {tile = 4 : i64} : (tensor<36x196x64xf32>, tensor<64xf32>) -> tensor<1x56x56x64xf32>
    ```
  }];
}

def PackWeights : Pass<"bessemer-pack-weights", "::mlir::ModuleOp"> {
  let summary = "give matmuls and convolutions their constant weights in panels";
  let description = [{
    A panel is as many columns as a register block has; the loader packs, once, as
    it streams the weight in. The width is the target's.
    ```mlir
    %w = bess.weight "w" ... : tensor<384x1536xf32>
    %y = bess.matmul %x, %w ...
    // becomes (AVX2)
    %p = bess.pack %w {block = 16 : i64, layout = "panels"} : (tensor<384x1536xf32>) -> tensor<96x384x16xf32>
    %y = bess.matmul %x, %p {bess.packed_columns = "1536"} ...
    ```
    Weights [O, C/groups, window..] of a channels-last convolution become [groups, panels of output channels, window * C/groups, columns];
    of a depthwise one, [window, C]. For a GPU all output channels of a group are one panel, matmuls keep their weights, and a 1x1 convolution with stride 1
    and no padding becomes a `bess.matmul`.
  }];
}

def NarrowProducts : Pass<"bessemer-narrow-products", "::mlir::ModuleOp"> {
  let summary = "matrix products on a GPU that read float8 as it lies in memory";
  let description = [{
    A right operand that is dequantized from f8E4M3FN or f8E5M2 with one scale, or one for each column, is read as float8, and the scale comes after the product,
    in its epilogue: half the bytes of f16. So is a left operand with one scale beside it. On a machine with wgmma for float8 the weights become [columns, depth] then,
    once, when they are loaded. Other dequantized operands, and all of them on the CPU, stay as they are: their kernels, or the loader, convert them.
    ```mlir
    %w = bess.dequantize %q, %s {to = f16, axis = 1 : i64} : (tensor<256x512xf8E4M3FN>, tensor<512xf16>) -> tensor<256x512xf16>
    %y = bess.matmul %x, %w : (tensor<16x256xf16>, tensor<256x512xf16>) -> tensor<16x512xf16>
    // becomes
    %p = bess.matmul %x, %q {to = f32} : (tensor<16x256xf16>, tensor<256x512xf8E4M3FN>) -> tensor<16x512xf32>
    %f = bess.cast %s {to = f32} : (tensor<512xf16>) -> tensor<512xf32>
    %m = bess.mul %p, %f : (tensor<16x512xf32>, tensor<512xf32>) -> tensor<16x512xf32>
    %y = bess.cast %m {to = f16} : (tensor<16x512xf32>) -> tensor<16x512xf16>
    ```
  }];
}

def MergeProducts : Pass<"bessemer-merge-products", "::mlir::ModuleOp"> {
  let summary = "products of one left operand with constant weights are one product on a GPU";
  let description = [{
    Queries, keys and values of a layer are three products of one operand, each with few blocks. Their weights, and biases, are put side by side when they are
    loaded, and what reads the results reads slices of heads: attention and what appends to a cache do so without a copy, so only their operands are merged. The cost model
    (`bessemer/Algorithms/GpuMatmulSchedule.h`) must expect no more time of the one product than of all.
    ```mlir
    %0 = bess.matmul %x, %wq : (tensor<128x768xf16>, tensor<768x768xf16>) -> tensor<128x768xf16>
    %q = bess.reshape %0 : (tensor<128x768xf16>) -> tensor<1x128x12x64xf16>
    // ... %k and %v
    %y = bess.attention %q, %k, %v {q_layout = "bshd", ...}
    // becomes
    %w = bess.concat %wq, %wk, %wv {axis = 1 : i64} : (tensor<768x768xf16>, tensor<768x768xf16>, tensor<768x768xf16>) -> tensor<768x2304xf16>
    %0 = bess.matmul %x, %w : (tensor<128x768xf16>, tensor<768x2304xf16>) -> tensor<128x2304xf16>
    %1 = bess.reshape %0 : (tensor<128x2304xf16>) -> tensor<1x128x36x64xf16>
    %q = bess.slice %1 {offsets = #bess.dims<"0", "0", "0", "0">, ...} : (tensor<1x128x36x64xf16>) -> tensor<1x128x12x64xf16>
    // ...
    ```
  }];
}

def SplitDepth : Pass<"bessemer-split-depth", "::mlir::ModuleOp"> {
  let summary = "cut matrix products along the depth where a GPU has more multiprocessors than they have blocks";
  let description = [{
    A cost model (`chooseDepthParts`, `bessemer/Algorithms/GpuMatmulSchedule.h`) weighs the multiprocessors that get work against the traffic of partial sums in f32 and
    a second launch, which is no further one where the rows of the result are normalized; a product that was measured (`bess.tuned` of the module, `bessemer tune`) has the parts that were fastest. The parts are added in a fixed order: results are the same bits each time. What followed the product follows the sum.
    ```mlir
    %y = bess.matmul %x, %w : (tensor<64x14336xf16>, tensor<14336x4096xf16>) -> tensor<64x4096xf16>
    // becomes (sm_90a)
    %p = bess.matmul_parts %x, %w {part_depth = 3584 : i64} : (tensor<64x14336xf16>, tensor<14336x4096xf16>) -> tensor<4x64x4096xf32>
    %y = bess.sum_parts %p {to = f16} : (tensor<4x64x4096xf32>) -> tensor<64x4096xf16>
    ```
  }];
}

def SplitKeys : Pass<"bessemer-split-keys", "::mlir::ModuleOp"> {
  let summary = "cut attention of few queries along the keys where a GPU has more multiprocessors than there are heads";
  let description = [{
    A step of a decoder has a block for each key head, which would read all keys and values of its head alone. A cost model (`chooseAttentionParts`,
    `bessemer/Algorithms/GpuAttentionSchedule.h`) takes a number of parts from the heads, the multiprocessors and the length, which may be one that only the run
    knows: then its bound (`--dim 'past<=1023'`) counts, or 4096 where it has none; the number of parts stays as it is when a cache grows.
    ```mlir
    %y = bess.attention %q, %k, %v {scale = 0.125 : f64, ...} : (tensor<1x12x1x64xf16>, tensor<1x12x1024x64xf16>, tensor<1x12x1024x64xf16>) -> tensor<1x12x1x64xf16>
    // becomes (sm_90a)
    %p, %m, %s = bess.attention_parts %q, %k, %v {parts = 16 : i64, unit = 64 : i64, scale = 0.125 : f64, ...}
      : (tensor<1x12x1x64xf16>, tensor<1x12x1024x64xf16>, tensor<1x12x1024x64xf16>) -> (tensor<16x1x12x1x64xf32>, tensor<16x1x12x1xf32>, tensor<16x1x12x1xf32>)
    %y = bess.combine_parts %p, %m, %s {to = f16} : (tensor<16x1x12x1x64xf32>, tensor<16x1x12x1xf32>, tensor<16x1x12x1xf32>) -> tensor<1x12x1x64xf16>
    ```
  }];
}

def VerifyLayout : Pass<"bessemer-verify-layout", "::mlir::ModuleOp"> {
  let summary = "state the form that layout leaves";
  let description = [{
    Fails when what `bess.pack` makes is read by anything but a matmul or conv that is marked as reading panels, a call or
    another pack (no other op understands panels), or when a `bess` op has a location without a name. Changes nothing.
    ```mlir
    %p = bess.pack %w {block = 16 : i64, layout = "panels"} : (tensor<4x16xf32>) -> tensor<1x4x16xf32>
    %y = bess.relu %p : ...   // refused
    ```
  }];
}
#endif
