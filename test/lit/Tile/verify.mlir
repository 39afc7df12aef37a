// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --split-input-file --verify-diagnostics %s

// expected-error @+1 {{expected 4 arguments (2 views, 1 symbols, 1 indices of the grid), got 3}}
tile.kernel @counts grid <"s0"> views 2 outputs 1 symbols 1 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"4">, f32>, %y: !tile.view<<"4">, f32>, %s0: index):
  tile.return
}

// -----

// expected-error @+1 {{expected at least one view, of which at least one is an output, got 1 views, 2 outputs and 0 symbols}}
tile.kernel @outputs grid <> views 1 outputs 2 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"4">, f32>):
  tile.return
}

// -----

// expected-error @+1 {{expected a view as argument 0, got 'index'}}
tile.kernel @view grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: index):
  tile.return
}

// -----

// expected-error @+1 {{expected an index as argument 1, got 'i64'}}
tile.kernel @symbol grid <> views 1 outputs 1 symbols 1 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"4">, f32>, %s0: i64):
  tile.return
}

// -----

// expected-error @+1 {{expected extents of the grid over the kernel's 1 symbols s0, s1, …, got 's1'}}
tile.kernel @grid grid <"s1"> views 1 outputs 1 symbols 1 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"s0">, f32>, %s0: index, %i: index):
  tile.return
}

// -----

// expected-error @+1 {{expected dimensions of a view over the kernel's 0 symbols s0, s1, …, got 'rows'}}
tile.kernel @dims grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"rows">, f32>):
  tile.return
}

// -----

// expected-error @+1 {{expected an integer, a word or a layout as entry 'block' of the schedule, got [1]}}
tile.kernel @schedule grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {block = [1]} {
^bb0(%y: !tile.view<<"4">, f32>):
  tile.return
}

// -----

// expected-error @+1 {{expected flops over the kernel's 0 symbols s0, s1, …, got 's0'}}
tile.kernel @flops grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} attributes {flops = "2*s0"} {
^bb0(%y: !tile.view<<"4">, f32>):
  tile.return
}

// -----

tile.kernel @offsets grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"4", "4">, f32>):
  %zero = arith.constant 0 : index
  // expected-error @+1 {{expected an offset for each of 2 dimensions of the view, got 1}}
  %0 = tile.load %y[%zero] dims [1] : !tile.view<<"4", "4">, f32> -> tensor<4xf32>
  tile.return
}

// -----

tile.kernel @scalar_offsets grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"4", "4">, f32>):
  %zero = arith.constant 0 : index
  // expected-error @+1 {{expected an offset for each of 2 dimensions of the view, got 1}}
  %0 = tile.load_scalar %y[%zero] : !tile.view<<"4", "4">, f32> -> f32
  tile.return
}

// -----

tile.kernel @rank grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"4">, f32>):
  %zero = arith.constant 0 : index
  // expected-error @+1 {{expected a dimension of the view for each of 1 extents of the tile, got 0}}
  %0 = tile.load %y[%zero] dims [] : !tile.view<<"4">, f32> -> tensor<4xf32>
  tile.return
}

// -----

tile.kernel @dimension grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"4">, f32>):
  %zero = arith.constant 0 : index
  // expected-error @+1 {{expected dimensions from 0 to 0, got 1}}
  %0 = tile.load %y[%zero] dims [1] : !tile.view<<"4">, f32> -> tensor<4xf32>
  tile.return
}

// -----

tile.kernel @twice grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"4">, f32>):
  %zero = arith.constant 0 : index
  // expected-error @+1 {{expected each dimension of the view at most once, got 0 twice}}
  %0 = tile.load %y[%zero] dims [0, 0] : !tile.view<<"4">, f32> -> tensor<4x4xf32>
  tile.return
}

// -----

tile.kernel @element grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"4">, ui8>):
  %zero = arith.constant 0 : index
  // expected-error @+1 {{expected elements of 'i8' for a view of 'ui8', got 'i32'}}
  %0 = tile.load %y[%zero] dims [0] : !tile.view<<"4">, ui8> -> tensor<4xi32>
  tile.return
}

// -----

tile.kernel @float8_bits grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"4">, f8E5M2>):
  %zero = arith.constant 0 : index
  // expected-error @+1 {{expected elements of 'i8' for a view of 'f8E5M2', got 'i32'}}
  %0 = tile.load %y[%zero] dims [0] : !tile.view<<"4">, f8E5M2> -> tensor<4xi32>
  tile.return
}

// -----

tile.kernel @sizes grid <> views 1 outputs 1 symbols 1 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"s0">, f32>, %s0: index):
  %zero = arith.constant 0 : index
  // expected-error @+1 {{expected a size for each of 1 dynamic extents of 'tensor<?xf32>', got 0}}
  %0 = tile.load %y[%zero] dims [0] : !tile.view<<"s0">, f32> -> tensor<?xf32>
  tile.return
}

// -----

tile.kernel @input grid <> views 2 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"4">, f32>, %y: !tile.view<<"4">, f32>):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%zero] dims [0] : !tile.view<<"4">, f32> -> tensor<4xf32>
  // expected-error @+1 {{expected one of the last 1 of 2 views, the outputs, got view 0}}
  tile.store %0, %x[%zero] dims [0] : tensor<4xf32>, !tile.view<<"4">, f32>
  tile.return
}

// -----

tile.kernel @numbers grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"4">, f32>):
  %f = arith.constant dense<0.0> : tensor<4xf32>
  // expected-error @+1 {{expected numbers of elements as integers, got 'f32'}}
  %0 = tile.gather %y at %f : (!tile.view<<"4">, f32>, tensor<4xf32>) -> tensor<4xf32>
  tile.return
}

// -----

tile.kernel @shape grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"4">, f32>):
  %i = arith.constant dense<0> : tensor<4xi64>
  // expected-error @+1 {{expected the shape of the numbers, 'tensor<4xi64>', got 'tensor<5xf32>'}}
  %0 = tile.gather %y at %i : (!tile.view<<"4">, f32>, tensor<4xi64>) -> tensor<5xf32>
  tile.return
}

// -----

tile.kernel @mask grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"4">, f32>):
  %i = arith.constant dense<0> : tensor<4xi64>
  // expected-error @+1 {{expected a mask of i1 in the shape of 'tensor<4xf32>', got 'tensor<4xi64>'}}
  %0 = tile.gather %y at %i mask %i : (!tile.view<<"4">, f32>, tensor<4xi64>, tensor<4xi64>) -> tensor<4xf32>
  tile.return
}

// -----

func.func @splat(%x: f32) {
  // expected-error @+1 {{expected a value of 'i32', got 'f32'}}
  %0 = tile.splat %x : f32 -> tensor<4xi32>
  return
}

// -----

func.func @iota_axis(%x: index) {
  // expected-error @+1 {{expected an axis from 0 to 0, got 1}}
  %0 = tile.iota %x axis 1 : tensor<4xi64>
  return
}

// -----

func.func @iota_element(%x: index) {
  // expected-error @+1 {{expected elements of i64, got 'f32'}}
  %0 = tile.iota %x axis 0 : tensor<4xf32>
  return
}

// -----

func.func @broadcast_rank(%x: tensor<1xf32>) {
  // expected-error @+1 {{expected a tile of rank 2 and of 'f32', got 'tensor<1xf32>'}}
  %0 = tile.broadcast %x : tensor<1xf32> -> tensor<4x4xf32>
  return
}

// -----

func.func @broadcast_extent(%x: tensor<2xf32>) {
  // expected-error @+1 {{expected extents of 1 or of the result, got 'tensor<2xf32>' for 'tensor<4xf32>'}}
  %0 = tile.broadcast %x : tensor<2xf32> -> tensor<4xf32>
  return
}

// -----

func.func @reduce_axis(%x: tensor<4xf32>) {
  // expected-error @+1 {{expected an axis from 0 to 0, got 1}}
  %0 = tile.reduce sum %x axis 1 : tensor<4xf32> -> tensor<1xf32>
  return
}

// -----

func.func @reduce_kind(%x: tensor<4xf32>) {
  // expected-error @+1 {{expected integers for umax, got 'f32'}}
  %0 = tile.reduce umax %x axis 0 : tensor<4xf32> -> tensor<1xf32>
  return
}

// -----

func.func @reduce_element(%x: tensor<4xf32>) {
  // expected-error @+1 {{expected a result of 'f32', got 'f64'}}
  %0 = tile.reduce sum %x axis 0 : tensor<4xf32> -> tensor<1xf64>
  return
}

// -----

func.func @reduce_shape(%x: tensor<3x4xf32>) {
  // expected-error @+1 {{expected the shape of 'tensor<3x4xf32>' with an extent of 1 or none along axis 0, got 'tensor<3xf32>'}}
  %0 = tile.reduce sum %x axis 0 : tensor<3x4xf32> -> tensor<3xf32>
  return
}

// -----

func.func @reduce_unknown(%x: tensor<4xf32>) {
  // expected-error @+2 {{expected ::bessemer::tile::ReductionKind to be one of}}
  // expected-error @+1 {{failed to parse Tile_ReductionKindAttr parameter 'value'}}
  %0 = tile.reduce median %x axis 0 : tensor<4xf32> -> tensor<1xf32>
  return
}

// -----

func.func @dot_rank(%a: tensor<4xf32>, %b: tensor<4x4xf32>) {
  // expected-error @+1 {{expected operands [M, K] and [K, N] or panels [N / block, K, block] and a result [M, N]}}
  %0 = tile.dot %a, %b : tensor<4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  return
}

// -----

func.func @dot_transposed_left(%a: tensor<3x2xf32>, %b: tensor<3x5xf32>) {
  // expected-error @+1 {{expected, with transpose_a, a load as the left operand and no panels}}
  %0 = tile.dot %a, %b {transpose_a} : tensor<3x2xf32>, tensor<3x5xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @dot_depth(%a: tensor<2x3xf32>, %b: tensor<4x5xf32>) {
  // expected-error @+1 {{expected one depth, got 3 and 4}}
  %0 = tile.dot %a, %b : tensor<2x3xf32>, tensor<4x5xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @dot_rows(%a: tensor<2x3xf32>, %b: tensor<3x5xf32>) {
  // expected-error @+1 {{expected 2 rows, got 4}}
  %0 = tile.dot %a, %b : tensor<2x3xf32>, tensor<3x5xf32> -> tensor<4x5xf32>
  return
}

// -----

func.func @dot_columns(%a: tensor<2x3xf32>, %b: tensor<5x3xf32>) {
  // expected-error @+1 {{expected 5 columns, got 3}}
  %0 = tile.dot %a, %b {transpose_b} : tensor<2x3xf32>, tensor<5x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @dot_elements(%a: tensor<2x3xf32>, %b: tensor<3x5xi8>) {
  // expected-error @+1 {{expected floats or integers on both sides and in the result}}
  %0 = tile.dot %a, %b : tensor<2x3xf32>, tensor<3x5xi8> -> tensor<2x5xf32>
  return
}

// -----

func.func @panels(%x: tensor<3x20xf32>) {
  // expected-error @+1 {{expected panels of 16 columns for 'tensor<3x20xf32>', got 'tensor<1x3x16xf32>'}}
  %0 = tile.panels %x block 16 : tensor<3x20xf32> -> tensor<1x3x16xf32>
  return
}

// -----

func.func @panels_block(%x: tensor<3x20xf32>) {
  // expected-error @+1 {{expected a block of at least 1 column, got 0}}
  %0 = tile.panels %x block 0 : tensor<3x20xf32> -> tensor<?x3x0xf32>
  return
}

// -----

func.func @convert(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{expected one shape and one element type, got 'tensor<4x8xf32>' and 'tensor<8x4xf32>'}}
  %0 = tile.convert %x : tensor<4x8xf32> -> tensor<8x4xf32>
  return
}
