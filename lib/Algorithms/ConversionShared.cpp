// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The layout in shared memory; the algebra is at the top of LayoutConversion.h.
#include "lib/Algorithms/BitMatrix.h"
#include "lib/Algorithms/ConversionParts.h"

#include <algorithm>
#include <map>

namespace bessemer::conversion {

namespace {
constexpr unsigned bankBytes = 4, passBytes = 128, accessBytes = 16;

/// Vectors modulo the span of some: a representative of each class.
class Quotient {
public:
  /// Adds to what is divided out.
  void divide(uint64_t vector) {
    vector = reduce(vector);
    if (!vector)
      return;
    for (uint64_t &other : basis)
      if (other & std::bit_floor(vector))
        other ^= vector;
    basis.push_back(vector);
  }
  uint64_t reduce(uint64_t vector) const {
    for (uint64_t b : basis)
      if (vector & std::bit_floor(b))
        vector ^= b;
    return vector;
  }

private:
  std::vector<uint64_t> basis;
};

/// Adds candidates to `basis` that it does not span, modulo `quotient`, until
/// it has `size`.
void extend(std::vector<uint64_t> &basis, size_t size, const std::vector<uint64_t> &candidates,
            const Quotient &quotient) {
  Echelon echelon(basis);
  for (uint64_t candidate : candidates) {
    if (basis.size() >= size)
      return;
    uint64_t vector = quotient.reduce(candidate);
    if (vector && echelon.add(vector))
      basis.push_back(vector);
  }
}

/// The columns of `side`'s registers and lanes as a basis of addresses, each
/// once: (redundant bits, columns).
uint32_t redundant(const std::vector<uint64_t> &columns, Echelon &echelon) {
  uint32_t bits = 0;
  for (size_t i = 0; i < columns.size(); ++i)
    if (!echelon.add(columns[i]))
      bits |= uint32_t(1) << i;
  return bits;
}
} // namespace

/// With accesses of 2^vectorBits elements; null when lanes would have the
/// elements of an access in different orders.
static std::optional<SharedExchange> planVectors(const Problem &problem, const std::vector<uint64_t> &common,
                                                 size_t vectorBits) {
  const Side &source = problem.source, &target = problem.target;
  unsigned outputs = problem.outputBits, elementBytes = problem.elementBits / 8;
  std::vector<uint64_t> units;
  for (unsigned bit = 0; bit < outputs; ++bit)
    units.push_back(uint64_t(1) << bit);

  std::vector<uint64_t> memory(common.begin(), common.begin() + vectorBits);
  Quotient low;
  for (uint64_t bit : memory)
    low.divide(bit);
  // Below a bank's four bytes: lanes of the target that read one word together.
  auto lowBits = [&](const std::vector<uint64_t> &candidates) {
    for (uint64_t candidate : candidates)
      if (elementBytes << memory.size() < bankBytes && low.reduce(candidate)) {
        memory.push_back(candidate);
        low.divide(candidate);
      }
  };
  lowBits(target.lanes);
  lowBits(units);

  // Lanes of a pass, and the bits that choose its banks.
  size_t bankBits = 0;
  while (elementBytes << (memory.size() + bankBits) < passBytes && memory.size() + bankBits < outputs)
    ++bankBits;
  std::vector<uint64_t> a, b;
  extend(a, bankBits, source.lanes, low);
  extend(b, bankBits, target.lanes, low);
  extend(a, bankBits, b, low);
  extend(b, bankBits, a, low);
  extend(a, bankBits, units, low);
  extend(b, bankBits, a, low);
  extend(b, bankBits, units, low);
  memory.insert(memory.end(), a.begin(), a.end());

  // Above them: a common complement of a and b.
  std::vector<uint64_t> both = commonSpan(a, b), onlyA = both, onlyB = both;
  extend(onlyA, bankBits, a, low);
  extend(onlyB, bankBits, b, low);
  std::vector<uint64_t> reached(a);
  extend(reached, outputs, b, low);
  for (size_t i = both.size(); i < bankBits; ++i)
    memory.push_back(onlyA[i] ^ onlyB[i]);
  size_t have = reached.size();
  extend(reached, outputs, units, low);
  memory.insert(memory.end(), reached.begin() + have, reached.end());

  // Addresses of the two sides.
  Echelon address(memory);
  auto addressOf = [&](uint64_t element) { return int64_t(address.solve(element).value_or(0)); };
  auto sideOf = [&](const Side &side, bool stores) {
    SharedSide result;
    for (uint64_t column : side.lanes)
      result.laneColumns.push_back(addressOf(column));
    for (uint64_t column : side.warps)
      result.warpColumns.push_back(addressOf(column));
    Echelon echelon;
    uint32_t registersOff = redundant(side.registers, echelon);
    if (stores) {
      result.lanesOff = redundant(side.lanes, echelon);
      result.warpsOff = redundant(side.warps, echelon);
    }
    std::map<int64_t, std::vector<int64_t>> places;
    for (int64_t reg = 0; reg < int64_t(1) << side.registers.size(); ++reg)
      if (!stores || !(reg & registersOff))
        places[addressOf(sumOfColumns(side.registers, uint64_t(reg)))].push_back(reg);
    int64_t vector = int64_t(1) << vectorBits;
    for (auto &[place, registers] : places) {
      if (place % vector == 0)
        result.accesses.push_back({place, {}});
      result.accesses.back().registers.push_back(registers);
    }
    return result;
  };
  SharedExchange result;
  result.vector = int64_t(1) << vectorBits;
  result.elements = int64_t(1) << outputs;
  result.stores = sideOf(source, true);
  result.loads = sideOf(target, false);
  for (const SharedSide *side : {&result.stores, &result.loads})
    for (auto *columns : {&side->laneColumns, &side->warpColumns})
      for (int64_t column : *columns)
        if (column % result.vector)
          return std::nullopt;
  return result;
}

SharedExchange planShared(const Problem &problem, bool perWarp) {
  // One access: what lies in registers on both sides. Of the choices, bits that
  // lie lowest in the source's registers.
  std::vector<uint64_t> common = commonSpan(problem.target.registers, problem.source.registers);
  size_t vectorBits = 0;
  while (vectorBits < common.size() && problem.elementBits / 8 << (vectorBits + 1) <= accessBytes)
    ++vectorBits;
  std::optional<SharedExchange> result;
  while (!(result = planVectors(problem, common, vectorBits)))
    --vectorBits; // single elements have one order
  result->perWarp = perWarp && !result->stores.warpsOff;
  return *result;
}

} // namespace bessemer::conversion
