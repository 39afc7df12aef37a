// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "llvm/ADT/StringRef.h"

namespace bessemer::tile {

/// Attribute of a kernel, array<i64>: views that are weights or constants in all of its launches. Nothing writes them,
/// so they may be read while earlier launches run.
constexpr llvm::StringLiteral constantViewsName = "bess.constant_views";

} // namespace bessemer::tile
