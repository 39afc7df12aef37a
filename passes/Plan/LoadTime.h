// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which ops depend on weights and constants alone, so that the loader can
// compute them.
#pragma once

#include "dialects/Bess/Bess.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SetVector.h"

namespace bessemer::plan {

/// An op that moves no byte: a reshape.
bool isView(mlir::Operation *op);

/// The load-time ops of one function. `weightArguments`: block arguments that
/// every caller gives as weights.
class LoadTimeOps {
public:
  LoadTimeOps(mlir::func::FuncOp function, const llvm::DenseSet<mlir::Value> &weightArguments);

  /// Is the value there when the program is loaded (through views)?
  bool isLoadTime(mlir::Value value) const;

  /// The load-time ops that something at run time reads, in order.
  llvm::SmallVector<mlir::Operation *> finals() const;

  /// What computes `op`: load-time ops and views in order, `op` last; `leaves`
  /// gets the weights and weight arguments they read, `constants` the constants.
  llvm::SmallVector<mlir::Operation *> slice(mlir::Operation *op, llvm::SetVector<mlir::Value> &leaves,
                                             llvm::SetVector<mlir::Value> &constants) const;

  /// Erases load-time ops and views that nobody uses any more.
  void eraseDead();

private:
  bool eligible(mlir::Operation *op) const;
  bool readAtRunTime(mlir::Value value) const;

  llvm::DenseSet<mlir::Value> weightArguments;
  llvm::SetVector<mlir::Operation *> ops;   ///< load-time, in order
  llvm::SetVector<mlir::Operation *> views; ///< of load-time values, in order
};

} // namespace bessemer::plan
