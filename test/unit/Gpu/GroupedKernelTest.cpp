// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products of rows in groups: groups of no rows, of one, of more than a block.
#include "Products.h"

#include <numeric>

using namespace bessemer;
using namespace bessemer::gputest;

namespace {
struct GroupedProduct {
  std::string element;
  std::vector<int64_t> groups; ///< rows of each
  int64_t columns, depth;
  bool transposed = false, bias = false, activated = false;
  std::string m = {};

  int64_t rows() const { return std::accumulate(groups.begin(), groups.end(), int64_t(0)); }
  std::string text() const {
    std::string t = m.empty() ? std::to_string(rows()) : m, e = std::to_string(groups.size()),
                n = std::to_string(columns), k = std::to_string(depth);
    std::string x = tensor({t, k}, element),
                w = tensor(transposed ? std::vector{e, n, k} : std::vector{e, k, n}, element),
                b = tensor({e, n}, element), y = tensor({t, n}, element),
                o = tensor({std::to_string(groups.size() + 1)}, "i64");
    std::string result = activated ? "%z" : "%y";
    return "func.func @main(%x: " + x + ", %w: " + w + ", %b: " + b + ", %o: " + o + ") -> " + y +
           " {\n  %y = bess.grouped_matmul %x, %w, %o" + (bias ? ", %b" : "") + (transposed ? " {transpose_b}" : "") +
           " : (" + x + ", " + w + ", " + o + (bias ? ", " + b : "") + ") -> " + y + "\n" +
           (activated ? "  %z = bess.gelu %y {approximate = \"tanh\"} : (" + y + ") -> " + y + "\n" : "") +
           "  return " + result + " : " + y + "\n}\n";
  }
  std::vector<std::vector<int64_t>> shapes() const {
    int64_t e = int64_t(groups.size());
    return {{rows(), depth},
            transposed ? std::vector{e, columns, depth} : std::vector{e, depth, columns},
            {e, columns},
            {e + 1}};
  }
  std::vector<int64_t> offsets() const {
    std::vector<int64_t> result{0};
    for (int64_t count : groups)
      result.push_back(result.back() + count);
    return result;
  }
};
} // namespace

class GroupedProducts : public testing::TestWithParam<std::tuple<std::string, GroupedProduct>> {};

INSTANTIATE_TEST_SUITE_P(
    Gpu, GroupedProducts,
    testing::Combine(testing::Values("sm_80", "sm_90a"),
                     testing::Values(GroupedProduct{"f16", {5, 0, 70, 1}, 72, 40},
                                     GroupedProduct{"bf16", {0, 0, 33}, 40, 96, true, true},
                                     GroupedProduct{"f16", {3, 200, 0, 0, 9, 16, 1, 0}, 64, 64, true, true, true},
                                     GroupedProduct{"f32", {20, 0, 13}, 48, 24, false, true},
                                     GroupedProduct{"f16", {17}, 33, 21, true},
                                     GroupedProduct{"f16", {40, 0, 25, 2, 2}, 64, 128, true, true, true, "m"})));

TEST_P(GroupedProducts, MatchTheReference) {
  auto [architecture, product] = GetParam();
  GpuKernel kernel(product.text(), architecture);
  EXPECT_EQ(kernel.kernelCount(), 1);
  EXPECT_EQ(kernel.reason().find("element by element:"), std::string::npos) << kernel.reason();
  kernel.given[3] = product.offsets();
  kernel.matches(product.shapes(), toleranceOf(product.element));
  kernel.assembles();
}

// Whatever the offsets are, nothing outside of the tensors is touched.
TEST(Gpu, GroupsWithSenselessOffsetsStayWithin) {
  GroupedProduct product{"f16", {20, 20, 20, 20}, 64, 64, true, true};
  for (std::vector<int64_t> offsets :
       {std::vector<int64_t>{-5, 30, int64_t(1) << 40, int64_t(1) << 41, -1}, {80, 60, 40, 20, 0}}) {
    GpuKernel kernel(product.text(), "sm_80");
    kernel.given[3] = offsets;
    kernel.runs(product.shapes());
  }
}

// By wgmma: rows of the next group that a tile has, too, are not stored.
TEST(Gpu, GroupsByWgmma) {
  GpuMachine machine = gpuMachineOf(90);
  machine.multiprocessors = 1;
  machine.halfFlops = machine.tf32Flops = 1;
  for (GroupedProduct product : {GroupedProduct{"f16", {100, 0, 70, 3}, 136, 128, true, true, true},
                                 GroupedProduct{"bf16", {0, 131, 60}, 72, 200, false, true, false, "m"}}) {
    GpuKernel kernel(product.text(), "sm_90a", machine);
    kernel.given[3] = product.offsets();
    kernel.matches(product.shapes(), toleranceOf(product.element));
    kernel.assembles();
    EXPECT_NE(kernel.ptx.text.find("wgmma.mma_async"), std::string::npos);
  }
}
