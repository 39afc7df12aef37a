// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef BESSEMER_PASSES_PLAN
#define BESSEMER_PASSES_PLAN
include "mlir/Pass/PassBase.td"

def PrepareWeights : Pass<"bessemer-prepare-weights", "::mlir::ModuleOp"> {
  let summary = "move what depends on weights alone to the time of loading";
  let description = [{
    An op without side effects whose operands are weights, constants or results of such ops is computed once, when the program is
    loaded: it moves into a private function that `bess.prepare` names. In a function that is called with weights as arguments
    (an outlined layer), such ops move to the callers first.

    ```mlir
    // before
    %w = bess.weight "fc.w" <file = "m.onnx", offset = 64, length = 64> : tensor<4x4xf32>
    %t = bess.transpose %w {permutation = array<i64: 1, 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
    // after
    %w = bess.weight "fc.w" <file = "m.onnx", offset = 64, length = 64> : tensor<4x4xf32>
    %t = bess.prepare @prepare_0(%w) : (tensor<4x4xf32>) -> tensor<4x4xf32>
    ```
    A result that is much larger than what it is made of (a broadcast) stays where it is.
  }];
  let dependentDialects = ["::bessemer::bess::BessDialect", "::mlir::func::FuncDialect"];
}

def PlanMemory : Pass<"bessemer-plan", "::mlir::ModuleOp"> {
  let summary = "assign every tensor to memory: aliases, lifetimes, offsets";
  let description = [{
    Leaves on each function `bess.storages`, its pieces of memory, and on each op with tensor results `bess.placement`, which
    piece holds each result and where in it. Loops carry `bess.carried` for their block arguments. Where all sizes of a
    function are constant the offsets in its frame are planned (`bess.frame_bytes`) and checked by the planner's independent
    checker; else the runtime plans them when it first sees the shapes.

    ```mlir
    // before
    %0 = bess.relu %x : (tensor<4xf32>) -> tensor<4xf32>
    // after: storage 1 is `#bess.storage<kind = output, ...>`
    %0 = bess.relu %x {bess.placement = [#bess.placement<1, "0">]} : (tensor<4xf32>) -> tensor<4xf32>
    ```
  }];
  let dependentDialects = ["::bessemer::bess::BessDialect"];
}
#endif
