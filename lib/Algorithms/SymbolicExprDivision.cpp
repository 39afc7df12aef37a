// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Simplification of floordiv, ceildiv, mod, max and min. Each rule leaves a
// form to which no rule applies any more, so that building an expression again
// from its own text gives the same expression.

#include "SymbolicExprNode.h"
#include "bessemer/Algorithms/SymbolicExpr.h"

#include <algorithm>
#include <numeric>

namespace bessemer {

using namespace symbolic;

namespace {

// max and min compare their operands pair by pair.
constexpr size_t maxOperands = 64;

using Terms = std::vector<Term>;

/// When the one atom's range is a single value, that value; else the atom.
SymbolicExpr foldOrMakeAtom(AtomKind kind, std::vector<SymbolicExpr> operands) {
  SymbolicExpr atom = makeAtom(kind, std::move(operands));
  if (!atom.isValid())
    return atom;
  SymbolicRange range = atom.range();
  if (range.isPoint() && range.lo != SymbolicRange::negInf && range.lo != SymbolicRange::posInf)
    return SymbolicExpr(range.lo);
  return atom;
}

/// The atom when `expr` is one atom of `kind` alone.
const Atom *soleAtom(const SymbolicExpr &expr, AtomKind kind) {
  const Terms &terms = expr.node().terms;
  if (terms.size() != 1 || terms[0].coefficient != 1 || terms[0].monomial.size() != 1 ||
      terms[0].monomial[0].power != 1 || terms[0].monomial[0].atom->kind != kind)
    return nullptr;
  return terms[0].monomial[0].atom.get();
}

int64_t gcdOfCoefficients(const Terms &terms, int64_t seed) {
  for (const Term &term : terms)
    seed = std::gcd(seed, term.coefficient);
  return seed;
}

Monomial commonMonomial(const Monomial &a, const Monomial &b) {
  Monomial result;
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    int order = compareAtoms(*a[i].atom, *b[j].atom);
    if (order == 0)
      result.push_back({a[i].atom, std::min(a[i].power, b[j].power)});
    i += order <= 0;
    j += order >= 0;
  }
  return result;
}

/// The largest term (coefficient times monomial) that divides a and b.
SymbolicExpr commonFactor(const SymbolicExpr &a, const SymbolicExpr &b) {
  int64_t coefficient = gcdOfCoefficients(a.node().terms, gcdOfCoefficients(b.node().terms, 0));
  Monomial monomial = b.node().terms.front().monomial;
  for (const Term &term : b.node().terms)
    monomial = commonMonomial(monomial, term.monomial);
  for (const Term &term : a.node().terms)
    monomial = commonMonomial(monomial, term.monomial);
  return makeTerm(coefficient, monomial);
}

/// The parts of a = quotient * b + remainder, for b a single term with a
/// positive coefficient. The constant's remainder is in [0, b) when b is
/// constant; other coefficients round towards zero, so that -x stays -x.
struct Split {
  SymbolicExpr quotient, remainder;
};
Split splitByTerm(const SymbolicExpr &a, const Term &b) {
  Terms quotient, remainder;
  for (const Term &term : a.node().terms) {
    std::optional<Monomial> monomial = divideMonomials(term.monomial, b.monomial);
    if (!monomial) {
      remainder.push_back(term);
      continue;
    }
    int64_t q = term.monomial.empty() ? floorDivInt(term.coefficient, b.coefficient) : term.coefficient / b.coefficient;
    int64_t r = term.coefficient - q * b.coefficient;
    quotient.push_back({q, std::move(*monomial)});
    remainder.push_back({r, term.monomial});
  }
  return {makePolynomial(std::move(quotient)), makePolynomial(std::move(remainder))};
}

/// Splits off the constant term.
std::pair<int64_t, Terms> splitConstant(const SymbolicExpr &expr) {
  Terms terms = expr.node().terms;
  int64_t constant = 0;
  if (!terms.empty() && terms.back().monomial.empty()) {
    constant = terms.back().coefficient;
    terms.pop_back();
  }
  return {constant, std::move(terms)};
}

/// floordiv by a constant c >= 2.
SymbolicExpr floorDivConstant(const SymbolicExpr &a, int64_t c) {
  Split split = splitByTerm(a, Term{c, {}});
  auto [constant, terms] = splitConstant(split.remainder);
  if (terms.empty())
    return split.quotient;

  // floor((g*x + r) / (g*d)) = floor((x + floor(r/g)) / d).
  if (int64_t g = gcdOfCoefficients(terms, c); g > 1) {
    for (Term &term : terms)
      term.coefficient /= g;
    SymbolicExpr numerator = makePolynomial(std::move(terms)) + SymbolicExpr(constant / g);
    return split.quotient + SymbolicExpr::floorDiv(numerator, c / g);
  }

  // floor((floor(x/d) + r) / c) = floor((x + r*d) / (c*d)).
  SymbolicExpr symbolicPart = makePolynomial(std::move(terms));
  if (const Atom *inner = soleAtom(symbolicPart, AtomKind::FloorDiv)) {
    std::optional<int64_t> d = inner->operands[1].isConstant();
    int64_t product;
    if (d && *d > 0 && !__builtin_mul_overflow(*d, c, &product)) {
      SymbolicExpr numerator = inner->operands[0] + SymbolicExpr(constant) * SymbolicExpr(*d);
      if (numerator.isValid())
        return split.quotient + SymbolicExpr::floorDiv(numerator, product);
    }
  }
  return split.quotient + foldOrMakeAtom(AtomKind::FloorDiv, {split.remainder, c});
}

/// floordiv or ceildiv by a divisor that is not constant.
SymbolicExpr divideSymbolic(AtomKind kind, const SymbolicExpr &a, const SymbolicExpr &b) {
  auto divide = kind == AtomKind::FloorDiv ? SymbolicExpr::floorDiv : SymbolicExpr::ceilDiv;
  if (b.node().terms.front().coefficient < 0)
    return divide(-a, -b);
  if (std::optional<SymbolicExpr> exact = SymbolicExpr::exactDivide(a, b))
    return *exact;
  if (b.node().terms.size() == 1) {
    Split split = splitByTerm(a, b.node().terms.front());
    if (!split.quotient.node().terms.empty())
      return split.quotient + divide(split.remainder, b);
  }
  SymbolicExpr factor = commonFactor(a, b);
  if (factor.isConstant() != 1)
    return divide(*SymbolicExpr::exactDivide(a, factor), *SymbolicExpr::exactDivide(b, factor));
  return foldOrMakeAtom(kind, {a, b});
}

/// mod by a constant c >= 2.
SymbolicExpr modConstant(const SymbolicExpr &a, int64_t c) {
  auto inRange = [c](const SymbolicExpr &expr) {
    SymbolicRange range = expr.range();
    return range.lo >= 0 && range.hi < c;
  };
  if (inRange(a))
    return a;
  SymbolicExpr reduced;
  for (const Term &term : a.node().terms) {
    int64_t coefficient = term.coefficient - floorDivInt(term.coefficient, c) * c;
    if (coefficient == 0)
      continue;
    // mod(k*mod(x, c*d), c) = mod(k*x, c).
    SymbolicExpr bare = makeTerm(1, term.monomial);
    if (const Atom *inner = soleAtom(bare, AtomKind::Mod)) {
      std::optional<int64_t> modulus = inner->operands[1].isConstant();
      if (modulus && *modulus % c == 0)
        return SymbolicExpr::mod(
            a - makeTerm(term.coefficient, term.monomial) + SymbolicExpr(coefficient) * inner->operands[0], c);
    }
    reduced = reduced + makeTerm(coefficient, term.monomial);
  }
  if (int64_t g = gcdOfCoefficients(reduced.node().terms, c); g > 1) {
    if (g == c)
      return SymbolicExpr();
    return SymbolicExpr(g) * SymbolicExpr::mod(*SymbolicExpr::exactDivide(reduced, g), c / g);
  }
  if (inRange(reduced))
    return reduced;
  return foldOrMakeAtom(AtomKind::Mod, {reduced, c});
}

SymbolicExpr maxOrMin(AtomKind kind, const SymbolicExpr &a, const SymbolicExpr &b) {
  if (!a.isValid() || !b.isValid())
    return SymbolicExpr::invalid();
  std::vector<SymbolicExpr> operands;
  for (const SymbolicExpr &expr : {a, b}) {
    if (const Atom *nested = soleAtom(expr, kind))
      operands.insert(operands.end(), nested->operands.begin(), nested->operands.end());
    else
      operands.push_back(expr);
  }
  if (operands.size() > maxOperands)
    return SymbolicExpr::invalid();
  std::sort(operands.begin(), operands.end());
  operands.erase(std::unique(operands.begin(), operands.end()), operands.end());

  // Drop an operand that another one dominates for all sizes.
  for (size_t i = 0; i < operands.size();) {
    bool dominated = false;
    for (size_t j = 0; j < operands.size() && !dominated; ++j) {
      if (i == j)
        continue;
      dominated = kind == AtomKind::Max ? SymbolicExpr::knownLessEqual(operands[i], operands[j])
                                        : SymbolicExpr::knownLessEqual(operands[j], operands[i]);
    }
    if (dominated)
      operands.erase(operands.begin() + i);
    else
      ++i;
  }
  if (operands.size() == 1)
    return operands[0];
  return foldOrMakeAtom(kind, std::move(operands));
}

} // namespace

SymbolicExpr SymbolicExpr::floorDiv(const SymbolicExpr &a, const SymbolicExpr &b) {
  if (!a.isValid() || !b.isValid() || b.isConstant() == 0)
    return invalid();
  if (std::optional<int64_t> c = b.isConstant()) {
    if (*c < 0)
      return floorDiv(-a, -b);
    return *c == 1 ? a : floorDivConstant(a, *c);
  }
  return divideSymbolic(AtomKind::FloorDiv, a, b);
}

SymbolicExpr SymbolicExpr::ceilDiv(const SymbolicExpr &a, const SymbolicExpr &b) {
  if (!a.isValid() || !b.isValid() || b.isConstant() == 0)
    return invalid();
  if (std::optional<int64_t> c = b.isConstant()) {
    if (*c < 0)
      return ceilDiv(-a, -b);
    // One form for both, so that they compare equal.
    return floorDiv(a + SymbolicExpr(*c - 1), b);
  }
  return divideSymbolic(AtomKind::CeilDiv, a, b);
}

SymbolicExpr SymbolicExpr::mod(const SymbolicExpr &a, const SymbolicExpr &b) {
  if (!a.isValid() || !b.isValid() || b.isConstant() == 0)
    return invalid();
  if (b.node().terms.front().coefficient < 0)
    return -mod(-a, -b);
  if (std::optional<int64_t> c = b.isConstant())
    return *c == 1 ? SymbolicExpr() : modConstant(a, *c);
  if (exactDivide(a, b))
    return SymbolicExpr();
  if (b.node().terms.size() == 1) {
    Split split = splitByTerm(a, b.node().terms.front());
    if (!split.quotient.node().terms.empty())
      return mod(split.remainder, b);
  }
  SymbolicExpr factor = commonFactor(a, b);
  if (factor.isConstant() != 1)
    return factor * mod(*exactDivide(a, factor), *exactDivide(b, factor));
  return foldOrMakeAtom(AtomKind::Mod, {a, b});
}

SymbolicExpr SymbolicExpr::max(const SymbolicExpr &a, const SymbolicExpr &b) { return maxOrMin(AtomKind::Max, a, b); }

SymbolicExpr SymbolicExpr::min(const SymbolicExpr &a, const SymbolicExpr &b) { return maxOrMin(AtomKind::Min, a, b); }

} // namespace bessemer
