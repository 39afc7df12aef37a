// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiles a model and runs it, in C++: each input is ones (zeros for integers), free dimensions are 1.
//
//   c++ -std=c++17 -Iinclude examples/compile_and_run.cpp -o host -Lbuild/lib -lbessemer -Wl,-rpath,$PWD/build/lib
//   ./host model.onnx
#include "bessemer/compile.hpp"

#include <cstdio>

namespace bs = bessemer::api;

int main(int argc, char **argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: compile_and_run MODEL.onnx\n");
    return 2;
  }
  bs::CompileOptions options;
  options.progress = [](const char *phase) {
    std::fprintf(stderr, "%s\n", phase);
    return true;
  };
  bs::Program program = bs::Compilation::ofFile(argv[1], options).load();

  std::vector<std::vector<float>> memory; // zeros of any type fit, too: no element has more than 8 bytes
  std::vector<bs::Tensor> inputs;
  for (size_t i = 0; i < program.inputCount(); ++i) {
    bessemer_argument argument = program.input(i);
    bs::Shape shape(argument.shape, argument.shape + argument.rank);
    size_t count = 1;
    for (int64_t &extent : shape)
      count *= size_t(extent = extent < 0 ? 1 : extent);
    bool isFloat = argument.dtype == BESSEMER_F32;
    memory.emplace_back(2 * count + 1, isFloat ? 1.0f : 0.0f);
    inputs.push_back(bs::Tensor::view(bessemer_dtype(argument.dtype), memory.back().data(), shape));
  }
  bs::Context context(program);
  std::vector<bs::Tensor> outputs = context.run(inputs);
  for (size_t o = 0; o < outputs.size(); ++o) {
    std::printf("%s: [", program.output(o).name);
    for (int64_t extent : outputs[o].shape())
      std::printf(" %lld", static_cast<long long>(extent));
    std::printf(" ]");
    if (outputs[o].dtype() == BESSEMER_F32)
      for (int64_t i = 0; i < std::min<int64_t>(outputs[o].elements(), 8); ++i)
        std::printf(" %g", outputs[o].data<float>()[i]);
    std::printf("\n");
  }
  return 0;
} catch (const bs::Error &error) {
  std::fprintf(stderr, "%s: %s\n", bessemer_status_name(error.status()), error.what());
  return 2;
}
