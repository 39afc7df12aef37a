// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The representation of SymbolicExpr, shared by its implementation files.

#ifndef BESSEMER_LIB_ALGORITHMS_SYMBOLICEXPRNODE_H
#define BESSEMER_LIB_ALGORITHMS_SYMBOLICEXPRNODE_H

#include "bessemer/Algorithms/SymbolicExpr.h"

namespace bessemer::symbolic {

enum class AtomKind : uint8_t { Symbol, FloorDiv, CeilDiv, Mod, Max, Min };

/// Function name in the text form; null for a symbol.
const char *atomName(AtomKind kind);

struct Atom {
  AtomKind kind;
  std::string name;                   // Symbol only
  std::vector<SymbolicExpr> operands; // the others
  size_t hash;
};
using AtomRef = std::shared_ptr<const Atom>;

struct Factor {
  AtomRef atom;
  uint32_t power; // >= 1
};

/// Sorted by atom, each atom once. Empty: the monomial 1.
using Monomial = std::vector<Factor>;

struct Term {
  int64_t coefficient; // never 0
  Monomial monomial;
};

int compareAtoms(const Atom &a, const Atom &b);
/// Graded lexicographic: the larger monomial gives < 0, so that it is printed
/// first. An admissible order, which exact division relies on.
int compareMonomials(const Monomial &a, const Monomial &b);

/// An expression that is one opaque term. Operands are canonical already, and
/// no simplification applies to the term.
SymbolicExpr makeAtom(AtomKind kind, std::vector<SymbolicExpr> operands);
/// Sorts, merges and drops zero terms.
SymbolicExpr makePolynomial(std::vector<Term> terms);
SymbolicExpr makeTerm(int64_t coefficient, const Monomial &monomial);
std::optional<Monomial> divideMonomials(const Monomial &a, const Monomial &b);

/// Range arithmetic, saturating at the infinities.
SymbolicRange addRanges(SymbolicRange a, SymbolicRange b);
SymbolicRange mulRanges(SymbolicRange a, SymbolicRange b);

inline int64_t floorDivInt(int64_t a, int64_t b) {
  int64_t q = a / b;
  return (a % b != 0 && ((a < 0) != (b < 0))) ? q - 1 : q;
}

} // namespace bessemer::symbolic

struct bessemer::SymbolicExpr::Node {
  std::vector<symbolic::Term> terms; // sorted by compareMonomials
  bool valid = true;
  uint32_t depth = 0; // nesting of opaque terms
  uint64_t size = 0;  // nodes of the expression written out as a tree
  size_t hash = 0;
};

#endif // BESSEMER_LIB_ALGORITHMS_SYMBOLICEXPRNODE_H
