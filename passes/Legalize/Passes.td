// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef BESSEMER_LEGALIZE_PASSES
#define BESSEMER_LEGALIZE_PASSES
include "mlir/Pass/PassBase.td"

def BessemerLegalize : Pass<"bessemer-legalize", "::mlir::ModuleOp"> {
  let summary = "turn the nodes of an ONNX model into bess ops";
  let description = [{
    Every `onnx.node` becomes the `bess` ops that compute it; shapes are
    inferred over named symbols while that happens. Local functions are
    inlined, subgraphs become `scf` ops, or vanish where their condition is
    known. All nodes that cannot be legalized are reported, each at its own
    place; then the pass fails.

    Small integer tensors are followed symbolically: what `Shape`, constants
    and arithmetic on them say becomes the dimensions of `Reshape`, `Expand`,
    `Slice` and the like. Where a dimension comes from data,
    `bess.bind_symbols` names it.

    Before:
    ```mlir
    %y = onnx.node "Relu"(%x) domain "" version 13 name "act" outputs ["y"] subgraphs []
         {onnx_attributes = {}} : (tensor<2x3xf32>) -> !onnx.unknown
    ```
    After:
    ```mlir
    %y = bess.relu %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
    ```
  }];
  let options = [
    ListOption<"dims", "dims", "std::string",
      "bind or bound a symbol: `seq=128` or `seq<=512`">,
  ];
  let dependentDialects = ["::bessemer::bess::BessDialect", "::mlir::scf::SCFDialect",
                           "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::func::FuncDialect"];
}

def BessemerVerifyBess : Pass<"bessemer-verify-bess", "::mlir::ModuleOp"> {
  let summary = "state the form that legalization leaves: no onnx op, every bess op knows its node";
  let description = [{
    Fails when an op of the `onnx` dialect is left, or when a `bess` op has a
    location without a name (the provenance that `explain` and every
    diagnostic need).
  }];
}
#endif
