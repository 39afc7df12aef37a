// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// When two ops are the same but for the values they read.
#pragma once

#include "mlir/IR/Operation.h"

namespace bessemer::outline {

/// A constant that is part of an op's structure: its value is compared. Other
/// constants, weights and arguments are parameters.
bool isStructural(mlir::Value value);

/// A value that every layer brings along: a weight or a constant that is no structure.
bool isWeight(mlir::Value value);

/// Name, attributes, types and structural constants. An op that cannot be part
/// of an outlined function has a hash that no other op has.
uint64_t structuralHash(mlir::Operation *op);

/// The same question without a hash's chance of error.
bool sameStructure(mlir::Operation *a, mlir::Operation *b);

} // namespace bessemer::outline
