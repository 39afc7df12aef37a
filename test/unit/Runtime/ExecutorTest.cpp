// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/Runtime/TestPrograms.h"

#include <numeric>
#include <thread>

using namespace bessemer;
using namespace bessemer::runtime;
using namespace bessemer::runtime::test;

namespace {

void checkDynamic(Context &context, int64_t rows, int64_t n) {
  std::vector<float> x(rows * n), w(rows * n);
  std::iota(x.begin(), x.end(), 1.0f);
  std::iota(w.begin(), w.end(), -3.0f);
  std::vector<Tensor> inputs{tensor(x, {rows, n}), tensor(w, {rows, n})}, outputs(2);
  Status status = context.run(inputs, outputs);
  ASSERT_TRUE(status.ok()) << status.message;
  ASSERT_EQ(outputs[0].shape, (std::vector<int64_t>{rows, n}));
  ASSERT_EQ(outputs[1].shape, (std::vector<int64_t>{rows}));
  std::vector<float> y = values(outputs[0]), sums = values(outputs[1]);
  for (int64_t i = 0; i < rows; ++i) {
    float sum = 0;
    for (int64_t j = 0; j < n; ++j) {
      EXPECT_EQ(y[i * n + j], 2 * (x[i * n + j] + w[i * n + j]));
      sum += y[i * n + j];
    }
    EXPECT_EQ(sums[i], sum);
  }
}

TEST(Executor, RunsDynamicShapesAgainAndAgain) {
  Context context(makeModel(dynamicProgram()));
  for (int round = 0; round < 3; ++round)
    for (auto [rows, n] : {std::pair{3, 5}, {1, 1}, {7, 64}, {0, 4}, {3, 5}, {100, 33}})
      checkDynamic(context, rows, n);
}

TEST(Executor, ManyContextsOnOneModel) {
  std::shared_ptr<Model> model = makeModel(dynamicProgram());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Context context(model);
      for (int i = 0; i < 50; ++i)
        checkDynamic(context, 1 + (i + t) % 9, 1 + i % 5);
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST(Executor, ShapesAreKnownBeforeTheRun) {
  Context context(makeModel(dynamicProgram()));
  std::vector<std::vector<int64_t>> shapes;
  std::vector<std::vector<int64_t>> inputs{{2, 3}, {2, 3}};
  Status status = context.outputShapes(inputs, shapes);
  ASSERT_TRUE(status.ok()) << status.message;
  EXPECT_EQ(shapes, (std::vector<std::vector<int64_t>>{{2, 3}, {2}}));
  int64_t bytes = 0;
  ASSERT_TRUE(context.arenaBytes(inputs, bytes).ok());
  EXPECT_GE(bytes, 24);
}

TEST(Executor, RefusesWrongInputs) {
  Program program = dynamicProgram();
  program.entryGuards.push_back({"le", sym("n"), 64, "too long"});
  Context context(makeModel(std::move(program)));
  std::vector<float> data(1000);
  std::vector<Tensor> outputs(2);
  auto message = [&](std::vector<Tensor> inputs) {
    Status status = context.run(inputs, outputs);
    EXPECT_FALSE(status.ok());
    return status.message;
  };
  EXPECT_EQ(message({tensor(data, {2, 3}), tensor(data, {2, 4})}),
            "input 'w': expected shape [rows, n], got [2, 4], where n = 3 by input 'x'");
  EXPECT_EQ(message({tensor(data, {2, 3}), tensor(data, {6})}), "input 'w': expected shape [rows, n], got [6]");
  EXPECT_EQ(message({tensor(data, {2, 3})}), "expected 2 inputs, got 1");
  Tensor wrong = tensor(data, {2, 3});
  wrong.dtype = DType::F64;
  EXPECT_EQ(message({tensor(data, {2, 3}), wrong}), "input 'w': expected f32, got f64");
  EXPECT_EQ(message({tensor(data, {2, 65}), tensor(data, {2, 65})}), "too long: expected n <= 64, got 65 and 64");
  Tensor null = tensor(data, {2, 3});
  null.data = nullptr;
  EXPECT_EQ(message({null, null}), "input 'x': expected data, got a null pointer");
  EXPECT_NE(message({tensor(data, {int64_t{1} << 40, 64}), tensor(data, {int64_t{1} << 40, 64})}), "");
}

TEST(Executor, WritesWhereTheCallerSays) {
  Context context(makeModel(dynamicProgram()));
  std::vector<float> x{1, 2, 3, 4}, w{1, 1, 1, 1}, y(4), sums(2);
  std::vector<Tensor> inputs{tensor(x, {2, 2}), tensor(w, {2, 2})};
  std::vector<Tensor> outputs{tensor(y, {2, 2}), tensor(sums, {2})};
  Status status = context.run(inputs, outputs);
  ASSERT_TRUE(status.ok()) << status.message;
  EXPECT_EQ(y, (std::vector<float>{4, 6, 8, 10}));
  EXPECT_EQ(sums, (std::vector<float>{10, 18}));
  outputs[0].shape = {4};
  EXPECT_EQ(context.run(inputs, outputs).message, "output 'y': expected room for [2, 2], got [4]");
}

TEST(Executor, DonatedInputs) {
  Context context(makeModel(dynamicProgram()));
  std::vector<float> x{1, 2, 3, 4}, w{1, 1, 1, 1}, sums(2);
  // y is written after the last use of x: no detour, the same answer.
  std::vector<Tensor> inputs{tensor(x, {2, 2}), tensor(w, {2, 2})};
  std::vector<Tensor> outputs{tensor(x, {2, 2}), tensor(sums, {2})};
  ASSERT_TRUE(context.run(inputs, outputs).ok());
  EXPECT_EQ(x, (std::vector<float>{4, 6, 8, 10}));

  // z = x + iota, where z is written first.
  Program program = emptyProgram();
  Function &f = program.functions[0];
  BufferId a = addInput(f, "a", {4}), z = addOutput(f, "z", {4});
  f.body.push_back(launch(Iota, {z}, {0}, 4));
  f.body.push_back(launch(Add, {a, z, z}, {}, 4));
  Context early(makeModel(std::move(program)));
  std::vector<float> data{10, 20, 30, 40};
  std::vector<Tensor> in{tensor(data, {4})}, out{tensor(data, {4})};
  ASSERT_TRUE(early.run(in, out).ok());
  EXPECT_EQ(data, (std::vector<float>{10, 21, 32, 43}));
}

TEST(Executor, StridedInputs) {
  Context context(makeModel(dynamicProgram()));
  std::vector<float> x{1, 3, 2, 4}, w{1, 1, 1, 1};
  Tensor transposed = tensor(x, {2, 2});
  transposed.strides = {1, 2};
  std::vector<Tensor> inputs{transposed, tensor(w, {2, 2})}, outputs(2);
  ASSERT_TRUE(context.run(inputs, outputs).ok());
  EXPECT_EQ(values(outputs[0]), (std::vector<float>{4, 6, 8, 10}));
}

/// f(x, k) = k * (x + x), twice: main calls it with k = 3 and k = 5.
Program callProgram() {
  Program program = emptyProgram();
  program.functions.emplace_back();
  {
    Function &f = program.functions[1];
    f.name = "layer";
    BufferId x = addInput(f, "x", {sym("m")}), y = addOutput(f, "y", {sym("m")});
    BufferId t = addBuffer(f, BufferKind::Arena, 0, {sym("m")});
    f.body.push_back(launch(Add, {x, x, t}, {}, sym("m")));
    f.body.push_back(launch(Scale, {t, y}, {sym("k")}, sym("m")));
  }
  Function &f = program.functions[0];
  SymbolicExpr n = sym("n");
  BufferId x = addInput(f, "x", {n}), y = addOutput(f, "y", {n});
  BufferId t = addBuffer(f, BufferKind::Arena, 0, {n});
  BufferId frame = addBuffer(f, BufferKind::Arena, 0, {0}, DType::U8);
  f.body.push_back(instruction(Call{1, {x}, {t}, frame, {{"k", 3}}}));
  f.body.push_back(instruction(Call{1, {t}, {y}, -1, {{"k", n}, {"m", n}}}));
  return program;
}

TEST(Executor, CallsFunctions) {
  Context context(makeModel(callProgram()));
  for (int64_t n : {1, 5, 1000}) {
    std::vector<float> x(n, 1.0f);
    std::vector<Tensor> inputs{tensor(x, {n})}, outputs(1);
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(values(outputs[0]), std::vector<float>(n, 6.0f * 2.0f * static_cast<float>(n)));
  }
}

/// y = x * 2 while its first element is below 100, at most `trips` times; then
/// y * 3 if it is below 200, else y * 5.
Program loopProgram(SymbolicExpr trips) {
  Program program = emptyProgram();
  Function &f = program.functions[0];
  BufferId x = addInput(f, "x", {sym("n")}), y = addOutput(f, "y", {sym("n")});
  BufferId t = addBuffer(f, BufferKind::Arena, 0, {sym("n")});
  BufferId go = addBuffer(f, BufferKind::Arena, 0, {}, DType::Bool);
  f.body.push_back(instruction(Copy{x, t}));
  f.body.push_back(launch(Less, {t, go}, {100}, 1));
  auto body = std::make_shared<Block>();
  body->push_back(launch(Scale, {t, t}, {2}, sym("n")));
  body->push_back(launch(Less, {t, go}, {100}, 1));
  f.body.push_back(instruction(Loop{go, trips, "i", body}));
  f.body.push_back(launch(Less, {t, go}, {200}, 1));
  auto yes = std::make_shared<Block>(), no = std::make_shared<Block>();
  yes->push_back(launch(Scale, {t, y}, {3}, sym("n")));
  no->push_back(launch(Scale, {t, y}, {5}, sym("n")));
  f.body.push_back(instruction(If{go, yes, no}));
  return program;
}

TEST(Executor, LoopsAndBranches) {
  Context context(makeModel(loopProgram(10)));
  for (auto [x, y] : {std::pair{3.0f, 3 * 64 * 3.0f}, {90.0f, 180 * 3.0f}, {300.0f, 1500.0f}}) {
    std::vector<float> data{x, 1};
    std::vector<Tensor> inputs{tensor(data, {2})}, outputs(1);
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(values(outputs[0])[0], y);
  }
}

TEST(Executor, LoopCounterAsSymbol) {
  // y[0] = sum of i for i in [0, n): each trip adds iota(i).
  Program program = emptyProgram();
  Function &f = program.functions[0];
  BufferId x = addInput(f, "x", {sym("n")}), y = addOutput(f, "y", {1});
  BufferId t = addBuffer(f, BufferKind::Arena, 0, {1});
  f.body.push_back(launch(Iota, {y}, {0}, 1));
  auto body = std::make_shared<Block>();
  body->push_back(launch(Iota, {t}, {sym("i")}, 1));
  body->push_back(launch(Add, {y, t, y}, {}, 1));
  f.body.push_back(instruction(Loop{-1, sym("n"), "i", body}));
  (void)x;
  Context context(makeModel(std::move(program)));
  for (int64_t n : {0, 1, 10}) {
    std::vector<float> data(n + 1);
    std::vector<Tensor> inputs{tensor(data, {n})}, outputs(1);
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(values(outputs[0])[0], static_cast<float>(n * (n - 1) / 2));
  }
}

TEST(Executor, CancelStopsALoop) {
  Program program = loopProgram(SymbolicExpr(int64_t{1} << 60));
  // Never above 100: negative numbers double away from it.
  Context context(makeModel(std::move(program)));
  std::vector<float> data{0.0f};
  std::vector<Tensor> inputs{tensor(data, {1})}, outputs(1);
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    context.cancel();
  });
  Status status = context.run(inputs, outputs);
  canceller.join();
  EXPECT_EQ(status.code, StatusCode::Cancelled);
  data[0] = 300; // and the context is still good
  status = context.run(inputs, outputs);
  EXPECT_TRUE(status.ok()) << status.message;
}

/// The positive elements of x, and their double; how many only the data tells.
Program dataDependentProgram(BufferKind kind) {
  Program program = emptyProgram();
  Function &f = program.functions[0];
  SymbolicExpr n = sym("n"), k = sym("k");
  BufferId x = addInput(f, "x", {n});
  BufferId picked = kind == BufferKind::Output ? addOutput(f, "picked", {k}) : addBuffer(f, kind, 0, {k});
  BufferId twice = addOutput(f, "twice", {k});
  BufferId count = addBuffer(f, BufferKind::Arena, 0, {1}, DType::I64);
  f.body.push_back(launch(CountPositive, {x, count}, {n}, 1));
  f.body.push_back(instruction(BindSymbols{count, {"k"}}));
  f.body.push_back(launch(Positives, {x, picked}, {n}, 1));
  f.body.push_back(launch(Scale, {picked, twice}, {2}, k));
  return program;
}

TEST(Executor, DataDependentSizes) {
  for (BufferKind kind : {BufferKind::Pool, BufferKind::Arena, BufferKind::Output}) {
    Context context(makeModel(dataDependentProgram(kind)));
    for (std::vector<float> data : {std::vector<float>{1, -1, 2}, {-1, -2, -3}, {4, 5, 6, 7}}) {
      std::vector<Tensor> inputs{tensor(data, {static_cast<int64_t>(data.size())})};
      std::vector<Tensor> outputs(kind == BufferKind::Output ? 2 : 1);
      Status status = context.run(inputs, outputs);
      ASSERT_TRUE(status.ok()) << status.message;
      std::vector<float> expected;
      for (float v : data)
        if (v > 0)
          expected.push_back(2 * v);
      EXPECT_EQ(values(outputs.back()), expected);
    }
    std::vector<std::vector<int64_t>> shapes;
    ASSERT_TRUE(context.outputShapes(std::vector<std::vector<int64_t>>{{5}}, shapes).ok());
    EXPECT_EQ(shapes.back(), (std::vector<int64_t>{-1}));
  }
}

TEST(Executor, DynamicOutputInTheCallersMemory) {
  Context context(makeModel(dataDependentProgram(BufferKind::Pool)));
  std::vector<float> data{1, -1, 2}, room(3);
  std::vector<Tensor> inputs{tensor(data, {3})}, outputs{tensor(room, {})};
  outputs[0].capacity = 12;
  ASSERT_TRUE(context.run(inputs, outputs).ok());
  EXPECT_EQ(outputs[0].shape, (std::vector<int64_t>{2}));
  EXPECT_EQ(room, (std::vector<float>{2, 4, 0}));
  outputs[0].capacity = 4;
  EXPECT_EQ(context.run(inputs, outputs).message, "output 'twice': expected room for [2]");
}

TEST(Executor, DynamicCall) {
  // main binds k from data and calls f on the picked elements; f(x of m) = 3 * x.
  Program program = dataDependentProgram(BufferKind::Pool);
  program.functions.emplace_back();
  Function &g = program.functions[1];
  g.name = "triple";
  BufferId in = addInput(g, "in", {sym("m")}), out = addOutput(g, "out", {sym("m")});
  BufferId t = addBuffer(g, BufferKind::Arena, 0, {sym("m")});
  g.body.push_back(launch(Scale, {in, t}, {3}, sym("m")));
  g.body.push_back(instruction(Copy{t, out}));
  Function &f = program.functions[0];
  BufferId picked = 1, twice = 2;
  f.body.back() = instruction(Call{1, {picked}, {twice}, -1, {}});
  Context context(makeModel(std::move(program)));
  for (int round = 0; round < 12; ++round) {
    std::vector<float> data(round + 1, 1.0f);
    data[0] = -1;
    std::vector<Tensor> inputs{tensor(data, {round + 1})}, outputs(1);
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(values(outputs[0]), std::vector<float>(round, 3.0f));
  }
}

TEST(Executor, DynamicResultOfACall) {
  // The whole data-dependent program as a function: its result's size is new to
  // the caller, whose symbol "r" the call defines.
  Program program = dataDependentProgram(BufferKind::Pool);
  program.functions.push_back(program.functions[0]);
  program.functions[1].name = "pick";
  Function &f = program.functions[0];
  f = Function();
  f.name = "main";
  BufferId x = addInput(f, "x", {sym("a")});
  BufferId picked = addBuffer(f, BufferKind::Pool, 0, {sym("r")});
  BufferId y = addOutput(f, "y", {sym("r")});
  f.body.push_back(instruction(Call{1, {x}, {picked}, -1, {{"n", sym("a")}}}));
  f.body.push_back(launch(Scale, {picked, y}, {10}, sym("r")));
  Context context(makeModel(std::move(program)));
  std::vector<float> data{1, -1, 2};
  std::vector<Tensor> inputs{tensor(data, {3})};
  for (int round = 0; round < 3; ++round) {
    std::vector<Tensor> outputs(1);
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(values(outputs[0]), (std::vector<float>{20, 40}));
  }
}

TEST(Executor, ShapesAsData) {
  Program program = emptyProgram();
  Function &f = program.functions[0];
  addInput(f, "x", {sym("a"), sym("b")});
  BufferId shape = addOutput(f, "shape", {3}, DType::I64);
  f.body.push_back(instruction(FromDims{shape, {sym("a"), sym("b"), sym("a") * sym("b")}}));
  Context context(makeModel(std::move(program)));
  std::vector<float> data(6);
  std::vector<Tensor> inputs{tensor(data, {2, 3})}, outputs(1);
  ASSERT_TRUE(context.run(inputs, outputs).ok());
  const auto *got = static_cast<const int64_t *>(outputs[0].data);
  EXPECT_EQ(std::vector<int64_t>(got, got + 3), (std::vector<int64_t>{2, 3, 6}));
}

TEST(Executor, FailedGuardNamesTheNode) {
  Program program = dataDependentProgram(BufferKind::Pool);
  Function &f = program.functions[0];
  f.body.insert(f.body.begin() + 2, instruction(Guard{"lt", sym("k"), 2, "at most one positive"}, "Check_1"));
  Context context(makeModel(std::move(program)));
  std::vector<float> data{1, 2, 3};
  std::vector<Tensor> inputs{tensor(data, {3})}, outputs(1);
  EXPECT_EQ(context.run(inputs, outputs).message, "Check_1: at most one positive: expected k < 2, got 3 and 2");
  data[0] = data[1] = -1;
  EXPECT_TRUE(context.run(inputs, outputs).ok());
}

TEST(Executor, BranchNotTakenMayHaveNoSize) {
  // t has n - 3 elements and is used only when the data says so.
  Program program = emptyProgram();
  Function &f = program.functions[0];
  BufferId x = addInput(f, "x", {sym("n")}), y = addOutput(f, "y", {1});
  BufferId c = addBuffer(f, BufferKind::Arena, 0, {}, DType::Bool);
  BufferId t = addBuffer(f, BufferKind::Arena, 0, {sym("n") - 3});
  auto yes = std::make_shared<Block>(), no = std::make_shared<Block>();
  yes->push_back(launch(Iota, {t}, {7}, sym("n") - 3));
  yes->push_back(launch(Scale, {t, y}, {1}, 1));
  no->push_back(launch(Iota, {y}, {1}, 1));
  f.body.push_back(launch(Less, {x, c}, {0}, 1));
  f.body.push_back(instruction(If{c, yes, no}));
  Context context(makeModel(std::move(program)));
  std::vector<float> data{1, 1, 1, 1};
  std::vector<Tensor> inputs{tensor(data, {2})}, outputs(1);
  ASSERT_TRUE(context.run(inputs, outputs).ok());
  EXPECT_EQ(values(outputs[0])[0], 1);
  data[0] = -1;
  Status status = context.run(inputs, outputs);
  EXPECT_EQ(status.message, "node: buffer 'main.3': expected a size, got f32 [?]");
  inputs[0].shape = {4};
  ASSERT_TRUE(context.run(inputs, outputs).ok());
  EXPECT_EQ(values(outputs[0])[0], 7);
}

TEST(Executor, Profile) {
  Context context(makeModel(dynamicProgram()));
  context.setProfiling(true);
  checkDynamic(context, 4, 8);
  checkDynamic(context, 4, 8);
  std::vector<ProfileEntry> profile = context.profile();
  ASSERT_EQ(profile.size(), 3u);
  for (const ProfileEntry &entry : profile) {
    EXPECT_EQ(entry.runs, 2);
    EXPECT_EQ(entry.kind, "map");
    if (entry.name == "row_sum") {
      EXPECT_EQ(entry.flops, 16); // s0 = 8, two runs
    }
  }
}

TEST(Executor, NoAllocationAfterAShapesFirstRun) {
  static std::atomic<int> count{0};
  LoadOptions options;
  options.allocator.allocate = [](void *, size_t bytes, size_t alignment) -> void * {
    ++count;
    return std::aligned_alloc(alignment, bytes);
  };
  options.allocator.release = [](void *, void *memory, size_t) { std::free(memory); };
  Context context(makeModel(dynamicProgram(), 2, options));
  std::vector<float> x(6, 1.0f), w(6, 2.0f), y(6), sums(2);
  std::vector<Tensor> inputs{tensor(x, {2, 3}), tensor(w, {2, 3})};
  std::vector<Tensor> outputs{tensor(y, {2, 3}), tensor(sums, {2})};
  ASSERT_TRUE(context.run(inputs, outputs).ok());
  int after = count;
  EXPECT_GT(after, 0);
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(context.run(inputs, outputs).ok());
  EXPECT_EQ(count, after);
}

} // namespace
