// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/TensorMapPlan.h"

#include <algorithm>

std::optional<bessemer::TensorMap> bessemer::makeTensorMap(const TensorMapPlan &plan, uint64_t address,
                                                           const SymbolicExpr::Values &symbols, std::string &error) {
  size_t rank = plan.dims.size();
  if (rank < 1 || rank > TensorMap::mostDims || plan.box.size() != rank) {
    error = "expected 1 to 5 dimensions of a tensor map and a box of as many, got " + std::to_string(rank);
    return std::nullopt;
  }
  TensorMap map;
  map.address = address;
  map.elementBytes = static_cast<uint32_t>(plan.elementBytes);
  map.rank = static_cast<uint32_t>(rank);
  map.swizzleBytes = static_cast<uint32_t>(plan.swizzleBytes);
  uint64_t stride = map.elementBytes;
  for (size_t d = 0; d < rank; ++d) {
    const SymbolicExpr &dim = plan.dims[rank - 1 - d];
    std::optional<int64_t> size = dim.evaluate(symbols);
    if (!size || *size < 1) {
      error = "expected a size of at least 1 for a tensor map, got " + (size ? std::to_string(*size) : dim.str());
      return std::nullopt;
    }
    map.sizes[d] = static_cast<uint64_t>(*size);
    map.box[d] = static_cast<uint32_t>(plan.box[rank - 1 - d]);
    if (d > 0)
      map.strides[d - 1] = stride;
    stride *= map.sizes[d];
  }
  error = checkTensorMap(map);
  return error.empty() ? std::optional(map) : std::nullopt;
}
