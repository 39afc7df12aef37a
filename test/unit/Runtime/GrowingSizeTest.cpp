// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sizes that grow from run to run on a device (a decoder's past): within the next power of two a run is neither a new
// plan nor a new graph, and whatever else it has gives the answers of a plan of its own.
#include "test/unit/Runtime/FakeCuda.h"

#include <numeric>

using namespace bessemer;
using namespace bessemer::runtime;
using namespace bessemer::runtime::test;

namespace {

/// Runs a program of one input [3, n] and outputs [3, n] and [3] or none, on the host's memory: y is factor(n) * x.
class GrowingSize : public CudaDriver {
protected:
  Status run(Context &context, int64_t n, float factor) {
    std::vector<float> x(3 * n);
    std::iota(x.begin(), x.end(), 1.0f);
    std::vector<Tensor> inputs{tensor(x, {3, n})}, outputs(context.model().entry().outputs.size());
    Status status = context.run(inputs, outputs);
    if (!status.ok())
      return status;
    EXPECT_EQ(outputs[0].shape, (std::vector<int64_t>{3, n}));
    std::vector<float> y = values(outputs[0]);
    for (int64_t i = 0; i < 3 * n; ++i)
      EXPECT_EQ(y[i], factor * x[i]) << "n = " << n << ", i = " << i;
    return {};
  }
};

TEST_F(GrowingSize, IsOnePlanAndOneGraphForARoom) {
  Context context(makeModel(growingProgram(), 1, options));
  for (int64_t n : {5, 6, 7, 8, 7, 5, 6, 8})
    EXPECT_TRUE(run(context, n, 4).ok());
  DeviceCounts counts = context.deviceCounts();
  EXPECT_EQ(counts.plans, 2); // of 5 alone, and up to 8
  EXPECT_EQ(counts.graphs, 1);
  EXPECT_EQ(counts.replays, 8 - 2);
  EXPECT_EQ(counts.launches, 2 * 3);
  EXPECT_EQ(counts.copiesIn, 8);
  for (int64_t n : {9, 16, 11, 12})
    EXPECT_TRUE(run(context, n, 4).ok());
  EXPECT_EQ(context.deviceCounts().plans, 3);
  EXPECT_EQ(context.deviceCounts().graphs, 2);
  // Back among the smaller ones: their plan is still there.
  for (int64_t n : {6, 7, 8})
    EXPECT_TRUE(run(context, n, 4).ok());
  EXPECT_EQ(context.deviceCounts().plans, 3);
  EXPECT_EQ(context.deviceCounts().graphs, 2);
}

// Of tensors on the device only the small input may move; it has more room than it takes.
TEST_F(GrowingSize, OnTheDeviceItIsAReplayOfTheSamePlaces) {
  Context context(makeModel(growingProgram(), 1, options));
  auto make = [&](std::vector<int64_t> shape) {
    Tensor made{DType::F32, shape, nullptr, {}};
    made.onDevice = true;
    std::vector<float> zeros(3 * shape.back() * (shape.size() > 1 ? 1 : 0) + 3);
    zeros.resize(shape.size() > 1 ? 3 * shape[1] : shape[0]);
    Status status = context.writeTensor(made, zeros.data(), static_cast<int64_t>(4 * zeros.size()));
    EXPECT_TRUE(status.ok()) << status.message;
    return made;
  };
  Tensor from[2] = {make({3, 16}), make({3, 16})}, y = make({3, 16}), sums = make({3});
  int waits = 0;
  for (int64_t n = 5; n <= 15; ++n) {
    Tensor &x = from[n % 2];
    std::vector<float> data(3 * n), result(3 * n);
    std::iota(data.begin(), data.end(), static_cast<float>(n));
    x.shape = y.shape = {3, n};
    ASSERT_TRUE(context.writeTensor(x, data.data(), 12 * n).ok());
    std::vector<Tensor> inputs{x}, outputs{y, sums};
    waits = counter("fake_legacy_waits");
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(counter("fake_legacy_waits") - waits, 1) << "for what the caller has put there";
    ASSERT_TRUE(context.readTensor(outputs[0], result.data(), 12 * n).ok());
    for (int64_t i = 0; i < 3 * n; ++i)
      EXPECT_EQ(result[i], 4 * data[i]) << "n = " << n;
  }
  DeviceCounts counts = context.deviceCounts();
  EXPECT_EQ(counts.plans, 3); // 5, up to 8, up to 16
  EXPECT_EQ(counts.graphs, 2);
  EXPECT_EQ(counts.replays, 11 - 3);
  // Results elsewhere are a list that the graph does not write.
  Tensor other = make({3, 16});
  y.shape = other.shape = {3, 15};
  std::vector<float> zeros(45), result(45);
  ASSERT_TRUE(context.writeTensor(y, zeros.data(), 180).ok());
  std::vector<Tensor> inputs{from[1]}, outputs{other, sums};
  ASSERT_TRUE(context.run(inputs, outputs).ok());
  ASSERT_TRUE(context.readTensor(other, result.data(), 180).ok());
  EXPECT_EQ(result[44], 4 * (44 + 15));
  ASSERT_TRUE(context.readTensor(y, result.data(), 180).ok());
  EXPECT_EQ(result, zeros);
}

TEST_F(GrowingSize, WhatIsWrongIsRefusedAsByANewPlan) {
  Program program = growingProgram();
  SymbolicExpr n = sym("n");
  program.entryGuards.push_back({"le", n, 12, "the bound"});
  program.functions[0].body.push_back(instruction(Guard{"lt", SymbolicExpr::mod(n, 7), 4, "the rest"}, "node_7"));
  Context context(makeModel(std::move(program), 1, options));
  for (int64_t n : {7, 8, 9, 10, 10})
    EXPECT_TRUE(run(context, n, 4).ok());
  DeviceCounts before = context.deviceCounts();
  EXPECT_EQ(before.replays, 2);
  EXPECT_EQ(run(context, 11, 4).message, "node_7: the rest: expected mod(n, 7) < 4, got 4 and 4");
  EXPECT_EQ(run(context, 13, 4).message, "the bound: expected n <= 12, got 13 and 12");
  std::vector<float> x(80);
  std::vector<Tensor> inputs{tensor(x, {2, 10})}, outputs(2);
  EXPECT_EQ(context.run(inputs, outputs).message, "input 'x': expected shape [3, n], got [2, 10]");
  std::vector<float> small(30);
  inputs = {tensor(x, {3, 9})};
  outputs[0] = tensor(small, {3, 10});
  EXPECT_EQ(context.run(inputs, outputs).message, "output 'y': expected room for [3, 9], got [3, 10]");
  EXPECT_TRUE(run(context, 9, 4).ok());
  EXPECT_TRUE(run(context, 10, 4).ok());
  EXPECT_EQ(context.deviceCounts().plans, before.plans) << "none was spoilt";
}

/// y = (a + b) * x, where a and b are the symbols of two calls.
Program callingProgram(const SymbolicExpr &a, const SymbolicExpr &b) {
  Program program = deviceProgram();
  SymbolicExpr n = sym("n"), m = sym("m");
  program.functions.emplace_back();
  Function &callee = program.functions[1];
  callee.name = "scaled";
  BufferId in = addInput(callee, "in", {3, n}), out = addOutput(callee, "out", {3, n});
  callee.body.push_back(launch(Scale, {in, out}, {m}, n * 3));
  Function &f = program.functions[0];
  f = Function();
  f.name = "main";
  BufferId x = addInput(f, "x", {3, n}), y = addOutput(f, "y", {3, n});
  BufferId p = addBuffer(f, BufferKind::Arena, 0, {3, n}), q = addBuffer(f, BufferKind::Arena, 0, {3, n});
  for (auto [result, factor] : {std::pair{p, a}, std::pair{q, b}}) {
    Call call;
    call.function = 1;
    call.arguments = {x};
    call.results = {result};
    call.symbols = {{"m", factor}};
    f.body.push_back(instruction(call));
  }
  // With a symbol, so that blocks may be more.
  f.body.push_back(launch(Scale, {p, p}, {1}, n * 3));
  f.body.push_back(launch(Add, {p, q, y}, {}, 3 * 16));
  return program;
}

// At n = 6 both calls have the same values; they are no longer the same at 7.
TEST_F(GrowingSize, CallsThatHappenToAgreeAreApart) {
  Program program = callingProgram(sym("n"), 6);
  program.functions[0].body.back() = launch(Add, {2, 3, 1}, {}, sym("n") * 3);
  Context context(makeModel(std::move(program), 1, options));
  for (int64_t n : {5, 6, 7, 8, 6, 5}) {
    Status status = run(context, n, static_cast<float>(n + 6));
    EXPECT_TRUE(status.ok()) << status.message;
  }
  EXPECT_EQ(context.deviceCounts().plans, 2);
  // A kernel without symbols must have as many blocks as it has work: each size is a list of its own.
  EXPECT_EQ(context.deviceCounts().replays, 1); // of 6
}

// Sizes that the control flow reads: the trip count of a loop, and what a host kernel is told.
TEST_F(GrowingSize, LoopsAndHostKernelsFollow) {
  Program program = deviceProgram();
  SymbolicExpr n = sym("n");
  Function &f = program.functions[0];
  f = Function();
  f.name = "main";
  BufferId x = addInput(f, "x", {3, n}), y = addOutput(f, "y", {3, n});
  BufferId dims = addBuffer(f, BufferKind::Arena, 0, {1}, DType::I64);
  f.body.push_back(launch(Scale, {x, y}, {1}, n * 3));
  f.body.push_back(instruction(FromDims{dims, {n + 1}}));
  f.body.push_back(instruction(BindSymbols{dims, {"k"}}));
  Loop loop;
  loop.tripCount = n - 1;
  loop.counter = "i";
  loop.body = std::make_shared<Block>();
  loop.body->push_back(launch(Add, {x, y, y}, {}, n * 3));
  f.body.push_back(instruction(loop));
  f.body.push_back(launch(Scale, {y, y}, {sym("k")}, n * 3));
  Context context(makeModel(std::move(program), 1, options));
  for (int64_t n : {5, 6, 7, 8, 7, 9}) {
    Status status = run(context, n, static_cast<float>(n * (n + 1)));
    EXPECT_TRUE(status.ok()) << status.message;
  }
  EXPECT_EQ(context.deviceCounts().plans, 3);
}

// A part of a buffer that begins elsewhere for each size: an address of the plan.
TEST_F(GrowingSize, AnAddressThatDependsOnItIsAnotherPlan) {
  Program program = deviceProgram();
  SymbolicExpr n = sym("n");
  Function &f = program.functions[0];
  f = Function();
  f.name = "main";
  BufferId x = addInput(f, "x", {3, n}), y = addOutput(f, "y", {3, n});
  BufferId t = addBuffer(f, BufferKind::Arena, 0, {n * 6});
  BufferId behind = addBuffer(f, BufferKind::Alias, t, {3, n});
  f.buffers[behind].aliasOffset = n * 12;
  f.body.push_back(launch(Scale, {x, t}, {5}, n * 3));
  f.body.push_back(launch(Scale, {t, behind}, {2}, n * 3));
  f.body.push_back(launch(Scale, {behind, y}, {1}, n * 3));
  Context context(makeModel(std::move(program), 1, options));
  for (int64_t n : {5, 6, 7, 8, 6})
    EXPECT_TRUE(run(context, n, 10).ok());
  EXPECT_EQ(context.deviceCounts().plans, 4);
}

// A context for each thread: plans are each context's own.
TEST_F(GrowingSize, ContextsDoNotShareTheValues) {
  std::shared_ptr<Model> model = makeModel(growingProgram(), 1, options);
  Context one(model), two(model);
  for (int64_t n = 5; n <= 9; ++n) {
    EXPECT_TRUE(run(one, n, 4).ok());
    EXPECT_TRUE(run(two, 14 - n, 4).ok());
  }
}

// Shapes are asked for between the runs, as a decoder's caller does.
TEST_F(GrowingSize, AskingForShapesMakesNoPlan) {
  Context context(makeModel(growingProgram(), 1, options));
  for (int64_t n : {5, 6, 7, 8, 8, 6}) {
    std::vector<std::vector<int64_t>> shapes, given{{3, n}};
    ASSERT_TRUE(context.outputShapes(given, shapes).ok());
    EXPECT_EQ(shapes[0], given[0]);
    EXPECT_TRUE(run(context, n, 4).ok());
  }
  EXPECT_EQ(context.deviceCounts().plans, 2);
  EXPECT_EQ(context.deviceCounts().graphs, 1);
}

} // namespace
