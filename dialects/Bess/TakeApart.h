// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A fusion back to single ops.
#pragma once

#include "dialects/Bess/Bess.h"

namespace bessemer::bess {

/// Puts the ops of the fusion in its place and erases it.
void takeApart(FusionOp fusion);

} // namespace bessemer::bess
