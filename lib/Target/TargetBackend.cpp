// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Target/TargetBackend.h"

#include "bessemer/Target/CPU.h"

using namespace bessemer;

std::unique_ptr<TargetBackend> bessemer::createTargetBackend(const std::string &target, const std::string &cpu,
                                                             std::string &error) {
  if (target == "cpu")
    return createCpuBackend(cpu, error);
  error = "expected the target cpu, got '" + target + "'";
  return nullptr;
}
