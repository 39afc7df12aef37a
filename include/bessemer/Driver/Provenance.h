// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the location of an op says: the ONNX nodes that it comes from, and the file.
#pragma once

#include "mlir/IR/Location.h"

#include <string>
#include <vector>

namespace bessemer {

/// Names of the nodes, each once, in order. Empty when the location has none.
std::vector<std::string> nodeNames(mlir::Location loc);

/// "a, b, …" (at most `limit` names, then how many more).
std::string provenanceText(mlir::Location loc, size_t limit = 4);

/// The file that the location lies in, with line and column when they are not 0; may be empty.
std::string fileText(mlir::Location loc);

} // namespace bessemer
