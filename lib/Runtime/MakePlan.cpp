// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Second half of making a plan: frames, addresses and steps.
#include "lib/Runtime/Guards.h"
#include "lib/Runtime/Plan.h"
#include "lib/Runtime/Rebind.h"
#include "lib/Runtime/Weights.h"

#include <algorithm>
#include <climits>
#include <set>

namespace bessemer::runtime {

namespace {

class PlanMaker {
public:
  PlanMaker(Binder &binder, Plan &plan) : binder(binder), model(binder.modelOf()), plan(plan) {}

  Status make(const PreparedFunction &function, const std::vector<int64_t> &symbols, const std::vector<int64_t> &room) {
    plan.function = &function;
    plan.key = symbols;
    plan.room = room;
    if (Status status = binder.bind(function, symbols, room, plan.binding); !status.ok())
      return status;
    const Binding &binding = *plan.binding;
    size_t inputs = function.source->inputs.size(), outputs = function.source->outputs.size();
    plan.patches.resize(Plan::firstInputBase + inputs + outputs);
    plan.bases.assign(plan.patches.size(), nullptr);
    plan.arenaBytes = binding.frameBytes;

    std::vector<Address> inputAddresses, outputAddresses;
    for (size_t i = 0; i < inputs; ++i)
      inputAddresses.push_back({Plan::firstInputBase + static_cast<int32_t>(i), 0,
                                argumentBytes(binding, function.source->inputs[i].dtype, function.inputDims[i])});
    for (size_t o = 0; o < outputs; ++o) {
      int64_t bytes = function.dynamicOutput[o]
                          ? -1
                          : argumentBytes(binding, function.source->outputs[o].dtype, function.outputDims[o]);
      outputAddresses.push_back({plan.firstOutputBase() + static_cast<int32_t>(o), 0, bytes});
      plan.outputBytes.push_back(bytes);
    }
    if (Status status = addFrame(function, plan.binding, inputAddresses, outputAddresses,
                                 {Plan::arenaBase, 0, binding.frameBytes}, plan.steps, /*top=*/true);
        !status.ok())
      return status;
    if (!model.weightStore().units().empty())
      for (const Step &step : plan.steps)
        plan.unitUses.push_back(unitsOf(step));
    plan.bases.assign(plan.patches.size(), nullptr);
    plan.slots.assign(addresses.size(), nullptr);
    for (size_t slot = 0; slot < addresses.size(); ++slot) {
      const Address &address = addresses[slot];
      if (address.base == Plan::absoluteBase)
        plan.slots[slot] = reinterpret_cast<void *>(address.offset);
      else if (address.base > 0)
        plan.patches[address.base].push_back({static_cast<uint32_t>(slot), address.offset});
    }
    return {};
  }

private:
  /// The base of a weight that contexts load by themselves.
  int32_t weightBase(int32_t weight) {
    auto [it, isNew] = weightBases.try_emplace(weight, 0);
    if (isNew) {
      it->second = plan.firstWeightBase() + static_cast<int32_t>(plan.weights.size());
      plan.weights.push_back(weight);
      plan.patches.emplace_back();
    }
    return it->second;
  }

  /// The units that a step reads, with all that is nested in it.
  std::vector<int32_t> unitsOf(const Step &step) {
    std::set<int32_t> units;
    std::set<int32_t> functions;
    collectUnits(step, units, functions);
    return {units.begin(), units.end()};
  }
  void collectUnits(const Step &step, std::set<int32_t> &units, std::set<int32_t> &functions) {
    auto addBuffer = [&](BufferId id) {
      if (id < 0)
        return;
      int32_t k = addresses[step.frame->firstSlot + id].base - plan.firstWeightBase();
      if (k >= 0)
        units.insert(model.weightStore().unitOf(plan.weights[k]));
    };
    auto addAll = [&](const std::vector<BufferId> &ids) { std::for_each(ids.begin(), ids.end(), addBuffer); };
    const auto &op = step.instruction->source->op;
    if (auto *launch = std::get_if<Launch>(&op))
      addAll(launch->buffers);
    else if (auto *fallback = std::get_if<Fallback>(&op))
      addAll(fallback->inputs);
    else if (auto *copy = std::get_if<Copy>(&op))
      addBuffer(copy->source);
    else if (auto *bind = std::get_if<BindSymbols>(&op))
      addBuffer(bind->buffer);
    else if (auto *branch = std::get_if<If>(&op))
      addBuffer(branch->condition);
    else if (auto *loop = std::get_if<Loop>(&op))
      addBuffer(loop->condition);
    else if (auto *call = std::get_if<Call>(&op)) {
      addAll(call->arguments);
      collectFunction(call->function, units, functions);
    }
    for (const auto &block : step.blocks)
      if (block)
        for (const Step &inner : *block)
          collectUnits(inner, units, functions);
  }
  /// A call that is planned when it comes by: all that the callee may read.
  void collectFunction(int32_t index, std::set<int32_t> &units, std::set<int32_t> &functions) {
    if (!functions.insert(index).second)
      return;
    for (const Buffer &buffer : model.program().functions[index].buffers)
      if (buffer.kind == BufferKind::Weight && model.weightStore().unitOf(buffer.index) >= 0) {
        weightBase(buffer.index);
        units.insert(model.weightStore().unitOf(buffer.index));
      }
    collectCalls(model.program().functions[index].body, units, functions);
  }
  void collectCalls(const Block &block, std::set<int32_t> &units, std::set<int32_t> &functions) {
    for (const Instruction &instruction : block) {
      if (auto *call = std::get_if<Call>(&instruction.op))
        collectFunction(call->function, units, functions);
      if (auto *branch = std::get_if<If>(&instruction.op)) {
        collectCalls(*branch->thenBlock, units, functions);
        collectCalls(*branch->elseBlock, units, functions);
      }
      if (auto *loop = std::get_if<Loop>(&instruction.op))
        collectCalls(*loop->body, units, functions);
    }
  }

  static Address part(const Address &of, int64_t offset, int64_t bytes) {
    int64_t end = 0;
    if (of.base < 0 || bytes < 0 || __builtin_add_overflow(offset, bytes, &end) || end > of.bytes)
      return {};
    return {of.base, of.offset + offset, bytes};
  }

  /// Adds an activation of the function and its steps.
  Status addFrame(const PreparedFunction &function, std::shared_ptr<const Binding> binding,
                  const std::vector<Address> &inputs, const std::vector<Address> &outputs, const Address &frameMemory,
                  StepList &steps, bool top, const Frame *caller = nullptr, const PreparedInstruction *call = nullptr) {
    if (plan.frames.size() >= maxFrames)
      return Status::error(StatusCode::Unsupported,
                           "the program calls functions more than " + std::to_string(maxFrames) + " times");
    plan.frames.push_back(std::make_unique<Frame>());
    Frame &frame = *plan.frames.back();
    frame.binding = binding;
    frame.function = &function;
    frame.caller = caller;
    frame.call = call;
    frame.symbols.assign(function.symbols.size(), 0);
    frame.defined.assign(function.symbols.size(), 0);
    std::copy(binding->symbols.begin(), binding->symbols.end(), frame.symbols.begin());
    std::fill(frame.defined.begin(), frame.defined.begin() + function.boundSymbols, 1);
    if (function.hasDynamicStorage) {
      frame.storage.resize(function.buffers.size());
      plan.hasDynamicStorage = true;
    }
    frame.firstSlot = static_cast<uint32_t>(addresses.size());
    const std::vector<Buffer> &buffers = function.source->buffers;
    addresses.resize(addresses.size() + buffers.size());
    auto addressOf = [&](size_t b) -> Address & { return addresses[frame.firstSlot + b]; };
    for (size_t b = 0; b < buffers.size(); ++b) {
      const Buffer &buffer = buffers[b];
      int64_t bytes = binding->bytes[b];
      if (function.buffers[b].dynamicAddress || bytes < 0)
        continue;
      switch (buffer.kind) {
      case BufferKind::Input: addressOf(b) = part(inputs[buffer.index], 0, bytes); break;
      case BufferKind::Output: addressOf(b) = part(outputs[buffer.index], 0, bytes); break;
      case BufferKind::Arena: addressOf(b) = part(frameMemory, binding->offsets[b], bytes); break;
      case BufferKind::Weight:
        if (void *data = model.weight(buffer.index))
          addressOf(b) = {Plan::absoluteBase, reinterpret_cast<int64_t>(data), bytes};
        else if (model.weightStore().unitOf(buffer.index) >= 0)
          addressOf(b) = {weightBase(buffer.index), 0, bytes};
        break;
      case BufferKind::Constant:
        addressOf(b) = {Plan::absoluteBase,
                        reinterpret_cast<int64_t>(model.program().constants[buffer.index].bytes.data()), bytes};
        break;
      case BufferKind::Alias:
      case BufferKind::Pool: break;
      }
    }
    for (size_t b = 0; b < buffers.size(); ++b) {
      if (buffers[b].kind != BufferKind::Alias || function.buffers[b].dynamicAddress || binding->bytes[b] < 0)
        continue;
      BufferId root = buffers[b].index;
      while (buffers[root].kind == BufferKind::Alias)
        root = buffers[root].index;
      addressOf(b) = part(addressOf(root), binding->offsets[b], binding->bytes[b]);
    }
    return addSteps(function.body, frame, frameMemory, steps, top);
  }

  Status addSteps(const std::vector<PreparedInstruction> &block, Frame &frame, const Address &frameMemory,
                  StepList &steps, bool top) {
    for (const PreparedInstruction &instruction : block) {
      if (instruction.kind == InstructionKind::Call && !instruction.dynamic) {
        bool done = false;
        if (Status status = addCall(instruction, frame, frameMemory, steps, top, done); !status.ok())
          return status;
        if (done)
          continue;
      }
      if (instruction.kind == InstructionKind::Guard && !instruction.dynamic) {
        ExprId lhs = instruction.exprs[0], rhs = instruction.exprs[1];
        if (frame.binding->known[lhs] && frame.binding->known[rhs]) {
          const auto &guard = std::get<Guard>(instruction.source->op);
          int64_t left = frame.binding->values[lhs], right = frame.binding->values[rhs];
          if (guardHolds(guard, left, right)) {
            plan.guards.push_back({&instruction, &frame});
            continue;
          }
          if (top)
            return Status::error(StatusCode::BadInput, guardText(guard, instruction.source->provenance, left, right));
        }
      }
      Step step;
      step.instruction = &instruction;
      step.frame = &frame;
      // A step that cannot be resolved stays dynamic: it may stand in a branch
      // that is not taken, and the executor says what is wrong when it is.
      bool resolved = resolve(step, instruction, frame);
      step.dynamic = instruction.dynamic || !resolved;
      for (int i = 0; i < 2; ++i) {
        if (instruction.kind != InstructionKind::If && instruction.kind != InstructionKind::Loop)
          break;
        step.blocks[i] = std::make_unique<StepList>();
        if (Status status = addSteps(instruction.blocks[i], frame, frameMemory, *step.blocks[i],
                                     /*top=*/false);
            !status.ok())
          return status;
      }
      if (instruction.kind == InstructionKind::Call)
        step.call = std::make_unique<CallState>();
      steps.push_back(std::move(step));
    }
    return {};
  }

  /// Lays the callee's steps out in the caller's list. `done` stays false when
  /// that cannot be known before the run.
  Status addCall(const PreparedInstruction &instruction, Frame &frame, const Address &frameMemory, StepList &steps,
                 bool top, bool &done) {
    const auto &op = std::get<Call>(instruction.source->op);
    const PreparedFunction &callee = *model.prepared().functions[op.function];
    if (std::any_of(callee.dynamicOutput.begin(), callee.dynamicOutput.end(), [](uint8_t d) { return d; }))
      return {};
    std::vector<int64_t> symbols;
    if (!calleeSymbols(instruction, callee, frame.binding->values, frame.binding->known, *frame.function, symbols))
      return {};
    std::vector<Address> inputs, outputs;
    for (BufferId id : op.arguments)
      inputs.push_back(addresses[frame.firstSlot + id]);
    for (BufferId id : op.results)
      outputs.push_back(addresses[frame.firstSlot + id]);
    auto unknown = [](const Address &address) { return address.base < 0; };
    if (std::any_of(inputs.begin(), inputs.end(), unknown) || std::any_of(outputs.begin(), outputs.end(), unknown))
      return {};
    std::vector<int64_t> room = symbols;
    if (const Binding *large = frame.binding->room.get())
      if (!calleeSymbols(instruction, callee, large->values, large->known, *frame.function, room))
        room = symbols;
    std::shared_ptr<const Binding> inner;
    if (Status status = binder.bind(callee, symbols, room, inner); !status.ok())
      return status;
    Address memory{Plan::absoluteBase, 0, 0};
    if (inner->frameBytes > 0 && op.frame >= 0)
      memory = addresses[frame.firstSlot + op.frame];
    else if (inner->frameBytes > 0 && frame.binding->innerFrame >= 0)
      memory = part(frameMemory, frame.binding->innerFrame, inner->frameBytes);
    if (inner->frameBytes > 0 && (memory.base < 0 || memory.bytes < inner->frameBytes))
      return {};
    done = true;
    return addFrame(callee, inner, inputs, outputs, memory, steps, top, &frame, &instruction);
  }

  bool known(const Frame &frame, const std::vector<ExprId> &ids) const {
    return std::all_of(ids.begin(), ids.end(), [&](ExprId id) { return frame.binding->known[id]; });
  }
  uint32_t addIntegers(const Frame &frame, const std::vector<ExprId> &ids) {
    auto first = static_cast<uint32_t>(plan.integers.size());
    for (ExprId id : ids)
      plan.integers.push_back(frame.binding->values[id]);
    return first;
  }
  /// Slots in a row for the buffers; false when an address is not known.
  bool addSlots(Step &step, const Frame &frame, const std::vector<BufferId> &buffers) {
    step.firstSlot = static_cast<uint32_t>(addresses.size());
    bool all = true;
    for (BufferId id : buffers) {
      Address address = addresses[frame.firstSlot + id];
      all &= address.base >= 0;
      addresses.push_back(address);
    }
    return all;
  }

  bool resolve(Step &step, const PreparedInstruction &instruction, Frame &frame) {
    switch (instruction.kind) {
    case InstructionKind::Launch: {
      const auto &op = std::get<Launch>(instruction.source->op);
      step.kernel = reinterpret_cast<KernelFunction>(model.kernel(op.kernel));
      bool ok = addSlots(step, frame, op.buffers);
      step.firstInteger = addIntegers(frame, instruction.exprs);
      ok &= known(frame, instruction.exprs) && known(frame, instruction.grid) &&
            frame.binding->known[instruction.workspace];
      if (!ok)
        return false;
      step.workspace = frame.binding->values[instruction.workspace];
      if (!gridOf(*frame.binding, instruction, step.tasks))
        return false;
      step.room = step.tasks;
      step.roomWorkspace = step.workspace;
      if (const Binding *large = frame.binding->room.get()) {
        int64_t tasks = 0;
        if (gridOf(*large, instruction, tasks))
          step.room = std::max(step.tasks, tasks);
        if (large->known[instruction.workspace] && large->values[instruction.workspace] <= maxWorkspace)
          step.roomWorkspace = std::max(step.workspace, large->values[instruction.workspace]);
      }
      if (step.workspace < 0 || step.workspace > maxWorkspace)
        return false;
      plan.workspaceBytes = std::max(plan.workspaceBytes, step.workspace);
      return true;
    }
    case InstructionKind::Copy: {
      const auto &op = std::get<Copy>(instruction.source->op);
      step.tasks = frame.binding->bytes[op.source];
      return addSlots(step, frame, {op.destination, op.source}) && step.tasks >= 0 &&
             step.tasks == frame.binding->bytes[op.destination];
    }
    case InstructionKind::FromDims:
      step.firstInteger = addIntegers(frame, instruction.exprs);
      return known(frame, instruction.exprs) && bufferKnown(frame, instruction);
    case InstructionKind::Loop:
      step.tasks = instruction.exprs.empty() ? INT64_MAX : frame.binding->values[instruction.exprs[0]];
      return known(frame, instruction.exprs);
    case InstructionKind::Fallback:
      step.fallback = std::make_unique<FallbackState>();
      return false; // the executor makes the operands; see Step::fallback
    case InstructionKind::BindSymbols:
    case InstructionKind::Guard:
    case InstructionKind::Call:
    case InstructionKind::If: return false;
    }
    return false;
  }

  bool bufferKnown(const Frame &frame, const PreparedInstruction &instruction) const {
    BufferId id = std::get<FromDims>(instruction.source->op).buffer;
    return addresses[frame.firstSlot + id].base >= 0;
  }

  static constexpr size_t maxFrames = size_t{1} << 16;
  static constexpr int64_t maxWorkspace = int64_t{1} << 40;

  Binder &binder;
  const Model &model;
  Plan &plan;
  std::vector<Address> addresses; // by slot
  std::map<int32_t, int32_t> weightBases;
};

} // namespace

Plan::Plan() = default;
Plan::~Plan() = default;

Status Binder::makePlan(const PreparedFunction &function, const std::vector<int64_t> &symbols,
                        const std::vector<int64_t> &room, std::unique_ptr<Plan> &plan) {
  auto made = std::make_unique<Plan>();
  if (Status status = PlanMaker(*this, *made).make(function, symbols, room); !status.ok())
    return status;
  plan = std::move(made);
  return {};
}

} // namespace bessemer::runtime
