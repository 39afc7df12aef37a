// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reductions over the rows of a matrix whose columns are neighbours in memory.
#include "Products.h"

using namespace bessemer;
using namespace bessemer::gputest;

namespace {
struct Columns {
  const char *what;
  std::string element, kind;
  int64_t batches, rows, columns;
  std::string n = {}; ///< the name of the number of rows, where only the run knows it

  std::string inputType() const {
    return tensor({std::to_string(batches), n.empty() ? std::to_string(rows) : n, std::to_string(columns)}, element);
  }
};
} // namespace

class ColumnReductions : public testing::TestWithParam<std::tuple<std::string, Columns>> {};

INSTANTIATE_TEST_SUITE_P(Gpu, ColumnReductions,
                         testing::Combine(testing::Values("sm_80", "sm_90a"),
                                          testing::Values(Columns{"whole pieces", "f16", "mean", 2, 512, 64},
                                                          Columns{"rows and columns left over", "f16", "sum", 1, 300,
                                                                  104},
                                                          Columns{"few rows", "f32", "max", 3, 5, 40},
                                                          Columns{"odd", "bf16", "min", 1, 70, 33},
                                                          Columns{"rows of the run", "f32", "sum", 2, 600, 24, "n"},
                                                          Columns{"no whole piece", "f32", "mean", 1, 9, 48, "n"})),
                         [](const auto &info) {
                           std::string name = std::get<0>(info.param) + std::get<1>(info.param).what;
                           std::erase_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
                           return name;
                         });

// |x| - x * x, reduced.
TEST_P(ColumnReductions, MatchTheReference) {
  auto [architecture, p] = GetParam();
  std::string x = p.inputType(), y = tensor({std::to_string(p.batches), std::to_string(p.columns)}, p.element),
              two = " : (" + x + ", " + x + ") -> " + x + "\n";
  GpuKernel kernel("func.func @main(%x: " + x + ") -> " + y + " {\n  %0 = bess.mul %x, %x" + two +
                       "  %1 = bess.abs %x : (" + x + ") -> " + x + "\n  %2 = bess.sub %1, %0" + two +
                       "  %y = bess.reduce %2 {axes = array<i64: 1>, keepdims = false, " + "kind = \"" + p.kind +
                       "\"} : (" + x + ") -> " + y + "\n  return %y : " + y + "\n}\n",
                   architecture);
  EXPECT_EQ(kernel.kernelCount(), 1);
  EXPECT_EQ(kernel.reason().find("element by element"), std::string::npos) << kernel.reason();
  kernel.matches({{p.batches, p.rows, p.columns}}, p.element == "f32" ? 1e-5 : toleranceOf(p.element));
  kernel.assembles();
  // As many blocks as multiprocessors, where there are columns for them, and sectors that are read whole.
  if (p.columns == 64)
    for (const emulator::AccessStatistics &access : kernel.launched.statistics)
      if (!access.shared)
        EXPECT_EQ(access.transactions, access.ideal) << access.where;
}

// A matrix of 4096 x 4096 is more than one multiprocessor's work.
TEST(Gpu, ColumnReductionsFillTheMachine) {
  std::string x = "tensor<4096x4096xf16>", y = "tensor<4096xf16>";
  GpuKernel kernel("func.func @main(%x: " + x + ") -> " + y + " {\n  %y = bess.reduce %x {axes = array<i64: 0>, " +
                       "keepdims = false, kind = \"sum\"} : (" + x + ") -> " + y + "\n  return %y : " + y + "\n}\n",
                   "sm_90a");
  kernel.assembles();
  kernel.nestedModule.walk([&](mlir::LLVM::LLVMFuncOp function) {
    int64_t blocks = 1;
    for (const SymbolicExpr &extent : bess::parseDims(function->getAttrOfType<bess::DimsAttr>("bess.grid")))
      blocks *= *extent.isConstant();
    EXPECT_GE(blocks, 132);
  });
}
