// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels of a device: the edges of a run, and launches.
#include "lib/Runtime/Executor.h"

#include "bessemer/Support/KernelFault.h"

namespace bessemer::runtime {

/// Bytes of a cache from its first element to its last, where its rows are further apart than they are long.
int64_t Executor::cacheBytes(const AppendedCache &cache, DType dtype, std::span<const int64_t> shape,
                             int64_t bytes) const {
  if (lastCaches.capacity < 0 || bytes <= 0)
    return bytes;
  int64_t stride = 1, lastElement = 0;
  for (size_t d = shape.size(); d-- > 0;) {
    lastElement += (shape[d] - 1) * stride;
    stride *= d == static_cast<size_t>(cache.axis) ? lastCaches.capacity : shape[d];
  }
  return (lastElement + 1) * (bitWidth(dtype) / 8);
}

/// Inputs and those outputs whose size is known. What only the data tells lies in pooled blocks, which are mapped.
std::vector<DeviceSession::Edge> Executor::edgesOf(Plan &plan, std::span<void *const> inputs) const {
  const Function &source = *plan.function->source;
  bool isEntry = plan.function == model->prepared().functions.front().get();
  std::vector<DeviceSession::Edge> edges;
  auto roomOf = [&](DType dtype, const std::vector<ExprId> &dims) {
    return plan.binding->room ? argumentBytes(*plan.binding->room, dtype, dims) : 0;
  };
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::vector<int64_t> shape = staticShape(plan, plan.function->inputDims[i]);
    const Argument &argument = source.inputs[i];
    int64_t bytes = checkedByteSize(static_cast<uint8_t>(argument.dtype), shape.data(), shape.size());
    const AppendedCache *cache = isEntry ? cacheOfInput(i) : nullptr;
    if (cache && !lastCaches.copied)
      bytes = cacheBytes(*cache, argument.dtype, shape, bytes);
    edges.push_back({inputs[i], bytes, true, argument.name, deviceAddressOf(inputs[i]),
                     roomOf(argument.dtype, plan.function->inputDims[i])});
  }
  for (size_t o = 0; o < source.outputs.size(); ++o) {
    void *host = plan.bases[plan.firstOutputBase() + static_cast<int32_t>(o)];
    int64_t bytes = plan.outputBytes[o];
    const AppendedCache *cache = isEntry ? cacheOfOutput(o) : nullptr;
    if (cache)
      bytes = cacheBytes(*cache, source.outputs[o].dtype, staticShape(plan, plan.function->outputDims[o]), bytes);
    edges.push_back({host, bytes, false, source.outputs[o].name, deviceAddressOf(host),
                     roomOf(source.outputs[o].dtype, plan.function->outputDims[o])});
  }
  return edges;
}

Status Executor::runTimed(std::span<const Tensor> inputs, std::span<Tensor> outputs, double &seconds) {
  auto start = std::chrono::steady_clock::now();
  if (session)
    session->beginTiming();
  Status status = run(inputs, outputs);
  std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  seconds = taken.count();
  if (session)
    if (Status timed = session->endTiming(seconds); status.ok())
      status = timed;
  return status;
}

Status Executor::beginOnDevice(Plan &plan, std::span<void *const> inputs) {
  if (!session)
    return {};
  std::vector<DeviceSession::Edge> edges = edgesOf(plan, inputs);
  spans.clear();
  if (plan.function == model->prepared().functions.front().get() && lastCaches.capacity >= 0)
    for (const AppendedCache &cache : model->program().caches)
      for (size_t edge : {static_cast<size_t>(cache.input), inputs.size() + static_cast<size_t>(cache.output)})
        spans[edges[edge].host] = std::max(spans[edges[edge].host], edges[edge].bytes);
  return session->begin(edges);
}

Status Executor::endOnDevice(Plan &plan, Status status) {
  if (!session)
    return status;
  // A result that took a detour is copied behind the list.
  onePass = status.ok() && detours.empty() ? session->onePass() : 0;
  if (status.ok())
    status = takeFault();
  if (status.ok())
    status = session->end(edgesOf(plan, {}));
  return status;
}

/// What a kernel found wrong with the data, if anything. It went on with safe values.
Status Executor::takeFault() {
  DeviceSession::Fault fault;
  if (Status status = session->takeFault(fault); !status.ok())
    return status;
  if (!fault.number)
    return {};
  auto number = static_cast<size_t>(fault.number) - 1;
  return failed(*fault.step, number < kernelFaults.size() ? std::string(kernelFaults[number].text)
                                                          : "a kernel found a fault in the data");
}

Status Executor::launchOnDevice(const Step &step, void *const *buffers, const int64_t *integers, int64_t tasks,
                                int64_t workspaceBytes) {
  const auto &op = std::get<Launch>(step.instruction->source->op);
  const Kernel &kernel = model->program().kernels[op.kernel];
  if (session->faultsAreFull())
    if (Status status = takeFault(); !status.ok())
      return status;
  launchArguments.clear();
  size_t inputs = op.buffers.size() - std::min<size_t>(op.buffers.size(), static_cast<size_t>(kernel.outputs));
  for (size_t i = 0; i < op.buffers.size(); ++i) {
    DeviceArgument argument;
    argument.bytes = step.dynamic ? launchBytes[i] : step.frame->binding->bytes[op.buffers[i]];
    if (auto span = spans.find(buffers[i]); span != spans.end() && argument.bytes > 0)
      argument.bytes = std::max(argument.bytes, span->second);
    argument.isResult = i >= inputs;
    argument.name = step.frame->function->source->buffers[op.buffers[i]].name;
    Status status = argument.isResult
                        ? session->wroteOnDevice(buffers[i], argument.bytes, argument.address)
                        : session->toDevice(buffers[i], argument.bytes, argument.address, &argument.isConstant);
    if (!status.ok())
      return failed(step, status.message);
    launchArguments.push_back(argument);
  }
  DeviceLaunch launch;
  launch.kernel = op.kernel;
  launch.buffers = launchArguments;
  launch.symbols = {integers, op.symbols.size()};
  Status status = session->launch(step, kernel, launch, tasks, std::max(tasks, step.room),
                                  std::max(workspaceBytes, step.roomWorkspace));
  return status.ok() ? status : Status::error(status.code, failed(step, status.message).message);
}

} // namespace bessemer::runtime
