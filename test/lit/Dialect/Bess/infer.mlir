// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt %s | bessemer-opt | FileCheck %s

// Dimensions with names go through the text form, and broadcast.
// CHECK-LABEL: func.func @named_dimensions
func.func @named_dimensions(%x: tensor<?x?x384xf32, #bess.dims<"batch", "seq", "384">>,
                            %w: tensor<384x1536xf32>, %b: tensor<1536xf32>)
    -> tensor<?x?x1536xf32, #bess.dims<"batch", "seq", "1536">> {
  // CHECK: bess.matmul %{{.*}}, %{{.*}} : (tensor<?x?x384xf32, #bess.dims<"batch", "seq", "384">>, tensor<384x1536xf32>) -> tensor<?x?x1536xf32, #bess.dims<"batch", "seq", "1536">>
  %0 = bess.matmul %x, %w : (tensor<?x?x384xf32, #bess.dims<"batch", "seq", "384">>, tensor<384x1536xf32>) -> tensor<?x?x1536xf32, #bess.dims<"batch", "seq", "1536">>
  // CHECK: bess.add
  %1 = bess.add %0, %b : (tensor<?x?x1536xf32, #bess.dims<"batch", "seq", "1536">>, tensor<1536xf32>) -> tensor<?x?x1536xf32, #bess.dims<"batch", "seq", "1536">>
  return %1 : tensor<?x?x1536xf32, #bess.dims<"batch", "seq", "1536">>
}

// Expressions are kept in canonical form.
// CHECK-LABEL: func.func @canonical_expressions
// CHECK-SAME: #bess.dims<"past + seq">
func.func @canonical_expressions(%x: tensor<?xf32, #bess.dims<"seq + past">>) {
  return
}

// CHECK-LABEL: func.func @concat_adds_extents
func.func @concat_adds_extents(%a: tensor<?x4xf32, #bess.dims<"past", "4">>, %b: tensor<?x4xf32, #bess.dims<"seq", "4">>)
    -> tensor<?x4xf32, #bess.dims<"past + seq", "4">> {
  // CHECK: bess.concat
  %0 = bess.concat %a, %b {axis = 0 : i64} : (tensor<?x4xf32, #bess.dims<"past", "4">>, tensor<?x4xf32, #bess.dims<"seq", "4">>) -> tensor<?x4xf32, #bess.dims<"past + seq", "4">>
  return %0 : tensor<?x4xf32, #bess.dims<"past + seq", "4">>
}

// (width + 2 - 3) floordiv 2 + 1
// CHECK-LABEL: func.func @conv_of_named_width
func.func @conv_of_named_width(%x: tensor<1x3x8x?xf32, #bess.dims<"1", "3", "8", "width">>, %w: tensor<16x3x3x3xf32>)
    -> tensor<1x16x4x?xf32, #bess.dims<"1", "16", "4", "floordiv(width - 1, 2) + 1">> {
  // CHECK: bess.conv
  %0 = bess.conv %x, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1 : i64} : (tensor<1x3x8x?xf32, #bess.dims<"1", "3", "8", "width">>, tensor<16x3x3x3xf32>) -> tensor<1x16x4x?xf32, #bess.dims<"1", "16", "4", "floordiv(width - 1, 2) + 1">>
  return %0 : tensor<1x16x4x?xf32, #bess.dims<"1", "16", "4", "floordiv(width - 1, 2) + 1">>
}

// Queries of 8 heads read keys of 2, and lie as [B, S, H, D].
// CHECK-LABEL: func.func @attention_layouts
func.func @attention_layouts(%q: tensor<1x5x8x16xf32>, %k: tensor<1x2x7x16xf32>, %v: tensor<1x2x7x16xf32>, %m: tensor<5x7xi1>)
    -> tensor<1x5x8x16xf32> {
  // CHECK: bess.attention
  %0 = bess.attention %q, %k, %v, %m {scale = 0.25 : f64, q_layout = "bshd", y_layout = "bshd", operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>} : (tensor<1x5x8x16xf32>, tensor<1x2x7x16xf32>, tensor<1x2x7x16xf32>, tensor<5x7xi1>) -> tensor<1x5x8x16xf32>
  return %0 : tensor<1x5x8x16xf32>
}

// A weight names its bytes; raw is what an encoding is when nothing is said.
// CHECK-LABEL: func.func @weight
func.func @weight() -> tensor<768x3072xf32> {
  // CHECK: bess.weight "h0.fc.w" <file = "m.onnx", offset = 128, length = 9437184> : tensor<768x3072xf32>
  %0 = bess.weight "h0.fc.w" <file = "m.onnx", offset = 128, length = 9437184> : tensor<768x3072xf32>
  return %0 : tensor<768x3072xf32>
}

// CHECK-LABEL: func.func @fusion
func.func @fusion(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: bess.fusion "map"(%{{.*}}) reason "one after the other"
  %0 = bess.fusion "map" (%x) reason "one after the other" : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<4xf32>):
    %1 = bess.relu %a : (tensor<4xf32>) -> tensor<4xf32>
    bess.yield %1 : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}
