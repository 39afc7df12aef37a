// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Addresses, loads, stores and scratch memory of the general GPU lowering.
#include "passes/Lower/Gpu/ThreadExpander.h"

#include "passes/Lower/TileParts.h"
#include "passes/Lower/ViewStrides.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/SmallVectorExtras.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

/// Scratch of a kernel in shared memory; more goes to the workspace. Every GPU
/// gives a block 48 KiB without being asked.
static constexpr int64_t mostSharedBytes = 40 << 10;

static int64_t storageBytes(Type element) { return (storageType(element).getIntOrFloatBitWidth() + 7) / 8; }

SmallVector<Value> ThreadExpander::viewStrides(Value view) {
  return llvm::map_to_vector(viewStrideExprs(kernel, view),
                             [&](const SymbolicExpr &stride) { return fromExpr(stride); });
}

Value ThreadExpander::element(Value base, Type element, Value linear) {
  Value offset = arith::IndexCastOp::create(b, b.getI64Type(), linear);
  return LLVM::GEPOp::create(b, base.getType(), storageType(element), base, ArrayRef<LLVM::GEPArg>{offset});
}

/// The tile that starts at `offsets` and walks along the view's `dims`.
ThreadExpander::Memory ThreadExpander::viewMemory(Value view, ValueRange offsets, ArrayRef<int64_t> dims,
                                                  bool inBounds) {
  auto type = cast<tile::ViewType>(view.getType());
  auto extents = bess::parseDims(type.getDims());
  SmallVector<Value> strides = viewStrides(view);
  Value linear = index(0);
  for (auto [offset, stride] : llvm::zip(offsets, strides))
    linear = add(linear, mul(mapped(offset), stride));
  Memory result;
  result.element = type.getElementType();
  result.base = element(buffers[view], result.element, linear);
  for (int64_t dim : dims) {
    result.strides.push_back(strides[dim]);
    if (!inBounds)
      result.view.push_back({mapped(offsets[dim]), fromExpr(extents[dim])});
  }
  return result;
}

Value ThreadExpander::address(const Memory &place, ArrayRef<Value> at) {
  Value linear = index(0);
  for (auto [coordinate, stride] : llvm::zip(at, place.strides))
    linear = add(linear, mul(coordinate, stride));
  return element(place.base, place.element, linear);
}

Value ThreadExpander::guardOf(const Memory &place, ArrayRef<Value> at) {
  Value guard = place.condition;
  for (auto [coordinate, limits] : llvm::zip(at, place.view))
    guard = both(guard, isLess(add(coordinate, limits.first), limits.second));
  return guard;
}

Value ThreadExpander::read(Value pointer, Type element, Value guard) {
  Type stored = storageType(element);
  unsigned alignment = storageBytes(element);
  Value value = *under(
      guard, stored, [&]() -> FailureOr<Value> { return Value(LLVM::LoadOp::create(b, stored, pointer, alignment)); });
  if (element.isInteger(1))
    value =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ne, value, arith::ConstantOp::create(b, b.getZeroAttr(stored)));
  return value;
}

void ThreadExpander::write(Value pointer, Type element, Value value) {
  if (element.isInteger(1))
    value = arith::ExtUIOp::create(b, storageType(element), value);
  LLVM::StoreOp::create(b, value, pointer, storageBytes(element));
}

Value ThreadExpander::loadAt(const Memory &place, ArrayRef<Value> at) {
  return read(address(place, at), place.element, guardOf(place, at));
}

void ThreadExpander::storeAt(const Memory &place, ArrayRef<Value> at, Value value) {
  OpBuilder::InsertionGuard insertion(b);
  if (Value guard = guardOf(place, at)) {
    auto branch = scf::IfOp::create(b, guard, /*withElseRegion=*/false);
    b.setInsertionPointToStart(branch.thenBlock());
  }
  write(address(place, at), place.element, value);
}

// ---- scratch ------------------------------------------------------------------------

Value ThreadExpander::sharedArray(Type element, int64_t count) {
  Type stored = storageType(element);
  std::string name = (kernel.getSymName() + "_shared_" + Twine(sharedCount++)).str();
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    LLVM::GlobalOp::create(b, LLVM::LLVMArrayType::get(stored, count), /*isConstant=*/false, LLVM::Linkage::Internal,
                           name, Attribute(), /*alignment=*/16, /*addrSpace=*/3);
  }
  sharedBytes += llvm::alignTo(count * storageBytes(element), 16);
  return LLVM::AddressOfOp::create(b, LLVM::LLVMPointerType::get(b.getContext(), 3), name);
}

FailureOr<ThreadExpander::Memory> ThreadExpander::allocate(Value tile) {
  auto type = cast<RankedTensorType>(tile.getType());
  Memory result;
  result.element = type.getElementType();
  result.strides.resize(type.getRank());
  Value count = index(1);
  SymbolicExpr bound = 1;
  for (int64_t d = type.getRank() - 1; d >= 0; --d) {
    result.strides[d] = count;
    count = mul(count, extent(tile, d));
    if (!type.isDynamicDim(d)) {
      bound = bound * type.getDimSize(d);
      continue;
    }
    Value size = tileSizeOperand(tile, d);
    bound = bound * (size ? indexBound(kernel, size) : SymbolicExpr::invalid());
  }
  int64_t bytes = storageBytes(result.element);
  if (type.hasStaticShape() && sharedBytes + type.getNumElements() * bytes <= mostSharedBytes) {
    result.base = sharedArray(result.element, std::max<int64_t>(type.getNumElements(), 1));
    return result;
  }
  if (!bound.isValid())
    return kernel.emitError("expected scratch memory of a size that the kernel's symbols say, for ") << type;
  constexpr int64_t align = 256;
  result.base = element(workspace, b.getI8Type(), scratchOffset);
  Value end = add(scratchOffset, mul(count, index(bytes)));
  scratchOffset = mul(div(add(end, index(align - 1)), index(align)), index(align));
  scratchBound = scratchBound + SymbolicExpr::floorDiv(bound * bytes + (align - 1), align) * align;
  workspaceBytes = SymbolicExpr::max(workspaceBytes, scratchBound);
  return result;
}
