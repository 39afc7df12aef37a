// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-legalize='dims=batch=2,seq<=512' %s | FileCheck %s
// RUN: not bessemer-opt --bessemer-legalize='dims=batch' %s 2>&1 | FileCheck %s --check-prefix=BAD

// BAD: expected `symbol=value` or `symbol<=value`, got "batch"
// CHECK: func.func @main(%arg0: tensor<2x?xf32, #bess.dims<"2", "seq">>)
// CHECK: bess.guard "le" "seq" "512"
// CHECK: bess.relu {{.*}} -> tensor<2x?xf32, #bess.dims<"2", "seq">>
func.func @main(%x: tensor<?x?xf32, #bess.dims<"batch", "seq">>) -> !onnx.unknown {
  %0 = onnx.node "Relu"(%x) version 17 outputs ["r"] : (tensor<?x?xf32, #bess.dims<"batch", "seq">>) -> !onnx.unknown
  return %0 : !onnx.unknown
}
