// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ldmatrix and mma.sync against a product in double, with fragments filled by
// the layouts of lib/Algorithms.
#include "TestKernel.h"

#include "bessemer/Algorithms/TileLayout.h"

#include <bit>
#include <random>

using namespace bessemer;
using namespace bessemer::emulator;
using namespace bessemer::emulator::test;

namespace {
// Small integers and halves are exact in f16 and bf16.
std::vector<double> someNumbers(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<double> numbers(count);
  for (double &number : numbers)
    number = (static_cast<int>(random() % 33) - 16) / 8.0;
  return numbers;
}

uint16_t toBits(bool isHalf, double value) {
  uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  if (!isHalf)
    return static_cast<uint16_t>(bits >> 16);
  if (value == 0)
    return static_cast<uint16_t>(bits >> 16);
  return static_cast<uint16_t>((bits >> 16 & 0x8000) | (((bits >> 23 & 255) - 112) << 10) | (bits >> 13 & 0x3ff));
}

std::string fragmentLoad(const std::string &name, const std::string &pointer, unsigned count, const std::string &type) {
  std::string text;
  for (unsigned i = 0; i < count; ++i) {
    std::string n = name + std::to_string(i);
    text += "  %p" + n + " = llvm.getelementptr " + pointer + "[%tid, " + std::to_string(i) +
            "] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, !llvm.array<" + std::to_string(count) + " x " + type + ">\n  %" +
            n + " = llvm.load %p" + n + " : !llvm.ptr<1> -> " + type + "\n";
  }
  return text;
}
} // namespace

TEST(Matrix, MmaM16N8K16) {
  for (bool isHalf : {true, false}) {
    std::string word = isHalf ? "vector<2xf16>" : "i32";
    std::string types = isHalf ? "(vector<2xf16>, vector<2xf16>, f32)" : "(i32, i32, f32)";
    std::string attributes = isHalf ? ""
                                    : "multiplicandAPtxType = #nvvm.mma_type<bf16>, "
                                      "multiplicandBPtxType = #nvvm.mma_type<bf16>, ";
    TestKernel k(kernelText("%pa: !llvm.ptr<1>, %pb: !llvm.ptr<1>, %pc: !llvm.ptr<1>",
                            fragmentLoad("a", "%pa", 4, word) + fragmentLoad("b", "%pb", 2, word) +
                                fragmentLoad("c", "%pc", 4, "f32") + R"(
  %d = nvvm.mma.sync A[%a0, %a1, %a2, %a3] B[%b0, %b1] C[%c0, %c1, %c2, %c3]
    {layoutA = #nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<col>, )" +
                                attributes + R"(shape = #nvvm.shape<m = 16, n = 8, k = 16>}
    : )" + types +
                                R"( -> !llvm.struct<(f32, f32, f32, f32)>
  %d0 = llvm.extractvalue %d[0] : !llvm.struct<(f32, f32, f32, f32)>
  %d1 = llvm.extractvalue %d[1] : !llvm.struct<(f32, f32, f32, f32)>
  %d2 = llvm.extractvalue %d[2] : !llvm.struct<(f32, f32, f32, f32)>
  %d3 = llvm.extractvalue %d[3] : !llvm.struct<(f32, f32, f32, f32)>
  llvm.store %d0, %pc0 : f32, !llvm.ptr<1>
  llvm.store %d1, %pc1 : f32, !llvm.ptr<1>
  llvm.store %d2, %pc2 : f32, !llvm.ptr<1>
  llvm.store %d3, %pc3 : f32, !llvm.ptr<1>
  llvm.return)"));
    std::vector<double> a = someNumbers(256, 1), b = someNumbers(128, 2), c = someNumbers(128, 3);
    auto fragments = [&](const TileLayout &layout, const std::vector<double> &matrix, size_t columns, auto convert) {
      std::vector<decltype(convert(0.0))> result;
      for (int64_t lane = 0; lane < 32; ++lane)
        for (int64_t reg = 0; reg < layout.registers(); ++reg) {
          std::vector<int64_t> at = layout.locate(reg, {{"lane", lane}});
          result.push_back(convert(matrix[at[0] * columns + at[1]]));
        }
      return result;
    };
    auto narrow = [&](double value) { return toBits(isHalf, value); };
    auto wide = [](double value) { return static_cast<float>(value); };
    uint64_t pa = k.input("a", fragments(mmaOperandALayout(), a, 16, narrow)),
             pb = k.input("b", fragments(mmaOperandBLayout(), b, 8, narrow));
    uint64_t pc = k.input("c", fragments(mmaAccumulatorLayout(), c, 8, wide));
    LaunchResult result = k.launch(1, 32, {pa, pb, pc});
    EXPECT_TRUE(result.clean()) << result.text();
    std::vector<float> got = k.output<float>(pc, 128);
    for (int64_t lane = 0; lane < 32; ++lane)
      for (int64_t reg = 0; reg < 4; ++reg) {
        std::vector<int64_t> at = mmaAccumulatorLayout().locate(reg, {{"lane", lane}});
        double sum = c[at[0] * 8 + at[1]];
        for (int i = 0; i < 16; ++i)
          sum += a[at[0] * 16 + i] * b[i * 8 + at[1]];
        ASSERT_EQ(got[lane * 4 + reg], static_cast<float>(sum)) << lane << " " << reg;
      }
  }
}

// Four 8 x 8 matrices, one of them transposed: lane l gets row l / 4, columns 2
// (l % 4) and the next.
TEST(Matrix, LdMatrix) {
  for (bool transposed : {false, true}) {
    TestKernel k(kernelText("%in: !llvm.ptr<1>, %out: !llvm.ptr<1>",
                            R"(
  %s = llvm.mlir.addressof @s : !llvm.ptr<3>
  %from = llvm.getelementptr %in[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, vector<4xi32>
  %to = llvm.getelementptr %s[%tid] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, vector<4xi32>
  %v = llvm.load %from : !llvm.ptr<1> -> vector<4xi32>
  llvm.store %v, %to : vector<4xi32>, !llvm.ptr<3>
  nvvm.barrier0
  %m = nvvm.ldmatrix %to {num = 4 : i32, layout = #nvvm.mma_layout<)" +
                                std::string(transposed ? "col" : "row") + R"(>,
    shape = #nvvm.ld_st_matrix_shape<m = 8, n = 8>, eltType = #nvvm.ld_st_matrix_elt_type<b16>} : (!llvm.ptr<3>) -> !llvm.struct<(i32, i32, i32, i32)>
  %p = llvm.getelementptr %out[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, !llvm.struct<(i32, i32, i32, i32)>
  llvm.store %m, %p : !llvm.struct<(i32, i32, i32, i32)>, !llvm.ptr<1>
  llvm.return)",
                            "llvm.mlir.global internal @s() {addr_space = 3 : i32, "
                            "alignment = 16 : i64} : !llvm.array<256 x i16>"));
    std::vector<uint16_t> in(256);
    for (size_t i = 0; i < in.size(); ++i)
      in[i] = i;
    uint64_t pi = k.input("in", in), po = k.device.allocate("out", 512);
    LaunchResult result = k.launch(1, 32, {pi, po});
    EXPECT_TRUE(result.clean()) << result.text();
    EXPECT_EQ(result.statisticsText(), "");
    std::vector<uint16_t> out = k.output<uint16_t>(po, 256);
    for (int lane = 0; lane < 32; ++lane)
      for (int matrix = 0; matrix < 4; ++matrix)
        for (int half = 0; half < 2; ++half) {
          int row = lane / 4, column = 2 * (lane % 4) + half;
          if (transposed)
            std::swap(row, column);
          ASSERT_EQ(out[lane * 8 + matrix * 2 + half], matrix * 64 + row * 8 + column);
        }
  }
}
