// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --split-input-file --bessemer-split-depth %s | FileCheck %s

// Few blocks, a long depth.
module attributes {bess.target = {name = "cuda", architecture = 90 : i64}} {
  // CHECK-LABEL: func.func @few
  // CHECK: %[[P:.*]] = bess.matmul_parts %arg0, %arg1 {bess.product = {{.*}}, bess.reason = "in 16 parts of 896 of the depth: {{.*}}", part_depth = 896 : i64} : (tensor<16x14336xf16>, tensor<14336x512xf16>) -> tensor<16x16x512xf32>
  // CHECK: %[[Y:.*]] = bess.sum_parts %[[P]] {{.*}}to = f16} : (tensor<16x16x512xf32>) -> tensor<16x512xf16>
  // CHECK: bess.relu %[[Y]]
  func.func @few(%x: tensor<16x14336xf16>, %w: tensor<14336x512xf16>) -> tensor<16x512xf16> {
    %0 = bess.matmul %x, %w : (tensor<16x14336xf16>, tensor<14336x512xf16>) -> tensor<16x512xf16>
    %1 = bess.relu %0 : (tensor<16x512xf16>) -> tensor<16x512xf16>
    return %1 : tensor<16x512xf16>
  }
  // The second kernel takes the normalization behind the residual, for which there would be a launch anyway: parts pay earlier.
  // CHECK-LABEL: func.func @normalized
  // CHECK: bess.matmul_parts %arg0, %arg1 {{.*}}cycles expected with the sum of the parts and the normalization, {{.*}} without
  // CHECK-LABEL: func.func @added
  // CHECK-NOT: parts
  // CHECK: return
  func.func @normalized(%x: tensor<128x3072xf16>, %w: tensor<3072x768xf16>, %r: tensor<128x768xf16>, %s: tensor<768xf16>) -> tensor<128x768xf16> {
    %0 = bess.matmul %x, %w : (tensor<128x3072xf16>, tensor<3072x768xf16>) -> tensor<128x768xf16>
    %1 = bess.add %0, %s : (tensor<128x768xf16>, tensor<768xf16>) -> tensor<128x768xf16>
    %2 = bess.add %1, %r : (tensor<128x768xf16>, tensor<128x768xf16>) -> tensor<128x768xf16>
    %3 = bess.layer_norm %2, %s, %s {axis = 1 : i64, epsilon = 1.0e-05 : f64} : (tensor<128x768xf16>, tensor<768xf16>, tensor<768xf16>) -> tensor<128x768xf16>
    return %3 : tensor<128x768xf16>
  }
  func.func @added(%x: tensor<128x3072xf16>, %w: tensor<3072x768xf16>, %r: tensor<128x768xf16>) -> tensor<128x768xf16> {
    %0 = bess.matmul %x, %w : (tensor<128x3072xf16>, tensor<3072x768xf16>) -> tensor<128x768xf16>
    %1 = bess.add %0, %r : (tensor<128x768xf16>, tensor<128x768xf16>) -> tensor<128x768xf16>
    return %1 : tensor<128x768xf16>
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
