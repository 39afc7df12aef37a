// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// wgmma with its left operand in registers, which no op of NVVM has. Operands of the inline PTX, in this order: four
// words of the left operand (PTX ISA, "Register Fragments for wgmma.mma_async.m64k16"), the descriptor of the right
// one, the sums, tied to the results.
//
//   wgmmaFromRegistersText(16, /*isBrain=*/true, /*alongRows=*/true);
//   // { .reg .pred p; setp.ne.b32 p, 1, 0;
//   //   wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {$0, …, $7}, {$8, $9, $10, $11}, $12, p, 1, 1, 1; }
#pragma once

#include <cstdint>
#include <string>

namespace bessemer {

/// Of `columns` (8 to 256, multiples of 8) sums a row, f32, `columns / 2` in each lane. `isBrain`: operands of bf16,
/// else of f16. `alongRows`: neighbours of the right operand in memory are along its columns, not along the depth.
std::string wgmmaFromRegistersText(int64_t columns, bool isBrain, bool alongRows);

} // namespace bessemer
