// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef BESSEMER_LOWER_PASSES
#define BESSEMER_LOWER_PASSES
include "mlir/Pass/PassBase.td"

def LowerTileToCpu : Pass<"bessemer-lower-tile-to-cpu", "::mlir::ModuleOp"> {
  let summary = "expand tile programs into loops over vectors";
  let description = [{
    Each `tile.kernel` becomes a `func.func` in a nested module `@kernels`, with the
    calling convention of the runtime:
    `(buffers: ptr, symbols: ptr, begin: i64, end: i64, workspace: ptr)`, which
    runs the grid's points [begin, end).

    Tiles are not materialized: a store (or a reduction) pulls its operand, a
    vector at a time, through the elementwise ops down to the loads. What is
    read by more than one such traversal and is not cheap goes to scratch memory
    as the first of them passes by. `tile.dot` becomes register blocks, whose
    epilogue is evaluated while the sums are in registers.

    The vector width and the number of registers are in the module's
    `bess.target` (default: AVX2).
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::vector::VectorDialect", "::mlir::scf::SCFDialect",
                           "::mlir::func::FuncDialect", "::mlir::math::MathDialect", "::mlir::arith::ArithDialect"];
}

def LowerKernelsToLlvm : Pass<"bessemer-lower-kernels-to-llvm", "::mlir::ModuleOp"> {
  let summary = "take the functions of the nested module @kernels to the LLVM dialect";
  let description = [{
    Transcendental functions become polynomials (upstream `math`), loops become
    branches, vectors LLVM vectors. `main` and the other host functions are left alone.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::cf::ControlFlowDialect", "::mlir::vector::VectorDialect"];
}

def VerifyLowered : Pass<"bessemer-verify-lowered", "::mlir::ModuleOp"> {
  let summary = "state the form that lower leaves";
  let description = [{
    Fails when a `tile.kernel` is left, when an op of the nested module @kernels is not of the LLVM dialect, when a
    `bess.launch` names no function of it that has a grid, or when a `bess` op has a location without a name. Changes nothing.
    ```mlir
    llvm.func @row_0(...) attributes {bess.grid = #bess.dims<"4">, bess.workspace = "0"}   // in module @kernels
    ```
  }];
}
#endif
