// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Vectors and structs (lists of slots, rearranged here once and for all), and
// branches.
#include "lib/Emulator/Lanes.h"
#include "lib/Emulator/Launch.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bessemer::emulator;

namespace {
/// First leaf and number of leaves of a part of a struct or array.
std::pair<size_t, size_t> partOf(Preparer &p, Operation *op, Type type, ArrayRef<int64_t> position) {
  size_t first = 0;
  for (int64_t index : position) {
    if (auto structure = dyn_cast<LLVM::LLVMStructType>(type)) {
      for (int64_t i = 0; i < index; ++i)
        first += p.leaves(op, structure.getBody()[i]).size();
      type = structure.getBody()[index];
    } else {
      type = cast<LLVM::LLVMArrayType>(type).getElementType();
      first += index * p.leaves(op, type).size();
    }
  }
  return {first, p.leaves(op, type).size()};
}

template <class T> void runDynamicExtract(Warp &warp, const Inst &inst) {
  const uint32_t *list = warp.kernel->lists.data() + inst.list;
  T *d = warp.lanes<T>(inst.dst);
  warp.each([&](unsigned l) {
    uint64_t index = inst.imm == 8 ? warp.lanes<uint64_t>(inst.a)[l] : warp.lanes<uint32_t>(inst.a)[l];
    d[l] = index < inst.count ? warp.lanes<T>(list[index])[l] : T(0);
  });
}

bool emitExtract(Preparer &p, LLVM::ExtractElementOp op) {
  ArrayRef<Slot> vector = p.slots(op.getVector());
  APInt position;
  if (matchPattern(op.getPosition(), m_ConstantInt(&position))) {
    if (position.getZExtValue() >= vector.size())
      return p.fail(op, "expected a position within the vector");
    p.define(op.getRes(), {vector[position.getZExtValue()]});
    return true;
  }
  SmallVector<uint32_t> list(vector);
  Slot index = p.slot(op.getPosition()), d = p.defineNew(op, op.getRes()).front();
  unsigned bytes = laneBytes(p.laneOf(d)), indexBytes = laneBytes(p.laneOf(index));
  if (indexBytes < 4)
    return p.fail(op, "expected a position of 32 or 64 bits");
  Inst &inst = p.emit(op, bytes == 1   ? runDynamicExtract<uint8_t>
                          : bytes == 2 ? runDynamicExtract<uint16_t>
                          : bytes == 4 ? runDynamicExtract<uint32_t>
                                       : runDynamicExtract<uint64_t>);
  inst.list = p.addList(list);
  inst.count = list.size();
  inst.a = index;
  inst.dst = d;
  inst.imm = indexBytes;
  return true;
}

void runBranch(Warp &warp, const Inst &inst) {
  const Edge *edge = &warp.kernel->edges[inst.imm];
  uint32_t mask = warp.mask;
  warp.branch(&edge, &mask, 1);
}

void runConditional(Warp &warp, const Inst &inst) {
  const uint8_t *condition = warp.lanes<uint8_t>(inst.a);
  uint32_t masks[2] = {0, 0};
  warp.each([&](unsigned l) { masks[condition[l] ? 0 : 1] |= 1u << l; });
  const Edge *edges[2] = {&warp.kernel->edges[inst.imm], &warp.kernel->edges[inst.imm + 1]};
  warp.branch(edges, masks, 2);
}

void runSwitch(Warp &warp, const Inst &inst) {
  const uint32_t *values = warp.kernel->lists.data() + inst.list;
  std::vector<const Edge *> edges;
  std::vector<uint32_t> masks(inst.count + 1);
  for (uint32_t i = 0; i <= inst.count; ++i)
    edges.push_back(&warp.kernel->edges[inst.imm + i]);
  warp.each([&](unsigned l) {
    uint32_t value = warp.lanes<uint32_t>(inst.a)[l], i = 0;
    while (i < inst.count && values[i] != value)
      ++i;
    masks[i] |= 1u << l;
  });
  warp.branch(edges.data(), masks.data(), masks.size());
}

void runReturn(Warp &warp, const Inst &) { warp.leave(); }

void runUnreachable(Warp &warp, const Inst &inst) {
  warp.report(FindingKind::Fault, inst, "came to a place that was declared unreachable");
  warp.block->launch.stop = true;
  warp.state = WarpState::Done;
}
} // namespace

bool bessemer::emulator::prepareAggregate(Preparer &p, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<LLVM::ExtractValueOp>([&](LLVM::ExtractValueOp extract) {
        auto [first, count] = partOf(p, op, extract.getContainer().getType(), extract.getPosition());
        p.define(extract.getRes(), llvm::to_vector(p.slots(extract.getContainer()).slice(first, count)));
        return true;
      })
      .Case<LLVM::InsertValueOp>([&](LLVM::InsertValueOp insert) {
        auto [first, count] = partOf(p, op, insert.getContainer().getType(), insert.getPosition());
        SmallVector<Slot> slots(p.slots(insert.getContainer()));
        llvm::copy(p.slots(insert.getValue()), slots.begin() + first);
        p.define(insert.getRes(), std::move(slots));
        return true;
      })
      .Case<LLVM::ExtractElementOp>([&](LLVM::ExtractElementOp extract) { return emitExtract(p, extract); })
      .Case<LLVM::InsertElementOp>([&](LLVM::InsertElementOp insert) {
        APInt position;
        SmallVector<Slot> slots(p.slots(insert.getVector()));
        if (!matchPattern(insert.getPosition(), m_ConstantInt(&position)) || position.getZExtValue() >= slots.size())
          return p.fail(op, "expected a constant position within the vector");
        slots[position.getZExtValue()] = p.slot(insert.getValue());
        p.define(insert.getRes(), std::move(slots));
        return true;
      })
      .Case<LLVM::ShuffleVectorOp>([&](LLVM::ShuffleVectorOp shuffle) {
        SmallVector<Slot> from(p.slots(shuffle.getV1())), slots;
        llvm::append_range(from, p.slots(shuffle.getV2()));
        for (int32_t index : shuffle.getMask())
          slots.push_back(from[index < 0 ? 0 : index]);
        p.define(shuffle.getRes(), std::move(slots));
        return true;
      })
      .Default([](Operation *) { return false; });
}

bool bessemer::emulator::prepareControl(Preparer &p, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<LLVM::BrOp>([&](LLVM::BrOp branch) {
        p.emit(op, runBranch).imm = p.edge(branch.getDest(), branch.getDestOperands());
        return true;
      })
      .Case<LLVM::CondBrOp>([&](LLVM::CondBrOp branch) {
        uint32_t edge = p.edge(branch.getTrueDest(), branch.getTrueDestOperands());
        p.edge(branch.getFalseDest(), branch.getFalseDestOperands());
        Inst &inst = p.emit(op, runConditional);
        inst.a = p.slot(branch.getCondition());
        inst.imm = edge;
        return true;
      })
      .Case<LLVM::SwitchOp>([&](LLVM::SwitchOp op) {
        if (p.laneOf(p.slot(op.getValue())) != Lane::I32)
          return p.fail(op, "expected a switch on i32");
        SmallVector<uint32_t> values;
        if (auto cases = op.getCaseValues())
          for (APInt value : cases->getValues<APInt>())
            values.push_back(value.getZExtValue());
        uint32_t first = 0;
        for (size_t i = 0; i < values.size(); ++i) {
          uint32_t edge = p.edge(op.getCaseDestinations()[i], op.getCaseOperands(i));
          first = i ? first : edge;
        }
        uint32_t other = p.edge(op.getDefaultDestination(), op.getDefaultOperands());
        Inst &inst = p.emit(op, runSwitch);
        inst.a = p.slot(op.getValue());
        inst.imm = values.empty() ? other : first;
        inst.count = values.size();
        inst.list = p.addList(values);
        return true;
      })
      .Case<LLVM::ReturnOp>([&](LLVM::ReturnOp) {
        p.emit(op, runReturn);
        return true;
      })
      .Case<LLVM::UnreachableOp, LLVM::Trap>([&](auto) {
        p.emit(op, runUnreachable);
        return true;
      })
      .Case<LLVM::AssumeOp>([](auto) { return true; })
      .Default([](Operation *) { return false; });
}
