// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Runtime/Context.h"

#include "lib/Runtime/Executor.h"

#include <algorithm>
#include <new>

namespace bessemer::runtime {

Context::Context(std::shared_ptr<const Model> model) : executor(std::make_unique<Executor>(std::move(model))) {
  executor->warm();
}
Context::~Context() = default;
Context::Context(Context &&) noexcept = default;

const Model &Context::model() const { return executor->modelOf(); }

static Status noMemory() { return Status::error(StatusCode::OutOfMemory, "no memory for the runtime's own tables"); }

Status Context::run(std::span<const Tensor> inputs, std::span<Tensor> outputs) try {
  return executor->run(inputs, outputs);
} catch (const std::bad_alloc &) {
  return noMemory();
}

Status Context::runTimed(std::span<const Tensor> inputs, std::span<Tensor> outputs, double &seconds) try {
  return executor->runTimed(inputs, outputs, seconds);
} catch (const std::bad_alloc &) {
  return noMemory();
}

Status Context::outputShapes(std::span<const std::vector<int64_t>> inputs,
                             std::vector<std::vector<int64_t>> &outputs) try {
  return executor->outputShapes(inputs, outputs);
} catch (const std::bad_alloc &) {
  return noMemory();
}

Status Context::arenaBytes(std::span<const std::vector<int64_t>> inputs, int64_t &bytes) try {
  return executor->arenaBytes(inputs, bytes);
} catch (const std::bad_alloc &) {
  return noMemory();
}

void Context::cancel() { executor->cancel(); }
void Context::setProfiling(bool on) { executor->setProfiling(on); }
std::vector<ProfileEntry> Context::profile() const { return executor->profile(); }
Status Context::readTensor(const Tensor &tensor, void *data, int64_t bytes) {
  return executor->readTensor(tensor, data, bytes);
}
Status Context::writeTensor(Tensor &tensor, const void *data, int64_t bytes) try {
  return executor->writeTensor(tensor, data, bytes);
} catch (const std::bad_alloc &) {
  return noMemory();
}
DeviceCounts Context::deviceCounts() const { return executor->deviceCounts(); }
void Context::clearProfile() { executor->clearProfile(); }

DeviceCounts Executor::deviceCounts() const {
  DeviceCounts counts = session ? session->counted() : DeviceCounts();
  counts.plans = plansMade;
  counts.repeats = runsRepeated;
  return counts;
}

std::vector<ProfileEntry> Executor::profile() const {
  std::vector<ProfileEntry> entries;
  for (const auto &[instruction, entry] : profiles)
    entries.push_back(entry);
  std::sort(entries.begin(), entries.end(), [](const ProfileEntry &a, const ProfileEntry &b) {
    return a.seconds != b.seconds ? a.seconds > b.seconds : a.name < b.name;
  });
  return entries;
}

void Executor::record(const Plan &plan, const Step &step, std::chrono::steady_clock::duration time) {
  const Instruction &source = *step.instruction->source;
  // Branches, loops and dynamic calls: what is in them is counted by itself.
  InstructionKind kind = step.instruction->kind;
  if (kind == InstructionKind::If || kind == InstructionKind::Loop || kind == InstructionKind::Call)
    return;
  ProfileEntry &entry = profiles[&source];
  if (entry.runs == 0) {
    entry.provenance = source.provenance;
    static constexpr const char *kinds[] = {"launch", "fallback", "copy", "bind symbols", "from dims", "guard"};
    entry.kind = entry.name = kinds[static_cast<size_t>(kind)];
    if (auto *op = std::get_if<Launch>(&source.op)) {
      entry.name = model->program().kernels[op->kernel].symbol;
      entry.kind = model->program().kernels[op->kernel].kind;
    } else if (auto *op = std::get_if<Fallback>(&source.op)) {
      entry.name = op->op;
    }
  }
  ++entry.runs;
  entry.seconds += std::chrono::duration<double>(time).count();
  if (auto *op = std::get_if<Launch>(&source.op)) {
    const Kernel &kernel = model->program().kernels[op->kernel];
    const int64_t *values = plan.integers.data() + step.firstInteger;
    auto lookup = [&](std::string_view name) -> std::optional<int64_t> {
      size_t index = 0;
      if (name.size() < 2 || name.size() > 6 || name[0] != 's')
        return std::nullopt;
      for (char c : name.substr(1)) {
        if (c < '0' || c > '9')
          return std::nullopt;
        index = index * 10 + static_cast<size_t>(c - '0');
      }
      return index < op->symbols.size() ? std::optional<int64_t>(values[index]) : std::nullopt;
    };
    entry.flops += static_cast<double>(kernel.flops.evaluate(lookup).value_or(0));
    entry.bytes += static_cast<double>(kernel.bytes.evaluate(lookup).value_or(0));
  } else if (kind == InstructionKind::Copy && !step.dynamic) {
    entry.bytes += 2.0 * static_cast<double>(step.tasks);
  }
}

} // namespace bessemer::runtime
