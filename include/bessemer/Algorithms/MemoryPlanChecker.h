// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The independent checker of memory plans. It shares no code with the planner
// and no idea with it: it replays the lifetimes over a map of occupied bytes.

#ifndef BESSEMER_ALGORITHMS_MEMORYPLANCHECKER_H
#define BESSEMER_ALGORITHMS_MEMORYPLANCHECKER_H

#include "bessemer/Algorithms/MemoryPlan.h"

namespace bessemer {

/// Nullopt when the plan is right: an offset for each buffer, none negative,
/// each aligned, fixed ones where they must be, `peak` the true peak and at
/// most `capacity`, and no two buffers that are live at the same time share a
/// byte. Otherwise what is wrong, naming the buffers by their positions.
std::optional<std::string> checkPlan(std::span<const PlanBuffer> buffers, const MemoryPlan &plan,
                                     std::optional<int64_t> capacity = std::nullopt);

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_MEMORYPLANCHECKER_H
