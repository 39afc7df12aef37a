// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs a function of `bess` ops on host tensors, op by op, on lib/Kernels: the
// definition of what a module means, slow and plain.
//
//   WeightFiles files;
//   Evaluator evaluator(module, files, {.oracle = true});
//   FailureOr<SmallVector<HostTensor>> results = evaluator.run("main", inputs);
//
// It knows bess ops (fusions included), func.call, scf.if, scf.for, scf.while,
// tensor.extract and its like, and arith on scalars. It does not know
// `bess.launch`: kernels are checked by running the artifact.
#pragma once

#include "bessemer/Reference/HostTensor.h"

#include "mlir/IR/BuiltinOps.h"

#include <functional>

namespace bessemer::reference {

class Evaluator {
public:
  struct Options {
    /// All tensors of f32, f16 and bf16 are held and computed in f64. Ops that
    /// look at bits (bitcast) see the declared type.
    bool oracle = false;
    /// Values of symbols that the inputs do not bind.
    SymbolicExpr::Values symbols = {};
    /// Called with each op's results, for tracing.
    std::function<void(mlir::Operation *, llvm::ArrayRef<HostTensor>)> observe = {};
    /// Iterations of one loop after which the evaluation fails.
    int64_t maxIterations = 1 << 20;
    /// Bytes of values that are alive at once, beyond which it fails.
    int64_t memoryLimit = int64_t(1) << 40;
  };

  Evaluator(mlir::ModuleOp module, WeightFiles &files) : Evaluator(module, files, Options()) {}
  Evaluator(mlir::ModuleOp module, WeightFiles &files, Options options)
      : module(module), files(files), options(std::move(options)) {}

  /// Inputs have the element types of the function's arguments (float ones may
  /// be f64 already with `oracle`) and shapes that fit: equal names of
  /// dimensions get equal extents. A violated guard, an op that is not known
  /// and a kernel's refusal fail with a diagnostic at the op.
  mlir::FailureOr<llvm::SmallVector<HostTensor>> run(llvm::StringRef function, llvm::ArrayRef<HostTensor> inputs);

  /// The function's symbols and their values in the last run.
  const SymbolicExpr::Values &symbols() const { return lastSymbols; }

private:
  mlir::ModuleOp module;
  WeightFiles &files;
  Options options;
  SymbolicExpr::Values lastSymbols;
};

/// The DType in which the oracle holds elements that are declared as `declared`.
DType oracleDType(DType declared);

} // namespace bessemer::reference
