// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How a launch makes a tensor map (bessemer/Support/TensorMap.h) for a kernel: of which
// of its buffers, with which sizes, over the kernel's own symbols. The compiler writes
// it, the artifact carries it, each launch makes the map from it.
//
//   TensorMapPlan plan{.buffer = 0, .elementBytes = 2, .swizzleBytes = 128,
//                      .dims = {1, *SymbolicExpr::parse("s0"), 4096}, .box = {1, 128, 64}};
//   std::string error;
//   std::optional<TensorMap> map = makeTensorMap(plan, address, {{"s0", 77}}, error);
#pragma once

#include "bessemer/Algorithms/SymbolicExpr.h"
#include "bessemer/Support/TensorMap.h"

#include <vector>

namespace bessemer {

struct TensorMapPlan {
  int32_t buffer = 0; ///< number of the kernel's parameter
  int32_t elementBytes = 0, swizzleBytes = 0;
  std::vector<SymbolicExpr> dims; ///< the innermost last, without gaps
  std::vector<int64_t> box;       ///< of a copy, in the same order
};

/// Nullopt and `error` when a size is not known or the driver would refuse the map.
std::optional<TensorMap> makeTensorMap(const TensorMapPlan &plan, uint64_t address, const SymbolicExpr::Values &symbols,
                                       std::string &error);

} // namespace bessemer
