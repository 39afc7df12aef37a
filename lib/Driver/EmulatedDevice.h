// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The emulator (lib/Emulator) as a device that the runtime launches on. Each
// launch sees its buffers through windows of their own, so that an access one
// element behind a tensor is found although another tensor lies there in the arena;
// and results and workspace count as not written when a launch begins.
#pragma once

#include "bessemer/Driver/Compiler.h"
#include "bessemer/Emulator/Emulator.h"
#include "bessemer/Support/GpuSchedule.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <map>
#include <mutex>

namespace bessemer {

class EmulatedDevice : public runtime::Device, public EmulatorFindings {
public:
  /// Takes the nested module @kernels out of `module`. Null and a sentence when the emulator cannot run it.
  static std::shared_ptr<EmulatedDevice> create(std::shared_ptr<mlir::MLIRContext> context, mlir::ModuleOp module,
                                                bool sanitize, std::string &error);
  ~EmulatedDevice() override;

  std::string name() const override { return "emulator"; }
  runtime::Status load(const runtime::Program &program) override;
  int64_t blocksAtOnce() const override { return 4; }
  runtime::Status allocate(std::string_view name, int64_t bytes, runtime::DeviceAddress &address) override;
  void release(runtime::DeviceAddress address) override;
  runtime::Status makeStream(std::unique_ptr<runtime::DeviceStream> &stream) override;
  std::string findings() const override;
  std::string costs() const override;

  runtime::Status launch(const runtime::DeviceLaunch &launch);

  std::mutex mutex; ///< of the memory: contexts may run at the same time
  emulator::Device memory;
  /// What the cost model expects of all launches so far: of a product its schedule's cycles, of other kernels their
  /// buffers at the memory's bandwidth.
  double expectedSeconds = 0;

private:
  double expectedCycles(const runtime::DeviceLaunch &launch) const;

  EmulatedDevice() = default;

  std::shared_ptr<mlir::MLIRContext> context; ///< outlives the module
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<emulator::Module> kernels;
  bool sanitize = false;
  const runtime::Program *program = nullptr;
  GpuMachine machine;
  /// By text: of many launches of a kernel each defect once.
  std::vector<emulator::Finding> found;
  std::map<std::string, emulator::AccessStatistics> accesses;
};

} // namespace bessemer
