// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Arithmetic on coordinates and angles of point programs.
#pragma once

#include "passes/Tile/Point/PointWriter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace bessemer::tilegen {

/// Arithmetic on f64, scalars where all lanes agree and tiles where not.
class Reals {
public:
  Reals(ProgramBuilder &p, llvm::ArrayRef<Extent> extents) : p(p), b(p.b), extents(extents) {}

  bool isTile(mlir::Value v) const { return mlir::isa<mlir::RankedTensorType>(v.getType()); }
  mlir::Value number(double value) { return mlir::arith::ConstantOp::create(b, b.getF64FloatAttr(value)); }
  mlir::Value wide(mlir::Value v) { return isTile(v) ? v : p.splat(v, extents); }
  void match(mlir::Value &x, mlir::Value &y) {
    if (isTile(x) != isTile(y))
      x = wide(x), y = wide(y);
  }
  template <typename Op> mlir::Value make(mlir::Value x, mlir::Value y) {
    match(x, y);
    return Op::create(b, x, y);
  }
  mlir::Value add(mlir::Value x, mlir::Value y) { return make<mlir::arith::AddFOp>(x, y); }
  mlir::Value sub(mlir::Value x, mlir::Value y) { return make<mlir::arith::SubFOp>(x, y); }
  mlir::Value mul(mlir::Value x, mlir::Value y) { return make<mlir::arith::MulFOp>(x, y); }
  mlir::Value div(mlir::Value x, mlir::Value y) { return make<mlir::arith::DivFOp>(x, y); }
  mlir::Value add(mlir::Value x, double y) { return add(x, number(y)); }
  mlir::Value sub(mlir::Value x, double y) { return sub(x, number(y)); }
  mlir::Value mul(mlir::Value x, double y) { return mul(x, number(y)); }
  mlir::Value floor(mlir::Value x) { return mlir::math::FloorOp::create(b, x); }
  mlir::Value abs(mlir::Value x) { return mlir::math::AbsFOp::create(b, x); }
  mlir::Value max(mlir::Value x, mlir::Value y) { return make<mlir::arith::MaximumFOp>(x, y); }
  mlir::Value min(mlir::Value x, mlir::Value y) { return make<mlir::arith::MinimumFOp>(x, y); }
  mlir::Value compare(mlir::arith::CmpFPredicate predicate, mlir::Value x, mlir::Value y) {
    match(x, y);
    return mlir::arith::CmpFOp::create(b, predicate, x, y);
  }
  mlir::Value choose(mlir::Value condition, mlir::Value x, mlir::Value y) {
    match(x, y);
    if (isTile(x) != isTile(condition))
      condition = wide(condition), x = wide(x), y = wide(y);
    return mlir::arith::SelectOp::create(b, condition, x, y);
  }
  /// A whole number; `x` must be one that fits.
  Index toIndex(mlir::Value x) {
    if (!isTile(x))
      return {
          mlir::arith::IndexCastOp::create(b, b.getIndexType(), mlir::arith::FPToSIOp::create(b, b.getI64Type(), x)),
          0,
          {}};
    return {{}, 0, mlir::arith::FPToSIOp::create(b, tileType(extents, b.getI64Type()), x)};
  }
  mlir::Value fromExpr(const SymbolicExpr &expr) {
    if (std::optional<int64_t> constant = expr.isConstant())
      return number(double(*constant));
    return mlir::arith::SIToFPOp::create(b, b.getF64Type(),
                                         b.createOrFold<mlir::arith::IndexCastOp>(b.getI64Type(), p.indexOf(expr)));
  }

  ProgramBuilder &p;
  mlir::ImplicitLocOpBuilder &b;
  llvm::ArrayRef<Extent> extents;
};

} // namespace bessemer::tilegen
