// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The attributes and operands of a `bess` op as lib/Kernels wants them: the one
// place that knows. The evaluator, the constant folder and the emitter of the
// runtime's kernel calls use it.
#pragma once

#include "bessemer/Kernels/Kernels.h"

#include "dialects/Bess/Bess.h"

namespace bessemer::reference {

struct KernelAttributes {
  /// All attributes but those in the next two.
  kernels::Attributes constants;
  /// Attributes whose value depends on symbols: lists (`#bess.dims`) and
  /// single integers (`k` of trilu). To be evaluated for each run.
  std::map<std::string, std::vector<SymbolicExpr>, std::less<>> lists;
  std::map<std::string, SymbolicExpr, std::less<>> integers;

  bool isConstant() const { return lists.empty() && integers.empty(); }
  /// All attributes; nullopt when a symbol has no value.
  std::optional<kernels::Attributes> evaluate(const SymbolicExpr::Lookup &lookup) const;
};

/// Fails, with a diagnostic at the op, on an attribute no kernel could read.
mlir::FailureOr<KernelAttributes> getKernelAttributes(mlir::Operation *op);

/// "matmul" for bess.matmul; empty for another dialect's op.
llvm::StringRef getKernelName(mlir::Operation *op);

/// The operands in the order of the op's declaration, with a null value for
/// an optional one that is absent.
llvm::SmallVector<mlir::Value> getKernelOperands(mlir::Operation *op);

/// True when only the data tells the extents of the results (nonzero, unique,
/// compress, non_max_suppression).
bool hasDataDependentShape(mlir::Operation *op);

} // namespace bessemer::reference
