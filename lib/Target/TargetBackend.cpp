// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Target/TargetBackend.h"

#include "bessemer/Target/CPU.h"
#include "bessemer/Target/CUDA.h"

using namespace bessemer;

std::unique_ptr<TargetBackend> bessemer::createTargetBackend(const std::string &target, const std::string &cpu,
                                                             std::string &error) {
  if (target == "cpu")
    return createCpuBackend(cpu, error);
  if (target.starts_with("cuda:"))
    return createCudaBackend(target.substr(5), error);
  error = "expected the target cpu, cuda:sm_80 or cuda:sm_90a, got '" + target + "'";
  return nullptr;
}
