// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Runtime/Artifact.h"
#include "bessemer/Runtime/CheckProgram.h"
#include "lib/Runtime/ProgramCodec.h"
#include "lib/Runtime/Weights.h"
#include "test/unit/Runtime/TestPrograms.h"

#include <cstring>
#include <filesystem>

using namespace bessemer;
using namespace bessemer::runtime;
using namespace bessemer::runtime::test;

namespace {

/// y = x + prepared(w), prepared(w) = 3 * w, and everything else that an
/// artifact can hold.
Program weightedProgram(const std::string &file) {
  Program program = emptyProgram();
  program.features = {};
  Weight source;
  source.name = "w";
  source.dtype = DType::F32;
  source.shape = {4};
  source.file = file;
  source.offset = 12;
  source.length = 16;
  source.temporary = true;
  Weight derived = source;
  derived.name = "w.tripled";
  derived.temporary = false;
  derived.derivedFunction = 1;
  derived.derivedFrom = {0};
  program.weights = {source, derived};
  program.constants.push_back({DType::F32, {2}, {0, 0, 0x80, 0x3f, 0, 0, 0, 0x40}});

  program.functions.emplace_back();
  Function &prepare = program.functions[1];
  prepare.name = "prepare";
  BufferId in = addInput(prepare, "in", {sym("k")}), out = addOutput(prepare, "out", {sym("k")});
  prepare.body.push_back(launch(Scale, {in, out}, {3}, sym("k")));

  Function &f = program.functions[0];
  BufferId x = addInput(f, "x", {4}), y = addOutput(f, "y", {4});
  BufferId w = addBuffer(f, BufferKind::Weight, 1, {4});
  BufferId c = addBuffer(f, BufferKind::Constant, 0, {2});
  BufferId go = addBuffer(f, BufferKind::Arena, 0, {}, DType::Bool);
  BufferId head = addBuffer(f, BufferKind::Alias, y, {2});
  f.buffers[head].aliasOffset = 8;
  f.body.push_back(launch(Add, {x, w, y}, {}, 4));
  f.body.push_back(launch(Less, {x, go}, {100}, 1));
  auto yes = std::make_shared<Block>(), no = std::make_shared<Block>();
  yes->push_back(launch(Add, {head, c, head}, {}, 2));
  Fallback fallback;
  fallback.op = "relu";
  fallback.attributes = {{"a", kernels::AttributeValue(int64_t{-3})},
                         {"b", kernels::AttributeValue(0.5)},
                         {"c", kernels::AttributeValue(std::string("text"))},
                         {"d", kernels::AttributeValue(std::vector<int64_t>{1, 2})},
                         {"e", kernels::AttributeValue(std::vector<double>{1.5})},
                         {"f", kernels::AttributeValue(std::vector<std::string>{"x", "y"})},
                         {"g", SymbolicExpr(7)},
                         {"h", std::vector<SymbolicExpr>{sym("i"), 2}}};
  fallback.inputs = {x, -1};
  fallback.outputs = {y};
  auto body = std::make_shared<Block>();
  body->push_back(instruction(fallback));
  no->push_back(instruction(Loop{go, sym("i"), "j", body}));
  no->push_back(instruction(Loop{go, std::nullopt, "i", body}));
  no->push_back(instruction(Guard{"lt", sym("i"), 3, "message"}));
  f.body.push_back(instruction(If{go, yes, no}));
  program.entryGuards.push_back({"le", 1, 2, "always"});
  program.kernels[0].tensorMaps = {
      {.buffer = 1, .elementBytes = 2, .swizzleBytes = 128, .dims = {sym("s0"), 64}, .box = {8, 64}}};
  return program;
}

std::string weightFile() {
  std::string path = folder() + "/weights.bin";
  float data[7] = {-1, -1, -1, 1, 2, 3, 4};
  writeFile(path, data, sizeof(data));
  return path;
}

void expectRight(const std::shared_ptr<Model> &model) {
  Context context(model);
  std::vector<float> x{10, 20, 30, 40};
  std::vector<Tensor> inputs{tensor(x, {4})}, outputs(1);
  Status status = context.run(inputs, outputs);
  ASSERT_TRUE(status.ok()) << status.message;
  EXPECT_EQ(values(outputs[0]), (std::vector<float>{13, 26, 40, 54}));
}

TEST(Artifact, RoundTripOfTheProgram) {
  Program program = weightedProgram(weightFile());
  std::vector<uint8_t> first, constants, second, constantsAgain;
  ASSERT_TRUE(encodeProgram(program, first, constants).ok());
  Program back;
  Status status = decodeProgram(first, constants, back);
  ASSERT_TRUE(status.ok()) << status.message;
  ASSERT_TRUE(encodeProgram(back, second, constantsAgain).ok());
  EXPECT_EQ(first, second);
  EXPECT_EQ(constants, constantsAgain);
  EXPECT_EQ(back.functions[0].body.size(), program.functions[0].body.size());
}

TEST(Artifact, WeightsStayInTheirFile) {
  std::string path = folder() + "/external.bsm";
  Status status = writeArtifact(weightedProgram(weightFile()), {}, path);
  ASSERT_TRUE(status.ok()) << status.message;
  std::shared_ptr<Model> model;
  status = Model::load(path, {}, model);
  ASSERT_TRUE(status.ok()) << status.message;
  expectRight(model);
}

TEST(Artifact, SelfContained) {
  std::string path = folder() + "/contained.bsm", weights = weightFile();
  WriteOptions options;
  options.selfContained = true;
  Status status = writeArtifact(weightedProgram(weights), options, path);
  ASSERT_TRUE(status.ok()) << status.message;
  ASSERT_EQ(std::remove(weights.c_str()), 0);
  std::shared_ptr<Model> model;
  status = Model::load(path, {}, model);
  ASSERT_TRUE(status.ok()) << status.message;
  expectRight(model);
  std::vector<uint8_t> bytes = readFile(path);
  status = Model::load(bytes.data(), bytes.size(), {}, model);
  ASSERT_TRUE(status.ok()) << status.message;
  bytes.assign(bytes.size(), 0);
  expectRight(model);
}

TEST(Artifact, HostWeights) {
  std::vector<float> host{0, 0, 0, 1, 2, 3, 4};
  WriteOptions options;
  options.hostWeights["main"] = {host.data(), 28};
  std::vector<uint8_t> bytes;
  ASSERT_TRUE(writeArtifact(weightedProgram("host:main"), options, bytes).ok());
  std::shared_ptr<Model> model;
  EXPECT_EQ(Model::load(bytes.data(), bytes.size(), {}, model).message,
            "weight 'w': expected a host weight with key 'main', got none");
  LoadOptions load;
  load.hostWeights["main"] = {host.data(), 28};
  Status status = Model::load(bytes.data(), bytes.size(), load, model);
  ASSERT_TRUE(status.ok()) << status.message;
  expectRight(model);
  load.hostWeights["main"].bytes = 20;
  EXPECT_EQ(Model::load(bytes.data(), bytes.size(), load, model).message,
            "weight 'w': expected 16 bytes at 12 of 'host:main', got a source of 20");
}

TEST(Artifact, ChangedWeightFileIsFound) {
  std::string path = folder() + "/changed.bsm", weights = weightFile();
  ASSERT_TRUE(writeArtifact(weightedProgram(weights), {}, path).ok());
  std::shared_ptr<Model> model;
  float data[7] = {-1, -1, -1, 1, 2, 3, 5};
  writeFile(weights, data, sizeof(data));
  Status status = Model::load(path, {}, model);
  EXPECT_EQ(status.code, StatusCode::BadFile);
  EXPECT_NE(status.message.find("not those that the program was compiled with"), std::string::npos);
  writeFile(weights, data, 20);
  EXPECT_NE(Model::load(path, {}, model).message.find("got a source of 20"), std::string::npos);
  std::filesystem::remove(weights);
  EXPECT_NE(Model::load(path, {}, model).message.find("No such file"), std::string::npos);
}

TEST(Artifact, ModelMovedWithItsWeights) {
  std::string weights = weightFile(), there = folder() + "/moved";
  ASSERT_TRUE(writeArtifact(weightedProgram(weights), {}, folder() + "/m.bsm").ok());
  std::filesystem::create_directory(there);
  std::filesystem::rename(weights, there + "/weights.bin");
  std::filesystem::rename(folder() + "/m.bsm", there + "/m.bsm");
  std::shared_ptr<Model> model;
  Status status = Model::load(there + "/m.bsm", {}, model);
  ASSERT_TRUE(status.ok()) << status.message;
  expectRight(model);
}

TEST(Artifact, VarintWeights) {
  std::string path = folder() + "/varint.bin";
  const uint8_t bytes[] = {1, 0xac, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1};
  writeFile(path, bytes, sizeof(bytes));
  Program program = emptyProgram();
  Weight weight;
  weight.name = "v";
  weight.dtype = DType::I32;
  weight.shape = {3};
  weight.file = path;
  weight.length = sizeof(bytes);
  weight.encoding = "varint";
  program.weights = {weight};
  Function &f = program.functions[0];
  BufferId v = addBuffer(f, BufferKind::Weight, 0, {3}, DType::I32);
  BufferId y = addOutput(f, "y", {3}, DType::I32);
  f.body.push_back(instruction(Copy{v, y}));
  Context context(makeModel(program));
  std::vector<Tensor> outputs(1);
  ASSERT_TRUE(context.run({}, outputs).ok());
  const auto *got = static_cast<const int32_t *>(outputs[0].data);
  EXPECT_EQ(std::vector<int32_t>(got, got + 3), (std::vector<int32_t>{1, 300, -1}));

  program.weights[0].length = 12;
  std::shared_ptr<Model> model;
  EXPECT_EQ(Model::create(program, {}, model).message, "weight 'v': expected 12 bytes as varints");
  program.weights[0].shape = {int64_t{1} << 40}; // a large claim from a small file
  EXPECT_EQ(Model::create(program, {}, model).code, StatusCode::BadFile);
}

TEST(Artifact, RefusesOtherTargets) {
  Program program = weightedProgram(weightFile());
  std::shared_ptr<Model> model;
  Program other = program;
  other.target = "hexagon";
  EXPECT_EQ(Model::create(other, {}, model).message, "expected target cpu or cuda, got 'hexagon'");
  other = program;
  other.triple = "riscv64-unknown-linux-gnu";
  EXPECT_EQ(Model::create(other, {}, model).code, StatusCode::Unsupported);
  other = program;
  other.features = {"avx1024"};
  EXPECT_EQ(Model::create(other, {}, model).message, "expected a CPU with avx1024, got one without");
}

std::vector<uint8_t> smallArtifact() {
  Program program = weightedProgram(weightFile());
  program.kernels.resize(5); // up to "less"
  program.code.resize(100);
  WriteOptions options;
  options.selfContained = true;
  std::vector<uint8_t> bytes;
  Status status = writeArtifact(program, options, bytes);
  EXPECT_TRUE(status.ok()) << status.message;
  return bytes;
}

TEST(Artifact, EveryTruncationIsFound) {
  std::vector<uint8_t> bytes = smallArtifact();
  Program program;
  ArtifactInfo info;
  Status status = readArtifact(bytes.data(), bytes.size(), {}, program, info);
  ASSERT_TRUE(status.ok()) << status.message;
  EXPECT_EQ(info.compilerVersion, compilerVersion);
  for (size_t length = 0; length < bytes.size(); ++length) {
    std::vector<uint8_t> part(bytes.begin(), bytes.begin() + static_cast<long>(length));
    EXPECT_FALSE(readArtifact(part.data(), length, {}, program, info).ok()) << length;
    (void)readArtifact(part.data(), length, {.checkHashes = false}, program, info);
  }
}

TEST(Artifact, EveryFlippedByteIsFound) {
  std::vector<uint8_t> bytes = smallArtifact();
  Program program;
  ArtifactInfo info;
  for (size_t at = 0; at < bytes.size(); ++at)
    for (uint8_t flip : {0x01, 0x80, 0xff}) {
      bytes[at] ^= flip;
      // Also one between sections, where there are only zeros.
      bool ok = readArtifact(bytes.data(), bytes.size(), {}, program, info).ok();
      EXPECT_FALSE(ok) << "byte " << at << " ^ " << int(flip);
      // Without hashes anything may come out, but nothing may break, now or when
      // the program is bound and its memory planned.
      Status status = readArtifact(bytes.data(), bytes.size(), {.checkHashes = false}, program, info);
      if (status.ok() && !ok) {
        program.kernels.clear(); // no code to call
        std::shared_ptr<Model> model;
        (void)Model::create(std::move(program), {}, model);
      }
      bytes[at] ^= flip;
    }
}

TEST(Artifact, ZerosBehindTheEndAreNoPadding) {
  std::vector<uint8_t> bytes = smallArtifact();
  bytes.resize(bytes.size() + 64);
  Program program;
  ArtifactInfo info;
  EXPECT_FALSE(readArtifact(bytes.data(), bytes.size(), {}, program, info).ok());
}

TEST(Artifact, AnotherVersionIsRefusedByItsNumber) {
  std::vector<uint8_t> bytes = smallArtifact();
  bytes[8] += 1; // the version, whatever the rest of the format may be then
  std::shared_ptr<Model> model;
  Status status = Model::load(bytes.data(), bytes.size(), {}, model);
  EXPECT_EQ(status.code, StatusCode::Unsupported);
  std::string text =
      "expected format version " + std::to_string(artifactVersion) + ", got " + std::to_string(artifactVersion + 1);
  EXPECT_NE(status.message.find(text), std::string::npos) << status.message;
  EXPECT_NE(status.message.find("compile the model again"), std::string::npos) << status.message;
}

TEST(Artifact, AChangeAnywhereInAWeightOfUsualSizeIsFound) {
  std::vector<uint8_t> data(1 << 20, 7);
  uint64_t before = weightHash(data.data(), int64_t(data.size()));
  for (size_t at : {size_t{0}, data.size() / 2, data.size() - 1}) {
    data[at] ^= 1;
    EXPECT_NE(weightHash(data.data(), int64_t(data.size())), before) << at;
    data[at] ^= 1;
  }
  EXPECT_NE(weightHash(data.data(), int64_t(data.size()) - 1), before);
}

TEST(Artifact, AnotherWeightOfGreatSizeIsFound) {
  std::vector<uint8_t> data(40 << 20, 7), other(data);
  std::fill(other.begin() + (1 << 20), other.end() - (1 << 20), uint8_t{8}); // equal at both ends
  EXPECT_NE(weightHash(data.data(), int64_t(data.size())), weightHash(other.data(), int64_t(other.size())));
}

TEST(Artifact, DeepNestingIsRefused) {
  std::vector<uint8_t> cbor(1 << 20, 0x81); // arrays of one array of one array …
  EXPECT_FALSE(scanCbor(cbor).ok());
  std::vector<uint8_t> claim{0x9b, 0, 0, 0, 2, 0, 0, 0, 0}; // an array of 2^33 elements
  EXPECT_FALSE(scanCbor(claim).ok());
  std::vector<uint8_t> open{0x9f, 0xff};
  EXPECT_FALSE(scanCbor(open).ok());
}

std::string wrong(const std::function<void(Program &)> &change) {
  Program program = weightedProgram("weights.bin");
  change(program);
  Status status = checkProgram(program);
  EXPECT_FALSE(status.ok());
  return status.message;
}

TEST(CheckProgram, SaysWhatIsWrong) {
  EXPECT_EQ(wrong([](Program &p) { std::get<Launch>(p.functions[0].body[0].op).kernel = 99; }),
            "function 'main', instruction 0 (node): expected a kernel in [0, 7), got 99");
  EXPECT_EQ(wrong([](Program &p) { std::get<Launch>(p.functions[0].body[0].op).buffers[0] = -2; }),
            "function 'main', instruction 0 (node): expected a buffer in [0, 6), got -2");
  EXPECT_EQ(wrong([](Program &p) { p.functions[0].buffers[5].index = 5; }),
            "function 'main': expected at most 64 aliases in a row, got a cycle or more at buffer "
            "'main.5'");
  EXPECT_EQ(wrong([](Program &p) { p.functions[1].body.push_back(instruction(Call{1, {0}, {1}, -1, {}})); }),
            "expected calls without a cycle and at most 100 deep");
  EXPECT_EQ(wrong([](Program &p) { p.weights[1].derivedFrom = {1}; }),
            "expected derived weights without a cycle and at most 100 deep");
  EXPECT_EQ(wrong([](Program &p) { p.weights[0].shape = {int64_t{1} << 40, 1 << 30}; }),
            "weight 0 'w': expected a shape of at most 2^46 bytes");
  EXPECT_EQ(wrong([](Program &p) { p.functions[0].buffers[0].dims = {SymbolicExpr::invalid()}; }),
            "function 'main', buffer 0 'main.0': expected an expression, got an invalid one");
  EXPECT_EQ(wrong([](Program &p) { p.functions[0].body.push_back(instruction(Copy{1, 0})); }),
            "function 'main', instruction 9 (node): expected a buffer that may be written, got "
            "'main.0'");
  EXPECT_EQ(wrong([](Program &p) {
              p.functions[0].body.push_back(instruction(Loop{-1, std::nullopt, "i", std::make_shared<Block>()}));
            }),
            "function 'main', instruction 9 (node): expected a condition or a trip count, got "
            "neither");
}

} // namespace
