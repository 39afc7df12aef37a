// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --split-input-file --bessemer-split-depth %s | FileCheck %s

// Few blocks, a long depth.
module attributes {bess.target = {name = "cuda", architecture = 90 : i64}} {
  // CHECK-LABEL: func.func @few
  // CHECK: %[[P:.*]] = bess.matmul_parts %arg0, %arg1 {bess.product = {{.*}}, bess.reason = "in 4 parts of 3584 of the depth: {{.*}}", part_depth = 3584 : i64} : (tensor<64x14336xf16>, tensor<14336x2048xf16>) -> tensor<4x64x2048xf32>
  // CHECK: %[[Y:.*]] = bess.sum_parts %[[P]] {{.*}}to = f16} : (tensor<4x64x2048xf32>) -> tensor<64x2048xf16>
  // CHECK: bess.relu %[[Y]]
  func.func @few(%x: tensor<64x14336xf16>, %w: tensor<14336x2048xf16>) -> tensor<64x2048xf16> {
    %0 = bess.matmul %x, %w : (tensor<64x14336xf16>, tensor<14336x2048xf16>) -> tensor<64x2048xf16>
    %1 = bess.relu %0 : (tensor<64x2048xf16>) -> tensor<64x2048xf16>
    return %1 : tensor<64x2048xf16>
  }
  // Leading dimensions are rows; the last part is shorter.
  // CHECK-LABEL: func.func @ragged
  // CHECK: bess.matmul_parts %arg0, %arg1 {{.*}}transpose_b} : (tensor<2x8x20000xbf16>, tensor<100x20000xbf16>) -> tensor<[[PARTS:[0-9]+]]x2x8x100xf32>
  // CHECK: bess.sum_parts {{.*}} : (tensor<[[PARTS]]x2x8x100xf32>) -> tensor<2x8x100xbf16>
  func.func @ragged(%x: tensor<2x8x20000xbf16>, %w: tensor<100x20000xbf16>) -> tensor<2x8x100xbf16> {
    %0 = bess.matmul %x, %w {transpose_b} : (tensor<2x8x20000xbf16>, tensor<100x20000xbf16>) -> tensor<2x8x100xbf16>
    return %0 : tensor<2x8x100xbf16>
  }
  // Enough blocks; rows that only the run knows; integers.
  // CHECK-LABEL: func.func @not
  // CHECK-NOT: parts
  func.func @not(%x: tensor<4096x4096xf16>, %w: tensor<4096x4096xf16>, %r: tensor<?x16384xf16, #bess.dims<"m", "16384">>, %v: tensor<16384x64xf16>,
                 %i: tensor<1x16384xi8>, %j: tensor<16384x64xi8>) -> (tensor<4096x4096xf16>, tensor<?x64xf16, #bess.dims<"m", "64">>, tensor<1x64xi32>) {
    %0 = bess.matmul %x, %w : (tensor<4096x4096xf16>, tensor<4096x4096xf16>) -> tensor<4096x4096xf16>
    %1 = bess.matmul %r, %v : (tensor<?x16384xf16, #bess.dims<"m", "16384">>, tensor<16384x64xf16>) -> tensor<?x64xf16, #bess.dims<"m", "64">>
    %2 = bess.matmul %i, %j {to = i32} : (tensor<1x16384xi8>, tensor<16384x64xi8>) -> tensor<1x64xi32>
    return %0, %1, %2 : tensor<4096x4096xf16>, tensor<?x64xf16, #bess.dims<"m", "64">>, tensor<1x64xi32>
  }
}

// -----

// A CPU shares rows and columns out.
module {
  // CHECK-LABEL: func.func @cpu
  // CHECK-NOT: parts
  func.func @cpu(%x: tensor<64x14336xf16>, %w: tensor<14336x4096xf16>) -> tensor<64x4096xf16> {
    %0 = bess.matmul %x, %w : (tensor<64x14336xf16>, tensor<14336x4096xf16>) -> tensor<64x4096xf16>
    return %0 : tensor<64x4096xf16>
  }
}
