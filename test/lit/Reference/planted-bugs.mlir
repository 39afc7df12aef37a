// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pass that is wrong is named, whatever kind its bug is of and wherever it stands among passes that are right.
// RUN: not bessemer-opt --load-pass-plugin=%build/lib/PlantedBugs.so --pass-pipeline='builtin.module(cse,plant-swapped-operands,canonicalize)' --check-numerics %s 2>&1 | FileCheck %s --check-prefix=SWAP
// RUN: not bessemer-opt --load-pass-plugin=%build/lib/PlantedBugs.so --pass-pipeline='builtin.module(plant-lost-op,cse)' --check-numerics %s 2>&1 | FileCheck %s --check-prefix=LOST
// RUN: not bessemer-opt --load-pass-plugin=%build/lib/PlantedBugs.so --pass-pipeline='builtin.module(cse,canonicalize,plant-rounded-constant)' --check-numerics %s 2>&1 | FileCheck %s --check-prefix=ROUND
// RUN: not bessemer-opt --load-pass-plugin=%build/lib/PlantedBugs.so --pass-pipeline='builtin.module(cse,plant-other-axis)' --check-numerics %s 2>&1 | FileCheck %s --check-prefix=AXIS
// RUN: not bessemer-opt --load-pass-plugin=%build/lib/PlantedBugs.so --pass-pipeline='builtin.module(func.func(bessemer-normalize-for-fusion),plant-larger-epsilon)' --check-numerics %s 2>&1 | FileCheck %s --check-prefix=EPSILON
// RUN: bessemer-opt --load-pass-plugin=%build/lib/PlantedBugs.so --pass-pipeline='builtin.module(plant-lost-gelu,cse)' --check-numerics %s | FileCheck %s --check-prefix=RIGHT

// SWAP: error: pass plant-swapped-operands changed the answer of @main: result 0
// LOST: error: pass plant-lost-op changed the answer of @main: result 0
// ROUND: error: pass plant-rounded-constant changed the answer of @main: result 0
// AXIS: error: pass plant-other-axis changed the answer of @main: result 0
// EPSILON: error: pass plant-larger-epsilon changed the answer of @main: result 0
// RIGHT: bess.layer_norm
func.func @main(%x: tensor<?x8xf32, #bess.dims<"rows", "8">>, %g: tensor<8xf32>) -> tensor<?x8xf32, #bess.dims<"rows", "8">> {
  %c = bess.constant dense<0.30> : tensor<f32>
  %0 = bess.mul %x, %c : (tensor<?x8xf32, #bess.dims<"rows", "8">>, tensor<f32>) -> tensor<?x8xf32, #bess.dims<"rows", "8">>
  %1 = bess.sub %x, %0 : (tensor<?x8xf32, #bess.dims<"rows", "8">>, tensor<?x8xf32, #bess.dims<"rows", "8">>) -> tensor<?x8xf32, #bess.dims<"rows", "8">>
  %2 = bess.relu %1 : (tensor<?x8xf32, #bess.dims<"rows", "8">>) -> tensor<?x8xf32, #bess.dims<"rows", "8">>
  %3 = bess.softmax %2 {axis = 1 : i64} : (tensor<?x8xf32, #bess.dims<"rows", "8">>) -> tensor<?x8xf32, #bess.dims<"rows", "8">>
  %4 = bess.layer_norm %3, %g {axis = 1 : i64, epsilon = 1.0e-5 : f64} : (tensor<?x8xf32, #bess.dims<"rows", "8">>, tensor<8xf32>) -> tensor<?x8xf32, #bess.dims<"rows", "8">>
  return %4 : tensor<?x8xf32, #bess.dims<"rows", "8">>
}
