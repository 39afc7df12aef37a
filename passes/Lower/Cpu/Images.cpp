// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Windows of channels-last images: `tile.patches` copies them, row by row of the
// window, where the taps of a row lie one after the other; `tile.gather_rows`
// reads a row of channels at a computed place.
#include "passes/Lower/Cpu/KernelExpander.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;

FailureOr<Value> KernelExpander::evaluateGatherRows(tile::GatherRowsOp op, Point &point) {
  Point first(point.row, index(0), 0);
  FailureOr<Value> linear = evaluate(op.getLinear(), first);
  if (failed(linear))
    return failure();
  Type stored = cast<tile::ViewType>(op.getView().getType()).getElementType();
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  Value base = bufferPointers[cast<BlockArgument>(op.getView()).getArgNumber()];
  Value start = LLVM::GEPOp::create(b, pointer, storageType(stored), base, ArrayRef<LLVM::GEPArg>{*linear});
  Value inside;
  if (op.getMask() && op != windowInside) {
    FailureOr<Value> mask = evaluate(op.getMask(), first);
    if (failed(mask))
      return failure();
    inside = *mask;
    // Outside: the first row is read, and dropped.
    start = arith::SelectOp::create(b, inside, start, base);
  }
  MemoryTile row{start, stored, index(0), {}, {}, {}, {}, {}};
  Value value = loadVector(address(row, index(0), point.column), stored, point.width, point.mask);
  if (!inside)
    return value;
  if (point.width)
    inside = vector::BroadcastOp::create(b, VectorType::get({point.width}, b.getI1Type()), inside);
  return Value(arith::SelectOp::create(b, inside, value, arith::ConstantOp::create(b, b.getZeroAttr(value.getType()))));
}

namespace {
/// Copies runs of a known number of elements.
struct RunCopier {
  ImplicitLocOpBuilder &b;
  Type storage;
  int64_t elementBytes, lanes; ///< lanes of one register

  Value at(Value pointer, Value offset) {
    auto type = LLVM::LLVMPointerType::get(b.getContext());
    Value wide = b.createOrFold<arith::IndexCastOp>(b.getI64Type(), offset);
    return LLVM::GEPOp::create(b, type, storage, pointer, ArrayRef<LLVM::GEPArg>{wide});
  }
  Value at(Value pointer, int64_t offset) { return at(pointer, arith::ConstantIndexOp::create(b, offset)); }

  /// `from` null: zeros.
  void move(Value from, Value to, int64_t width) {
    Type type = VectorType::get({width}, storage);
    Value value = from ? Value(LLVM::LoadOp::create(b, type, from, elementBytes))
                       : Value(arith::ConstantOp::create(b, b.getZeroAttr(type)));
    LLVM::StoreOp::create(b, value, to, elementBytes);
  }

  void copy(Value from, Value to, int64_t count) {
    auto advance = [&](Value pointer, Value offset) { return pointer ? at(pointer, offset) : Value(); };
    int64_t wide = 4 * lanes, done = 0;
    if (count >= 2 * wide) {
      done = count / wide * wide;
      auto loop = scf::ForOp::create(b, arith::ConstantIndexOp::create(b, 0), arith::ConstantIndexOp::create(b, done),
                                     arith::ConstantIndexOp::create(b, wide));
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      move(advance(from, loop.getInductionVar()), at(to, loop.getInductionVar()), wide);
    }
    for (int64_t width = wide; width >= 1; width /= 2)
      while (count - done >= width) {
        move(advance(from, arith::ConstantIndexOp::create(b, done)), at(to, done), width);
        done += width;
      }
  }
};
} // namespace

static bool dependsOn(Value value, Value on) {
  Operation *op = value.getDefiningOp();
  return value == on || (op && llvm::any_of(op->getOperands(), [&](Value operand) { return dependsOn(operand, on); }));
}

/// For each place and each row of the window: one copy where all of the row lies
/// in the image (and its taps are neighbours), else tap by tap; zeros outside.
/// Points of the grid that follow each other along an axis on which the places
/// do not depend (the panels) find them where the first one has put them, which
/// the word before the workspace tells: a thread takes its range in pieces.
LogicalResult KernelExpander::expandPatches(tile::PatchesOp op) {
  auto view = cast<tile::ViewType>(op.getView().getType());
  auto dims = bess::parseDims(view.getDims());
  ArrayRef<int64_t> window = op.getWindow();
  int64_t spatial = window.size();
  std::optional<int64_t> channels = dims.back().isConstant();
  if (!channels || static_cast<int64_t>(dims.size()) != spatial + 3)
    return op.emitError("expected a view [N, in.., groups, C] with a known number of channels");
  SmallVector<Value> strides = viewStrides(op.getView());
  auto type = cast<RankedTensorType>(op.getTile().getType());
  int64_t depth = type.getDimSize(1), inner = window.back();

  MemoryTile place;
  place.element = view.getElementType();
  Type storage = storageType(place.element);
  int64_t bytes = (storage.getIntOrFloatBitWidth() + 7) / 8;
  // A stride that is no power of two: rows must not meet in one set of the cache.
  int64_t pitch = llvm::divideCeil(depth, 16) * 16 + 16;
  place.rowStride = index(pitch);
  place.base =
      scratch(mul(extent(op.getTile(), 0), index(pitch * bytes)), extentBound(op.getTile(), 0) * (pitch * bytes));

  Value group = mul(mapped(op.getGroup()), index(*channels));
  Value image = bufferPointers[cast<BlockArgument>(op.getView()).getArgNumber()];
  RunCopier copier{b, storage, bytes, schedule.lanes()};
  auto inImage = [&](Value at, Value extent) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, at, extent);
  };
  SmallVector<Value> extents;
  for (int64_t i = 0; i < spatial; ++i)
    extents.push_back(viewExtent(op.getView(), i + 1));

  OpBuilder::InsertionGuard guard(b);
  auto grid = bess::parseDims(kernel.getGrid());
  Value innermost = kernel.getGridId(grid.size() - 1);
  auto patches = kernel.getBody().front().getOps<tile::PatchesOp>();
  if (op->getBlock() == &kernel.getBody().front() && llvm::hasSingleElement(patches) &&
      llvm::none_of(op->getOperands(), [&](Value operand) { return dependsOn(operand, innermost); })) {
    Type i64 = b.getI64Type();
    Value number = add(div(point, fromExpr(grid.back())), index(1));
    number = b.createOrFold<arith::IndexCastOp>(i64, number);
    Value held =
        LLVM::GEPOp::create(b, LLVM::LLVMPointerType::get(b.getContext()), i64, workspace, ArrayRef<LLVM::GEPArg>{-2});
    Value absent = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, LLVM::LoadOp::create(b, i64, held), number);
    b.setInsertionPointToStart(scf::IfOp::create(b, absent, /*withElseRegion=*/false).thenBlock());
    LLVM::StoreOp::create(b, number, held);
  }
  auto rows = scf::ForOp::create(b, index(0), extent(op.getTile(), 0), index(1));
  b.setInsertionPointToStart(rows.getBody());
  // The place in the result, and where its window begins in the image.
  Value rest = add(mapped(op.getFirst()), rows.getInductionVar());
  SmallVector<Value> begin(spatial);
  for (int64_t i = spatial - 1; i >= 0; --i) {
    Value out = mapped(op.getOut()[i]);
    Value o = b.createOrFold<arith::RemUIOp>(rest, out);
    rest = div(rest, out);
    begin[i] = sub(mul(o, index(op.getStrides()[i])), index(op.getPads()[i]));
  }
  Value base = add(mul(rest, strides[0]), group);
  Value to = address(place, rows.getInductionVar(), index(0));
  Value last = begin[spatial - 1], width = extents[spatial - 1];
  bool neighbours =
      op.getDilations()[spatial - 1] == 1 && matchPattern(sub(strides[spatial], index(*channels)), m_Zero());
  Value whole; // the window's rows lie between the image's left and right edges
  if (neighbours && inner > 1)
    whole = arith::AndIOp::create(b, arith::CmpIOp::create(b, arith::CmpIPredicate::sge, last, index(0)),
                                  arith::CmpIOp::create(b, arith::CmpIPredicate::sle, add(last, index(inner)), width));

  // One row of the window, which starts at `from` (elements of the image).
  auto copyRow = [&](Value rowTo, Value from, Value inside) {
    auto either = [&](Value condition, auto then, auto otherwise) {
      auto branch = scf::IfOp::create(b, condition, /*withElseRegion=*/true);
      OpBuilder::InsertionGuard inBranch(b);
      b.setInsertionPointToStart(branch.thenBlock());
      then();
      b.setInsertionPointToStart(branch.elseBlock());
      otherwise();
    };
    auto tapByTap = [&] {
      auto taps = scf::ForOp::create(b, index(0), index(inner), index(1));
      OpBuilder::InsertionGuard inLoop(b);
      b.setInsertionPointToStart(taps.getBody());
      Value at = add(last, mul(taps.getInductionVar(), index(op.getDilations()[spatial - 1])));
      Value tapTo = copier.at(rowTo, mul(taps.getInductionVar(), index(*channels)));
      either(
          inImage(at, width),
          [&] { copier.copy(copier.at(image, add(from, mul(at, strides[spatial]))), tapTo, *channels); },
          [&] { copier.copy({}, tapTo, *channels); });
    };
    auto present = [&] {
      if (!whole)
        return tapByTap();
      either(
          whole,
          [&] { copier.copy(copier.at(image, add(from, mul(last, strides[spatial]))), rowTo, inner * *channels); },
          tapByTap);
    };
    if (!inside)
      return present();
    either(inside, present, [&] { copier.copy({}, rowTo, inner * *channels); });
  };
  std::function<void(int64_t, Value, Value, Value)> overWindow = [&](int64_t dim, Value number, Value from,
                                                                     Value inside) {
    if (dim == spatial - 1)
      return copyRow(copier.at(to, mul(number, index(inner * *channels))), from, inside);
    auto taps = scf::ForOp::create(b, index(0), index(window[dim]), index(1));
    OpBuilder::InsertionGuard inLoop(b);
    b.setInsertionPointToStart(taps.getBody());
    Value at = add(begin[dim], mul(taps.getInductionVar(), index(op.getDilations()[dim])));
    Value ok = inImage(at, extents[dim]);
    overWindow(dim + 1, add(mul(number, index(window[dim])), taps.getInductionVar()),
               add(from, mul(at, strides[dim + 1])), inside ? Value(arith::AndIOp::create(b, inside, ok)) : ok);
  };
  overWindow(0, index(0), base, {});
  memory[op.getTile()] = place;
  return success();
}
