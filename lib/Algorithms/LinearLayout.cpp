// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/LinearLayout.h"

#include "lib/Algorithms/BitMatrix.h"

#include <algorithm>
#include <bit>

namespace bessemer {

namespace {

using Dim = LinearLayout::Dim;

bool isPowerOfTwo(int64_t value) { return value > 0 && std::has_single_bit(static_cast<uint64_t>(value)); }

unsigned bitsOf(int64_t size) { return static_cast<unsigned>(std::countr_zero(static_cast<uint64_t>(size))); }

unsigned totalBits(std::span<const Dim> dims) {
  unsigned sum = 0;
  for (const Dim &dim : dims)
    sum += dim.bits;
  return sum;
}

/// Position of a dimension and of its first bit.
struct Place {
  size_t index;
  unsigned firstBit;
};
std::optional<Place> find(std::span<const Dim> dims, std::string_view name) {
  unsigned bit = 0;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i].name == name)
      return Place{i, bit};
    bit += dims[i].bits;
  }
  return std::nullopt;
}

uint64_t lowMask(unsigned bits) { return (uint64_t(1) << bits) - 1; }

/// A map of bits from one list of dimensions into another that has (some of)
/// the same names: bit i of the old index is bit map[i] of the new one.
std::vector<std::optional<unsigned>> bitMap(std::span<const Dim> from, std::span<const Dim> to) {
  std::vector<std::optional<unsigned>> map;
  for (const Dim &dim : from) {
    std::optional<Place> place = find(to, dim.name);
    for (unsigned bit = 0; bit < dim.bits; ++bit) {
      if (place && bit < to[place->index].bits)
        map.push_back(place->firstBit + bit);
      else
        map.push_back(std::nullopt);
    }
  }
  return map;
}

uint64_t mapBits(uint64_t value, std::span<const std::optional<unsigned>> map) {
  uint64_t result = 0;
  for (size_t bit = 0; bit < map.size(); ++bit)
    if (map[bit] && (value >> bit & 1))
      result |= uint64_t(1) << *map[bit];
  return result;
}

} // namespace

unsigned LinearLayout::inputBits() const { return totalBits(ins); }
unsigned LinearLayout::outputBits() const { return totalBits(outs); }

LinearLayout LinearLayout::identity1D(int64_t size, std::string_view in, std::string_view out) {
  LinearLayout layout;
  unsigned bits = bitsOf(size);
  layout.ins.push_back({std::string(in), bits});
  layout.outs.push_back({std::string(out), bits});
  for (unsigned bit = 0; bit < bits; ++bit)
    layout.columns.push_back(uint64_t(1) << bit);
  return layout;
}

LinearLayout LinearLayout::zeros1D(int64_t size, std::string_view in, std::string_view out, int64_t outSize) {
  LinearLayout layout;
  layout.ins.push_back({std::string(in), bitsOf(size)});
  layout.outs.push_back({std::string(out), bitsOf(outSize)});
  layout.columns.assign(bitsOf(size), 0);
  return layout;
}

std::optional<LinearLayout> LinearLayout::fromBases(std::span<const InputBases> inputs,
                                                    std::span<const std::pair<std::string, int64_t>> outputs,
                                                    std::string *error) {
  auto fail = [&](std::string what) {
    if (error)
      *error = std::move(what);
    return std::nullopt;
  };
  LinearLayout layout;
  for (const auto &[name, size] : outputs) {
    if (!isPowerOfTwo(size))
      return fail("expected a power of two as the size of '" + name + "', got " + std::to_string(size));
    if (layout.hasOutput(name))
      return fail("expected each output once, got '" + name + "' twice");
    layout.outs.push_back({name, bitsOf(size)});
  }
  size_t bits = 0;
  for (const InputBases &input : inputs) {
    if (layout.hasInput(input.name))
      return fail("expected each input once, got '" + input.name + "' twice");
    bits += input.bases.size();
    if (bits > maxBits || layout.outputBits() > maxBits)
      return fail("expected at most 62 bits on each side");
    layout.ins.push_back({input.name, static_cast<unsigned>(input.bases.size())});
    for (const std::vector<int64_t> &basis : input.bases) {
      if (basis.size() != outputs.size())
        return fail("expected " + std::to_string(outputs.size()) + " coordinates in a basis of '" + input.name +
                    "', got " + std::to_string(basis.size()));
      uint64_t column = 0;
      unsigned shift = 0;
      for (size_t i = 0; i < basis.size(); ++i) {
        if (basis[i] < 0 || basis[i] >= outputs[i].second)
          return fail("expected coordinates of '" + outputs[i].first + "' below " + std::to_string(outputs[i].second) +
                      ", got " + std::to_string(basis[i]));
        column |= static_cast<uint64_t>(basis[i]) << shift;
        shift += layout.outs[i].bits;
      }
      layout.columns.push_back(column);
    }
  }
  if (layout.outputBits() > maxBits)
    return fail("expected at most 62 bits on each side");
  return layout;
}

bool LinearLayout::hasInput(std::string_view name) const { return find(ins, name).has_value(); }
bool LinearLayout::hasOutput(std::string_view name) const { return find(outs, name).has_value(); }
int64_t LinearLayout::inputSize(std::string_view name) const {
  std::optional<Place> place = find(ins, name);
  return place ? ins[place->index].size() : 1;
}
int64_t LinearLayout::outputSize(std::string_view name) const {
  std::optional<Place> place = find(outs, name);
  return place ? outs[place->index].size() : 1;
}

int64_t LinearLayout::basis(std::string_view in, unsigned bit, std::string_view out) const {
  std::optional<Place> from = find(ins, in), to = find(outs, out);
  if (!from || !to || bit >= ins[from->index].bits)
    return 0;
  return static_cast<int64_t>(columns[from->firstBit + bit] >> to->firstBit & lowMask(outs[to->index].bits));
}

uint64_t LinearLayout::applyFlat(uint64_t input) const {
  uint64_t result = 0;
  for (size_t bit = 0; bit < columns.size(); ++bit)
    if (input >> bit & 1)
      result ^= columns[bit];
  return result;
}

LinearLayout::Coordinates LinearLayout::apply(const Coordinates &inputValues) const {
  uint64_t input = 0;
  for (const auto &[name, value] : inputValues)
    if (std::optional<Place> place = find(ins, name))
      input |= (static_cast<uint64_t>(value) & lowMask(ins[place->index].bits)) << place->firstBit;
  uint64_t output = applyFlat(input);
  Coordinates result;
  for (const Dim &dim : outs) {
    result.push_back({dim.name, int64_t(output & lowMask(dim.bits))});
    output >>= dim.bits;
  }
  return result;
}

LinearLayout LinearLayout::operator*(const LinearLayout &right) const {
  LinearLayout result;
  auto merge = [](std::vector<Dim> left, std::span<const Dim> right) {
    for (const Dim &dim : right) {
      if (std::optional<Place> place = find(left, dim.name))
        left[place->index].bits += dim.bits;
      else
        left.push_back(dim);
    }
    return left;
  };
  result.ins = merge(ins, right.ins);
  result.outs = merge(outs, right.outs);
  if (result.inputBits() > maxBits || result.outputBits() > maxBits)
    return {};

  // Output bits of each factor in the result: the right one's come after.
  std::vector<std::optional<unsigned>> fromLeft = bitMap(outs, result.outs);
  std::vector<std::optional<unsigned>> fromRight;
  for (const Dim &dim : right.outs) {
    std::optional<Place> own = find(outs, dim.name), merged = find(result.outs, dim.name);
    unsigned skip = own ? outs[own->index].bits : 0;
    for (unsigned bit = 0; bit < dim.bits; ++bit)
      fromRight.push_back(merged->firstBit + skip + bit);
  }
  for (const Dim &dim : result.ins) {
    if (std::optional<Place> place = find(ins, dim.name))
      for (unsigned bit = 0; bit < ins[place->index].bits; ++bit)
        result.columns.push_back(mapBits(columns[place->firstBit + bit], fromLeft));
    if (std::optional<Place> place = find(right.ins, dim.name))
      for (unsigned bit = 0; bit < right.ins[place->index].bits; ++bit)
        result.columns.push_back(mapBits(right.columns[place->firstBit + bit], fromRight));
  }
  return result;
}

std::optional<LinearLayout> LinearLayout::compose(const LinearLayout &outer) const {
  for (const Dim &dim : outs) {
    std::optional<Place> place = find(outer.ins, dim.name);
    if (!place || outer.ins[place->index].bits < dim.bits)
      return std::nullopt;
  }
  LinearLayout result;
  result.ins = ins;
  result.outs = outer.outs;
  std::vector<std::optional<unsigned>> map = bitMap(outs, outer.ins);
  for (uint64_t column : columns)
    result.columns.push_back(outer.applyFlat(mapBits(column, map)));
  return result;
}

unsigned LinearLayout::rank() const { return static_cast<unsigned>(Echelon(columns).rank()); }

std::optional<LinearLayout> LinearLayout::invert() const { return isInvertible() ? pseudoInvert() : std::nullopt; }

std::optional<LinearLayout> LinearLayout::pseudoInvert() const {
  LinearLayout result;
  result.ins = outs;
  result.outs = ins;
  Echelon echelon(columns);
  for (unsigned bit = 0; bit < outputBits(); ++bit) {
    std::optional<uint64_t> place = echelon.solve(uint64_t(1) << bit);
    if (!place)
      return std::nullopt;
    result.columns.push_back(*place);
  }
  return result;
}

std::optional<LinearLayout> LinearLayout::convertTo(const LinearLayout &target) const {
  if (outs.size() != target.outs.size())
    return std::nullopt;
  std::optional<LinearLayout> back = target.pseudoInvert();
  return back ? compose(*back) : std::nullopt;
}

std::optional<LinearLayout> LinearLayout::divideLeft(const LinearLayout &left) const {
  LinearLayout quotient;
  auto subtract = [](std::span<const Dim> whole, std::span<const Dim> part, std::vector<Dim> &rest) {
    for (const Dim &dim : part)
      if (!find(whole, dim.name))
        return false;
    for (const Dim &dim : whole) {
      std::optional<Place> place = find(part, dim.name);
      unsigned taken = place ? part[place->index].bits : 0;
      if (taken > dim.bits)
        return false;
      rest.push_back({dim.name, dim.bits - taken});
    }
    return true;
  };
  if (!subtract(ins, left.ins, quotient.ins) || !subtract(outs, left.outs, quotient.outs))
    return std::nullopt;
  // Output bits of this layout as those of the quotient.
  std::vector<std::optional<unsigned>> map;
  unsigned next = 0;
  for (size_t i = 0; i < outs.size(); ++i) {
    unsigned taken = outs[i].bits - quotient.outs[i].bits;
    for (unsigned bit = 0; bit < outs[i].bits; ++bit)
      map.push_back(bit < taken ? std::nullopt : std::optional<unsigned>(next++));
  }
  unsigned bit = 0;
  for (size_t i = 0; i < ins.size(); ++i) {
    unsigned taken = ins[i].bits - quotient.ins[i].bits;
    for (unsigned k = 0; k < ins[i].bits; ++k, ++bit)
      if (k >= taken)
        quotient.columns.push_back(mapBits(columns[bit], map));
  }
  LinearLayout product = left * quotient;
  std::vector<std::string> inNames, outNames;
  for (const Dim &dim : ins)
    inNames.push_back(dim.name);
  for (const Dim &dim : outs)
    outNames.push_back(dim.name);
  std::optional<LinearLayout> ordered = product.reorder(inNames, outNames);
  if (!ordered || !(*ordered == *this))
    return std::nullopt;
  return quotient;
}

LinearLayout LinearLayout::sublayout(std::span<const std::string> inNames,
                                     std::span<const std::string> outNames) const {
  LinearLayout result;
  auto contains = [](std::span<const std::string> names, const std::string &name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const Dim &dim : outs)
    if (contains(outNames, dim.name))
      result.outs.push_back(dim);
  std::vector<std::optional<unsigned>> map = bitMap(outs, result.outs);
  unsigned bit = 0;
  for (const Dim &dim : ins) {
    if (contains(inNames, dim.name)) {
      result.ins.push_back(dim);
      for (unsigned k = 0; k < dim.bits; ++k)
        result.columns.push_back(mapBits(columns[bit + k], map));
    }
    bit += dim.bits;
  }
  return result;
}

uint64_t LinearLayout::redundantBits(std::string_view name) const {
  std::optional<Place> place = find(ins, name);
  if (!place)
    return 0;
  return Echelon(columns).dependentColumns() >> place->firstBit & lowMask(ins[place->index].bits);
}

std::optional<LinearLayout> LinearLayout::reorder(std::span<const std::string> inNames,
                                                  std::span<const std::string> outNames) const {
  LinearLayout result;
  auto permute = [](std::span<const Dim> dims, std::span<const std::string> names, std::vector<Dim> &permuted) {
    for (const std::string &name : names) {
      std::optional<Place> place = find(dims, name);
      if (!place || find(permuted, name))
        return false;
      permuted.push_back(dims[place->index]);
    }
    return permuted.size() == dims.size();
  };
  if (!permute(ins, inNames, result.ins) || !permute(outs, outNames, result.outs))
    return std::nullopt;
  std::vector<std::optional<unsigned>> map = bitMap(outs, result.outs);
  for (const Dim &dim : result.ins)
    for (unsigned bit = 0; bit < dim.bits; ++bit)
      result.columns.push_back(mapBits(columns[find(ins, dim.name)->firstBit + bit], map));
  return result;
}

LinearLayout LinearLayout::renameInput(std::string_view from, std::string_view to) const {
  LinearLayout result = *this;
  if (!hasInput(to))
    if (std::optional<Place> place = find(ins, from))
      result.ins[place->index].name = to;
  return result;
}

LinearLayout LinearLayout::renameOutput(std::string_view from, std::string_view to) const {
  LinearLayout result = *this;
  if (!hasOutput(to))
    if (std::optional<Place> place = find(outs, from))
      result.outs[place->index].name = to;
  return result;
}

} // namespace bessemer
