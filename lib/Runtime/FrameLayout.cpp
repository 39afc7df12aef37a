// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/FrameLayout.h"

#include "bessemer/Algorithms/MemoryPlanChecker.h"
#include "bessemer/Algorithms/MemoryPlanner.h"
#include "bessemer/Runtime/Memory.h"

#include <algorithm>

namespace bessemer::runtime {

static std::vector<PlanBuffer> buffersOf(const std::vector<FrameItem> &items, int64_t align) {
  std::vector<PlanBuffer> buffers;
  buffers.reserve(items.size());
  for (const FrameItem &item : items) {
    PlanBuffer buffer;
    buffer.lower = item.lower;
    buffer.upper = item.upper;
    buffer.size = (item.bytes + align - 1) / align * align;
    buffer.alignment = memoryAlignment;
    buffers.push_back(std::move(buffer));
  }
  return buffers;
}

Status layOutFrame(std::vector<FrameItem> &items, int64_t &frameBytes) {
  std::vector<PlanBuffer> buffers = buffersOf(items, memoryAlignment);
  if (auto wrong = validateBuffers(buffers))
    return Status::error(StatusCode::OutOfMemory, "the frame cannot be planned: " + *wrong);
  // The greedy orders reach the lower bound of nearly every model; a search of a
  // few milliseconds is for the others. Bounded by nodes: the same plan each time.
  MemoryPlannerOptions options;
  options.budget.maxNodes = 2000;
  options.maxSearchedBuffers = 500;
  MemoryPlanResult result = planMemory(buffers, options);
  if (result.status != MemoryPlanResult::Status::Planned)
    return Status::error(StatusCode::Failed, "the frame cannot be planned: " + result.message);
  for (size_t i = 0; i < items.size(); ++i)
    items[i].offset = result.plan.offsets[i];
  frameBytes = result.plan.peak;
  return checkFrame(items, frameBytes);
}

Status checkFrame(const std::vector<FrameItem> &items, int64_t frameBytes) {
  std::vector<PlanBuffer> buffers = buffersOf(items, 1);
  MemoryPlan plan;
  for (const FrameItem &item : items)
    plan.offsets.push_back(item.offset);
  for (size_t i = 0; i < items.size(); ++i)
    plan.peak = std::max(plan.peak, items[i].offset + buffers[i].size);
  auto wrong = validateBuffers(buffers);
  if (!wrong)
    wrong = checkPlan(buffers, plan, frameBytes);
  if (wrong)
    return Status::error(StatusCode::Failed, "the memory plan of a frame is wrong: " + *wrong);
  return {};
}

} // namespace bessemer::runtime
