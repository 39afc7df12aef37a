// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Point programs of elements that several share a byte, and of quantization.
#include "passes/Tile/Point/PointWriter.h"

#include "passes/Tile/NarrowTypes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

// ---- elements that share a byte ---------------------------------------------------

Value PointWriter::readPacked(BlockArgument argument, ArrayRef<Index> place) {
  Type graph = getElementTypeOrSelf(argument.getType()), i8 = b.getI8Type(), i32 = b.getI32Type(), i64 = b.getI64Type();
  int64_t shared = elementsPerByte(graph), bits = 8 / shared, shift = llvm::Log2_64(shared);
  Value view = p.view(argument.getArgNumber());
  Index linear = linearIndex(getDims(argument.getType()), place);
  Value number = toTile(linear), byte;
  if (linear.isUniform() && mask == laneMask)
    byte = splat(tile::LoadScalarOp::create(
        b, i8, view, ValueRange{arith::ShRUIOp::create(b, linear.base, p.index(shift)).getResult()}));
  else
    byte = tile::GatherOp::create(b, tileType(extents, i8), view,
                                  arith::ShRUIOp::create(b, number, constant(shift, i64)), mask);
  Value within =
      arith::TruncIOp::create(b, tileType(extents, i32), arith::AndIOp::create(b, number, constant(shared - 1, i64)));
  Value wide = arith::ShRUIOp::create(b, arith::ExtUIOp::create(b, tileType(extents, i32), byte),
                                      arith::MulIOp::create(b, within, constant(bits, i32)));
  Value low =
      arith::TruncIOp::create(b, tileType(extents, i8), arith::AndIOp::create(b, wide, constant((1 << bits) - 1, i32)));
  return wrapNarrowInteger(p, low, graph, extents);
}

/// Lane i of a block makes byte `start + i`: elements `shared * (start + i) + j`.
tile::KernelOp PointWriter::writePacked(Value root, ArrayRef<SmallVector<SymbolicExpr>> views) {
  constexpr int64_t blockBytes = 4096;
  Type graph = getElementTypeOrSelf(root.getType()), i8 = b.getI8Type();
  int64_t shared = elementsPerByte(graph), bits = 8 / shared;
  auto dims = getDims(root.getType());
  SymbolicExpr count = product(dims), bytes = SymbolicExpr::ceilDiv(count, shared);
  p.begin(views, {SymbolicExpr::ceilDiv(bytes, blockBytes)});
  int64_t width = 2 * p.schedule.lanes();
  extents = {Extent::of(width)};

  Value first = p.mul(p.gridId(0), p.index(blockBytes));
  Value end = p.minimum(p.add(first, p.index(blockBytes)), p.indexOf(bytes));
  auto loop = scf::ForOp::create(b, first, end, p.index(width));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value start = loop.getInductionVar(), byte;
    for (int64_t j = 0; j < shared; ++j) {
      Index rest{p.add(p.mul(start, p.index(shared)), p.index(j)), shared, {}};
      laneMask = mask = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, toTile(rest), toTile(uniform(count)));
      Place place(dims.size());
      for (int64_t d = dims.size() - 1; d >= 0; --d) {
        place[d] = d == 0 ? rest : modulo(rest, dims[d]);
        rest = d == 0 ? rest : divide(rest, dims[d]);
      }
      Value value = at(root, place);
      if (!value)
        return {};
      value = arith::AndIOp::create(b, value, constant((1 << bits) - 1, i8));
      value = arith::SelectOp::create(b, mask, value, constant(0, i8));
      value = arith::ShLIOp::create(b, value, constant(j * bits, i8));
      byte = byte ? Value(arith::OrIOp::create(b, byte, value)) : value;
    }
    b.setLoc(p.fusion.getLoc());
    p.store(byte, p.view(views.size() - 1), {start}, {0}, /*inBounds=*/false);
  }
  return p.finish(count * static_cast<int64_t>(p.fusion.getBody().front().getOperations().size() - 1));
}

// ---- quantization -------------------------------------------------------------------

Value PointWriter::ofGroup(Value parameter, int64_t axis, int64_t block, ArrayRef<Index> place) {
  auto dims = getDims(parameter.getType());
  if (block == 0 && dims.size() <= 1 && (dims.empty() || dims[0] == SymbolicExpr(1)))
    return at(parameter, Place(dims.size(), uniform(int64_t(0))));
  axis = axis < 0 ? axis + static_cast<int64_t>(place.size()) : axis;
  if (block == 0)
    return at(parameter, {place[axis]});
  Place own(place);
  own[axis] = divide(own[axis], block);
  return at(parameter, own);
}

Value PointWriter::toFloat(Value v, Type graph, Type to) {
  if (isNarrowFloat(graph))
    return decodeNarrowFloat(p, v, graph, cast<FloatType>(to), extents);
  Type type = tileType(extents, to), from = getElementTypeOrSelf(v.getType());
  if (from == to)
    return v;
  if (isa<FloatType>(from))
    return from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth() ? Value(arith::ExtFOp::create(b, type, v))
                                                                     : Value(arith::TruncFOp::create(b, type, v));
  return graph.isUnsignedInteger() ? Value(arith::UIToFPOp::create(b, type, v))
                                   : Value(arith::SIToFPOp::create(b, type, v));
}

Value PointWriter::dequantize(DequantizeOp op, ArrayRef<Index> place) {
  Value x = at(op.getX(), place), scale = ofGroup(op.getScale(), op.getAxis(), op.getBlockSize(), place), zero;
  if (op.getZeroPoint())
    zero = ofGroup(op.getZeroPoint(), op.getAxis(), op.getBlockSize(), place);
  if (!x || !scale || (op.getZeroPoint() && !zero))
    return {};
  Type graphX = getElementTypeOrSelf(op.getX().getType()), scaleType = getElementTypeOrSelf(scale.getType());
  // The difference of 32-bit integers needs more than 24 bits.
  Type wide = graphX.getIntOrFloatBitWidth() > 16 ? f64() : scaleType;
  Value value = toFloat(x, graphX, wide);
  if (zero)
    value = arith::SubFOp::create(b, value, toFloat(zero, getElementTypeOrSelf(op.getZeroPoint().getType()), wide));
  value = arith::MulFOp::create(b, value, toFloat(scale, scaleType, wide));
  return toFloat(value, wide, elementType(op.getY()));
}

Value PointWriter::quantize(QuantizeOp op, ArrayRef<Index> place) {
  Value x = at(op.getX(), place), scale = ofGroup(op.getScale(), op.getAxis(), op.getBlockSize(), place), zero;
  if (op.getZeroPoint())
    zero = ofGroup(op.getZeroPoint(), op.getAxis(), op.getBlockSize(), place);
  if (!x || !scale || (op.getZeroPoint() && !zero))
    return {};
  Type graph = getElementTypeOrSelf(op.getY().getType()), type = getElementTypeOrSelf(x.getType());
  auto integer = dyn_cast<IntegerType>(graph);
  if (!isa<FloatType>(type) || (integer ? integer.getWidth() > 16 : !isNarrowFloat(graph)))
    return {};
  // The quotient is rounded in the type of x, then to an element of the result.
  Value value = arith::DivFOp::create(b, x, toFloat(scale, getElementTypeOrSelf(scale.getType()), type));
  Value offset = zero ? toFloat(zero, getElementTypeOrSelf(op.getZeroPoint().getType()), type) : constant(0, type);
  if (!integer)
    return encodeNarrowFloat(p, zero ? Value(arith::AddFOp::create(b, value, offset)) : value, graph, op.getSaturate(),
                             "up", extents);
  value = math::RoundEvenOp::create(b, value);
  bool isUnsigned = integer.isUnsigned();
  double low = isUnsigned ? 0 : -std::ldexp(1.0, integer.getWidth() - 1);
  double high = std::ldexp(1.0, isUnsigned ? integer.getWidth() : integer.getWidth() - 1) - 1;
  value = arith::AddFOp::create(b, value, offset);
  Value isNan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, value, value);
  value = arith::SelectOp::create(b, isNan, offset, value);
  value = arith::MinimumFOp::create(b, arith::MaximumFOp::create(b, value, constant(low, type)), constant(high, type));
  Value wide = arith::FPToSIOp::create(b, tileType(extents, b.getI32Type()), value);
  return arith::TruncIOp::create(b, tileType(extents, elementType(op.getY())), wide);
}
