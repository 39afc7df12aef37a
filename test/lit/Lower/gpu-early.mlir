// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --split-input-file --bessemer-phase-fuse --bessemer-phase-tile --bessemer-phase-plan --bessemer-mark-constant-views --bessemer-assign-gpu-layouts --bessemer-lower-tile-to-gpu --bessemer-lower-kernels-to-llvm %s | FileCheck %s

// A product's first copies of its weights start before it waits for the launches in front; all of its threads wait.
// CHECK-LABEL: llvm.func @matmul_0
// CHECK: nvvm.griddepcontrol launch_dependents
// CHECK-NOT: nvvm.griddepcontrol
// CHECK: nvvm.cp.async.shared.global
// CHECK-NOT: nvvm.cp.async.commit.group
// CHECK: nvvm.griddepcontrol wait
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// CHECK: llvm.store
// CHECK: nvvm.griddepcontrol wait
// CHECK-NEXT: llvm.return
module attributes {bess.target = {name = "cuda", architecture = 90 : i64}} {
  func.func @main(%x: tensor<1x256xf16>) -> tensor<1x64xf16> {
    %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 32768> : tensor<256x64xf16> loc("w")
    %0 = bess.matmul %x, %w : (tensor<1x256xf16>, tensor<256x64xf16>) -> tensor<1x64xf16> loc("node")
    return %0 : tensor<1x64xf16>
  }
}

// -----

// What another launch may write is not touched before.
// CHECK-LABEL: llvm.func @matmul_0
// CHECK: nvvm.griddepcontrol launch_dependents
// CHECK-NEXT: nvvm.griddepcontrol wait
// CHECK-NOT: nvvm.griddepcontrol
module attributes {bess.target = {name = "cuda", architecture = 90 : i64}} {
  func.func @main(%x: tensor<1x256xf16>, %w: tensor<256x64xf16>) -> tensor<1x64xf16> {
    %0 = bess.matmul %x, %w : (tensor<1x256xf16>, tensor<256x64xf16>) -> tensor<1x64xf16> loc("node")
    return %0 : tensor<1x64xf16>
  }
}
