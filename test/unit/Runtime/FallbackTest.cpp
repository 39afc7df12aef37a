// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Programs that run on the plain kernels of lib/Kernels: no code object at all.
#include "test/unit/Runtime/TestPrograms.h"

using namespace bessemer;
using namespace bessemer::runtime;
using namespace bessemer::runtime::test;

namespace {

Program plainProgram() {
  Program program;
  program.target = "cpu";
  program.functions.emplace_back();
  program.functions[0].name = "main";
  return program;
}

Instruction fallback(const char *op, std::vector<BufferId> inputs, std::vector<BufferId> outputs,
                     std::vector<std::pair<std::string, AttributeExpr>> attributes = {}) {
  return {Fallback{op, std::move(attributes), std::move(inputs), std::move(outputs)}, "Node_1"};
}

TEST(Fallback, RunsAgainOnNewPointers) {
  Program program = plainProgram();
  Function &f = program.functions[0];
  BufferId x = addInput(f, "x", {sym("n")}), y = addOutput(f, "y", {sym("n")});
  BufferId t = addBuffer(f, BufferKind::Arena, 0, {sym("n")});
  f.body = {fallback("add", {x, x}, {t}), fallback("relu", {t}, {y})};
  Context context(makeModel(std::move(program)));
  for (std::vector<float> data : {std::vector<float>{1, -2}, {3, 4}, {-1, 0, 5}}) {
    std::vector<Tensor> inputs{tensor(data, {static_cast<int64_t>(data.size())})}, outputs(1);
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    std::vector<float> expected;
    for (float v : data)
      expected.push_back(v > 0 ? 2 * v : 0);
    EXPECT_EQ(values(outputs[0]), expected);
  }
}

/// The non-zero positions of x, as an output or twice through the pool.
Program nonzeroProgram(bool direct) {
  Program program = plainProgram();
  Function &f = program.functions[0];
  BufferId x = addInput(f, "x", {sym("a"), sym("b")});
  BufferId found = direct ? addOutput(f, "found", {2, sym("count")}, DType::I64)
                          : addBuffer(f, BufferKind::Pool, 0, {2, sym("count")}, DType::I64);
  f.body.push_back(fallback("nonzero", {x}, {found}));
  if (!direct) {
    BufferId sum = addOutput(f, "sum", {2, sym("count")}, DType::I64);
    f.body.push_back(fallback("add", {found, found}, {sum}));
  }
  return program;
}

TEST(Fallback, ShapesThatOnlyTheDataTells) {
  for (bool direct : {true, false}) {
    Context context(makeModel(nonzeroProgram(direct)));
    for (int round = 0; round < 3; ++round) {
      std::vector<float> data{0, 1, 0, 2, static_cast<float>(round), 0};
      std::vector<Tensor> inputs{tensor(data, {2, 3})}, outputs(1);
      Status status = context.run(inputs, outputs);
      ASSERT_TRUE(status.ok()) << status.message;
      int64_t count = round ? 3 : 2, scale = direct ? 1 : 2;
      ASSERT_EQ(outputs[0].shape, (std::vector<int64_t>{2, count}));
      const auto *got = static_cast<const int64_t *>(outputs[0].data);
      EXPECT_EQ(got[0], 0);
      EXPECT_EQ(got[1], scale * 1);
      EXPECT_EQ(got[count], scale * 1);
      EXPECT_EQ(got[count + 1], 0);
    }
  }
}

TEST(Fallback, ErrorsNameTheNode) {
  Program program = plainProgram();
  Function &f = program.functions[0];
  BufferId x = addInput(f, "x", {2}), y = addOutput(f, "y", {2});
  f.body = {fallback("matmul", {x}, {y})}; // of one operand
  Context context(makeModel(std::move(program)));
  std::vector<float> data{1, 2};
  std::vector<Tensor> inputs{tensor(data, {2})}, outputs(1);
  for (int round = 0; round < 2; ++round) {
    Status status = context.run(inputs, outputs);
    EXPECT_EQ(status.code, StatusCode::Failed);
    EXPECT_EQ(status.message.rfind("Node_1: ", 0), 0u) << status.message;
  }
}

TEST(Fallback, AnOpThatNobodyKnowsIsFoundWhenTheProgramIsLoaded) {
  Program program = plainProgram();
  Function &f = program.functions[0];
  BufferId x = addInput(f, "x", {2}), y = addOutput(f, "y", {2});
  f.body = {fallback("no_such_op", {x}, {y})};
  std::shared_ptr<Model> model;
  Status status = Model::create(std::move(program), {}, model);
  EXPECT_EQ(status.code, StatusCode::Unsupported);
  EXPECT_NE(status.message.find("no_such_op"), std::string::npos) << status.message;
  EXPECT_NE(status.message.find("Node_1"), std::string::npos) << status.message;
}

TEST(Fallback, GrowingBufferInALoop) {
  // s = [0]; n times: s = concat(s, s). The loop carries s in a pool buffer whose
  // length is a symbol that each trip binds anew.
  Program program = plainProgram();
  Function &f = program.functions[0];
  SymbolicExpr len = sym("len");
  addInput(f, "x", {sym("n")});
  BufferId s = addBuffer(f, BufferKind::Pool, 0, {len}, DType::I64);
  BufferId twice = addBuffer(f, BufferKind::Pool, 0, {2 * len}, DType::I64);
  BufferId next = addBuffer(f, BufferKind::Arena, 0, {1}, DType::I64);
  BufferId zero = addBuffer(f, BufferKind::Constant, 0, {1}, DType::I64);
  program.constants.push_back({DType::I64, {1}, std::vector<uint8_t>(8, 0)});
  f.body.push_back(instruction(FromDims{next, {1}}));
  f.body.push_back(instruction(BindSymbols{next, {"len"}}));
  f.body.push_back(instruction(Copy{zero, s}));
  auto body = std::make_shared<Block>();
  body->push_back(fallback("concat", {s, s}, {twice}, {{"axis", kernels::AttributeValue(int64_t{0})}}));
  body->push_back(instruction(FromDims{next, {2 * len}}));
  // From here on len is the new length.
  BufferId flat = addBuffer(f, BufferKind::Pool, 0, {len}, DType::I64);
  body->push_back(instruction(BindSymbols{next, {"len"}}));
  body->push_back(fallback("broadcast", {zero}, {flat}));
  body->push_back(instruction(Copy{flat, s}));
  f.body.push_back(instruction(Loop{-1, sym("n"), "i", body}));
  BufferId y = addOutput(f, "y", {len}, DType::I64);
  f.body.push_back(instruction(Copy{s, y}));
  Context context(makeModel(std::move(program)));
  for (int64_t n : {0, 1, 4, 10}) {
    std::vector<float> data(n + 1);
    std::vector<Tensor> inputs{tensor(data, {n})}, outputs(1);
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(outputs[0].shape, (std::vector<int64_t>{int64_t{1} << n}));
  }
}

} // namespace
