// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linear layouts: where each element of a tile lives. A layout is a linear map
// over GF(2) (bits, with exclusive or as addition) from named hardware
// dimensions (register, lane, warp, block, offset ...) to named tensor
// dimensions, each a power of two in size. It is given by its bases: the
// coordinates to which each single input bit goes. The idea is Triton's
// ("Linear Layouts", arXiv:2505.23819).
//
// Worked example: 2 registers and 4 lanes hold a row of 8, two neighbours each.
//
//   LinearLayout layout = LinearLayout::identity1D(2, "register", "col") *
//                         LinearLayout::identity1D(4, "lane", "col");
//   layout.str();   // {register = [[1]], lane = [[2], [4]]} -> {col = 8}
//   layout.apply({{"register", 1}, {"lane", 3}});               // {{"col", 7}}
//   layout.invert()->apply({{"col", 7}});     // {{"register", 1}, {"lane", 3}}
//
// In a product, dimensions of one name are put together, those of the left
// factor faster. Errors: operations that may be impossible give an optional;
// the others document what they need. At most 62 bits on each side.

#ifndef BESSEMER_ALGORITHMS_LINEARLAYOUT_H
#define BESSEMER_ALGORITHMS_LINEARLAYOUT_H

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bessemer {

class LinearLayout {
public:
  static constexpr unsigned maxBits = 62;

  struct Dim {
    std::string name;
    unsigned bits = 0;
    int64_t size() const { return int64_t(1) << bits; }
    bool operator==(const Dim &) const = default;
  };
  /// Named values, e.g. {{"register", 1}, {"lane", 3}}.
  using Coordinates = std::vector<std::pair<std::string, int64_t>>;
  /// For an input dimension: for each of its bits, one coordinate for each
  /// output dimension, in order.
  struct InputBases {
    std::string name;
    std::vector<std::vector<int64_t>> bases;
  };

  /// The empty layout: no dimensions, one element. Neutral for `*`.
  LinearLayout() = default;

  /// value -> value. `size` must be a power of two.
  static LinearLayout identity1D(int64_t size, std::string_view in, std::string_view out);
  /// value -> 0: each value of `in` holds a copy. `outSize` is the size of the
  /// output dimension. Both powers of two.
  static LinearLayout zeros1D(int64_t size, std::string_view in, std::string_view out, int64_t outSize = 1);
  /// From bases. On bad input (a name twice, a size that is no power of two, a
  /// coordinate out of range) gives nullopt and sets `*error`.
  static std::optional<LinearLayout> fromBases(std::span<const InputBases> inputs,
                                               std::span<const std::pair<std::string, int64_t>> outputs,
                                               std::string *error = nullptr);

  std::span<const Dim> inputs() const { return ins; }
  std::span<const Dim> outputs() const { return outs; }
  bool hasInput(std::string_view name) const;
  bool hasOutput(std::string_view name) const;
  /// Sizes; 1 for a dimension that is not there.
  int64_t inputSize(std::string_view name) const;
  int64_t outputSize(std::string_view name) const;
  int64_t totalInputSize() const { return int64_t(1) << inputBits(); }
  int64_t totalOutputSize() const { return int64_t(1) << outputBits(); }

  /// Where bit `bit` of input `in` goes, along `out`. Zero when absent.
  int64_t basis(std::string_view in, unsigned bit, std::string_view out) const;

  /// The element at these inputs. Inputs that are not named are 0; names that
  /// the layout lacks are ignored. Values must be in range.
  Coordinates apply(const Coordinates &inputValues) const;
  /// The same on flat indices: the first dimension is the fastest.
  uint64_t applyFlat(uint64_t input) const;

  /// Direct sum; see the top of the file. Bits over 62 give the empty layout.
  LinearLayout operator*(const LinearLayout &right) const;

  /// x -> outer(this(x)). Needs this layout's outputs to be inputs of `outer`
  /// of at least that size; nullopt otherwise. Inputs that `outer` has beside
  /// are taken as 0.
  std::optional<LinearLayout> compose(const LinearLayout &outer) const;

  unsigned rank() const;
  bool isSurjective() const { return rank() == outputBits(); }
  bool isInjective() const { return rank() == inputBits(); }
  bool isInvertible() const { return isSurjective() && isInjective(); }

  /// The inverse; nullopt when there is none.
  std::optional<LinearLayout> invert() const;
  /// A right inverse of a surjective layout: of the places that hold an
  /// element, the one that leaves redundant (later) bits 0.
  std::optional<LinearLayout> pseudoInvert() const;
  /// The conversion from this layout to `target`: where in `target` lies what
  /// lies at an input here. Needs the same output dimensions and `target`
  /// surjective; nullopt otherwise.
  std::optional<LinearLayout> convertTo(const LinearLayout &target) const;

  /// The q with left * q == *this (up to the order of dimensions), or nullopt.
  /// Dimensions of size 1 remain in q.
  std::optional<LinearLayout> divideLeft(const LinearLayout &left) const;

  /// The map restricted to some inputs (others 0) and projected on some
  /// outputs. Names the layout lacks are ignored.
  LinearLayout sublayout(std::span<const std::string> inNames, std::span<const std::string> outNames) const;

  /// Bits of input `name` that make no difference that earlier bits do not:
  /// the element is replicated along them.
  uint64_t redundantBits(std::string_view name) const;

  /// Dimensions in another order. Needs a permutation of the names; nullopt
  /// otherwise.
  std::optional<LinearLayout> reorder(std::span<const std::string> inNames,
                                      std::span<const std::string> outNames) const;
  LinearLayout renameInput(std::string_view from, std::string_view to) const;
  LinearLayout renameOutput(std::string_view from, std::string_view to) const;

  /// {register = [[0, 1], [8, 0]], lane = [[0, 2]]} -> {row = 16, col = 4}
  std::string str() const;
  static std::optional<LinearLayout> parse(std::string_view text, std::string *error = nullptr);

  bool operator==(const LinearLayout &) const = default;

  unsigned inputBits() const;
  unsigned outputBits() const;

private:
  std::vector<Dim> ins, outs;
  /// For each input bit (all dimensions, the first fastest) the flat output.
  std::vector<uint64_t> columns;
};

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_LINEARLAYOUT_H
