// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-verify-bess --split-input-file --verify-diagnostics %s

func.func @left(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected no op of the onnx dialect after legalization, got onnx.node}}
  %0 = onnx.node "Relu"(%x) version 17 outputs ["r"] : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @nameless(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected a location that names the ONNX node, got none for bess.relu}}
  %0 = bess.relu %x : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @named(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = bess.relu %x : (tensor<3xf32>) -> tensor<3xf32> loc("act")
  return %0 : tensor<3xf32>
}
