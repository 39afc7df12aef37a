// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "TestModule.h"

using namespace bessemer;
using namespace bessemer::reference;

TEST(Evaluator, BroadcastsOverNamedDimensions) {
  TestModule test(R"(
    func.func @main(%x: tensor<?x2xf32, #bess.dims<"n", "2">>, %b: tensor<2xf32>) -> tensor<?x2xf32, #bess.dims<"n", "2">> {
      %0 = bess.add %x, %b : (tensor<?x2xf32, #bess.dims<"n", "2">>, tensor<2xf32>) -> tensor<?x2xf32, #bess.dims<"n", "2">>
      return %0 : tensor<?x2xf32, #bess.dims<"n", "2">>
    })");
  auto results = test.run({floats({3, 2}, {1, 2, 3, 4, 5, 6}), floats({2}, {10, 20})});
  ASSERT_EQ(results.size(), 1u) << test.diagnostics;
  EXPECT_EQ(results[0].shape, (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(values<float>(results[0]), (std::vector<float>{11, 22, 13, 24, 15, 26}));
  EXPECT_EQ(test.symbols.at("n"), 3);
}

TEST(Evaluator, OracleKeepsWhatFloatLoses) {
  TestModule test(R"(
    func.func @main(%x: tensor<1xf32>) -> tensor<1xf32> {
      %tiny = bess.constant dense<9.31322574615478515625e-10> : tensor<1xf32>
      %0 = bess.add %x, %tiny : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32>
      %1 = bess.sub %0, %x : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32>
      return %1 : tensor<1xf32>
    })");
  auto native = test.run({floats({1}, {1})});
  ASSERT_EQ(native.size(), 1u) << test.diagnostics;
  EXPECT_EQ(values<float>(native[0])[0], 0);
  auto oracle = test.run({floats({1}, {1})}, /*oracle=*/true);
  ASSERT_EQ(oracle.size(), 1u) << test.diagnostics;
  EXPECT_EQ(oracle[0].dtype, DType::F64);
  EXPECT_EQ(values<double>(oracle[0])[0], 0x1p-30);
}

TEST(Evaluator, OracleRunsBitcastOnTheDeclaredType) {
  TestModule test(R"(
    func.func @main(%x: tensor<1xf32>) -> tensor<1xi32> {
      %0 = bess.bitcast %x {to = i32} : (tensor<1xf32>) -> tensor<1xi32>
      return %0 : tensor<1xi32>
    })");
  auto results = test.run({floats({1}, {1})}, /*oracle=*/true);
  ASSERT_EQ(results.size(), 1u) << test.diagnostics;
  EXPECT_EQ(values<int32_t>(results[0])[0], 0x3f800000);
}

TEST(Evaluator, LoopsWhileAConditionHolds) {
  TestModule test(R"(
    func.func @main(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<i64>) {
      %zero = bess.constant dense<0> : tensor<i64>
      %one = bess.constant dense<1> : tensor<i64>
      %limit = bess.constant dense<100.0> : tensor<1xf32>
      %0:2 = scf.while (%a = %x, %i = %zero) : (tensor<2xf32>, tensor<i64>) -> (tensor<2xf32>, tensor<i64>) {
        %s = bess.reduce %a {kind = "sum", axes = array<i64: 0>} : (tensor<2xf32>) -> tensor<1xf32>
        %l = bess.less %s, %limit : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xi1>
        %c0 = arith.constant 0 : index
        %c = tensor.extract %l[%c0] : tensor<1xi1>
        scf.condition(%c) %a, %i : tensor<2xf32>, tensor<i64>
      } do {
      ^bb0(%a: tensor<2xf32>, %i: tensor<i64>):
        %d = bess.add %a, %a : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
        %j = bess.add %i, %one : (tensor<i64>, tensor<i64>) -> tensor<i64>
        scf.yield %d, %j : tensor<2xf32>, tensor<i64>
      }
      return %0#0, %0#1 : tensor<2xf32>, tensor<i64>
    })");
  auto results = test.run({floats({2}, {1, 2})});
  ASSERT_EQ(results.size(), 2u) << test.diagnostics;
  EXPECT_EQ(values<float>(results[0]), (std::vector<float>{64, 128}));
  EXPECT_EQ(values<int64_t>(results[1])[0], 6);
}

TEST(Evaluator, TakesBranchesAndCountsLoops) {
  TestModule test(R"(
    func.func @main(%x: tensor<2xf32>, %m: tensor<i1>) -> tensor<2xf32> {
      %c = tensor.extract %m[] : tensor<i1>
      %lo = arith.constant 0 : index
      %hi = arith.constant 3 : index
      %step = arith.constant 1 : index
      %0 = scf.for %i = %lo to %hi step %step iter_args(%a = %x) -> (tensor<2xf32>) {
        %1 = scf.if %c -> (tensor<2xf32>) {
          %2 = bess.add %a, %a : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
          scf.yield %2 : tensor<2xf32>
        } else {
          %2 = bess.neg %a : (tensor<2xf32>) -> tensor<2xf32>
          scf.yield %2 : tensor<2xf32>
        }
        scf.yield %1 : tensor<2xf32>
      }
      return %0 : tensor<2xf32>
    })");
  HostTensor yes = makeTensor<uint8_t>(DType::Bool, {}, {1}), no = makeTensor<uint8_t>(DType::Bool, {}, {0});
  auto doubled = test.run({floats({2}, {1, 2}), yes}), negated = test.run({floats({2}, {1, 2}), no});
  ASSERT_EQ(doubled.size(), 1u) << test.diagnostics;
  ASSERT_EQ(negated.size(), 1u) << test.diagnostics;
  EXPECT_EQ(values<float>(doubled[0]), (std::vector<float>{8, 16}));
  EXPECT_EQ(values<float>(negated[0]), (std::vector<float>{-1, -2}));
}

TEST(Evaluator, DataDefinesSymbols) {
  // Elements that are not 0, and how many: the count goes on into a shape.
  TestModule test(R"(
    func.func @main(%x: tensor<4xf32>, %s: tensor<1xi64>) -> (tensor<1x?xi64, #bess.dims<"1", "count">>, tensor<2xi64>) {
      bess.bind_symbols %s {symbols = ["size"]} : (tensor<1xi64>) -> ()
      %0 = bess.nonzero %x : (tensor<4xf32>) -> tensor<1x?xi64, #bess.dims<"1", "count">>
      %1 = bess.from_dims <"2*count", "size + 1"> : tensor<2xi64>
      return %0, %1 : tensor<1x?xi64, #bess.dims<"1", "count">>, tensor<2xi64>
    })");
  auto results = test.run({floats({4}, {0, 5, 0, 7}), integers({1}, {41})});
  ASSERT_EQ(results.size(), 2u) << test.diagnostics;
  EXPECT_EQ(results[0].shape, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(values<int64_t>(results[0]), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(values<int64_t>(results[1]), (std::vector<int64_t>{4, 42}));
}

TEST(Evaluator, CallsHaveSymbolsOfTheirOwn) {
  // The callee's `n` is 2 in one call and 3 in the other.
  TestModule test(R"(
    func.func private @sum(%x: tensor<?xf32, #bess.dims<"n">>) -> tensor<1xf32> {
      %0 = bess.fusion "reduce" (%x) reason "alone" : (tensor<?xf32, #bess.dims<"n">>) -> tensor<1xf32> {
      ^bb0(%a: tensor<?xf32, #bess.dims<"n">>):
        %1 = bess.reduce %a {kind = "sum", axes = array<i64: 0>} : (tensor<?xf32, #bess.dims<"n">>) -> tensor<1xf32>
        bess.yield %1 : tensor<1xf32>
      }
      return %0 : tensor<1xf32>
    }
    func.func @main(%x: tensor<?xf32, #bess.dims<"n">>, %y: tensor<?xf32, #bess.dims<"m">>) -> (tensor<1xf32>, tensor<1xf32>) {
      %0 = func.call @sum(%x) : (tensor<?xf32, #bess.dims<"n">>) -> tensor<1xf32>
      %r = bess.reshape %y : (tensor<?xf32, #bess.dims<"m">>) -> tensor<?xf32, #bess.dims<"m">>
      %c = tensor.cast %r : tensor<?xf32, #bess.dims<"m">> to tensor<?xf32, #bess.dims<"n">>
      return %0, %0 : tensor<1xf32>, tensor<1xf32>
    })");
  // A cast that claims n == m is caught.
  EXPECT_TRUE(test.run({floats({2}, {1, 2}), floats({3}, {1, 2, 3})}).empty());
  EXPECT_NE(test.diagnostics.find("expected dimension 0 (n) to be 2, got 3"), std::string::npos) << test.diagnostics;
  auto results = test.run({floats({2}, {1, 2}), floats({2}, {1, 2})});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(values<float>(results[0])[0], 3);
}

TEST(Evaluator, ChecksGuardsAndInputs) {
  TestModule test(R"(
    func.func @main(%x: tensor<?x?xf32, #bess.dims<"n", "n">>) -> tensor<?x?xf32, #bess.dims<"n", "n">> {
      bess.guard "le" "n" "4" "at most 4 rows"
      return %x : tensor<?x?xf32, #bess.dims<"n", "n">>
    })");
  auto failsWith = [&](llvm::ArrayRef<HostTensor> inputs, const char *text) {
    test.diagnostics.clear();
    EXPECT_TRUE(test.run(inputs).empty());
    EXPECT_NE(test.diagnostics.find(text), std::string::npos) << test.diagnostics;
  };
  failsWith({HostTensor::make(DType::F32, {5, 5})}, "guard does not hold: n le 4, got 5 and 4 (at most 4 rows)");
  failsWith({HostTensor::make(DType::F32, {2, 3})}, "expected dimension 1 (n) to be 2, got 3");
  failsWith({HostTensor::make(DType::F32, {2})}, "expected a tensor of rank 2, got rank 1");
  failsWith({HostTensor::make(DType::I64, {2, 2})}, "expected elements of f32, got i64");
  failsWith({}, "expected 1 inputs, got 0");
}

TEST(Evaluator, ReadsWeightsOfTheHost) {
  const char varints[] = {0x01, '\xac', 0x02}; // 1, 300
  const float raw[] = {0.5f, 2.f};
  TestModule test(R"(
    func.func @main() -> (tensor<2xf32>, tensor<2xi32>, tensor<2xf32>) {
      %0 = bess.weight "raw" <file = "host:a", offset = 0, length = 8> : tensor<2xf32>
      %1 = bess.weight "varint" <file = "host:b", offset = 0, length = 3, encoding = "varint"> : tensor<2xi32>
      %2 = bess.weight "unaligned" <file = "host:c", offset = 1, length = 8> : tensor<2xf32>
      return %0, %1, %2 : tensor<2xf32>, tensor<2xi32>, tensor<2xf32>
    })");
  std::string unaligned(9, '\0');
  std::memcpy(unaligned.data() + 1, raw, 8);
  test.files.addHost("a", {reinterpret_cast<const char *>(raw), 8});
  test.files.addHost("b", {varints, 3});
  test.files.addHost("c", unaligned);
  auto results = test.run({});
  ASSERT_EQ(results.size(), 3u) << test.diagnostics;
  EXPECT_EQ(values<float>(results[0]), (std::vector<float>{0.5, 2}));
  EXPECT_EQ(values<int32_t>(results[1]), (std::vector<int32_t>{1, 300}));
  EXPECT_EQ(values<float>(results[2]), (std::vector<float>{0.5, 2}));
}

TEST(WeightFiles, RefusesWhatIsNotThere) {
  WeightFiles files;
  files.addHost("w", "0123456789");
  std::string error;
  EXPECT_EQ(files.bytes("host:w", 4, 3, error), "456");
  EXPECT_FALSE(files.bytes("host:w", 8, 3, error));
  EXPECT_EQ(error, "expected 3 bytes at offset 8 of host:w, which has 10");
  EXPECT_FALSE(files.bytes("host:w", -1, 3, error));
  EXPECT_FALSE(files.bytes("host:w", 1, INT64_MAX, error));
  EXPECT_FALSE(files.bytes("host:v", 0, 1, error));
  EXPECT_FALSE(files.bytes("/nonexistent/w.bin", 0, 1, error));
  EXPECT_EQ(error, "cannot open /nonexistent/w.bin: No such file or directory");
}
