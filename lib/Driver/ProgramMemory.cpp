// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/ProgramMemory.h"

#include "bessemer/Runtime/ThreadPool.h"

#include <algorithm>
#include <map>
#include <set>

using namespace bessemer;
using namespace bessemer::runtime;

namespace {

constexpr int64_t smallestUnit = 64 << 10, alignment = 64;

int64_t aligned(int64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

class Describer {
public:
  Describer(const Program &program, int threads, ProgramMemory &out) : program(program), threads(threads), out(out) {
    for (const Guard &guard : program.entryGuards)
      if (auto name = guard.lhs.isSymbol(); name && guard.relation == "le")
        if (auto most = guard.rhs.isConstant())
          bounds[std::string(*name)] = {0, *most};
  }

  void run() {
    findUnits();
    out.known = true;
    addFunction(0, 0, 0, std::vector<int32_t>(program.functions[0].inputs.size(), -1), 0);
    out.known &= program.functions[0].frameBytes.has_value();
    out.arenaBytes = program.functions[0].frameBytes.value_or(0);
    out.freeSymbols.assign(unknown.begin(), unknown.end());
    int count = threads > 0 ? threads : ThreadPool::physicalCores();
    // As Executor::ensureWorkspace lays them out.
    out.workspaceBytes = (aligned(workspace) + alignment) * count;
  }

private:
  // ---- weights, as WeightStore groups them ----
  static int64_t bytesOf(const Weight &weight) {
    int64_t count = 1;
    for (int64_t extent : weight.shape)
      count *= extent;
    return byteSize(weight.dtype, count);
  }

  void findUnits() {
    std::map<std::pair<int32_t, std::vector<int32_t>>, std::vector<int32_t>> groups;
    for (size_t w = 0; w < program.weights.size(); ++w)
      if (program.weights[w].derivedFunction >= 0)
        groups[{program.weights[w].derivedFunction, program.weights[w].derivedFrom}].push_back(int32_t(w));
    units.assign(program.weights.size(), -1);
    std::vector<char> seen(program.weights.size(), 0);
    for (size_t w = 0; w < program.weights.size(); ++w) {
      const Weight &weight = program.weights[w];
      if (weight.temporary || seen[w])
        continue;
      std::vector<int32_t> members = {int32_t(w)};
      if (weight.derivedFunction >= 0) {
        members = groups[{weight.derivedFunction, weight.derivedFrom}];
      } else if (weight.encoding == "raw" && (weight.offset % alignment == 0 || weight.length >= 1 << 20)) {
        // A large one is used where it lies (WeightStore::usableWhereMapped), unless a
        // kernel of lib/Kernels reads it at an odd address: then the runtime says so.
        out.mappedWeightBytes += bytesOf(weight);
        continue;
      }
      int64_t bytes = 0;
      for (int32_t member : members) {
        bytes = aligned(bytes) + bytesOf(program.weights[member]);
        seen[member] = 1;
      }
      if (bytes < smallestUnit) {
        for (int32_t member : members) // each in a block of its own, as MemoryBlock::make rounds it
          out.smallWeightBytes += (bytesOf(program.weights[member]) + alignment) / alignment * alignment;
        continue;
      }
      for (int32_t member : members)
        units[member] = int32_t(out.unitBytes.size());
      out.unitBytes.push_back(bytes);
      out.unitNames.push_back(weight.name);
    }
  }

  // ---- time ----
  /// Starts of the function's instructions, in the order in which they are
  /// numbered (nested ones before the instruction they are in), and the end.
  const std::vector<int64_t> &timesOf(int32_t function) {
    auto [it, isNew] = times.try_emplace(function);
    if (isNew) {
      std::vector<int64_t> starts = {0};
      countBlock(program.functions[function].body, starts);
      times[function] = std::move(starts);
    }
    return times[function];
  }
  void countBlock(const Block &block, std::vector<int64_t> &starts) {
    for (const Instruction &instruction : block) {
      if (auto *branch = std::get_if<If>(&instruction.op)) {
        countBlock(*branch->thenBlock, starts);
        countBlock(*branch->elseBlock, starts);
      } else if (auto *loop = std::get_if<Loop>(&instruction.op)) {
        countBlock(*loop->body, starts);
      }
      int64_t duration = 1;
      if (auto *call = std::get_if<Call>(&instruction.op))
        duration = std::max<int64_t>(1, timesOf(call->function).back());
      starts.push_back(starts.back() + duration);
    }
  }

  // ---- buffers ----
  std::optional<int64_t> sizeOf(const Buffer &buffer) {
    SymbolicExpr count = 1;
    for (const SymbolicExpr &dim : buffer.dims)
      count *= dim;
    std::optional<int64_t> most = boundOf(count);
    return most ? std::optional(byteSize(buffer.dtype, *most)) : std::nullopt;
  }
  std::optional<int64_t> boundOf(const SymbolicExpr &expr) {
    if (auto constant = expr.isConstant())
      return constant;
    bool bounded = true;
    for (const std::string &symbol : expr.symbols())
      if (!bounds.count(symbol)) {
        unknown.insert(symbol);
        bounded = false;
      }
    return bounded ? expr.upperBound(bounds) : std::nullopt;
  }

  /// `inputs`: the weight that each argument is, or -1.
  void addFunction(int32_t index, int64_t base, int64_t offset, const std::vector<int32_t> &inputs, int64_t call) {
    const Function &function = program.functions[index];
    const std::vector<int64_t> starts = timesOf(index);
    auto timeAt = [&](int64_t instruction) {
      return base + starts[size_t(std::clamp<int64_t>(instruction, 0, int64_t(starts.size()) - 1))];
    };
    std::set<BufferId> frames;
    int64_t number = 0;
    addBlock(function, function.body, inputs, base, starts, offset, number, frames);
    std::map<BufferId, std::string> aliasNames;
    for (const Buffer &buffer : function.buffers)
      if (buffer.kind == BufferKind::Alias)
        aliasNames.try_emplace(buffer.index, buffer.name);
    for (size_t b = 0; b < function.buffers.size(); ++b) {
      const Buffer &buffer = function.buffers[b];
      if (buffer.kind != BufferKind::Arena || frames.count(BufferId(b)))
        continue;
      std::optional<int64_t> bytes = sizeOf(buffer);
      if (!bytes || !buffer.offset) {
        out.known = false;
        continue;
      }
      auto alias = aliasNames.find(BufferId(b));
      std::string name = buffer.name.empty() && alias != aliasNames.end() ? alias->second : buffer.name;
      out.boxes.push_back({name.empty() ? "(unnamed)" : name, timeAt(buffer.lower), timeAt(buffer.upper),
                           offset + *buffer.offset, *bytes, call});
    }
  }

  void addBlock(const Function &function, const Block &block, const std::vector<int32_t> &inputs, int64_t base,
                const std::vector<int64_t> &starts, int64_t offset, int64_t &number, std::set<BufferId> &frames) {
    for (const Instruction &instruction : block) {
      if (auto *branch = std::get_if<If>(&instruction.op)) {
        addBlock(function, *branch->thenBlock, inputs, base, starts, offset, number, frames);
        addBlock(function, *branch->elseBlock, inputs, base, starts, offset, number, frames);
      } else if (auto *loop = std::get_if<Loop>(&instruction.op)) {
        addBlock(function, *loop->body, inputs, base, starts, offset, number, frames);
      }
      int64_t time = base + starts[size_t(number++)];
      auto use = [&](const std::vector<BufferId> &ids) {
        for (BufferId id : ids)
          addUse(weightOf(function, id, inputs), time);
      };
      if (auto *launch = std::get_if<Launch>(&instruction.op)) {
        use(launch->buffers);
        ++out.launches;
        workspace = std::max(workspace, boundOf(launch->workspaceBytes).value_or(0));
      } else if (auto *fallback = std::get_if<Fallback>(&instruction.op))
        use(fallback->inputs);
      else if (auto *copy = std::get_if<Copy>(&instruction.op))
        use({copy->source});
      else if (auto *call = std::get_if<Call>(&instruction.op))
        addCall(function, *call, inputs, time, offset, frames);
    }
  }

  void addCall(const Function &function, const Call &call, const std::vector<int32_t> &inputs, int64_t time,
               int64_t offset, std::set<BufferId> &frames) {
    std::vector<int32_t> arguments;
    for (BufferId id : call.arguments)
      arguments.push_back(weightOf(function, id, inputs));
    int64_t frame = 0;
    if (call.frame >= 0) {
      frames.insert(call.frame);
      out.known &= function.buffers[call.frame].offset.has_value();
      frame = function.buffers[call.frame].offset.value_or(0);
    }
    addFunction(call.function, time, offset + frame, arguments, ++calls[call.function]);
  }

  int32_t weightOf(const Function &function, BufferId id, const std::vector<int32_t> &inputs) {
    if (id < 0)
      return -1;
    while (function.buffers[id].kind == BufferKind::Alias)
      id = function.buffers[id].index;
    const Buffer &buffer = function.buffers[id];
    if (buffer.kind == BufferKind::Weight)
      return buffer.index;
    return buffer.kind == BufferKind::Input ? inputs[buffer.index] : -1;
  }

  void addUse(int32_t weight, int64_t time) {
    if (weight < 0 || units[weight] < 0)
      return;
    if (!out.uses.empty() && out.uses.back().step == time && out.uses.back().unit == units[weight])
      return;
    out.uses.push_back({time, units[weight]});
  }

  const Program &program;
  int threads;
  ProgramMemory &out;
  int64_t workspace = 0; // the largest of a thread
  SymbolicExpr::Bounds bounds;
  std::vector<int32_t> units;
  std::map<int32_t, std::vector<int64_t>> times;
  std::map<int32_t, int64_t> calls; // so far, by function
  std::set<std::string> unknown;
};

} // namespace

ProgramMemory bessemer::describeMemory(const Program &program, int threads) {
  ProgramMemory memory;
  Describer(program, threads, memory).run();
  return memory;
}

StreamPlan bessemer::planMemoryLimit(const ProgramMemory &memory, int64_t limit) {
  StreamProblem problem;
  problem.unitBytes = memory.unitBytes;
  problem.uses = memory.uses;
  problem.fixedBytes = aligned(memory.arenaBytes) + memory.workspaceBytes + memory.smallWeightBytes;
  problem.limit = limit;
  return planStreams(problem);
}

std::string bessemer::limitTooSmall(const ProgramMemory &memory, const StreamPlan &plan, int64_t limit) {
  auto text = [](int64_t number) { return std::to_string(number); };
  std::string message = "expected a memory limit of at least " + text(plan.minimumBytes) + " bytes, got " +
                        text(limit) + ": the arena takes " + text(memory.arenaBytes);
  std::vector<const ArenaBox *> largest;
  for (const ArenaBox &box : memory.boxes)
    largest.push_back(&box);
  std::sort(largest.begin(), largest.end(), [](const ArenaBox *a, const ArenaBox *b) {
    return a->bytes != b->bytes ? a->bytes > b->bytes : a->name < b->name;
  });
  std::set<std::string> named;
  for (const ArenaBox *box : largest)
    if (named.size() < 3 && named.insert(box->name).second)
      message += (named.size() == 1 ? " (largest: '" : ", '") + box->name + "' " + text(box->bytes);
  if (!named.empty())
    message += ")";
  message += ", workspaces " + text(memory.workspaceBytes);
  if (memory.smallWeightBytes)
    message += ", small weights " + text(memory.smallWeightBytes);
  if (plan.largestUnit >= 0)
    message += ", weights of one step up to " +
               text(plan.minimumBytes - aligned(memory.arenaBytes) - memory.workspaceBytes - memory.smallWeightBytes) +
               " (largest: '" + memory.unitNames[plan.largestUnit] + "' " + text(memory.unitBytes[plan.largestUnit]) +
               ")";
  return message;
}
