// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs GPU kernels without a GPU: a module at the NVVM level (`llvm.func` with
// `nvvm.kernel`, the LLVM dialect and `nvvm` ops) on the CPU, and says what is
// wrong with it. Each SSA value is 32 lanes wide; a warp runs in lockstep, its
// lanes part at branches and meet again at post-dominators; warps of a block
// take turns at barriers.
//
//   std::string error;
//   auto kernels = emulator::Module::prepare(module, error);    // null:
//   `error` emulator::Device device; uint64_t x = device.allocate("x", bytes);
//   // nobody wrote it yet device.write(x, data, bytes); emulator::LaunchConfig
//   config{.grid = {4}, .block = {128}}; emulator::LaunchResult result =
//   kernels->launch("add", config, {x, y, z, n}, device); result.clean(); // no
//   findings result.text();         // one paragraph for each finding
//   device.read(z, out, bytes);
#pragma once

#include "bessemer/Support/TensorMap.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace mlir {
class ModuleOp;
} // namespace mlir

namespace bessemer::emulator {

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

struct LaunchConfig {
  Dim3 grid, block;
  uint32_t dynamicSharedBytes = 0;
  bool sanitize = true;
  /// What `tensorMapArgument` numbers.
  std::vector<TensorMap> tensorMaps;
  /// A warp that runs longer is taken to hang.
  uint64_t maxInstructionsPerWarp = uint64_t(1) << 34;
};

enum class FindingKind {
  Race,
  OutOfBounds,
  Misaligned,
  Uninitialized,     ///< a read of memory that nobody wrote
  BarrierDivergence, ///< lanes or warps that a barrier (shuffle, mma, …) waits
                     ///< for do not come
  Deadlock,          ///< a wait for a phase of an mbarrier that never completes
  Fault,             ///< what the hardware traps at, or what the emulator cannot go on
                     ///< after
};
/// "race", "out of bounds", …
const char *kindName(FindingKind kind);

/// One defect; the same one at the same place is counted, not repeated.
struct Finding {
  FindingKind kind;
  std::string message; ///< of the first time: which lanes, which address, how
                       ///< many bytes
  std::string where;   ///< op, source place and ONNX nodes
  std::string other;   ///< the other place, of a race; may be empty
  uint64_t count = 1;
};

/// What one load or store costs, over the whole launch.
struct AccessStatistics {
  std::string where;
  bool shared = false;
  uint64_t accesses = 0; ///< by a warp
  /// Shared memory: passes over the banks. Global: 32-byte sectors.
  uint64_t transactions = 0;
  /// The same, if no bank were asked twice, or no byte of a sector fetched in
  /// vain.
  uint64_t ideal = 0;
};

struct LaunchResult {
  std::vector<Finding> findings;
  std::vector<AccessStatistics> statistics; ///< sites in program order
  uint64_t instructions = 0;                ///< executed, by warps
  bool clean() const { return findings.empty(); }
  bool has(FindingKind kind) const;
  /// A paragraph for each finding; empty when there is none.
  std::string text() const;
  /// A line for each access that costs more than it must.
  std::string statisticsText() const;
};

/// The argument of a kernel that stands for LaunchConfig::tensorMaps[index]; the parameter is a pointer, by value.
uint64_t tensorMapArgument(size_t index);

enum class Access : uint8_t {
  All,
  Read,
  /// Nobody writes it while launches run, so it may be read before the ones in front have ended (griddepcontrol.wait).
  ReadEarly,
};

/// Global memory of the emulated device: allocations with gaps between them.
class Device {
public:
  Device();
  ~Device();
  Device(Device &&) noexcept;

  /// `bytes` of memory that counts as not written. The name is for messages.
  uint64_t allocate(const std::string &name, uint64_t bytes);
  void free(uint64_t address);
  /// False when [address, address + bytes) is not in one allocation.
  bool write(uint64_t address, const void *data, uint64_t bytes);
  bool read(uint64_t address, void *data, uint64_t bytes) const;
  /// Counts as written from now on.
  bool markWritten(uint64_t address, uint64_t bytes);
  /// Counts as not written from now on.
  void forget(uint64_t address, uint64_t bytes);
  /// Another address for a stretch of an allocation, with nothing before and behind it: for kernels. What is only read
  /// cannot race, and costs less.
  uint64_t openWindow(const std::string &name, uint64_t address, uint64_t bytes, Access allowed = Access::All);
  void closeWindows();

  struct Memory;
  Memory &memory() { return *impl; }

private:
  std::unique_ptr<Memory> impl;
};

struct KernelInfo {
  std::string name;
  uint32_t parameters = 0;
  uint32_t staticSharedBytes = 0;
  Dim3 requiredBlock{0, 0, 0}; ///< `nvvm.reqntid`; zeros: any
};

class Module {
public:
  ~Module();
  /// Null, and a sentence that names the op and its place, when something is
  /// not known to the emulator. `module` must outlive the result.
  static std::unique_ptr<Module> prepare(mlir::ModuleOp module, std::string &error);

  std::vector<KernelInfo> kernels() const;
  /// `arguments`: one word each; floats as their bits. Faults and refusals are
  /// findings.
  LaunchResult launch(const std::string &kernel, const LaunchConfig &config, std::span<const uint64_t> arguments,
                      Device &device) const;

  struct Impl;

private:
  Module();
  std::unique_ptr<Impl> impl;
};

} // namespace bessemer::emulator
