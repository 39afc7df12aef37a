// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef BESSEMER_PASSES_OUTLINE
#define BESSEMER_PASSES_OUTLINE
include "mlir/Pass/PassBase.td"

def OutlineRepeats : Pass<"bessemer-outline", "::mlir::ModuleOp"> {
  let summary = "turn repeated layers into calls of one function";
  let description = [{
    Repeats are found by structure: op names, attributes and types without locations, and the values of small constants. Weights
    and what else differs from layer to layer become arguments. The layer is cut where the fewest values live; of such places, before an op
    that is in no kernel with its producer (elementwise ops are; on a GPU normalizations, too).

    ```mlir
    // before: twice, with %w0 and %w1
    %a = bess.matmul %x, %w0 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    %b = bess.relu %a : (tensor<4x4xf32>) -> tensor<4x4xf32>
    // after
    %b = func.call @layer_0(%x, %w0) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    ```
    An argument that is a weight at every call carries `bess.weight`.
  }];
  let options = [
    Option<"minCount", "min-count", "int64_t", "3", "layers that make a repeat">,
    Option<"minPeriod", "min-period", "int64_t", "4", "ops that make a layer">,
    Option<"minSaved", "min-saved", "int64_t", "12", "ops that need not be compiled again">,
  ];
  let dependentDialects = ["::bessemer::bess::BessDialect", "::mlir::func::FuncDialect"];
}

def InlineSingleCalls : Pass<"bessemer-inline-single-calls", "::mlir::ModuleOp"> {
  let summary = "put a private function that is called once back in its place";
  let description = [{
    ```mlir
    // before
    %y = func.call @layer_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
    // after
    %y = bess.relu %x : (tensor<4xf32>) -> tensor<4xf32>
    ```
  }];
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

def VerifyOutlined : Pass<"bessemer-verify-outlined", "::mlir::ModuleOp"> {
  let summary = "state the form that outline leaves";
  let description = [{
    Fails when a called function is not private or has no body, when calls form a cycle, when a called function holds a
    `bess.weight` (weights are arguments of what is called, so that layers can share it), or when a `bess` op has a location
    without a name. Changes nothing.
    ```mlir
    %y = func.call @layer_0(%x, %w) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>   // @layer_0: private, with a body
    ```
  }];
}
#endif
