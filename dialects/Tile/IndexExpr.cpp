// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Tile/IndexExpr.h"

#include "bessemer/Algorithms/SymbolicExprFold.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace bessemer;

Value tile::buildIndex(ImplicitLocOpBuilder &b, const SymbolicExpr &expr, llvm::function_ref<Value(StringRef)> lookup) {
  ExprFolder folder;
  folder.constant = [&](int64_t value) { return Value(arith::ConstantIndexOp::create(b, value)).getAsOpaquePointer(); };
  folder.symbol = [&](std::string_view name) { return lookup(name).getAsOpaquePointer(); };
  folder.combine = [&](ExprOp op, const void *left, const void *right) -> const void * {
    Value x = Value::getFromOpaquePointer(left), y = Value::getFromOpaquePointer(right);
    switch (op) {
    case ExprOp::Add: return b.createOrFold<arith::AddIOp>(x, y).getAsOpaquePointer();
    case ExprOp::Mul: return b.createOrFold<arith::MulIOp>(x, y).getAsOpaquePointer();
    case ExprOp::FloorDiv: return b.createOrFold<arith::FloorDivSIOp>(x, y).getAsOpaquePointer();
    case ExprOp::CeilDiv: return b.createOrFold<arith::CeilDivSIOp>(x, y).getAsOpaquePointer();
    case ExprOp::Mod: return b.createOrFold<arith::RemSIOp>(x, y).getAsOpaquePointer();
    case ExprOp::Max: return b.createOrFold<arith::MaxSIOp>(x, y).getAsOpaquePointer();
    case ExprOp::Min: return b.createOrFold<arith::MinSIOp>(x, y).getAsOpaquePointer();
    }
    return nullptr;
  };
  return Value::getFromOpaquePointer(foldExpr(expr, folder));
}
