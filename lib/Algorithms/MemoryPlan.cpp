// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/MemoryPlan.h"

#include <algorithm>

namespace bessemer {

std::vector<TimeInterval> liveIntervals(const PlanBuffer &buffer) {
  std::vector<TimeInterval> result;
  int64_t from = buffer.lower;
  for (const TimeInterval &gap : buffer.gaps) {
    if (gap.lower > from)
      result.push_back({from, gap.lower});
    from = gap.upper;
  }
  if (from < buffer.upper)
    result.push_back({from, buffer.upper});
  return result;
}

int64_t peakLowerBound(std::span<const PlanBuffer> buffers) {
  // Bytes that come alive (+) and die (-); at one time, deaths go first.
  std::vector<std::pair<int64_t, int64_t>> events;
  events.reserve(buffers.size() * 2);
  int64_t bound = 0;
  for (const PlanBuffer &buffer : buffers) {
    if (buffer.size == 0)
      continue;
    if (buffer.fixedOffset)
      bound = std::max(bound, *buffer.fixedOffset + buffer.size);
    for (const TimeInterval &live : liveIntervals(buffer)) {
      events.push_back({live.lower, buffer.size});
      events.push_back({live.upper, -buffer.size});
    }
  }
  std::sort(events.begin(), events.end());
  int64_t live = 0;
  for (const auto &[time, bytes] : events) {
    live += bytes;
    bound = std::max(bound, live);
  }
  return bound;
}

std::optional<std::string> validateBuffers(std::span<const PlanBuffer> buffers) {
  constexpr int64_t limit = int64_t(1) << 62;
  auto fail = [](size_t index, const std::string &what) {
    return "buffer " + std::to_string(index) + ": expected " + what;
  };
  int64_t total = 0;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const PlanBuffer &buffer = buffers[i];
    if (buffer.size < 0)
      return fail(i, "a size of at least 0, got " + std::to_string(buffer.size));
    if (buffer.lower >= buffer.upper)
      return fail(i, "lower < upper, got " + std::to_string(buffer.lower) + " and " + std::to_string(buffer.upper));
    if (buffer.lower < -limit / 2 || buffer.upper > limit / 2)
      return fail(i, "times that fit 62 bits, got " + std::to_string(buffer.lower) + " and " +
                         std::to_string(buffer.upper));
    if (buffer.alignment < 1 || buffer.alignment > limit / 4)
      return fail(i, "an alignment of at least 1, got " + std::to_string(buffer.alignment));
    if (buffer.fixedOffset &&
        (*buffer.fixedOffset < 0 || *buffer.fixedOffset % buffer.alignment != 0 || *buffer.fixedOffset > limit - total))
      return fail(i, "a fixed offset that is aligned and not negative, got " + std::to_string(*buffer.fixedOffset));
    int64_t padded;
    if (__builtin_add_overflow(buffer.size, buffer.alignment - 1, &padded) ||
        __builtin_add_overflow(total, padded, &total) || total > limit)
      return fail(i, "sizes whose sum fits 62 bits, got size " + std::to_string(buffer.size));
    int64_t from = buffer.lower;
    for (const TimeInterval &gap : buffer.gaps) {
      if (gap.lower < from || gap.upper <= gap.lower || gap.upper > buffer.upper)
        return fail(i, "gaps sorted, disjoint and inside the lifetime, got [" + std::to_string(gap.lower) + ", " +
                           std::to_string(gap.upper) + ")");
      from = gap.upper;
    }
  }
  return std::nullopt;
}

} // namespace bessemer
