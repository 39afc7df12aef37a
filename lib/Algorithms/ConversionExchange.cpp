// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Registers and shuffles; the algebra is at the top of LayoutConversion.h.
#include "lib/Algorithms/BitMatrix.h"
#include "lib/Algorithms/ConversionParts.h"

#include <algorithm>

namespace bessemer::conversion {

namespace {
/// Columns of registers, then lanes, made independent: a bit that holds copies
/// gets an output of its own, above the others.
struct Padded {
  std::vector<uint64_t> registers, lanes;
  /// Per register bit: it numbers copies, which are not there.
  std::vector<bool> made;

  explicit Padded(const Side &side) : registers(side.registers), lanes(side.lanes), made(registers.size()) {}

  /// The bits whose columns depend on earlier ones: registers are 0.., lanes 64...
  std::vector<unsigned> copies() const {
    std::vector<unsigned> result;
    Echelon echelon;
    for (size_t i = 0; i < registers.size(); ++i)
      if (!echelon.add(registers[i]))
        result.push_back(unsigned(i));
    for (size_t i = 0; i < lanes.size(); ++i)
      if (!echelon.add(lanes[i]))
        result.push_back(64 + unsigned(i));
    return result;
  }
  uint64_t &column(unsigned bit) { return bit < 64 ? registers[bit] : lanes[bit - 64]; }
};

/// Gives copies of one side and the other the same outputs; where one side has
/// fewer, registers are made up.
void pad(Padded &a, Padded &b, unsigned firstOutput) {
  std::vector<unsigned> ofA = a.copies(), ofB = b.copies();
  std::vector<unsigned> restA;
  unsigned next = firstOutput;
  for (unsigned bit : ofA) {
    auto same = std::find(ofB.begin(), ofB.end(), bit);
    if (bit < 64 || same == ofB.end()) {
      restA.push_back(bit);
      continue;
    }
    // The same lanes hold copies: they stay where they are.
    uint64_t own = uint64_t(1) << next++;
    a.column(bit) ^= own;
    b.column(bit) ^= own;
    ofB.erase(same);
  }
  for (size_t i = 0; i < std::max(restA.size(), ofB.size()); ++i) {
    uint64_t own = uint64_t(1) << next++;
    auto give = [&](Padded &side, const std::vector<unsigned> &bits) {
      if (i < bits.size()) {
        side.column(bits[i]) ^= own;
      } else {
        side.registers.push_back(own);
        side.made.push_back(true);
      }
    };
    give(a, restA);
    give(b, ofB);
  }
}

/// Pairs (lanes, registers) that sum up to the linear map of these columns.
std::vector<RegisterTrade> tradesOf(const std::vector<uint64_t> &columns) {
  std::vector<RegisterTrade> trades;
  Echelon echelon;
  std::vector<uint64_t> basis;
  for (uint64_t column : columns)
    if (echelon.add(column))
      basis.push_back(column);
  Echelon ofBasis(basis);
  for (uint64_t vector : basis)
    trades.push_back({0, vector});
  for (size_t lane = 0; lane < columns.size(); ++lane) {
    uint64_t sum = ofBasis.solve(columns[lane]).value_or(0);
    for (size_t i = 0; i < basis.size(); ++i)
      if (sum >> i & 1)
        trades[i].lanes |= uint32_t(1) << lane;
  }
  return trades;
}
} // namespace

std::optional<WarpExchange> planExchange(const Problem &problem) {
  if (problem.source.warps != problem.target.warps)
    return std::nullopt;
  Padded source(problem.source), target(problem.target);
  if (problem.outputBits + source.copies().size() + target.copies().size() > 62)
    return std::nullopt;
  pad(source, target, problem.outputBits);
  size_t lanes = source.lanes.size(), regs = source.registers.size();
  if (target.registers.size() != regs || regs > 20)
    return std::nullopt;

  // Source places (register bits, then lane bits) of the target's bits.
  std::vector<uint64_t> places(source.registers);
  places.insert(places.end(), source.lanes.begin(), source.lanes.end());
  Echelon echelon(places);
  std::vector<uint64_t> ofRegister, ofLane;
  for (auto [columns, result] : {std::pair(&target.registers, &ofRegister), std::pair(&target.lanes, &ofLane)})
    for (uint64_t column : *columns) {
      std::optional<uint64_t> place = echelon.solve(column);
      if (!place)
        return std::nullopt;
      result->push_back(*place);
    }

  // Register bits that go together with one of the other side, whatever the
  // lane: such neighbours share a word.
  std::vector<std::pair<size_t, size_t>> packed; // source bit, target bit
  for (unsigned width = problem.elementBits; width < 32; width *= 2) {
    bool found = false;
    for (size_t t = 0; t < regs && !found; ++t) {
      uint64_t bit = ofRegister[t];
      bool taken = target.made[t] || std::any_of(packed.begin(), packed.end(), [&](auto &p) { return p.second == t; });
      if (taken || !std::has_single_bit(bit) || size_t(std::countr_zero(bit)) >= regs ||
          source.made[std::countr_zero(bit)])
        continue;
      bool alone = true;
      for (size_t other = 0; other < regs; ++other)
        alone &= other == t || !(ofRegister[other] & bit);
      for (uint64_t place : ofLane)
        alone &= !(place & bit);
      if (alone) {
        packed.push_back({std::countr_zero(bit), t});
        found = true;
      }
    }
    if (!found)
      break;
  }
  // Without the packed bits, what is left in order.
  std::vector<size_t> sourceBits, targetBits;
  for (size_t bit = 0; bit < regs; ++bit) {
    if (std::none_of(packed.begin(), packed.end(), [&](auto &p) { return p.first == bit; }))
      sourceBits.push_back(bit);
    if (std::none_of(packed.begin(), packed.end(), [&](auto &p) { return p.second == bit; }))
      targetBits.push_back(bit);
  }
  size_t words = sourceBits.size();
  auto registerPart = [&](uint64_t place) {
    uint64_t part = 0;
    for (size_t i = 0; i < words; ++i)
      part |= (place >> sourceBits[i] & 1) << i;
    return part;
  };
  auto lanePart = [&](uint64_t place) { return place >> regs; };
  std::vector<uint64_t> Sr, Mr, Sl, Ml;
  for (size_t bit : targetBits) {
    Sr.push_back(registerPart(ofRegister[bit]));
    Mr.push_back(lanePart(ofRegister[bit]));
  }
  for (uint64_t place : ofLane) {
    Sl.push_back(registerPart(place));
    Ml.push_back(lanePart(place));
  }

  // Y = Ml + Mr Z is invertible.
  std::vector<uint64_t> Z(lanes), Y = Ml;
  uint64_t dependent = Echelon(Ml).dependentColumns();
  Echelon span;
  for (size_t lane = 0; lane < lanes; ++lane)
    if (!(dependent >> lane & 1))
      span.add(Ml[lane]);
  for (size_t lane = 0; lane < lanes; ++lane) {
    if (!(dependent >> lane & 1))
      continue;
    size_t bit = 0;
    while (bit < words && span.contains(Mr[bit]))
      ++bit;
    if (bit == words)
      return std::nullopt;
    span.add(Mr[bit]);
    Z[lane] = uint64_t(1) << bit;
    Y[lane] = Ml[lane] ^ Mr[bit];
  }
  // T = (Sl + Sr Z) / Y
  Echelon inverse(Y);
  std::vector<uint64_t> T(lanes);
  for (size_t lane = 0; lane < lanes; ++lane) {
    std::optional<uint64_t> from = inverse.solve(uint64_t(1) << lane);
    if (!from)
      return std::nullopt;
    for (size_t l = 0; l < lanes; ++l)
      if (*from >> l & 1)
        T[lane] ^= Sl[l] ^ sumOfColumns(Sr, Z[l]);
  }

  WarpExchange result;
  result.packed = int64_t(1) << packed.size();
  result.before = tradesOf(T);
  result.after = tradesOf(Z);
  for (uint64_t column : Y)
    result.laneColumns.push_back(uint32_t(column));
  bool stay = result.lanesStay();
  // Words that only copies need, and that nobody trades for.
  uint64_t unwanted = 0;
  for (size_t i = 0; i < words; ++i)
    if (target.made[targetBits[i]] &&
        std::none_of(result.after.begin(), result.after.end(),
                     [&](const RegisterTrade &trade) { return trade.registers >> i & 1; }))
      unwanted |= uint64_t(1) << i;
  for (uint64_t word = 0; word < uint64_t(1) << words; ++word) {
    WarpExchange::Round round;
    round.laneXor = uint32_t(sumOfColumns(Mr, word));
    round.word = int64_t(sumOfColumns(Sr, word) ^ sumOfColumns(T, round.laneXor));
    round.moves = (!stay || round.laneXor) && !(word & unwanted);
    result.rounds.push_back(round);
  }
  auto elements = [&](const std::vector<size_t> &wordBits, bool isSource, std::vector<int64_t> &list) {
    const std::vector<bool> &made = isSource ? source.made : target.made;
    for (uint64_t word = 0; word < uint64_t(1) << words; ++word)
      for (uint64_t e = 0; e < uint64_t(result.packed); ++e) {
        int64_t reg = 0;
        bool exists = true;
        auto set = [&](size_t bit) {
          if (!made[bit])
            reg |= int64_t(1) << bit;
          else if (!isSource)
            exists = false;
        };
        for (size_t i = 0; i < words; ++i)
          if (word >> i & 1)
            set(wordBits[i]);
        for (size_t i = 0; i < packed.size(); ++i)
          if (e >> i & 1)
            set(isSource ? packed[i].first : packed[i].second);
        list.push_back(exists ? reg : -1);
      }
  };
  elements(sourceBits, true, result.source);
  elements(targetBits, false, result.target);
  return result;
}

} // namespace bessemer::conversion
