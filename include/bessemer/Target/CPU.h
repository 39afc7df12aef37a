// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The host CPU, or another one of x86-64 or AArch64, as a target.
#pragma once

#include "bessemer/Target/TargetBackend.h"

namespace bessemer {

/// `cpu`: "native" (this machine, with the features it has), "generic", an
/// x86-64 level ("x86-64-v3") or any name that LLVM knows ("skylake-avx512",
/// "neoverse-n1"). Null and a sentence when it is none of these.
std::unique_ptr<TargetBackend> createCpuBackend(const std::string &cpu, std::string &error);

} // namespace bessemer
