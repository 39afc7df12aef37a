// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Tile/GpuMatmulScheduleAttr.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace bessemer;

DictionaryAttr tile::toScheduleAttr(MLIRContext *context, const GpuMatmulSchedule &schedule) {
  Builder b(context);
  SmallVector<NamedAttribute> attributes;
  for (const GpuScheduleField &entry : gpuScheduleFields)
    if (!entry.isOptional || schedule.*entry.field)
      attributes.push_back(b.getNamedAttr(entry.name, b.getI64IntegerAttr(schedule.*entry.field)));
  attributes.push_back(b.getNamedAttr("instruction", b.getStringAttr(instructionName(schedule.instruction))));
  return b.getDictionaryAttr(attributes);
}

FailureOr<GpuMatmulSchedule> tile::readGpuMatmulSchedule(KernelOp kernel, int64_t elementBytes,
                                                         const GpuMachine &machine) {
  GpuMatmulSchedule schedule;
  DictionaryAttr attributes = kernel.getSchedule();
  for (const GpuScheduleField &entry : gpuScheduleFields) {
    auto value = attributes.getAs<IntegerAttr>(entry.name);
    if (!value && entry.isOptional)
      continue;
    if (!value)
      return kernel.emitError("expected an integer as '")
             << entry.name << "' of the schedule of a GPU's matrix product, got " << attributes;
    schedule.*entry.field = value.getInt();
  }
  auto name = attributes.getAs<StringAttr>("instruction");
  std::optional<MatmulInstruction> instruction = name ? parseInstruction(name.str()) : std::nullopt;
  if (!instruction)
    return kernel.emitError(
               "expected mma_half, mma_tf32, fma, wgmma_half, wgmma_tf32 or wgmma_float8 as 'instruction' of the "
               "schedule, got ")
           << attributes;
  schedule.instruction = *instruction;
  // All others want float8 as f16 or bf16 in shared memory.
  elementBytes = *instruction == MatmulInstruction::WgmmaFloat8 ? 1 : std::max<int64_t>(elementBytes, 2);
  if (std::string wrong = checkGpuMatmulSchedule(schedule, elementBytes, machine); !wrong.empty())
    return kernel.emitError("the schedule does not fit the machine: ") << wrong;
  return schedule;
}
