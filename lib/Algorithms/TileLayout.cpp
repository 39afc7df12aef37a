// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/TileLayout.h"

namespace bessemer {

std::optional<TileLayout> TileLayout::create(LinearLayout atom, std::vector<int64_t> repeats, std::string *error) {
  auto fail = [&](std::string what) {
    if (error)
      *error = std::move(what);
    return std::nullopt;
  };
  if (repeats.size() != atom.outputs().size())
    return fail("expected " + std::to_string(atom.outputs().size()) + " repeats, got " +
                std::to_string(repeats.size()));
  int64_t elements = 2; // so that twice the number fits
  repeats.push_back(atom.totalOutputSize());
  for (int64_t count : repeats)
    if (count < 1 || __builtin_mul_overflow(elements, count, &elements))
      return fail("expected repeats of at least 1 and a tile below 2^62 "
                  "elements, got a repeat of " +
                  std::to_string(count));
  repeats.pop_back();
  std::optional<LinearLayout> inverse = atom.pseudoInvert();
  if (!inverse)
    return fail("expected an atom that holds each of its elements");
  TileLayout tile;
  tile.linear = std::move(atom);
  tile.inverse = std::move(*inverse);
  tile.repeatCounts = std::move(repeats);
  return tile;
}

std::vector<int64_t> TileLayout::shape() const {
  std::vector<int64_t> shape;
  for (size_t i = 0; i < repeatCounts.size(); ++i)
    shape.push_back(linear.outputs()[i].size() * repeatCounts[i]);
  return shape;
}

int64_t TileLayout::numRepeats() const {
  int64_t product = 1;
  for (int64_t count : repeatCounts)
    product *= count;
  return product;
}

int64_t TileLayout::numElements() const { return linear.totalOutputSize() * numRepeats(); }

int64_t TileLayout::registers() const { return linear.inputSize("register") * numRepeats(); }

std::vector<int64_t> TileLayout::locate(int64_t reg, const LinearLayout::Coordinates &others) const {
  int64_t atomRegisters = linear.inputSize("register");
  LinearLayout::Coordinates inputs = others;
  inputs.push_back({"register", reg % atomRegisters});
  int64_t repeat = reg / atomRegisters;
  LinearLayout::Coordinates element = linear.apply(inputs);
  std::vector<int64_t> result(element.size());
  for (size_t i = element.size(); i-- > 0;) {
    result[i] = element[i].second + repeat % repeatCounts[i] * linear.outputs()[i].size();
    repeat /= repeatCounts[i];
  }
  return result;
}

TileLayout::Place TileLayout::find(std::span<const int64_t> coordinates) const {
  LinearLayout::Coordinates inAtom;
  int64_t repeat = 0;
  for (size_t i = 0; i < coordinates.size() && i < repeatCounts.size(); ++i) {
    const LinearLayout::Dim &dim = linear.outputs()[i];
    inAtom.push_back({dim.name, coordinates[i] % dim.size()});
    repeat = repeat * repeatCounts[i] + coordinates[i] / dim.size();
  }
  Place place;
  place.reg = repeat * linear.inputSize("register");
  for (auto &[name, value] : inverse.apply(inAtom)) {
    if (name == "register")
      place.reg += value;
    else
      place.others.push_back({name, value});
  }
  return place;
}

} // namespace bessemer
