// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/FrameLayout.h"

#include "bessemer/Algorithms/MemoryPlanChecker.h"
#include "bessemer/Algorithms/MemoryPlanner.h"
#include "bessemer/Runtime/Memory.h"

namespace bessemer::runtime {

Status layOutFrame(std::vector<FrameItem> &items, int64_t &frameBytes) {
  constexpr int64_t align = memoryAlignment;
  std::vector<PlanBuffer> buffers;
  buffers.reserve(items.size());
  for (const FrameItem &item : items) {
    PlanBuffer buffer;
    buffer.lower = item.lower;
    buffer.upper = item.upper;
    buffer.size = (item.bytes + align - 1) / align * align;
    buffer.alignment = align;
    buffers.push_back(std::move(buffer));
  }
  if (auto wrong = validateBuffers(buffers))
    return Status::error(StatusCode::OutOfMemory, "the frame cannot be planned: " + *wrong);
  MemoryPlan plan = planGreedy(buffers).plan;
  if (auto wrong = checkPlan(buffers, plan))
    return Status::error(StatusCode::Failed, "the memory plan of a frame is wrong: " + *wrong);
  for (size_t i = 0; i < items.size(); ++i)
    items[i].offset = plan.offsets[i];
  frameBytes = plan.peak;
  return {};
}

} // namespace bessemer::runtime
