// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// NVIDIA GPUs as a target: PTX through LLVM's NVPTX back end, a cubin when
// `ptxas` is there.
//
//   auto backend = createCudaBackend("sm_80", error);
//   cuda::Ptx ptx = cuda::emitPtx(kernels, backend->machine());     // LLVM
//   dialect + nvvm -> text cuda::Cubin cubin = cuda::assemble(ptx.text,
//   "sm_80"); cubin.kernels[0].registers;          // as ptxas says
//   cubin.kernels[0].spillStoreBytes;    // 0 is what we want
#pragma once

#include "bessemer/Target/TargetBackend.h"

namespace bessemer {

/// `architecture`: "sm_80", "sm_90a". Null and a sentence when it is neither.
/// Its object code is PTX, and a cubin where there is ptxas.
std::unique_ptr<TargetBackend> createCudaBackend(const std::string &architecture, std::string &error);

namespace cuda {

struct Ptx {
  std::string text, error;
};
/// `module`: llvm.func kernels with `nvvm.kernel`. It is not changed.
Ptx emitPtx(mlir::ModuleOp module, const MachineInfo &machine);

/// What ptxas reports of a kernel.
struct KernelResources {
  std::string name;
  unsigned registers = 0, stackBytes = 0, spillStoreBytes = 0, spillLoadBytes = 0, sharedBytes = 0;
};

struct Cubin {
  std::vector<uint8_t> bytes;
  std::vector<KernelResources> kernels;
  std::vector<std::string> warnings;
  std::string error; ///< what ptxas said, or that there is none
};
/// Runs the ptxas on the PATH.
Cubin assemble(const std::string &ptx, const std::string &architecture);
/// Empty when there is none.
std::string findPtxas();
/// From ptxas's report (`-v`).
std::vector<KernelResources> parseResources(const std::string &report);

} // namespace cuda
} // namespace bessemer
