// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/MemoryPlanExplain.h"

#include <algorithm>

namespace bessemer {

namespace {

bool liveTogether(const PlanBuffer &a, const PlanBuffer &b) {
  if (a.upper <= b.lower || b.upper <= a.lower)
    return false;
  for (const TimeInterval &p : liveIntervals(a))
    for (const TimeInterval &q : liveIntervals(b))
      if (p.lower < q.upper && q.lower < p.upper)
        return true;
  return false;
}

} // namespace

std::vector<PlacementReason> explainPlacements(std::span<const PlanBuffer> buffers, const MemoryPlan &plan) {
  constexpr size_t maxNamed = 4;
  std::vector<PlacementReason> reasons(buffers.size());
  for (size_t b = 0; b < buffers.size(); ++b) {
    const PlanBuffer &buffer = buffers[b];
    int64_t offset = plan.offsets[b], end = offset + buffer.size;
    PlacementReason &reason = reasons[b];
    if (buffer.size == 0) {
      reason.kind = PlacementReason::Kind::Empty;
      continue;
    }
    int64_t beneath = 0; // the highest end below
    std::vector<size_t> dead;
    for (size_t a = 0; a < buffers.size(); ++a) {
      if (a == b || buffers[a].size == 0)
        continue;
      int64_t otherEnd = plan.offsets[a] + buffers[a].size;
      if (otherEnd <= offset) {
        if (otherEnd > beneath && liveTogether(buffers[a], buffer)) {
          beneath = otherEnd;
          reason.below = a;
        }
      } else if (plan.offsets[a] < end && buffers[a].upper <= buffer.lower) {
        dead.push_back(a);
      }
    }
    int64_t lowest = (beneath + buffer.alignment - 1) / buffer.alignment * buffer.alignment;
    reason.kind = buffer.fixedOffset ? PlacementReason::Kind::Fixed
                  : offset == 0      ? PlacementReason::Kind::Bottom
                  : offset == lowest ? PlacementReason::Kind::OnTopOf
                                     : PlacementReason::Kind::Floating;
    // Those that died last are the ones whose bytes are taken over.
    std::sort(dead.begin(), dead.end(), [&](size_t x, size_t y) {
      return buffers[x].upper != buffers[y].upper ? buffers[x].upper > buffers[y].upper : x < y;
    });
    dead.resize(std::min(dead.size(), maxNamed));
    reason.reuses = std::move(dead);
  }
  return reasons;
}

PeakReason explainPeak(std::span<const PlanBuffer> buffers, const MemoryPlan &plan) {
  PeakReason reason;
  std::vector<std::pair<int64_t, int64_t>> events;
  for (const PlanBuffer &buffer : buffers)
    for (const TimeInterval &live : liveIntervals(buffer)) {
      events.push_back({live.lower, buffer.size});
      events.push_back({live.upper, -buffer.size});
    }
  std::sort(events.begin(), events.end());
  int64_t bytes = 0;
  for (const auto &[time, change] : events) {
    bytes += change;
    if (bytes > reason.liveBytes) {
      reason.liveBytes = bytes;
      reason.time = time;
    }
  }
  for (size_t b = 0; b < buffers.size(); ++b)
    for (const TimeInterval &live : liveIntervals(buffers[b]))
      if (buffers[b].size > 0 && live.lower <= reason.time && reason.time < live.upper)
        reason.live.push_back(b);
  std::sort(reason.live.begin(), reason.live.end(), [&](size_t a, size_t b) {
    return buffers[a].size != buffers[b].size ? buffers[a].size > buffers[b].size : a < b;
  });
  reason.wastedBytes = plan.peak - reason.liveBytes;
  return reason;
}

std::string describe(const PlacementReason &reason, int64_t offset, std::span<const std::string> names) {
  auto nameOf = [&](size_t b) { return "'" + (b < names.size() ? names[b] : std::to_string(b)) + "'"; };
  std::string text = "at " + std::to_string(offset);
  switch (reason.kind) {
  case PlacementReason::Kind::Empty: return "empty";
  case PlacementReason::Kind::Fixed: text += ", where the caller fixed it"; break;
  case PlacementReason::Kind::Bottom: text += ", the start of the arena"; break;
  case PlacementReason::Kind::OnTopOf:
    text += ", on top of " + nameOf(reason.below) + ", which is live at the same time";
    break;
  case PlacementReason::Kind::Floating: text += ", in a hole that the order of placement left"; break;
  }
  for (size_t i = 0; i < reason.reuses.size(); ++i)
    text += (i == 0 ? "; takes over the bytes of " : ", ") + nameOf(reason.reuses[i]);
  return text;
}

} // namespace bessemer
