// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Models and weights in memory, and what a host asks before it compiles.
#include "test/unit/Api/ApiTestSupport.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

using namespace onnxtest;

namespace {

constexpr int64_t inner = 200, columns = 130;

/// A dense layer whose weight is external data that only the host has.
struct HostDense {
  std::vector<float> w = denseWeight(inner, columns), memory;
  std::string model = denseGraph(inner, columns, external("W", {inner, columns}, "weights/part.bin", 64)).model();
  bs::CompileOptions options;

  HostDense() {
    memory.assign(16, -1.0f); // the weight does not begin the file
    memory.insert(memory.end(), w.begin(), w.end());
    options.hostWeights = {{"weights/part.bin", memory.data(), int64_t(memory.size() * 4)}};
    options.directory = "/nonexistent";
  }
  void check(const bs::Program &program) const {
    bs::Context context(program);
    std::vector<float> x = ramp(size_t(7 * inner));
    std::vector<bs::Tensor> outputs = context.run(one(bs::Tensor::view(x.data(), {7, inner})));
    expectNear(outputs[0], denseAnswer(x, w, inner, columns));
  }
};

std::string folder() {
  const char *tmp = std::getenv("TMPDIR");
  return std::string(tmp ? tmp : "/tmp");
}

} // namespace

TEST(ApiCompile, ExternalDataIsReadFromTheHostsMemory) {
  HostDense dense;
  bs::Compilation made = bs::Compilation::ofMemory(dense.model.data(), dense.model.size(), dense.options);
  dense.check(made.load());
}

TEST(ApiCompile, AnArtifactMayHoldTheHostsWeights) {
  HostDense dense;
  std::vector<uint8_t> artifact =
      bs::Compilation::ofMemory(dense.model.data(), dense.model.size(), dense.options).write(true);
  std::fill(dense.memory.begin(), dense.memory.end(), 0.0f); // nobody reads it any more
  dense.check(bs::Program::load(artifact.data(), artifact.size()));
}

TEST(ApiCompile, AnArtifactMayLeaveTheWeightsToTheHost) {
  HostDense dense;
  std::vector<uint8_t> artifact =
      bs::Compilation::ofMemory(dense.model.data(), dense.model.size(), dense.options).write(false);
  EXPECT_LT(artifact.size(), dense.w.size() * 4);
  std::string text;
  EXPECT_EQ(statusOf([&] { bs::Program::load(artifact.data(), artifact.size()); }, &text), BESSEMER_INVALID_ARGUMENT);
  EXPECT_NE(text.find("weights/part.bin"), std::string::npos) << text;
  bs::LoadOptions options;
  options.hostWeights = dense.options.hostWeights;
  dense.check(bs::Program::load(artifact.data(), artifact.size(), options));
  // The right key with other bytes, or with too few.
  std::vector<float> other = dense.memory;
  other[20] += 1;
  options.hostWeights[0].data = other.data();
  EXPECT_EQ(statusOf([&] { bs::Program::load(artifact.data(), artifact.size(), options); }, &text), BESSEMER_BAD_FILE);
  options.hostWeights[0] = {"weights/part.bin", dense.memory.data(), 100};
  EXPECT_EQ(statusOf([&] { bs::Program::load(artifact.data(), artifact.size(), options); }, &text), BESSEMER_BAD_FILE);
}

TEST(ApiCompile, HostWeightsAreCheckedWhenTheModelIsCompiled) {
  HostDense dense;
  std::string text;
  auto compile = [&] { bs::Compilation::ofMemory(dense.model.data(), dense.model.size(), dense.options); };
  dense.options.hostWeights[0].bytes = 1000;
  EXPECT_EQ(statusOf(compile, &text), BESSEMER_BAD_FILE);
  EXPECT_NE(text.find("which has 1000"), std::string::npos) << text;
  dense.options.hostWeights[0].key = "elsewhere.bin";
  EXPECT_EQ(statusOf(compile, &text), BESSEMER_BAD_FILE);
  dense.options.hostWeights[0].key = "model";
  EXPECT_EQ(statusOf(compile, &text), BESSEMER_INVALID_ARGUMENT);
  dense.options.hostWeights[0].key = nullptr;
  EXPECT_EQ(statusOf(compile, &text), BESSEMER_INVALID_ARGUMENT);
}

TEST(ApiCompile, RepeatedLayersTakeTheirWeightsFromTheHost) {
  // Six equal blocks become one function that is called; each call has weights of its own.
  constexpr int64_t width = 64;
  constexpr int layers = 6;
  Graph graph;
  std::vector<float> memory;
  std::vector<float> x = ramp(3 * width), answer = x;
  std::string last = "x";
  for (int layer = 0; layer < layers; ++layer) {
    std::string w = "W" + std::to_string(layer), id = std::to_string(layer);
    std::string next = layer + 1 == layers ? "y" : "r" + id;
    graph.weights.push_back(external(w, {width, width}, "all.bin", int64_t(memory.size() * 4)));
    std::vector<float> values = denseWeight(width, width);
    for (float &v : values)
      v = (v + float(layer)) / 100;
    memory.insert(memory.end(), values.begin(), values.end());
    graph.nodes.push_back(node("mm" + id, "MatMul", {last, w}, {"h" + id}));
    graph.nodes.push_back(node("relu" + id, "Relu", {"h" + id}, {"a" + id}));
    graph.nodes.push_back(node("add" + id, "Add", {"a" + id, last}, {next}));
    std::vector<float> h = denseAnswer(answer, values, width, width);
    for (size_t i = 0; i < h.size(); ++i)
      answer[i] += h[i];
    last = next;
  }
  graph.inputs = {value("x", {"n", std::to_string(width)})};
  graph.outputs = {value("y", {"n", std::to_string(width)})};
  std::string model = graph.model();
  bs::CompileOptions options;
  options.hostWeights = {{"all.bin", memory.data(), int64_t(memory.size() * 4)}};
  bs::Compilation made = bs::Compilation::ofMemory(model.data(), model.size(), options);
  EXPECT_EQ(made.reportJson().find("\"calls\": 0,"), std::string::npos) << made.reportJson();
  for (bool selfContained : {true, false}) {
    std::vector<uint8_t> artifact = made.write(selfContained);
    bs::LoadOptions load;
    if (!selfContained)
      load.hostWeights = options.hostWeights;
    bs::Context context(bs::Program::load(artifact.data(), artifact.size(), load));
    expectNear(context.run(one(bs::Tensor::view(x.data(), {3, width})))[0], answer);
  }
}

TEST(ApiCompile, ProgressNamesThePhasesAndMayEndTheCompilation) {
  HostDense dense;
  std::vector<std::string> phases;
  dense.options.progress = [&](const char *phase) {
    phases.push_back(phase);
    return true;
  };
  bs::Compilation::ofMemory(dense.model.data(), dense.model.size(), dense.options);
  ASSERT_GE(phases.size(), 5u);
  EXPECT_EQ(phases.front(), "import");
  EXPECT_EQ(phases.back(), "emit");
  dense.options.progress = [](const char *phase) { return std::string(phase) != "fuse"; };
  EXPECT_EQ(statusOf([&] { bs::Compilation::ofMemory(dense.model.data(), dense.model.size(), dense.options); }),
            BESSEMER_CANCELLED);
}

TEST(ApiCompile, ADimensionIsBoundOrBounded) {
  HostDense dense;
  dense.options.dims = {{"n", 4, 0}};
  bs::Context context(bs::Compilation::ofMemory(dense.model.data(), dense.model.size(), dense.options).load());
  std::vector<float> x = ramp(size_t(5 * inner));
  EXPECT_EQ(statusOf([&] { context.run(one(bs::Tensor::view(x.data(), {4, inner}))); }), BESSEMER_OK);
  EXPECT_EQ(statusOf([&] { context.run(one(bs::Tensor::view(x.data(), {5, inner}))); }), BESSEMER_BAD_INPUT);
  dense.options.dims = {{"n", 4, 1}};
  bs::Program bound = bs::Compilation::ofMemory(dense.model.data(), dense.model.size(), dense.options).load();
  EXPECT_EQ(bound.input(0).shape[0], 4);
  EXPECT_EQ(statusOf([&] { bound.findInput("nothing"); }), BESSEMER_INVALID_ARGUMENT);
}

TEST(ApiCompile, SupportedNodesNamesEachThatIsNot) {
  HostDense dense;
  Graph graph = denseGraph(inner, columns, floats("W", {inner, columns}, dense.w));
  graph.nodes.push_back(node("odd", "NoSuchOp", {"y"}, {"z"}, "com.example"));
  graph.nodes.push_back(node("odder", "Bernoulli", {"y"}, {"v"}));
  std::string model = graph.model(), answer = bs::supportedNodes(model.data(), model.size());
  EXPECT_NE(answer.find("\"nodes\": 4"), std::string::npos) << answer;
  for (const char *part : {"\"name\": \"odd\"", "\"index\": 2", "\"op\": \"NoSuchOp\"", "\"name\": \"odder\"",
                           "\"index\": 3", "random numbers"})
    EXPECT_NE(answer.find(part), std::string::npos) << answer;
  EXPECT_EQ(answer.find("project"), std::string::npos) << answer;
  EXPECT_EQ(statusOf([&] { bs::supportedNodes("not a model", 11); }), BESSEMER_BAD_FILE);
}

TEST(ApiCompile, ARefusedModelLeavesItsDiagnostics) {
  Graph graph = denseGraph(inner, columns, floats("W", {inner, columns}, denseWeight(inner, columns)));
  graph.nodes.push_back(node("odd", "NoSuchOp", {"y"}, {"z"}, "com.example"));
  graph.outputs.push_back(value("z", {"n", "1"}));
  std::string model = graph.model();
  bessemer_compilation *made = nullptr;
  EXPECT_EQ(bessemer_compile_memory(model.data(), model.size(), nullptr, &made), BESSEMER_UNSUPPORTED);
  ASSERT_NE(made, nullptr);
  EXPECT_NE(std::string(bessemer_compilation_diagnostics(made)).find("odd"), std::string::npos);
  EXPECT_NE(std::string(bessemer_compilation_report(made)).find("odd"), std::string::npos);
  bessemer_program *program = nullptr;
  EXPECT_EQ(bessemer_compilation_load(made, nullptr, &program), BESSEMER_INVALID_ARGUMENT);
  bessemer_compilation_release(made);
}

TEST(ApiCompile, AnArtifactIsWrittenToAFileAndLoadedFromIt) {
  HostDense dense;
  bs::Compilation made = bs::Compilation::ofMemory(dense.model.data(), dense.model.size(), dense.options);
  std::string path = folder() + "/bessemer-api-test.bsm";
  made.write(path, true);
  dense.check(bs::Program::load(path));
  std::remove(path.c_str());
  EXPECT_EQ(statusOf([&] { made.write("/nonexistent/m.bsm", true); }), BESSEMER_BAD_FILE);
  EXPECT_EQ(statusOf([&] { bs::Program::load(path); }), BESSEMER_BAD_FILE);
}
