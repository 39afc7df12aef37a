// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tile.patches, the left operand of a convolution, on its way to shared memory. Element (row, k) of the operand is
//
//   x[n, out * stride - pad + tap * dilation, group, channel]   with row -> (n, out..), k -> (tap.., channel)
//
// so its address is a sum of what the row says and what k says. A thread copies the same few rows in all steps: their
// part is computed once, before the loop. What is left for a step is to find its taps, an addition, and a comparison
// for each spatial dimension; outside of the image the copy is of 0 bytes and zeros arrive.
//
// A copy is of neighbouring channels of one tap, 16 bytes where their number allows it (cp.async). With few channels,
// as in a network's first layer, 16 bytes of a row are gathered from several taps and written together.
#include "passes/Lower/Gpu/GpuExpander.h"

#include "passes/Lower/TileParts.h"
#include "passes/Lower/ViewStrides.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

#include <map>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

namespace bessemer::gpu {
struct PatchPlaces {
  tile::PatchesOp op;
  int64_t channels = 0, depth = 0;
  int64_t read = 1; ///< elements of one tap that are read together
  Type number;      ///< that places in the image are computed in: i32 where all of them are known to fit, or index
  SmallVector<Value> extents; ///< of the image's spatial dimensions
  SmallVector<Value> strides; ///< of the image's spatial dimensions, in elements; index
  /// Of a row: where its window begins, as an address and in each spatial dimension.
  struct Row {
    Value pointer;
    SmallVector<Value> start;
  };
  std::map<int64_t, Row> rows; ///< by the row's place among a thread's
};
} // namespace bessemer::gpu

/// A place that is outside of any image, however a window moves it.
static constexpr int64_t farOutside = -(int64_t(1) << 30);
static constexpr int64_t accessBytes = 16, leastAsynchronousBytes = 8;

namespace {
/// Arithmetic in one type, i32 or index.
struct Numbers {
  ImplicitLocOpBuilder &b;
  Type type;

  Value constant(int64_t v) const { return arith::ConstantOp::create(b, b.getIntegerAttr(type, v)); }
  Value from(Value v) const { return v.getType() == type ? v : b.createOrFold<arith::IndexCastOp>(type, v); }
  Value add(Value x, Value y) const { return b.createOrFold<arith::AddIOp>(x, y); }
  Value mul(Value x, int64_t y) const { return b.createOrFold<arith::MulIOp>(x, constant(y)); }
  Value div(Value x, Value y) const { return b.createOrFold<arith::DivUIOp>(x, y); }
  Value rem(Value x, Value y) const { return b.createOrFold<arith::RemUIOp>(x, y); }
};
} // namespace

FailureOr<GpuExpander::SharedCopy> GpuExpander::makePatchesCopy(tile::PatchesOp op, int64_t rows, int64_t columns,
                                                                int64_t threads) {
  auto view = cast<tile::ViewType>(op.getView().getType());
  auto type = cast<RankedTensorType>(op.getTile().getType());
  auto dims = bess::parseDims(view.getDims());
  size_t spatial = op.getWindow().size();
  auto places = std::make_shared<PatchPlaces>();
  places->op = op;
  places->depth = type.getDimSize(1);
  places->channels = dims.back().isConstant().value_or(0);
  if (places->channels < 1)
    return op.emitError("expected a known number of channels, got ") << dims.back().str();

  SharedCopy copy;
  copy.patches = places;
  copy.depthDim = 1;
  copy.tile = makeSharedTile(rows, columns, storageType(type.getElementType()));
  int64_t bytes = copy.tile.elementBytes(), whole = std::min(columns, accessBytes / bytes);
  places->read = whole;
  while (places->channels % places->read)
    places->read /= 2;
  copy.asynchronous = places->read * bytes >= leastAsynchronousBytes && machine.architecture >= 80;
  copy.vector = copy.asynchronous ? places->read : whole;
  // Gathered rows are in neighbouring lanes: each of them has few rows then, and the same taps as its neighbours.
  copy.layout = copyLayout(rows, columns, copy.vector, threads, /*rowsFirst=*/!copy.asynchronous);

  // The places of one image, and those that a block goes beyond it.
  int64_t most = rows;
  bool isKnown = true;
  SmallVector<Value> out;
  for (size_t i = 0; i < spatial; ++i) {
    Value extent = mapped(op.getOut()[i]);
    std::optional<int64_t> known = getConstantIntValue(extent), in = dims[i + 1].isConstant();
    isKnown &= known && in && *in < -farOutside;
    most *= isKnown ? std::max<int64_t>(*known, 1) : 1;
    isKnown &= most < -farOutside;
    out.push_back(extent);
  }
  places->number = isKnown ? Type(b.getI32Type()) : Type(b.getIndexType());
  Numbers of{b, places->number};
  Value plane = index(1);
  SmallVector<SymbolicExpr> strides = viewStrideExprs(kernel, op.getView());
  for (size_t i = 0; i < spatial; ++i) {
    places->strides.push_back(fromExpr(strides[i + 1]));
    plane = mul(plane, out[i]);
  }
  for (size_t i = 0; i < spatial; ++i)
    places->extents.push_back(of.from(fromExpr(dims[i + 1])));

  // Of the first row; the others follow it in this image or one of the next.
  Value first = mapped(op.getFirst()), image = b.createOrFold<arith::DivUIOp>(first, plane),
        inImage = of.from(b.createOrFold<arith::RemUIOp>(first, plane));
  Value group = mul(mapped(op.getGroup()), fromExpr(strides[spatial + 1])), stride = fromExpr(strides[0]);
  for (int64_t reg = 0; reg < copy.layout.registers(); reg += copy.vector) {
    PatchPlaces::Row &row = places->rows[copy.layout.locate(reg, {})[0]];
    if (row.pointer)
      continue;
    Value at = coordinates(copy.layout, reg)[0], rest = of.add(inImage, of.from(at));
    Value exists;
    if (type.isDynamicDim(0))
      exists = below(at, mapped(tileSizeOperand(op.getTile(), 0)));
    else if (type.getDimSize(0) < rows)
      exists = below(at, index(type.getDimSize(0)));
    Value linear = group;
    row.start.resize(spatial);
    for (size_t i = spatial; i-- > 0;) {
      Value extent = of.from(out[i]), o = of.rem(rest, extent);
      rest = of.div(rest, extent);
      row.start[i] = of.add(of.mul(o, op.getStrides()[i]), of.constant(-op.getPads()[i]));
      linear = add(linear, mul(b.createOrFold<arith::IndexCastOp>(b.getIndexType(), row.start[i]), places->strides[i]));
    }
    Value n = add(image, b.createOrFold<arith::IndexCastOp>(b.getIndexType(), rest));
    linear = add(linear, mul(n, stride));
    if (exists)
      row.start[0] = arith::SelectOp::create(b, exists, row.start[0], of.constant(farOutside));
    Value offset = b.createOrFold<arith::IndexCastOp>(b.getI64Type(), linear), base = buffers[op.getView()];
    row.pointer = LLVM::GEPOp::create(b, base.getType(), copy.tile.element, base, ArrayRef<LLVM::GEPArg>{offset});
  }
  return copy;
}

void GpuExpander::startPatchesCopy(const SharedCopy &copy, Value base, Value step) {
  PatchPlaces &places = *copy.patches;
  tile::PatchesOp op = places.op;
  size_t spatial = op.getWindow().size();
  int64_t stepSize = copy.tile.columns(), bytes = copy.tile.elementBytes();
  Numbers of{b, places.number}, narrow{b, b.getI32Type()};

  /// Of a place along the depth: how far its tap is from the window's begin.
  struct Tap {
    Value offset, exists; ///< in elements, with the channel; null: always
    SmallVector<Value> moved;
  };
  std::map<int64_t, Tap> taps;
  Value begin = narrow.mul(narrow.from(step), stepSize);
  auto tapOf = [&](int64_t inTile, Value column) -> const Tap & {
    Tap &tap = taps[inTile];
    if (tap.offset)
      return tap;
    Value channels = narrow.constant(places.channels), number, channel, at = narrow.from(column);
    Value k = narrow.add(begin, at);
    if (places.channels % stepSize == 0) { // all of the step is of one tap
      number = narrow.div(begin, channels);
      channel = narrow.add(narrow.rem(begin, channels), at);
    } else {
      number = narrow.div(k, channels);
      channel = narrow.rem(k, channels);
    }
    if (places.depth % stepSize)
      tap.exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, k, narrow.constant(places.depth));
    tap.offset = b.createOrFold<arith::IndexCastOp>(b.getIndexType(), channel);
    tap.moved.resize(spatial);
    for (size_t i = spatial; i-- > 0;) {
      Value window = narrow.constant(op.getWindow()[i]), t = i ? narrow.rem(number, window) : number;
      number = narrow.div(number, window);
      Value by = narrow.mul(t, op.getDilations()[i]), wide = b.createOrFold<arith::IndexCastOp>(b.getIndexType(), by);
      tap.moved[i] = places.number.isIndex() ? wide : by;
      tap.offset = add(tap.offset, mul(wide, places.strides[i]));
    }
    tap.offset = b.createOrFold<arith::IndexCastOp>(b.getI64Type(), tap.offset);
    return tap;
  };
  auto isInImage = [&](const PatchPlaces::Row &row, const Tap &tap) {
    Value inside = tap.exists;
    for (size_t i = 0; i < spatial; ++i)
      inside = both(inside, below(of.add(row.start[i], tap.moved[i]), places.extents[i]));
    return inside;
  };
  ThreadColumns columns = threadColumns(copy.tile, copy.layout);
  auto body = [&] {
    for (int64_t reg = 0; reg < copy.layout.registers(); reg += copy.vector) {
      std::vector<int64_t> inTile = copy.layout.locate(reg, {});
      const PatchPlaces::Row &row = places.rows[inTile[0]];
      Value to = sharedPlace(base, columns, copy.tile.place(inTile[0], inTile[1]));
      Value column = coordinates(copy.layout, reg)[1];
      auto from = [&](const Tap &tap) -> Value {
        return LLVM::GEPOp::create(b, row.pointer.getType(), copy.tile.element, row.pointer,
                                   ArrayRef<LLVM::GEPArg>{tap.offset});
      };
      if (copy.asynchronous) {
        const Tap &tap = tapOf(inTile[1], column);
        int64_t size = copy.vector * bytes;
        Value read = arith::SelectOp::create(
            b, isInImage(row, tap), arith::ConstantOp::create(b, b.getI32IntegerAttr(size)), zeroOf(b.getI32Type()));
        NVVM::CpAsyncOp::create(b, to, from(tap), size,
                                size == accessBytes ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA,
                                read);
        continue;
      }
      Registers values;
      for (int64_t i = 0; i < copy.vector; i += places.read) {
        const Tap &tap = tapOf(inTile[1] + i, add(column, index(i)));
        llvm::append_range(values, read(from(tap), copy.tile.element, places.read, isInImage(row, tap)));
      }
      Value all = values[0];
      if (copy.vector > 1)
        all = vector::FromElementsOp::create(b, VectorType::get({copy.vector}, copy.tile.element), values);
      LLVM::StoreOp::create(b, all, to, copy.vector * bytes);
    }
  };
  guarded(isOwner(copy.layout), body);
}
