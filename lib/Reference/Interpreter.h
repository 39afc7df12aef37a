// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The evaluation of one function: what the Evaluator does inside.
#pragma once

#include "SymbolValues.h"

#include "bessemer/Reference/Evaluator.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"

namespace bessemer::reference {

using Tensors = llvm::SmallVector<HostTensor>;

class Interpreter {
public:
  Interpreter(mlir::ModuleOp module, WeightFiles &files, const Evaluator::Options &options)
      : module(module), files(files), options(options) {}

  llvm::LogicalResult call(mlir::Operation *caller, mlir::func::FuncOp function, llvm::ArrayRef<HostTensor> inputs,
                           const SymbolValues *outer, Tensors &results);

  SymbolicExpr::Values lastSymbols;

private:
  /// Values of the function that is running.
  struct Frame {
    explicit Frame(const SymbolValues *outer) : symbols(outer) {}
    llvm::DenseMap<mlir::Value, HostTensor> values;
    SymbolValues symbols;
    Frame *previous = nullptr;
  };
  using Results = llvm::SmallVectorImpl<HostTensor>;

  /// Runs a block; the terminator's operands come back in `yielded`.
  llvm::LogicalResult block(mlir::Block &block, llvm::ArrayRef<HostTensor> arguments, Tensors &yielded);
  llvm::LogicalResult op(mlir::Operation *op, Tensors &results);

  // Interpreter.cpp
  llvm::LogicalResult define(mlir::Value value, const HostTensor &tensor, const void *owner, mlir::Location loc);
  llvm::LogicalResult bindSymbols(bess::BindSymbolsOp op);
  llvm::LogicalResult guard(bess::GuardOp op);
  llvm::LogicalResult fromDims(bess::FromDimsOp op, Results &results);
  void forget(mlir::Value value);
  const llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::Value>> &lastUses(mlir::Block &block);

  // Control.cpp
  llvm::LogicalResult ifOp(mlir::scf::IfOp op, Tensors &results);
  llvm::LogicalResult forOp(mlir::scf::ForOp op, Tensors &results);
  llvm::LogicalResult whileOp(mlir::scf::WhileOp op, Tensors &results);

  // Scalars.cpp: arith and tensor ops on scalars
  llvm::LogicalResult scalar(mlir::Operation *op, Tensors &results);

  // RunKernel.cpp
  llvm::LogicalResult bessOp(mlir::Operation *op, Tensors &results);
  llvm::LogicalResult kernel(mlir::Operation *op, llvm::StringRef name, const kernels::Attributes &attributes,
                             llvm::ArrayRef<HostTensor> inputs, bool native, Tensors &results, std::string &error);
  HostTensor promote(const HostTensor &tensor);
  DType heldAs(mlir::Type type, bool native = false) const;
  std::optional<int64_t> integer(mlir::Value value);

  mlir::ModuleOp module;
  WeightFiles &files;
  const Evaluator::Options &options;
  Frame *frame = nullptr;
  int depth = 0;
  int64_t liveBytes = 0;
  llvm::DenseMap<mlir::Block *, llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::Value>>> liveness;
};

} // namespace bessemer::reference
