// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pieces that the attention ops of both domains share.
#pragma once

#include "passes/Legalize/Node.h"

namespace bessemer::legalize {

/// [B, S, H*D] to [B, H, S, D]; an operand of rank 4 stays.
Value splitHeads(Node &n, Value x, int64_t heads);

/// [B, H, S, D] to [B, S, H*D].
Value mergeHeads(Node &n, Value x);

/// Each head of [B, H, S, D] as often as it takes to have `heads` of them.
Value repeatHeads(Node &n, Value x, const SymbolicExpr &heads);

/// Rotary embedding of [B, H, S, D] or [B, S, H*D]. The caches are rows by
/// position where `positions` is given, else [B, S, rotary/2]. `rotary` 0: all of D.
Value rotate(Node &n, Value x, Value cosCache, Value sinCache, Value positions, int64_t heads, int64_t rotary,
             bool interleaved);

} // namespace bessemer::legalize
