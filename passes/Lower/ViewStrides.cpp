// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Lower/ViewStrides.h"

using namespace mlir;
using namespace bessemer;

SmallVector<SymbolicExpr> bessemer::viewStrideExprs(tile::KernelOp kernel, Value view) {
  if (auto given = kernel->getAttrOfType<ArrayAttr>("bess.strides"))
    if (auto own = dyn_cast<bess::DimsAttr>(given[cast<BlockArgument>(view).getArgNumber()]))
      return llvm::to_vector(bess::parseDims(own));
  auto dims = bess::parseDims(cast<tile::ViewType>(view.getType()).getDims());
  SmallVector<SymbolicExpr> strides(dims.size());
  SymbolicExpr stride = 1;
  for (int64_t d = dims.size() - 1; d >= 0; --d) {
    strides[d] = stride;
    stride *= dims[d];
  }
  return strides;
}
