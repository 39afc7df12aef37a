// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reductions: registers, lanes (butterfly shuffles), warps (shared memory).
#include "passes/Lower/Gpu/GpuExpander.h"
#include "passes/Lower/Gpu/Shuffle.h"

#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <algorithm>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

Value GpuExpander::shuffle(Value value, int64_t laneBit) { return shuffleButterfly(b, value, laneBit); }

/// Each warp writes its parts, all meet, each lane combines the parts of the
/// `distinct` first warps (later ones hold copies): the reduction ends with the
/// same value everywhere. Shared memory is this reduction's own, so that one
/// barrier does. `ofLanes`: lanes hold parts of different results.
GpuExpander::Registers GpuExpander::acrossWarps(tile::ReductionKind kind, const Registers &parts, int64_t distinct,
                                                int64_t warps, bool ofLanes) {
  int64_t lanes = ofLanes ? 32 : 1;
  Type element = parts[0].getType(), stored = storageType(element);
  std::string name = (kernel.getSymName() + "_shared_" + Twine(sharedCount++)).str();
  auto array = LLVM::LLVMArrayType::get(stored, warps * lanes * parts.size());
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    LLVM::GlobalOp::create(b, array, /*isConstant=*/false, LLVM::Linkage::Internal, name, Attribute(),
                           /*alignment=*/16, /*addrSpace=*/3);
  }
  auto pointer = LLVM::LLVMPointerType::get(b.getContext(), 3);
  Value base = LLVM::AddressOfOp::create(b, pointer, name);
  auto place = [&](Value number) -> Value {
    Value offset = arith::IndexCastOp::create(b, b.getI64Type(), number);
    return LLVM::GEPOp::create(b, pointer, stored, base, ArrayRef<LLVM::GEPArg>{offset});
  };
  // Where blocks go on to further rows, the only reduction of a row has no other barrier behind its reads.
  if (goesOnToRows && llvm::hasSingleElement(kernel.getBody().getOps<tile::ReduceOp>()))
    blockBarrier();
  auto numberOf = [&](size_t part, Value ofWarp) {
    Value number = add(index(part * warps), ofWarp);
    return ofLanes ? add(mul(number, index(lanes)), lane) : number;
  };
  Value isFirst = ofLanes ? Value() : Value(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lane, index(0)));
  guarded(isFirst, [&] {
    for (auto [i, part] : llvm::enumerate(parts)) {
      Value value = element.isInteger(1) ? Value(arith::ExtUIOp::create(b, stored, part)) : part;
      LLVM::StoreOp::create(b, value, place(numberOf(i, warp)));
    }
  });
  blockBarrier();
  Registers results;
  for (size_t i = 0; i < parts.size(); ++i) {
    auto partOf = [&](Value number) -> Value {
      Value part = LLVM::LoadOp::create(b, stored, place(number));
      return element.isInteger(1) ? Value(arith::TruncIOp::create(b, element, part)) : part;
    };
    Value total;
    if (distinct == 32 && !ofLanes) {
      // One for each lane: five steps instead of 31.
      total = partOf(numberOf(i, lane));
      for (int64_t bit = 1; bit < 32; bit *= 2)
        total = combineValues(b, kind, total, shuffle(total, bit));
    } else {
      for (int64_t w = 0; w < distinct; ++w) {
        Value part = partOf(numberOf(i, index(w)));
        total = total ? combineValues(b, kind, total, part) : part;
      }
    }
    results.push_back(total);
  }
  return results;
}

LogicalResult GpuExpander::expandReduce(tile::ReduceOp op) {
  FailureOr<TileLayout> from = layoutOf(op, op.getX()), to = layoutOf(op, op.getTile());
  if (failed(from) || failed(to))
    return failure();
  auto type = cast<RankedTensorType>(op.getX().getType()), resultType = cast<RankedTensorType>(op.getTile().getType());
  size_t axis = op.getAxis();
  const LinearLayout &atom = from->atom();
  bool along = axis + 1 == static_cast<size_t>(type.getRank());
  bool dropped = resultType.getRank() < type.getRank();
  if (along && dropped)
    return op.emitError("expected a reduction of the last axis that keeps it: "
                        "the conversion of layouts has no code yet");
  tile::ReductionKind kind = op.getKind();

  // Registers that differ along the axis alone, each once.
  std::vector<std::pair<std::vector<int64_t>, Registers>> parts;
  uint64_t copies = atom.redundantBits("register");
  for (int64_t reg = 0; reg < from->registers(); ++reg) {
    if (reg % atom.inputSize("register") & copies)
      continue;
    Registers at = coordinates(*from, reg);
    Value value = tiles[op.getX()][reg];
    if (Value inside = isInside(op.getX(), *from, at))
      value = arith::SelectOp::create(b, inside, value, neutralValue(b, kind, value.getType()));
    std::vector<int64_t> key = from->locate(reg, {});
    key[axis] = 0;
    auto known = llvm::find_if(parts, [&](const auto &part) { return part.first == key; });
    if (known == parts.end())
      parts.push_back({key, {value}});
    else
      known->second.push_back(value);
  }
  std::string name = atom.outputs()[axis].name;
  Registers sums;
  for (auto &[key, values] : parts) {
    // Each step of a chain waits for the step before; few warps hide that where they wait for wgmma, too.
    size_t chains = pointOfBlock ? std::clamp<size_t>(values.size() / 4, 1, 4) : 1;
    for (size_t i = chains; i < values.size(); ++i)
      values[i % chains] = combineValues(b, kind, values[i % chains], values[i]);
    Value value = values[0];
    for (size_t i = 1; i < chains; ++i)
      value = combineValues(b, kind, value, values[i]);
    for (unsigned bit = 0; int64_t(1) << bit < atom.inputSize("lane"); ++bit)
      if (atom.basis("lane", bit, name))
        value = combineValues(b, kind, value, shuffle(value, int64_t(1) << bit));
    sums.push_back(value);
  }
  int64_t warps = 1;
  for (unsigned bit = 0; int64_t(1) << bit < atom.inputSize("warp"); ++bit)
    warps *= atom.basis("warp", bit, name) ? 2 : 1;
  bool ofLanes = false;
  for (unsigned bit = 0; int64_t(1) << bit < atom.inputSize("lane"); ++bit)
    for (const LinearLayout::Dim &dim : atom.outputs())
      ofLanes |= dim.name != name && atom.basis("lane", bit, dim.name) != 0;
  if (warps > 1)
    sums = acrossWarps(kind, sums, warps, atom.inputSize("warp"), ofLanes);
  Registers results;
  for (int64_t reg = 0; reg < to->registers(); ++reg) {
    std::vector<int64_t> key = to->locate(reg, {});
    if (dropped)
      key.insert(key.begin() + axis, 0);
    key[axis] = 0;
    auto known = llvm::find_if(parts, [&](const auto &part) { return part.first == key; });
    if (known == parts.end())
      return op.emitError("expected a reduction that stays within lanes: the "
                          "conversion of layouts has no code yet");
    results.push_back(sums[known - parts.begin()]);
  }
  tiles[op.getTile()] = std::move(results);
  return success();
}
