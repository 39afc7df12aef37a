// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --cse --check-numerics --numerics-dim=rows=3 %s 2>&1 | FileCheck %s
// RUN: not bessemer-opt --cse --check-numerics --numerics-case=%t-none %s 2>&1 | FileCheck %s --check-prefix=BAD-CASE
// RUN: not bessemer-opt --check-numerics --numerics-dim=rows %s 2>&1 | FileCheck %s --check-prefix=BAD-DIM

// What cannot be evaluated is said and left alone; the rest is checked.
// CHECK: warning: function @launched is not checked, since it cannot be evaluated before the first pass: {{.*}}no kernel evaluates this op
// BAD-CASE: --numerics-case: expected a folder with input_0.pb, got
// BAD-DIM: expected --numerics-dim=name=value, got rows

// CHECK-LABEL: func.func @evaluated
func.func @evaluated(%x: tensor<?x4xf32, #bess.dims<"rows", "4">>) -> tensor<?x4xf32, #bess.dims<"rows", "4">> {
  bess.guard "eq" "rows" "3" "three rows, as the command line says"
  %0 = bess.exp %x : (tensor<?x4xf32, #bess.dims<"rows", "4">>) -> tensor<?x4xf32, #bess.dims<"rows", "4">>
  %1 = bess.exp %x : (tensor<?x4xf32, #bess.dims<"rows", "4">>) -> tensor<?x4xf32, #bess.dims<"rows", "4">>
  // CHECK: %[[E:.*]] = bess.exp
  // CHECK-NEXT: bess.add %[[E]], %[[E]]
  %2 = bess.add %0, %1 : (tensor<?x4xf32, #bess.dims<"rows", "4">>, tensor<?x4xf32, #bess.dims<"rows", "4">>) -> tensor<?x4xf32, #bess.dims<"rows", "4">>
  return %2 : tensor<?x4xf32, #bess.dims<"rows", "4">>
}

func.func @launched(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = bess.launch @kernel(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
