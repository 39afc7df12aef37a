// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/RepeatFinder.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <random>

using namespace bessemer;

namespace {

using Ops = std::vector<RepeatOp>;

/// A transformer layer on the value `input`; returns where its output is made.
/// 14 ops, one value crosses its edge. `mask` is read by each layer.
int32_t addLayer(Ops &ops, int32_t input, int32_t mask, uint64_t kind) {
  int32_t base = int32_t(ops.size());
  auto add = [&](uint64_t hash, std::vector<int32_t> producers) {
    ops.push_back({hash * 16 + kind, std::move(producers)});
    return int32_t(ops.size()) - 1;
  };
  int32_t norm = add(1, {input});
  int32_t q = add(2, {norm, -1}), k = add(2, {norm, -1}), v = add(2, {norm, -1});
  int32_t scores = add(3, {q, k});
  int32_t masked = add(4, {scores, mask});
  int32_t weights = add(5, {masked});
  int32_t mixed = add(3, {weights, v});
  int32_t projected = add(2, {mixed, -1});
  int32_t residual = add(6, {input, projected});
  int32_t norm2 = add(1, {residual});
  int32_t up = add(7, {norm2, -1});
  int32_t down = add(8, {up, -1});
  int32_t output = add(6, {residual, down});
  EXPECT_EQ(output - base, 13);
  return output;
}

constexpr size_t layerOps = 14;

Ops model(size_t layers, size_t kinds) {
  Ops ops;
  ops.push_back({1001, {-1, -1}}); // embedding
  ops.push_back({1002, {-1}});     // mask
  ops.push_back({1003, {0, -1}});  // position embedding
  int32_t value = 2;
  for (size_t i = 0; i < layers; ++i)
    value = addLayer(ops, value, 1, i % kinds);
  ops.push_back({1004, {value}});
  ops.push_back({1005, {int32_t(ops.size()) - 1, -1}});
  return ops;
}

TEST(RepeatFinder, WorkedExample) {
  Ops ops{{9, {}}, {1, {0}}, {2, {1}}, {1, {2}}, {2, {3}}, {1, {4}}, {2, {5}}, {8, {6}}};
  std::vector<RepeatRun> runs = findRepeats(ops, {});
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0], (RepeatRun{1, 2, 3, 1}));
}

TEST(RepeatFinder, FindsNinetySixLayers) {
  Ops ops = model(96, 1);
  std::vector<RepeatRun> runs = findRepeats(ops, {});
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0], (RepeatRun{3, layerOps, 96, 1}));
  EXPECT_EQ(checkRepeat(ops, runs[0]), std::nullopt);
}

TEST(RepeatFinder, FindsAlternatingLayers) {
  Ops ops = model(48, 2);
  std::vector<RepeatRun> runs = findRepeats(ops, {});
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0], (RepeatRun{3, 2 * layerOps, 24, 1}));
}

TEST(RepeatFinder, FindsTwoStacks) {
  Ops ops = model(12, 1); // encoder
  int32_t memory = int32_t(ops.size()) - 1;
  ops.push_back({2000, {-1}});
  int32_t value = memory + 1;
  for (int i = 0; i < 12; ++i) // each decoder layer reads the encoder's output
    value = addLayer(ops, value, memory, 5);
  std::vector<RepeatRun> runs = findRepeats(ops, {});
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0], (RepeatRun{3, layerOps, 12, 1}));
  EXPECT_EQ(runs[1].period, layerOps);
  EXPECT_EQ(runs[1].count, 12u);
  for (const RepeatRun &run : runs)
    EXPECT_EQ(checkRepeat(ops, run), std::nullopt);
}

TEST(RepeatFinder, CutsWhereTheFewestValuesCross) {
  // a and b both live from the middle of one layer on; one value at its edge.
  Ops ops{{99, {}}};
  for (int i = 0; i < 10; ++i) {
    int32_t at = int32_t(ops.size());
    ops.push_back({1, {at - 1}});
    ops.push_back({2, {at - 1, at}});
    ops.push_back({3, {at, at + 1}});
    ops.push_back({4, {at + 2}});
  }
  std::vector<RepeatRun> runs = findRepeats(ops, {});
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0], (RepeatRun{1, 4, 10, 1}));
}

TEST(RepeatFinder, CutsBehindWhatJoinsItsProducer) {
  // relu, conv, add five times, and a relu: as good as conv, add, relu.
  Ops ops{{99, {}}};
  for (int i = 0; i < 5; ++i) {
    int32_t at = int32_t(ops.size());
    ops.push_back({1, {at - 1}, true});
    ops.push_back({2, {at}});
    ops.push_back({3, {at, at + 1}, true});
  }
  ops.push_back({1, {int32_t(ops.size()) - 1}, true});
  std::vector<RepeatRun> runs = findRepeats(ops, {});
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0], (RepeatRun{2, 3, 5, 1}));
  // Without the last relu an iteration would be lost.
  ops.pop_back();
  EXPECT_EQ(findRepeats(ops, {})[0], (RepeatRun{1, 3, 5, 1}));
}

TEST(RepeatFinder, DifferentWiringIsNoRepeat) {
  // Equal hashes, but each second op reads another distance back.
  Ops ops;
  std::mt19937 random(3);
  for (int i = 0; i < 400; ++i)
    ops.push_back({1, {i == 0 ? -1 : int32_t(random() % unsigned(i))}});
  for (const RepeatRun &run : findRepeats(ops, {}))
    EXPECT_EQ(checkRepeat(ops, run), std::nullopt);
  EXPECT_TRUE(findRepeats(Ops{}, {}).empty());
  EXPECT_TRUE(findRepeats(Ops(1), {}).empty());
}

TEST(RepeatFinder, OneOddLayerSplitsTheRun) {
  Ops ops;
  ops.push_back({1001, {}});
  ops.push_back({1002, {}});
  int32_t value = 0;
  for (int i = 0; i < 20; ++i)
    value = addLayer(ops, value, 1, i == 8);
  std::vector<RepeatRun> runs = findRepeats(ops, {});
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0], (RepeatRun{2, layerOps, 8, 1}));
  EXPECT_EQ(runs[1], (RepeatRun{2 + 9 * layerOps, layerOps, 11, 1}));
}

TEST(RepeatFinder, ManyOpsAreNoBurden) {
  Ops ops;
  ops.push_back({1001, {}});
  ops.push_back({1002, {}});
  int32_t value = 0;
  for (int i = 0; i < 2200; ++i)
    value = addLayer(ops, value, 1, uint64_t(i % 4 == 3));
  std::vector<RepeatRun> runs = findRepeats(ops, {});
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0], (RepeatRun{2, 4 * layerOps, 550, 1}));
}

TEST(RepeatFinder, CheckerRefusesWrongRuns) {
  Ops ops = model(6, 1);
  EXPECT_EQ(checkRepeat(ops, {3, layerOps, 6, 1}), std::nullopt);
  EXPECT_TRUE(checkRepeat(ops, {3, layerOps, 7, 1}).has_value());
  EXPECT_TRUE(checkRepeat(ops, {3, layerOps + 1, 2, 1}).has_value());
  EXPECT_TRUE(checkRepeat(ops, {2, layerOps, 6, 1}).has_value());
  EXPECT_TRUE(checkRepeat(ops, {3, layerOps, 1, 1}).has_value());
  EXPECT_TRUE(checkRepeat(ops, {1000, layerOps, 2, 1}).has_value());
  ops[3 + 2 * layerOps + 9].producers[0] = 0; // one residual rewired
  EXPECT_TRUE(checkRepeat(ops, {3, layerOps, 6, 1}).has_value());
}

// Any sequence: what is found is a repeat, and runs do not overlap. A planted
// repeat is found, or something that saves as much.
TEST(RepeatFinderProperty, FindsPlantedRepeats) {
  EXPECT_TRUE(rc::check([](uint64_t seed) {
    std::mt19937_64 random(seed);
    auto pick = [&](size_t n) { return size_t(random() % n); };
    size_t period = 3 + pick(12), count = 2 + pick(8), before = 1 + pick(10);
    Ops ops;
    for (size_t i = 0; i < before; ++i)
      ops.push_back({100 + pick(4), {i ? int32_t(pick(i)) : -1}});
    // Wiring of one layer: distances back, fixed positions before, or -1.
    struct Wire {
      int kind;
      size_t value;
    };
    std::vector<uint64_t> hashes;
    std::vector<std::vector<Wire>> wires;
    for (size_t k = 0; k < period; ++k) {
      hashes.push_back(pick(5));
      wires.emplace_back();
      for (size_t o = pick(3); o > 0; --o) {
        int kind = int(pick(4));
        wires.back().push_back({kind, kind == 0   ? 1 + pick(k + 1)
                                      : kind == 1 ? k + 1 + pick(period - 1)
                                                  : pick(before)});
      }
    }
    for (size_t i = 0; i < count; ++i)
      for (size_t k = 0; k < period; ++k) {
        RepeatOp op{hashes[k], {}};
        for (Wire wire : wires[k]) {
          int64_t at = int64_t(ops.size()), made = -1;
          if (wire.kind == 0)
            made = wire.value <= k ? at - int64_t(wire.value) : -1;
          else if (wire.kind == 1)
            made = i > 0 ? at - int64_t(wire.value) : int64_t(pick(before));
          else if (wire.kind == 2)
            made = int64_t(wire.value);
          op.producers.push_back(int32_t(made));
        }
        ops.push_back(op);
      }
    for (size_t i = pick(8); i > 0; --i)
      ops.push_back({200 + pick(4), {int32_t(pick(ops.size()))}});
    RepeatRun planted{before, period, count, 0};
    RC_ASSERT(checkRepeat(ops, planted) == std::nullopt);

    RepeatOptions options;
    options.minSaved = 1;
    std::vector<RepeatRun> runs = findRepeats(ops, options);
    size_t end = 0, bestSaved = 0;
    for (const RepeatRun &run : runs) {
      RC_ASSERT(checkRepeat(ops, run) == std::nullopt);
      RC_ASSERT(run.start >= end);
      end = run.end();
      bestSaved = std::max(bestSaved, (run.count - 1) * run.period);
    }
    RC_ASSERT(bestSaved >= (count - 1) * period);
  }));
}

} // namespace
