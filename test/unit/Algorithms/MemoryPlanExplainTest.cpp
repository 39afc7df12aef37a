// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/MemoryPlanExplain.h"
#include "bessemer/Algorithms/MemoryPlanner.h"

#include <gtest/gtest.h>

using namespace bessemer;

namespace {

TEST(MemoryPlanExplain, NamesWhatABufferRestsOnAndReuses) {
  std::vector<PlanBuffer> buffers(3);
  buffers[0].lower = 0, buffers[0].upper = 2, buffers[0].size = 4;
  buffers[1].lower = 1, buffers[1].upper = 3, buffers[1].size = 2;
  buffers[2].lower = 2, buffers[2].upper = 4, buffers[2].size = 4;
  MemoryPlan plan{{0, 4, 0}, 6};
  std::vector<std::string> names{"query", "key", "value"};
  std::vector<PlacementReason> reasons = explainPlacements(buffers, plan);
  ASSERT_EQ(reasons.size(), 3u);
  EXPECT_EQ(describe(reasons[0], 0, names), "at 0, the start of the arena");
  EXPECT_EQ(describe(reasons[1], 4, names), "at 4, on top of 'query', which is live at the same time");
  EXPECT_EQ(describe(reasons[2], 0, names), "at 0, the start of the arena; takes over the bytes of 'query'");

  PeakReason peak = explainPeak(buffers, plan);
  EXPECT_EQ(peak.liveBytes, 6);
  EXPECT_EQ(peak.time, 1);
  EXPECT_EQ(peak.live, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(peak.wastedBytes, 0);
}

TEST(MemoryPlanExplain, TellsFixedEmptyAndFloating) {
  std::vector<PlanBuffer> buffers(3);
  buffers[0].upper = 1, buffers[0].size = 4, buffers[0].fixedOffset = 8;
  buffers[1].upper = 1, buffers[1].size = 0;
  buffers[2].upper = 1, buffers[2].size = 4;
  MemoryPlan plan{{8, 0, 2}, 12};
  std::vector<PlacementReason> reasons = explainPlacements(buffers, plan);
  EXPECT_EQ(reasons[0].kind, PlacementReason::Kind::Fixed);
  EXPECT_EQ(reasons[1].kind, PlacementReason::Kind::Empty);
  EXPECT_EQ(reasons[2].kind, PlacementReason::Kind::Floating);
}

} // namespace
