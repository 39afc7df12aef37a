// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A program under a memory limit: kernels as a whole, and in more and more pieces;
// of those that fit the one that costs least.
#pragma once

#include "lib/Driver/ProgramMemory.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <optional>
#include <vector>

namespace bessemer {

struct MemoryChoice {
  int64_t pieces = 0; ///< 0: nothing is split or computed again
  ProgramMemory memory;
  StreamPlan plan;
  double seconds = 0;                       ///< that the pieces and what is streamed cost, estimated
  mlir::OwningOpRef<mlir::ModuleOp> module; ///< null for the first
};

class MemoryFitter {
public:
  /// `describe` takes a module from the end of fuse to the program and says what that takes.
  using Describe = std::function<std::optional<ProgramMemory>(mlir::ModuleOp)>;
  MemoryFitter(int64_t limit, double memoryGBs, Describe describe)
      : limit(limit), memoryGBs(memoryGBs), describe(std::move(describe)) {}

  /// `whole`: the program as it is. False after a diagnostic.
  bool run(mlir::ModuleOp fused, ProgramMemory whole);

  std::vector<MemoryChoice> choices;
  size_t best = 0;

private:
  void add(MemoryChoice choice);

  int64_t limit;
  double memoryGBs;
  Describe describe;
};

} // namespace bessemer
