// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/EmulatedDevice.h"

#include "bessemer/Runtime/Program.h"
#include "dialects/Tile/TargetSchedule.h"

using namespace bessemer;
using emulator::Access;
using runtime::DeviceAddress;
using runtime::Status;
using runtime::StatusCode;

namespace {
/// A list of what was asked.
struct EmulatedGraph : runtime::DeviceGraph {
  struct Work {
    runtime::RecordedLaunch launch; ///< when `bytes` is 0
    DeviceAddress to = 0, from = 0;
    int64_t bytes = 0;
  };
  std::vector<Work> work;
};

/// What the cost model expects of all that was launched before.
struct EmulatedEvent : runtime::DeviceEvent {
  double seconds = 0;
};

/// Nothing is asynchronous here.
class EmulatedStream : public runtime::DeviceStream {
public:
  explicit EmulatedStream(EmulatedDevice &device) : device(device) {}

  Status copyIn(DeviceAddress to, const void *from, int64_t bytes) override {
    std::lock_guard lock(device.mutex);
    return check(device.memory.write(to, from, bytes));
  }
  Status copyOut(void *to, DeviceAddress from, int64_t bytes) override {
    std::lock_guard lock(device.mutex);
    return check(device.memory.read(from, to, bytes));
  }
  Status copy(DeviceAddress to, DeviceAddress from, int64_t bytes) override {
    if (recording) {
      recording->work.push_back({{}, to, from, bytes});
      return {};
    }
    std::lock_guard lock(device.mutex);
    std::vector<uint8_t> data(bytes);
    return check(device.memory.read(from, data.data(), bytes) && device.memory.write(to, data.data(), bytes));
  }
  Status fill(DeviceAddress to, uint8_t value, int64_t bytes) override {
    std::lock_guard lock(device.mutex);
    std::vector<uint8_t> data(bytes, value);
    return check(device.memory.write(to, data.data(), bytes));
  }
  Status launch(const runtime::DeviceLaunch &launch) override {
    if (recording) {
      recording->work.push_back({runtime::RecordedLaunch(launch)});
      return {};
    }
    std::lock_guard lock(device.mutex);
    return device.launch(launch);
  }
  Status beginRecording() override {
    recording = std::make_unique<EmulatedGraph>();
    return {};
  }
  Status endRecording(std::unique_ptr<runtime::DeviceGraph> &graph) override {
    graph = std::move(recording);
    return {};
  }
  Status replay(runtime::DeviceGraph &graph, std::span<const int64_t> sizes) override {
    size_t next = 0;
    for (EmulatedGraph::Work &work : static_cast<EmulatedGraph &>(graph).work) {
      // A window is as large as the tensor is this time.
      for (runtime::DeviceArgument &buffer : work.launch.buffers)
        buffer.bytes = sizes[next++];
      if (Status status = work.bytes > 0 ? copy(work.to, work.from, work.bytes) : launch(work.launch.view());
          !status.ok())
        return status;
    }
    return {};
  }
  Status wait() override { return {}; }
  Status waitForCaller() override { return {}; }
  Status occupy() override { return {}; }
  Status recordEvent(std::unique_ptr<runtime::DeviceEvent> &event) override {
    if (!event)
      event = std::make_unique<EmulatedEvent>();
    static_cast<EmulatedEvent &>(*event).seconds = device.expectedSeconds;
    return {};
  }
  Status secondsBetween(runtime::DeviceEvent &from, runtime::DeviceEvent &to, double &seconds) override {
    seconds = static_cast<EmulatedEvent &>(to).seconds - static_cast<EmulatedEvent &>(from).seconds;
    return {};
  }

private:
  static Status check(bool fine) {
    return fine ? Status() : Status::error(StatusCode::Failed, "expected memory of the emulated device");
  }
  EmulatedDevice &device;
  std::unique_ptr<EmulatedGraph> recording;
};
} // namespace

EmulatedDevice::~EmulatedDevice() = default;

std::shared_ptr<EmulatedDevice> EmulatedDevice::create(std::shared_ptr<mlir::MLIRContext> context,
                                                       mlir::ModuleOp module, bool sanitize, std::string &error) {
  std::shared_ptr<EmulatedDevice> device(new EmulatedDevice());
  device->context = std::move(context);
  device->sanitize = sanitize;
  device->machine = tile::getGpuMachine(module).value_or(GpuMachine());
  for (auto nested : module.getOps<mlir::ModuleOp>())
    if (nested.getSymName() == "kernels") {
      nested->remove();
      device->module = nested;
      break;
    }
  if (device->module) {
    device->kernels = emulator::Module::prepare(*device->module, error);
    if (!device->kernels)
      return nullptr;
  }
  return device;
}

Status EmulatedDevice::load(const runtime::Program &loaded) {
  program = &loaded;
  return kernels || loaded.kernels.empty()
             ? Status()
             : Status::error(StatusCode::InvalidArgument, "expected the program that the emulator was made for");
}

Status EmulatedDevice::allocate(std::string_view name, int64_t bytes, DeviceAddress &address) {
  std::lock_guard lock(mutex);
  address = memory.allocate(std::string(name), bytes);
  return {};
}

void EmulatedDevice::release(DeviceAddress address) {
  std::lock_guard lock(mutex);
  memory.free(address);
}

Status EmulatedDevice::makeStream(std::unique_ptr<runtime::DeviceStream> &stream) {
  stream = std::make_unique<EmulatedStream>(*this);
  return {};
}

/// From the end of a kernel to the first work of the next one, as lib/Algorithms/GpuDepthParts.cpp has it.
static constexpr double launchCycles = 3000;

double EmulatedDevice::expectedCycles(const runtime::DeviceLaunch &launch) const {
  mlir::Operation *kernel = mlir::SymbolTable::lookupSymbolIn(*module, program->kernels[launch.kernel].symbol);
  if (auto cycles = kernel ? kernel->getAttrOfType<mlir::IntegerAttr>("bess.cycles") : mlir::IntegerAttr())
    return launchCycles + static_cast<double>(cycles.getInt());
  double bytes = 0;
  for (const runtime::DeviceArgument &buffer : launch.buffers)
    bytes += static_cast<double>(buffer.bytes);
  return launchCycles + machine.copyLatency + bytes / machine.memoryBytesPerCycle;
}

Status EmulatedDevice::launch(const runtime::DeviceLaunch &launch) {
  const runtime::Kernel &kernel = program->kernels[launch.kernel];
  runtime::DeviceLaunch seen = launch;
  std::vector<runtime::DeviceArgument> windows(launch.buffers.begin(), launch.buffers.end());
  auto open = [&](runtime::DeviceArgument &argument, Access allowed = Access::All) {
    if (argument.bytes > 0)
      argument.address = memory.openWindow(std::string(argument.name), argument.address, argument.bytes, allowed);
  };
  // A result may lie on an operand, which dies with the launch.
  auto overlapsOther = [&](const runtime::DeviceArgument &buffer) {
    return llvm::any_of(launch.buffers, [&](const runtime::DeviceArgument &other) {
      return other.isResult != buffer.isResult &&
             other.address < buffer.address + static_cast<uint64_t>(buffer.bytes) &&
             buffer.address < other.address + static_cast<uint64_t>(other.bytes);
    });
  };
  for (const runtime::DeviceArgument &buffer : launch.buffers)
    if (buffer.isResult && !overlapsOther(buffer))
      memory.forget(buffer.address, buffer.bytes);
  if (launch.workspace.bytes > 0)
    memory.forget(launch.workspace.address, launch.workspace.bytes);
  for (size_t i = 0; i < windows.size(); ++i)
    open(windows[i], launch.buffers[i].isResult || overlapsOther(launch.buffers[i]) ? Access::All
                     : launch.buffers[i].isConstant                                 ? Access::ReadEarly
                                                                                    : Access::Read);
  seen.buffers = windows;
  open(seen.workspace);
  open(seen.fault);
  open(seen.turns);
  open(seen.words, Access::ReadEarly); // before the first launch of the list
  emulator::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(launch.blocks)};
  config.block = {static_cast<uint32_t>(kernel.threads)};
  config.dynamicSharedBytes = kernel.sharedBytes;
  config.sanitize = sanitize;
  std::vector<uint64_t> parameters;
  runtime::addDeviceParameters(seen, kernel, parameters);
  if (Status status = runtime::makeTensorMaps(seen, kernel, config.tensorMaps); !status.ok())
    return status;
  for (size_t i = 0; i < config.tensorMaps.size(); ++i)
    parameters.push_back(emulator::tensorMapArgument(i));
  expectedSeconds += expectedCycles(launch) / (machine.clockGHz * 1e9);
  emulator::LaunchResult result = kernels->launch(kernel.symbol, config, parameters, memory);
  memory.closeWindows();
  bool fault = result.has(emulator::FindingKind::Fault);
  for (emulator::Finding &finding : result.findings) {
    auto known = llvm::find_if(found, [&](const emulator::Finding &other) {
      return other.kind == finding.kind && other.where == finding.where && other.other == finding.other;
    });
    if (known != found.end()) {
      known->count += finding.count;
      continue;
    }
    finding.message = "kernel " + kernel.symbol + ", " + finding.message;
    found.push_back(std::move(finding));
  }
  for (const emulator::AccessStatistics &access : result.statistics) {
    emulator::AccessStatistics &sum = accesses[kernel.symbol + ": " + access.where];
    sum.where = kernel.symbol + ": " + access.where;
    sum.shared = access.shared;
    sum.accesses += access.accesses;
    sum.transactions += access.transactions;
    sum.ideal += access.ideal;
  }
  return fault ? Status::error(StatusCode::Failed, "kernel " + kernel.symbol + " cannot go on: " + found.back().message)
               : Status();
}

std::string EmulatedDevice::findings() const {
  emulator::LaunchResult all;
  all.findings = found;
  return all.text();
}

std::string EmulatedDevice::costs() const {
  emulator::LaunchResult all;
  for (const auto &[where, access] : accesses)
    all.statistics.push_back(access);
  return all.statisticsText();
}
