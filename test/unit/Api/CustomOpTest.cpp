// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops that the host computes.
#include "test/unit/Api/ApiTestSupport.h"

#include <cstring>

using namespace onnxtest;

namespace {

/// y = by * x + z, z may be left out.
const char *scaleKernel(void *user, const char *attributes, const bessemer_tensor *inputs, size_t inputCount,
                        bessemer_tensor *outputs, size_t outputCount) {
  ++*static_cast<int *>(user);
  const char *by = std::strstr(attributes, "\"by\":");
  if (!by || outputCount != 1)
    return "expected the attribute 'by'";
  float factor = float(std::atoi(by + 5));
  int64_t count = 1;
  for (int32_t d = 0; d < inputs[0].rank; ++d)
    count *= inputs[0].shape[d];
  bool hasZ = inputCount > 1 && inputs[1].dtype != BESSEMER_UNDEFINED;
  for (int64_t i = 0; i < count; ++i) {
    float x = static_cast<const float *>(inputs[0].data)[i];
    if (x > 1000)
      return "expected values of at most 1000";
    static_cast<float *>(outputs[0].data)[i] = factor * x + (hasZ ? static_cast<const float *>(inputs[1].data)[i] : 0);
  }
  return nullptr;
}

const char *sameType(void *, const char *attributes, const bessemer_tensor *inputs, size_t inputCount,
                     bessemer_tensor *outputs, size_t) {
  if (inputCount == 0 || inputs[0].data)
    return "expected an operand, without data";
  if (std::strstr(attributes, "\"by\":-1"))
    return "expected a factor of at least 0";
  outputs[0].dtype = inputs[0].dtype;
  outputs[0].rank = inputs[0].rank;
  for (int32_t d = 0; d < inputs[0].rank; ++d)
    outputs[0].shape[d] = inputs[0].shape[d] >= 0 ? inputs[0].shape[d] : BESSEMER_SAME_AS(0, d);
  return nullptr;
}

/// Keeps the positive values: how many they are only the kernel tells. The second result counts them.
const char *positiveKernel(void *, const char *, const bessemer_tensor *inputs, size_t, bessemer_tensor *outputs,
                           size_t) {
  const auto *x = static_cast<const float *>(inputs[0].data);
  int64_t found = 0;
  for (int64_t i = 0; i < inputs[0].shape[0]; ++i)
    if (x[i] > 0) {
      if (outputs[0].data)
        static_cast<float *>(outputs[0].data)[found] = x[i];
      ++found;
    }
  if (!outputs[0].data)
    outputs[0].shape[0] = found;
  if (outputs[1].data)
    *static_cast<float *>(outputs[1].data) = float(found);
  return nullptr;
}

const char *positiveTypes(void *, const char *, const bessemer_tensor *, size_t, bessemer_tensor *outputs, size_t) {
  outputs[0].dtype = outputs[1].dtype = BESSEMER_F32;
  outputs[0].rank = outputs[1].rank = 1;
  outputs[0].shape[0] = -1;
  outputs[1].shape[0] = 1;
  return nullptr;
}

class ApiCustomOp : public ::testing::Test {
protected:
  void SetUp() override {
    bs::registerOp("com.example.Scale", scaleKernel, &calls);
    bs::registerOpTypes("com.example.Scale", sameType);
    bs::registerOp("com.example.Positive", positiveKernel);
    bs::registerOpTypes("com.example.Positive", positiveTypes);
  }
  void TearDown() override {
    for (const char *name : {"com.example.Scale", "com.example.Positive"}) {
      bs::registerOp(name, nullptr);
      bs::registerOpTypes(name, nullptr);
    }
  }
  int calls = 0;
};

/// y = Relu(Scale(x + x)): compiled kernels before and behind it.
std::string scaleModel(int64_t by, const std::vector<std::string> &inputs = {"d"}) {
  Graph graph;
  graph.nodes = {node("twice", "Add", {"x", "x"}, {"d"}),
                 node("scale", "Scale", inputs, {"s"}, "com.example", {intAttribute("by", by)}),
                 node("clip", "Relu", {"s"}, {"y"})};
  graph.inputs = {value("x", {"n", "3"})};
  graph.outputs = {value("y", {"n", "3"})};
  return graph.model();
}

void expectScaled(bs::Context &context, int64_t rows, float factor) {
  std::vector<float> x = ramp(size_t(rows * 3)), wanted;
  for (float v : x)
    wanted.push_back(std::max(0.0f, factor * v));
  expectNear(context.run(one(bs::Tensor::view(x.data(), {rows, 3})))[0], wanted);
}

} // namespace

TEST_F(ApiCustomOp, RunsBetweenCompiledKernelsForEveryShape) {
  std::string model = scaleModel(5);
  bs::Compilation made = bs::Compilation::ofMemory(model.data(), model.size());
  bs::Context context(made.load());
  for (int64_t rows : {1, 4, 100, 4})
    expectScaled(context, rows, 10);
  EXPECT_EQ(calls, 4);
  EXPECT_NE(made.reportJson().find("com.example.Scale"), std::string::npos);
  EXPECT_EQ(context.outputShapes(one(bs::Tensor::ofShape({9, 3})))[0].shape[0], 9);
}

TEST_F(ApiCustomOp, OperandsMayBeLeftOut) {
  std::string model = scaleModel(2, {"d", "", "x"});
  // The middle one is absent: the kernel sees all zeros there.
  bs::Context context(bs::Compilation::ofMemory(model.data(), model.size()).load());
  expectScaled(context, 5, 4);
  model = scaleModel(2, {"d", "x"});
  bs::Context both(bs::Compilation::ofMemory(model.data(), model.size()).load());
  expectScaled(both, 5, 5);
}

TEST_F(ApiCustomOp, ASizeThatOnlyTheKernelTells) {
  Graph graph;
  graph.nodes = {node("twice", "Add", {"x", "x"}, {"d"}),
                 node("positive", "Positive", {"d"}, {"p", "count"}, "com.example"),
                 node("again", "Add", {"p", "p"}, {"y"})};
  graph.inputs = {value("x", {"n"})};
  graph.outputs = {value("y", {"m"}), value("count", {"1"})};
  std::string model = graph.model();
  bs::Context context(bs::Compilation::ofMemory(model.data(), model.size()).load());
  for (size_t n : {10u, 33u, 1u}) {
    std::vector<float> x = ramp(n), wanted;
    for (float v : x)
      if (v > 0)
        wanted.push_back(4 * v);
    std::vector<bs::Tensor> outputs = context.run(one(bs::Tensor::view(x.data(), {int64_t(n)})));
    expectNear(outputs[0], wanted);
    expectNear(outputs[1], {float(wanted.size())});
  }
  EXPECT_EQ(context.outputShapes(one(bs::Tensor::ofShape({10})))[0].shape[0], -1);
}

TEST_F(ApiCustomOp, WhatTheHostSaysIsTheError) {
  std::string model = scaleModel(-1), text;
  EXPECT_EQ(statusOf([&] { bs::Compilation::ofMemory(model.data(), model.size()); }, &text), BESSEMER_UNSUPPORTED);
  EXPECT_NE(text.find("\"scale\""), std::string::npos) << text;
  EXPECT_NE(text.find("expected a factor of at least 0"), std::string::npos) << text;
  model = scaleModel(2);
  bs::Context context(bs::Compilation::ofMemory(model.data(), model.size()).load());
  std::vector<float> x(3, 5000.0f);
  EXPECT_EQ(statusOf([&] { context.run(one(bs::Tensor::view(x.data(), {1, 3}))); }, &text), BESSEMER_FAILED);
  EXPECT_NE(text.find("expected values of at most 1000"), std::string::npos) << text;
  EXPECT_NE(text.find("scale"), std::string::npos) << text;
}

TEST_F(ApiCustomOp, AnArtifactNeedsTheKernelWhenItIsLoaded) {
  std::string model = scaleModel(3), text;
  std::vector<uint8_t> artifact = bs::Compilation::ofMemory(model.data(), model.size()).write(true);
  bs::Context context(bs::Program::load(artifact.data(), artifact.size()));
  bs::registerOp("com.example.Scale", nullptr);
  EXPECT_EQ(statusOf([&] { bs::Program::load(artifact.data(), artifact.size()); }, &text), BESSEMER_UNSUPPORTED);
  EXPECT_NE(text.find("com.example.Scale"), std::string::npos) << text;
  expectScaled(context, 2, 6); // what is loaded keeps it
}

TEST_F(ApiCustomOp, RegisteredOpsAreSupportedNodes) {
  std::string model = scaleModel(3);
  EXPECT_NE(bs::supportedNodes(model.data(), model.size()).find("\"unsupported\": []"), std::string::npos);
  bs::registerOpTypes("com.example.Scale", nullptr);
  EXPECT_NE(bs::supportedNodes(model.data(), model.size()).find("\"scale\""), std::string::npos);
}

TEST_F(ApiCustomOp, TypesThatMakeNoSenseAreRefused) {
  auto refused = [](const char *part) {
    std::string model = scaleModel(3), text;
    EXPECT_EQ(statusOf([&] { bs::Compilation::ofMemory(model.data(), model.size()); }, &text), BESSEMER_UNSUPPORTED);
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  bs::registerOpTypes("com.example.Scale",
                      [](void *, const char *, const bessemer_tensor *, size_t, bessemer_tensor *,
                         size_t) -> const char * { return nullptr; });
  refused("expected an element type");
  bs::registerOpTypes(
      "com.example.Scale",
      [](void *, const char *, const bessemer_tensor *, size_t, bessemer_tensor *out, size_t) -> const char * {
        out[0].dtype = BESSEMER_F32;
        out[0].rank = 99;
        return nullptr;
      });
  refused("expected a rank in [0, 16]");
  bs::registerOpTypes(
      "com.example.Scale",
      [](void *, const char *, const bessemer_tensor *, size_t, bessemer_tensor *out, size_t) -> const char * {
        out[0].dtype = BESSEMER_F32;
        out[0].rank = 1;
        out[0].shape[0] = BESSEMER_SAME_AS(3, 7);
        return nullptr;
      });
  refused("a dimension that an operand has");
}
