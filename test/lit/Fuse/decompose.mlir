// What each composite op is short for; --check-numerics compares it with the reference kernel.
// RUN: bessemer-opt --bessemer-decompose --check-numerics %s | FileCheck %s

// CHECK-LABEL: func.func @softmax
// CHECK:         %[[MAX:.*]] = bess.reduce %arg0 {axes = array<i64: 1>, kind = "max"}
// CHECK:         %[[SHIFTED:.*]] = bess.sub %arg0, %[[MAX]]
// CHECK:         %[[E:.*]] = bess.exp %[[SHIFTED]]
// CHECK:         %[[SUM:.*]] = bess.reduce %[[E]] {axes = array<i64: 1>, kind = "sum"}
// CHECK:         bess.div %[[E]], %[[SUM]]
func.func @softmax(%x: tensor<3x5x4xf32>) -> tensor<3x5x4xf32> {
  %y = bess.softmax %x {axis = 1 : i64} : (tensor<3x5x4xf32>) -> tensor<3x5x4xf32>
  return %y : tensor<3x5x4xf32>
}

// CHECK-LABEL: func.func @log_softmax
// CHECK:         bess.log
// CHECK-NOT:     bess.softmax
func.func @log_softmax(%x: tensor<?x7xf64, #bess.dims<"n", "7">>) -> tensor<?x7xf64, #bess.dims<"n", "7">> {
  %y = bess.softmax %x {axis = 1 : i64, log = true} : (tensor<?x7xf64, #bess.dims<"n", "7">>) -> tensor<?x7xf64, #bess.dims<"n", "7">>
  return %y : tensor<?x7xf64, #bess.dims<"n", "7">>
}

// CHECK-LABEL: func.func @layer_norm
// CHECK:         bess.reduce %arg0 {axes = array<i64: 1, 2>, kind = "mean"}
// CHECK-NOT:     bess.layer_norm
func.func @layer_norm(%x: tensor<2x3x8xf32>, %scale: tensor<3x8xf32>, %bias: tensor<8xf32>) -> tensor<2x3x8xf32> {
  %y = bess.layer_norm %x, %scale, %bias {axis = 1 : i64, epsilon = 1.0e-5} : (tensor<2x3x8xf32>, tensor<3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  return %y : tensor<2x3x8xf32>
}

// f16 is computed in f32.
// CHECK-LABEL: func.func @rms_norm
// CHECK:         %[[WIDE:.*]] = bess.cast %arg0 {to = f32}
// CHECK:         bess.mul %[[WIDE]], %[[WIDE]]
// CHECK:         bess.cast {{.*}} {to = f16}
func.func @rms_norm(%x: tensor<4x16xf16>, %scale: tensor<16xf16>) -> tensor<4x16xf16> {
  %y = bess.rms_norm %x, %scale {axis = 1 : i64, epsilon = 1.0e-6} : (tensor<4x16xf16>, tensor<16xf16>) -> tensor<4x16xf16>
  return %y : tensor<4x16xf16>
}

// Two heads of q read one of k and v: rows of one product.
// CHECK-LABEL: func.func @attention
// CHECK:         bess.matmul {{.*}} {transpose_b} : (tensor<2x2x10x8xf32>, tensor<2x2x6x8xf32>) -> tensor<2x2x10x6xf32>
// CHECK:         bess.tanh
// CHECK:         bess.trilu
// CHECK-NOT:     bess.attention
func.func @attention(%q: tensor<2x5x4x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x3xf32>, %mask: tensor<5x6xf32>) -> tensor<2x5x4x3xf32> {
  %y = bess.attention %q, %k, %v, %mask {causal = true, causal_bottom_right = true, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>, q_layout = "bshd", scale = 3.0e-01, softcap = 2.0, y_layout = "bshd"}
    : (tensor<2x5x4x8xf32>, tensor<2x2x6x8xf32>, tensor<2x2x6x3xf32>, tensor<5x6xf32>) -> tensor<2x5x4x3xf32>
  return %y : tensor<2x5x4x3xf32>
}

// Whatever the lengths are: a row that sees no key gives 0.
// CHECK-LABEL: func.func @valid
// CHECK:         bess.iota {axis = 3 : i64}
// CHECK:         bess.less
// CHECK-NOT:     bess.attention
func.func @valid(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x5x8xf32>, %v: tensor<2x3x5x8xf32>, %mask: tensor<4x5xi1>, %valid: tensor<2xi64>) -> tensor<2x3x4x8xf32> {
  %y = bess.attention %q, %k, %v, %mask, %valid {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>, scale = 5.0e-01}
    : (tensor<2x3x4x8xf32>, tensor<2x3x5x8xf32>, tensor<2x3x5x8xf32>, tensor<4x5xi1>, tensor<2xi64>) -> tensor<2x3x4x8xf32>
  return %y : tensor<2x3x4x8xf32>
}

// CHECK-LABEL: func.func @rope
// CHECK-COUNT-2: bess.slice
// CHECK:         bess.concat
// CHECK-NOT:     bess.rope
func.func @rope(%x: tensor<1x2x3x10xf32>, %cos: tensor<3x3xf32>, %sin: tensor<3x3xf32>) -> (tensor<1x2x3x10xf32>, tensor<1x2x3x10xf32>) {
  %y = bess.rope %x, %cos, %sin {rotary = 6 : i64} : (tensor<1x2x3x10xf32>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<1x2x3x10xf32>
  %z = bess.rope %x, %cos, %sin {rotary = 6 : i64, interleaved = true} : (tensor<1x2x3x10xf32>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<1x2x3x10xf32>
  return %y, %z : tensor<1x2x3x10xf32>, tensor<1x2x3x10xf32>
}

// How many heads share one is not known: the op stays.
// CHECK-LABEL: func.func @stays
// CHECK:         bess.attention
func.func @stays(%q: tensor<1x?x4x8xf32, #bess.dims<"1", "h", "4", "8">>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>) -> tensor<1x?x4x8xf32, #bess.dims<"1", "h", "4", "8">> {
  %y = bess.attention %q, %k, %v {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>, scale = 5.0e-01}
    : (tensor<1x?x4x8xf32, #bess.dims<"1", "h", "4", "8">>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x?x4x8xf32, #bess.dims<"1", "h", "4", "8">>
  return %y : tensor<1x?x4x8xf32, #bess.dims<"1", "h", "4", "8">>
}
