// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs plans: the state behind a Context.
#pragma once

#include "bessemer/Runtime/Context.h"
#include "lib/Runtime/DeviceSession.h"
#include "lib/Runtime/Plan.h"
#include "lib/Runtime/Rebind.h"
#include "lib/Runtime/RepeatableRun.h"
#include "lib/Runtime/WeightStreamer.h"

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace bessemer::runtime {

/// Blocks for buffers whose size only the data tells: so many bytes at a time, kept for
/// the next run up to a bound.
class BufferPool {
public:
  /// `device`: where the blocks are mapped, or null.
  BufferPool(const Allocator &allocator, int64_t limit, DeviceSession *device)
      : allocator(allocator), limit(limit), device(device) {}
  /// When nothing of an earlier run is in use any more.
  void begin() {
    used = 0;
    refused = false;
  }
  /// A block of at least `bytes` bytes; empty when there is no memory, or the limit is reached.
  MemoryBlock take(int64_t bytes);
  void give(MemoryBlock block);
  /// Why `take` gave nothing.
  std::string refusal(int64_t bytes) const;
  bool wasRefused() const { return refused; }

private:
  static constexpr int64_t maxKept = int64_t{256} << 20;
  Allocator allocator;
  int64_t limit;
  DeviceSession *device;
  std::multimap<int64_t, MemoryBlock> blocks; // by size
  int64_t kept = 0, used = 0;
  bool refused = false; // by the limit
};

/// From the first byte of a tensor to its last.
int64_t spannedBytes(const Tensor &tensor);

class Executor {
public:
  /// `limited`: under the model's memory limit; what derives weights is not.
  explicit Executor(std::shared_ptr<const Model> model, bool limited = true);

  /// Takes all memory of a run now, where the program's shapes are constant.
  void warm();

  Status run(std::span<const Tensor> inputs, std::span<Tensor> outputs);
  /// See Context.
  Status runTimed(std::span<const Tensor> inputs, std::span<Tensor> outputs, double &seconds);
  /// The same for any function of the program (weights are made by some), with
  /// the values of its symbols that are bound on entry.
  Status runFunction(int32_t function, std::span<void *const> inputs, std::span<void *const> outputs,
                     const std::vector<int64_t> &symbols);
  Status outputShapes(std::span<const std::vector<int64_t>> inputs, std::vector<std::vector<int64_t>> &outputs);
  Status arenaBytes(std::span<const std::vector<int64_t>> inputs, int64_t &bytes);

  /// Of a contiguous tensor on the device, whole; a tensor without memory gets some.
  Status readTensor(const Tensor &tensor, void *data, int64_t bytes);
  Status writeTensor(Tensor &tensor, const void *data, int64_t bytes);

  const Model &modelOf() const { return *model; }
  void cancel() { cancelled.store(true); }
  void setProfiling(bool on) { profiling = on; }
  std::vector<ProfileEntry> profile() const;
  void clearProfile() { profiles.clear(); }
  DeviceCounts deviceCounts() const;

private:
  // Arguments.cpp: the entry's inputs and outputs.
  Status bindShapes(std::span<const std::vector<int64_t>> shapes, const CacheUse &caches,
                    std::vector<int64_t> &symbols);
  Status checkGuards(const std::vector<int64_t> &symbols);
  Status findPlan(std::span<const std::vector<int64_t>> shapes, const CacheUse &caches, Plan *&plan);
  void roomFor(const std::vector<int64_t> &symbols, std::vector<int64_t> &room);
  Plan *rebound(const std::vector<int64_t> &symbols, const std::vector<int64_t> &room);
  bool rebind(Plan &plan, const std::vector<int64_t> &symbols);
  Status checkInputs(std::span<const Tensor> inputs);
  Status packInputs(std::span<const Tensor> inputs, std::span<const Tensor> outputs, std::vector<void *> &pointers);
  Status placeOutputs(Plan &plan, std::span<Tensor> outputs, std::span<void *const> inputs);
  Status finishOutputs(Plan &plan, std::span<Tensor> outputs);
  Status prepareMemory(Plan &plan);
  std::vector<int64_t> staticShape(const Plan &plan, const std::vector<ExprId> &dims) const;

  // DeviceTensors.cpp: `run` for tensors some of which lie on the device; the others know host addresses alone.
  Status runOnDeviceTensors(std::span<const Tensor> inputs, std::span<Tensor> outputs);
  Status runAtHostAddresses(std::span<const Tensor> inputs, std::span<Tensor> outputs); // Arguments.cpp
  Status standIn(std::span<Tensor> inputs, std::span<Tensor> outputs);
  Status addRegion(DeviceAddress address, int64_t bytes);
  Status allocateOnDevice(std::string_view name, int64_t bytes, Tensor &tensor);
  Status checkTransfer(const Tensor &tensor, int64_t bytes) const;
  /// Of memory in a region; else 0.
  DeviceAddress deviceAddressOf(const void *host) const;
  /// Device memory of this run, or the last one, and what stands for it on the host.
  struct DeviceRegion {
    DeviceAddress address = 0;
    int64_t bytes = 0;
    MemoryBlock block;
  };
  std::vector<DeviceRegion> regions;
  size_t onePass = 0; ///< of the run that has just ended, see DeviceSession

  // RepeatRun.cpp
  std::vector<std::unique_ptr<RepeatableRun>> repeatable;
  void noteRun(Plan &plan, std::span<const Tensor> inputs, std::span<const Tensor> outputs,
               std::span<void *const> pointers, std::span<const std::vector<int64_t>> outputStrides);
  bool noteSteps(RepeatableRun &run, Plan &plan) const;
  bool noteEdges(RepeatableRun &run, Plan &plan, std::span<const Tensor> inputs, std::span<const Tensor> outputs,
                 std::span<void *const> pointers, std::span<const std::vector<int64_t>> outputStrides);
  void noteSizes(RepeatableRun &run, Plan &plan, std::span<void *const> pointers) const;
  /// `done` false: it is none of those that were noted, and nothing was launched.
  Status repeatRun(std::span<const Tensor> inputs, std::span<Tensor> outputs, bool &done);
  Status repeatRun(RepeatableRun &run, std::span<const Tensor> inputs, std::span<Tensor> outputs, bool &done);
  bool isInPlaces(const RepeatableRun &run, std::span<const Tensor> inputs, std::span<const Tensor> outputs) const;
  bool bindPlan(RepeatableRun &run, std::span<const Tensor> inputs, std::span<const Tensor> outputs);
  bool moveInputs(RepeatableRun &run, std::span<const Tensor> inputs) const;
  bool fitOutputs(RepeatableRun &run, std::span<const Tensor> outputs) const;
  bool isList(RepeatableRun &run) const;
  Status makeOutputs(const RepeatableRun &run, std::span<Tensor> outputs, bool &inPlace);
  Status allocateOnHost(std::string_view name, int64_t bytes, Tensor &tensor) const;
  std::vector<std::vector<int64_t>> shapes; ///< of inputs, while they are bound
  std::vector<int64_t> symbols, room, keyBefore;
  std::vector<uint8_t> bound;
  std::vector<const Argument *> boundBy;
  int64_t plansMade = 0, runsRepeated = 0;

  // Caches.cpp
  Status findCaches(std::span<const Tensor> inputs, std::span<const Tensor> outputs, CacheUse &use) const;
  Status bindCaches(const CacheUse &use, std::vector<int64_t> &symbols, const std::vector<uint8_t> &defined) const;
  /// The cache that an input or an output of the entry is, or null.
  const AppendedCache *cacheOfInput(size_t input) const;
  const AppendedCache *cacheOfOutput(size_t output) const;

  // Executor.cpp
  Status execute(Plan &plan, StepList &steps);
  Status executeStreamed(Plan &plan);
  std::vector<std::unique_ptr<Plan>> functionPlans; // of runFunction
  Status executeStep(Plan &plan, Step &step);
  Status executeLoop(Plan &plan, Step &step);
  /// Fails when the kernel finds a fault in the data (bessemer/Support/KernelFault.h).
  Status launch(const Step &step, void *const *buffers, const int64_t *integers, int64_t tasks, int64_t workspaceBytes);
  Status copy(void *destination, const void *source, int64_t bytes);
  void record(const Plan &plan, const Step &step, std::chrono::steady_clock::duration time);
  void releaseStorage(Plan &plan);

  // ExecuteOnDevice.cpp
  Status beginOnDevice(Plan &plan, std::span<void *const> inputs);
  Status endOnDevice(Plan &plan, Status status);
  std::vector<DeviceSession::Edge> edgesOf(Plan &plan, std::span<void *const> inputs) const;
  Status launchOnDevice(const Step &step, void *const *buffers, const int64_t *integers, int64_t tasks,
                        int64_t workspaceBytes);
  int64_t cacheBytes(const AppendedCache &cache, DType dtype, std::span<const int64_t> shape, int64_t bytes) const;
  /// Caches of this run whose rows lie apart, by address: bytes from the first element to the last.
  std::map<const void *, int64_t> spans;
  Status takeFault();
  Status toHost(const void *data, int64_t bytes) { return session ? session->toHost(data, bytes) : Status(); }
  void wroteOnHost(const void *data, int64_t bytes) {
    if (session)
      session->wroteOnHost(data, bytes);
  }
  /// Sizes of the buffers of a launch that is not known before it runs.
  std::vector<int64_t> launchBytes;
  std::vector<DeviceArgument> launchArguments;

  // ExecuteDynamic.cpp: what is not known before it runs.
  struct Place {
    void *data = nullptr;
    int64_t bytes = 0;
    std::vector<int64_t> shape;
  };
  Status executeDynamic(Plan &plan, Step &step);
  Status executeFallback(Plan &plan, Step &step); // ExecuteFallback.cpp
  Status executeCall(Plan &plan, Step &step);     // ExecuteCall.cpp
  Status locate(Plan &plan, Frame &frame, BufferId buffer, Place &place);
  Status evaluateExpr(const Frame &frame, ExprId expr, int64_t &value) const;
  Status evaluateShape(const Frame &frame, BufferId buffer, std::vector<int64_t> &shape) const;
  Status fallbackAttributes(const Frame &frame, const Step &step, kernels::Attributes &attributes);
  Status ensureWorkspace(int64_t bytes);
  /// Bytes that workspaces of so many each take for all threads.
  int64_t workspaceTotal(int64_t bytes) const;
  Status failed(const Step &step, const std::string &text) const;
  static void define(Frame &frame, SymbolId symbol, int64_t value);

  std::shared_ptr<const Model> model;
  std::unique_ptr<DeviceSession> session; ///< null when all kernels run on the host
  Binder binder;
  std::vector<std::unique_ptr<Plan>> plans;
  uint64_t runs = 0;
  Plan *lastPlan = nullptr;
  std::vector<std::vector<int64_t>> lastShapes; // of the inputs, for lastPlan
  CacheUse lastCaches;                          // for lastPlan
  std::vector<int64_t> lastSymbols;             // of the entry
  std::vector<uint8_t> varies;                  // of these
  MemoryBlock arena, workspace;
  int64_t arenaTotal = 0; // as asked for: a block may be larger
  int64_t workspaceStride = 0;
  std::vector<MemoryBlock> packed; // copies of strided inputs, by input
  BufferPool pool;
  std::unique_ptr<WeightStreamer> streamer; // under a memory limit
  ThreadPool::Region *region = nullptr;     // of the run in progress
  std::atomic<bool> cancelled{false};

  // Outputs that lie on an input and are written too early for that.
  struct Detour {
    size_t output;
    MemoryBlock block;
  };
  std::vector<Detour> detours;

  bool profiling = false;
  std::map<const Instruction *, ProfileEntry> profiles;
};

} // namespace bessemer::runtime
