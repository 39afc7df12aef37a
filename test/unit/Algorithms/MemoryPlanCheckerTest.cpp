// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/MemoryPlanChecker.h"
#include "PlanTestUtils.h"
#include "bessemer/Algorithms/MemoryPlanner.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

using namespace bessemer;

namespace {

std::vector<PlanBuffer> threeBuffers() {
  std::vector<PlanBuffer> buffers(3);
  buffers[0].lower = 0, buffers[0].upper = 2, buffers[0].size = 4;
  buffers[1].lower = 1, buffers[1].upper = 3, buffers[1].size = 4;
  buffers[2].lower = 2, buffers[2].upper = 4, buffers[2].size = 4;
  return buffers;
}

TEST(MemoryPlanChecker, AcceptsAValidPlan) {
  EXPECT_EQ(checkPlan(threeBuffers(), {{0, 4, 0}, 8}), std::nullopt);
  EXPECT_EQ(checkPlan(threeBuffers(), {{0, 4, 0}, 8}, 8), std::nullopt);
  EXPECT_EQ(checkPlan({}, {}), std::nullopt);
}

TEST(MemoryPlanChecker, FindsSharedBytes) {
  EXPECT_EQ(checkPlan(threeBuffers(), {{0, 3, 0}, 7}), "buffer 0 and buffer 1 are both live at time 1 and share bytes: "
                                                       "[0, 4) and [3, 7)");
}

TEST(MemoryPlanChecker, FindsWrongCountPeakAndCapacity) {
  EXPECT_EQ(checkPlan(threeBuffers(), {{0, 4}, 8}), "expected 3 offsets, got 2");
  EXPECT_EQ(checkPlan(threeBuffers(), {{0, 4, 0}, 9}), "expected peak 8, got 9");
  EXPECT_EQ(checkPlan(threeBuffers(), {{0, 4, 0}, 8}, 7), "expected a peak of at most 7, got 8");
}

TEST(MemoryPlanChecker, FindsWrongOffsets) {
  std::vector<PlanBuffer> buffers = threeBuffers();
  EXPECT_EQ(checkPlan(buffers, {{-1, 4, 0}, 8}), "buffer 0 at offset -1: expected an offset that is not negative");
  buffers[1].alignment = 8;
  EXPECT_EQ(checkPlan(buffers, {{0, 4, 0}, 8}), "buffer 1 at offset 4: expected a multiple of 8");
  buffers[1].alignment = 1;
  buffers[2].fixedOffset = 16;
  EXPECT_EQ(checkPlan(buffers, {{0, 4, 0}, 8}), "buffer 2 at offset 0: expected the fixed offset 16");
}

TEST(MemoryPlanChecker, HonoursGaps) {
  std::vector<PlanBuffer> buffers = threeBuffers();
  EXPECT_NE(checkPlan(buffers, {{0, 0, 4}, 8}), std::nullopt);
  buffers[0].gaps = {{1, 2}};
  EXPECT_EQ(checkPlan(buffers, {{0, 0, 4}, 8}), std::nullopt);
}

// A plan broken on purpose: one buffer moved onto another that is live.
TEST(MemoryPlanCheckerProperty, FindsAnyBrokenPlan) {
  EXPECT_TRUE(rc::check([](uint64_t seed) {
    std::vector<PlanBuffer> buffers = plantest::cutRectangle(20, 40, 256, seed);
    MemoryPlan plan = planGreedy(buffers).plan;
    RC_ASSERT(checkPlan(buffers, plan) == std::nullopt);
    std::mt19937_64 random(seed);
    for (int attempt = 0; attempt < 1000; ++attempt) {
      size_t a = random() % buffers.size(), b = random() % buffers.size();
      if (a == b || buffers[a].lower >= buffers[b].upper || buffers[b].lower >= buffers[a].upper)
        continue;
      plan.offsets[a] = plan.offsets[b];
      RC_ASSERT(checkPlan(buffers, plan).has_value());
      return;
    }
  }));
}

} // namespace
