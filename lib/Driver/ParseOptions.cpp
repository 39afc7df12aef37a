// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Text forms of compile options.
#include "bessemer/Driver/Compiler.h"

#include "llvm/ADT/StringExtras.h"

using namespace bessemer;

std::optional<DimOption> bessemer::parseDimOption(std::string_view view, std::string &error) {
  llvm::StringRef text(view.data(), view.size());
  DimOption dim;
  auto [name, value] = text.split("<=");
  if (name.size() != text.size()) {
    dim.exact = false;
  } else {
    // A fresh symbol's name may hold anything but an equals sign.
    std::tie(name, value) = text.rsplit('=');
  }
  dim.name = name.trim().str();
  if (dim.name.empty() || name.size() == text.size() || value.trim().getAsInteger(10, dim.value) || dim.value < 0) {
    error = "expected NAME=VALUE or NAME<=VALUE with a size, got '" + text.str() + "'";
    return std::nullopt;
  }
  return dim;
}

std::optional<int64_t> bessemer::parseBytes(std::string_view view, std::string &error) {
  llvm::StringRef text = llvm::StringRef(view.data(), view.size()).trim(), number = text;
  if (!number.consume_back("iB"))
    number.consume_back("B");
  double factor = 1;
  constexpr llvm::StringLiteral units = "KMGT";
  if (size_t unit = number.empty() ? llvm::StringRef::npos : units.find(llvm::toUpper(number.back()));
      unit != llvm::StringRef::npos) {
    factor = double(int64_t(1) << (10 * (unit + 1)));
    number = number.drop_back();
  }
  double value = 0;
  if (number.empty() || !llvm::isDigit(number.front()) || number.getAsDouble(value) ||
      !(value * factor >= 1 && value * factor < 1e15)) {
    error = "expected a number of bytes like 1048576, 64K or 1.5G, got '" + text.str() + "'";
    return std::nullopt;
  }
  return int64_t(value * factor);
}

bool bessemer::parseNumerics(std::string_view view, Numerics &numerics, std::string &error) {
  llvm::SmallVector<llvm::StringRef> words;
  llvm::StringRef(view.data(), view.size()).split(words, ',', -1, false);
  for (llvm::StringRef word : words) {
    bool on = !word.consume_front("-");
    word.consume_front("+");
    if (word == "default" || word == "strict" || word == "fast") {
      numerics = Numerics();
      numerics.reassociate = numerics.flushDenormals = word != "strict";
      numerics.approximate = numerics.narrowAccumulate = word == "fast";
    } else if (word == "reassociate") {
      numerics.reassociate = on;
    } else if (word == "approximate") {
      numerics.approximate = on;
    } else if (word == "narrow-accumulate") {
      numerics.narrowAccumulate = on;
    } else if (word == "flush-denormals") {
      numerics.flushDenormals = on;
    } else {
      error = "expected default, strict, fast, or a list of reassociate, approximate, narrow-accumulate, "
              "flush-denormals (with - to switch one off), got '" +
              word.str() + "'";
      return false;
    }
  }
  return true;
}
