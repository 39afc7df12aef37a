// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a compilation is asked for, and what it knows of its target: plain data
// that every phase may read. Declared once; the command line, the C API and the
// Python package fill it in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bessemer {

/// What the phases ask of a target before there is any code. Filled in by the
/// target's backend (include/bessemer/Target/TargetBackend.h).
struct MachineInfo {
  std::string target = "cpu";        ///< "cpu", later "cuda", "hexagon"
  std::string triple;                ///< as LLVM writes it
  std::string cpu;                   ///< LLVM's name of the processor
  std::vector<std::string> features; ///< LLVM's names, without + or -: "avx2", "fma", …
  unsigned vectorBits = 128;         ///< width of the widest vector register to use
  unsigned vectorRegisters = 16;
  /// 32-bit elements that tile programs take for one register: lanes of a vector register, or threads. 0: by
  /// vectorBits.
  unsigned lanesAbreast = 0;
  bool fusedMultiplyAdd = false;
  int64_t l1Bytes = 32 << 10, l2Bytes = 1 << 20, l3Bytes = 8 << 20; ///< data caches; l1, l2 of one core
  unsigned cores = 1;
  double flopsPerCycle = 16; ///< f32, of one core
  double clockGHz = 2.5;
  double memoryGBs = 10; ///< bandwidth of one core from main memory
  double launchNanoseconds = 1000;

  bool hasFeature(std::string_view name) const {
    for (const std::string &feature : features)
      if (feature == name)
        return true;
    return false;
  }
  unsigned vectorLanes(unsigned elementBits) const { return vectorBits / elementBits; }
};

/// `--dim N=V` (bound) or `--dim 'N<=V'` (bounded).
struct DimOption {
  std::string name;
  int64_t value = 0;
  bool exact = true; ///< false: an upper bound
};

/// What may be done to numbers (`--numerics`).
struct Numerics {
  bool reassociate = true;       ///< sums in another order (deterministic all the same)
  bool approximate = false;      ///< transcendental functions of a few more ulp
  bool narrowAccumulate = false; ///< f16 sums where inputs are f16
  bool flushDenormals = true;    ///< kernels take and give 0 for numbers below the smallest normal one
};

struct CompileOptions {
  std::string target = "cpu";
  std::string cpu = "native";
  std::vector<DimOption> dims;
  Numerics numerics;
  int threads = 0;            ///< that the program will run with; 0: all cores
  bool compileKernels = true; ///< false: every op runs on lib/Kernels
  bool allowFallback = false; ///< of a device: what it has no code for runs on lib/Kernels, on the host
  bool emulate = false;       ///< of a device: no object code, but an emulator to run on (CompileResult::device)
  bool sanitize = false;      ///< and it looks for races, uninitialized reads and the like
  std::string kernels; ///< a file that --dump-phases wrote for `lower`: its kernels in place of those made; or empty
  /// Measured schedules of products on a GPU (bessemer/Algorithms/TunedSchedules.h): a file; empty: those that the
  /// compiler has of its own; "none": the cost model alone.
  std::string tuned;
  std::string compileTo;     ///< name of the last phase; empty: emit
  std::string dumpDirectory; ///< a numbered .mlir file for each phase; empty: none
  MachineInfo machine;       ///< set by the driver from target and cpu
};

} // namespace bessemer
