// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Support/WgmmaText.h"

namespace bessemer {

std::string wgmmaFromRegistersText(int64_t columns, bool isBrain, bool alongRows) {
  auto list = [](int64_t first, int64_t count) {
    std::string text = "{";
    for (int64_t i = 0; i < count; ++i)
      text += (i ? ", $" : "$") + std::to_string(first + i);
    return text + "}";
  };
  int64_t sums = columns / 2;
  std::string type = isBrain ? "bf16" : "f16";
  return "{ .reg .pred p; setp.ne.b32 p, 1, 0; wgmma.mma_async.sync.aligned.m64n" + std::to_string(columns) +
         "k16.f32." + type + "." + type + " " + list(0, sums) + ", " + list(sums, 4) + ", $" +
         std::to_string(sums + 4) + ", p, 1, 1, " + (alongRows ? "1" : "0") + "; }";
}

} // namespace bessemer
