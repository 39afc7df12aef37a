// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Text form of symbolic expressions: canonical printer and recursive-descent
// parser. Grammar:
//
//   sum     := product (('+' | '-') product)*
//   product := unary (('*' | '//' | '%' | floordiv | ceildiv | mod) unary)*
//   unary   := '-' unary | integer | symbol | '(' sum ')'
//            | (floordiv | ceildiv | mod | max | min) '(' sum (',' sum)+ ')'
//   symbol  := identifier | '`' any bytes, with \` and \\ '`'

#include "SymbolicExprNode.h"
#include "bessemer/Algorithms/SymbolicExpr.h"

#include <algorithm>

namespace bessemer {

using namespace symbolic;

namespace {

// Above the depth of any valid expression (256 opaque terms, each of which
// takes two levels here).
constexpr int maxParseDepth = 600;

bool isIdentifierStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isIdentifierChar(char c) { return isIdentifierStart(c) || isDigit(c); }

std::optional<AtomKind> functionKind(std::string_view name) {
  for (AtomKind kind : {AtomKind::FloorDiv, AtomKind::CeilDiv, AtomKind::Mod, AtomKind::Max, AtomKind::Min})
    if (name == atomName(kind))
      return kind;
  return std::nullopt;
}

void printSymbol(const std::string &name, std::string &out) {
  bool plain = !name.empty() && isIdentifierStart(name[0]) && std::all_of(name.begin(), name.end(), isIdentifierChar) &&
               !functionKind(name);
  if (plain) {
    out += name;
    return;
  }
  out += '`';
  for (char c : name) {
    if (c == '`' || c == '\\')
      out += '\\';
    out += c;
  }
  out += '`';
}

void print(const SymbolicExpr &expr, std::string &out);

void printAtom(const Atom &atom, std::string &out) {
  if (atom.kind == AtomKind::Symbol)
    return printSymbol(atom.name, out);
  out += atomName(atom.kind);
  out += '(';
  for (size_t i = 0; i < atom.operands.size(); ++i) {
    if (i)
      out += ", ";
    print(atom.operands[i], out);
  }
  out += ')';
}

void print(const SymbolicExpr &expr, std::string &out) {
  const std::vector<Term> &terms = expr.node().terms;
  if (terms.empty())
    out += '0';
  for (size_t i = 0; i < terms.size(); ++i) {
    int64_t coefficient = terms[i].coefficient;
    if (i)
      out += coefficient < 0 ? " - " : " + ";
    else if (coefficient < 0)
      out += '-';
    coefficient = coefficient < 0 ? -coefficient : coefficient;
    bool first = true;
    if (coefficient != 1 || terms[i].monomial.empty()) {
      out += std::to_string(coefficient);
      first = false;
    }
    for (const Factor &factor : terms[i].monomial)
      for (uint32_t p = 0; p < factor.power; ++p) {
        if (!first)
          out += '*';
        first = false;
        printAtom(*factor.atom, out);
      }
  }
}

SymbolicExpr apply(AtomKind kind, const SymbolicExpr &a, const SymbolicExpr &b) {
  switch (kind) {
  case AtomKind::FloorDiv: return SymbolicExpr::floorDiv(a, b);
  case AtomKind::CeilDiv: return SymbolicExpr::ceilDiv(a, b);
  case AtomKind::Mod: return SymbolicExpr::mod(a, b);
  case AtomKind::Max: return SymbolicExpr::max(a, b);
  case AtomKind::Min: return SymbolicExpr::min(a, b);
  case AtomKind::Symbol: break;
  }
  return SymbolicExpr::invalid();
}

class Parser {
public:
  explicit Parser(std::string_view text) : text(text) {}

  std::optional<SymbolicExpr> parseAll() {
    std::optional<SymbolicExpr> result = parseSum();
    if (!result)
      return std::nullopt;
    skipSpace();
    if (position != text.size())
      return fail("end of expression");
    if (!result->isValid()) {
      error = "expected an expression of 64-bit coefficients without division "
              "by zero, got one that overflows";
      return std::nullopt;
    }
    return result;
  }

  std::string error;

private:
  std::nullopt_t fail(std::string_view expected) {
    if (error.empty()) {
      error = "expected " + std::string(expected) + ", got ";
      error += position < text.size() ? "'" + std::string(1, text[position]) + "'" : std::string("end of text");
      error += " at offset " + std::to_string(position);
    }
    return std::nullopt;
  }

  void skipSpace() {
    while (position < text.size() && (text[position] == ' ' || text[position] == '\t'))
      ++position;
  }

  bool consume(std::string_view token) {
    skipSpace();
    if (text.substr(position, token.size()) != token)
      return false;
    position += token.size();
    return true;
  }

  std::string_view peekIdentifier() {
    skipSpace();
    size_t end = position;
    if (end < text.size() && isIdentifierStart(text[end]))
      while (end < text.size() && isIdentifierChar(text[end]))
        ++end;
    return text.substr(position, end - position);
  }

  std::optional<SymbolicExpr> parseSum() {
    std::optional<SymbolicExpr> result = parseProduct();
    while (result) {
      bool plus = consume("+");
      if (!plus && !consume("-"))
        break;
      std::optional<SymbolicExpr> right = parseProduct();
      if (!right)
        return std::nullopt;
      result = plus ? *result + *right : *result - *right;
    }
    return result;
  }

  std::optional<AtomKind> consumeInfixDivision() {
    if (consume("//"))
      return AtomKind::FloorDiv;
    if (consume("%"))
      return AtomKind::Mod;
    std::string_view word = peekIdentifier();
    std::optional<AtomKind> kind = functionKind(word);
    if (!kind || kind == AtomKind::Max || kind == AtomKind::Min)
      return std::nullopt;
    position += word.size();
    return kind;
  }

  std::optional<SymbolicExpr> parseProduct() {
    std::optional<SymbolicExpr> result = parseUnary();
    while (result) {
      bool times = consume("*");
      std::optional<AtomKind> division;
      if (!times && !(division = consumeInfixDivision()))
        break;
      std::optional<SymbolicExpr> right = parseUnary();
      if (!right)
        return std::nullopt;
      result = times ? *result * *right : apply(*division, *result, *right);
    }
    return result;
  }

  std::optional<SymbolicExpr> parseUnary() {
    if (++depth > maxParseDepth)
      return fail("fewer than 600 nested parentheses");
    std::optional<SymbolicExpr> result = parseUnaryUnchecked();
    --depth;
    return result;
  }

  std::optional<SymbolicExpr> parseUnaryUnchecked() {
    skipSpace();
    if (consume("-")) {
      std::optional<SymbolicExpr> operand = parseUnary();
      return operand ? std::optional<SymbolicExpr>(-*operand) : std::nullopt;
    }
    if (consume("(")) {
      std::optional<SymbolicExpr> inner = parseSum();
      if (inner && !consume(")"))
        return fail("')'");
      return inner;
    }
    if (position < text.size() && isDigit(text[position]))
      return parseInteger();
    if (consume("`"))
      return parseQuoted();
    std::string_view word = peekIdentifier();
    if (word.empty())
      return fail("a symbol, an integer or '('");
    std::optional<AtomKind> kind = functionKind(word);
    position += word.size();
    return kind ? parseCall(*kind) : SymbolicExpr::symbol(word);
  }

  std::optional<SymbolicExpr> parseInteger() {
    int64_t value = 0;
    for (; position < text.size() && isDigit(text[position]); ++position)
      if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text[position] - '0', &value))
        return fail("an integer of 64 bits");
    if (position < text.size() && isIdentifierStart(text[position]))
      return fail("an operator");
    return SymbolicExpr(value);
  }

  std::optional<SymbolicExpr> parseQuoted() {
    std::string name;
    for (; position < text.size() && text[position] != '`'; ++position) {
      if (text[position] == '\\' && ++position == text.size())
        break;
      name += text[position];
    }
    if (!consumeQuote())
      return fail("'`'");
    return SymbolicExpr::symbol(name);
  }

  bool consumeQuote() {
    if (position >= text.size())
      return false;
    ++position;
    return true;
  }

  std::optional<SymbolicExpr> parseCall(AtomKind kind) {
    if (!consume("("))
      return fail("'('");
    std::optional<SymbolicExpr> result = parseSum();
    bool variadic = kind == AtomKind::Max || kind == AtomKind::Min;
    size_t operands = 1;
    while (result && (variadic || operands < 2) && consume(",")) {
      std::optional<SymbolicExpr> operand = parseSum();
      if (!operand)
        return std::nullopt;
      result = apply(kind, *result, *operand);
      ++operands;
    }
    if (!result)
      return std::nullopt;
    if (operands < 2)
      return fail("','");
    if (!consume(")"))
      return fail("')'");
    return result;
  }

  std::string_view text;
  size_t position = 0;
  int depth = 0;
};

} // namespace

std::string SymbolicExpr::str() const {
  if (!isValid())
    return "<invalid>";
  std::string out;
  print(*this, out);
  return out;
}

std::optional<SymbolicExpr> SymbolicExpr::parse(std::string_view text, std::string *error) {
  Parser parser(text);
  std::optional<SymbolicExpr> result = parser.parseAll();
  if (!result && error)
    *error = parser.error;
  return result;
}

} // namespace bessemer
