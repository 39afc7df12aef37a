// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/SymbolicExpr.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

using namespace bessemer;

namespace {

SymbolicExpr sym(const char *name) { return SymbolicExpr::symbol(name); }

SymbolicExpr parsed(std::string_view text) {
  std::string error;
  std::optional<SymbolicExpr> result = SymbolicExpr::parse(text, &error);
  EXPECT_TRUE(result.has_value()) << text << ": " << error;
  return result.value_or(SymbolicExpr::invalid());
}

std::string canonical(std::string_view text) { return parsed(text).str(); }

std::string errorOf(std::string_view text) {
  std::string error;
  EXPECT_FALSE(SymbolicExpr::parse(text, &error).has_value()) << text;
  return error;
}

TEST(SymbolicExpr, MergesEqualTerms) {
  SymbolicExpr batch = sym("batch"), seq = sym("seq");
  EXPECT_EQ((batch * seq + seq * batch).str(), "2*batch*seq");
  EXPECT_EQ((batch * seq - seq * batch).str(), "0");
  EXPECT_EQ(((batch + 1) * (batch - 1)).str(), "batch*batch - 1");
  EXPECT_EQ((seq - 1 + 1).isSymbol(), "seq");
  EXPECT_EQ((SymbolicExpr(6) * 7).isConstant(), 42);
  EXPECT_EQ((-seq).str(), "-seq");
  EXPECT_FALSE(seq.isConstant().has_value());
}

TEST(SymbolicExpr, SimplifiesDivision) {
  EXPECT_EQ(canonical("floordiv(8*x + 3, 4)"), "2*x");
  EXPECT_EQ(canonical("floordiv(8*x + 13, 4)"), "2*x + 3");
  EXPECT_EQ(canonical("floordiv(6*x + 3, 4)"), "x + floordiv(x + 1, 2)");
  EXPECT_EQ(canonical("floordiv(a*b*c, a*c)"), "b");
  EXPECT_EQ(canonical("floordiv(a*b + a*c, a)"), "b + c");
  EXPECT_EQ(canonical("floordiv(a*b + 1, a)"), "b + floordiv(1, a)");
  EXPECT_EQ(canonical("floordiv(a*b*6, a*c*4)"), "floordiv(3*b, 2*c)");
  EXPECT_EQ(canonical("floordiv(x, 1)"), "x");
  EXPECT_EQ(canonical("floordiv(x, -2)"), "floordiv(-x, 2)");
  EXPECT_EQ(canonical("ceildiv(x, 4)"), "floordiv(x + 3, 4)");
  EXPECT_EQ(canonical("ceildiv(a*b + c, b)"), "a + ceildiv(c, b)");
  EXPECT_EQ(canonical("floordiv(floordiv(x + 1, 2) + 1, 2)"), "floordiv(x + 3, 4)");
  EXPECT_EQ(canonical("floordiv(mod(x, 4), 4)"), "0");
  EXPECT_EQ(canonical("floordiv(x - 1, 2) + 1"), "floordiv(x + 1, 2)");
}

TEST(SymbolicExpr, SimplifiesMod) {
  EXPECT_EQ(canonical("mod(8*x + 13, 4)"), "1");
  EXPECT_EQ(canonical("mod(x, 1)"), "0");
  EXPECT_EQ(canonical("mod(6*x, 4)"), "2*mod(x, 2)");
  EXPECT_EQ(canonical("mod(5*x + 4, 4)"), "mod(x, 4)");
  EXPECT_EQ(canonical("mod(mod(x, 8), 4)"), "mod(x, 4)");
  EXPECT_EQ(canonical("mod(mod(x, 4), 8)"), "mod(x, 4)");
  EXPECT_EQ(canonical("mod(a*b + c, b)"), "mod(c, b)");
  EXPECT_EQ(canonical("mod(x, -3)"), "-mod(2*x, 3)");
}

TEST(SymbolicExpr, SimplifiesMaxAndMin) {
  EXPECT_EQ(canonical("max(x, x)"), "x");
  EXPECT_EQ(canonical("max(3, 5)"), "5");
  EXPECT_EQ(canonical("max(x, x + 1)"), "x + 1");
  EXPECT_EQ(canonical("min(x, x + y)"), "x");
  EXPECT_EQ(canonical("max(x, 0)"), "x");
  EXPECT_EQ(canonical("min(x, 0)"), "0");
  EXPECT_EQ(canonical("max(max(y, x), z, x)"), canonical("max(z, y, x)"));
  EXPECT_EQ(canonical("max(1, x, 4, 2)"), canonical("max(x, 4)"));
}

TEST(SymbolicExpr, DividesExactly) {
  SymbolicExpr batch = sym("batch"), seq = sym("seq");
  auto quotient = SymbolicExpr::exactDivide(batch * seq * 384, batch * 12 * 32);
  ASSERT_TRUE(quotient.has_value());
  EXPECT_EQ(quotient->isSymbol(), "seq");
  EXPECT_FALSE(SymbolicExpr::exactDivide(batch * seq, 2).has_value());
  EXPECT_FALSE(SymbolicExpr::exactDivide(batch + seq, seq).has_value());
  EXPECT_FALSE(SymbolicExpr::exactDivide(batch, 0).has_value());
  SymbolicExpr past = sym("past");
  auto factor = SymbolicExpr::exactDivide((past + seq) * batch * 64, (past + seq) * 64);
  ASSERT_TRUE(factor.has_value());
  EXPECT_EQ(*factor, batch);
}

TEST(SymbolicExpr, QuotesNamesThatAreNoIdentifiers) {
  for (const char *name : {"", "max", "a b", "a`b\\", "1x", "Transpose_0.dim", "floor(h/2)", "größe"}) {
    SymbolicExpr expr = sym(name) * 2 + 1;
    EXPECT_EQ(parsed(expr.str()), expr) << expr.str();
    EXPECT_EQ(expr.symbols(), std::vector<std::string>{name});
  }
  EXPECT_EQ(sym("a`b").str(), "`a\\`b`");
}

TEST(SymbolicExpr, ParsesInfixDivision) {
  EXPECT_EQ(canonical("a floordiv b"), "floordiv(a, b)");
  EXPECT_EQ(canonical("2 * a // b % c"), "mod(floordiv(2*a, b), c)");
  EXPECT_EQ(canonical("rows ceildiv 64 * 2"), "2*floordiv(rows + 63, 64)");
  EXPECT_EQ(canonical(" -( x-1 ) "), "-x + 1");
}

TEST(SymbolicExpr, ReportsParseErrors) {
  EXPECT_EQ(errorOf(""), "expected a symbol, an integer or '(', got end of text at offset 0");
  EXPECT_EQ(errorOf("a + "), "expected a symbol, an integer or '(', got end of text at offset 4");
  EXPECT_EQ(errorOf("a b"), "expected end of expression, got 'b' at offset 2");
  EXPECT_EQ(errorOf("(a"), "expected ')', got end of text at offset 2");
  EXPECT_EQ(errorOf("2x"), "expected an operator, got 'x' at offset 1");
  EXPECT_EQ(errorOf("max(a)"), "expected ',', got ')' at offset 5");
  EXPECT_EQ(errorOf("`a"), "expected '`', got end of text at offset 2");
  EXPECT_NE(errorOf("99999999999999999999"), "");
  EXPECT_NE(errorOf("a floordiv 0"), "");
  EXPECT_NE(errorOf("<invalid>"), "");
  EXPECT_NE(errorOf(std::string(100000, '(')), "");
  EXPECT_NE(errorOf(std::string(100000, '-')), "");
}

TEST(SymbolicExpr, OverflowIsInvalidNotUndefined) {
  SymbolicExpr big = SymbolicExpr::constant(int64_t(1) << 62);
  EXPECT_FALSE((big * 4).isValid());
  EXPECT_FALSE((big + big).isValid());
  EXPECT_FALSE(SymbolicExpr(std::numeric_limits<int64_t>::min()).isValid());
  EXPECT_FALSE(SymbolicExpr::floorDiv(sym("x"), 0).isValid());
  EXPECT_FALSE((big * 4 + sym("x")).isValid());
  EXPECT_FALSE((big * 4).evaluate(SymbolicExpr::Values()).has_value());
  EXPECT_EQ((big * 4).str(), "<invalid>");
  EXPECT_EQ((big * sym("x")).evaluate({{"x", 2}}), std::nullopt);
  SymbolicExpr sum;
  for (int i = 0; i < 20; ++i)
    sum += sym(("x" + std::to_string(i)).c_str());
  SymbolicExpr power = 1;
  for (int i = 0; i < 40; ++i)
    power *= sum;
  EXPECT_FALSE(power.isValid());
}

TEST(SymbolicExpr, Evaluates) {
  SymbolicExpr expr = parsed("floordiv(seq + 63, 64) * batch - max(a, seq)");
  EXPECT_EQ(expr.evaluate({{"seq", 65}, {"batch", 3}, {"a", 7}}), 6 - 65);
  EXPECT_EQ(expr.evaluate({{"seq", 65}, {"batch", 3}}), std::nullopt);
  EXPECT_EQ(parsed("a // b").evaluate({{"a", 1}, {"b", 0}}), std::nullopt);
}

TEST(SymbolicExpr, Substitutes) {
  SymbolicExpr expr = parsed("batch * floordiv(past + seq, 4)");
  EXPECT_EQ(expr.substitute("past", sym("seq") * 3).str(), "batch*seq");
  // All at once: a swap is a swap.
  EXPECT_EQ(parsed("2*a + b").substitute({{"a", sym("b")}, {"b", sym("a")}}), parsed("a + 2*b"));
}

TEST(SymbolicExpr, BoundsValues) {
  SymbolicExpr::Bounds bounds{{"seq", {1, 512}}, {"batch", {1, 8}}};
  EXPECT_EQ(parsed("batch*seq*384").upperBound(bounds), 8 * 512 * 384);
  EXPECT_EQ(parsed("ceildiv(seq, 64)").upperBound(bounds), 8);
  EXPECT_EQ(parsed("ceildiv(seq, 64)").lowerBound(bounds), 1);
  EXPECT_EQ(parsed("seq - batch").lowerBound(bounds), -7);
  EXPECT_EQ(parsed("seq*other").upperBound(bounds), std::nullopt);
  EXPECT_EQ(parsed("mod(other, 16)").upperBound(bounds), 15);
  EXPECT_EQ(parsed("min(other, seq)").upperBound(bounds), 512);
}

TEST(SymbolicExpr, DecidesEquality) {
  EXPECT_TRUE(SymbolicExpr::knownEqual(parsed("past + 1"), parsed("1 + past")));
  EXPECT_FALSE(SymbolicExpr::knownEqual(sym("a"), sym("b")));
  EXPECT_FALSE(SymbolicExpr::knownNotEqual(sym("a"), sym("b")));
  EXPECT_TRUE(SymbolicExpr::knownNotEqual(sym("a"), parsed("a + 1")));
  EXPECT_TRUE(SymbolicExpr::knownNotEqual(parsed("4*a"), parsed("2*b + 1")));
  EXPECT_TRUE(SymbolicExpr::knownNotEqual(sym("seq"), 513, {{"seq", {1, 512}}}));
  EXPECT_TRUE(SymbolicExpr::knownLessEqual(sym("a"), parsed("a + b")));
  EXPECT_FALSE(SymbolicExpr::knownLessEqual(parsed("a + b"), sym("a")));
}

// The independent reference: an expression tree evaluated as written.
struct Naive {
  char op; // 'c' constant, 'v' variable, else an operator
  int64_t value = 0;
  std::vector<Naive> children;
};

// Uniform: rapidcheck narrows a plain range while its size is small.
int64_t pick(int64_t from, int64_t to) { return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(from, to)); }

const char *const names[] = {"x", "y", "batch size"};

Naive randomTree(int depth) {
  int64_t choice = depth == 0 ? pick(0, 2) : pick(0, 11);
  if (choice == 0)
    return {'c', pick(-9, 17), {}};
  if (choice == 1)
    return {'v', pick(0, 3), {}};
  char op = "++-**/^%MmM"[choice];
  Naive left = randomTree(depth - 1), right = randomTree(depth - 1);
  return {op, 0, {std::move(left), std::move(right)}};
}

SymbolicExpr build(const Naive &tree) {
  if (tree.op == 'c')
    return tree.value;
  if (tree.op == 'v')
    return sym(names[tree.value]);
  SymbolicExpr a = build(tree.children[0]), b = build(tree.children[1]);
  switch (tree.op) {
  case '+': return a + b;
  case '-': return a - b;
  case '*': return a * b;
  case '/': return SymbolicExpr::floorDiv(a, b);
  case '^': return SymbolicExpr::ceilDiv(a, b);
  case '%': return SymbolicExpr::mod(a, b);
  case 'M': return SymbolicExpr::max(a, b);
  default: return SymbolicExpr::min(a, b);
  }
}

std::optional<int64_t> run(const Naive &tree, const int64_t *values) {
  if (tree.op == 'c')
    return tree.value;
  if (tree.op == 'v')
    return values[tree.value];
  auto left = run(tree.children[0], values), right = run(tree.children[1], values);
  if (!left || !right)
    return std::nullopt;
  __int128 a = *left, b = *right, result = 0;
  auto floorDivide = [](__int128 n, __int128 d) {
    __int128 q = n / d;
    return q * d != n && (n < 0) != (d < 0) ? q - 1 : q;
  };
  switch (tree.op) {
  case '+': result = a + b; break;
  case '-': result = a - b; break;
  case '*': result = a * b; break;
  case 'M': result = std::max(a, b); break;
  case 'm': result = std::min(a, b); break;
  default:
    if (b == 0)
      return std::nullopt;
    result = tree.op == '/' ? floorDivide(a, b) : tree.op == '^' ? -floorDivide(-a, b) : a - b * floorDivide(a, b);
  }
  if (result > (int64_t(1) << 40) || result < -(int64_t(1) << 40))
    return std::nullopt;
  return static_cast<int64_t>(result);
}

TEST(SymbolicExprProperty, CanonicalFormKeepsTheValue) {
  EXPECT_TRUE(rc::check([] {
    Naive tree = randomTree(4);
    SymbolicExpr expr = build(tree);
    SymbolicRange range = expr.range();
    for (int i = 0; i < 8; ++i) {
      int64_t values[3];
      SymbolicExpr::Values named;
      for (int v = 0; v < 3; ++v) {
        values[v] = pick(0, 40);
        named[names[v]] = values[v];
      }
      std::optional<int64_t> expected = run(tree, values);
      if (!expected) // also where a divisor is zero
        continue;
      RC_ASSERT(expr.evaluate(named) == expected);
      RC_ASSERT(range.contains(*expected));
    }
  }));
}

TEST(SymbolicExprProperty, TextRoundTrips) {
  EXPECT_TRUE(rc::check([] {
    SymbolicExpr expr = build(randomTree(5));
    RC_PRE(expr.isValid());
    std::string error;
    std::optional<SymbolicExpr> again = SymbolicExpr::parse(expr.str(), &error);
    RC_ASSERT(again.has_value());
    RC_ASSERT(again->str() == expr.str());
    RC_ASSERT(*again == expr);
    RC_ASSERT(again->hash() == expr.hash());
  }));
}

TEST(SymbolicExprProperty, OrderOfOperandsDoesNotMatter) {
  EXPECT_TRUE(rc::check([] {
    SymbolicExpr a = build(randomTree(3)), b = build(randomTree(3)), c = build(randomTree(2));
    RC_ASSERT(a + b == b + a);
    RC_ASSERT(a * b == b * a);
    RC_ASSERT((a + b) + c == a + (b + c));
    RC_ASSERT(c * (a + b) == c * a + c * b);
    RC_ASSERT(SymbolicExpr::max(a, b) == SymbolicExpr::max(b, a));
  }));
}

TEST(SymbolicExprProperty, ExactDivisionUndoesMultiplication) {
  EXPECT_TRUE(rc::check([] {
    SymbolicExpr a = build(randomTree(3)), b = build(randomTree(3));
    SymbolicExpr product = a * b;
    RC_PRE(product.isValid() && b.isConstant() != 0);
    std::optional<SymbolicExpr> quotient = SymbolicExpr::exactDivide(product, b);
    RC_ASSERT(quotient.has_value());
    RC_ASSERT(*quotient == a);
  }));
}

} // namespace
