// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Symbolic integer expressions over named symbols: the language of dynamic
// dimensions and buffer sizes, in the compiler and in the runtime.
//
// An expression is kept in one canonical form: a polynomial with integer
// coefficients, whose atoms are symbols or the opaque terms floordiv(a, b),
// ceildiv(a, b), mod(a, b), max(a, ...), min(a, ...) of canonical expressions.
// Two expressions are structurally equal exactly when their texts are equal.
//
// Worked example: what does Reshape to (batch, 12, -1, 32) give for a tensor
// of (batch, seq, 384)?
//
//   SymbolicExpr batch = SymbolicExpr::symbol("batch");
//   SymbolicExpr seq = SymbolicExpr::symbol("seq");
//   SymbolicExpr have = batch * seq * 384, known = batch * 12 * 32;
//   SymbolicExpr::exactDivide(have, known)->str();              // "seq"
//   (batch * seq + seq * batch).str();                          // "2*batch*seq"
//   SymbolicExpr::ceilDiv(seq, 64).str();             // "floordiv(seq + 63, 64)"
//   SymbolicExpr::ceilDiv(seq, 64).upperBound({{"seq", {1, 512}}});       // 8
//
// What simplification takes for granted, and callers must hold to:
//  * a symbol is a size: its value is >= 0 (not >= 1);
//  * a divisor is never zero: floordiv(a*b, b) is a. So a canonical expression
//    may have a value where the expression as written has none.
//
// Division rounds as in MLIR's affine maps: floordiv towards minus infinity,
// ceildiv towards plus infinity, mod(a, b) = a - b*floordiv(a, b).
//
// Errors: nothing throws. A coefficient beyond 64 bits, a division by the
// constant zero, or an expression too large to keep (about 65536 nodes or 256
// nested terms) gives an invalid expression; every operation on an invalid one
// is invalid, and `isValid` tells.

#ifndef BESSEMER_ALGORITHMS_SYMBOLICEXPR_H
#define BESSEMER_ALGORITHMS_SYMBOLICEXPR_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bessemer {

/// A closed range of integers. The extreme values of int64_t stand for minus
/// and plus infinity.
struct SymbolicRange {
  static constexpr int64_t negInf = std::numeric_limits<int64_t>::min();
  static constexpr int64_t posInf = std::numeric_limits<int64_t>::max();

  int64_t lo = negInf;
  int64_t hi = posInf;

  bool contains(int64_t value) const { return lo <= value && value <= hi; }
  bool isPoint() const { return lo == hi; }
  bool operator==(const SymbolicRange &) const = default;
};

class SymbolicExpr {
public:
  /// Known ranges of symbols; a symbol that is not named has [0, +inf].
  using Bounds = std::map<std::string, SymbolicRange, std::less<>>;
  /// The value of a symbol, or nullopt when it is not known.
  using Lookup = std::function<std::optional<int64_t>(std::string_view)>;
  using Values = std::map<std::string, int64_t, std::less<>>;
  using Substitution = std::map<std::string, SymbolicExpr, std::less<>>;

  struct Node; // opaque: lib/Algorithms/SymbolicExprNode.h

  /// The constant zero.
  SymbolicExpr();
  /// A constant. Implicit, so that `seq * 384` reads well.
  SymbolicExpr(int64_t value); // NOLINT(google-explicit-constructor)

  static SymbolicExpr constant(int64_t value) { return SymbolicExpr(value); }
  /// A symbol of any name, also an empty one or one that is no identifier.
  static SymbolicExpr symbol(std::string_view name);
  /// The expression that results from overflow; see the top of the file.
  static SymbolicExpr invalid();

  static SymbolicExpr floorDiv(const SymbolicExpr &a, const SymbolicExpr &b);
  static SymbolicExpr ceilDiv(const SymbolicExpr &a, const SymbolicExpr &b);
  static SymbolicExpr mod(const SymbolicExpr &a, const SymbolicExpr &b);
  static SymbolicExpr max(const SymbolicExpr &a, const SymbolicExpr &b);
  static SymbolicExpr min(const SymbolicExpr &a, const SymbolicExpr &b);

  /// a / b when a is a multiple of b as a polynomial, else nullopt.
  static std::optional<SymbolicExpr> exactDivide(const SymbolicExpr &a, const SymbolicExpr &b);

  bool isValid() const;
  /// The value, when the expression is a constant.
  std::optional<int64_t> isConstant() const;
  /// The name, when the expression is a symbol alone. The view lives as long
  /// as this expression or any copy of it.
  std::optional<std::string_view> isSymbol() const;

  /// Canonical text, e.g. "2*batch*seq + floordiv(seq + 63, 64) - 1". A name
  /// that is no identifier stands in backquotes, with \ before \ and `.
  /// An invalid expression gives "<invalid>", which `parse` refuses.
  std::string str() const;

  /// Reads what `str` writes, and besides: parentheses, unary minus, and the
  /// infix operators `a floordiv b`, `a ceildiv b`, `a mod b`, `a // b`,
  /// `a % b` (which bind like *). On failure gives nullopt and, when asked
  /// for, sets `*error` to "expected X, got Y at offset N".
  static std::optional<SymbolicExpr> parse(std::string_view text, std::string *error = nullptr);

  /// The value; nullopt when a symbol has none, on overflow of 64 bits and on
  /// division by zero.
  std::optional<int64_t> evaluate(const Lookup &lookup) const;
  std::optional<int64_t> evaluate(const Values &values) const;

  /// All named symbols replaced at once; others stay.
  SymbolicExpr substitute(const Substitution &replacements) const;
  SymbolicExpr substitute(std::string_view name, const SymbolicExpr &replacement) const;

  /// Names that occur, sorted, each once.
  std::vector<std::string> symbols() const;

  /// A range that holds every value the expression takes while its symbols
  /// stay in their bounds (interval arithmetic: sound, not always tight).
  SymbolicRange range(const Bounds &bounds = {}) const;
  /// Largest or smallest value by `range`; nullopt when that is infinite.
  std::optional<int64_t> upperBound(const Bounds &bounds = {}) const;
  std::optional<int64_t> lowerBound(const Bounds &bounds = {}) const;

  /// True when a and b are equal for all values of their symbols.
  static bool knownEqual(const SymbolicExpr &a, const SymbolicExpr &b);
  /// True when a and b differ for all values within bounds.
  static bool knownNotEqual(const SymbolicExpr &a, const SymbolicExpr &b, const Bounds &bounds = {});
  /// True when a <= b for all values within bounds.
  static bool knownLessEqual(const SymbolicExpr &a, const SymbolicExpr &b, const Bounds &bounds = {});

  SymbolicExpr operator-() const;
  friend SymbolicExpr operator+(const SymbolicExpr &a, const SymbolicExpr &b);
  friend SymbolicExpr operator-(const SymbolicExpr &a, const SymbolicExpr &b);
  friend SymbolicExpr operator*(const SymbolicExpr &a, const SymbolicExpr &b);
  SymbolicExpr &operator+=(const SymbolicExpr &b) { return *this = *this + b; }
  SymbolicExpr &operator-=(const SymbolicExpr &b) { return *this = *this - b; }
  SymbolicExpr &operator*=(const SymbolicExpr &b) { return *this = *this * b; }

  /// Structural equality of canonical forms. Two invalid ones are equal.
  friend bool operator==(const SymbolicExpr &a, const SymbolicExpr &b) { return compare(a, b) == 0; }
  /// A total order (of no meaning, for sorted containers): < 0, 0 or > 0.
  static int compare(const SymbolicExpr &a, const SymbolicExpr &b);
  friend bool operator<(const SymbolicExpr &a, const SymbolicExpr &b) { return compare(a, b) < 0; }
  size_t hash() const;

  /// For the implementation.
  explicit SymbolicExpr(std::shared_ptr<const Node> node);
  const Node &node() const { return *impl; }

private:
  std::shared_ptr<const Node> impl; // never null
};

} // namespace bessemer

template <> struct std::hash<bessemer::SymbolicExpr> {
  size_t operator()(const bessemer::SymbolicExpr &expr) const { return expr.hash(); }
};

#endif // BESSEMER_ALGORITHMS_SYMBOLICEXPR_H
