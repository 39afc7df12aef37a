// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The CUDA driver's calls, against a library that stands for it (FakeCuda.h).
#include "bessemer/Runtime/TimePrograms.h"
#include "test/unit/Runtime/FakeCuda.h"

#include <numeric>

using namespace bessemer;
using namespace bessemer::runtime;
using namespace bessemer::runtime::test;

namespace {

// Kernels that wait themselves are launched while the one before may run; others are not.
TEST_F(CudaDriver, KernelsThatWaitStartEarly) {
  Program program = deviceProgram();
  program.kernels[Scale].startsEarly = true;
  Context context(makeModel(program, 1, options));
  std::vector<float> x(12, 1.0f);
  std::vector<Tensor> inputs{tensor(x, {3, 4})}, outputs(2);
  int early = counter("fake_early"), launches = counter("fake_launches");
  Status status = context.run(inputs, outputs);
  ASSERT_TRUE(status.ok()) << status.message;
  EXPECT_EQ(counter("fake_early") - early, 1);
  EXPECT_EQ(counter("fake_launches") - launches, 3);
  EXPECT_EQ(values(outputs[0])[11], 4);
}

TEST_F(CudaDriver, CopiesAtTheEdgesOnly) {
  {
    Context context(makeModel(deviceProgram(), 1, options));
    for (int64_t n : {2, 5, 2}) {
      int in = counter("fake_copies_in"), out = counter("fake_copies_out"), launches = counter("fake_launches");
      std::vector<float> x(3 * n);
      std::iota(x.begin(), x.end(), 1.0f);
      std::vector<Tensor> inputs{tensor(x, {3, n})}, outputs(2);
      Status status = context.run(inputs, outputs);
      ASSERT_TRUE(status.ok()) << status.message;
      std::vector<float> y = values(outputs[0]), sums = values(outputs[1]);
      for (int64_t r = 0; r < 3; ++r) {
        float sum = 0;
        for (int64_t j = 0; j < n; ++j) {
          EXPECT_EQ(y[r * n + j], 4 * x[r * n + j]);
          sum += y[r * n + j];
        }
        EXPECT_EQ(sums[r], sum);
      }
      EXPECT_EQ(counter("fake_copies_in") - in, 2);   // the input, and the symbols
      EXPECT_EQ(counter("fake_copies_out") - out, 3); // two outputs, and what the kernels have found
      EXPECT_EQ(counter("fake_launches") - launches, 3);
    }
  }
  options.device.reset();
  device.reset();
  EXPECT_EQ(counter("fake_live"), 0) << "device memory that nobody gave back";
}

// A decoder's past: the symbol's value goes to device memory, the launches stay the graph that they are.
TEST_F(CudaDriver, AGrowingSizeIsOneGraph) {
  Context context(makeModel(growingProgram(), 1, options));
  int graphs = counter("fake_graphs"), replays = counter("fake_replays"), launches = 0;
  for (int64_t n = 5; n <= 13; ++n) {
    if (n == 8) // 5 as it is; 6 makes room for 8, and is seen for the first time; 7 is recorded
      launches = counter("fake_launches");
    std::vector<float> x(3 * n);
    std::iota(x.begin(), x.end(), 1.0f);
    std::vector<Tensor> inputs{tensor(x, {3, n})}, outputs(2);
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    std::vector<float> y = values(outputs[0]), sums = values(outputs[1]);
    for (int64_t i = 0; i < 3 * n; ++i)
      EXPECT_EQ(y[i], 4 * x[i]) << "n = " << n;
    EXPECT_EQ(sums[2], 4 * n * (2 * n + 1 + 3 * n) / 2) << "n = " << n;
    if (n == 8) {
      EXPECT_EQ(counter("fake_launches"), launches);
    }
  }
  // One up to 8, one up to 16.
  EXPECT_EQ(counter("fake_graphs") - graphs, 2);
  EXPECT_EQ(counter("fake_replays") - replays, 2 + 4);
  EXPECT_EQ(context.deviceCounts().replays, 2 + 4);
  EXPECT_EQ(context.deviceCounts().launches, 3 * 3);
  EXPECT_EQ(context.deviceCounts().plans, 3);
}

TEST(Cuda, ADriverWithoutGraphs) {
  LoadOptions options;
  ASSERT_TRUE(openCudaDevice(options.device, buildDriver("old_cuda", "-DcuGraphInstantiateWithFlags=none")).ok());
  Context context(makeModel(growingProgram(), 1, options));
  for (int round = 0; round < 3; ++round) {
    std::vector<float> x(6, 1.0f);
    std::vector<Tensor> inputs{tensor(x, {3, 2})}, outputs(2);
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(values(outputs[1]), std::vector<float>(3, 8.0f));
  }
  EXPECT_EQ(context.deviceCounts().launches, 3 * 3);
}

// What was recorded for other memory is not replayed: a tensor that does not fit where the last one lay.
TEST_F(CudaDriver, GraphsFollowTheMemory) {
  Context context(makeModel(growingProgram(), 1, options));
  for (int64_t n : {4, 4, 4, 400, 400, 4, 4, 400}) {
    std::vector<float> x(3 * n, 1.0f);
    std::vector<Tensor> inputs{tensor(x, {3, n})}, outputs(2);
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(values(outputs[0]), std::vector<float>(3 * n, 4.0f));
    EXPECT_EQ(values(outputs[1]), std::vector<float>(3, 4.0f * n));
  }
  EXPECT_GT(context.deviceCounts().replays, 1);
}

// Memory of the device is read and written where it is: what comes out of one run goes into the next.
TEST_F(CudaDriver, TensorsOnTheDeviceAreNotCopied) {
  {
    Context context(makeModel(growingProgram(), 1, options));
    std::vector<float> x = {1, 2, 3, 4, 5, 6}, y(6);
    Tensor on{DType::F32, {3, 2}};
    on.onDevice = true;
    Status status = context.writeTensor(on, x.data(), 24);
    ASSERT_TRUE(status.ok()) << status.message;
    int in = counter("fake_copies_in"), out = counter("fake_copies_out"), waits = counter("fake_legacy_waits");
    std::vector<Tensor> outputs(2);
    outputs[0].onDevice = outputs[1].onDevice = true;
    for (int round = 0; round < 3; ++round) {
      std::vector<Tensor> inputs{on};
      outputs[0].data = outputs[1].data = nullptr;
      outputs[0].capacity = outputs[1].capacity = -1;
      status = context.run(inputs, outputs);
      ASSERT_TRUE(status.ok()) << status.message;
      EXPECT_EQ(outputs[0].shape, (std::vector<int64_t>{3, 2}));
      on = outputs[0];
    }
    EXPECT_EQ(counter("fake_copies_in") - in, 1) << "the symbols, once";
    EXPECT_EQ(counter("fake_copies_out") - out, 3) << "what the kernels have found, in each run";
    EXPECT_EQ(counter("fake_legacy_waits") - waits, 6) << "in each run; for results in memory that was given back";
    status = context.readTensor(on, y.data(), 24);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(y, (std::vector<float>{64, 128, 192, 256, 320, 384}));
    // In place: the input is donated.
    std::vector<Tensor> inputs{on};
    outputs[0] = on;
    status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    status = context.readTensor(on, y.data(), 24);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(y[5], 4 * 384);
    // One of each kind; and what a run refuses.
    outputs = std::vector<Tensor>(2);
    status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(values(outputs[0])[5], 16 * 384);
    inputs[0].strides = {1, 3};
    outputs = std::vector<Tensor>(2);
    status = context.run(inputs, outputs);
    EXPECT_NE(status.message.find("contiguous tensor on the device"), std::string::npos) << status.message;
    status = context.readTensor(on, y.data(), 20);
    EXPECT_NE(status.message.find("of 20 bytes, got one of 24"), std::string::npos) << status.message;
  }
  options.device.reset();
  device.reset();
  EXPECT_EQ(counter("fake_live"), 0) << "device memory that nobody gave back";
}

// The parameters behind the others: what the driver has encoded, from the buffer's address and sizes.
TEST_F(CudaDriver, TensorMapsAreMadeAtEachLaunch) {
  Program program = deviceProgram();
  program.kernels[Add].tensorMaps = {
      {.buffer = 0, .elementBytes = 4, .swizzleBytes = 32, .dims = {3, 4}, .box = {2, 8}}};
  counter("fake_maps") = 1;
  Context context(makeModel(program, 1, options));
  std::vector<float> x(12, 1.0f);
  std::vector<Tensor> inputs{tensor(x, {3, 4})}, outputs(2);
  Status status = context.run(inputs, outputs);
  counter("fake_maps") = 0;
  ASSERT_TRUE(status.ok()) << status.message;
  const auto *words = reinterpret_cast<const uint64_t *>(&counter("fake_map"));
  EXPECT_NE(words[0], 0u);
  EXPECT_EQ(std::vector<uint64_t>(words + 1, words + 10), (std::vector<uint64_t>{2, 4, 3, 16, 8, 2, 1, 2, 0}));
  // Rows of three elements are no multiple of 16 bytes.
  program.kernels[Add].tensorMaps[0].dims = {4, 3};
  Context refused(makeModel(std::move(program), 1, options));
  std::vector<Tensor> again(2);
  status = refused.run(inputs, again);
  EXPECT_NE(status.message.find("multiple of 16 below 2^40 as the stride"), std::string::npos) << status.message;
}

// Three launches, each of which takes 1 ms on the fake device, whether one by one or as a graph; the copies do not
// count.
TEST_F(CudaDriver, TimeIsTheDevices) {
  counter("fake_memory_left") = 8 << 20;
  {
    Context context(makeModel(deviceProgram(), 1, options));
    for (int round = 0; round < 4; ++round) {
      std::vector<float> x(15, 1.0f);
      std::vector<Tensor> inputs{tensor(x, {3, 5})}, outputs(2);
      double seconds = 0;
      Status status = context.runTimed(inputs, outputs, seconds);
      ASSERT_TRUE(status.ok()) << status.message;
      EXPECT_NEAR(seconds, 3e-3, 1e-8);
      EXPECT_EQ(values(outputs[0]), std::vector<float>(15, 4.0f));
      status = context.run(inputs, outputs); // not timed: the next one counts its own launches alone
      ASSERT_TRUE(status.ok()) << status.message;
    }
    EXPECT_GT(context.deviceCounts().replays, 0);
  }
  options.device.reset();
  device.reset();
  EXPECT_EQ(counter("fake_live"), 0) << "memory that nobody gave back";
  EXPECT_EQ(counter("fake_events"), 0) << "events that nobody gave back";
  counter("fake_memory_left") = 1 << 20;
}

TEST_F(CudaDriver, ProgramsAreTimedAgainstEachOther) {
  counter("fake_memory_left") = 8 << 20;
  Program longer = deviceProgram(5), wrong = deviceProgram(5);
  longer.functions[0].body.push_back(launch(Add, {0, 0, 3}, {}, 15)); // one that nobody reads
  wrong.functions[0].body[2] = launch(Scale, {4, 1}, {3}, 15);
  auto model = [&](Program program) { return makeModel(std::move(program), 1, options); };
  std::vector<std::shared_ptr<const Model>> models{model(deviceProgram(5)), model(longer), model(wrong)};
  std::vector<ProgramTiming> timings;
  Status status = timePrograms(models, 3, timings);
  ASSERT_TRUE(status.ok()) << status.message;
  ASSERT_EQ(timings.size(), 3u);
  for (const ProgramTiming &timing : timings) {
    EXPECT_EQ(timing.error, "");
    EXPECT_EQ(timing.low, timing.seconds);
    EXPECT_EQ(timing.high, timing.seconds);
  }
  EXPECT_NEAR(timings[0].seconds, 3e-3, 1e-8);
  EXPECT_NEAR(timings[1].seconds, 4e-3, 1e-8);
  EXPECT_EQ(timings[0].difference, 0);
  EXPECT_EQ(timings[1].difference, 0);
  EXPECT_GT(timings[2].difference, 0.5) << "half as much again";
  // Other shapes, and shapes that are free.
  models[1] = model(deviceProgram(4));
  EXPECT_NE(timePrograms(models, 3, timings).message.find("the same inputs"), std::string::npos);
  models[1] = model(deviceProgram());
  EXPECT_NE(timePrograms(models, 3, timings).message.find("'x': expected f32, f16 or bf16 and a constant shape"),
            std::string::npos);
  counter("fake_memory_left") = 1 << 20;
}

TEST_F(CudaDriver, AnInputMayBeTheOutput) {
  Context context(makeModel(deviceProgram(), 1, options));
  std::vector<float> x = {1, 2, 3, 4, 5, 6};
  std::vector<Tensor> inputs{tensor(x, {3, 2})}, outputs(2);
  outputs[0] = tensor(x, {3, 2});
  Status status = context.run(inputs, outputs);
  ASSERT_TRUE(status.ok()) << status.message;
  EXPECT_EQ(x, (std::vector<float>{4, 8, 12, 16, 20, 24}));
}

TEST_F(CudaDriver, AFaultInTheDataNamesItsNode) {
  Program program = deviceProgram();
  program.functions[0].body.back().provenance = "the_sum";
  Context context(makeModel(std::move(program), 1, options));
  std::vector<float> x = {1e6f, 2, 3, 4, 5, 6};
  for (int round = 0; round < 2; ++round) {
    std::vector<Tensor> inputs{tensor(x, {3, 2})}, outputs(2);
    Status status = context.run(inputs, outputs);
    EXPECT_EQ(status.ok(), round == 1) << status.message;
    if (round == 0) {
      EXPECT_NE(status.message.find("the_sum: expected indices inside"), std::string::npos) << status.message;
    }
    x[0] = 1;
  }
}

TEST_F(CudaDriver, MemoryThatIsNotThere) {
  Context context(makeModel(deviceProgram(), 1, options));
  std::vector<float> x(3 << 20);
  std::vector<Tensor> inputs{tensor(x, {3, 1 << 20})}, outputs(2);
  Status status = context.run(inputs, outputs);
  EXPECT_EQ(status.code, StatusCode::OutOfMemory);
  EXPECT_NE(status.message.find("device memory"), std::string::npos) << status.message;
}

TEST_F(CudaDriver, CodeThatTheDriverRefuses) {
  Program program = deviceProgram();
  program.code = {'e', 'l', 'f'};
  std::shared_ptr<Model> model;
  Status status = Model::create(std::move(program), options, model);
  EXPECT_NE(status.message.find("cuda:sm_80 on fake (sm_80)"), std::string::npos) << status.message;
}

TEST(Cuda, NoDriver) {
  std::shared_ptr<Device> device;
  Status status = openCudaDevice(device, folder() + "/libnone.so");
  EXPECT_EQ(status.code, StatusCode::Unsupported);
  EXPECT_NE(status.message.find("run with --emulate"), std::string::npos) << status.message;
}

} // namespace
