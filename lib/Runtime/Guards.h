// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Guards are checked at entry, when a plan is made, or on the way, by what is
// known then: one meaning and one sentence for all three.
#pragma once

#include "bessemer/Runtime/Program.h"

#include <optional>

namespace bessemer::runtime {

inline bool guardHolds(const Guard &guard, int64_t lhs, int64_t rhs) {
  return guard.relation == "eq" ? lhs == rhs : guard.relation == "le" ? lhs <= rhs : lhs < rhs;
}

/// "NODE: dimensions of broadcast operands: expected n = 8, got 7 and 8".
inline std::string guardText(const Guard &guard, const std::string &provenance, std::optional<int64_t> lhs,
                             std::optional<int64_t> rhs) {
  std::string sign = guard.relation == "eq" ? " = " : guard.relation == "le" ? " <= " : " < ";
  auto number = [](std::optional<int64_t> value) { return value ? std::to_string(*value) : "?"; };
  return (provenance.empty() ? "" : provenance + ": ") + (guard.message.empty() ? "" : guard.message + ": ") +
         "expected " + guard.lhs.str() + sign + guard.rhs.str() + ", got " + number(lhs) + " and " + number(rhs);
}

} // namespace bessemer::runtime
