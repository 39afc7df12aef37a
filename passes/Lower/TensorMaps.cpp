// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Lower/TensorMaps.h"

#include "dialects/Bess/Bess.h"

using namespace mlir;
using namespace bessemer;

std::vector<TensorMapPlan> bessemer::readTensorMaps(Operation *kernel) {
  std::vector<TensorMapPlan> plans;
  auto maps = kernel->getAttrOfType<ArrayAttr>("bess.tensor_maps");
  if (!maps)
    return plans;
  for (auto map : maps.getAsRange<DictionaryAttr>()) {
    auto number = [&](StringRef name) { return static_cast<int32_t>(map.getAs<IntegerAttr>(name).getInt()); };
    TensorMapPlan plan{number("view"), number("element_bytes"), number("swizzle_bytes"), {}, {}};
    for (const SymbolicExpr &dim : bess::parseDims(map.getAs<bess::DimsAttr>("dims")))
      plan.dims.push_back(dim);
    llvm::append_range(plan.box, map.getAs<DenseI64ArrayAttr>("box").asArrayRef());
    plans.push_back(std::move(plan));
  }
  return plans;
}
