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
  EXPECT_EQ(counts.repeats, 8 - 3);
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

/// A tensor of zeros on the device.
Tensor onDevice(Context &context, std::vector<int64_t> shape) {
  Tensor made{DType::F32, std::move(shape)};
  made.onDevice = true;
  std::vector<float> zeros(1);
  for (int64_t extent : made.shape)
    zeros.resize(zeros.size() * static_cast<size_t>(extent));
  Status status = context.writeTensor(made, zeros.data(), static_cast<int64_t>(4 * zeros.size()));
  EXPECT_TRUE(status.ok()) << status.message;
  return made;
}

// Of tensors on the device only the small input may move; it has more room than it takes.
TEST_F(GrowingSize, OnTheDeviceItIsAReplayOfTheSamePlaces) {
  Context context(makeModel(growingProgram(), 1, options));
  Tensor from[2] = {onDevice(context, {3, 16}), onDevice(context, {3, 16})}, y = onDevice(context, {3, 16}),
         sums = onDevice(context, {3});
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
  EXPECT_EQ(counts.repeats, 1 + 5); // of each room the first is new, the second recorded
  // Results elsewhere are a list that the graph does not write.
  Tensor other = onDevice(context, {3, 16});
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

// Each has its own places and its own size, and so a list of its own.
TEST_F(GrowingSize, SequencesTakeTurns) {
  Context context(makeModel(growingProgram(), 1, options));
  Tensor x = onDevice(context, {3, 16}), sums = onDevice(context, {3});
  Tensor y[2] = {onDevice(context, {3, 16}), onDevice(context, {3, 16})};
  auto step = [&](int which, int64_t n) {
    std::vector<float> data(3 * n, static_cast<float>(n)), result(3 * n);
    x.shape = y[which].shape = {3, n};
    ASSERT_TRUE(context.writeTensor(x, data.data(), 12 * n).ok());
    std::vector<Tensor> inputs{x}, outputs{y[which], sums};
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    ASSERT_TRUE(context.readTensor(outputs[0], result.data(), 12 * n).ok());
    EXPECT_EQ(result, std::vector<float>(3 * n, 4.0f * n)) << "n = " << n;
    ASSERT_TRUE(context.readTensor(sums, result.data(), 12).ok());
    EXPECT_EQ(result[2], 4.0f * n * n);
  };
  step(0, 12);
  for (int64_t n = 9; n < 12; ++n) {
    step(0, n);
    step(1, n + 4);
  }
  DeviceCounts before = context.deviceCounts();
  EXPECT_EQ(before.plans, 2);
  EXPECT_EQ(before.graphs, 2);
  std::vector<float> other(3 * 100, 1.0f); // in between: a larger arena
  std::vector<Tensor> inputs{tensor(other, {3, 100})}, outputs(2);
  ASSERT_TRUE(context.run(inputs, outputs).ok());
  EXPECT_EQ(values(outputs[0]), std::vector<float>(300, 4.0f));
  for (int64_t n = 12; n < 15; ++n) {
    step(0, n);
    step(1, 28 - n);
  }
  DeviceCounts after = context.deviceCounts();
  EXPECT_EQ(after.graphs - before.graphs, 0);
  EXPECT_EQ(after.plans - before.plans, 1);
  EXPECT_EQ(after.replays - before.replays, 6);
  EXPECT_EQ(after.repeats - before.repeats, 6);
  EXPECT_EQ(after.launches - before.launches, 3);
}

// Results that the run makes: where they come to lie in the place of the last ones, it is a replay.
TEST_F(GrowingSize, ResultsAreMadeOnTheDevice) {
  Context context(makeModel(growingProgram(), 1, options));
  Tensor x = onDevice(context, {3, 8});
  for (int round = 0; round < 5; ++round) {
    std::vector<Tensor> inputs{x}, outputs(2);
    std::vector<float> data(24, static_cast<float>(round)), result(24);
    ASSERT_TRUE(context.writeTensor(x, data.data(), 96).ok());
    outputs[0].onDevice = outputs[1].onDevice = true;
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    ASSERT_TRUE(context.readTensor(outputs[0], result.data(), 96).ok());
    EXPECT_EQ(result, std::vector<float>(24, 4.0f * round));
  }
  EXPECT_EQ(context.deviceCounts().graphs, 1);
  EXPECT_EQ(context.deviceCounts().replays, 4);
  EXPECT_EQ(context.deviceCounts().repeats, 3);
}

// A run that fails on its way leaves nothing that a later replay would send.
TEST_F(GrowingSize, AfterARunThatFailed) {
  Program program = growingProgram();
  program.functions[0].body.back().provenance = "the_sum";
  Context context(makeModel(std::move(program), 1, options));
  for (int64_t n : {9, 10, 11, 12})
    EXPECT_TRUE(run(context, n, 4).ok());
  std::vector<float> x(36, 1e6f);
  std::vector<Tensor> inputs{tensor(x, {3, 12})}, outputs(2);
  Status status = context.run(inputs, outputs);
  EXPECT_NE(status.message.find("the_sum: expected indices inside"), std::string::npos) << status.message;
  std::vector<float> large(3 << 20);
  inputs = {tensor(large, {3, 1 << 20})};
  outputs = std::vector<Tensor>(2);
  EXPECT_EQ(context.run(inputs, outputs).code, StatusCode::OutOfMemory);
  for (int64_t n : {13, 12, 14})
    EXPECT_TRUE(run(context, n, 4).ok());
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

// A larger run takes a larger workspace: what smaller ones have recorded names memory that was given back.
TEST_F(GrowingSize, AWorkspaceThatGrewIsAnotherList) {
  Program program = growingProgram();
  SymbolicExpr n = sym("n");
  std::get<Launch>(program.functions[0].body.back().op).workspaceBytes = n * 64;
  Context context(makeModel(std::move(program), 1, options));
  for (int64_t n : {5, 6, 7, 8, 200, 7, 8, 6}) {
    Status status = run(context, n, 4);
    EXPECT_TRUE(status.ok()) << "n = " << n << ": " << status.message;
  }
  // One before the workspace grew (8), one behind it (6): 7 is launched anew, and 8 is recorded anew.
  EXPECT_EQ(context.deviceCounts().repeats, 2);
  EXPECT_EQ(context.deviceCounts().graphs, 2);
}
