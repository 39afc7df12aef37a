// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The module attribute `bess.target`: what the phases know of the target.
//
//   module attributes {bess.target = {name = "cpu", vector_bytes = 32 : i64, registers = 16 : i64,
//                                     l1_bytes = 32768 : i64, l2_bytes = 1048576 : i64}}
//
// With measured schedules of products (bessemer/Algorithms/TunedSchedules.h) there is `bess.tuned`, the text of their
// file, beside it.
//
// Absent entries have the defaults of CpuSchedule (AVX2). A GPU has, beside them,
//
//   {name = "cuda", architecture = 80 : i64, multiprocessors = 108 : i64, shared_bytes = 166912 : i64, tf32}
#pragma once

#include "bessemer/Algorithms/TunedSchedules.h"
#include "bessemer/Support/CpuSchedule.h"
#include "bessemer/Support/GpuSchedule.h"

#include "mlir/IR/BuiltinOps.h"

#include <optional>

namespace bessemer::tile {

CpuSchedule getCpuSchedule(mlir::ModuleOp module);
void setCpuSchedule(mlir::ModuleOp module, const CpuSchedule &schedule);

/// Nullopt when the target is none.
std::optional<GpuMachine> getGpuMachine(mlir::ModuleOp module);
/// To what `setCpuSchedule` has written.
void setGpuMachine(mlir::ModuleOp module, const GpuMachine &machine);

/// Empty when there are none.
TunedSchedules getTunedSchedules(mlir::ModuleOp module, const GpuMachine &machine);
void setTunedSchedules(mlir::ModuleOp module, const TunedSchedules &tuned);

} // namespace bessemer::tile
