// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Target/CPU.h"

#include "lib/Target/CPU/Codegen.h"
#include "lib/Target/CPU/CpuMachine.h"

#include "mlir/IR/BuiltinOps.h"

using namespace bessemer;

namespace {

class CpuBackend : public TargetBackend {
public:
  explicit CpuBackend(MachineInfo machine) : info(std::move(machine)) {}

  std::string name() const override { return "cpu"; }
  const MachineInfo &machine() const override { return info; }
  std::vector<MemorySpace> memorySpaces() const override { return {{"", 0, 64}}; }
  std::vector<std::string> minimumFeatures() const override { return cpu::cpuinfoFeatures(info); }
  ObjectCode emitObject(mlir::ModuleOp module) const override {
    return cpu::linkShared(cpu::compileModule(module, info), info);
  }

private:
  MachineInfo info;
};

} // namespace

std::unique_ptr<TargetBackend> bessemer::createCpuBackend(const std::string &name, std::string &error) {
  std::optional<MachineInfo> machine = cpu::describeCpu(name, error);
  return machine ? std::make_unique<CpuBackend>(std::move(*machine)) : nullptr;
}
