// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The interface behind which each target stands: what the phases ask first
// (MachineInfo), and object code from a lowered module.
//
// Adding a target: derive from TargetBackend in lib/Target/<Name>, and name it
// in createTargetBackend (lib/Target/TargetBackend.cpp).
#pragma once

#include "bessemer/Support/CompileOptions.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace mlir {
class ModuleOp;
} // namespace mlir

namespace bessemer {

/// A place in which buffers can lie.
struct MemorySpace {
  std::string name;  ///< "" is the device's main memory
  int64_t bytes = 0; ///< 0: not known before the run
  unsigned alignment = 64;
};

struct ObjectCode {
  std::vector<uint8_t> bytes;      ///< an ELF shared object that exports the kernels; of cuda PTX
  std::string error;               ///< a sentence, when there is none
  std::vector<uint8_t> cubin = {}; ///< of cuda: the same, assembled, where there is ptxas
  bool ok() const { return error.empty(); }
};

class TargetBackend {
public:
  virtual ~TargetBackend() = default;
  virtual std::string name() const = 0;
  /// Registers, caches, instructions, cost constants.
  virtual const MachineInfo &machine() const = 0;
  virtual std::vector<MemorySpace> memorySpaces() const = 0;
  /// What the loader must find, named as in /proc/cpuinfo.
  virtual std::vector<std::string> minimumFeatures() const = 0;
  /// `module` holds llvm.func kernels only; it is consumed.
  virtual ObjectCode emitObject(mlir::ModuleOp module) const = 0;
};

/// Null and a sentence in `error` when there is no such target or processor.
std::unique_ptr<TargetBackend> createTargetBackend(const std::string &target, const std::string &cpu,
                                                   std::string &error);

} // namespace bessemer
