// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Algorithms/ConversionParts.h"

#include "lib/Algorithms/BitMatrix.h"

#include <algorithm>

namespace bessemer::conversion {

namespace {
std::string shapeText(const std::vector<int64_t> &shape) {
  std::string text;
  for (int64_t size : shape)
    text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text;
}

/// Repeats that are powers of two become bits of the register.
class Flattened {
public:
  Flattened(const TileLayout &layout) : layout(layout), atom(layout.atom()), repeats(layout.repeats()) {
    size_t rank = repeats.size();
    unsigned first = 0;
    for (size_t d = 0; d < rank; ++d) {
      int64_t repeat = repeats[d];
      unsigned extra = std::countr_zero(uint64_t(repeat));
      extraBits.push_back(extra);
      oddRepeats.push_back(repeat >> extra);
      firstBit.push_back(first);
      first += atom.outputs()[d].bits + extra;
    }
    bits = first;
  }

  std::vector<uint64_t> columns(const char *name) const {
    std::vector<uint64_t> result;
    for (unsigned bit = 0; int64_t(1) << bit < atom.inputSize(name); ++bit) {
      uint64_t column = 0;
      for (size_t d = 0; d < repeats.size(); ++d)
        column |= uint64_t(atom.basis(name, bit, atom.outputs()[d].name)) << firstBit[d];
      result.push_back(column);
    }
    if (std::string_view(name) == "register")
      for (size_t d = repeats.size(); d-- > 0;)
        for (unsigned bit = 0; bit < extraBits[d]; ++bit)
          result.push_back(uint64_t(1) << (firstBit[d] + atom.outputs()[d].bits + bit));
    return result;
  }

  /// The tile's registers of the part at `odd` (an index for each dimension).
  std::vector<int64_t> registersOf(const std::vector<int64_t> &odd) const {
    int64_t atomRegisters = atom.inputSize("register"), count = atomRegisters;
    for (unsigned extra : extraBits)
      count <<= extra;
    std::vector<int64_t> result;
    for (int64_t reg = 0; reg < count; ++reg) {
      std::vector<int64_t> at(repeats.size());
      int64_t rest = reg / atomRegisters, repeat = 0;
      for (size_t d = repeats.size(); d-- > 0;) {
        at[d] = (odd[d] << extraBits[d]) + (rest & ((int64_t(1) << extraBits[d]) - 1));
        rest >>= extraBits[d];
      }
      for (size_t d = 0; d < repeats.size(); ++d)
        repeat = repeat * repeats[d] + at[d];
      result.push_back(repeat * atomRegisters + reg % atomRegisters);
    }
    return result;
  }

  const TileLayout &layout;
  const LinearLayout &atom;
  std::span<const int64_t> repeats;
  std::vector<unsigned> extraBits, firstBit;
  std::vector<int64_t> oddRepeats;
  unsigned bits = 0;
};

/// Takes a bit out of all vectors in which `block` (which has that bit) is a
/// summand: what blocks differ in is no matter of a conversion.
void dropBlock(std::vector<std::vector<uint64_t> *> all, uint64_t block) {
  uint64_t pivot = std::bit_floor(block);
  for (std::vector<uint64_t> *columns : all)
    for (uint64_t &column : *columns) {
      if (column & pivot)
        column ^= block;
      column = (column & (pivot - 1)) | (column >> 1 & ~(pivot - 1));
    }
}
} // namespace

std::optional<Problem> makeProblem(const TileLayout &from, const TileLayout &to, unsigned elementBits,
                                   std::string *error) {
  auto fail = [&](std::string what) {
    if (error)
      *error = std::move(what);
    return std::nullopt;
  };
  if (from.shape() != to.shape())
    return fail("expected layouts of one shape, got " + shapeText(from.shape()) + " and " + shapeText(to.shape()));
  if (elementBits < 8 || elementBits > 64 || !std::has_single_bit(elementBits))
    return fail("expected elements of 8, 16, 32 or 64 bits, got " + std::to_string(elementBits));
  for (const TileLayout *layout : {&from, &to})
    for (const LinearLayout::Dim &dim : layout->atom().inputs())
      if (dim.name != "register" && dim.name != "lane" && dim.name != "warp" && dim.name != "block")
        return fail("expected register, lane, warp or block, got '" + dim.name + "'");
  if (from.atom().inputSize("lane") > 32 || to.atom().inputSize("lane") > 32)
    return fail("expected at most 32 lanes");
  Flattened source(from), target(to);
  Problem problem;
  problem.elementBits = elementBits;
  problem.outputBits = source.bits;
  problem.source = {source.columns("register"), source.columns("lane"), source.columns("warp")};
  problem.target = {target.columns("register"), target.columns("lane"), target.columns("warp")};
  // Lanes and warps that a layout does not name hold copies.
  size_t lanes = std::max(problem.source.lanes.size(), problem.target.lanes.size()),
         warps = std::max(problem.source.warps.size(), problem.target.warps.size());
  for (Side *side : {&problem.source, &problem.target}) {
    side->lanes.resize(lanes);
    side->warps.resize(warps);
  }
  std::vector<uint64_t> blocks = source.columns("block");
  if (blocks != target.columns("block"))
    return fail("expected the same elements in each block on both sides");
  Echelon ofBlock;
  for (auto *columns : {&problem.source.registers, &problem.source.lanes, &problem.source.warps})
    for (uint64_t column : *columns)
      ofBlock.add(column);
  for (auto *columns : {&problem.target.registers, &problem.target.lanes, &problem.target.warps})
    for (uint64_t column : *columns)
      if (!ofBlock.contains(column))
        return fail("expected the same elements in each block on both sides");
  for (size_t i = 0; i < blocks.size(); ++i)
    if (uint64_t block = blocks[i]) {
      std::vector<uint64_t> rest(blocks.begin() + i + 1, blocks.end());
      dropBlock({&rest, &problem.source.registers, &problem.source.lanes, &problem.source.warps,
                 &problem.target.registers, &problem.target.lanes, &problem.target.warps},
                block);
      std::copy(rest.begin(), rest.end(), blocks.begin() + i + 1);
      --problem.outputBits;
    }
  std::vector<int64_t> odd(from.repeats().size());
  for (;;) {
    problem.parts.push_back({source.registersOf(odd), target.registersOf(odd)});
    size_t d = odd.size();
    while (d-- > 0) {
      if (++odd[d] < source.oddRepeats[d])
        break;
      odd[d] = 0;
    }
    if (d == size_t(-1))
      return problem;
  }
}

} // namespace bessemer::conversion
