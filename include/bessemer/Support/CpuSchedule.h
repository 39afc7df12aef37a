// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the layout, tile and lower phases must know of a CPU: plain numbers, so
// that no phase asks a target by name.
#pragma once

#include <algorithm>
#include <cstdint>

namespace bessemer {

struct CpuSchedule {
  int64_t vectorBytes = 32; ///< of one register: 16 (NEON), 32 (AVX2), 64 (AVX-512)
  int64_t registers = 16;   ///< vector registers
  int64_t l1Bytes = 32 << 10;
  int64_t l2Bytes = 1 << 20;

  /// Lanes of 32-bit elements.
  int64_t lanes() const { return vectorBytes / 4; }
  /// Columns of a panel of packed weights: two registers.
  int64_t panelColumns() const { return 2 * lanes(); }
  /// Rows of a register block whose rows are `columns` wide: the accumulators,
  /// one row of the right operand and one broadcast must fit in the registers.
  /// AVX2: 6 x 16, AVX-512: 14 x 32, NEON: 14 x 8.
  int64_t blockRows(int64_t columns) const {
    int64_t perRow = std::max<int64_t>(1, (columns + lanes() - 1) / lanes());
    return std::clamp<int64_t>((registers - 1 - perRow) / perRow, 1, 14);
  }
};

} // namespace bessemer
