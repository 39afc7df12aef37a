// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Any bytes as an artifact: with and without its hashes checked (without, what
// is behind them is reached), written again, and, as far as that runs no code of
// the artifact, loaded and bound to shapes.
#include "bessemer/Runtime/Artifact.h"
#include "bessemer/Runtime/Context.h"

#include <cstdint>
#include <cstdlib>
#include <vector>

using namespace bessemer::runtime;

/// Small shapes that an entry may accept: every symbol as `value`.
static std::vector<std::vector<int64_t>> shapesOf(const Function &entry, int64_t value) {
  std::vector<std::vector<int64_t>> shapes;
  for (const Argument &input : entry.inputs) {
    shapes.emplace_back();
    for (const bessemer::SymbolicExpr &dim : input.dims)
      shapes.back().push_back(
          dim.evaluate([&](std::string_view) { return std::optional<int64_t>(value); }).value_or(1));
  }
  return shapes;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Program program;
  ArtifactInfo info;
  (void)readArtifact(data, size, {}, program, info);
  if (!readArtifact(data, size, {.checkHashes = false}, program, info).ok())
    return 0;

  // What was read can be written, and read again.
  bool files = false;
  for (const Weight &weight : program.weights)
    files |= weight.derivedFunction < 0;
  if (!files) {
    std::vector<uint8_t> again;
    Program back;
    if (!writeArtifact(program, {}, again).ok() || !readArtifact(again.data(), again.size(), {}, back, info).ok())
      std::abort();
  }
  // Kernels are code that is not to be trusted, and weights would open files.
  if (files || !program.kernels.empty())
    return 0;
  program.triple.clear();
  program.features.clear();
  for (const Weight &weight : program.weights)
    if (weight.derivedFunction >= 0)
      return 0; // a derivation may run as long as it likes
  LoadOptions options;
  options.threads = 1;
  std::shared_ptr<Model> model;
  if (!Model::create(std::move(program), options, model).ok())
    return 0;
  Context context(model);
  for (int64_t value : {0, 1, 7}) {
    std::vector<std::vector<int64_t>> outputs;
    (void)context.outputShapes(shapesOf(model->entry(), value), outputs);
  }
  return 0;
}
