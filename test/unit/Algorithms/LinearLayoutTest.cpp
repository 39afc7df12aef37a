// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/LinearLayout.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>

using namespace bessemer;

namespace {

using Names = std::vector<std::string>;

int64_t pick(int64_t from, int64_t to) { return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(from, to)); }

/// Any layout with up to 3 inputs and 2 outputs.
LinearLayout randomLayout() {
  std::vector<std::pair<std::string, int64_t>> outputs{{"row", int64_t(1) << pick(0, 4)},
                                                       {"col", int64_t(1) << pick(0, 4)}};
  std::vector<LinearLayout::InputBases> inputs;
  for (const char *name : {"register", "lane", "warp"}) {
    LinearLayout::InputBases input{name, {}};
    for (int64_t bit = pick(0, 4); bit > 0; --bit)
      input.bases.push_back({pick(0, outputs[0].second), pick(0, outputs[1].second)});
    inputs.push_back(input);
  }
  return *LinearLayout::fromBases(inputs, outputs);
}

/// A layout that holds each element: identity bits first, shuffled, then any.
LinearLayout randomSurjective() {
  unsigned rowBits = unsigned(pick(0, 4)), colBits = unsigned(pick(0, 4));
  std::vector<std::vector<int64_t>> bases;
  for (unsigned bit = 0; bit < rowBits; ++bit)
    bases.push_back({int64_t(1) << bit, 0});
  for (unsigned bit = 0; bit < colBits; ++bit)
    bases.push_back({0, int64_t(1) << bit});
  // Adding one basis to another keeps the span.
  for (int step = 0; step < 6 && bases.size() > 1; ++step) {
    size_t a = size_t(pick(0, int64_t(bases.size()))), b = size_t(pick(0, int64_t(bases.size())));
    if (a != b)
      for (int d = 0; d < 2; ++d)
        bases[a][d] ^= bases[b][d];
  }
  for (int64_t extra = pick(0, 3); extra > 0; --extra)
    bases.insert(bases.begin() + pick(0, int64_t(bases.size()) + 1),
                 {pick(0, int64_t(1) << rowBits), pick(0, int64_t(1) << colBits)});
  size_t cut = size_t(pick(0, int64_t(bases.size()) + 1));
  LinearLayout::InputBases registers{"register", {}}, lanes{"lane", {}};
  registers.bases.assign(bases.begin(), bases.begin() + long(cut));
  lanes.bases.assign(bases.begin() + long(cut), bases.end());
  std::vector<LinearLayout::InputBases> inputs{registers, lanes};
  std::vector<std::pair<std::string, int64_t>> outputs{{"row", int64_t(1) << rowBits}, {"col", int64_t(1) << colBits}};
  return *LinearLayout::fromBases(inputs, outputs);
}

std::set<uint64_t> image(const LinearLayout &layout) {
  std::set<uint64_t> values;
  for (uint64_t x = 0; x < uint64_t(layout.totalInputSize()); ++x)
    values.insert(layout.applyFlat(x));
  return values;
}

TEST(LinearLayout, WorkedExample) {
  LinearLayout layout = LinearLayout::identity1D(2, "register", "col") * LinearLayout::identity1D(4, "lane", "col");
  EXPECT_EQ(layout.str(), "{register = [[1]], lane = [[2], [4]]} -> {col = 8}");
  EXPECT_EQ(layout.apply({{"register", 1}, {"lane", 3}}), (LinearLayout::Coordinates{{"col", 7}}));
  EXPECT_EQ(layout.invert()->apply({{"col", 7}}), (LinearLayout::Coordinates{{"register", 1}, {"lane", 3}}));
}

TEST(LinearLayout, ZerosReplicate) {
  LinearLayout layout = LinearLayout::identity1D(4, "lane", "col") * LinearLayout::zeros1D(2, "warp", "col");
  EXPECT_TRUE(layout.isSurjective());
  EXPECT_FALSE(layout.isInjective());
  EXPECT_FALSE(layout.invert().has_value());
  EXPECT_EQ(layout.redundantBits("warp"), 1u);
  EXPECT_EQ(layout.redundantBits("lane"), 0u);
  EXPECT_EQ(layout.apply({{"lane", 2}, {"warp", 1}}), (LinearLayout::Coordinates{{"col", 2}}));
}

TEST(LinearLayout, RefusesBadBases) {
  auto errorOf = [](std::string_view text) {
    std::string error;
    EXPECT_FALSE(LinearLayout::parse(text, &error).has_value()) << text;
    return error;
  };
  EXPECT_EQ(errorOf("{a = [[8]]} -> {x = 8}"), "expected coordinates of 'x' below 8, got 8");
  EXPECT_EQ(errorOf("{a = [[1]]} -> {x = 6}"), "expected a power of two as the size of 'x', got 6");
  EXPECT_EQ(errorOf("{a = [[1, 1]]} -> {x = 8}"), "expected 1 coordinates in a basis of 'a', got 2");
  EXPECT_EQ(errorOf("{a = [], a = []} -> {x = 8}"), "expected each input once, got 'a' twice");
  EXPECT_EQ(errorOf("{a = [[1]} -> {x = 8}"), "expected ']', got '}' at offset 9");
  EXPECT_EQ(errorOf("{a = []} -> {x = 8} y"), "expected end of layout, got 'y' at offset 20");
  EXPECT_NE(errorOf("{} -> {x = 1073741824, y = 1073741824, z = 1073741824}"), "");
}

TEST(LinearLayout, ComposeNeedsMatchingDimensions) {
  LinearLayout inner = LinearLayout::identity1D(8, "lane", "col"),
               small = LinearLayout::identity1D(4, "col", "address");
  EXPECT_FALSE(inner.compose(small).has_value());
  EXPECT_FALSE(small.compose(inner).has_value());
}

TEST(LinearLayoutProperty, IsLinear) {
  EXPECT_TRUE(rc::check([] {
    LinearLayout layout = randomLayout();
    uint64_t x = uint64_t(pick(0, layout.totalInputSize())), y = uint64_t(pick(0, layout.totalInputSize()));
    RC_ASSERT(layout.applyFlat(x ^ y) == (layout.applyFlat(x) ^ layout.applyFlat(y)));
  }));
}

TEST(LinearLayoutProperty, RankMatchesTheImage) {
  EXPECT_TRUE(rc::check([] {
    LinearLayout layout = randomLayout();
    size_t size = image(layout).size();
    RC_ASSERT(size == size_t(1) << layout.rank());
    RC_ASSERT(layout.isSurjective() == (int64_t(size) == layout.totalOutputSize()));
    RC_ASSERT(layout.isInjective() == (int64_t(size) == layout.totalInputSize()));
  }));
}

TEST(LinearLayoutProperty, PseudoInverseFindsEachElement) {
  EXPECT_TRUE(rc::check([] {
    LinearLayout layout = randomSurjective();
    std::optional<LinearLayout> inverse = layout.pseudoInvert();
    RC_ASSERT(inverse.has_value());
    for (uint64_t y = 0; y < uint64_t(layout.totalOutputSize()); ++y)
      RC_ASSERT(layout.applyFlat(inverse->applyFlat(y)) == y);
    RC_ASSERT(layout.invert().has_value() == layout.isInjective());
    if (layout.isInjective())
      for (uint64_t x = 0; x < uint64_t(layout.totalInputSize()); ++x)
        RC_ASSERT(inverse->applyFlat(layout.applyFlat(x)) == x);
  }));
}

TEST(LinearLayoutProperty, NonSurjectiveHasNoPseudoInverse) {
  EXPECT_TRUE(rc::check([] {
    LinearLayout layout = randomLayout();
    RC_ASSERT(layout.pseudoInvert().has_value() == layout.isSurjective());
  }));
}

TEST(LinearLayoutProperty, ComposeIsApplicationTwice) {
  EXPECT_TRUE(rc::check([] {
    LinearLayout inner = randomLayout();
    std::vector<LinearLayout::InputBases> inputs;
    for (const auto &dim : inner.outputs()) {
      LinearLayout::InputBases input{dim.name, {}};
      for (unsigned bit = 0; bit < dim.bits + 1; ++bit)
        input.bases.push_back({pick(0, 64)});
      inputs.insert(inputs.begin(), input); // another order
    }
    std::vector<std::pair<std::string, int64_t>> outputs{{"address", 64}};
    LinearLayout outer = *LinearLayout::fromBases(inputs, outputs);
    std::optional<LinearLayout> both = inner.compose(outer);
    RC_ASSERT(both.has_value());
    LinearLayout::Coordinates at{{"register", pick(0, inner.inputSize("register"))},
                                 {"lane", pick(0, inner.inputSize("lane"))},
                                 {"warp", pick(0, inner.inputSize("warp"))}};
    RC_ASSERT(both->apply(at) == outer.apply(inner.apply(at)));
  }));
}

TEST(LinearLayoutProperty, ConversionMovesEachElementToItself) {
  EXPECT_TRUE(rc::check([] {
    LinearLayout from = randomSurjective(), to = randomSurjective();
    std::optional<LinearLayout> conversion = from.convertTo(to);
    if (from.outputSize("row") > to.outputSize("row") || from.outputSize("col") > to.outputSize("col")) {
      RC_ASSERT(!conversion.has_value());
      return;
    }
    RC_ASSERT(conversion.has_value());
    LinearLayout::Coordinates at{{"register", pick(0, from.inputSize("register"))},
                                 {"lane", pick(0, from.inputSize("lane"))}};
    RC_ASSERT(to.apply(conversion->apply(at)) == from.apply(at));
  }));
}

TEST(LinearLayoutProperty, DivisionUndoesTheProduct) {
  EXPECT_TRUE(rc::check([] {
    LinearLayout left = randomLayout(), right = randomLayout();
    LinearLayout product = left * right;
    std::optional<LinearLayout> quotient = product.divideLeft(left);
    RC_ASSERT(quotient.has_value());
    RC_ASSERT(*quotient == right);
  }));
}

TEST(LinearLayoutProperty, ProductSplitsIntoItsFactors) {
  EXPECT_TRUE(rc::check([] {
    LinearLayout left = randomLayout(), right = randomLayout();
    LinearLayout product = left * right;
    LinearLayout::Coordinates a, b, both;
    for (const char *name : {"register", "lane", "warp"}) {
      a.push_back({name, pick(0, left.inputSize(name))});
      b.push_back({name, pick(0, right.inputSize(name))});
      both.push_back({name, a.back().second + b.back().second * left.inputSize(name)});
    }
    LinearLayout::Coordinates x = left.apply(a), y = right.apply(b), z = product.apply(both);
    for (size_t i = 0; i < z.size(); ++i)
      RC_ASSERT(z[i].second == x[i].second + y[i].second * left.outputSize(x[i].first));
  }));
}

TEST(LinearLayoutProperty, ReorderAndSublayoutKeepTheMap) {
  EXPECT_TRUE(rc::check([] {
    LinearLayout layout = randomLayout();
    std::optional<LinearLayout> other = layout.reorder(Names{"warp", "register", "lane"}, Names{"col", "row"});
    RC_ASSERT(other.has_value());
    LinearLayout::Coordinates at{{"register", pick(0, layout.inputSize("register"))},
                                 {"lane", pick(0, layout.inputSize("lane"))}};
    LinearLayout::Coordinates x = layout.apply(at), y = other->apply(at);
    RC_ASSERT(x[0] == y[1]);
    RC_ASSERT(x[1] == y[0]);
    LinearLayout part = layout.sublayout(Names{"register", "lane"}, Names{"col"});
    RC_ASSERT(part.apply(at) == LinearLayout::Coordinates{x[1]});
    RC_ASSERT(!layout.reorder(Names{"warp", "warp", "lane"}, Names{"col", "row"}).has_value());
  }));
}

TEST(LinearLayoutProperty, TextRoundTrips) {
  EXPECT_TRUE(rc::check([] {
    LinearLayout layout = randomLayout();
    std::string error;
    std::optional<LinearLayout> again = LinearLayout::parse(layout.str(), &error);
    RC_ASSERT(again.has_value());
    RC_ASSERT(*again == layout);
  }));
}

} // namespace
