// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/SymbolicExprFold.h"

#include "SymbolicExprNode.h"

namespace bessemer {
namespace {
ExprOp opOf(symbolic::AtomKind kind) {
  switch (kind) {
  case symbolic::AtomKind::FloorDiv: return ExprOp::FloorDiv;
  case symbolic::AtomKind::CeilDiv: return ExprOp::CeilDiv;
  case symbolic::AtomKind::Mod: return ExprOp::Mod;
  case symbolic::AtomKind::Max: return ExprOp::Max;
  default: return ExprOp::Min;
  }
}

const void *foldAtom(const symbolic::Atom &atom, const ExprFolder &folder) {
  if (atom.kind == symbolic::AtomKind::Symbol)
    return folder.symbol(atom.name);
  const void *result = nullptr;
  for (const SymbolicExpr &operand : atom.operands) {
    const void *next = foldExpr(operand, folder);
    if (!next)
      return nullptr;
    result = result ? folder.combine(opOf(atom.kind), result, next) : next;
    if (!result)
      return nullptr;
  }
  return result;
}
} // namespace

const void *foldExpr(const SymbolicExpr &expr, const ExprFolder &folder) {
  if (!expr.isValid())
    return nullptr;
  const void *sum = nullptr;
  for (const symbolic::Term &term : expr.node().terms) {
    const void *product = nullptr;
    auto times = [&](const void *factor) {
      product = !factor ? nullptr : product ? folder.combine(ExprOp::Mul, product, factor) : factor;
      return product != nullptr;
    };
    if ((term.coefficient != 1 || term.monomial.empty()) && !times(folder.constant(term.coefficient)))
      return nullptr;
    for (const symbolic::Factor &factor : term.monomial)
      for (uint32_t i = 0; i < factor.power; ++i)
        if (!times(foldAtom(*factor.atom, folder)))
          return nullptr;
    sum = sum ? folder.combine(ExprOp::Add, sum, product) : product;
    if (!sum)
      return nullptr;
  }
  return sum ? sum : folder.constant(0);
}

} // namespace bessemer
