// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/Commands/MakeInputs.h"

#include "bessemer/Kernels/FloatFormat.h"

#include <charconv>
#include <cstring>
#include <set>

using namespace bessemer;

namespace bessemer::commands {

static bool splitPair(const std::string &text, std::string &name, std::string &value) {
  size_t equals = text.rfind('=');
  if (equals == std::string::npos)
    return false;
  name = text.substr(0, equals);
  value = text.substr(equals + 1);
  return true;
}

static void makeUp(DataTensor &tensor) {
  uint32_t state = 12345;
  auto next = [&] {
    state = state * 1664525 + 1013904223;
    return double(state >> 8) / double(1 << 23) - 1;
  };
  for (int64_t i = 0; i < tensor.elementCount(); ++i) {
    switch (tensor.dtype) {
    case DType::F32: {
      float value = float(next());
      std::memcpy(tensor.data() + i * 4, &value, 4);
      break;
    }
    case DType::F64: {
      double value = next();
      std::memcpy(tensor.data() + i * 8, &value, 8);
      break;
    }
    case DType::F16:
    case DType::BF16: {
      auto value = uint16_t(kernels::encodeFloat(tensor.dtype, next()));
      std::memcpy(tensor.data() + i * 2, &value, 2);
      break;
    }
    default:
      if (bitWidth(tensor.dtype) >= 8)
        tensor.data()[i * (bitWidth(tensor.dtype) / 8)] = 1; // little-endian
      break;
    }
  }
}

bool parseSizes(const std::vector<std::string> &texts, SymbolicExpr::Values &sizes, std::string &error) {
  for (const std::string &text : texts) {
    std::string name, value;
    int64_t size = -1;
    const char *end = nullptr;
    if (splitPair(text, name, value))
      end = std::from_chars(value.data(), value.data() + value.size(), size).ptr;
    if (size < 0 || end != value.data() + value.size()) {
      error = "--size: expected NAME=VALUE, got '" + text + "'";
      return false;
    }
    sizes[name] = size;
  }
  return true;
}

bool checkSizes(const runtime::Function &entry, const SymbolicExpr::Values &sizes, std::string &error) {
  std::set<std::string> names;
  for (const runtime::Argument &input : entry.inputs)
    for (const SymbolicExpr &dim : input.dims)
      for (const std::string &name : dim.symbols())
        names.insert(name);
  std::string known;
  for (const std::string &name : names)
    known += (known.empty() ? "" : ", ") + name;
  for (const auto &[name, value] : sizes)
    if (!names.count(name)) {
      error = "--size: expected a free dimension of the inputs (" + (known.empty() ? "there is none" : known) +
              "), got '" + name + "'";
      return false;
    }
  return true;
}

bool makeInputs(const runtime::Function &entry, const std::vector<std::string> &files,
                const std::vector<std::string> &sizeTexts, std::vector<DataTensor> &inputs, std::string &error) {
  SymbolicExpr::Values sizes;
  if (!parseSizes(sizeTexts, sizes, error) || !checkSizes(entry, sizes, error))
    return false;
  std::vector<std::string> fileOf(entry.inputs.size());
  for (const std::string &text : files) {
    std::string name, file;
    size_t i = 0;
    bool isPair = splitPair(text, name, file);
    while (i < entry.inputs.size() && entry.inputs[i].name != name)
      ++i;
    if (!isPair || i == entry.inputs.size()) {
      error = "--input: expected INPUT=FILE with an input of the model, got '" + text + "'";
      return false;
    }
    fileOf[i] = file;
  }
  for (size_t i = 0; i < entry.inputs.size(); ++i) {
    const runtime::Argument &argument = entry.inputs[i];
    if (!fileOf[i].empty()) {
      std::optional<DataTensor> tensor = readTensorFile(fileOf[i], argument.dtype, error);
      if (!tensor)
        return false;
      inputs.push_back(std::move(*tensor));
      continue;
    }
    DataTensor tensor;
    tensor.dtype = argument.dtype;
    for (const SymbolicExpr &dim : argument.dims)
      tensor.shape.push_back(dim.evaluate([&](std::string_view name) -> std::optional<int64_t> {
                                  auto it = sizes.find(name);
                                  return it == sizes.end() ? 1 : it->second;
                                })
                                 .value_or(1));
    if (!tensor.allocate()) {
      error = "input '" + argument.name + "': expected a size that fits in memory, got " +
              typeText(tensor.dtype, tensor.shape);
      return false;
    }
    makeUp(tensor);
    inputs.push_back(std::move(tensor));
  }
  return true;
}

} // namespace bessemer::commands
