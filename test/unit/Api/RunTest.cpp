// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What an integrator asks of a program that runs.
#include "test/unit/Api/ApiTestSupport.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

using namespace onnxtest;

namespace {

constexpr int64_t inner = 96, columns = 70;

struct Dense {
  std::vector<float> w = denseWeight(inner, columns);
  std::string model = denseGraph(inner, columns, floats("W", {inner, columns}, w)).model();
  bs::Compilation made = bs::Compilation::ofMemory(model.data(), model.size());
  std::vector<float> answer(const std::vector<float> &x) const { return denseAnswer(x, w, inner, columns); }
};

Dense &dense() {
  static Dense made;
  return made;
}

/// y = x + x as often as asked, each an op of its own since the sums are read twice.
std::string chain(int length) {
  Graph graph;
  std::string last = "x";
  for (int i = 0; i < length; ++i) {
    std::string next = i + 1 == length ? "y" : "t" + std::to_string(i);
    graph.nodes.push_back(node("n" + std::to_string(i), "MatMul", {last, last}, {next}));
    last = next;
  }
  graph.inputs = {value("x", {"n", "n"})};
  graph.outputs = {value("y", {"n", "n"})};
  return graph.model();
}

} // namespace

TEST(ApiRun, ShapesAreKnownBeforeTheRun) {
  bs::Context context(dense().made.load());
  std::vector<bessemer_tensor> shapes = context.outputShapes(one(bs::Tensor::ofShape({5, inner})));
  ASSERT_EQ(shapes.size(), 1u);
  EXPECT_EQ(shapes[0].dtype, BESSEMER_F32);
  EXPECT_EQ(bs::Shape(shapes[0].shape, shapes[0].shape + shapes[0].rank), (bs::Shape{5, columns}));
  EXPECT_GE(context.arenaBytes(one(bs::Tensor::ofShape({5, inner}))), 0);
  EXPECT_EQ(statusOf([&] { context.outputShapes(one(bs::Tensor::ofShape({5, inner + 1}))); }), BESSEMER_BAD_INPUT);
}

TEST(ApiRun, OutputsLieWhereTheCallerSays) {
  bs::Context context(dense().made.load());
  for (int64_t rows : {1, 3, 64, 3}) {
    std::vector<float> x = ramp(size_t(rows * inner)), y(size_t(rows * columns) + 1, 42.0f);
    std::vector<bs::Tensor> outputs = one(bs::Tensor::view(y.data(), {rows, columns}));
    context.run(one(bs::Tensor::view(x.data(), {rows, inner})), outputs);
    EXPECT_EQ(outputs[0].data(), y.data());
    expectNear(outputs[0], dense().answer(x));
    EXPECT_EQ(y.back(), 42.0f);
  }
  std::vector<float> x = ramp(size_t(4 * inner)), y(3 * columns);
  std::vector<bs::Tensor> small = one(bs::Tensor::view(y.data(), {3, columns}));
  std::string text;
  EXPECT_EQ(statusOf([&] { context.run(one(bs::Tensor::view(x.data(), {4, inner})), small); }, &text),
            BESSEMER_BAD_INPUT);
  EXPECT_NE(text.find("output 'y'"), std::string::npos) << text;
}

TEST(ApiRun, AnOutputWithRoomToSpareGetsItsShape) {
  bs::Context context(dense().made.load());
  std::vector<float> x = ramp(size_t(2 * inner)), y(1000);
  std::vector<bs::Tensor> outputs = one(bs::Tensor::view(y.data(), {0, columns}));
  outputs[0].raw.capacity = int64_t(y.size() * 4);
  context.run(one(bs::Tensor::view(x.data(), {2, inner})), outputs);
  EXPECT_EQ(outputs[0].shape(), (bs::Shape{2, columns}));
  expectNear(outputs[0], dense().answer(x));
}

TEST(ApiRun, AnInputMayBeGivenUpToAnOutput) {
  // One that is read before it is written, and one that is read while it is written.
  std::string square = chain(1);
  bs::Context multiply(bs::Compilation::ofMemory(square.data(), square.size()).load());
  std::vector<float> x = ramp(24 * 24), wanted(24 * 24, 0);
  for (int i = 0; i < 24; ++i)
    for (int k = 0; k < 24; ++k)
      for (int j = 0; j < 24; ++j)
        wanted[i * 24 + j] += x[i * 24 + k] * x[k * 24 + j];
  std::vector<bs::Tensor> outputs = one(bs::Tensor::view(x.data(), {24, 24}));
  multiply.run(one(bs::Tensor::view(x.data(), {24, 24})), outputs);
  expectNear(outputs[0], wanted);

  Graph graph;
  graph.nodes = {node("double", "Add", {"x", "x"}, {"y"})};
  graph.inputs = {value("x", {"n"})};
  graph.outputs = {value("y", {"n"})};
  std::string model = graph.model();
  bs::Context add(bs::Compilation::ofMemory(model.data(), model.size()).load());
  std::vector<float> values = ramp(1000), doubled = values;
  for (float &v : doubled)
    v += v;
  outputs = one(bs::Tensor::view(values.data(), {1000}));
  add.run(one(bs::Tensor::view(values.data(), {1000})), outputs);
  expectNear(outputs[0], doubled);
}

namespace {
struct CountingAllocator {
  std::mutex mutex;
  std::map<void *, size_t> blocks;
  size_t calls = 0, limit = SIZE_MAX;

  bessemer_allocator c() {
    auto allocate = [](void *user, size_t bytes, size_t alignment) -> void * {
      auto *self = static_cast<CountingAllocator *>(user);
      std::lock_guard<std::mutex> lock(self->mutex);
      if (++self->calls > self->limit)
        return nullptr;
      size_t rounded = (bytes + alignment - 1) / alignment * alignment;
      void *memory = std::aligned_alloc(alignment, std::max(rounded, alignment));
      self->blocks[memory] = bytes;
      return memory;
    };
    auto release = [](void *user, void *memory, size_t bytes) {
      auto *self = static_cast<CountingAllocator *>(user);
      std::lock_guard<std::mutex> lock(self->mutex);
      auto it = self->blocks.find(memory);
      ASSERT_NE(it, self->blocks.end());
      EXPECT_EQ(it->second, bytes);
      self->blocks.erase(it);
      std::free(memory);
    };
    return {allocate, release, this};
  }
};
} // namespace

TEST(ApiRun, AllMemoryComesFromTheCallersAllocatorAndGoesBack) {
  CountingAllocator allocator;
  {
    bs::LoadOptions options;
    options.allocator = allocator.c();
    bs::Context context(dense().made.load(options));
    EXPECT_GT(allocator.blocks.size(), 0u); // the packed weight
    std::vector<float> x = ramp(size_t(9 * inner));
    std::vector<bs::Tensor> outputs = context.run(one(bs::Tensor::view(x.data(), {9, inner})));
    EXPECT_EQ(allocator.blocks.count(outputs[0].data()), 1u);
    size_t before = allocator.calls;
    std::vector<float> y(size_t(9 * columns));
    std::vector<bs::Tensor> mine = one(bs::Tensor::view(y.data(), {9, columns}));
    context.run(one(bs::Tensor::view(x.data(), {9, inner})), mine);
    EXPECT_EQ(allocator.calls, before) << "a second run of a shape allocates nothing";
    expectNear(mine[0], dense().answer(x));
  }
  EXPECT_EQ(allocator.blocks.size(), 0u);
}

TEST(ApiRun, WithoutMemoryACallFailsAndLeavesNothingBehind) {
  for (size_t limit = 0; limit < 6; ++limit) {
    CountingAllocator allocator;
    allocator.limit = limit;
    bs::LoadOptions options;
    options.allocator = allocator.c();
    std::vector<float> x = ramp(size_t(9 * inner));
    bessemer_status status = statusOf([&] {
      bs::Context context(dense().made.load(options));
      context.run(one(bs::Tensor::view(x.data(), {9, inner})));
    });
    EXPECT_TRUE(status == BESSEMER_OUT_OF_MEMORY || status == BESSEMER_OK) << status;
    if (limit == 0) {
      EXPECT_EQ(status, BESSEMER_OUT_OF_MEMORY);
    }
    EXPECT_EQ(allocator.blocks.size(), 0u);
  }
}

TEST(ApiRun, WorkGoesToTheCallersThreads) {
  static std::atomic<int> calls, bodies;
  calls = bodies = 0;
  bs::LoadOptions options;
  options.threadPool.threads = 3;
  options.threadPool.parallel = [](void *, int tasks, void (*body)(void *, int), void *argument) {
    EXPECT_LE(tasks, 3);
    ++calls;
    std::vector<std::thread> threads;
    for (int i = 0; i < tasks; ++i)
      threads.emplace_back([=] {
        ++bodies;
        body(argument, i);
      });
    for (std::thread &thread : threads)
      thread.join();
  };
  bs::Context context(dense().made.load(options));
  std::vector<float> x = ramp(size_t(512 * inner));
  std::vector<bs::Tensor> outputs = context.run(one(bs::Tensor::view(x.data(), {512, inner})));
  expectNear(outputs[0], dense().answer(x));
  EXPECT_GT(calls, 0);
  EXPECT_GT(bodies, calls);
}

TEST(ApiRun, ARunIsCancelledFromAnotherThread) {
  std::string model = chain(400);
  bs::Context context(bs::Compilation::ofMemory(model.data(), model.size()).load());
  constexpr int64_t n = 600;
  std::vector<float> x(n * n, 0.0f);
  std::atomic<bool> ended{false};
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    while (!ended) {
      context.cancel();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  bessemer_status status = statusOf([&] { context.run(one(bs::Tensor::view(x.data(), {n, n}))); });
  ended = true;
  other.join();
  EXPECT_EQ(status, BESSEMER_CANCELLED);
  // A request that came too late is for the next run; the one behind it is whole.
  std::vector<float> little(4, 0.5f);
  statusOf([&] { context.run(one(bs::Tensor::view(little.data(), {2, 2}))); });
  EXPECT_EQ(statusOf([&] { context.run(one(bs::Tensor::view(little.data(), {2, 2}))); }), BESSEMER_OK);
  context.cancel();
  EXPECT_EQ(statusOf([&] { context.run(one(bs::Tensor::view(little.data(), {2, 2}))); }), BESSEMER_CANCELLED);
}

TEST(ApiRun, ManyThreadsRunOneProgram) {
  bs::Program program = dense().made.load();
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      bs::Context context(program);
      for (int64_t rows = 1; rows < 30; ++rows) {
        std::vector<float> x = ramp(size_t((rows + t) * inner)), wanted = dense().answer(x);
        std::vector<bs::Tensor> outputs = context.run(one(bs::Tensor::view(x.data(), {rows + t, inner})));
        for (size_t i = 0; i < wanted.size(); ++i)
          wrong += std::abs(outputs[0].data<float>()[i] - wanted[i]) > 1e-3f * (1 + std::abs(wanted[i]));
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(ApiRun, ContextsAndOutputsOutliveTheirProgram) {
  auto context = std::make_unique<bs::Context>(dense().made.load());
  std::vector<float> x = ramp(size_t(2 * inner));
  std::vector<bs::Tensor> outputs = context->run(one(bs::Tensor::view(x.data(), {2, inner})));
  context.reset();
  expectNear(outputs[0], dense().answer(x));
}

TEST(ApiRun, StridedInputsAreRead) {
  bs::Context context(dense().made.load());
  std::vector<float> x = ramp(size_t(6 * inner)), every;
  for (int64_t r = 0; r < 6; r += 2)
    every.insert(every.end(), x.begin() + r * inner, x.begin() + (r + 1) * inner);
  std::vector<bs::Tensor> outputs = context.run(one(bs::Tensor::view(x.data(), {3, inner}, {2 * inner, 1})));
  expectNear(outputs[0], dense().answer(every));
}

TEST(ApiRun, NullPointersAreRefused) {
  EXPECT_EQ(bessemer_load_file(nullptr, nullptr, nullptr), BESSEMER_INVALID_ARGUMENT);
  EXPECT_EQ(bessemer_context_create(nullptr, nullptr), BESSEMER_INVALID_ARGUMENT);
  EXPECT_EQ(bessemer_run(nullptr, nullptr, 0, nullptr, 0), BESSEMER_INVALID_ARGUMENT);
  EXPECT_EQ(bessemer_compile_file(nullptr, nullptr, nullptr), BESSEMER_INVALID_ARGUMENT);
  EXPECT_EQ(bessemer_compilation_load(nullptr, nullptr, nullptr), BESSEMER_INVALID_ARGUMENT);
  EXPECT_EQ(bessemer_supported_nodes(nullptr, 8, nullptr, nullptr), BESSEMER_INVALID_ARGUMENT);
  EXPECT_EQ(bessemer_register_op(nullptr, nullptr, nullptr), BESSEMER_INVALID_ARGUMENT);
  EXPECT_EQ(bessemer_register_op_types("NoDomain", nullptr, nullptr), BESSEMER_INVALID_ARGUMENT);
  EXPECT_STRNE(bessemer_last_error(), "");
  bessemer_program_release(nullptr);
  bessemer_context_release(nullptr);
  bessemer_compilation_release(nullptr);
  bessemer_tensor_release(nullptr);
  bessemer_cancel(nullptr);
}

TEST(ApiRun, AMemoryLimitIsKeptOrRefusedWithTheSmallest) {
  bs::LoadOptions options;
  options.threads = 1;
  options.memoryLimit = 1;
  std::vector<float> x = ramp(size_t(3 * inner));
  std::string text;
  {
    bs::Context context(dense().made.load(options));
    EXPECT_EQ(statusOf([&] { context.run(one(bs::Tensor::view(x.data(), {3, inner}))); }, &text), BESSEMER_BAD_INPUT);
  }
  size_t at = text.find("at least ");
  ASSERT_NE(at, std::string::npos) << text;
  options.memoryLimit = std::stoll(text.substr(at + 9));
  bs::Context context(dense().made.load(options));
  expectNear(context.run(one(bs::Tensor::view(x.data(), {3, inner})))[0], dense().answer(x));
}

TEST(ApiRun, ACacheIsAppendedToInItsBuffer) {
  Graph graph;
  graph.nodes.push_back(node("append", "Concat", {"past", "x"}, {"present"}, "", {intAttribute("axis", 1)}));
  graph.inputs = {value("past", {"2", "p", "4"}), value("x", {"2", "s", "4"})};
  graph.outputs = {value("present", {"2", "t", "4"})};
  std::string model = graph.model();
  bs::Program program = bs::Compilation::ofMemory(model.data(), model.size()).load();
  std::vector<bessemer_cache> caches = program.caches();
  ASSERT_EQ(caches.size(), 1u);
  EXPECT_EQ(caches[0].input, 0u);
  EXPECT_EQ(caches[0].output, 0u);
  EXPECT_EQ(caches[0].axis, 1);
  bessemer_cache none;
  EXPECT_EQ(bessemer_cache_at(program.handle(), 1, &none), BESSEMER_INVALID_ARGUMENT);

  constexpr int64_t room = 6;
  std::vector<float> buffer(2 * room * 4, -1.0f), x = ramp(2 * 2 * 4);
  bs::Context context(program);
  for (int64_t past : {0, 2, 4}) {
    std::vector<bs::Tensor> inputs, outputs;
    inputs.push_back(bs::Tensor::view(buffer.data(), {2, past, 4}, {room * 4, 4, 1}));
    inputs.push_back(bs::Tensor::view(x.data(), {2, 2, 4}));
    outputs.push_back(bs::Tensor::view(buffer.data(), {2, past + 2, 4}, {room * 4, 4, 1}));
    context.run(inputs, outputs);
    EXPECT_EQ(outputs[0].data(), buffer.data());
    EXPECT_EQ(outputs[0].raw.has_strides, 1);
    for (int64_t row = 0; row < 2; ++row)
      for (int64_t place = 0; place < room; ++place)
        for (int64_t i = 0; i < 4; ++i)
          EXPECT_EQ(buffer[size_t((row * room + place) * 4 + i)],
                    place < past + 2 ? x[size_t((row * 2 + place % 2) * 4 + i)] : -1.0f);
  }
}
