// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef BESSEMER_TEST_UNIT_ALGORITHMS_PLANTESTUTILS_H
#define BESSEMER_TEST_UNIT_ALGORITHMS_PLANTESTUTILS_H

#include "bessemer/Algorithms/MemoryPlan.h"

#include <algorithm>
#include <random>

namespace bessemer::plantest {

/// A hard instance: the rectangle time x capacity, cut at random into `pieces`
/// buffers. So a plan of peak `capacity` exists, and it has no hole anywhere.
inline std::vector<PlanBuffer> cutRectangle(size_t pieces, int64_t time, int64_t capacity, uint64_t seed) {
  struct Piece {
    int64_t lower, upper, bottom, top;
  };
  std::mt19937_64 random(seed);
  std::vector<Piece> cut{{0, time, 0, capacity}};
  while (cut.size() < pieces) {
    // Mostly the larger of two, so that sizes do not differ beyond measure.
    size_t a = random() % cut.size(), b = random() % cut.size();
    auto area = [&](size_t i) { return double(cut[i].upper - cut[i].lower) * double(cut[i].top - cut[i].bottom); };
    size_t chosen = area(a) > area(b) ? a : b;
    Piece piece = cut[chosen];
    int64_t width = piece.upper - piece.lower, height = piece.top - piece.bottom;
    bool acrossTime = random() % 2;
    if ((acrossTime ? width : height) < 2)
      continue;
    Piece other = piece;
    if (acrossTime)
      piece.upper = other.lower = piece.lower + 1 + int64_t(random() % uint64_t(width - 1));
    else
      piece.top = other.bottom = piece.bottom + 1 + int64_t(random() % uint64_t(height - 1));
    cut[chosen] = piece;
    cut.push_back(other);
  }
  std::shuffle(cut.begin(), cut.end(), random);
  std::vector<PlanBuffer> buffers;
  for (const Piece &piece : cut) {
    PlanBuffer buffer;
    buffer.lower = piece.lower;
    buffer.upper = piece.upper;
    buffer.size = piece.top - piece.bottom;
    buffers.push_back(buffer);
  }
  return buffers;
}

/// The smallest peak, by trying every order of placement, each buffer at the
/// lowest free place: some order builds an optimal plan. For up to 7 buffers.
inline int64_t exhaustivePeak(const std::vector<PlanBuffer> &buffers) {
  auto together = [&](size_t a, size_t b) {
    for (int64_t t = std::max(buffers[a].lower, buffers[b].lower); t < std::min(buffers[a].upper, buffers[b].upper);
         ++t) {
      auto live = [&](size_t i) {
        for (const TimeInterval &gap : buffers[i].gaps)
          if (gap.lower <= t && t < gap.upper)
            return false;
        return true;
      };
      if (live(a) && live(b))
        return true;
    }
    return false;
  };
  std::vector<size_t> order(buffers.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  int64_t best = INT64_MAX;
  do {
    std::vector<int64_t> offsets(buffers.size());
    int64_t peak = 0;
    for (size_t k = 0; k < order.size(); ++k) {
      size_t b = order[k];
      int64_t offset = 0;
      for (bool moved = true; moved;) {
        moved = false;
        for (size_t j = 0; j < k; ++j) {
          size_t a = order[j];
          if (together(a, b) && offsets[a] < offset + buffers[b].size && offset < offsets[a] + buffers[a].size) {
            offset = offsets[a] + buffers[a].size;
            moved = true;
          }
        }
        if (int64_t rest = offset % buffers[b].alignment) {
          offset += buffers[b].alignment - rest;
          moved = true;
        }
      }
      offsets[b] = offset;
      peak = std::max(peak, offset + buffers[b].size);
    }
    best = std::min(best, peak);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

} // namespace bessemer::plantest

#endif // BESSEMER_TEST_UNIT_ALGORITHMS_PLANTESTUTILS_H
