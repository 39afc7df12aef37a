// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/runtime.hpp"

#include "bessemer/Runtime/Artifact.h"
#include "test/unit/Runtime/TestPrograms.h"

#include <cstring>
#include <thread>

using namespace bessemer::runtime;
using namespace bessemer::runtime::test;
namespace api = bessemer::api;

namespace {

api::Tensor view(std::vector<float> &data, const api::Shape &shape) { return api::Tensor::view(data.data(), shape); }

std::vector<api::Tensor> both(api::Tensor a, api::Tensor b) {
  std::vector<api::Tensor> tensors;
  tensors.push_back(std::move(a));
  tensors.push_back(std::move(b));
  return tensors;
}

/// The status that the C++ layer turned into an exception.
template <typename Call> bessemer_status statusOf(Call call) {
  try {
    call();
  } catch (const api::Error &error) {
    return error.status();
  }
  return BESSEMER_OK;
}

std::vector<uint8_t> artifact(const Program &program) {
  std::vector<uint8_t> bytes;
  Status status = writeArtifact(program, {}, bytes);
  EXPECT_TRUE(status.ok()) << status.message;
  return bytes;
}

bessemer_program *load(const Program &program, const bessemer_load_options *options = nullptr) {
  std::vector<uint8_t> bytes = artifact(program);
  bessemer_program *loaded = nullptr;
  EXPECT_EQ(bessemer_load_memory(bytes.data(), bytes.size(), options, &loaded), BESSEMER_OK) << bessemer_last_error();
  return loaded;
}

TEST(CApi, LoadsQueriesAndRuns) {
  bessemer_program *program = load(dynamicProgram());
  ASSERT_NE(program, nullptr);
  EXPECT_EQ(bessemer_input_count(program), 2u);
  EXPECT_EQ(bessemer_output_count(program), 2u);
  bessemer_argument x;
  ASSERT_EQ(bessemer_input(program, 0, &x), BESSEMER_OK);
  EXPECT_STREQ(x.name, "x");
  EXPECT_EQ(x.dtype, BESSEMER_F32);
  EXPECT_EQ(x.rank, 2);
  EXPECT_EQ(x.shape[0], -1);
  EXPECT_STREQ(x.dims[0], "rows");
  EXPECT_EQ(bessemer_find_output(program, "sums"), 1);
  EXPECT_EQ(bessemer_find_output(program, "nothing"), -1);
  EXPECT_EQ(bessemer_input(program, 2, &x), BESSEMER_INVALID_ARGUMENT);
  EXPECT_STREQ(bessemer_last_error(), "expected a position in [0, 2), got 2");

  bessemer_context *context = nullptr;
  ASSERT_EQ(bessemer_context_create(program, &context), BESSEMER_OK);
  bessemer_program_release(program); // the context keeps it
  std::vector<float> a{1, 2, 3, 4}, b{1, 1, 1, 1}, y(4);
  bessemer_tensor inputs[2] = {view(a, {2, 2}).raw, view(b, {2, 2}).raw};
  bessemer_tensor outputs[2] = {};
  ASSERT_EQ(bessemer_output_shapes(context, inputs, 2, outputs, 2), BESSEMER_OK);
  EXPECT_EQ(outputs[0].rank, 2);
  EXPECT_EQ(outputs[0].shape[1], 2);
  outputs[0].data = y.data();
  ASSERT_EQ(bessemer_run(context, inputs, 2, outputs, 2), BESSEMER_OK) << bessemer_last_error();
  EXPECT_EQ(y, (std::vector<float>{4, 6, 8, 10}));
  EXPECT_EQ(outputs[0].owner, nullptr);
  ASSERT_NE(outputs[1].owner, nullptr);
  bessemer_context_release(context); // the output stays
  EXPECT_EQ(static_cast<float *>(outputs[1].data)[1], 18);
  bessemer_tensor_release(&outputs[1]);
  EXPECT_EQ(outputs[1].data, nullptr);
  bessemer_tensor_release(&outputs[1]);
}

TEST(CApi, NullAndNonsenseGiveErrors) {
  bessemer_program *program = nullptr;
  EXPECT_EQ(bessemer_load_file(nullptr, nullptr, &program), BESSEMER_INVALID_ARGUMENT);
  EXPECT_EQ(bessemer_load_file("/nowhere.bsm", nullptr, &program), BESSEMER_BAD_FILE);
  EXPECT_STREQ(bessemer_last_error(), "cannot read '/nowhere.bsm': No such file or directory");
  EXPECT_EQ(bessemer_load_file("/", nullptr, &program), BESSEMER_BAD_FILE);
  EXPECT_EQ(bessemer_load_memory("nonsense", 8, nullptr, &program), BESSEMER_BAD_FILE);
  EXPECT_EQ(bessemer_load_memory(nullptr, 8, nullptr, &program), BESSEMER_INVALID_ARGUMENT);
  bessemer_load_options options{};
  EXPECT_EQ(bessemer_load_memory("nonsense", 8, &options, &program), BESSEMER_INVALID_ARGUMENT);
  EXPECT_EQ(bessemer_context_create(nullptr, nullptr), BESSEMER_INVALID_ARGUMENT);
  EXPECT_EQ(bessemer_run(nullptr, nullptr, 0, nullptr, 0), BESSEMER_INVALID_ARGUMENT);
  bessemer_program_release(nullptr);
  bessemer_context_release(nullptr);
  bessemer_tensor_release(nullptr);
  bessemer_cancel(nullptr);
  EXPECT_STREQ(bessemer_profile_json(nullptr), "[]");
  EXPECT_STREQ(bessemer_status_name(BESSEMER_BAD_INPUT), "bad input");

  program = load(dynamicProgram());
  api::Context context{api::Program(program)};
  bessemer_tensor tensors[2] = {};
  EXPECT_EQ(bessemer_run(context.handle(), nullptr, 2, tensors, 2), BESSEMER_INVALID_ARGUMENT);
  tensors[0].rank = 99;
  EXPECT_EQ(bessemer_run(context.handle(), tensors, 2, tensors, 2), BESSEMER_INVALID_ARGUMENT);
  tensors[0].rank = 2;
  tensors[0].dtype = 77;
  EXPECT_EQ(bessemer_run(context.handle(), tensors, 2, tensors, 2), BESSEMER_BAD_INPUT);
}

TEST(CApi, HostAllocatorAndThreadPool) {
  struct Host {
    int64_t allocated = 0;
    int loops = 0;
  } host;
  bessemer_load_options options{};
  options.struct_size = sizeof(options);
  options.allocator.user = &host;
  options.allocator.allocate = [](void *user, size_t bytes, size_t alignment) -> void * {
    static_cast<Host *>(user)->allocated += static_cast<int64_t>(bytes);
    return std::aligned_alloc(alignment, bytes);
  };
  options.allocator.release = [](void *user, void *memory, size_t bytes) {
    static_cast<Host *>(user)->allocated -= static_cast<int64_t>(bytes);
    std::free(memory);
  };
  options.thread_pool = {3,
                         [](void *user, int tasks, void (*body)(void *, int), void *argument) {
                           ++static_cast<Host *>(user)->loops;
                           std::vector<std::thread> threads;
                           for (int i = 0; i < tasks; ++i)
                             threads.emplace_back(body, argument, i);
                           for (std::thread &thread : threads)
                             thread.join();
                         },
                         &host};
  {
    api::Context context{api::Program(load(dynamicProgram(), &options))};
    std::vector<float> a(50, 1.0f), b(50, 2.0f);
    std::vector<api::Tensor> y = context.run(both(view(a, {10, 5}), view(b, {10, 5})));
    EXPECT_EQ(y[1].data<float>()[9], 30);
    EXPECT_GT(host.allocated, 0);
    EXPECT_EQ(host.loops, 3);
  }
  EXPECT_EQ(host.allocated, 0);
}

TEST(CApi, OutOfMemoryIsAStatus) {
  bessemer_load_options options{};
  options.struct_size = sizeof(options);
  options.allocator.allocate = [](void *, size_t, size_t) -> void * { return nullptr; };
  api::Context context{api::Program(load(dynamicProgram(), &options))};
  std::vector<float> a(4), b(4);
  EXPECT_EQ(statusOf([&] { context.run(both(view(a, {2, 2}), view(b, {2, 2}))); }), BESSEMER_OUT_OF_MEMORY);
}

TEST(CApi, ExceptionsCarryTheText) {
  api::Context context{api::Program(load(dynamicProgram()))};
  try {
    context.run({});
    FAIL();
  } catch (const api::Error &error) {
    EXPECT_EQ(error.status(), BESSEMER_INVALID_ARGUMENT);
    EXPECT_STREQ(error.what(), "expected 2 inputs, got 0");
  }
}

TEST(CApi, ProfileIsJson) {
  api::Context context{api::Program(load(dynamicProgram()))};
  bessemer_set_profiling(context.handle(), 1);
  std::vector<float> a(4), b(4);
  context.run(both(view(a, {2, 2}), view(b, {2, 2})));
  std::string json = bessemer_profile_json(context.handle());
  EXPECT_NE(json.find("\"name\":\"row_sum\""), std::string::npos) << json;
}

TEST(CApi, CustomOp) {
  Program program = emptyProgram();
  Function &f = program.functions[0];
  BufferId x = addInput(f, "x", {sym("n")}), y = addOutput(f, "y", {sym("n")});
  Fallback op;
  op.op = "test.AddConstant";
  op.attributes = {{"value", bessemer::kernels::AttributeValue(2.5)}};
  op.inputs = {x};
  op.outputs = {y};
  f.body.push_back(instruction(op, "Custom_3"));
  ASSERT_EQ(bessemer_register_op(
                "test.AddConstant",
                [](void *, const char *attributes, const bessemer_tensor *inputs, size_t, bessemer_tensor *outputs,
                   size_t) -> const char * {
                  if (std::strcmp(attributes, "{\"value\":2.5}") != 0)
                    return "expected a value";
                  for (int64_t i = 0; i < inputs[0].shape[0]; ++i)
                    static_cast<float *>(outputs[0].data)[i] = static_cast<float *>(inputs[0].data)[i] + 2.5f;
                  return inputs[0].shape[0] > 2 ? "expected two elements" : nullptr;
                },
                nullptr),
            BESSEMER_OK);
  api::Context context{api::Program(load(program))};
  std::vector<float> a{1, 2, 3};
  std::vector<api::Tensor> inputs, y2;
  inputs.push_back(view(a, {2}));
  y2 = context.run(inputs);
  EXPECT_EQ(y2[0].data<float>()[1], 4.5f);
  inputs[0] = view(a, {3});
  EXPECT_EQ(statusOf([&] { context.run(inputs); }), BESSEMER_FAILED);
  EXPECT_STREQ(bessemer_last_error(), "Custom_3: expected two elements");
  EXPECT_EQ(bessemer_register_op("test.AddConstant", nullptr, nullptr), BESSEMER_OK);
}

} // namespace
