// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is known of a CPU: by LLVM's tables for a name, by asking for this one.
#pragma once

#include "bessemer/Support/CompileOptions.h"

#include <optional>

namespace bessemer::cpu {

/// Null and a sentence in `error` when LLVM does not know the name.
std::optional<MachineInfo> describeCpu(const std::string &name, std::string &error);

/// LLVM's feature string for a target machine: "+avx2,+fma,-avx512f" …
std::string featureString(const MachineInfo &machine);

/// The features that the loader checks, by their names in /proc/cpuinfo.
std::vector<std::string> cpuinfoFeatures(const MachineInfo &machine);

} // namespace bessemer::cpu
