// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the tile and lower phases must know of a GPU: plain numbers, so that no
// phase asks a target by name.
#pragma once

#include <cstdint>

namespace bessemer {

/// The defaults are an A100's (NVIDIA, "A100 Tensor Core GPU Architecture";
/// CUDA C++ Programming Guide, "Technical Specifications per Compute
/// Capability").
struct GpuMachine {
  int64_t architecture = 80; ///< 80: sm_80, 90: sm_90a
  int64_t multiprocessors = 108;
  // Of a multiprocessor:
  int64_t sharedBytes = 163 << 10; ///< that one block may have
  int64_t registers = 65536;       ///< of 32 bits
  int64_t threads = 2048;
  /// Operations a cycle (a multiplication and an addition are two): mma.sync on
  /// f16 and bf16, on tf32, and fused multiply-adds of f32.
  int64_t halfFlops = 2048, tf32Flops = 1024, floatFlops = 256;
  /// The same of wgmma; 0: the machine has none.
  int64_t wgmmaHalfFlops = 0, wgmmaTf32Flops = 0, wgmmaFloat8Flops = 0;
  double l2BytesPerCycle = 47; ///< 5120 bytes a cycle for all
  // Of the whole machine:
  int64_t l2Bytes = 40 << 20;
  /// 1.94 TB/s at 1.41 GHz; of it, what a kernel that only reads reaches (nine tenths, assumed).
  double memoryBytesPerCycle = 1238;
  /// Products of f32 may round their operands to tf32 (`--numerics`).
  bool tf32 = false;
  /// From the request of a copy to its data in shared memory.
  double copyLatency = 700;
  double clockGHz = 1.41; ///< under load: what cycles are in seconds
};

/// sm_90a runs mma.sync at half the rate of its wgmma. Measured on an H100, see GpuMatmulSchedule.cpp: that, what a
/// multiprocessor reads of the L2 cache when all of them do and what the memory gives.
inline GpuMachine gpuMachineOf(int64_t architecture) {
  GpuMachine machine;
  machine.architecture = architecture;
  if (architecture >= 90) {
    machine.multiprocessors = 132;
    machine.sharedBytes = 227 << 10;
    machine.halfFlops = 2072;
    machine.tf32Flops = 1036;
    machine.wgmmaHalfFlops = 4096;
    machine.wgmmaTf32Flops = 2048;
    machine.wgmmaFloat8Flops = 8192;
    machine.l2BytesPerCycle = 48;
    machine.l2Bytes = 50 << 20;
    machine.copyLatency = 1000;
    machine.memoryBytesPerCycle = 1611; // at 1.755 GHz: 84 % of 3.35 TB/s
    machine.clockGHz = 1.755;
  }
  return machine;
}

} // namespace bessemer
