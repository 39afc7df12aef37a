// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the attention matcher finds out before anything is rewritten.
#pragma once

#include "passes/Simplify/Match.h"

namespace bessemer::simplify {

/// One thing that is done to the scores between the product and the softmax.
struct MaskTerm {
  mlir::Value value; ///< added, or the condition (i1)
  bool isCondition = false;
  bool keepsWhereTrue = true; ///< of a condition
  double fill = 0;            ///< what the scores become where it does not keep
};

struct AttentionMatch {
  mlir::Value q, k, v;
  llvm::StringRef qLayout = "bhsd", kLayout = "bhsd", vLayout = "bhsd";
  double scale = 1;
  double softcap = 0;
  llvm::SmallVector<MaskTerm, 2> masks;
  bool causal = false, causalBottomRight = false;
  bess::MatmulOp scores; ///< q k^T
};

/// Matches softmax(scale * q k^T + mask) v at its second product. The reason
/// of a near miss goes to the matcher.
std::optional<AttentionMatch> matchAttention(Matcher &matcher, bess::MatmulOp root);

/// Takes out of `match.masks` a term that is the causal mask.
void matchCausal(Matcher &matcher, AttentionMatch &match);

} // namespace bessemer::simplify
