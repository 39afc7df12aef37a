// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt %s -split-input-file -verify-diagnostics

func.func @matmul_k(%a: tensor<2x384xf32>, %b: tensor<512x8xf32>) {
  // expected-error @+2 {{expected K dimensions to be equal, got 384 and 512}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.matmul %a, %b : (tensor<2x384xf32>, tensor<512x8xf32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @broadcast_shapes(%a: tensor<2x3xf32>, %b: tensor<2x4xf32>) {
  // expected-error @+2 {{expected shapes that broadcast, got 'tensor<2x3xf32>' and 'tensor<2x4xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.add %a, %b : (tensor<2x3xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @element_types(%a: tensor<2xf32>, %b: tensor<2xf16>) {
  // expected-error @+2 {{expected both operands and each other of one element type, got 'f32' and 'f16'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.add %a, %b : (tensor<2xf32>, tensor<2xf16>) -> tensor<2xf32>
  return
}

// -----

func.func @result_type(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{inferred type(s) 'tensor<3x2xf32>' are incompatible with return type(s) of operation 'tensor<2x3xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.transpose %a {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @permutation(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{expected each axis once, got axis 1 twice}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.transpose %a {permutation = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<3x3xf32>
  return
}

// -----

func.func @concat_axis(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{expected an axis in [0, 2), got 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.concat %a, %a {axis = 2 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @reshape_count(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{expected as many elements as the operand has, 6, got 8}}
  %0 = bess.reshape %a : (tensor<2x3xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @slice_bounds(%a: tensor<8xf32>) {
  // expected-error @+1 {{expected indices in [0, 8), got 9}}
  %0 = bess.slice %a {offsets = #bess.dims<"4">, steps = array<i64: 1>} : (tensor<8xf32>) -> tensor<6xf32>
  return
}

// -----

func.func @slice_step(%a: tensor<8xf32>) {
  // expected-error @+1 {{expected a step other than 0}}
  %0 = bess.slice %a {offsets = #bess.dims<"4">, steps = array<i64: 0>} : (tensor<8xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @pad_mode(%a: tensor<8xf32>) {
  // expected-error @+1 {{expected mode to be one of constant, reflect, edge, wrap, got "mirror"}}
  %0 = bess.pad %a {low = #bess.dims<"1">, mode = "mirror"} : (tensor<8xf32>) -> tensor<9xf32>
  return
}

// -----

func.func @attention_heads(%q: tensor<1x3x5x16xf32>, %k: tensor<1x2x7x16xf32>) {
  // expected-error @+2 {{expected heads of q to be a multiple of those of k, got 3 and 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.attention %q, %k, %k {scale = 1.0 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<1x3x5x16xf32>, tensor<1x2x7x16xf32>, tensor<1x2x7x16xf32>) -> tensor<1x3x5x16xf32>
  return
}

// -----

func.func @reduce_kind(%a: tensor<8xf32>) {
  // expected-error @+2 {{expected kind to be one of sum, mean,}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.reduce %a {kind = "median", axes = array<i64: 0>} : (tensor<8xf32>) -> tensor<1xf32>
  return
}

// -----

// expected-error @+1 {{bad dimension expression}}
func.func @dims(%a: tensor<?xf32, #bess.dims<"seq +">>) {
  return
}

// -----

func.func @guard() {
  // expected-error @+1 {{expected relation eq, le or lt, got "ge"}}
  bess.guard "ge" "a" "b" "a is at least b"
  return
}

// -----

func.func @bind(%a: tensor<2xi64>) {
  // expected-error @+1 {{expected a symbol for each of 2 elements, got 1}}
  bess.bind_symbols %a {symbols = ["n"]} : (tensor<2xi64>) -> ()
  return
}

// -----

func.func @topk(%a: tensor<4xf32>) {
  // expected-error @+1 {{expected k of at most 4, got 5}}
  %0, %1 = bess.topk %a {axis = 0 : i64} : (tensor<4xf32>) -> (tensor<5xf32>, tensor<5xi64>)
  return
}

// -----

func.func @layout(%x: tensor<1x8x8x4xf32>, %w: tensor<2x4x1x1xf32>) {
  // expected-error @+2 {{expected layout to be one of channels_first, channels_last}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64, layout = "nhwc"} : (tensor<1x8x8x4xf32>, tensor<2x4x1x1xf32>) -> tensor<1x8x8x2xf32>
  return
}

// -----

func.func @packed_weights(%x: tensor<1x8x8x4xf32>, %w: tensor<1x2x4x16xf32>) {
  // expected-error @+2 {{expected packed weights that fit the weight_shape}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64, layout = "channels_last", weight_shape = array<i64: 16, 4, 1, 1>} : (tensor<1x8x8x4xf32>, tensor<1x2x4x16xf32>) -> tensor<1x8x8x16xf32>
  return
}

// -----

func.func @winograd_tile(%x: tensor<1x8x8x4xf32>) {
  // expected-error @+2 {{expected a tile of 2 or 4, got 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.winograd_input %x {tile = 3 : i64, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x4xf32>) -> tensor<25x9x4xf32>
  return
}

// -----

func.func @winograd_tiles(%v: tensor<36x3x4xf32>) {
  // expected-error @+1 {{tiles}}
  %0 = bess.winograd_output %v {tile = 4 : i64} : (tensor<36x3x4xf32>) -> tensor<1x8x8x4xf32>
  return
}

// -----

func.func @part_depth(%a: tensor<4x8xf16>, %b: tensor<8x4xf16>) {
  // expected-error @+2 {{expected a positive part_depth, got 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.matmul_parts %a, %b {part_depth = 0 : i64} : (tensor<4x8xf16>, tensor<8x4xf16>) -> tensor<1x4x4xf32>
  return
}

// -----

func.func @integer_parts(%a: tensor<4x8xi8>, %b: tensor<8x4xi8>) {
  // expected-error @+2 {{expected a left operand of floats, of rank at least 2, got 'tensor<4x8xi8>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.matmul_parts %a, %b {part_depth = 4 : i64} : (tensor<4x8xi8>, tensor<8x4xi8>) -> tensor<2x4x4xf32>
  return
}

// -----

func.func @free_parts(%x: tensor<?x4xf32, #bess.dims<"p", "4">>) {
  // expected-error @+2 {{expected parts in f32, their number known, got}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.sum_parts %x {to = f16} : (tensor<?x4xf32, #bess.dims<"p", "4">>) -> tensor<4xf16>
  return
}

// -----

func.func @sum_to_integers(%x: tensor<2x4xf32>) {
  // expected-error @+2 {{expected a float type as `to`, got 'i8'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.sum_parts %x {to = i8} : (tensor<2x4xf32>) -> tensor<4xi8>
  return
}

// -----

func.func @groups_of_integers(%x: tensor<4x8xi8>, %w: tensor<2x8x4xi8>, %o: tensor<3xi64>) {
  // expected-error @+2 {{expected rows of floats, got 'tensor<4x8xi8>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.grouped_matmul %x, %w, %o : (tensor<4x8xi8>, tensor<2x8x4xi8>, tensor<3xi64>) -> tensor<4x4xi8>
  return
}

// -----

func.func @group_offsets(%x: tensor<4x8xf16>, %w: tensor<2x8x4xf16>, %o: tensor<2xi64>) {
  // expected-error @+2 {{expected groups + 1 and offsets to be equal, got 3 and 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.grouped_matmul %x, %w, %o : (tensor<4x8xf16>, tensor<2x8x4xf16>, tensor<2xi64>) -> tensor<4x4xf16>
  return
}

// -----

func.func @group_depth(%x: tensor<4x8xf16>, %w: tensor<2x8x4xf16>, %o: tensor<3xi64>) {
  // expected-error @+2 {{expected K dimensions to be equal, got 8 and 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.grouped_matmul %x, %w, %o {transpose_b} : (tensor<4x8xf16>, tensor<2x8x4xf16>, tensor<3xi64>) -> tensor<4x8xf16>
  return
}

// -----

func.func @group_offsets_i32(%x: tensor<4x8xf16>, %w: tensor<2x8x4xf16>, %o: tensor<3xi32>) {
  // expected-error @+2 {{expected offsets of i64, got 'tensor<3xi32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.grouped_matmul %x, %w, %o : (tensor<4x8xf16>, tensor<2x8x4xf16>, tensor<3xi32>) -> tensor<4x4xf16>
  return
}

// -----

func.func @group_bias(%x: tensor<4x8xf16>, %w: tensor<2x8x4xf16>, %o: tensor<3xi64>, %b: tensor<3x4xf16>) {
  // expected-error @+2 {{expected groups of w and bias to be equal, got 2 and 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.grouped_matmul %x, %w, %o, %b : (tensor<4x8xf16>, tensor<2x8x4xf16>, tensor<3xi64>, tensor<3x4xf16>) -> tensor<4x4xf16>
  return
}

// -----

func.func @free_groups(%x: tensor<4x8xf16>, %w: tensor<?x8x4xf16, #bess.dims<"e", "8", "4">>, %o: tensor<3xi64>) {
  // expected-error @+2 {{expected a known number of groups, 1 at least, got}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.grouped_matmul %x, %w, %o : (tensor<4x8xf16>, tensor<?x8x4xf16, #bess.dims<"e", "8", "4">>, tensor<3xi64>) -> tensor<4x4xf16>
  return
}

// -----

func.func @no_parts(%x: tensor<1x2x1x8xf16>) {
  // expected-error @+2 {{expected a positive number as `parts`, got 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0:3 = bess.attention_parts %x, %x, %x {scale = 1.0 : f64, parts = 0 : i64, unit = 32 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<1x2x1x8xf16>, tensor<1x2x1x8xf16>, tensor<1x2x1x8xf16>) -> (tensor<0x1x2x1x8xf32>, tensor<0x1x2x1xf32>, tensor<0x1x2x1xf32>)
  return
}

// -----

func.func @integer_attention(%x: tensor<1x2x1x8xi8>) {
  // expected-error @+2 {{expected q, k and v of floats, got 'tensor<1x2x1x8xi8>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0:3 = bess.attention_parts %x, %x, %x {scale = 1.0 : f64, parts = 2 : i64, unit = 32 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<1x2x1x8xi8>, tensor<1x2x1x8xi8>, tensor<1x2x1x8xi8>) -> (tensor<2x1x2x1x8xf32>, tensor<2x1x2x1xf32>, tensor<2x1x2x1xf32>)
  return
}

// -----

func.func @half_parts(%y: tensor<2x3x8xf16>, %s: tensor<2x3xf32>) {
  // expected-error @+2 {{expected parts in f32, got 'tensor<2x3x8xf16>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.combine_parts %y, %s, %s {to = f16} : (tensor<2x3x8xf16>, tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<3x8xf16>
  return
}

// -----

func.func @free_number_of_parts(%y: tensor<?x3x8xf32, #bess.dims<"p", "3", "8">>, %s: tensor<?x3xf32, #bess.dims<"p", "3">>) {
  // expected-error @+2 {{expected parts [P, .., D], P known or `most_parts`, got}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.combine_parts %y, %s, %s {to = f16} : (tensor<?x3x8xf32, #bess.dims<"p", "3", "8">>, tensor<?x3xf32, #bess.dims<"p", "3">>, tensor<?x3xf32, #bess.dims<"p", "3">>) -> tensor<3x8xf16>
  return
}

// -----

func.func @columns_of_parts(%y: tensor<2x3x8xf32>, %s: tensor<2x3x1xf32>) {
  // expected-error @+2 {{expected a number for each row of 'tensor<2x3x8xf32>', got 'tensor<2x3x1xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.combine_parts %y, %s, %s {to = f16} : (tensor<2x3x8xf32>, tensor<2x3x1xf32>, tensor<2x3x1xf32>) -> tensor<3x8xf16>
  return
}

// -----

func.func @combine_to_integers(%y: tensor<2x3x8xf32>, %s: tensor<2x3xf32>) {
  // expected-error @+2 {{expected a float type as `to`, got 'i8'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = bess.combine_parts %y, %s, %s {to = i8} : (tensor<2x3x8xf32>, tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<3x8xi8>
  return
}
