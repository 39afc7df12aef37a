// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Text form of layouts. Grammar:
//
//   layout := '{' [input (',' input)*] '}' '->' '{' [output (',' output)*] '}'
//   input  := name '=' '[' [basis (',' basis)*] ']'
//   basis  := '[' [integer (',' integer)*] ']'
//   output := name '=' integer
//   tile   := ['[' integer (',' integer)* ']' 'x'] layout

#include "bessemer/Algorithms/LinearLayout.h"
#include "bessemer/Algorithms/TileLayout.h"

namespace bessemer {

namespace {

class Parser {
public:
  explicit Parser(std::string_view text) : text(text) {}

  std::string error;

  bool atEnd() {
    skipSpace();
    return position == text.size() || fail("end of layout");
  }

  bool consume(std::string_view token) {
    skipSpace();
    if (text.substr(position, token.size()) != token)
      return false;
    position += token.size();
    return true;
  }
  bool expect(std::string_view token) { return consume(token) || fail("'" + std::string(token) + "'"); }

  /// '[' [item (',' item)*] ']' and the like.
  template <typename Fn> bool parseList(std::string_view open, std::string_view close, Fn item) {
    if (!expect(open))
      return false;
    if (consume(close))
      return true;
    do {
      if (!item())
        return false;
    } while (consume(","));
    return expect(close);
  }

  bool parseInteger(int64_t &value) {
    skipSpace();
    size_t start = position;
    value = 0;
    while (position < text.size() && text[position] >= '0' && text[position] <= '9') {
      if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text[position] - '0', &value))
        return fail("an integer of 64 bits");
      ++position;
    }
    return position > start || fail("an integer");
  }

  bool parseName(std::string &name) {
    skipSpace();
    size_t start = position;
    auto isNameChar = [&](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (position > start && c >= '0' && c <= '9');
    };
    while (position < text.size() && isNameChar(text[position]))
      ++position;
    name = text.substr(start, position - start);
    return position > start || fail("a name");
  }

  bool fail(const std::string &expected) {
    if (error.empty())
      error = "expected " + expected + ", got " +
              (position < text.size() ? "'" + std::string(1, text[position]) + "'" : std::string("end of text")) +
              " at offset " + std::to_string(position);
    return false;
  }

  std::optional<LinearLayout> parseLayout() {
    std::vector<LinearLayout::InputBases> inputs;
    std::vector<std::pair<std::string, int64_t>> outputs;
    bool ok = parseList("{", "}", [&] {
      LinearLayout::InputBases &input = inputs.emplace_back();
      return parseName(input.name) && expect("=") && parseList("[", "]", [&] {
               std::vector<int64_t> &basis = input.bases.emplace_back();
               return parseList("[", "]", [&] { return parseInteger(basis.emplace_back()); });
             });
    });
    ok = ok && expect("->") && parseList("{", "}", [&] {
           auto &output = outputs.emplace_back();
           return parseName(output.first) && expect("=") && parseInteger(output.second);
         });
    if (!ok)
      return std::nullopt;
    return LinearLayout::fromBases(inputs, outputs, &error);
  }

private:
  void skipSpace() {
    while (position < text.size() && (text[position] == ' ' || text[position] == '\t' || text[position] == '\n'))
      ++position;
  }

  std::string_view text;
  size_t position = 0;
};

} // namespace

std::string LinearLayout::str() const {
  std::string text = "{";
  for (size_t i = 0; i < ins.size(); ++i) {
    text += (i ? ", " : "") + ins[i].name + " = [";
    for (unsigned bit = 0; bit < ins[i].bits; ++bit) {
      text += bit ? ", [" : "[";
      for (size_t o = 0; o < outs.size(); ++o)
        text += (o ? ", " : "") + std::to_string(basis(ins[i].name, bit, outs[o].name));
      text += "]";
    }
    text += "]";
  }
  text += "} -> {";
  for (size_t o = 0; o < outs.size(); ++o)
    text += (o ? ", " : "") + outs[o].name + " = " + std::to_string(outs[o].size());
  return text + "}";
}

std::optional<LinearLayout> LinearLayout::parse(std::string_view text, std::string *error) {
  Parser parser(text);
  std::optional<LinearLayout> layout = parser.parseLayout();
  if (layout && !parser.atEnd())
    layout.reset();
  if (!layout && error)
    *error = parser.error;
  return layout;
}

std::string TileLayout::str() const {
  bool once = true;
  std::string text = "[";
  for (size_t i = 0; i < repeatCounts.size(); ++i) {
    once &= repeatCounts[i] == 1;
    text += (i ? ", " : "") + std::to_string(repeatCounts[i]);
  }
  return once ? linear.str() : text + "] x " + linear.str();
}

std::optional<TileLayout> TileLayout::parse(std::string_view text, std::string *error) {
  Parser parser(text);
  auto fail = [&]() -> std::optional<TileLayout> {
    if (error)
      *error = parser.error;
    return std::nullopt;
  };
  std::vector<int64_t> repeats;
  bool hasRepeats = parser.consume("[");
  if (hasRepeats) {
    do {
      if (!parser.parseInteger(repeats.emplace_back()))
        return fail();
    } while (parser.consume(","));
    if (!parser.expect("]") || !parser.expect("x"))
      return fail();
  }
  std::optional<LinearLayout> atom = parser.parseLayout();
  if (!atom || !parser.atEnd())
    return fail();
  if (!hasRepeats)
    repeats.assign(atom->outputs().size(), 1);
  return create(std::move(*atom), std::move(repeats), error);
}

} // namespace bessemer
