// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Passes that are wrong on purpose: the check must name them.
#include "TestModule.h"

#include "bessemer/Reference/CheckNumerics.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

using namespace bessemer;
using namespace bessemer::reference;
using namespace mlir;

namespace {
constexpr const char *program = R"(
  func.func @main(%x: tensor<?x4xf32, #bess.dims<"n", "4">>, %i: tensor<2xi64>) -> tensor<2x4xf32> {
    %0 = bess.add %x, %x : (tensor<?x4xf32, #bess.dims<"n", "4">>, tensor<?x4xf32, #bess.dims<"n", "4">>) -> tensor<?x4xf32, #bess.dims<"n", "4">>
    %1 = bess.gather %0, %i {axis = 0 : i64} : (tensor<?x4xf32, #bess.dims<"n", "4">>, tensor<2xi64>) -> tensor<2x4xf32>
    return %1 : tensor<2x4xf32>
  })";

/// Does nothing.
struct Harmless : PassWrapper<Harmless, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Harmless)
  StringRef getArgument() const override { return "harmless"; }
  void runOnOperation() override {}
};

/// x + x becomes x * x: right for 0 and 2 alone.
struct AddToMul : PassWrapper<AddToMul, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(AddToMul)
  StringRef getArgument() const override { return "add-to-mul"; }
  void runOnOperation() override {
    getOperation().walk([](bess::AddOp op) {
      OpBuilder builder(op);
      Value mul = bess::MulOp::create(builder, op.getLoc(), op.getType(), op.getA(), op.getB());
      op.replaceAllUsesWith(mul);
      op.erase();
    });
  }
};

/// Makes an index that is out of range.
struct BreakIndices : PassWrapper<BreakIndices, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(BreakIndices)
  StringRef getArgument() const override { return "break-indices"; }
  void runOnOperation() override {
    getOperation().walk([](bess::GatherOp op) {
      OpBuilder builder(op);
      auto type = cast<RankedTensorType>(op.getIndices().getType());
      auto far = DenseElementsAttr::get(type, builder.getI64IntegerAttr(1000).getValue());
      op.getIndicesMutable().assign(bess::ConstantOp::create(builder, op.getLoc(), type, far));
    });
  }
};

std::string runAndFindWrongPass(TestModule &test, std::vector<std::unique_ptr<Pass>> passes,
                                NumericsCheckOptions options = {}) {
  PassManager manager(&test.context);
  for (std::unique_ptr<Pass> &pass : passes)
    if (isa<AddToMul>(pass.get()))
      manager.nest<func::FuncOp>().addPass(std::move(pass));
    else
      manager.addPass(std::move(pass));
  NumericsCheck check(options);
  check.addTo(manager);
  bool failed = mlir::failed(manager.run(*test.module));
  EXPECT_EQ(failed, !check.wrongPass().empty()) << test.diagnostics;
  return check.wrongPass();
}

template <class... Passes> std::vector<std::unique_ptr<Pass>> list() {
  std::vector<std::unique_ptr<Pass>> passes;
  (passes.push_back(std::make_unique<Passes>()), ...);
  return passes;
}
} // namespace

TEST(CheckNumerics, AcceptsRightPasses) {
  TestModule test(program);
  EXPECT_EQ(runAndFindWrongPass(test, list<Harmless, Harmless>()), "") << test.diagnostics;
}

TEST(CheckNumerics, NamesTheFirstWrongPass) {
  TestModule test(program);
  EXPECT_EQ(runAndFindWrongPass(test, list<Harmless, AddToMul, BreakIndices>()), "add-to-mul");
  EXPECT_NE(test.diagnostics.find("pass add-to-mul changed the answer of @main: result 0 in f64: expected"),
            std::string::npos)
      << test.diagnostics;
}

TEST(CheckNumerics, NamesAPassAfterWhichNothingCanBeEvaluated) {
  TestModule test(program);
  EXPECT_EQ(runAndFindWrongPass(test, list<Harmless, BreakIndices>()), "break-indices");
  EXPECT_NE(test.diagnostics.find("cannot be evaluated any more"), std::string::npos) << test.diagnostics;
}

TEST(CheckNumerics, RecordedInputsAreUsed) {
  // x + x and x * x agree for x = 2, so that no pass is found wrong.
  TestModule test(program);
  NumericsCheckOptions options;
  options.inputs = {floats({3, 4}, std::vector<float>(12, 2)), integers({2}, {0, 2})};
  EXPECT_EQ(runAndFindWrongPass(test, list<AddToMul>(), options), "") << test.diagnostics;
}

TEST(CheckNumerics, RandomInputsFitTheirUses) {
  TestModule test(R"(
    func.func @main(%x: tensor<?x4xf32, #bess.dims<"n", "4">>, %i: tensor<64xi32>, %m: tensor<8xi1>,
                    %past: tensor<?xf32, #bess.dims<"p">>, %total: tensor<?xf32, #bess.dims<"t">>) {
      bess.guard "eq" "n + p" "t" "cache and input make the total"
      %j = bess.cast %i {to = i64} : (tensor<64xi32>) -> tensor<64xi64>
      %0 = bess.gather %x, %j {axis = 0 : i64} : (tensor<?x4xf32, #bess.dims<"n", "4">>, tensor<64xi64>) -> tensor<64x4xf32>
      return
    })");
  auto function = test.module->lookupSymbol<func::FuncOp>("main");
  auto inputs = makeRandomInputs(function, {{"n", 5}}, /*seed=*/3);
  ASSERT_TRUE(succeeded(inputs)) << test.diagnostics;
  EXPECT_EQ((*inputs)[0].shape, (std::vector<int64_t>{5, 4}));
  int32_t largest = 0;
  for (int32_t index : values<int32_t>((*inputs)[1])) {
    EXPECT_TRUE(index >= 0 && index < 5) << index;
    largest = std::max(largest, index);
  }
  EXPECT_EQ(largest, 4);
  EXPECT_EQ((*inputs)[3].shape[0] + 5, (*inputs)[4].shape[0]);
}

TEST(CompareTensors, FindsTheWorstElement) {
  TensorDifference same = compareTensors(floats({3}, {1, 2, 3}), floats({3}, {1, 2.001f, 3}), 1e-3, 1e-4);
  EXPECT_TRUE(same.agrees());
  TensorDifference other = compareTensors(floats({3}, {1, 2, 3}), floats({3}, {1, 2.1f, 3.2f}), 1e-3, 1e-4);
  EXPECT_FALSE(other.agrees());
  EXPECT_EQ(other.element, 2);
  EXPECT_FALSE(compareTensors(floats({1}, {1}), floats({1}, {NAN}), 1e-3, 1e-4).agrees());
  EXPECT_TRUE(compareTensors(floats({1}, {NAN}), floats({1}, {NAN}), 1e-3, 1e-4).agrees());
  EXPECT_FALSE(compareTensors(floats({1}, {1}), floats({1, 1}, {1}), 1e-3, 1e-4).agrees());
  EXPECT_FALSE(compareTensors(floats({1}, {1}), integers({1}, {1}), 1e-3, 1e-4).agrees());
}
