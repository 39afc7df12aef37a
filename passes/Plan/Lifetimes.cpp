// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From when to when a storage lives, in op numbers.
#include "passes/Plan/FunctionPlan.h"

#include "mlir/Interfaces/LoopLikeInterface.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::plan;

void FunctionPlan::number() {
  int64_t next = 0;
  // Fusions count as one op each.
  std::function<void(Block &)> visit = [&](Block &block) {
    for (Operation &op : block) {
      int64_t mine = next++;
      if (!isa<bess::FusionOp>(op))
        for (Region &region : op.getRegions())
          for (Block &nested : region)
            visit(nested);
      numbers[&op] = {mine, next};
    }
  };
  visit(function.front());
}

/// The number after which a user no longer needs the value: a value from
/// outside of a loop is needed until the loop ends.
int64_t FunctionPlan::lastUse(Value value, Operation *user) const {
  int64_t upper = numbers.lookup(user).first + 1;
  Region *home = value.getParentRegion();
  for (Operation *op = user->getParentOp(); op && op != function; op = op->getParentOp()) {
    if (op->isAncestor(home->getParentOp()))
      break;
    if (isa<LoopLikeOpInterface>(op))
      upper = std::max(upper, numbers.lookup(op).second);
  }
  return upper;
}

void FunctionPlan::extend(const Place &place, int64_t lower, int64_t upper) {
  if (place.storage < 0)
    return;
  Storage &storage = storages[place.storage];
  if (storage.upper == 0 && storage.lower == 0) {
    storage.lower = lower;
    storage.upper = upper;
    return;
  }
  storage.lower = std::min(storage.lower, lower);
  storage.upper = std::max(storage.upper, upper);
}

/// Who reads an element as a scalar reads the tensor, when the host asks for it.
void FunctionPlan::extendByUsers(Value tensor, Value value, int64_t lower) {
  for (Operation *user : value.getUsers()) {
    extend(places.lookup(tensor), lower, lastUse(tensor, user));
    if (isa<scf::ConditionOp>(user))
      extend(places.lookup(tensor), lower, numbers.lookup(user->getParentOp()).second);
    for (Value result : user->getResults())
      if (!isa<TensorType>(result.getType()))
        extendByUsers(tensor, result, lower);
  }
}

void FunctionPlan::computeLifetimes() {
  for (auto &[value, place] : places) {
    int64_t lower = 0;
    if (Operation *op = value.getDefiningOp())
      lower = numbers.lookup(op).first;
    else if (Operation *parent = value.getParentBlock()->getParentOp(); parent != function)
      lower = numbers.lookup(parent).first;
    extend(place, lower, lower + 1);
    extendByUsers(value, value, lower);
  }
  for (auto &[loop, slots] : carried)
    for (const Place &slot : slots)
      extend(slot, numbers.lookup(loop).first, numbers.lookup(loop).second);
  for (auto &[yield, slots] : temporaries)
    for (const Place &slot : slots)
      extend(slot, numbers.lookup(yield).first, numbers.lookup(yield).second);
  for (auto &[call, storage] : callFrames)
    extend({storage, 0}, numbers.lookup(call).first, numbers.lookup(call).second);
}
