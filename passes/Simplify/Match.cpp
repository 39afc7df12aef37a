// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Simplify/Match.h"

#include "bessemer/Reference/ConstantFold.h"

#include <cmath>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

bool simplify::isClose(double a, double b, double tolerance) { return std::abs(a - b) <= tolerance * std::abs(b); }

static std::optional<double> splatOf(DenseElementsAttr elements) {
  if (!elements || elements.empty())
    return std::nullopt;
  Type type = elements.getElementType();
  std::optional<double> first;
  auto same = [&](double value) {
    if (!first)
      first = value;
    return *first == value;
  };
  bool all = false;
  if (isa<FloatType>(type))
    all = llvm::all_of(elements.getValues<APFloat>(), [&](APFloat value) {
      bool lossy;
      value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
      return same(value.convertToDouble());
    });
  else if (isa<IntegerType>(type))
    all = llvm::all_of(elements.getValues<APInt>(), [&](const APInt &value) {
      bool isSigned = !type.isUnsignedInteger() && !type.isInteger(1);
      return same(value.roundToDouble(isSigned));
    });
  return all ? first : std::nullopt;
}

std::optional<double> Matcher::splat(Value value) {
  for (int i = 0; i < 8 && value; ++i) {
    Operation *op = value.getDefiningOp();
    if (isa_and_nonnull<bess::ConstantOp>(op))
      return splatOf(reference::getConstant(value, *files));
    if (isa_and_nonnull<bess::WeightOp>(op)) // a scalar, not a table
      return splatOf(reference::getConstant(value, *files, /*limit=*/64));
    if (!isa_and_nonnull<bess::ReshapeOp, bess::BroadcastOp, bess::CastOp>(op))
      return std::nullopt;
    if (isa<bess::CastOp>(op) && !isa<FloatType>(typeOf(value).getElementType()))
      return std::nullopt;
    value = op->getOperand(0);
  }
  return std::nullopt;
}

bool Matcher::isSplat(Value value, double wanted) {
  std::optional<double> constant = splat(value);
  return constant && *constant == wanted;
}

void Matcher::flatten(Value value, Value stop, int depth, Product &product) {
  Operation *op = value == stop || depth == 0 ? nullptr : value.getDefiningOp();
  if (auto mul = dyn_cast_or_null<bess::MulOp>(op)) {
    flatten(mul.getA(), stop, depth - 1, product);
    flatten(mul.getB(), stop, depth - 1, product);
    return;
  }
  if (auto div = dyn_cast_or_null<bess::DivOp>(op))
    if (std::optional<double> divisor = splat(div.getB()); divisor && *divisor != 0) {
      product.constant /= *divisor;
      return flatten(div.getA(), stop, depth - 1, product);
    }
  if (auto neg = dyn_cast_or_null<bess::NegOp>(op)) {
    product.constant = -product.constant;
    return flatten(neg.getX(), stop, depth - 1, product);
  }
  if (std::optional<double> constant = value == stop ? std::nullopt : splat(value))
    product.constant *= *constant;
  else
    product.factors.push_back(value);
}

Matcher::Product Matcher::product(Value value, Value stop) {
  Product result;
  flatten(value, stop, /*depth=*/4, result);
  return result;
}

Value Matcher::powerOf(Value value, int exponent) {
  if (auto pow = value.getDefiningOp<bess::PowOp>())
    return isSplat(pow.getB(), exponent) ? pow.getA() : Value();
  auto mul = value.getDefiningOp<bess::MulOp>();
  if (!mul)
    return {};
  if (exponent == 2)
    return mul.getA() == mul.getB() ? mul.getA() : Value();
  for (auto [square, x] : {std::pair(mul.getA(), mul.getB()), std::pair(mul.getB(), mul.getA())})
    if (powerOf(square, exponent - 1) == x)
      return x;
  return {};
}

void Matcher::note(Operation *op, StringRef pattern, Twine reason) {
  if (!nearMisses)
    return;
  std::string text = reason.str();
  bool known = llvm::any_of(*nearMisses, [&](const NearMiss &other) {
    return other.loc == op->getLoc() && other.pattern == pattern && other.reason == text;
  });
  if (!known)
    nearMisses->push_back({op->getLoc(), pattern.str(), std::move(text)});
}

Value simplify::stripFloatCasts(Value value) {
  while (auto cast = value.getDefiningOp<bess::CastOp>()) {
    if (!isa<FloatType>(cast.getTo()) || !isa<FloatType>(typeOf(cast.getX()).getElementType()))
      return value;
    value = cast.getX();
  }
  return value;
}

Location simplify::locationOf(Operation *root, ValueRange leaves) {
  llvm::SetVector<Location> locations;
  llvm::SmallPtrSet<Operation *, 16> seen;
  SmallVector<Operation *> work = {root};
  constexpr size_t limit = 64; // of what any pattern has
  while (!work.empty() && seen.size() < limit) {
    Operation *op = work.pop_back_val();
    if (!seen.insert(op).second)
      continue;
    locations.insert(op->getLoc());
    for (Value operand : op->getOperands())
      if (Operation *definition = operand.getDefiningOp();
          definition && !llvm::is_contained(leaves, operand) && !isa<bess::ConstantOp, bess::WeightOp>(definition))
        work.push_back(definition);
  }
  return FusedLoc::get(root->getContext(), locations.getArrayRef());
}

bool simplify::isTrailing(Value scale, Value x, int64_t axis) {
  ArrayRef<int64_t> shape = typeOf(scale).getShape();
  int64_t trailing = rankOf(x) - axis;
  if (static_cast<int64_t>(shape.size()) > rankOf(x))
    return false;
  while (static_cast<int64_t>(shape.size()) > trailing) {
    if (shape.front() != 1)
      return false;
    shape = shape.drop_front();
  }
  Dims scaleDims = dimsOf(scale), dims = dimsOf(x);
  for (size_t i = 1; i <= shape.size(); ++i)
    if (shape[shape.size() - i] != 1 && scaleDims[scaleDims.size() - i] != dims[dims.size() - i])
      return false;
  return true;
}

LogicalResult simplify::replaceKeepingType(PatternRewriter &rewriter, Operation *op, Operation *replacement) {
  Type type = op->getResult(0).getType();
  if (!bess::compatibleTypes(type, replacement->getResult(0).getType())) {
    rewriter.eraseOp(replacement);
    return failure();
  }
  rewriter.modifyOpInPlace(replacement, [&] { replacement->getResult(0).setType(type); });
  rewriter.replaceOp(op, replacement);
  return success();
}
