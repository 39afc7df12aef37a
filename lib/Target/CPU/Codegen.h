// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// LLVM dialect -> LLVM IR -> object -> shared object, all in memory but the last.
#pragma once

#include "bessemer/Target/TargetBackend.h"

namespace bessemer::cpu {

/// Object file bytes of the module's functions.
ObjectCode compileModule(mlir::ModuleOp module, const MachineInfo &machine);

/// A shared object from one object file, by lld. Symbols that it lacks are
/// resolved by the process that loads it.
ObjectCode linkShared(const std::vector<uint8_t> &object, const MachineInfo &machine);

} // namespace bessemer::cpu
