// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// LLVM dialect -> LLVM IR -> object -> shared object, all in memory but the last.
#pragma once

#include "bessemer/Target/TargetBackend.h"

namespace bessemer::cpu {

/// Object files of the module's functions, which it consumes; several kernels
/// are compiled at the same time. An entry may be an error.
std::vector<ObjectCode> compileModule(mlir::ModuleOp module, const MachineInfo &machine);

/// A shared object from object files, by lld; the first error, when one of them
/// is one. Symbols that it lacks are resolved by the process that loads it.
ObjectCode linkShared(const std::vector<ObjectCode> &objects, const MachineInfo &machine);

} // namespace bessemer::cpu
