// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/Rebind.h"
#include "lib/Runtime/Guards.h"

#include <algorithm>

namespace bessemer::runtime {

/// Functions, or calls of one with other sizes, that a plan may have.
static constexpr size_t mostScopes = 256;

Rebinding::Rebinding(Plan &plan) : plan(plan) {
  for (const auto &frame : plan.frames)
    if (!addScope(*frame))
      return;
  possible = true;
  for (const auto &frame : plan.frames)
    framesOf.emplace_back(frame.get(), scopeOf[frame.get()]);
  for (const auto &frame : plan.frames)
    frame->binding = scopes[scopeOf[frame.get()]].binding;
  plan.binding = scopes.front().binding;
  for (const auto &frame : plan.frames)
    addArguments(*frame);
  addSteps(plan.steps);
  for (const PlanGuard &guard : plan.guards) {
    int32_t scope = scopeOf[guard.frame];
    if (anyVaries(scopes[scope], guard.instruction->exprs))
      guards.push_back({guard.instruction, scope});
  }
}

bool Rebinding::anyVaries(const Scope &scope, const std::vector<ExprId> &exprs) const {
  return std::any_of(exprs.begin(), exprs.end(), [&](ExprId id) { return scope.varies[id]; });
}

bool Rebinding::addScope(const Frame &frame) {
  const PreparedFunction &function = *frame.function;
  int32_t caller = frame.caller ? scopeOf[frame.caller] : -1;
  std::vector<ExprId> sources;
  if (frame.caller)
    sources = calleeSources(*frame.call, function, *frame.caller->function);
  for (size_t s = 0; s < scopes.size(); ++s)
    if (scopes[s].caller == caller && scopes[s].function == &function && scopes[s].sources == sources) {
      scopeOf[&frame] = static_cast<int32_t>(s);
      return true;
    }
  if (scopes.size() >= mostScopes)
    return false;
  scopeOf[&frame] = static_cast<int32_t>(scopes.size());
  Scope &scope = scopes.emplace_back();
  scope.binding = std::make_shared<Binding>(*frame.binding);
  scope.function = &function;
  scope.caller = caller;
  scope.sources = std::move(sources);
  scope.symbols.assign(function.symbols.size(), 0);
  scope.defined.assign(function.symbols.size(), 0);
  std::copy(frame.binding->symbols.begin(), frame.binding->symbols.end(), scope.symbols.begin());
  std::fill(scope.defined.begin(), scope.defined.begin() + function.boundSymbols, 1);
  scope.varies.assign(function.exprs.size(), 0);
  for (size_t e = 0; e < function.exprs.size(); ++e) {
    if (function.exprs[e].dynamic)
      continue;
    for (const auto &[name, id] : function.exprs[e].symbols)
      if (id >= function.boundSymbols)
        return false;
      else
        scope.varies[e] |= caller < 0 || scopes[caller].varies[scope.sources[id]];
    if (scope.varies[e] && !frame.binding->known[e])
      return false; // it may have a value for others
    if (scope.varies[e])
      scope.exprs.push_back(static_cast<ExprId>(e));
  }
  for (size_t b = 0; b < function.buffers.size(); ++b) {
    const Buffer &buffer = function.source->buffers[b];
    const PreparedBuffer &prepared = function.buffers[b];
    if (buffer.kind == BufferKind::Alias && !prepared.dynamicAddress) {
      // An address that depends on the values is one of the plan.
      if (scope.varies[prepared.aliasOffset])
        return false;
      if (frame.binding->bytes[b] >= 0)
        scope.aliases.push_back(static_cast<BufferId>(b));
    }
    if (prepared.dynamicShape || !anyVaries(scope, prepared.dims) || function.frames.contains(static_cast<BufferId>(b)))
      continue;
    if (frame.binding->bytes[b] < 0 || buffer.kind == BufferKind::Weight || buffer.kind == BufferKind::Constant)
      return false;
    scope.sized.push_back(static_cast<BufferId>(b));
  }
  return true;
}

/// What addresses of arguments take for granted.
void Rebinding::addArguments(const Frame &frame) {
  if (!frame.caller)
    return;
  const auto &op = std::get<Call>(frame.call->source->op);
  int32_t inner = scopeOf[&frame], outer = scopeOf[frame.caller];
  auto add = [&](BufferId own, BufferId given) {
    if (own < 0)
      return;
    if (anyVaries(scopes[inner], frame.function->buffers[own].dims) ||
        anyVaries(scopes[outer], frame.caller->function->buffers[given].dims))
      fits.push_back({inner, outer, own, given});
  };
  for (size_t a = 0; a < op.arguments.size(); ++a)
    add(frame.function->inputBuffers[a], op.arguments[a]);
  for (size_t r = 0; r < op.results.size(); ++r)
    add(frame.function->outputBuffers[r], op.results[r]);
}

void Rebinding::addSteps(StepList &steps) {
  for (Step &step : steps) {
    int32_t s = scopeOf[step.frame];
    const Scope &scope = scopes[s];
    const PreparedInstruction &instruction = *step.instruction;
    for (auto &block : step.blocks)
      if (block)
        addSteps(*block);
    if (step.fallback)
      fallbacks.push_back({&step, s});
    if (step.dynamic)
      continue;
    InstructionKind kind = instruction.kind;
    if (kind == InstructionKind::Launch || kind == InstructionKind::FromDims)
      for (size_t i = 0; i < instruction.exprs.size(); ++i)
        if (scope.varies[instruction.exprs[i]])
          integers.push_back({step.firstInteger + static_cast<uint32_t>(i), s, instruction.exprs[i]});
    if (kind == InstructionKind::Launch && (anyVaries(scope, instruction.grid) || scope.varies[instruction.workspace]))
      launches.push_back({&step, s});
    if (kind == InstructionKind::Loop && anyVaries(scope, instruction.exprs))
      loops.push_back({&step, s});
    if (kind == InstructionKind::Copy)
      copies.push_back({&step, s});
  }
}

bool Rebinding::evaluate(Scope &scope) {
  Binding &binding = *scope.binding;
  std::copy_n(scope.symbols.begin(), scope.function->boundSymbols, binding.symbols.begin());
  for (ExprId e : scope.exprs) {
    std::optional<int64_t> value = runtime::evaluate(scope.function->exprs[e], scope.symbols, scope.defined);
    if (!value)
      return false;
    binding.values[e] = *value;
  }
  return resize(scope);
}

/// The sizes of buffers, which must fit where the room has put them.
bool Rebinding::resize(Scope &scope) const {
  Binding &binding = *scope.binding;
  const std::vector<Buffer> &buffers = scope.function->source->buffers;
  for (BufferId b : scope.sized) {
    int64_t bytes = argumentBytes(binding, buffers[b].dtype, scope.function->buffers[b].dims);
    if (bytes < 0 || (buffers[b].kind == BufferKind::Arena && bytes > binding.room->bytes[b]))
      return false;
    binding.bytes[b] = bytes;
  }
  for (BufferId b : scope.aliases) {
    BufferId root = b;
    while (buffers[root].kind == BufferKind::Alias)
      root = buffers[root].index;
    if (binding.bytes[b] > binding.bytes[root] - binding.offsets[b])
      return false;
  }
  return true;
}

bool Rebinding::bindSteps() {
  for (const Integer &integer : integers)
    plan.integers[integer.at] = scopes[integer.scope].binding->values[integer.expr];
  for (const StepUse &use : launches) {
    const Binding &binding = *scopes[use.scope].binding;
    Step &step = *use.step;
    if (!gridOf(binding, *step.instruction, step.tasks))
      return false;
    step.workspace = binding.values[step.instruction->workspace];
    if (step.tasks > step.room || step.workspace < 0 || step.workspace > step.roomWorkspace)
      return false;
    plan.workspaceBytes = std::max(plan.workspaceBytes, step.workspace);
  }
  for (const StepUse &use : copies) {
    const Binding &binding = *scopes[use.scope].binding;
    const auto &op = std::get<Copy>(use.step->instruction->source->op);
    use.step->tasks = binding.bytes[op.source];
    if (use.step->tasks != binding.bytes[op.destination])
      return false;
  }
  for (const StepUse &use : loops)
    use.step->tasks = scopes[use.scope].binding->values[use.step->instruction->exprs[0]];
  for (const StepUse &use : fallbacks)
    use.step->fallback->ready = false;
  return true;
}

bool Rebinding::checkGuards() const {
  return std::all_of(guards.begin(), guards.end(), [&](const GuardUse &use) {
    const Binding &binding = *scopes[use.scope].binding;
    const std::vector<ExprId> &sides = use.instruction->exprs;
    return guardHolds(std::get<Guard>(use.instruction->source->op), binding.values[sides[0]], binding.values[sides[1]]);
  });
}

Rebinding::Result Rebinding::bind(const std::vector<int64_t> &symbols) {
  for (Scope &scope : scopes) {
    scope.changed = false;
    for (int32_t s = 0; s < scope.function->boundSymbols; ++s) {
      int64_t value = scope.caller < 0 ? symbols[s] : scopes[scope.caller].binding->values[scope.sources[s]];
      scope.changed |= value != scope.symbols[s];
      scope.symbols[s] = value;
    }
    if (scope.changed && (!scope.binding->room || !evaluate(scope)))
      return Result::DoesNotFit;
  }
  for (const Fit &fit : fits)
    if (scopes[fit.inner].binding->bytes[fit.innerBuffer] > scopes[fit.outer].binding->bytes[fit.outerBuffer])
      return Result::DoesNotFit;
  if (!bindSteps() || !bindArguments())
    return Result::DoesNotFit;
  for (const auto &[frame, scope] : framesOf)
    if (scopes[scope].changed)
      std::copy_n(scopes[scope].symbols.begin(), scopes[scope].function->boundSymbols, frame->symbols.begin());
  plan.key.assign(symbols.begin(), symbols.end());
  return checkGuards() ? Result::Bound : Result::Refused;
}

bool Rebinding::bindArguments() {
  const PreparedFunction &function = *plan.function;
  const Function &source = *function.source;
  const Binding &binding = *plan.binding;
  for (size_t i = 0; i < source.inputs.size(); ++i) {
    BufferId buffer = function.inputBuffers[i];
    if (buffer >= 0 && binding.bytes[buffer] > argumentBytes(binding, source.inputs[i].dtype, function.inputDims[i]))
      return false;
  }
  for (size_t o = 0; o < source.outputs.size(); ++o) {
    if (function.dynamicOutput[o])
      continue;
    plan.outputBytes[o] = argumentBytes(binding, source.outputs[o].dtype, function.outputDims[o]);
    BufferId buffer = function.outputBuffers[o];
    if (plan.outputBytes[o] < 0 || (buffer >= 0 && binding.bytes[buffer] > plan.outputBytes[o]))
      return false;
  }
  return true;
}

} // namespace bessemer::runtime
