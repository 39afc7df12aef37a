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

def AppendInPlace : Pass<"bessemer-append-in-place", "::mlir::ModuleOp"> {
  let summary = "let a cache that the program appends to stay where it is";
  let description = [{
    Where a result of the program is an argument with new elements behind it along one axis (past and present of a decoder), every
    kernel that reads or writes the result takes its rows `cache.capacity` places apart (`bess.strides`): the caller may give both one buffer with
    room for more than they hold. The kernel that joins them copies the past only when `cache.copied` is not 0. `bess.caches` on @main says
    which arguments and results these are. Left alone is a cache that something reads as one piece of memory, that is used besides being
    appended to, or whose length the shapes of the arguments do not tell.

    ```mlir
    // before
    %1 = bess.launch @concat_0(%past, %0) {symbol_args = #bess.dims<"past", "seq">} ...
    // after
    %1 = bess.launch @concat_0_cache(%past, %0) {symbol_args = #bess.dims<"past", "seq", "`cache.capacity`", "`cache.copied`">} ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def PlanMemory : Pass<"bessemer-plan", "::mlir::ModuleOp"> {
  let summary = "assign every tensor to memory: aliases, lifetimes, offsets";
  let description = [{
    Leaves on each function `bess.storages`, its pieces of memory, and on each op with tensor results `bess.placement`, which
    piece holds each result and where in it. Loops carry `bess.carried` for their block arguments. Where all sizes of a
    function are constant or bounded (`bounds`) the offsets in its frame are planned (`bess.frame_bytes`) and checked by the planner's independent
    checker; else the runtime plans them when it first sees the shapes.

    First the ops are put into an order in which fewer bytes are live at a time (`bess.order` says what that saved); guards, ops that bind symbols or
    have side effects or regions stay where they are, and nothing crosses them. A reshape or a contiguous slice is a view of its operand; what a concat
    along the outermost dimension joins is made in the concat's memory, or copied there (`bess.view`); a kernel writes over an operand that dies
    when its `in_place` allows it.

    ```mlir
    // before
    %0 = bess.relu %x : (tensor<4xf32>) -> tensor<4xf32>
    // after: storage 1 is `#bess.storage<kind = output, ...>`
    %0 = bess.relu %x {bess.placement = [#bess.placement<1, "0">]} : (tensor<4xf32>) -> tensor<4xf32>
    ```
  }];
  let options = [
    ListOption<"bounds", "bounds", "std::string", "largest values of symbols: seq<=512">
  ];
  let dependentDialects = ["::bessemer::bess::BessDialect"];
}

def VerifyPlanned : Pass<"bessemer-verify-planned", "::mlir::ModuleOp"> {
  let summary = "state the form that plan leaves";
  let description = [{
    Fails when a function has no `bess.storages`, when an op with tensor results has no `bess.placement`, when a placement
    names no storage of its function, or when a `bess` op has a location without a name. That nothing overlaps is what the
    planner's checker says. Changes nothing.
    ```mlir
    %0 = bess.relu %x {bess.placement = [#bess.placement<1, "0">]} : (tensor<4xf32>) -> tensor<4xf32>
    ```
  }];
}
#endif
