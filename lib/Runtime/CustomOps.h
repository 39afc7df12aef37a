// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops that the host has registered (bessemer_register_op).
#pragma once

#include "bessemer/Runtime/Model.h"

namespace bessemer::runtime {

/// A copy of what is registered now: a model keeps what it was loaded with.
std::map<std::string, CustomKernel, std::less<>> registeredKernels();

} // namespace bessemer::runtime
