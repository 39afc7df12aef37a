// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls that cannot be laid out before the run: symbols, arguments or results
// that only the data tells. The callee gets a plan of its own.
#include "lib/Runtime/Executor.h"

#include <algorithm>

namespace bessemer::runtime {

Status Executor::executeCall(Plan &plan, Step &step) {
  const PreparedInstruction &p = *step.instruction;
  const auto &op = std::get<Call>(p.source->op);
  Frame &frame = *step.frame;
  const PreparedFunction &callee = *model->prepared().functions[op.function];
  const PreparedFunction &caller = *frame.function;

  // Values of all of the caller's expressions that the call needs, by now.
  std::vector<int64_t> values(caller.exprs.size(), 0), symbols;
  std::vector<uint8_t> known(caller.exprs.size(), 0);
  auto need = [&](const std::vector<ExprId> &ids) {
    for (ExprId id : ids)
      known[id] = evaluateExpr(frame, id, values[id]).ok();
  };
  need(p.exprs);
  for (BufferId id : op.arguments)
    need(caller.buffers[id].dims);
  if (!calleeSymbols(p, callee, values, known, caller, symbols))
    return failed(step, "expected values for all symbols of function '" + callee.source->name + "'");
  auto &plans = step.call->plans;
  auto it = std::find_if(plans.begin(), plans.end(), [&](const auto &candidate) { return candidate->key == symbols; });
  if (it == plans.end()) {
    std::unique_ptr<Plan> made;
    if (Status status = binder.makePlan(callee, symbols, symbols, made); !status.ok())
      return failed(step, status.message);
    if (plans.size() >= 8)
      plans.erase(plans.begin());
    plans.push_back(std::move(made));
  } else {
    std::rotate(it, it + 1, plans.end());
  }
  Plan &inner = *plans.back();
  for (size_t k = 0; k < inner.weights.size(); ++k)
    inner.setBase(inner.firstWeightBase() + static_cast<int32_t>(k), streamer->find(inner.weights[k]));

  if (Status status = ensureWorkspace(inner.workspaceBytes); !status.ok())
    return status;
  MemoryBlock memory = pool.take(inner.arenaBytes);
  if (!memory.data())
    return Status::error(StatusCode::OutOfMemory,
                         "function '" + callee.source->name + "': " + pool.refusal(inner.arenaBytes));
  inner.setBase(Plan::arenaBase, memory.data());
  Frame &own = *inner.frames.front();
  for (size_t a = 0; a < op.arguments.size(); ++a) {
    Place place;
    if (Status status = locate(plan, frame, op.arguments[a], place); !status.ok())
      return failed(step, status.message);
    BufferId inside = callee.inputBuffers[a];
    if (inside >= 0 && inner.binding->bytes[inside] > place.bytes)
      return failed(step, "argument " + std::to_string(a) + " of function '" + callee.source->name + "': expected " +
                              std::to_string(inner.binding->bytes[inside]) + " bytes, got " +
                              std::to_string(place.bytes));
    inner.setBase(Plan::firstInputBase + static_cast<int32_t>(a), place.data);
  }
  // Results whose shape is known before; the callee makes the others.
  auto bindResult = [&](size_t r) -> Status {
    const std::vector<SymbolId> &defines = p.defines[r];
    const std::vector<ExprId> &dims = callee.outputDims[r];
    for (size_t d = 0; d < defines.size() && d < dims.size(); ++d) {
      int64_t value = 0;
      if (defines[d] < 0)
        continue;
      if (Status status = evaluateExpr(own, dims[d], value); !status.ok())
        return failed(step, status.message);
      define(frame, defines[d], value);
    }
    return {};
  };
  for (size_t r = 0; r < op.results.size(); ++r) {
    if (callee.dynamicOutput[r])
      continue;
    Place place;
    if (Status status = bindResult(r); !status.ok())
      return status;
    if (Status status = locate(plan, frame, op.results[r], place); !status.ok())
      return failed(step, status.message);
    if (inner.outputBytes[r] < 0 || inner.outputBytes[r] > place.bytes)
      return failed(step, "result " + std::to_string(r) + " of function '" + callee.source->name + "': expected " +
                              std::to_string(place.bytes) + " bytes, got " + std::to_string(inner.outputBytes[r]));
    inner.setBase(inner.firstOutputBase() + static_cast<int32_t>(r), place.data);
  }
  Status status = execute(inner, inner.steps);
  for (size_t r = 0; status.ok() && r < op.results.size(); ++r) {
    if (!callee.dynamicOutput[r])
      continue;
    Place from, to;
    status = locate(inner, own, callee.outputBuffers[r], from);
    if (status.ok())
      status = bindResult(r);
    // Hand the memory over where the caller's is made as it runs, too.
    if (status.ok() && caller.buffers[op.results[r]].dynamicStorage) {
      DynamicStorage &mine = frame.storage[op.results[r]];
      pool.give(std::move(mine.block));
      mine.block = std::move(own.storage[callee.outputBuffers[r]].block);
      status = locate(plan, frame, op.results[r], to);
    } else if (status.ok()) {
      status = locate(plan, frame, op.results[r], to);
      if (status.ok() && to.bytes == from.bytes)
        status = copy(to.data, from.data, from.bytes);
    }
    if (status.ok() && to.bytes != from.bytes)
      status = failed(step, "result " + std::to_string(r) + " of function '" + callee.source->name +
                                "': expected shape " + shapeText(to.shape) + ", got " + shapeText(from.shape));
  }
  releaseStorage(inner);
  inner.setBase(Plan::arenaBase, nullptr);
  pool.give(std::move(memory));
  return status;
}

} // namespace bessemer::runtime
