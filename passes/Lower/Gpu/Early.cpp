// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels of sm_90a are launched while the ones in front of them run, and wait for their end before they touch memory
// (LowerKernelsToLlvm.cpp). A product's weights are no such memory: its first copies of them start before the wait, so
// that the way from memory, which is most of a small product's time, is gone by while the launch in front ends.
#include "passes/Lower/Gpu/GpuExpander.h"

#include "dialects/Tile/ConstantViews.h"
#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

bool GpuExpander::startsBeforeWait(tile::DotOp op, tile::LoadOp operand) {
  auto views = kernel->getAttrOfType<DenseI64ArrayAttr>(tile::constantViewsName);
  if (machine.architecture < 90 || !views || !inPieces || op->getBlock() != &kernel.getBody().front())
    return false;
  if (llvm::none_of(views.asArrayRef(), [&](int64_t view) { return kernel.getView(view) == operand.getView(); }))
    return false;
  for (Operation &before : kernel.getBody().front()) {
    if (&before == op)
      return true;
    auto load = dyn_cast<tile::LoadOp>(before);
    bool isOperand = load && isOperandInMemory(load.getTile());
    if (!isScalar(before) && !canWait(before) && !isOperand)
      return false;
  }
  return false;
}

void GpuExpander::waitForLaunches() {
  NVVM::GriddepcontrolOp::create(b, NVVM::GridDepActionKind::wait);
  function->setAttr("bess.waits", b.getUnitAttr());
}
