// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Concat copies rows by 16 bytes a lane, several in a block, and reads heads
// through the slice and the transpose that bring them.
#include "GpuKernel.h"

using namespace bessemer;
using namespace bessemer::gputest;

class ConcatKernel : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Gpu, ConcatKernel, testing::Values("sm_80", "sm_90a"));

/// Nobody lowers it element by element, and a sector is not touched twice: `bytes` an access.
static void copiesRows(GpuKernel &kernel, unsigned bytes) {
  EXPECT_EQ(kernel.kernelCount(), 1);
  EXPECT_EQ(kernel.reason().find("element by element"), std::string::npos) << kernel.reason();
  kernel.assembles();
  std::string width = "v" + std::to_string(bytes / 4);
  EXPECT_NE(kernel.ptx.text.find("st.global." + width), std::string::npos) << kernel.ptx.text;
}

// The rows of a step or of a prompt behind a past, both of a length that the run tells.
TEST_P(ConcatKernel, AppendsRowsOfUnknownNumber) {
  GpuKernel kernel(R"(
    func.func @main(%p: tensor<2x3x?x64xf16, #bess.dims<"2", "3", "past", "64">>,
                    %x: tensor<2x3x?x64xf16, #bess.dims<"2", "3", "step", "64">>)
        -> tensor<2x3x?x64xf16, #bess.dims<"2", "3", "past + step", "64">> {
      %y = bess.concat %p, %x {axis = 2 : i64} : (tensor<2x3x?x64xf16, #bess.dims<"2", "3", "past", "64">>,
          tensor<2x3x?x64xf16, #bess.dims<"2", "3", "step", "64">>)
          -> tensor<2x3x?x64xf16, #bess.dims<"2", "3", "past + step", "64">>
      return %y : tensor<2x3x?x64xf16, #bess.dims<"2", "3", "past + step", "64">>
    }
  )",
                   GetParam());
  copiesRows(kernel, 16);
  kernel.matches({{2, 3, 37, 64}, {2, 3, 1, 64}}, 0);
  kernel.matches({{2, 3, 0, 64}, {2, 3, 70, 64}}, 0);
}

// Keys out of the product of queries, keys and values: two kernels less.
TEST_P(ConcatKernel, ReadsHeadsThroughSliceAndTranspose) {
  GpuKernel kernel(R"(
    func.func @main(%p: tensor<1x4x5x32xf32>, %x: tensor<1x?x12x32xf32, #bess.dims<"1", "s", "12", "32">>)
        -> tensor<1x4x?x32xf32, #bess.dims<"1", "4", "s + 5", "32">> {
      %0 = bess.slice %x {offsets = #bess.dims<"0", "0", "4", "0">, steps = array<i64: 1, 1, 1, 1>}
          : (tensor<1x?x12x32xf32, #bess.dims<"1", "s", "12", "32">>) -> tensor<1x?x4x32xf32, #bess.dims<"1", "s", "4", "32">>
      %1 = bess.transpose %0 {permutation = array<i64: 0, 2, 1, 3>}
          : (tensor<1x?x4x32xf32, #bess.dims<"1", "s", "4", "32">>) -> tensor<1x4x?x32xf32, #bess.dims<"1", "4", "s", "32">>
      %y = bess.concat %p, %1 {axis = 2 : i64} : (tensor<1x4x5x32xf32>,
          tensor<1x4x?x32xf32, #bess.dims<"1", "4", "s", "32">>) -> tensor<1x4x?x32xf32, #bess.dims<"1", "4", "s + 5", "32">>
      return %y : tensor<1x4x?x32xf32, #bess.dims<"1", "4", "s + 5", "32">>
    }
  )",
                   GetParam());
  copiesRows(kernel, 16);
  kernel.matches({{1, 4, 5, 32}, {1, 150, 12, 32}}, 0);
}

// Keys and values of one product, behind their caches: one kernel with two results.
TEST_P(ConcatKernel, AppendsKeysAndValues) {
  GpuKernel kernel(R"(
    func.func @main(%k: tensor<1x2x?x64xf16, #bess.dims<"1", "2", "past", "64">>, %v: tensor<1x2x?x64xf16, #bess.dims<"1", "2", "past", "64">>,
                    %x: tensor<1x9x6x64xf16>)
        -> (tensor<1x2x?x64xf16, #bess.dims<"1", "2", "past + 9", "64">>, tensor<1x2x?x64xf16, #bess.dims<"1", "2", "past + 9", "64">>) {
      %0 = bess.slice %x {offsets = #bess.dims<"0", "0", "2", "0">, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x9x6x64xf16>) -> tensor<1x9x2x64xf16>
      %1 = bess.transpose %0 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<1x9x2x64xf16>) -> tensor<1x2x9x64xf16>
      %2 = bess.slice %x {offsets = #bess.dims<"0", "0", "4", "0">, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x9x6x64xf16>) -> tensor<1x9x2x64xf16>
      %3 = bess.transpose %2 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<1x9x2x64xf16>) -> tensor<1x2x9x64xf16>
      %y = bess.concat %k, %1 {axis = 2 : i64} : (tensor<1x2x?x64xf16, #bess.dims<"1", "2", "past", "64">>, tensor<1x2x9x64xf16>)
          -> tensor<1x2x?x64xf16, #bess.dims<"1", "2", "past + 9", "64">>
      %z = bess.concat %v, %3 {axis = 2 : i64} : (tensor<1x2x?x64xf16, #bess.dims<"1", "2", "past", "64">>, tensor<1x2x9x64xf16>)
          -> tensor<1x2x?x64xf16, #bess.dims<"1", "2", "past + 9", "64">>
      return %y, %z : tensor<1x2x?x64xf16, #bess.dims<"1", "2", "past + 9", "64">>, tensor<1x2x?x64xf16, #bess.dims<"1", "2", "past + 9", "64">>
    }
  )",
                   GetParam());
  copiesRows(kernel, 16);
  kernel.matches({{1, 2, 40, 64}, {1, 2, 40, 64}, {1, 9, 6, 64}}, 0);
}

// Rows of several dimensions, of an odd number of elements, and longer than a block's tile; along the first dimension
// behind one that is not 1, three operands, one of them twice.
TEST_P(ConcatKernel, CopiesRowsOfAnySize) {
  GpuKernel odd(R"(
    func.func @main(%a: tensor<2x3x5x7xf32>, %b: tensor<2x1x5x7xf32>) -> tensor<2x5x5x7xf32> {
      %y = bess.concat %b, %a, %b {axis = 1 : i64}
          : (tensor<2x1x5x7xf32>, tensor<2x3x5x7xf32>, tensor<2x1x5x7xf32>) -> tensor<2x5x5x7xf32>
      return %y : tensor<2x5x5x7xf32>
    }
  )",
                GetParam());
  EXPECT_EQ(odd.reason().find("element by element"), std::string::npos) << odd.reason();
  odd.matches({{2, 3, 5, 7}, {2, 1, 5, 7}}, 0);
  GpuKernel large(R"(
    func.func @main(%a: tensor<2x3x4096xf16>, %b: tensor<2x2x4096xf16>) -> tensor<2x5x4096xf16> {
      %y = bess.concat %a, %b {axis = 1 : i64} : (tensor<2x3x4096xf16>, tensor<2x2x4096xf16>) -> tensor<2x5x4096xf16>
      return %y : tensor<2x5x4096xf16>
    }
  )",
                  GetParam());
  copiesRows(large, 16);
  large.matches({{2, 3, 4096}, {2, 2, 4096}}, 0);
}
