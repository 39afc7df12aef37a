// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels of a device: the edges of a run, and launches.
#include "lib/Runtime/Executor.h"

#include "bessemer/Support/KernelFault.h"

namespace bessemer::runtime {

/// Inputs and those outputs whose size is known. What only the data tells lies in pooled blocks, which are mapped.
std::vector<DeviceSession::Edge> Executor::edgesOf(Plan &plan, std::span<void *const> inputs) const {
  const Function &source = *plan.function->source;
  std::vector<DeviceSession::Edge> edges;
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::vector<int64_t> shape = staticShape(plan, plan.function->inputDims[i]);
    const Argument &argument = source.inputs[i];
    edges.push_back({inputs[i], checkedByteSize(static_cast<uint8_t>(argument.dtype), shape.data(), shape.size()), true,
                     argument.name});
  }
  for (size_t o = 0; o < source.outputs.size(); ++o)
    edges.push_back({plan.bases[plan.firstOutputBase() + static_cast<int32_t>(o)], plan.outputBytes[o], false,
                     source.outputs[o].name});
  return edges;
}

Status Executor::beginOnDevice(Plan &plan, std::span<void *const> inputs) {
  return session ? session->begin(edgesOf(plan, inputs)) : Status();
}

Status Executor::endOnDevice(Plan &plan, Status status) {
  if (!session)
    return status;
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
    argument.isResult = i >= inputs;
    argument.name = step.frame->function->source->buffers[op.buffers[i]].name;
    Status status = argument.isResult ? session->wroteOnDevice(buffers[i], argument.bytes, argument.address)
                                      : session->toDevice(buffers[i], argument.bytes, argument.address);
    if (!status.ok())
      return failed(step, status.message);
    launchArguments.push_back(argument);
  }
  DeviceLaunch launch;
  launch.kernel = op.kernel;
  launch.buffers = launchArguments;
  launch.symbols = {integers, op.symbols.size()};
  Status status = session->launch(step, kernel, launch, tasks, workspaceBytes);
  return status.ok() ? status : Status::error(status.code, failed(step, status.message).message);
}

} // namespace bessemer::runtime
