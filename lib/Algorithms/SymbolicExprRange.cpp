// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values and ranges of symbolic expressions.

#include "SymbolicExprNode.h"
#include "bessemer/Algorithms/SymbolicExpr.h"

#include <algorithm>
#include <numeric>

namespace bessemer {

using namespace symbolic;

namespace {

constexpr int64_t negInf = SymbolicRange::negInf;
constexpr int64_t posInf = SymbolicRange::posInf;

bool isInfinite(int64_t value) { return value == negInf || value == posInf; }

int64_t mulSaturating(int64_t a, int64_t b) {
  if (a == 0 || b == 0)
    return 0;
  int64_t product;
  if (isInfinite(a) || isInfinite(b) || __builtin_mul_overflow(a, b, &product))
    return (a < 0) == (b < 0) ? posInf : negInf;
  return product;
}

/// Sum where an infinity of `dominant` sign wins over the other.
int64_t addSaturating(int64_t a, int64_t b, int64_t dominant) {
  if (a == dominant || b == dominant)
    return dominant;
  if (isInfinite(a))
    return a;
  if (isInfinite(b))
    return b;
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum))
    return a < 0 ? negInf : posInf;
  return sum;
}

int64_t negate(int64_t a) { return a == negInf ? posInf : a == posInf ? negInf : -a; }

int64_t magnitude(SymbolicRange range) {
  return std::max(range.lo < 0 ? negate(range.lo) : range.lo, range.hi < 0 ? negate(range.hi) : range.hi);
}

/// floor or ceiling of a / b for b >= 1, either possibly infinite.
int64_t divideBound(int64_t a, int64_t b, bool ceiling) {
  if (isInfinite(a))
    return a;
  if (b == posInf) {
    if (a == 0)
      return 0;
    return ceiling ? a > 0 : -(a < 0);
  }
  return ceiling ? -floorDivInt(-a, b) : floorDivInt(a, b);
}

SymbolicRange divideRanges(SymbolicRange a, SymbolicRange b, bool ceiling) {
  if (b.lo <= 0) { // never zero, see the header
    if (b.lo == 0)
      b.lo = 1;
    else {
      int64_t bound = magnitude(a); // |b| >= 1
      return {negate(bound), bound};
    }
  }
  b.hi = std::max(b.hi, b.lo);
  return {divideBound(a.lo, a.lo >= 0 ? b.hi : b.lo, ceiling), divideBound(a.hi, a.hi >= 0 ? b.lo : b.hi, ceiling)};
}

SymbolicRange modRanges(SymbolicRange a, SymbolicRange b) {
  if (b.lo < 0) {
    int64_t bound = magnitude(b);
    bound = isInfinite(bound) ? posInf : bound - 1;
    return {negate(bound), bound};
  }
  int64_t largest = isInfinite(b.hi) ? posInf : std::max<int64_t>(b.hi - 1, 0);
  if (a.lo < 0)
    return {0, largest};
  if (a.hi < b.lo)
    return a;
  return {0, std::min(a.hi, largest)};
}

SymbolicRange atomRange(const Atom &atom, const SymbolicExpr::Bounds &bounds) {
  if (atom.kind == AtomKind::Symbol) {
    auto it = bounds.find(atom.name);
    return it != bounds.end() ? it->second : SymbolicRange{0, posInf};
  }
  SymbolicRange first = atom.operands[0].range(bounds);
  for (size_t i = 1; i < atom.operands.size(); ++i) {
    const SymbolicExpr &operand = atom.operands[i];
    SymbolicRange other = operand.range(bounds);
    // A divisor c*x, not zero, is at least c.
    const std::vector<Term> &terms = operand.node().terms;
    if ((atom.kind == AtomKind::FloorDiv || atom.kind == AtomKind::CeilDiv || atom.kind == AtomKind::Mod) &&
        terms.size() == 1 && other.lo >= 0)
      other.lo = std::max(other.lo, terms[0].coefficient);
    switch (atom.kind) {
    case AtomKind::FloorDiv: first = divideRanges(first, other, /*ceiling=*/false); break;
    case AtomKind::CeilDiv: first = divideRanges(first, other, /*ceiling=*/true); break;
    case AtomKind::Mod: first = modRanges(first, other); break;
    case AtomKind::Max: first = {std::max(first.lo, other.lo), std::max(first.hi, other.hi)}; break;
    case AtomKind::Min: first = {std::min(first.lo, other.lo), std::min(first.hi, other.hi)}; break;
    case AtomKind::Symbol: break;
    }
  }
  return first;
}

std::optional<int64_t> evaluateAtom(const Atom &atom, const SymbolicExpr::Lookup &lookup) {
  if (atom.kind == AtomKind::Symbol)
    return lookup(atom.name);
  std::optional<int64_t> result = atom.operands[0].evaluate(lookup);
  for (size_t i = 1; i < atom.operands.size() && result; ++i) {
    std::optional<int64_t> operand = atom.operands[i].evaluate(lookup);
    if (!operand)
      return std::nullopt;
    int64_t a = *result, b = *operand;
    bool isDivision = atom.kind != AtomKind::Max && atom.kind != AtomKind::Min;
    if (isDivision && (b == 0 || (b == -1 && a == negInf)))
      return std::nullopt;
    switch (atom.kind) {
    case AtomKind::FloorDiv: result = floorDivInt(a, b); break;
    case AtomKind::CeilDiv: result = a / b + (a % b != 0 && (a < 0) == (b < 0)); break;
    case AtomKind::Mod: result = a % b != 0 && (a < 0) != (b < 0) ? a % b + b : a % b; break;
    case AtomKind::Max: result = std::max(a, b); break;
    case AtomKind::Min: result = std::min(a, b); break;
    case AtomKind::Symbol: break;
    }
  }
  return result;
}

} // namespace

SymbolicRange symbolic::addRanges(SymbolicRange a, SymbolicRange b) {
  return {addSaturating(a.lo, b.lo, negInf), addSaturating(a.hi, b.hi, posInf)};
}

SymbolicRange symbolic::mulRanges(SymbolicRange a, SymbolicRange b) {
  int64_t corners[] = {mulSaturating(a.lo, b.lo), mulSaturating(a.lo, b.hi), mulSaturating(a.hi, b.lo),
                       mulSaturating(a.hi, b.hi)};
  return {*std::min_element(corners, corners + 4), *std::max_element(corners, corners + 4)};
}

SymbolicRange SymbolicExpr::range(const Bounds &bounds) const {
  if (!isValid())
    return {};
  SymbolicRange sum{0, 0};
  for (const Term &term : node().terms) {
    SymbolicRange product{term.coefficient, term.coefficient};
    for (const Factor &factor : term.monomial) {
      SymbolicRange base = atomRange(*factor.atom, bounds), power{1, 1};
      for (uint32_t i = 0; i < factor.power; ++i)
        power = mulRanges(power, base);
      if (factor.power % 2 == 0)
        power.lo = std::max<int64_t>(power.lo, 0);
      product = mulRanges(product, power);
    }
    sum = addRanges(sum, product);
  }
  return sum;
}

std::optional<int64_t> SymbolicExpr::upperBound(const Bounds &bounds) const {
  int64_t hi = range(bounds).hi;
  return isInfinite(hi) ? std::nullopt : std::optional<int64_t>(hi);
}

std::optional<int64_t> SymbolicExpr::lowerBound(const Bounds &bounds) const {
  int64_t lo = range(bounds).lo;
  return isInfinite(lo) ? std::nullopt : std::optional<int64_t>(lo);
}

bool SymbolicExpr::knownEqual(const SymbolicExpr &a, const SymbolicExpr &b) {
  return a.isValid() && b.isValid() && a == b;
}

bool SymbolicExpr::knownNotEqual(const SymbolicExpr &a, const SymbolicExpr &b, const Bounds &bounds) {
  SymbolicExpr difference = a - b;
  if (!difference.isValid())
    return false;
  if (!difference.range(bounds).contains(0))
    return true;
  // 4*x + 2 is never zero: the other coefficients share a divisor that the
  // constant does not have.
  int64_t divisor = 0, constant = 0;
  for (const Term &term : difference.node().terms) {
    if (term.monomial.empty())
      constant = term.coefficient;
    else
      divisor = std::gcd(divisor, term.coefficient);
  }
  return divisor != 0 && constant % divisor != 0;
}

bool SymbolicExpr::knownLessEqual(const SymbolicExpr &a, const SymbolicExpr &b, const Bounds &bounds) {
  SymbolicExpr difference = b - a;
  return difference.isValid() && difference.range(bounds).lo >= 0;
}

std::optional<int64_t> SymbolicExpr::evaluate(const Lookup &lookup) const {
  if (!isValid())
    return std::nullopt;
  int64_t sum = 0;
  for (const Term &term : node().terms) {
    int64_t product = term.coefficient;
    for (const Factor &factor : term.monomial) {
      std::optional<int64_t> value = evaluateAtom(*factor.atom, lookup);
      if (!value)
        return std::nullopt;
      for (uint32_t i = 0; i < factor.power; ++i)
        if (__builtin_mul_overflow(product, *value, &product))
          return std::nullopt;
    }
    if (__builtin_add_overflow(sum, product, &sum))
      return std::nullopt;
  }
  return sum;
}

std::optional<int64_t> SymbolicExpr::evaluate(const Values &values) const {
  return evaluate(Lookup([&](std::string_view name) -> std::optional<int64_t> {
    auto it = values.find(name);
    return it != values.end() ? std::optional<int64_t>(it->second) : std::nullopt;
  }));
}

} // namespace bessemer
