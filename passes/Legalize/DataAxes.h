// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Axes that are an operand and no constant: the dimensions of the result are
// computed on the data and bound to symbols.
#pragma once

#include "passes/Legalize/Node.h"

namespace bessemer::legalize {

/// Is this axes operand neither a constant nor empty, and a vector of constant length?
bool axesFromData(Node &n, Value axes);

Value reduceByData(Node &n, Value x, llvm::StringRef kind, Value axes, bool keepdims);
Value squeezeByData(Node &n, Value x, Value axes);
Value unsqueezeByData(Node &n, Value x, Value axes);

/// Entries of `values` at the places that `axes` names in a vector of `rank`
/// elements of `rest`.
Value scatterByAxes(Node &n, Value rest, Value axes, Value values, int64_t rank);

} // namespace bessemer::legalize
