// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plans are run on arrays and held against what the layouts say; passes over
// the banks are counted here, by the hardware's rules.

#include "bessemer/Algorithms/LayoutConversion.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <bit>
#include <map>
#include <set>

using namespace bessemer;

namespace {

int64_t pick(int64_t from, int64_t to) { return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(from, to)); }

struct Threads {
  int64_t lanes, warps;
};
Threads threadsOf(const TileLayout &a, const TileLayout &b) {
  return {std::max(a.atom().inputSize("lane"), b.atom().inputSize("lane")),
          std::max(a.atom().inputSize("warp"), b.atom().inputSize("warp"))};
}

/// The number of the element in a register of a thread.
int64_t elementAt(const TileLayout &layout, int64_t reg, int64_t lane, int64_t warp) {
  lane %= layout.atom().inputSize("lane"), warp %= layout.atom().inputSize("warp");
  std::vector<int64_t> at = layout.locate(reg, {{"lane", lane}, {"warp", warp}}), shape = layout.shape();
  int64_t number = 0;
  for (size_t d = 0; d < at.size(); ++d)
    number = number * shape[d] + at[d];
  return number;
}

/// registers[warp][lane][register]
using Registers = std::vector<std::vector<std::vector<int64_t>>>;
constexpr int64_t nothing = -1;

void trade(const std::vector<RegisterTrade> &trades, uint32_t lane, std::vector<std::vector<int64_t>> &words) {
  for (const RegisterTrade &t : trades)
    if (std::popcount(t.lanes & lane) % 2) {
      auto old = words;
      for (size_t w = 0; w < words.size(); ++w)
        words[w] = old[w ^ t.registers];
    }
}

void runExchange(const WarpExchange &plan, const ConversionPart &part, const Registers &from, Registers &to) {
  for (size_t warp = 0; warp < from.size(); ++warp) {
    size_t lanes = from[warp].size();
    std::vector<std::vector<std::vector<int64_t>>> words(lanes), got(lanes);
    for (size_t lane = 0; lane < lanes; ++lane) {
      for (size_t e = 0; e < plan.source.size(); ++e) {
        if (e % plan.packed == 0)
          words[lane].emplace_back();
        words[lane].back().push_back(from[warp][lane][part.source[plan.source[e]]]);
      }
      trade(plan.before, lane, words[lane]);
    }
    for (size_t lane = 0; lane < lanes; ++lane) {
      for (const WarpExchange::Round &round : plan.rounds) {
        uint32_t other = round.laneXor;
        for (size_t bit = 0; bit < plan.laneColumns.size(); ++bit)
          other ^= lane >> bit & 1 ? plan.laneColumns[bit] : 0;
        got[lane].push_back(words[round.moves ? other : lane][round.word]);
      }
      trade(plan.after, lane, got[lane]);
      for (size_t e = 0; e < plan.target.size(); ++e)
        if (plan.target[e] >= 0)
          to[warp][lane][part.target[plan.target[e]]] = got[lane][e / plan.packed][e % plan.packed];
    }
  }
}

int64_t addressOf(const SharedSide &side, const SharedAccess &access, int64_t lane, int64_t warp) {
  int64_t address = access.offset;
  for (size_t bit = 0; bit < side.laneColumns.size(); ++bit)
    address ^= lane >> bit & 1 ? side.laneColumns[bit] : 0;
  for (size_t bit = 0; bit < side.warpColumns.size(); ++bit)
    address ^= warp >> bit & 1 ? side.warpColumns[bit] : 0;
  return address;
}

/// Passes over the banks beyond one for each 128 bytes' worth of lanes.
int64_t conflictsOf(const SharedExchange &plan, const SharedSide &side, int64_t lanes, int64_t warps, int64_t bytes) {
  int64_t width = plan.vector * bytes, lanesOfPass = std::min<int64_t>(32, 128 / width), conflicts = 0;
  for (int64_t warp = 0; warp < warps; ++warp)
    for (const SharedAccess &access : side.accesses)
      for (int64_t first = 0; first < lanes; first += lanesOfPass) {
        std::map<int64_t, std::set<int64_t>> banks;
        for (int64_t lane = first; lane < std::min(lanes, first + lanesOfPass); ++lane)
          if (!(lane & side.lanesOff))
            for (int64_t byte = 0; byte < width; byte += std::min<int64_t>(4, width)) {
              int64_t word = (addressOf(side, access, lane, warp) * bytes + byte) / 4;
              banks[word % 32].insert(word);
            }
        size_t most = 1;
        for (auto &[bank, words] : banks)
          most = std::max(most, words.size());
        conflicts += int64_t(most) - 1;
      }
  return conflicts;
}

void runShared(const SharedExchange &plan, const ConversionPart &part, const Registers &from, Registers &to) {
  // With `perWarp` warps may not read what others wrote.
  std::vector<std::pair<int64_t, size_t>> memory(plan.elements, {nothing, 0});
  for (size_t warp = 0; warp < from.size(); ++warp)
    for (size_t lane = 0; lane < from[warp].size(); ++lane)
      if (!(warp & plan.stores.warpsOff) && !(lane & plan.stores.lanesOff))
        for (const SharedAccess &access : plan.stores.accesses) {
          int64_t address = addressOf(plan.stores, access, lane, warp);
          RC_ASSERT(int64_t(access.registers.size()) == plan.vector);
          RC_ASSERT(address % plan.vector == 0);
          for (int64_t e = 0; e < plan.vector; ++e) {
            RC_ASSERT(memory[address + e].first == nothing); // written once
            memory[address + e] = {from[warp][lane][part.source[access.registers[e][0]]], warp};
          }
        }
  for (size_t warp = 0; warp < to.size(); ++warp)
    for (size_t lane = 0; lane < to[warp].size(); ++lane)
      for (const SharedAccess &access : plan.loads.accesses) {
        int64_t address = addressOf(plan.loads, access, lane, warp);
        RC_ASSERT(int64_t(access.registers.size()) == plan.vector);
        RC_ASSERT(address % plan.vector == 0);
        for (int64_t e = 0; e < plan.vector; ++e)
          for (int64_t reg : access.registers[e]) {
            RC_ASSERT(!plan.perWarp || memory[address + e].second == warp);
            to[warp][lane][part.target[reg]] = memory[address + e].first;
          }
      }
}

void checkPlan(const LayoutConversion &plan, const TileLayout &from, const TileLayout &to, unsigned bits) {
  Threads threads = threadsOf(from, to);
  Registers before(threads.warps, std::vector<std::vector<int64_t>>(threads.lanes)), after = before;
  for (int64_t warp = 0; warp < threads.warps; ++warp)
    for (int64_t lane = 0; lane < threads.lanes; ++lane) {
      for (int64_t reg = 0; reg < from.registers(); ++reg)
        before[warp][lane].push_back(elementAt(from, reg, lane, warp));
      after[warp][lane].assign(to.registers(), nothing);
    }
  RC_ASSERT(plan.targetRegisters == to.registers());
  for (const ConversionPart &part : plan.parts) {
    if (plan.kind == LayoutConversion::Kind::Shared)
      runShared(plan.shared, part, before, after);
    else
      runExchange(plan.exchange, part, before, after);
  }
  for (int64_t warp = 0; warp < threads.warps; ++warp)
    for (int64_t lane = 0; lane < threads.lanes; ++lane)
      for (int64_t reg = 0; reg < to.registers(); ++reg)
        RC_ASSERT(after[warp][lane][reg] == elementAt(to, reg, lane, warp));
  if (plan.kind == LayoutConversion::Kind::Shared) {
    RC_ASSERT(conflictsOf(plan.shared, plan.shared.stores, threads.lanes, threads.warps, bits / 8) == 0);
    RC_ASSERT(conflictsOf(plan.shared, plan.shared.loads, threads.lanes, threads.warps, bits / 8) == 0);
  }
}

using Basis = std::vector<int64_t>;

/// The bits of a tile in random order, some twice, dealt to registers, lanes
/// and warps; with `mixed`, sums of them.
TileLayout randomLayout(int64_t rowBits, int64_t colBits, std::vector<int64_t> odd, int64_t lanes, int64_t warps,
                        bool mixed) {
  // The atom may be smaller than the tile: repeats take the rest.
  int64_t atomRows = pick(0, rowBits + 1), atomCols = pick(0, colBits + 1);
  std::vector<Basis> bases;
  for (int64_t bit = 0; bit < atomRows; ++bit)
    bases.push_back({int64_t(1) << bit, 0});
  for (int64_t bit = 0; bit < atomCols; ++bit)
    bases.push_back({0, int64_t(1) << bit});
  if (mixed)
    for (int step = 0; step < 4 && bases.size() > 1; ++step) {
      size_t a = size_t(pick(0, int64_t(bases.size()))), b = size_t(pick(0, int64_t(bases.size())));
      if (a != b)
        for (int d = 0; d < 2; ++d)
          bases[a][d] ^= bases[b][d];
    }
  for (int64_t copies = pick(0, 3); copies > 0; --copies)
    bases.push_back(mixed ? Basis{pick(0, int64_t(1) << atomRows), pick(0, int64_t(1) << atomCols)} : Basis{0, 0});
  while (int64_t(bases.size()) < lanes + warps)
    bases.push_back({0, 0});
  for (size_t i = bases.size(); i > 1; --i)
    std::swap(bases[i - 1], bases[size_t(pick(0, int64_t(i)))]);
  std::vector<LinearLayout::InputBases> inputs{{"register", {}}, {"lane", {}}, {"warp", {}}};
  inputs[1].bases.assign(bases.begin(), bases.begin() + lanes);
  inputs[2].bases.assign(bases.begin() + lanes, bases.begin() + lanes + warps);
  inputs[0].bases.assign(bases.begin() + lanes + warps, bases.end());
  std::pair<std::string, int64_t> outputs[] = {{"row", int64_t(1) << atomRows}, {"col", int64_t(1) << atomCols}};
  return *TileLayout::create(*LinearLayout::fromBases(inputs, outputs),
                             {odd[0] << (rowBits - atomRows), odd[1] << (colBits - atomCols)});
}

struct Pair {
  TileLayout from, to;
  unsigned bits;
};
Pair randomPair(bool sameWarps) {
  int64_t rows = pick(0, 6), cols = pick(0, 6), lanes = pick(0, 6), warps = sameWarps ? 0 : pick(0, 3);
  std::vector<int64_t> odd{pick(0, 4) ? 1 : 3, pick(0, 4) ? 1 : 5};
  bool mixed = pick(0, 2);
  TileLayout from = randomLayout(rows, cols, odd, lanes, warps, mixed),
             to = randomLayout(rows, cols, odd, lanes, warps, mixed);
  return {from, to, unsigned(8 << pick(0, 4))};
}

} // namespace

TEST(LayoutConversion, WorkedExample) {
  TileLayout rows =
      *TileLayout::parse("{register = [[0, 1], [0, 2]], lane = [[1, 0], [2, 0], [4, 0]]} -> {row = 8, col = 4}");
  TileLayout columns =
      *TileLayout::parse("{register = [[1, 0], [2, 0]], lane = [[0, 1], [0, 2], [4, 0]]} -> {row = 8, col = 4}");
  std::optional<LayoutConversion> plan = planConversion(rows, columns, 32);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->kind, LayoutConversion::Kind::Shuffles);
  EXPECT_EQ(plan->exchange.before, (std::vector<RegisterTrade>{{1, 1}, {2, 2}}));
  EXPECT_EQ(plan->exchange.rounds[1].laneXor, 1u);
  EXPECT_EQ(plan->reason, "3 shuffles and 16 selects: 11 cycles; through shared memory, 4 bytes an access: 48 cycles");
}

// Of P in attention: two accumulators of mma.sync are an operand, as they are.
TEST(LayoutConversion, AccumulatorsAreAnOperandAlready) {
  TileLayout accumulators = *TileLayout::create(mmaAccumulatorLayout().atom(), {2, 4});
  TileLayout operand = *TileLayout::create(mmaOperandALayout().atom(), {2, 2});
  std::optional<LayoutConversion> plan = planConversion(accumulators, operand, 16);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->kind, LayoutConversion::Kind::Registers);
  EXPECT_EQ(plan->reason, "registers renamed");
}

// The epilogue of a product: 16 x 64 of a warp to rows in 16-byte accesses.
TEST(LayoutConversion, AccumulatorsToRows) {
  int64_t shape[] = {64, 128}, perThread[] = {1, 8}, lanes[] = {4, 8}, warps[] = {2, 2};
  unsigned order[] = {1, 0};
  std::optional<TileLayout> rows = blockedLayout(shape, perThread, lanes, warps, order);
  ASSERT_TRUE(rows);
  std::vector<LinearLayout::InputBases> inputs{
      {"register", {{0, 1}, {8, 0}}}, {"lane", {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}}}, {"warp", {{16, 0}, {0, 8}}}};
  std::pair<std::string, int64_t> outputs[] = {{"row", 32}, {"col", 16}};
  std::optional<TileLayout> sums = TileLayout::create(*LinearLayout::fromBases(inputs, outputs), {2, 8});
  for (unsigned bits : {16, 32}) {
    std::optional<LayoutConversion> plan = planConversion(*sums, *rows, bits);
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->kind, LayoutConversion::Kind::Shared);
    EXPECT_EQ(plan->shared.vector, 128 / bits); // neighbours along both dimensions
    EXPECT_FALSE(plan->shared.perWarp);
    EXPECT_EQ(conflictsOf(plan->shared, plan->shared.stores, 32, 4, bits / 8), 0);
    EXPECT_EQ(conflictsOf(plan->shared, plan->shared.loads, 32, 4, bits / 8), 0);
  }
}

TEST(LayoutConversion, Refusals) {
  std::string error;
  TileLayout a = *TileLayout::parse("{lane = [[1]]} -> {x = 2}"),
             b = *TileLayout::parse("{lane = [[1], [2]]} -> {x = 4}");
  EXPECT_FALSE(planConversion(a, b, 32, {}, &error));
  EXPECT_EQ(error, "expected layouts of one shape, got 2 and 4");
  EXPECT_FALSE(planConversion(a, a, 4, {}, &error));
  EXPECT_EQ(error, "expected elements of 8, 16, 32 or 64 bits, got 4");
  TileLayout blocks = *TileLayout::parse("{register = [[1]], block = [[2]]} -> {x = 4}"),
             other = *TileLayout::parse("{register = [[2]], block = [[1]]} -> {x = 4}");
  EXPECT_FALSE(planConversion(blocks, other, 32, {}, &error));
  EXPECT_EQ(error, "expected the same elements in each block on both sides");
  EXPECT_FALSE(planConversion(*TileLayout::parse("{offset = [[1]]} -> {x = 2}"), a, 32, {}, &error));
  EXPECT_EQ(error, "expected register, lane, warp or block, got 'offset'");
}

TEST(LayoutConversion, BlocksKeepTheirElements) {
  TileLayout from = *TileLayout::parse("{register = [[1], [2]], lane = [[8]], block = [[4]]} -> {x = 16}");
  TileLayout to = *TileLayout::parse("{register = [[2], [8]], lane = [[1]], block = [[4]]} -> {x = 16}");
  std::optional<LayoutConversion> plan = planSharedConversion(from, to, 32);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->shared.elements, 8); // half of the tile
}

TEST(LayoutConversionProperty, EachElementArrivesWithoutBankConflicts) {
  EXPECT_TRUE(rc::check([] {
    Pair pair = randomPair(false);
    std::string error;
    std::optional<LayoutConversion> plan = planConversion(pair.from, pair.to, pair.bits, {}, &error);
    RC_ASSERT(error == "");
    RC_ASSERT(plan.has_value());
    RC_TAG(plan->kind == LayoutConversion::Kind::Shared     ? "shared"
           : plan->kind == LayoutConversion::Kind::Shuffles ? "shuffles"
                                                            : "registers");
    checkPlan(*plan, pair.from, pair.to, pair.bits);
  }));
}

TEST(LayoutConversionProperty, ThroughSharedMemory) {
  EXPECT_TRUE(rc::check([] {
    Pair pair = randomPair(false);
    std::optional<LayoutConversion> plan = planSharedConversion(pair.from, pair.to, pair.bits);
    RC_ASSERT(plan.has_value());
    RC_ASSERT(plan->kind == LayoutConversion::Kind::Shared);
    checkPlan(*plan, pair.from, pair.to, pair.bits);
  }));
}

TEST(LayoutConversionProperty, WithinAWarpShufflesAlwaysDo) {
  EXPECT_TRUE(rc::check([] {
    Pair pair = randomPair(true);
    ConversionCosts costs;
    costs.sharedLatency = costs.perWarpLatency = 1e9;
    std::optional<LayoutConversion> plan = planConversion(pair.from, pair.to, pair.bits, costs);
    RC_ASSERT(plan.has_value());
    RC_ASSERT(plan->kind != LayoutConversion::Kind::Shared);
    checkPlan(*plan, pair.from, pair.to, pair.bits);
  }));
}

TEST(LayoutConversionProperty, TheSameLayoutCostsNothing) {
  EXPECT_TRUE(rc::check([] {
    Pair pair = randomPair(false);
    std::optional<LayoutConversion> plan = planConversion(pair.from, pair.from, pair.bits);
    RC_ASSERT(plan.has_value());
    RC_ASSERT(plan->kind == LayoutConversion::Kind::Registers);
    checkPlan(*plan, pair.from, pair.from, pair.bits);
  }));
}
