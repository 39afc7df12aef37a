// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/Hash.h"

#include <bit>
#include <cstring>

namespace bessemer::runtime {

static constexpr uint64_t odd1 = 0xd6e8feb86659fd93, odd2 = 0xa0761d6478bd642f;

static uint64_t word(const unsigned char *p) {
  uint64_t value;
  std::memcpy(&value, p, sizeof(value));
  return value; // the format is little-endian, as are all hosts so far
}

static uint64_t mix(uint64_t lane, uint64_t value) { return std::rotl(lane ^ (value * odd1), 29) * odd2 + 1; }

static uint64_t finish(uint64_t h) {
  h ^= h >> 32;
  h *= odd1;
  h ^= h >> 29;
  h *= odd2;
  return h ^ (h >> 32);
}

uint64_t contentHash(const void *data, size_t bytes, uint64_t seed) {
  const auto *p = static_cast<const unsigned char *>(data);
  uint64_t lanes[4] = {seed ^ odd1, seed + odd2, ~seed, seed * odd1 + bytes};
  size_t left = bytes;
  for (; left >= 32; left -= 32, p += 32)
    for (int i = 0; i < 4; ++i)
      lanes[i] = mix(lanes[i], word(p + 8 * i));
  unsigned char tail[32] = {};
  if (left > 0)
    std::memcpy(tail, p, left);
  for (int i = 0; i < 4; ++i)
    lanes[i] = mix(lanes[i], word(tail + 8 * i));
  uint64_t h = bytes;
  for (uint64_t lane : lanes)
    h = mix(h, finish(lane));
  return finish(h);
}

} // namespace bessemer::runtime
