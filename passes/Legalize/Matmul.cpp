// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matrix products: MatMul, Gemm, Einsum, and the integer ones.
#include "passes/Legalize/Handlers.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

/// NumPy's matmul, vectors included.
Value handlers::generalMatmul(Node &n, Value x, Value y, Type to) {
  if (!n.rankAtLeast(x, 1, "an operand") || !n.rankAtLeast(y, 1, "an operand"))
    return {};
  bool vectorX = n.rank(x) == 1, vectorY = n.rank(y) == 1;
  if (vectorX)
    x = n.unsqueeze(x, {0});
  if (vectorY)
    y = n.unsqueeze(y, {1});
  Value result = n.matmul(x, y, false, false, to);
  if (!result)
    return {};
  Ints drop;
  if (vectorX)
    drop.push_back(n.rank(result) - 2);
  if (vectorY)
    drop.push_back(n.rank(result) - 1);
  return drop.empty() ? result : n.squeeze(result, drop);
}

void handlers::matmul(Node &n) { n.out(0, generalMatmul(n, n.in(0), n.in(1))); }

void handlers::gemm(Node &n) {
  Value a = n.in(0), b = n.in(1), c = n.in(2);
  if (!n.rankIs(a, 2, "operand A") || !n.rankIs(b, 2, "operand B"))
    return;
  double alpha = n.f("alpha", 1), beta = n.f("beta", 1);
  Value y = n.matmul(a, b, n.i("transA", 0) != 0, n.i("transB", 0) != 0);
  if (alpha != 1)
    y = n.mul(y, n.like(y, alpha));
  if (c && beta != 0)
    y = n.add(y, beta == 1 ? c : n.mul(c, n.like(c, beta)));
  n.out(0, y);
}

// ---- einsum ----------------------------------------------------------------------

namespace {

/// An operand and the letters of its dimensions; an ellipsis is upper-case
/// letters from the private area below 'A'.
struct Term {
  Value value;
  std::string letters;
};

void toLetters(Node &n, Term &term, const std::string &wanted) {
  Ints permutation;
  for (char letter : wanted)
    permutation.push_back(int64_t(term.letters.find(letter)));
  term.value = n.transpose(term.value, permutation);
  term.letters = wanted;
}

void sumAway(Node &n, Term &term, const std::string &keep) {
  Ints axes;
  std::string left;
  for (auto [i, letter] : llvm::enumerate(term.letters))
    if (keep.find(letter) == std::string::npos)
      axes.push_back(int64_t(i));
    else
      left += letter;
  if (!axes.empty())
    term.value = n.reduce(term.value, "sum", axes, false);
  term.letters = left;
}

/// A repeated letter is a diagonal: x[i, i] picked by a mask and a sum.
void takeDiagonals(Node &n, Term &term) {
  for (size_t i = 0; i < term.letters.size(); ++i) {
    size_t j = term.letters.find(term.letters[i], i + 1);
    if (j == std::string::npos)
      continue;
    n.guardEqual(n.dim(term.value, i), n.dim(term.value, j), "dimensions of one letter in an einsum");
    Dims rows(n.rank(term.value), SymbolicExpr(1)), columns = rows;
    rows[i] = n.dim(term.value, i);
    columns[j] = n.dim(term.value, j);
    Value mask = n.equal(n.iota(rows, i, n.b.getI64Type()), n.iota(columns, j, n.b.getI64Type()));
    term.value = n.reduce(n.where(mask, term.value, n.like(term.value, 0)), "sum", int64_t(j), false);
    term.letters.erase(j, 1);
    --i;
    if (n.failed())
      return;
  }
}

std::string unite(const std::string &a, const std::string &b) {
  std::string result = a;
  for (char letter : b)
    if (result.find(letter) == std::string::npos)
      result += letter;
  return result;
}

/// The product of two terms, summed over what `keep` does not name: one
/// matrix product with the shared letters as batch.
Term contract(Node &n, Term x, Term y, const std::string &keep) {
  sumAway(n, x, unite(keep, y.letters));
  sumAway(n, y, unite(keep, x.letters));
  std::string batch, inner, rows, columns;
  for (char letter : x.letters)
    if (y.letters.find(letter) == std::string::npos)
      rows += letter;
    else if (keep.find(letter) == std::string::npos)
      inner += letter;
    else
      batch += letter;
  for (char letter : y.letters)
    if (x.letters.find(letter) == std::string::npos)
      columns += letter;
  toLetters(n, x, batch + rows + inner);
  toLetters(n, y, batch + inner + columns);
  if (n.failed())
    return x;
  Dims dx = n.dims(x.value), dy = n.dims(y.value);
  // A shared letter of extent 1 on one side only: broadcast (the ellipsis).
  for (size_t i = 0; i < batch.size(); ++i)
    if (dx[i] != dy[i] && dx[i] != SymbolicExpr(1) && dy[i] != SymbolicExpr(1))
      n.guardEqual(dx[i], dy[i], "dimensions of one letter in an einsum");
  Dims wide;
  for (size_t i = 0; i < batch.size(); ++i)
    wide.push_back(dx[i] == SymbolicExpr(1) ? dy[i] : dx[i]);
  auto collapse = [&](ArrayRef<SymbolicExpr> dims, size_t first, size_t second) {
    Dims shape(dims.begin(), dims.begin() + batch.size());
    shape.push_back(n.count(dims.slice(batch.size(), first)));
    shape.push_back(n.count(dims.slice(batch.size() + first, second)));
    return shape;
  };
  Value left = n.reshape(x.value, collapse(dx, rows.size(), inner.size()));
  Value right = n.reshape(y.value, collapse(dy, inner.size(), columns.size()));
  Value product = n.matmul(left, right);
  Dims shape = wide;
  shape.append(dx.begin() + batch.size(), dx.begin() + batch.size() + rows.size());
  shape.append(dy.end() - columns.size(), dy.end());
  return {n.reshape(product, shape), batch + rows + columns};
}

} // namespace

void handlers::einsum(Node &n) {
  std::string equation;
  for (char c : n.s("equation"))
    if (c != ' ')
      equation += c;
  size_t arrow = equation.find("->");
  std::string left = equation.substr(0, arrow);
  SmallVector<StringRef> parts;
  StringRef(left).split(parts, ',');
  SmallVector<Value> inputs = n.allInputs();
  if (n.failed() || parts.size() != inputs.size() || inputs.empty())
    return n.fail("expected one term of the equation for each operand, got \"" + equation + "\"");
  // Dimensions of an ellipsis get the digits 9, 8, ... from the right.
  auto letters = [&](StringRef part, int64_t rank) -> std::string {
    size_t dots = part.find("...");
    if (dots == StringRef::npos)
      return part.str();
    int64_t hidden = rank - int64_t(part.size() - 3);
    if (hidden < 0 || hidden > 9)
      return {};
    std::string digits;
    for (int64_t i = 0; i < hidden; ++i)
      digits += char('9' - (hidden - 1 - i));
    return part.take_front(dots).str() + digits + part.drop_front(dots + 3).str();
  };
  SmallVector<Term> terms;
  std::string seen, ellipsis;
  std::map<char, int> uses;
  for (auto [part, input] : llvm::zip(parts, inputs)) {
    Term term{input, letters(part, n.rank(input))};
    if (int64_t(term.letters.size()) != n.rank(input))
      return n.fail("expected a term of the equation to name " + Twine(n.rank(input)) + " dimensions, got \"" + part +
                    "\"");
    for (char c : term.letters) {
      if (!llvm::isAlnum(c))
        return n.fail("expected letters in the equation, got \"" + equation + "\"");
      ++uses[c];
      if (llvm::isDigit(c) && ellipsis.find(c) == std::string::npos)
        ellipsis += c;
    }
    takeDiagonals(n, term);
    if (n.failed())
      return;
    seen = unite(seen, term.letters);
    terms.push_back(term);
  }
  llvm::sort(ellipsis);
  std::string wanted;
  if (arrow == std::string::npos) {
    wanted = ellipsis;
    for (auto [letter, count] : uses)
      if (count == 1 && llvm::isAlpha(letter))
        wanted += letter;
  } else {
    std::string right = equation.substr(arrow + 2);
    size_t dots = right.find("...");
    wanted = dots == std::string::npos ? right : right.substr(0, dots) + ellipsis + right.substr(dots + 3);
  }
  for (char c : wanted)
    if (seen.find(c) == std::string::npos || std::count(wanted.begin(), wanted.end(), c) != 1)
      return n.fail("expected the result of the equation to name dimensions of the operands once, got \"" + equation +
                    "\"");
  Term result = terms[0];
  for (size_t i = 1; i < terms.size() && !n.failed(); ++i) {
    std::string keep = wanted;
    for (size_t k = i + 1; k < terms.size(); ++k)
      keep = unite(keep, terms[k].letters);
    result = contract(n, result, terms[i], keep);
  }
  if (n.failed())
    return;
  sumAway(n, result, wanted);
  toLetters(n, result, wanted);
  n.out(0, result.value);
}
