// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A program made ready to run: checked, its code loaded, its weights in memory.
// Immutable afterwards, shared by any number of contexts and threads.
//
// The compiler runs what it has just compiled in the same way as an artifact
// runs (JIT = AOT in memory):
//
//   Program program = emit(...);
//   std::shared_ptr<Model> model;
//   Status status = Model::create(std::move(program), options, model);
//   Context context(model);
//   status = context.run(inputs, outputs);
#pragma once

#include "bessemer/Runtime/Device.h"
#include "bessemer/Runtime/Memory.h"
#include "bessemer/Runtime/Program.h"
#include "bessemer/Runtime/Status.h"
#include "bessemer/Runtime/ThreadPool.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace bessemer::runtime {

/// Bytes that the host owns and keeps alive as long as the model.
struct HostWeight {
  const void *data = nullptr;
  int64_t bytes = 0;
};

/// A kernel that the host registers for an op of its own; see kernels::KernelCall.
using CustomKernel = std::function<kernels::Result(const kernels::KernelCall &)>;

struct LoadOptions {
  int threads = 0; ///< with the caller's; 0: one for each physical core
  std::optional<ThreadPoolCallbacks> threadPool;
  Allocator allocator;
  /// Sources of weights whose file is "host:KEY", by KEY.
  std::map<std::string, HostWeight, std::less<>> hostWeights;
  /// Folder that relative paths of weight files start from; "": the artifact's
  /// folder, or the current one for a program in memory.
  std::string weightFolder;
  std::map<std::string, CustomKernel, std::less<>> customKernels;
  /// Bytes that the arena of a run and the weights in memory may take together;
  /// 0: no limit but the program's own. Weights that do not fit are read again in each run.
  int64_t memoryLimit = 0;
  /// Bytes that buffers whose size only the data tells may take at a time in a run.
  int64_t poolLimit = int64_t{4} << 30;
  /// Where a program for a device runs; null: the first device that is there.
  std::shared_ptr<Device> device;
  /// Hash the weights of a self-contained artifact whole, whatever their size.
  bool checkAllWeights = false;
  /// Loading stops soon after it is set (weights take a while).
  const std::atomic<bool> *cancel = nullptr;
};

struct PreparedProgram; // lib/Runtime/Prepare.h
class CodeObject;
class DeviceImage;
class WeightStore;
struct WeightImage;

class Model : public std::enable_shared_from_this<Model> {
public:
  static Status create(Program program, const LoadOptions &options, std::shared_ptr<Model> &model);
  /// From an artifact; see Artifact.h for the format.
  static Status load(const std::string &path, const LoadOptions &options, std::shared_ptr<Model> &model);
  /// `data` is not needed after the call.
  static Status load(const void *data, size_t bytes, const LoadOptions &options, std::shared_ptr<Model> &model);
  ~Model();

  const Program &program() const { return *content; }
  const Function &entry() const { return content->functions.front(); }
  /// The smaller of the limits of the program and of the load options; 0: none.
  int64_t memoryLimit() const;
  /// Bytes of weights held in memory of this model (mapped ones not counted, nor
  /// those that contexts hold under a memory limit).
  int64_t weightBytes() const;

  // For the executor.
  const PreparedProgram &prepared() const { return *preparedProgram; }
  const LoadOptions &loadOptions() const { return options; }
  ThreadPool &threadPool() const { return *pool; }
  /// Null for a weight that a context loads by itself, under a memory limit.
  void *weight(int32_t index) const;
  WeightStore &weightStore() const { return *weights; }
  /// Null for a kernel of a device.
  void *kernel(int32_t index) const { return kernelPointers[index]; }
  /// Null when all kernels run on the host.
  std::shared_ptr<Device> device() const { return image ? options.device : nullptr; }
  const DeviceImage &deviceImage() const { return *image; }

private:
  Model();
  Status loadDevice();
  static Status create(std::unique_ptr<Program> program, const LoadOptions &options, std::shared_ptr<WeightImage> image,
                       std::shared_ptr<Model> &model);

  std::unique_ptr<Program> content;
  LoadOptions options;
  std::shared_ptr<ThreadPool> pool;
  std::unique_ptr<CodeObject> code;
  std::vector<void *> kernelPointers;
  std::unique_ptr<PreparedProgram> preparedProgram;
  std::unique_ptr<WeightStore> weights;
  std::unique_ptr<DeviceImage> image; ///< weights and constants on the device
};

} // namespace bessemer::runtime
