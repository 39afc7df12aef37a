// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values of symbols while a function is evaluated.
#pragma once

#include "dialects/Bess/Bess.h"

namespace bessemer::reference {

class SymbolValues {
public:
  explicit SymbolValues(const SymbolValues *outer = nullptr) : outer(outer) {}

  std::optional<int64_t> lookup(std::string_view name) const;
  std::optional<int64_t> evaluate(const SymbolicExpr &expr) const;
  /// The extents of a tensor type; fails and says why in `error`.
  bool evaluate(mlir::RankedTensorType type, llvm::SmallVectorImpl<int64_t> &shape, std::string &error) const;

  /// Defines or redefines a symbol.
  void set(std::string_view name, int64_t value, const void *owner = nullptr);

  /// Forgets what `owner`, an op or block that runs again, has defined.
  void release(const void *owner);

  /// Gives the symbols in `type` the values that `shape` implies. A symbol that
  /// has a value already must keep it; false and a sentence in `error` otherwise.
  bool bind(mlir::RankedTensorType type, llvm::ArrayRef<int64_t> shape, const void *owner, std::string &error);

  SymbolicExpr::Values all() const;

private:
  struct Entry {
    int64_t value;
    const void *owner;
  };
  bool solve(const SymbolicExpr &expr, int64_t extent, const void *owner);

  const SymbolValues *outer;
  std::map<std::string, Entry, std::less<>> values;
};

} // namespace bessemer::reference
