// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights that do not fit are read again in each run; plans are checked.
#include "TestPrograms.h"

#include <atomic>

using namespace bessemer;
using namespace bessemer::runtime;
using namespace bessemer::runtime::test;

namespace {

constexpr int64_t count = 32 << 10; ///< elements of a weight: 128 KiB
constexpr int64_t weightBytes = count * 4;
constexpr int layers = 6;

/// y = x + 3 w0 + 3 w1 + ...; the loader triples each weight.
Program layeredProgram(LoadOptions &options, std::vector<std::vector<float>> &data) {
  Program program = emptyProgram();
  data.assign(layers, std::vector<float>(count));
  for (int l = 0; l < layers; ++l)
    for (int64_t i = 0; i < count; ++i)
      data[l][i] = float(l * 1000 + i % 7);
  program.functions.emplace_back();
  Function &triple = program.functions[1];
  triple.name = "triple";
  BufferId in = addInput(triple, "w", {count}), out = addOutput(triple, "y", {count});
  triple.body.push_back(launch(Scale, {in, out}, {3}, count));
  Function &f = program.functions[0];
  BufferId from = addInput(f, "x", {count}), y = addOutput(f, "y", {count});
  for (int l = 0; l < layers; ++l) {
    std::string key = "w" + std::to_string(l);
    options.hostWeights[key] = {data[l].data(), weightBytes};
    Weight source;
    source.name = key;
    source.dtype = DType::F32;
    source.shape = {count};
    source.file = "host:" + key;
    source.length = weightBytes;
    source.temporary = true;
    Weight tripled = source;
    tripled.name = key + ".tripled";
    tripled.file.clear();
    tripled.length = 0;
    tripled.temporary = false;
    tripled.derivedFunction = 1;
    tripled.derivedFrom = {2 * l};
    program.weights.push_back(source);
    program.weights.push_back(tripled);
    BufferId w = addBuffer(f, BufferKind::Weight, 2 * l + 1, {count});
    BufferId to = l + 1 == layers ? y : addBuffer(f, BufferKind::Arena, 0, {count});
    f.buffers[to].lower = l;
    f.buffers[to].upper = l + 2;
    f.body.push_back(launch(Add, {from, w, to}, {}, count));
    from = to;
  }
  return program;
}

/// The arena holds two values, each as large as a weight; a line of workspace for each of two threads.
constexpr int64_t arenaBytes = 2 * weightBytes + 2 * 64;

Status runLimited(int64_t limit, int runs = 3) {
  LoadOptions options;
  options.memoryLimit = limit;
  std::vector<std::vector<float>> data;
  Program program = layeredProgram(options, data);
  std::shared_ptr<Model> model = makeModel(std::move(program), 2, options);
  EXPECT_GE(model->weightBytes(), limit ? 0 : layers * weightBytes);
  EXPECT_LT(model->weightBytes(), limit ? 1 : (layers + 1) * weightBytes);
  Context context(model);
  for (int r = 0; r < runs; ++r) {
    std::vector<float> x(count, float(r)), y(count, -1.0f);
    std::vector<Tensor> inputs{tensor(x, {count})}, outputs{tensor(y, {count})};
    if (Status status = context.run(inputs, outputs); !status.ok())
      return status;
    for (int64_t i : {int64_t{0}, int64_t{5}, count - 1}) {
      float expected = float(r);
      for (int l = 0; l < layers; ++l)
        expected += 3 * data[l][i];
      EXPECT_EQ(y[i], expected) << "limit " << limit << ", element " << i;
    }
  }
  return {};
}

} // namespace

TEST(MemoryLimit, AnswersAreTheSameUnderEveryLimit) {
  for (int64_t weights = 1; weights <= layers; ++weights)
    EXPECT_TRUE(runLimited(arenaBytes + weights * weightBytes).ok()) << weights;
  EXPECT_TRUE(runLimited(0).ok());
}

TEST(MemoryLimit, SaysTheSmallestLimitAndWhatMakesItSo) {
  Status status = runLimited(arenaBytes + weightBytes - 1);
  EXPECT_EQ(status.code, StatusCode::BadInput);
  EXPECT_NE(status.message.find("expected a memory limit of at least " + std::to_string(arenaBytes + weightBytes)),
            std::string::npos)
      << status.message;
  EXPECT_NE(status.message.find("w0.tripled"), std::string::npos) << status.message;
  EXPECT_NE(status.message.find("main."), std::string::npos) << status.message;
}

TEST(MemoryLimit, TheProgramsOwnLimitHoldsAsWell) {
  LoadOptions options;
  std::vector<std::vector<float>> data;
  Program program = layeredProgram(options, data);
  program.memoryLimit = 100;
  options.memoryLimit = 1 << 30;
  Context context(makeModel(std::move(program), 1, options));
  std::vector<float> x(count), y(count);
  std::vector<Tensor> inputs{tensor(x, {count})}, outputs{tensor(y, {count})};
  EXPECT_EQ(context.run(inputs, outputs).code, StatusCode::BadInput);
}

TEST(MemoryLimit, IsKeptAndNothingIsAllocatedAfterTheFirstRun) {
  static std::atomic<int64_t> live{0}, peak{0}, calls{0};
  live = peak = calls = 0;
  LoadOptions options;
  options.memoryLimit = arenaBytes + 3 * weightBytes;
  options.allocator.allocate = [](void *, size_t bytes, size_t alignment) -> void * {
    ++calls;
    peak = std::max<int64_t>(peak, live += int64_t(bytes));
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  };
  options.allocator.release = [](void *, void *memory, size_t bytes) {
    live -= int64_t(bytes);
    std::free(memory);
  };
  std::vector<std::vector<float>> data;
  Program program = layeredProgram(options, data);
  Context context(makeModel(std::move(program), 2, options));
  std::vector<float> x(count), y(count);
  std::vector<Tensor> inputs{tensor(x, {count})}, outputs{tensor(y, {count})};
  ASSERT_TRUE(context.run(inputs, outputs).ok());
  int64_t after = calls;
  for (int i = 0; i < 4; ++i)
    ASSERT_TRUE(context.run(inputs, outputs).ok());
  EXPECT_EQ(calls, after);
  constexpr int64_t workspaces = 4096; // of threads, and empty arenas of the derivations
  EXPECT_LE(peak, options.memoryLimit + workspaces);
}

TEST(MemoryLimit, AWeightThatCannotBeReadFailsTheRun) {
  LoadOptions options;
  options.memoryLimit = arenaBytes + weightBytes;
  std::vector<std::vector<float>> data;
  Program program = layeredProgram(options, data);
  program.weights[6].length -= 4; // found when it is read
  Status status;
  std::shared_ptr<Model> model;
  status = Model::create(std::move(program), options, model);
  if (status.ok()) {
    Context context(model);
    std::vector<float> x(count), y(count);
    std::vector<Tensor> inputs{tensor(x, {count})}, outputs{tensor(y, {count})};
    status = context.run(inputs, outputs);
  }
  EXPECT_FALSE(status.ok());
}

/// a and b are live at the same time.
static Program plannedProgram(int64_t offsetOfB) {
  Program program = emptyProgram();
  Function &f = program.functions[0];
  BufferId x = addInput(f, "x", {64}), y = addOutput(f, "y", {64});
  BufferId a = addBuffer(f, BufferKind::Arena, 0, {64}), b = addBuffer(f, BufferKind::Arena, 0, {64});
  f.buffers[a].lower = 0, f.buffers[a].upper = 3, f.buffers[a].offset = 0;
  f.buffers[b].lower = 1, f.buffers[b].upper = 3, f.buffers[b].offset = offsetOfB;
  f.frameBytes = 512;
  f.body.push_back(launch(Scale, {x, a}, {2}, 64));
  f.body.push_back(launch(Scale, {x, b}, {3}, 64));
  f.body.push_back(launch(Add, {a, b, y}, {}, 64));
  return program;
}

TEST(MemoryPlanOfAProgram, IsCheckedBeforeItIsUsed) {
  for (int64_t offset : {256, 128}) {
    Context context(makeModel(plannedProgram(offset)));
    std::vector<float> x(64, 1.0f), y(64);
    std::vector<Tensor> inputs{tensor(x, {64})}, outputs{tensor(y, {64})};
    Status status = context.run(inputs, outputs);
    EXPECT_EQ(status.ok(), offset == 256) << status.message;
    if (offset == 256)
      EXPECT_EQ(y[63], 5.0f);
    else
      EXPECT_NE(status.message.find("share bytes"), std::string::npos) << status.message;
  }
}
