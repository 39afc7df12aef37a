// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: split-file %s %t
// RUN: bessemer-opt --bessemer-verify-simplified --split-input-file --verify-diagnostics %t/simplified.mlir
// RUN: bessemer-opt --bessemer-verify-outlined --split-input-file --verify-diagnostics %t/outlined.mlir
// RUN: bessemer-opt --bessemer-verify-fused --split-input-file --verify-diagnostics %t/fused.mlir
// RUN: bessemer-opt --bessemer-verify-layout --split-input-file --verify-diagnostics %t/layout.mlir
// RUN: bessemer-opt --bessemer-verify-tiled --split-input-file --verify-diagnostics %t/tiled.mlir
// RUN: bessemer-opt --bessemer-verify-planned --split-input-file --verify-diagnostics %t/planned.mlir
// RUN: bessemer-opt --bessemer-verify-lowered --split-input-file --verify-diagnostics %t/lowered.mlir

// A violation for each thing that closes a phase, and what passes.

//--- simplified.mlir
func.func @left(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected no op of the onnx dialect, got onnx.node}}
  %0 = onnx.node "Relu"(%x) version 17 outputs ["r"] : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
// -----
func.func @unread(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected a reader of what bess.relu computes, got none}}
  %0 = bess.relu %x : (tensor<3xf32>) -> tensor<3xf32>
  return %x : tensor<3xf32>
}
// -----
func.func @nameless(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected a location that names the ONNX node, got none for bess.relu}}
  %0 = bess.relu %x : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
// -----
func.func @fine(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = bess.relu %x : (tensor<3xf32>) -> tensor<3xf32> loc("act")
  return %0 : tensor<3xf32>
}
//--- outlined.mlir
func.func @layer(%x: tensor<3xf32>) -> tensor<3xf32> {
  return %x : tensor<3xf32>
}
func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected a private function with a body, got @layer}}
  %0 = func.call @layer(%x) : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
// -----
// expected-error @+1 {{expected no recursion, got a cycle of calls through @a}}
func.func private @a(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = func.call @b(%x) : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
func.func private @b(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = func.call @a(%x) : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
// -----
func.func private @layer() -> tensor<3xf32> {
  // expected-error @+1 {{expected weights as arguments of a called function, got weight 'w' inside of it}}
  %w = bess.weight "w" <file = "m", offset = 0, length = 12> : tensor<3xf32>
  return %w : tensor<3xf32>
}
func.func @main() -> tensor<3xf32> {
  %0 = func.call @layer() : () -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
// -----
func.func private @layer(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = bess.relu %x : (tensor<3xf32>) -> tensor<3xf32> loc("act")
  return %0 : tensor<3xf32>
}
func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = func.call @layer(%x) : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
//--- fused.mlir
func.func @silent(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected a reason of the fusion, which explain prints, got none}}
  %0 = bess.fusion "row"(%x) reason "" : (tensor<3xf32>) -> tensor<3xf32> {
  ^bb0(%a: tensor<3xf32>):
    %1 = bess.relu %a : (tensor<3xf32>) -> tensor<3xf32> loc("act")
    bess.yield %1 : tensor<3xf32>
  }
  return %0 : tensor<3xf32>
}
// -----
func.func @effect(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = bess.fusion "row"(%x) reason "alone" : (tensor<3xf32>) -> tensor<3xf32> {
  ^bb0(%a: tensor<3xf32>):
    // expected-error @+1 {{expected ops without side effects in a fusion, got bess.guard}}
    bess.guard "eq" "n" "3" "three"
    %1 = bess.relu %a : (tensor<3xf32>) -> tensor<3xf32> loc("act")
    bess.yield %1 : tensor<3xf32>
  }
  return %0 : tensor<3xf32>
}
//--- layout.mlir
func.func @reader(%w: tensor<4x16xf32>) -> tensor<1x4x16xf32> {
  // expected-note @+1 {{packed here}}
  %p = bess.pack %w {block = 16 : i64, layout = "panels"} : (tensor<4x16xf32>) -> tensor<1x4x16xf32>
  // expected-error @+1 {{expected a matmul or conv that knows panels, or a call, as the reader of panels, got bess.relu}}
  %y = bess.relu %p : (tensor<1x4x16xf32>) -> tensor<1x4x16xf32>
  return %y : tensor<1x4x16xf32>
}
//--- tiled.mlir
func.func @fusion(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected no bess.fusion: a launch, or its ops on their own}}
  %0 = bess.fusion "row"(%x) reason "alone" : (tensor<3xf32>) -> tensor<3xf32> {
  ^bb0(%a: tensor<3xf32>):
    bess.yield %a : tensor<3xf32>
  }
  return %0 : tensor<3xf32>
}
// -----
func.func @unknown(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected the name of a tile.kernel, got @none}}
  %0 = bess.launch @none(%x) {symbol_args = #bess.dims<>} : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
// -----
func.func @operands(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected 1 operands and 1 results, as the views of @k, got 2 and 1}}
  %0 = bess.launch @k(%x, %x) {symbol_args = #bess.dims<>} : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
tile.kernel @k grid <> views 2 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"3">, f32>, %y: !tile.view<<"3">, f32>):
  tile.return
}
// -----
func.func @symbols(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected 1 symbols for @k, got 0}}
  %0 = bess.launch @k(%x) {symbol_args = #bess.dims<>} : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
tile.kernel @k grid <"s0"> views 2 outputs 1 symbols 1 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"s0">, f32>, %y: !tile.view<<"s0">, f32>, %s0: index, %i: index):
  tile.return
}
// -----
func.func @element(%x: tensor<3xf64>) -> tensor<3xf32> {
  // expected-error @+1 {{expected elements of 'f32' for view 0 of @k, got 'f64'}}
  %0 = bess.launch @k(%x) {symbol_args = #bess.dims<>} : (tensor<3xf64>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
tile.kernel @k grid <> views 2 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"3">, f32>, %y: !tile.view<<"3">, f32>):
  tile.return
}
// -----
// expected-error @+1 {{expected a launch of every kernel, got none of @k}}
tile.kernel @k grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"3">, f32>):
  tile.return
}
// -----
func.func @named(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = bess.launch @k(%x) {symbol_args = #bess.dims<>} : (tensor<3xf32>) -> tensor<3xf32> loc("act")
  return %0 : tensor<3xf32>
}
// expected-error @+1 {{expected a location that names the ONNX nodes of @k}}
tile.kernel @k grid <> views 2 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"3">, f32>, %y: !tile.view<<"3">, f32>):
  tile.return
}
//--- planned.mlir
// expected-error @+1 {{expected bess.storages, the memory of @main, got none}}
func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
  return %x : tensor<3xf32>
}
// -----
func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> attributes {bess.storages = []} {
  // expected-error @+1 {{expected bess.placement, a place for each of 1 results, got 0}}
  %0 = bess.relu %x : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
// -----
func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> attributes {bess.storages = [#bess.storage<kind = "output", index = 0, bytes = "12", lower = 0, upper = 2, offset = -1>]} {
  // expected-error @+1 {{expected one of 1 storages, got number 1}}
  %0 = bess.relu %x {bess.placement = [#bess.placement<1, "0">]} : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
//--- lowered.mlir
// expected-error @+1 {{expected no tile.kernel, got @k}}
tile.kernel @k grid <> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"3">, f32>):
  tile.return
}
// -----
func.func @main() {
  return
}
module @kernels {
  // expected-error @+1 {{expected an op of the LLVM or NVVM dialect in @kernels, got func.func}}
  func.func @k() {
    return
  }
}
// -----
func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected a function of @kernels with a grid and a workspace, got @k}}
  %0 = bess.launch @k(%x) {symbol_args = #bess.dims<>} : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
