// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Right operands that the layout phase has put in panels (`pack`).
#pragma once

#include "Loops.h"

namespace bessemer::kernels {

/// The attribute of an op whose weights are in panels: the columns of one matrix.
inline constexpr std::string_view packedColumns = "bess.packed_columns";

/// Panels [.., N/block, K, block] as [.., K, N] again, or as [.., N, K] with
/// `transposed`; `columns` is N. The result lies in `memory`.
Tensor unpackPanels(const Tensor &packed, int64_t columns, bool transposed, Buffer &memory);

} // namespace bessemer::kernels
