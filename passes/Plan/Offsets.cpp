// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Offsets in the frame of a function, where every size is constant or bounded.
#include "bessemer/Algorithms/MemoryPlanChecker.h"
#include "bessemer/Algorithms/MemoryPlanner.h"
#include "passes/Plan/FunctionPlan.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::plan;

static constexpr int64_t storageAlignment = 64;

/// The same plan on every machine: bounded by placements, not by time.
static MemoryPlannerOptions plannerOptions() {
  MemoryPlannerOptions options;
  options.budget.seconds = 10;
  options.budget.maxNodes = 100'000;
  options.maxSearchedBuffers = 1000;
  return options;
}

/// The size, at the bounds of its symbols when it has some; none when one is free.
std::optional<int64_t> FunctionPlan::boundOf(const SymbolicExpr &bytes) const {
  if (std::optional<int64_t> constant = bytes.isConstant())
    return constant;
  for (const std::string &symbol : bytes.symbols())
    if (!bounds.count(symbol))
      return std::nullopt;
  std::optional<int64_t> most = bytes.upperBound(bounds);
  return most && *most >= 0 ? most : std::nullopt;
}

LogicalResult FunctionPlan::assignOffsets() {
  frame = -1;
  std::vector<PlanBuffer> buffers;
  SmallVector<size_t> which;
  for (auto [i, storage] : llvm::enumerate(storages)) {
    if (storage.kind != StorageKind::Arena)
      continue;
    std::optional<int64_t> bytes = boundOf(storage.bytes);
    if (!bytes)
      return success(); // the runtime plans when it sees the shapes
    // At least one byte, so that no two live storages are at one address.
    buffers.push_back({storage.lower, storage.upper, std::max<int64_t>(*bytes, 1), storageAlignment});
    which.push_back(i);
  }
  if (buffers.empty()) {
    frame = 0;
    return success();
  }
  MemoryPlanResult result = planMemory(buffers, plannerOptions());
  if (result.status != MemoryPlanResult::Status::Planned)
    return function.emitError() << "expected a memory plan, got none: " << result.message;
  if (std::optional<std::string> wrong = checkPlan(buffers, result.plan))
    return function.emitError() << "the checker refuses the memory plan: " << *wrong;
  for (auto [buffer, index] : llvm::enumerate(which))
    storages[index].offset = result.plan.offsets[buffer];
  frame = result.plan.peak;
  return success();
}
