// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Lower/TileParts.h"

#include "dialects/Tile/IndexExpr.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace bessemer;

bool bessemer::isElementwiseTileOp(Operation *op) {
  return op && isa<arith::ArithDialect, math::MathDialect>(op->getDialect()) && op->getNumResults() == 1 &&
         isa<RankedTensorType>(op->getResult(0).getType()) && !isa<arith::ConstantOp>(op);
}

Type bessemer::storageType(Type element) {
  if (element.isInteger(1) || (isa<FloatType>(element) && element.getIntOrFloatBitWidth() <= 8))
    return IntegerType::get(element.getContext(), 8);
  if (element.isInteger() && !element.isSignlessInteger())
    return IntegerType::get(element.getContext(), element.getIntOrFloatBitWidth());
  return element;
}

/// The operand that gives a `?` extent, or null.
Value bessemer::tileSizeOperand(Value tile, unsigned dim) {
  auto type = cast<RankedTensorType>(tile.getType());
  Operation *op = tile.getDefiningOp();
  if (!type.isDynamicDim(dim) || !op)
    return {};
  auto fromSizes = [&](ValueRange sizes) { return sizes[type.getDynamicDimIndex(dim)]; };
  if (auto load = dyn_cast<tile::LoadOp>(op))
    return fromSizes(load.getSizes());
  if (auto splat = dyn_cast<tile::SplatOp>(op))
    return fromSizes(splat.getSizes());
  if (auto patches = dyn_cast<tile::PatchesOp>(op))
    return fromSizes(patches.getSizes());
  if (auto gather = dyn_cast<tile::GatherRowsOp>(op))
    return dim == 0 ? tileSizeOperand(gather.getLinear(), 0) : gather.getSizes().front();
  if (auto iota = dyn_cast<tile::IotaOp>(op))
    return fromSizes(iota.getSizes());
  if (auto broadcast = dyn_cast<tile::BroadcastOp>(op))
    return fromSizes(broadcast.getSizes());
  if (auto dot = dyn_cast<tile::DotOp>(op)) {
    if (dim == 0)
      return tileSizeOperand(dot.getA(), dot.getTransposeA() ? 1 : 0);
    if (auto panels = dot.getB().getDefiningOp<tile::PanelsOp>())
      return tileSizeOperand(panels.getX(), panels.getTransposed() ? 0 : 1);
    return tileSizeOperand(dot.getB(), dot.getTransposeB() ? 0 : 1);
  }
  if (auto reduce = dyn_cast<tile::ReduceOp>(op))
    if (cast<RankedTensorType>(reduce.getX().getType()).getRank() > type.getRank())
      return tileSizeOperand(reduce.getX(), dim + 1);
  for (Value operand : op->getOperands())
    if (auto t = dyn_cast<RankedTensorType>(operand.getType()))
      if (t.getRank() == type.getRank() && t.isDynamicDim(dim))
        return tileSizeOperand(operand, dim);
  return {};
}

Value bessemer::indexFromExpr(ImplicitLocOpBuilder &b, tile::KernelOp kernel, const IRMapping &mapping,
                              const SymbolicExpr &expr) {
  Value result = tile::buildIndex(b, expr, [&](StringRef name) -> Value {
    unsigned number = 0;
    if (!name.consume_front("s") || name.getAsInteger(10, number) || number >= kernel.getSymbols())
      return {};
    return mapping.lookup(kernel.getSymbolArgument(number));
  });
  if (result)
    return result;
  kernel.emitError("expected an expression over the kernel's symbols, got '") << expr.str() << "'";
  return arith::ConstantIndexOp::create(b, 0);
}

Value bessemer::combineValues(ImplicitLocOpBuilder &b, tile::ReductionKind kind, Value x, Value y) {
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(x.getType()));
  switch (kind) {
  case tile::ReductionKind::Sum:
    return isFloat ? Value(arith::AddFOp::create(b, x, y)) : Value(arith::AddIOp::create(b, x, y));
  case tile::ReductionKind::Prod:
    return isFloat ? Value(arith::MulFOp::create(b, x, y)) : Value(arith::MulIOp::create(b, x, y));
  case tile::ReductionKind::Max:
    return isFloat ? Value(arith::MaximumFOp::create(b, x, y)) : Value(arith::MaxSIOp::create(b, x, y));
  case tile::ReductionKind::Min:
    return isFloat ? Value(arith::MinimumFOp::create(b, x, y)) : Value(arith::MinSIOp::create(b, x, y));
  case tile::ReductionKind::UMax: return arith::MaxUIOp::create(b, x, y);
  case tile::ReductionKind::UMin: return arith::MinUIOp::create(b, x, y);
  case tile::ReductionKind::And: return arith::AndIOp::create(b, x, y);
  case tile::ReductionKind::Or: return arith::OrIOp::create(b, x, y);
  }
  llvm_unreachable("a kind of reduction");
}

Value bessemer::neutralValue(ImplicitLocOpBuilder &b, tile::ReductionKind kind, Type type) {
  using Kind = tile::ReductionKind;
  Type element = getElementTypeOrSelf(type);
  TypedAttr value;
  if (auto f = dyn_cast<FloatType>(element)) {
    APFloat v = kind == Kind::Prod  ? APFloat(f.getFloatSemantics(), 1)
                : kind == Kind::Max ? APFloat::getInf(f.getFloatSemantics(), /*Negative=*/true)
                : kind == Kind::Min ? APFloat::getInf(f.getFloatSemantics())
                                    : APFloat::getZero(f.getFloatSemantics());
    value = b.getFloatAttr(f, v);
  } else {
    unsigned bits = element.getIntOrFloatBitWidth();
    APInt v = kind == Kind::Prod                        ? APInt(bits, 1)
              : kind == Kind::Max                       ? APInt::getSignedMinValue(bits)
              : kind == Kind::Min                       ? APInt::getSignedMaxValue(bits)
              : kind == Kind::UMin || kind == Kind::And ? APInt::getMaxValue(bits)
                                                        : APInt(bits, 0);
    value = b.getIntegerAttr(element, v);
  }
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(b, DenseElementsAttr::get(vector, Attribute(value)));
  return arith::ConstantOp::create(b, value);
}

/// Is an index of the program computed from the kernel's symbols alone?
static bool isExact(tile::KernelOp kernel, Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    int64_t number = static_cast<int64_t>(argument.getArgNumber()) - kernel.getViews();
    return argument.getOwner() == &kernel.getBody().front() && number >= 0 && number < int64_t(kernel.getSymbols());
  }
  Operation *op = value.getDefiningOp();
  // Of a difference `bound` knows no more than what is taken away from.
  return isa<arith::ArithDialect>(op->getDialect()) && !isa<arith::SubIOp>(op) &&
         llvm::all_of(op->getOperands(), [&](Value operand) { return isExact(kernel, operand); });
}

/// What an index of the program is at most, over the kernel's symbols. Indices
/// are not negative, so a subtraction is at most its left operand.
SymbolicExpr bessemer::indexBound(tile::KernelOp kernel, Value value) {
  IntegerAttr constant;
  if (matchPattern(value, m_Constant(&constant)))
    return constant.getInt();
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    int64_t first = kernel.getViews(), number = argument.getArgNumber();
    if (argument.getOwner() == &kernel.getBody().front()) {
      if (number - first < int64_t(kernel.getSymbols()))
        return SymbolicExpr::symbol(("s" + Twine(number - first)).str());
      return bess::parseDims(kernel.getGrid())[number - first - kernel.getSymbols()];
    }
    if (auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp()))
      if (argument == loop.getInductionVar())
        return indexBound(kernel, loop.getUpperBound());
    return SymbolicExpr::invalid();
  }
  Operation *op = value.getDefiningOp();
  auto operand = [&](unsigned i) { return indexBound(kernel, op->getOperand(i)); };
  if (isa<arith::AddIOp>(op))
    return operand(0) + operand(1);
  if (isa<arith::MulIOp>(op))
    return operand(0) * operand(1);
  if (isa<arith::SubIOp>(op))
    return operand(0);
  if (isa<arith::MinSIOp, arith::MinUIOp>(op)) {
    SymbolicExpr l = operand(0), r = operand(1);
    return !l.isValid() ? r : !r.isValid() ? l : SymbolicExpr::min(l, r);
  }
  if (isa<arith::MaxSIOp, arith::MaxUIOp>(op))
    return SymbolicExpr::max(operand(0), operand(1));
  // A quotient is largest where its divisor is smallest: 1, unless it is known.
  bool division = isa<arith::DivSIOp, arith::DivUIOp, arith::FloorDivSIOp, arith::CeilDivSIOp, arith::CeilDivUIOp>(op);
  if (division && !isExact(kernel, op->getOperand(1)))
    return operand(0);
  if (isa<arith::DivSIOp, arith::DivUIOp, arith::FloorDivSIOp>(op))
    return SymbolicExpr::floorDiv(operand(0), operand(1));
  if (isa<arith::CeilDivSIOp, arith::CeilDivUIOp>(op))
    return SymbolicExpr::ceilDiv(operand(0), operand(1));
  return SymbolicExpr::invalid();
}
