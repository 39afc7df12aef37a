// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Provenance: every op of a program knows the ONNX nodes that it comes from, by
// the names in its location. The verifier of each phase holds it.
#pragma once

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace bessemer::bess {

/// The names in a location, each once.
std::vector<std::string> nodeNames(mlir::LocationAttr location);

/// True when a name is anywhere in the location.
bool namesNode(mlir::LocationAttr location);

/// Fails at the first op of the bess dialect whose location names no node. Not
/// asked of `bess.yield`, which is syntax, nor of `bess.constant`: equal
/// constants of many nodes are one op, which MLIR's folder gives no location.
llvm::LogicalResult verifyProvenance(mlir::ModuleOp module);

} // namespace bessemer::bess
