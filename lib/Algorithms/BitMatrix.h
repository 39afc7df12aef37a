// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linear algebra over bits: vectors are words, a matrix is its columns.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace bessemer {

/// An echelon basis of the column space; each vector remembers which columns
/// it is the sum of. Columns that depend on earlier ones are left out.
class Echelon {
public:
  Echelon() = default;
  explicit Echelon(std::span<const uint64_t> columns) {
    for (uint64_t column : columns)
      add(column);
  }

  /// One more column; false when it depends on those before.
  bool add(uint64_t column) {
    auto [rest, sum] = reduce(column);
    uint64_t own = uint64_t(1) << added++;
    if (rest == 0) {
      dependent |= own;
      return false;
    }
    vectors.push_back({rest, sum ^ own});
    return true;
  }

  size_t rank() const { return vectors.size(); }
  uint64_t dependentColumns() const { return dependent; }
  bool contains(uint64_t target) const { return reduce(target).first == 0; }

  /// The columns that sum up to `target`, or nullopt.
  std::optional<uint64_t> solve(uint64_t target) const {
    auto [rest, sum] = reduce(target);
    return rest == 0 ? std::optional<uint64_t>(sum) : std::nullopt;
  }

private:
  std::pair<uint64_t, uint64_t> reduce(uint64_t value) const {
    uint64_t sum = 0;
    for (const auto &[vector, columns] : vectors)
      if (value & std::bit_floor(vector)) {
        value ^= vector;
        sum ^= columns;
      }
    return {value, sum};
  }

  // In order of insertion: each was reduced by those before, so that one pass
  // in that order reduces completely.
  std::vector<std::pair<uint64_t, uint64_t>> vectors;
  uint64_t dependent = 0;
  unsigned added = 0;
};

/// The sum of the columns at the set bits of `vector`.
inline uint64_t sumOfColumns(std::span<const uint64_t> columns, uint64_t vector) {
  uint64_t sum = 0;
  for (; vector; vector &= vector - 1)
    if (size_t i = std::countr_zero(vector); i < columns.size())
      sum ^= columns[i];
  return sum;
}

/// A basis of what the spans of `a` and of `b` have in common.
inline std::vector<uint64_t> commonSpan(std::span<const uint64_t> a, std::span<const uint64_t> b) {
  // A column of b that the columns of a and those before it sum up to: the part
  // from b is common.
  std::vector<uint64_t> all(a.begin(), a.end()), result;
  Echelon echelon(a);
  for (size_t i = 0; i < b.size(); ++i) {
    if (auto sum = echelon.solve(b[i])) {
      uint64_t fromB = b[i] ^ sumOfColumns(b, *sum >> a.size());
      if (fromB && !Echelon(result).contains(fromB))
        result.push_back(fromB);
    }
    echelon.add(b[i]);
  }
  return result;
}

} // namespace bessemer
