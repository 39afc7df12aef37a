// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "SymbolValues.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::reference;

std::optional<int64_t> SymbolValues::lookup(std::string_view name) const {
  if (auto it = values.find(name); it != values.end())
    return it->second.value;
  return outer ? outer->lookup(name) : std::nullopt;
}

std::optional<int64_t> SymbolValues::evaluate(const SymbolicExpr &expr) const {
  return expr.evaluate([&](std::string_view name) { return lookup(name); });
}

bool SymbolValues::evaluate(RankedTensorType type, SmallVectorImpl<int64_t> &shape, std::string &error) const {
  for (const SymbolicExpr &dim : bess::getDims(type)) {
    std::optional<int64_t> extent = evaluate(dim);
    if (!extent || *extent < 0) {
      error =
          "expected dimension " + dim.str() + " to have a value, got " + (extent ? std::to_string(*extent) : "none");
      return false;
    }
    shape.push_back(*extent);
  }
  return true;
}

void SymbolValues::set(std::string_view name, int64_t value, const void *owner) {
  values[std::string(name)] = {value, owner};
}

void SymbolValues::release(const void *owner) {
  std::erase_if(values, [&](const auto &entry) { return entry.second.owner == owner; });
}

/// Finds the one symbol without a value in an expression that is linear in it.
bool SymbolValues::solve(const SymbolicExpr &expr, int64_t extent, const void *owner) {
  std::string unknown;
  for (const std::string &name : expr.symbols()) {
    if (lookup(name))
      continue;
    if (!unknown.empty())
      return false;
    unknown = name;
  }
  if (unknown.empty())
    return false;
  auto at = [&](int64_t value) {
    return expr.evaluate([&](std::string_view name) { return name == unknown ? std::optional(value) : lookup(name); });
  };
  std::optional<int64_t> zero = at(0), one = at(1);
  if (!zero || !one || *one == *zero || (extent - *zero) % (*one - *zero))
    return false;
  int64_t value = (extent - *zero) / (*one - *zero);
  if (value < 0 || at(value) != extent)
    return false;
  set(unknown, value, owner);
  return true;
}

bool SymbolValues::bind(RankedTensorType type, ArrayRef<int64_t> shape, const void *owner, std::string &error) {
  SmallVector<SymbolicExpr> dims = bess::getDims(type);
  if (dims.size() != shape.size()) {
    error = "expected a tensor of rank " + std::to_string(dims.size()) + ", got rank " + std::to_string(shape.size());
    return false;
  }
  for (auto [dim, extent] : llvm::zip(dims, shape)) {
    std::optional<std::string_view> name = dim.isSymbol();
    if (!name || *name == "?")
      continue;
    if (!values.count(*name)) // a function's own, whatever its callers call so
      set(*name, extent, owner);
  }
  for (auto [i, dim] : llvm::enumerate(dims)) {
    if (dim.isSymbol() == std::string_view("?"))
      continue;
    if (!dim.isSymbol())
      solve(dim, shape[i], owner);
    std::optional<int64_t> wanted = evaluate(dim);
    if (wanted && *wanted != shape[i]) {
      error = "expected dimension " + std::to_string(i) + " (" + dim.str() + ") to be " + std::to_string(*wanted) +
              ", got " + std::to_string(shape[i]);
      return false;
    }
  }
  return true;
}

SymbolicExpr::Values SymbolValues::all() const {
  SymbolicExpr::Values result;
  for (const auto &[name, entry] : values)
    result[name] = entry.value;
  return result;
}
