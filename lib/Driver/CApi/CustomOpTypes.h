// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Result types of custom ops that the host has registered (bessemer_register_op_types).
#pragma once

#include "bessemer/Kernels/CustomOpTypes.h"

namespace bessemer {

/// A copy of what is registered now: a compilation keeps what it began with.
kernels::CustomOps registeredOpTypes();

} // namespace bessemer
