// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/MemoryPlanChecker.h"

#include <algorithm>
#include <map>

namespace bessemer {

namespace {

std::string nameOf(size_t index) { return "buffer " + std::to_string(index); }

} // namespace

std::optional<std::string> checkPlan(std::span<const PlanBuffer> buffers, const MemoryPlan &plan,
                                     std::optional<int64_t> capacity) {
  if (plan.offsets.size() != buffers.size())
    return "expected " + std::to_string(buffers.size()) + " offsets, got " + std::to_string(plan.offsets.size());

  int64_t peak = 0;
  for (size_t i = 0; i < buffers.size(); ++i) {
    int64_t offset = plan.offsets[i];
    std::string at = nameOf(i) + " at offset " + std::to_string(offset);
    if (offset < 0)
      return at + ": expected an offset that is not negative";
    if (offset % buffers[i].alignment != 0)
      return at + ": expected a multiple of " + std::to_string(buffers[i].alignment);
    if (buffers[i].fixedOffset && *buffers[i].fixedOffset != offset)
      return at + ": expected the fixed offset " + std::to_string(*buffers[i].fixedOffset);
    int64_t end;
    if (__builtin_add_overflow(offset, buffers[i].size, &end))
      return at + ": expected an end that fits 64 bits";
    peak = std::max(peak, end);
  }
  if (peak != plan.peak)
    return "expected peak " + std::to_string(peak) + ", got " + std::to_string(plan.peak);
  if (capacity && peak > *capacity)
    return "expected a peak of at most " + std::to_string(*capacity) + ", got " + std::to_string(peak);

  // Sweep over time with the set of occupied address ranges, which are disjoint
  // as long as the plan is right; a new one is compared with its neighbours.
  struct Event {
    int64_t time;
    bool starts; // ends sort first
    size_t buffer;
  };
  std::vector<Event> events;
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (buffers[i].size == 0)
      continue;
    int64_t from = buffers[i].lower;
    for (size_t g = 0; g <= buffers[i].gaps.size(); ++g) {
      bool last = g == buffers[i].gaps.size();
      int64_t to = last ? buffers[i].upper : buffers[i].gaps[g].lower;
      if (from < to) {
        events.push_back({from, true, i});
        events.push_back({to, false, i});
      }
      if (!last)
        from = buffers[i].gaps[g].upper;
    }
  }
  std::sort(events.begin(), events.end(),
            [](const Event &a, const Event &b) { return a.time != b.time ? a.time < b.time : a.starts < b.starts; });
  std::map<int64_t, size_t> occupied; // offset -> buffer
  for (const Event &event : events) {
    int64_t offset = plan.offsets[event.buffer];
    if (!event.starts) {
      occupied.erase(offset);
      continue;
    }
    int64_t end = offset + buffers[event.buffer].size;
    auto above = occupied.lower_bound(offset);
    std::optional<size_t> hit;
    if (above != occupied.end() && above->first < end)
      hit = above->second;
    if (!hit && above != occupied.begin()) {
      size_t below = std::prev(above)->second;
      if (plan.offsets[below] + buffers[below].size > offset)
        hit = below;
    }
    if (hit)
      return nameOf(*hit) + " and " + nameOf(event.buffer) + " are both live at time " + std::to_string(event.time) +
             " and share bytes: [" + std::to_string(plan.offsets[*hit]) + ", " +
             std::to_string(plan.offsets[*hit] + buffers[*hit].size) + ") and [" + std::to_string(offset) + ", " +
             std::to_string(end) + ")";
    occupied.emplace(offset, event.buffer);
  }
  return std::nullopt;
}

} // namespace bessemer
