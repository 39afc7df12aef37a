// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The plan as attributes of the IR.
#include "passes/Plan/FunctionPlan.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::plan;

static Attribute placementAttr(Builder &b, const Place &place) {
  if (place.storage < 0)
    return b.getUnitAttr();
  return bess::PlacementAttr::get(b.getContext(), place.storage, b.getStringAttr(place.offset.str()));
}

static ArrayAttr placementAttrs(Builder &b, ArrayRef<Place> list) {
  SmallVector<Attribute> attrs;
  for (const Place &place : list)
    attrs.push_back(placementAttr(b, place));
  return b.getArrayAttr(attrs);
}

void FunctionPlan::annotate() {
  Builder b(function.getContext());
  SmallVector<Attribute> list;
  for (const Storage &storage : storages)
    list.push_back(bess::StorageAttr::get(b.getContext(), name(storage.kind), storage.index,
                                          b.getStringAttr(storage.bytes.str()), storage.lower, storage.upper,
                                          storage.offset));
  function->setAttr("bess.storages", b.getArrayAttr(list));
  function->setAttr("bess.frame_bytes", b.getI64IntegerAttr(frame));

  for (auto &[op, numbered] : numbers) {
    SmallVector<Place> results;
    for (Value result : op->getResults())
      results.push_back(places.lookup(result));
    if (llvm::any_of(results, [](const Place &place) { return place.storage >= 0; }))
      op->setAttr("bess.placement", placementAttrs(b, results));
    if (auto slice = dyn_cast<bess::SliceOp>(op);
        slice && places.lookup(slice.getX()).storage == places.lookup(slice.getY()).storage)
      op->setAttr("bess.view", b.getUnitAttr());
    if (viewConcats.contains(op))
      op->setAttr("bess.view", b.getUnitAttr());
    if (auto it = carried.find(op); it != carried.end())
      op->setAttr("bess.carried", placementAttrs(b, it->second));
    if (auto it = temporaries.find(op);
        it != temporaries.end() && llvm::any_of(it->second, [](const Place &place) { return place.storage >= 0; }))
      op->setAttr("bess.temporaries", placementAttrs(b, it->second));
    if (auto it = callFrames.find(op); it != callFrames.end())
      op->setAttr("bess.frame", b.getI64IntegerAttr(it->second));
  }
}
