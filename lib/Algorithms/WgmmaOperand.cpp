// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/WgmmaOperand.h"

#include "bessemer/Support/TensorMap.h"

#include <algorithm>

namespace bessemer {

namespace {
constexpr int64_t widestSwizzle = 128, chunkBytes = 16, coreRows = 8, stepBytes = 32;
constexpr int64_t mostFieldBytes = int64_t(0x3fff) << 4;

/// Where the instruction looks for an element, from the descriptor's address on.
int64_t placeByDescriptor(const WgmmaDescriptor &d, int64_t elementBytes, int64_t start, int64_t row, int64_t k) {
  int64_t perChunk = chunkBytes / elementBytes, place;
  if (d.isDepthMajor) {
    int64_t pitch = d.swizzleBytes ? d.swizzleBytes : chunkBytes;
    place = row / coreRows * d.strideBytes + row % coreRows * pitch +
            k / perChunk * (d.swizzleBytes ? chunkBytes : d.leadingBytes) + k % perChunk * elementBytes;
  } else {
    int64_t group = row / perChunk, width = d.swizzleBytes / chunkBytes;
    place = row % perChunk * elementBytes +
            (width ? group % width * chunkBytes + group / width * d.leadingBytes + k % coreRows * d.swizzleBytes +
                         k / coreRows * d.strideBytes
                   : group * d.strideBytes + k % coreRows * chunkBytes + k / coreRows * d.leadingBytes);
  }
  return static_cast<int64_t>(swizzledPlace(static_cast<uint64_t>(start + place), d.swizzleBytes));
}
} // namespace

int64_t bulkBoxColumns(int64_t columns, int64_t elementBytes) {
  return std::min(columns, widestSwizzle / elementBytes);
}

TileLayout bulkTileLayout(int64_t rows, int64_t columns, int64_t elementBytes) {
  int64_t width = bulkBoxColumns(columns, elementBytes);
  TileLayout box = tmaSwizzleLayout(rows, elementBytes, width * elementBytes);
  const LinearLayout &atom = box.atom();
  std::vector<LinearLayout::InputBases> inputs{{"offset", {}}};
  for (unsigned bit = 0; int64_t(1) << bit < atom.inputSize("offset"); ++bit)
    inputs[0].bases.push_back({atom.basis("offset", bit, "row"), atom.basis("offset", bit, "col")});
  for (int64_t column = width; column < columns; column *= 2)
    inputs[0].bases.push_back({0, column});
  const std::pair<std::string, int64_t> outputs[] = {{"row", rows}, {"col", columns}};
  std::optional<LinearLayout> whole = LinearLayout::fromBases(inputs, outputs);
  return whole ? TileLayout::create(std::move(*whole), {1, 1}).value_or(TileLayout()) : TileLayout();
}

int64_t tilePlace(const TileLayout &tile, int64_t elementBytes, int64_t row, int64_t column) {
  int64_t coordinates[] = {row, column};
  for (const auto &[name, value] : tile.find(coordinates).others)
    if (name == "offset")
      return value * elementBytes;
  return 0;
}

uint64_t WgmmaDescriptor::fields() const {
  uint64_t mode = swizzleBytes == 128 ? 1 : swizzleBytes == 64 ? 2 : swizzleBytes == 32 ? 3 : 0;
  return uint64_t(leadingBytes >> 4) << 16 | uint64_t(strideBytes >> 4) << 32 | mode << 62;
}

std::optional<WgmmaDescriptor> describeWgmmaOperand(const TileLayout &tile, int64_t elementBytes, unsigned depthDim,
                                                    int64_t extent, std::string *error) {
  auto fail = [&](const std::string &what) {
    if (error)
      *error = what;
    return std::nullopt;
  };
  std::vector<int64_t> shape = tile.shape();
  int64_t depth = stepBytes / elementBytes;
  if (shape.size() != 2 || depthDim > 1 || shape[depthDim] % depth || shape[1 - depthDim] % extent)
    return fail("expected a tile of whole operands of the instruction");
  auto place = [&](int64_t row, int64_t k) {
    return tilePlace(tile, elementBytes, depthDim ? row : k, depthDim ? k : row);
  };
  WgmmaDescriptor found;
  found.isDepthMajor = place(0, 1) == elementBytes;
  if (!found.isDepthMajor && (place(1, 0) != elementBytes || elementBytes != 2))
    return fail("expected neighbours along k, or elements of 16 bits with neighbours along the other dimension");
  auto holds = [&] {
    for (int64_t firstRow = 0; firstRow < shape[1 - depthDim]; firstRow += extent)
      for (int64_t firstK = 0; firstK < shape[depthDim]; firstK += depth)
        for (int64_t row = 0; row < extent; ++row)
          for (int64_t k = 0; k < depth; ++k)
            if (placeByDescriptor(found, elementBytes, place(firstRow, firstK), row, k) !=
                place(firstRow + row, firstK + k))
              return false;
    return true;
  };
  // Fields are the places of the first element that each of them leads to; one that
  // leads to none is not read.
  auto atOr = [&](bool exists, int64_t row, int64_t k) { return exists ? place(row, k) : chunkBytes; };
  int64_t perChunk = chunkBytes / elementBytes;
  for (int64_t swizzle : {128, 64, 32, 0}) {
    found.swizzleBytes = swizzle;
    if (found.isDepthMajor) {
      found.strideBytes = atOr(extent > coreRows, coreRows, 0);
      found.leadingBytes = swizzle ? chunkBytes : atOr(true, 0, perChunk);
    } else if (swizzle) {
      found.strideBytes = atOr(true, 0, coreRows);
      found.leadingBytes = atOr(extent > swizzle / elementBytes, swizzle / elementBytes, 0);
    } else {
      found.strideBytes = atOr(extent > perChunk, perChunk, 0);
      found.leadingBytes = atOr(true, 0, coreRows);
    }
    if (found.strideBytes <= mostFieldBytes && found.leadingBytes <= mostFieldBytes && holds())
      return found;
  }
  return fail("expected one of the swizzles of 128, 64 or 32 bytes, or none");
}

} // namespace bessemer
