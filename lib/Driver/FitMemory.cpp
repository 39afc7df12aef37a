// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/FitMemory.h"

#include "passes/Fuse/Passes.h"

using namespace mlir;
using namespace bessemer;

/// Waking the threads and filling the pipelines of one kernel.
static constexpr double launchSeconds = 4e-6;

void MemoryFitter::add(MemoryChoice choice) {
  choice.plan = planMemoryLimit(choice.memory, limit);
  // What is read again comes out of the file's pages and goes into its place; half of it hides behind
  // the computation when it is read ahead. Every use of a weight brings it from main memory.
  double streamed = 2.0 * double(choice.plan.streamedBytes) * (choice.plan.readsAhead ? 0.5 : 1.0), read = 0;
  for (const StreamProblem::Use &use : choice.memory.uses)
    read += double(choice.memory.unitBytes[use.unit]);
  choice.seconds = (streamed + read) / (memoryGBs * 1e9) + launchSeconds * double(choice.memory.launches);
  choices.push_back(std::move(choice));
  const MemoryChoice &now = choices.back(), &known = choices[best];
  bool better = now.plan.fits != known.plan.fits ? now.plan.fits
                : now.plan.fits                  ? now.seconds < known.seconds
                                                 : now.plan.minimumBytes < known.plan.minimumBytes;
  if (better)
    best = choices.size() - 1;
}

bool MemoryFitter::run(ModuleOp fused, ProgramMemory whole) {
  bool known = whole.known;
  add({0, std::move(whole), {}, 0, {}});
  if (!known)
    return true;
  constexpr int64_t mostPieces = 16;
  for (int64_t pieces = 1; pieces <= mostPieces; pieces *= 2) {
    OwningOpRef<ModuleOp> module(fused.clone());
    PassManager passes(fused.getContext(), ModuleOp::getOperationName());
    passes.enableVerifier(false);
    passes.addPass(createRecompute());
    if (pieces > 1)
      passes.addPass(createSplitRows({pieces}));
    passes.addPass(createVerifyFused());
    if (failed(passes.run(*module)))
      return false;
    bool changed = false;
    for (auto function : module->getOps<func::FuncOp>())
      changed |= function->hasAttr("bess.splits") || (pieces == 1 && function->hasAttr("bess.recomputed"));
    if (!changed)
      continue;
    std::optional<ProgramMemory> memory = describe(*module);
    if (!memory)
      return false;
    int64_t before = choices.back().plan.minimumBytes;
    add({pieces, std::move(*memory), {}, 0, std::move(module)});
    // More pieces only cost more from here on.
    if (pieces > 2 && choices.back().plan.minimumBytes >= before)
      break;
  }
  return true;
}
