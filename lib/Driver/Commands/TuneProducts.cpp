// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/Commands/TuneProducts.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <sstream>

using namespace bessemer;
using namespace bessemer::commands;

namespace {
constexpr int64_t mostCopies = 64;
/// Of times that are no further apart the model's order counts.
constexpr double leastGain = 0.01;

std::vector<std::string> splitAtCommas(const std::string &text) {
  std::vector<std::string> words;
  std::stringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');)
    words.push_back(word);
  return words;
}

std::optional<int64_t> parseSize(std::string_view text) {
  int64_t value = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool isSize = code == std::errc() && end == text.data() + text.size() && value > 0 && value <= int64_t{1} << 31;
  return isSize ? std::optional(value) : std::nullopt;
}

std::string sizesText(const GpuMatmulShape &shape) {
  return (*shape.batches > 1 ? std::to_string(*shape.batches) + " of " : "") + std::to_string(*shape.rows) + " x " +
         std::to_string(*shape.columns) + " x " + std::to_string(*shape.depth) + " " +
         instructionName(shape.instruction) + (shape.transposedA ? ", left operand transposed" : "") +
         (shape.transposedB ? ", right operand transposed" : "");
}
} // namespace

std::optional<NamedProduct> commands::parseProductOption(const std::string &text, const GpuMachine &machine,
                                                         std::string &error) {
  std::vector<std::string> words = splitAtCommas(text);
  NamedProduct product;
  GpuMatmulShape &shape = product.shape;
  std::optional<int64_t> *sizes[] = {&shape.rows, &shape.columns, &shape.depth};
  bool isFloat = false;
  for (size_t i = 0; i < std::max<size_t>(words.size(), 3); ++i) {
    std::string word = i < words.size() ? words[i] : "";
    bool understood = true;
    if (i < 3)
      understood = (*sizes[i] = parseSize(word)).has_value();
    else if (word == "f32")
      isFloat = true;
    else if (word == "ta")
      shape.transposedA = true;
    else if (word == "tb")
      shape.transposedB = true;
    else if (word == "bias")
      product.epilogue = std::max(product.epilogue, ProductEpilogue::Arithmetic);
    else if (word == "gelu")
      product.epilogue = ProductEpilogue::Functions;
    else if (word.starts_with("batches="))
      understood = (shape.batches = parseSize(std::string_view(word).substr(8))).has_value();
    else
      understood = word == "bf16" || word == "f16";
    if (!understood) {
      error =
          "expected ROWS,COLUMNS,DEPTH and any of f16, bf16, f32, ta, tb, batches=N, bias, gelu, got '" + text + "'";
      return std::nullopt;
    }
  }
  if (isFloat)
    shape.instruction = machine.tf32 ? MatmulInstruction::MmaTf32 : MatmulInstruction::Fma;
  shape.elementBytes = shape.resultBytes = isFloat ? 4 : 2;
  shape.bulkOperands = copyEngineFits(shape);
  shape.mayStream = true;
  return product;
}

int64_t commands::tuneCopies(const GpuMatmulShape &shape, const GpuMachine &machine) {
  int64_t bytes = *shape.batches * *shape.columns * *shape.depth * shape.elementBytes;
  return std::clamp<int64_t>((2 * machine.l2Bytes + bytes - 1) / bytes, 1, mostCopies);
}

double commands::tuneTolerance(const GpuMatmulShape &shape) {
  switch (shape.instruction) {
  case MatmulInstruction::Fma: return 1e-4;
  case MatmulInstruction::MmaTf32: return 1e-2;
  default: return 0.15; // values of five times the mean, two bits of bf16 off, behind a gelu
  }
}

std::string commands::tuneModule(const NamedProduct &product, int64_t copies, std::string &error) {
  const GpuMatmulShape &shape = product.shape;
  std::string element = shape.instruction == MatmulInstruction::MmaHalf ? "bf16" : "f32";
  if (!isNamed(shape) || shape.elementBytes != (element == "f32" ? 4 : 2) || shape.resultBytes != shape.elementBytes) {
    error = "expected operands and a result of one type, f32, f16 or bf16, in a product that is tuned";
    return "";
  }
  auto tensor = [&](std::vector<int64_t> dims) {
    if (*shape.batches > 1 && dims.size() > 1)
      dims.insert(dims.begin(), *shape.batches);
    std::string type = "tensor<";
    for (int64_t dim : dims)
      type += std::to_string(dim) + "x";
    return type + element + ">";
  };
  int64_t m = *shape.rows, n = *shape.columns, k = *shape.depth;
  std::string x = shape.transposedA ? tensor({k, m}) : tensor({m, k}),
              w = shape.transposedB ? tensor({n, k}) : tensor({k, n}), y = tensor({m, n}), bias = tensor({n});
  bool hasBias = product.epilogue != ProductEpilogue::None;
  std::string arguments = "%x: " + x + " {onnx.name = \"x\"}", results, values, types, body;
  if (hasBias)
    arguments += ", %bias: " + bias + " {onnx.name = \"bias\"}";
  auto node = [&](const std::string &result, const char *op, const std::string &operands, const std::string &attributes,
                  const std::string &from, const std::string &to) {
    body += "  %" + result + " = onnx.node \"" + op + "\"(" + operands + ") version 20 name \"product\" outputs [\"" +
            result + "\"]" + attributes + " : (" + from + ") -> " + to + "\n";
  };
  const std::string unknown = "!onnx.unknown", permutation = *shape.batches > 1
                                                                 ? " attributes {perm = array<i64: 0, 2, 1>}"
                                                                 : " attributes {perm = array<i64: 1, 0>}";
  for (int64_t i = 0; i < copies; ++i) {
    std::string number = std::to_string(i), left = "%x", right = "%w" + number, leftType = x, rightType = w;
    arguments += ", " + right + ": " + w + " {onnx.name = \"w" + number + "\"}";
    results += (i ? ", " : "") + y + " {onnx.name = \"y" + number + "\"}";
    types += (i ? ", " : "") + y;
    if (shape.transposedA) {
      node("xt" + number, "Transpose", left, permutation, leftType, unknown);
      left = "%xt" + number, leftType = unknown;
    }
    if (shape.transposedB) {
      node("wt" + number, "Transpose", right, permutation, rightType, unknown);
      right = "%wt" + number, rightType = unknown;
    }
    std::string value = "p" + number;
    node(value, "MatMul", left + ", " + right, "", leftType + ", " + rightType, hasBias ? unknown : y);
    if (hasBias) {
      bool hasFunction = product.epilogue == ProductEpilogue::Functions;
      node("b" + number, "Add", "%" + value + ", %bias", "", unknown + ", " + bias, hasFunction ? unknown : y);
      value = "b" + number;
      if (hasFunction) {
        node("g" + number, "Gelu", "%" + value, "", unknown, y);
        value = "g" + number;
      }
    }
    values += (i ? ", %" : "%") + value;
  }
  return "module attributes {onnx.ir_version = 10 : i64, onnx.opsets = [{domain = \"\", version = 20 : i64}]} {\n"
         "func.func @main(" +
         arguments + ") -> (" + results + ") {\n" + body + "  return " + values + " : " + types + "\n}\n}\n";
}

std::vector<std::string> commands::foldTuneResults(const TuneJson &results, const GpuMachine &machine,
                                                   TunedSchedules &tuned, std::vector<std::string> &problems) try {
  std::vector<std::string> lines;
  for (const TuneJson &product : results.at("products")) {
    std::string error;
    std::optional<NamedProduct> named = parseProduct(product.at("product").dump(), error);
    if (!named) {
      problems.push_back(error);
      continue;
    }
    std::string sizes = sizesText(named->shape);
    double copies = product.at("copies").get<double>(), tolerance = product.at("tolerance").get<double>();
    const TuneJson *best = nullptr;
    double bestSeconds = 0;
    const TuneJson &candidates = product.at("candidates");
    for (const TuneJson &candidate : candidates) {
      double seconds = candidate.value("seconds", 0.0) / copies, difference = candidate.value("difference", 0.0);
      std::string text = candidate.at("text"), wrong = candidate.value("error", "");
      if (wrong.empty() && !(difference <= tolerance)) {
        char number[64];
        std::snprintf(number, sizeof number, "%.3g, expected at most %.3g", difference, tolerance);
        wrong = "its answer differs from that of the first candidate by " + std::string(number);
      }
      if (!wrong.empty()) {
        problems.push_back(sizes + ", " + text + ": " + wrong);
        continue;
      }
      if (seconds > 0 && (!best || seconds < bestSeconds * (1 - leastGain)))
        best = &candidate, bestSeconds = seconds;
    }
    if (!best) {
      lines.push_back(sizes + ": not measured");
      continue;
    }
    // The first candidate is the model's choice.
    const TuneJson &model = candidates.front();
    TuneJson entry = {{"product", product.at("product")}, {"parts", best->at("parts")}};
    if (best->contains("part_depth"))
      entry["part_depth"] = best->at("part_depth");
    double modelSeconds = model.value("seconds", 0.0) / copies;
    entry["schedule"] = best->at("schedule");
    entry["seconds"] = bestSeconds;
    entry["model"] = model.at("text");
    entry["model_seconds"] = modelSeconds;
    entry["device"] = results.at("device");
    entry["date"] = results.at("date");
    TuneJson file = {{"products", TuneJson::array({entry})}};
    std::vector<std::string> wrong;
    TunedSchedules one = TunedSchedules::parse(file.dump(), machine, wrong);
    for (const std::string &problem : wrong)
      problems.push_back(sizes + ": " + problem);
    if (const TunedProduct *read = one.find(named->shape, named->epilogue))
      tuned.add(*read);
    char times[96];
    std::snprintf(times, sizeof times, "%.2f us, the model's choice %.2f us (expected %.2f us)", bestSeconds * 1e6,
                  modelSeconds * 1e6, model.value("expected_seconds", 0.0) * 1e6);
    lines.push_back(sizes + ": " + times + ": " + best->at("text").get<std::string>());
  }
  return lines;
} catch (const TuneJson::exception &error) {
  problems.push_back(std::string("expected the results of a pack: ") + error.what());
  return {};
}
