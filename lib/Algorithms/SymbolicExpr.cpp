// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Canonical polynomials: construction, ring operations, exact division.

#include "bessemer/Algorithms/SymbolicExpr.h"
#include "SymbolicExprNode.h"

#include <algorithm>
#include <set>

namespace bessemer {

using namespace symbolic;

namespace {

// Limits keep hostile text (artifacts are untrusted) from taking the memory.
constexpr uint32_t maxDepth = 256;
constexpr uint64_t maxSize = 65536;
constexpr size_t maxTerms = 4096;

size_t mixHash(size_t seed, size_t value) { return seed ^ (value + 0x9e3779b97f4a7c15ull + (seed << 6) + (seed >> 2)); }

uint32_t degree(const Monomial &monomial) {
  uint32_t sum = 0;
  for (const Factor &factor : monomial)
    sum += factor.power;
  return sum;
}

std::optional<Monomial> multiplyMonomials(const Monomial &a, const Monomial &b) {
  Monomial result;
  result.reserve(a.size() + b.size());
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    int order = compareAtoms(*a[i].atom, *b[j].atom);
    if (order < 0) {
      result.push_back(a[i++]);
    } else if (order > 0) {
      result.push_back(b[j++]);
    } else {
      result.push_back({a[i].atom, a[i].power + b[j].power});
      ++i, ++j;
    }
  }
  result.insert(result.end(), a.begin() + i, a.end());
  result.insert(result.end(), b.begin() + j, b.end());
  if (degree(result) > maxDepth)
    return std::nullopt;
  return result;
}

SymbolicExpr wrapAtom(AtomRef atom) { return makeTerm(1, {Factor{std::move(atom), 1}}); }

SymbolicExpr substituteAtom(const Atom &atom, const SymbolicExpr::Substitution &replacements) {
  if (atom.kind == AtomKind::Symbol) {
    auto it = replacements.find(atom.name);
    return it != replacements.end() ? it->second : SymbolicExpr::symbol(atom.name);
  }
  SymbolicExpr result = atom.operands[0].substitute(replacements);
  for (size_t i = 1; i < atom.operands.size(); ++i) {
    SymbolicExpr operand = atom.operands[i].substitute(replacements);
    switch (atom.kind) {
    case AtomKind::FloorDiv: result = SymbolicExpr::floorDiv(result, operand); break;
    case AtomKind::CeilDiv: result = SymbolicExpr::ceilDiv(result, operand); break;
    case AtomKind::Mod: result = SymbolicExpr::mod(result, operand); break;
    case AtomKind::Max: result = SymbolicExpr::max(result, operand); break;
    case AtomKind::Min: result = SymbolicExpr::min(result, operand); break;
    case AtomKind::Symbol: break;
    }
  }
  return result;
}

void collectSymbols(const SymbolicExpr &expr, std::set<std::string> &names) {
  for (const Term &term : expr.node().terms)
    for (const Factor &factor : term.monomial) {
      if (factor.atom->kind == AtomKind::Symbol)
        names.insert(factor.atom->name);
      for (const SymbolicExpr &operand : factor.atom->operands)
        collectSymbols(operand, names);
    }
}

bool termBefore(const Term &a, const Term &b) { return compareMonomials(a.monomial, b.monomial) < 0; }

} // namespace

const char *symbolic::atomName(AtomKind kind) {
  switch (kind) {
  case AtomKind::Symbol: return nullptr;
  case AtomKind::FloorDiv: return "floordiv";
  case AtomKind::CeilDiv: return "ceildiv";
  case AtomKind::Mod: return "mod";
  case AtomKind::Max: return "max";
  case AtomKind::Min: return "min";
  }
  return nullptr;
}

int symbolic::compareAtoms(const Atom &a, const Atom &b) {
  if (&a == &b)
    return 0;
  if (a.kind != b.kind)
    return a.kind < b.kind ? -1 : 1;
  if (a.kind == AtomKind::Symbol)
    return a.name.compare(b.name);
  if (a.operands.size() != b.operands.size())
    return a.operands.size() < b.operands.size() ? -1 : 1;
  for (size_t i = 0; i < a.operands.size(); ++i)
    if (int order = SymbolicExpr::compare(a.operands[i], b.operands[i]))
      return order;
  return 0;
}

int symbolic::compareMonomials(const Monomial &a, const Monomial &b) {
  uint32_t degreeA = degree(a), degreeB = degree(b);
  if (degreeA != degreeB)
    return degreeA > degreeB ? -1 : 1;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (int order = compareAtoms(*a[i].atom, *b[i].atom))
      return order;
    if (a[i].power != b[i].power)
      return a[i].power > b[i].power ? -1 : 1;
  }
  return 0; // of equal degree, so neither is a prefix of the other
}

std::optional<Monomial> symbolic::divideMonomials(const Monomial &a, const Monomial &b) {
  Monomial result;
  size_t j = 0;
  for (const Factor &factor : a) {
    if (j < b.size() && compareAtoms(*factor.atom, *b[j].atom) == 0) {
      if (factor.power < b[j].power)
        return std::nullopt;
      if (factor.power > b[j].power)
        result.push_back({factor.atom, factor.power - b[j].power});
      ++j;
    } else {
      result.push_back(factor);
    }
  }
  if (j != b.size())
    return std::nullopt;
  return result;
}

SymbolicExpr symbolic::makePolynomial(std::vector<Term> terms) {
  std::sort(terms.begin(), terms.end(), termBefore);
  std::vector<Term> merged;
  for (Term &term : terms) {
    if (!merged.empty() && compareMonomials(merged.back().monomial, term.monomial) == 0) {
      if (__builtin_add_overflow(merged.back().coefficient, term.coefficient, &merged.back().coefficient))
        return SymbolicExpr::invalid();
    } else {
      if (!merged.empty() && merged.back().coefficient == 0)
        merged.pop_back();
      merged.push_back(std::move(term));
    }
  }
  if (!merged.empty() && merged.back().coefficient == 0)
    merged.pop_back();

  auto node = std::make_shared<SymbolicExpr::Node>();
  node->hash = merged.size();
  for (const Term &term : merged) {
    node->size += 1;
    node->hash = mixHash(node->hash, static_cast<size_t>(term.coefficient));
    for (const Factor &factor : term.monomial) {
      node->size += 1;
      node->hash = mixHash(node->hash, factor.atom->hash + factor.power);
      for (const SymbolicExpr &operand : factor.atom->operands) {
        node->size += operand.node().size;
        node->depth = std::max(node->depth, operand.node().depth + 1);
      }
    }
    // Min is kept out, because its negation does not fit.
    if (term.coefficient == std::numeric_limits<int64_t>::min())
      return SymbolicExpr::invalid();
  }
  if (node->depth > maxDepth || node->size > maxSize || merged.size() > maxTerms)
    return SymbolicExpr::invalid();
  node->terms = std::move(merged);
  return SymbolicExpr(std::shared_ptr<const SymbolicExpr::Node>(node));
}

SymbolicExpr symbolic::makeTerm(int64_t coefficient, const Monomial &monomial) {
  std::vector<Term> terms;
  if (coefficient != 0)
    terms.push_back({coefficient, monomial});
  return makePolynomial(std::move(terms));
}

SymbolicExpr symbolic::makeAtom(AtomKind kind, std::vector<SymbolicExpr> operands) {
  size_t hash = static_cast<size_t>(kind) * 0x100000001b3ull;
  for (const SymbolicExpr &operand : operands) {
    if (!operand.isValid())
      return SymbolicExpr::invalid();
    hash = mixHash(hash, operand.hash());
  }
  return wrapAtom(std::make_shared<const Atom>(Atom{kind, std::string(), std::move(operands), hash}));
}

SymbolicExpr::SymbolicExpr(std::shared_ptr<const Node> node) : impl(std::move(node)) {}

SymbolicExpr::SymbolicExpr() {
  static const std::shared_ptr<const Node> zero = std::make_shared<Node>();
  impl = zero;
}

SymbolicExpr::SymbolicExpr(int64_t value) : SymbolicExpr() {
  if (value != 0)
    impl = makeTerm(value, {}).impl;
}

SymbolicExpr SymbolicExpr::symbol(std::string_view name) {
  return wrapAtom(
      std::make_shared<const Atom>(Atom{AtomKind::Symbol, std::string(name), {}, std::hash<std::string_view>()(name)}));
}

SymbolicExpr SymbolicExpr::invalid() {
  static const std::shared_ptr<const Node> node = [] {
    auto fresh = std::make_shared<Node>();
    fresh->valid = false;
    fresh->hash = 0x5bd1e995;
    return fresh;
  }();
  return SymbolicExpr(node);
}

bool SymbolicExpr::isValid() const { return impl->valid; }

size_t SymbolicExpr::hash() const { return impl->hash; }

std::optional<int64_t> SymbolicExpr::isConstant() const {
  if (!isValid())
    return std::nullopt;
  if (impl->terms.empty())
    return 0;
  if (impl->terms.size() == 1 && impl->terms[0].monomial.empty())
    return impl->terms[0].coefficient;
  return std::nullopt;
}

std::optional<std::string_view> SymbolicExpr::isSymbol() const {
  if (impl->terms.size() != 1)
    return std::nullopt;
  const Term &term = impl->terms[0];
  if (term.coefficient != 1 || term.monomial.size() != 1 || term.monomial[0].power != 1 ||
      term.monomial[0].atom->kind != AtomKind::Symbol)
    return std::nullopt;
  return std::string_view(term.monomial[0].atom->name);
}

int SymbolicExpr::compare(const SymbolicExpr &a, const SymbolicExpr &b) {
  if (a.impl == b.impl)
    return 0;
  const Node &x = *a.impl, &y = *b.impl;
  if (x.valid != y.valid)
    return x.valid ? -1 : 1;
  for (size_t i = 0; i < x.terms.size() && i < y.terms.size(); ++i) {
    if (int order = compareMonomials(x.terms[i].monomial, y.terms[i].monomial))
      return order;
    if (x.terms[i].coefficient != y.terms[i].coefficient)
      return x.terms[i].coefficient < y.terms[i].coefficient ? -1 : 1;
  }
  if (x.terms.size() != y.terms.size())
    return x.terms.size() < y.terms.size() ? -1 : 1;
  return 0;
}

SymbolicExpr SymbolicExpr::operator-() const {
  if (!isValid())
    return *this;
  std::vector<Term> terms = impl->terms;
  for (Term &term : terms)
    term.coefficient = -term.coefficient;
  return makePolynomial(std::move(terms));
}

SymbolicExpr operator+(const SymbolicExpr &a, const SymbolicExpr &b) {
  if (!a.isValid() || !b.isValid())
    return SymbolicExpr::invalid();
  std::vector<Term> terms = a.impl->terms;
  terms.insert(terms.end(), b.impl->terms.begin(), b.impl->terms.end());
  return makePolynomial(std::move(terms));
}

SymbolicExpr operator-(const SymbolicExpr &a, const SymbolicExpr &b) { return a + (-b); }

SymbolicExpr operator*(const SymbolicExpr &a, const SymbolicExpr &b) {
  if (!a.isValid() || !b.isValid() || a.impl->terms.size() * b.impl->terms.size() > maxTerms)
    return SymbolicExpr::invalid();
  std::vector<Term> terms;
  terms.reserve(a.impl->terms.size() * b.impl->terms.size());
  for (const Term &x : a.impl->terms)
    for (const Term &y : b.impl->terms) {
      std::optional<Monomial> monomial = multiplyMonomials(x.monomial, y.monomial);
      int64_t coefficient;
      if (!monomial || __builtin_mul_overflow(x.coefficient, y.coefficient, &coefficient))
        return SymbolicExpr::invalid();
      terms.push_back({coefficient, std::move(*monomial)});
    }
  return makePolynomial(std::move(terms));
}

// Division by one polynomial: if a = b*q, the leading term of a is the product
// of those of b and q, in any admissible order; so q is found term by term.
std::optional<SymbolicExpr> SymbolicExpr::exactDivide(const SymbolicExpr &a, const SymbolicExpr &b) {
  if (!a.isValid() || !b.isValid() || b.impl->terms.empty())
    return std::nullopt;
  const Term &lead = b.impl->terms.front();
  SymbolicExpr rest = a, quotient;
  for (size_t step = 0; !rest.impl->terms.empty(); ++step) {
    const Term &top = rest.impl->terms.front();
    std::optional<Monomial> monomial = divideMonomials(top.monomial, lead.monomial);
    if (!monomial || top.coefficient % lead.coefficient != 0 || step > maxTerms)
      return std::nullopt;
    SymbolicExpr part = makeTerm(top.coefficient / lead.coefficient, *monomial);
    quotient = quotient + part;
    rest = rest - part * b;
    if (!rest.isValid())
      return std::nullopt;
  }
  return quotient;
}

SymbolicExpr SymbolicExpr::substitute(const Substitution &replacements) const {
  if (!isValid())
    return *this;
  SymbolicExpr sum;
  for (const Term &term : impl->terms) {
    SymbolicExpr product(term.coefficient);
    for (const Factor &factor : term.monomial) {
      SymbolicExpr value = substituteAtom(*factor.atom, replacements);
      for (uint32_t i = 0; i < factor.power; ++i)
        product = product * value;
    }
    sum = sum + product;
  }
  return sum;
}

SymbolicExpr SymbolicExpr::substitute(std::string_view name, const SymbolicExpr &replacement) const {
  return substitute(Substitution{{std::string(name), replacement}});
}

std::vector<std::string> SymbolicExpr::symbols() const {
  std::set<std::string> names;
  collectSymbols(*this, names);
  return {names.begin(), names.end()};
}

} // namespace bessemer
