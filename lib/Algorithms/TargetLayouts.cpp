// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The layouts that targets fix: register fragments, swizzles, register blocks.

#include "bessemer/Algorithms/TileLayout.h"

#include <bit>

namespace bessemer {

namespace {

using Bases = std::vector<std::vector<int64_t>>;

/// From tables that are right by construction.
TileLayout fromTable(const std::vector<LinearLayout::InputBases> &inputs, int64_t rows, int64_t cols,
                     int64_t rowRepeats = 1, int64_t colRepeats = 1) {
  const std::pair<std::string, int64_t> outputs[] = {{"row", rows}, {"col", cols}};
  std::optional<LinearLayout> atom = LinearLayout::fromBases(inputs, outputs);
  if (!atom)
    return {};
  return TileLayout::create(std::move(*atom), {rowRepeats, colRepeats}).value_or(TileLayout());
}

// Lanes of an 8 x 8 core matrix: four to a row, two elements each.
const Bases rowMajorLanes = {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}};
const Bases colMajorLanes = {{2, 0}, {4, 0}, {0, 1}, {0, 2}, {0, 4}};

bool isPowerOfTwo(int64_t value) { return value > 0 && std::has_single_bit(static_cast<uint64_t>(value)); }

} // namespace

std::optional<TileLayout> blockedLayout(std::span<const int64_t> shape, std::span<const int64_t> sizePerThread,
                                        std::span<const int64_t> threadsPerWarp, std::span<const int64_t> warpsPerBlock,
                                        std::span<const unsigned> order, std::string *error) {
  auto fail = [&](std::string what) {
    if (error)
      *error = std::move(what);
    return std::nullopt;
  };
  size_t rank = shape.size();
  if (sizePerThread.size() != rank || threadsPerWarp.size() != rank || warpsPerBlock.size() != rank ||
      order.size() != rank)
    return fail("expected lists of " + std::to_string(rank) + " entries");
  std::vector<bool> seen(rank, false);
  for (unsigned d : order) {
    if (d >= rank || seen[d])
      return fail("expected the order to name each dimension once, got " + std::to_string(d));
    seen[d] = true;
  }

  // How much of each dimension is covered so far; what goes beyond the largest
  // power of two in the shape is held more than once.
  std::vector<int64_t> covered(rank, 1), limit(rank);
  for (size_t d = 0; d < rank; ++d) {
    if (shape[d] < 1)
      return fail("expected sizes of at least 1, got " + std::to_string(shape[d]));
    limit[d] = shape[d] & -shape[d];
  }
  std::vector<LinearLayout::InputBases> inputs;
  const std::pair<const char *, std::span<const int64_t>> levels[] = {
      {"register", sizePerThread}, {"lane", threadsPerWarp}, {"warp", warpsPerBlock}};
  for (const auto &[name, counts] : levels) {
    LinearLayout::InputBases &input = inputs.emplace_back();
    input.name = name;
    for (unsigned d : order) {
      if (!isPowerOfTwo(counts[d]))
        return fail("expected powers of two, got " + std::to_string(counts[d]));
      for (int64_t step = 1; step < counts[d]; step *= 2) {
        std::vector<int64_t> basis(rank, 0);
        if (covered[d] < limit[d]) {
          basis[d] = covered[d];
          covered[d] *= 2;
        } else if (covered[d] < shape[d]) {
          return fail("expected a multiple of the block along dimension " + std::to_string(d) + ", got " +
                      std::to_string(shape[d]));
        }
        input.bases.push_back(std::move(basis));
      }
    }
  }
  std::vector<std::pair<std::string, int64_t>> outputs;
  std::vector<int64_t> repeats;
  for (size_t d = 0; d < rank; ++d) {
    outputs.push_back({"dim" + std::to_string(d), covered[d]});
    repeats.push_back(shape[d] / covered[d]);
  }
  std::optional<LinearLayout> atom = LinearLayout::fromBases(inputs, outputs, error);
  if (!atom)
    return std::nullopt;
  return TileLayout::create(std::move(*atom), std::move(repeats), error);
}

TileLayout cpuRegisterBlock(int64_t rows, int64_t vectors, int64_t lanes) {
  Bases bases;
  for (int64_t step = 1; step < lanes; step *= 2)
    bases.push_back({0, step});
  return fromTable({{"register", {}}, {"lane", bases}}, 1, lanes, rows, vectors);
}

TileLayout mmaAccumulatorLayout() {
  return fromTable({{"register", {{0, 1}, {8, 0}}}, {"lane", rowMajorLanes}}, 16, 8);
}

TileLayout mmaOperandALayout() {
  return fromTable({{"register", {{0, 1}, {8, 0}, {0, 8}}}, {"lane", rowMajorLanes}}, 16, 16);
}

TileLayout mmaOperandBLayout() { return fromTable({{"register", {{1, 0}, {8, 0}}}, {"lane", colMajorLanes}}, 16, 8); }

TileLayout wgmmaAccumulatorLayout(int64_t n) {
  return fromTable({{"register", {{0, 1}, {8, 0}}}, {"lane", rowMajorLanes}, {"warp", {{16, 0}, {32, 0}}}}, 64, 8, 1,
                   n / 8);
}

TileLayout sharedSwizzleLayout(int64_t rows, int64_t cols, int64_t vec, int64_t perPhase, int64_t maxPhase) {
  Bases bases;
  for (int64_t step = 1; step < cols; step *= 2)
    bases.push_back({0, step});
  for (int64_t step = 1; step < rows; step *= 2)
    bases.push_back({step, step / perPhase % maxPhase * vec});
  return fromTable({{"offset", bases}}, rows, cols);
}

TileLayout tmaSwizzleLayout(int64_t rows, int64_t elementBytes, int64_t swizzleBytes) {
  // The hardware trades bits 4.. of the address with bits 7..: the phase
  // changes each 128 bytes.
  return sharedSwizzleLayout(rows, swizzleBytes / elementBytes, 16 / elementBytes, 128 / swizzleBytes,
                             swizzleBytes / 16);
}

} // namespace bessemer
