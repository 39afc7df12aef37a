// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Target/CUDA.h"

#include "mlir/IR/BuiltinOps.h"

using namespace bessemer;

namespace {
/// The devices that an architecture is found in; figures of A100 SXM and H100
/// SXM (NVIDIA's data sheets; shared memory: CUDA C++ Programming Guide,
/// "Technical Specifications per Compute Capability").
struct Architecture {
  const char *name;
  unsigned multiprocessors;
  int64_t sharedBytes, l2Bytes;
  double clockGHz, memoryGBs;
};
constexpr Architecture architectures[] = {
    {"sm_80", 108, 163 << 10, 40 << 20, 1.41, 1555},
    {"sm_90a", 132, 227 << 10, 50 << 20, 1.83, 3350},
};

class CudaBackend : public TargetBackend {
public:
  explicit CudaBackend(const Architecture &architecture) : sharedBytes(architecture.sharedBytes) {
    info.target = "cuda";
    info.triple = "nvptx64-nvidia-cuda";
    info.cpu = architecture.name;
    info.vectorBits = 128; // the widest access of a thread
    info.lanesAbreast = 64;
    info.vectorRegisters = 255;
    info.fusedMultiplyAdd = true;
    info.l1Bytes = architecture.sharedBytes;
    info.l2Bytes = architecture.l2Bytes;
    info.l3Bytes = 0;
    info.cores = architecture.multiprocessors;
    info.flopsPerCycle = 256; // 128 f32 lanes of a multiprocessor, multiply and add
    info.clockGHz = architecture.clockGHz;
    info.memoryGBs = architecture.memoryGBs / architecture.multiprocessors;
    info.launchNanoseconds = 3000;
  }

  std::string name() const override { return "cuda"; }
  const MachineInfo &machine() const override { return info; }
  std::vector<MemorySpace> memorySpaces() const override { return {{"", 0, 256}, {"shared", sharedBytes, 128}}; }
  std::vector<std::string> minimumFeatures() const override { return {info.cpu}; }
  ObjectCode emitObject(mlir::ModuleOp module) const override {
    cuda::Ptx ptx = cuda::emitPtx(module, info);
    if (!ptx.error.empty())
      return {{}, ptx.error, {}};
    ObjectCode code{{ptx.text.begin(), ptx.text.end()}, "", {}};
    if (cuda::findPtxas().empty())
      return code;
    cuda::Cubin cubin = cuda::assemble(ptx.text, info.cpu);
    code.cubin = std::move(cubin.bytes);
    code.error = std::move(cubin.error);
    return code;
  }

private:
  MachineInfo info;
  int64_t sharedBytes;
};
} // namespace

std::unique_ptr<TargetBackend> bessemer::createCudaBackend(const std::string &name, std::string &error) {
  std::string names;
  for (const Architecture &architecture : architectures) {
    if (name == architecture.name)
      return std::make_unique<CudaBackend>(architecture);
    names += (names.empty() ? "cuda:" : " or cuda:") + std::string(architecture.name);
  }
  error = "expected the target " + names + ", got 'cuda:" + name + "'";
  return nullptr;
}
