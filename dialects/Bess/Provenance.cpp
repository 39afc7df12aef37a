// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Bess/Provenance.h"

#include "dialects/Bess/Bess.h"

using namespace mlir;
using namespace bessemer;

static void collectNames(LocationAttr location, std::vector<std::string> &names) {
  if (auto name = dyn_cast<NameLoc>(location)) {
    if (!name.getName().empty() && !llvm::is_contained(names, name.getName()))
      names.push_back(name.getName().str());
  } else if (auto fused = dyn_cast<FusedLoc>(location)) {
    for (Location part : fused.getLocations())
      collectNames(part, names);
  } else if (auto call = dyn_cast<CallSiteLoc>(location)) {
    collectNames(call.getCallee(), names);
  }
}

std::vector<std::string> bess::nodeNames(LocationAttr location) {
  std::vector<std::string> names;
  collectNames(location, names);
  return names;
}

bool bess::namesNode(LocationAttr location) {
  if (isa<NameLoc>(location))
    return true;
  if (auto fused = dyn_cast<FusedLoc>(location))
    return llvm::any_of(fused.getLocations(), [](Location part) { return namesNode(part); });
  if (auto call = dyn_cast<CallSiteLoc>(location))
    return namesNode(call.getCallee()) || namesNode(call.getCaller());
  return false;
}

LogicalResult bess::verifyProvenance(ModuleOp module) {
  WalkResult result = module.walk([](Operation *op) {
    if (!isa_and_nonnull<BessDialect>(op->getDialect()) || isa<YieldOp, ConstantOp>(op) || namesNode(op->getLoc()))
      return WalkResult::advance();
    op->emitError("expected a location that names the ONNX node, got none for ") << op->getName();
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}
