// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pieces that LayoutConversion.cpp puts together: both layouts of a part as
// columns over bits, and the two ways between them.
#pragma once

#include "bessemer/Algorithms/LayoutConversion.h"

namespace bessemer::conversion {

/// Where each bit of a hardware index goes in the flat index of the element.
struct Side {
  std::vector<uint64_t> registers, lanes, warps;
};
struct Problem {
  Side source, target; ///< as many lane and warp bits on both sides
  unsigned elementBits = 32;
  unsigned outputBits = 0;
  std::vector<ConversionPart> parts;
};

/// Splits a tile into parts that are powers of two. Nullopt and `*error` as
/// `planConversion`.
std::optional<Problem> makeProblem(const TileLayout &from, const TileLayout &to, unsigned elementBits,
                                   std::string *error);

/// Null when a warp lacks what it wants.
std::optional<WarpExchange> planExchange(const Problem &problem);

SharedExchange planShared(const Problem &problem, bool perWarp);

} // namespace bessemer::conversion
