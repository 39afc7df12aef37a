// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Programs made by hand, with kernels that the system's C compiler makes at test
// time: the executor is tested without the compiler.
#pragma once

#include "bessemer/Runtime/Context.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>

namespace bessemer::runtime::test {

/// A folder that goes away with the test program.
inline const std::string &folder() {
  struct Folder {
    std::string path = "/tmp/bessemer-test-XXXXXX";
    Folder() { EXPECT_NE(mkdtemp(path.data()), nullptr); }
    ~Folder() { EXPECT_EQ(std::system(("rm -rf '" + path + "'").c_str()), 0); }
  };
  static Folder made;
  return made.path;
}

inline std::vector<uint8_t> readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void writeFile(const std::string &path, const void *data, size_t bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char *>(data), static_cast<std::streamsize>(bytes));
}

/// The kernels of all tests, as a shared object. Tasks are elements, but for
/// row_sum, where they are rows.
inline const std::vector<uint8_t> &testCode() {
  static const std::vector<uint8_t> code = [] {
    const char *source = R"(
#include <stdint.h>
#define KERNEL(name) void name(void *const *b, const int64_t *s, int64_t begin, int64_t end, void *ws)
KERNEL(add) { const float *x = b[0], *y = b[1]; float *z = b[2];
  for (int64_t i = begin; i < end; ++i) z[i] = x[i] + y[i]; }
KERNEL(scale) { const float *x = b[0]; float *z = b[1];
  for (int64_t i = begin; i < end; ++i) z[i] = x[i] * (float)s[0]; }
KERNEL(row_sum) { const float *x = b[0]; float *z = b[1]; float *tmp = ws;
  for (int64_t i = begin; i < end; ++i) { tmp[0] = 0;
    for (int64_t j = 0; j < s[0]; ++j) tmp[0] += x[i * s[0] + j];
    z[i] = tmp[0]; } }
KERNEL(iota) { float *z = b[0];
  for (int64_t i = begin; i < end; ++i) z[i] = (float)(i + s[0]); }
KERNEL(less) { const float *x = b[0]; uint8_t *z = b[1];
  for (int64_t i = begin; i < end; ++i) z[i] = x[i] < (float)s[0]; }
KERNEL(count_positive) { const float *x = b[0]; int64_t *z = b[1]; *z = 0;
  for (int64_t i = 0; i < s[0]; ++i) *z += x[i] > 0; }
KERNEL(positives) { const float *x = b[0]; float *z = b[1];
  for (int64_t i = 0; i < s[0]; ++i) if (x[i] > 0) *z++ = x[i]; }
)";
    std::string c = folder() + "/kernels.c", so = folder() + "/kernels.so";
    writeFile(c, source, std::char_traits<char>::length(source));
    EXPECT_EQ(std::system(("cc -shared -nostdlib -fPIC -O1 -o " + so + " " + c).c_str()), 0);
    return readFile(so);
  }();
  return code;
}

enum TestKernel { Add, Scale, RowSum, Iota, Less, CountPositive, Positives };

inline SymbolicExpr sym(const char *name) { return SymbolicExpr::symbol(name); }

/// A program with the kernels above and one empty entry function.
inline Program emptyProgram() {
  Program program;
  program.target = "cpu";
  for (const char *name : {"add", "scale", "row_sum", "iota", "less", "count_positive", "positives"}) {
    Kernel kernel;
    kernel.symbol = name;
    kernel.kind = "map";
    kernel.flops = sym("s0");
    program.kernels.push_back(kernel);
  }
  program.functions.emplace_back();
  program.functions[0].name = "main";
  program.code = testCode();
  return program;
}

inline BufferId addBuffer(Function &f, BufferKind kind, int32_t index, Dims dims, DType dtype = DType::F32) {
  Buffer buffer;
  buffer.name = f.name + "." + std::to_string(f.buffers.size());
  buffer.kind = kind;
  buffer.index = index;
  buffer.dtype = dtype;
  buffer.dims = std::move(dims);
  f.buffers.push_back(std::move(buffer));
  return static_cast<BufferId>(f.buffers.size() - 1);
}

inline BufferId addInput(Function &f, const std::string &name, Dims dims, DType dtype = DType::F32) {
  f.inputs.push_back({name, dtype, dims});
  return addBuffer(f, BufferKind::Input, static_cast<int32_t>(f.inputs.size() - 1), dims, dtype);
}
inline BufferId addOutput(Function &f, const std::string &name, Dims dims, DType dtype = DType::F32) {
  f.outputs.push_back({name, dtype, dims});
  return addBuffer(f, BufferKind::Output, static_cast<int32_t>(f.outputs.size() - 1), dims, dtype);
}

inline Instruction launch(TestKernel kernel, std::vector<BufferId> buffers, std::vector<SymbolicExpr> symbols,
                          SymbolicExpr tasks, int64_t workspace = 0) {
  Launch op;
  op.kernel = kernel;
  op.buffers = std::move(buffers);
  op.symbols = std::move(symbols);
  op.grid = {std::move(tasks)};
  op.workspaceBytes = workspace;
  return {op, "node"};
}
template <typename Op> Instruction instruction(Op op, std::string provenance = "node") {
  return {std::move(op), std::move(provenance)};
}

inline std::shared_ptr<Model> makeModel(Program program, int threads = 2, LoadOptions options = {}) {
  options.threads = threads;
  std::shared_ptr<Model> model;
  Status status = Model::create(std::move(program), options, model);
  EXPECT_TRUE(status.ok()) << status.message;
  return model;
}

inline Tensor tensor(std::vector<float> &data, std::vector<int64_t> shape) {
  Tensor t;
  t.dtype = DType::F32;
  t.shape = std::move(shape);
  t.data = data.data();
  return t;
}

inline std::vector<float> values(const Tensor &t) {
  int64_t count = 1;
  for (int64_t d : t.shape)
    count *= d;
  const auto *data = static_cast<const float *>(t.data);
  return {data, data + count};
}

/// y = 2 * (x + w) and the sum of its rows, for x of (rows, n).
inline Program dynamicProgram() {
  Program program = emptyProgram();
  Function &f = program.functions[0];
  SymbolicExpr rows = sym("rows"), n = sym("n");
  BufferId x = addInput(f, "x", {rows, n});
  BufferId w = addInput(f, "w", {rows, n});
  BufferId y = addOutput(f, "y", {rows, n});
  BufferId sums = addOutput(f, "sums", {rows});
  BufferId t = addBuffer(f, BufferKind::Arena, 0, {rows, n});
  BufferId flat = addBuffer(f, BufferKind::Alias, t, {rows * n});
  f.body.push_back(launch(Add, {x, w, t}, {}, rows * n));
  f.body.push_back(launch(Scale, {flat, y}, {2}, rows * n));
  f.body.push_back(launch(RowSum, {y, sums}, {n}, rows, 64));
  return program;
}

} // namespace bessemer::runtime::test
