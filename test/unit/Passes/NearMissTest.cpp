// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What nearly was raised is kept, once, with its reason.
#include "passes/Simplify/Passes.h"

#include "dialects/Bess/Bess.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"

using namespace bessemer;
using namespace mlir;

static std::vector<std::string> nearMisses(StringRef body) {
  MLIRContext context;
  context.loadDialect<bess::BessDialect, func::FuncDialect>();
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(body, &context);
  EXPECT_TRUE(module);
  simplify::SimplifyContext shared;
  shared.nearMisses = std::make_shared<std::vector<simplify::NearMiss>>();
  PassManager passes(&context);
  passes.addPass(simplify::createRaisePass(shared));
  EXPECT_TRUE(module && succeeded(passes.run(*module)));
  std::vector<std::string> texts;
  for (const simplify::NearMiss &miss : *shared.nearMisses)
    texts.push_back(miss.pattern + ": " + miss.reason);
  return texts;
}

using Texts = std::vector<std::string>;

TEST(NearMiss, AttentionWithoutTransposedKeys) {
  EXPECT_EQ(nearMisses(R"(
    func.func @main(%q: tensor<1x2x5x8xf32>, %k: tensor<1x2x8x5xf32>, %v: tensor<1x2x5x8xf32>) -> tensor<1x2x5x8xf32> {
      %0 = bess.matmul %q, %k : (tensor<1x2x5x8xf32>, tensor<1x2x8x5xf32>) -> tensor<1x2x5x5xf32>
      %1 = bess.softmax %0 {axis = 3 : i64} : (tensor<1x2x5x5xf32>) -> tensor<1x2x5x5xf32>
      %2 = bess.matmul %1, %v : (tensor<1x2x5x5xf32>, tensor<1x2x5x8xf32>) -> tensor<1x2x5x8xf32>
      return %2 : tensor<1x2x5x8xf32>
    })"),
            Texts{"attention: expected keys that are transposed"});
}

TEST(NearMiss, NormOverTheFirstAxis) {
  EXPECT_EQ(nearMisses(R"(
    func.func @main(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
      %eps = bess.constant dense<0.00001> : tensor<f32>
      %p = bess.mul %x, %x : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
      %v = bess.reduce %p {kind = "mean", axes = array<i64: 0>} : (tensor<5x8xf32>) -> tensor<1x8xf32>
      %e = bess.add %v, %eps : (tensor<1x8xf32>, tensor<f32>) -> tensor<1x8xf32>
      %s = bess.sqrt %e : (tensor<1x8xf32>) -> tensor<1x8xf32>
      %n = bess.div %x, %s : (tensor<5x8xf32>, tensor<1x8xf32>) -> tensor<5x8xf32>
      return %n : tensor<5x8xf32>
    })"),
            Texts{"layer_norm: expected the variance over the last dimensions, kept as 1"});
}

TEST(NearMiss, NothingToSayOfOrdinaryOps) {
  EXPECT_EQ(nearMisses(R"(
    func.func @main(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
      %0 = bess.sigmoid %x : (tensor<5x8xf32>) -> tensor<5x8xf32>
      %1 = bess.mul %x, %0 : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
      return %1 : tensor<5x8xf32>
    })"),
            Texts{});
}
