// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A device beside the host: memory of its own and kernels that are launched on
// it. Two of them exist: the CUDA driver, opened at run time (openCudaDevice),
// and the emulator, which lives in the compiler (lib/Driver/EmulatedDevice.h),
// as the runtime knows neither LLVM nor MLIR.
//
// A model on a device keeps weights and constants there from the time it is
// loaded. A context has a stream; its arena lies on the device at the same offsets
// as on the host, whose copy no page is ever touched of unless an instruction runs there
// (lib/Runtime/DeviceSession.h). So a program whose kernels are all the device's copies
// at its edges only: inputs in, outputs out.
#pragma once

#include "bessemer/Runtime/Status.h"
#include "bessemer/Support/TensorMap.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bessemer::runtime {

struct Program;
struct Kernel;

using DeviceAddress = uint64_t;

/// A buffer that a kernel is given.
struct DeviceArgument {
  DeviceAddress address = 0; ///< 0 with no bytes: an empty tensor
  int64_t bytes = 0;
  bool isResult = false;   ///< written whole by the kernel
  std::string_view name;   ///< the ONNX tensor, for messages
  bool isConstant = false; ///< a weight or a constant: nothing writes it
};

/// The order of a kernel's parameters: a pointer for each buffer; where it has symbols, a pointer to
/// 1 + their number words, how many of the launch's blocks have work (those with a lower number) and the symbols; when
/// Kernel::takesWorkspace, pointer to the workspace, its bytes for each
/// block, pointer to the i64 that tile.check writes to; when it has Kernel::partialBytes, pointer to the workspace, so
/// many bytes for each block, and pointer to an i32 for each block, which are zero before and after; a tensor map, by
/// value, for each of Kernel::tensorMaps.
struct DeviceLaunch {
  int32_t kernel = 0; ///< of Program::kernels
  std::span<const DeviceArgument> buffers;
  std::span<const int64_t> symbols; ///< on the host, for tensor maps
  DeviceArgument words;             ///< on the device; no bytes without symbols
  int64_t blocks = 0;
  DeviceArgument workspace, fault, turns;
  int64_t workspaceStride = 0;
};

/// A launch that outlives what it was made from.
struct RecordedLaunch {
  RecordedLaunch() = default;
  explicit RecordedLaunch(const DeviceLaunch &launch);
  DeviceLaunch view() const;
  DeviceLaunch own; ///< but for the two lists
  std::vector<DeviceArgument> buffers;
  std::vector<int64_t> symbols;
};

/// What was asked of a device, since the beginning. See lib/Runtime/DeviceQueue.h for graphs, Rebind.h for plans.
struct DeviceCounts {
  int64_t copiesIn = 0, copiesOut = 0;
  int64_t symbolCopies = 0; ///< of the symbols of all launches of a run
  int64_t launches = 0;     ///< one by one
  int64_t graphs = 0, replays = 0;
  int64_t plans = 0;   ///< made; also of a program of the host
  int64_t repeats = 0; ///< runs that were a replay and nothing else, see lib/Runtime/RepeatableRun.h
};

/// Appends the launch's parameters, a word each; tensor maps follow them.
void addDeviceParameters(const DeviceLaunch &launch, const Kernel &kernel, std::vector<uint64_t> &parameters);
/// The launch's tensor maps, from the addresses of its buffers.
Status makeTensorMaps(const DeviceLaunch &launch, const Kernel &kernel, std::vector<TensorMap> &maps);

/// Launches, copies and fills of a stream that were recorded, to be replayed as they are: a CUDA graph.
class DeviceGraph {
public:
  virtual ~DeviceGraph() = default;
};

/// A moment of a stream: when all that was asked before it has been done.
class DeviceEvent {
public:
  virtual ~DeviceEvent() = default;
};

/// What is asked of a stream happens in order. One thread at a time.
class DeviceStream {
public:
  virtual ~DeviceStream() = default;
  /// The host's bytes may change after the call.
  virtual Status copyIn(DeviceAddress to, const void *from, int64_t bytes) = 0;
  /// Returns when the bytes are there.
  virtual Status copyOut(void *to, DeviceAddress from, int64_t bytes) = 0;
  virtual Status copy(DeviceAddress to, DeviceAddress from, int64_t bytes) = 0;
  virtual Status fill(DeviceAddress to, uint8_t value, int64_t bytes) = 0;
  virtual Status launch(const DeviceLaunch &launch) = 0;
  /// Launches, copies on the device and fills up to `endRecording` are recorded and do not run. Unsupported: the
  /// device cannot, and nothing has changed.
  virtual Status beginRecording() = 0;
  virtual Status endRecording(std::unique_ptr<DeviceGraph> &graph) = 0;
  /// A graph of this stream, which outlives it. Many times; what is in the memory that it names is read anew.
  /// `sizes`: bytes of the buffers this time, of one launch after the other: for a device that checks accesses.
  virtual Status replay(DeviceGraph &graph, std::span<const int64_t> sizes) = 0;
  /// Until all is done.
  virtual Status wait() = 0;
  /// What is asked from now on sees what the caller has put into memory of the device: with CUDA, what its
  /// legacy default stream waits for.
  virtual Status waitForCaller() = 0;
  /// Keeps the device busy, but not its memory, for some 100 us: what is asked next begins when the host has asked for
  /// all of it. For what is timed.
  virtual Status occupy() = 0;
  /// `event` becomes this moment; one of this stream from before, or null: a new one, which the stream outlives.
  virtual Status recordEvent(std::unique_ptr<DeviceEvent> &event) = 0;
  /// Seconds of the device from one event to a later one; waits for that. The emulated device: the cost model's.
  virtual Status secondsBetween(DeviceEvent &from, DeviceEvent &to, double &seconds) = 0;
};

/// Any thread may call. Outlives its streams and memory.
class Device {
public:
  virtual ~Device() = default;
  virtual std::string name() const = 0;
  /// Makes the kernels of the program ready; once. Program and device live as long as each other.
  virtual Status load(const Program &program) = 0;
  /// Blocks with a workspace that run at the same time.
  virtual int64_t blocksAtOnce() const = 0;
  /// At a multiple of 256.
  virtual Status allocate(std::string_view name, int64_t bytes, DeviceAddress &address) = 0;
  virtual void release(DeviceAddress address) = 0;
  virtual Status makeStream(std::unique_ptr<DeviceStream> &stream) = 0;
};

/// The first NVIDIA GPU. `library`: the CUDA driver, "libcuda.so.1" unless a path is given.
Status openCudaDevice(std::shared_ptr<Device> &device, const std::string &library = "");

} // namespace bessemer::runtime
