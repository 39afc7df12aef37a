// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Tile/TargetSchedule.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace bessemer;

static constexpr StringLiteral attributeName = "bess.target";

CpuSchedule tile::getCpuSchedule(ModuleOp module) {
  CpuSchedule schedule;
  auto target = module->getAttrOfType<DictionaryAttr>(attributeName);
  auto read = [&](StringRef name, int64_t &field) {
    if (auto value = target.getAs<IntegerAttr>(name); value && value.getInt() > 0)
      field = value.getInt();
  };
  if (target) {
    read("vector_bytes", schedule.vectorBytes);
    read("registers", schedule.registers);
    read("l1_bytes", schedule.l1Bytes);
    read("l2_bytes", schedule.l2Bytes);
  }
  return schedule;
}

void tile::setCpuSchedule(ModuleOp module, const CpuSchedule &schedule) {
  Builder builder(module.getContext());
  auto entry = [&](StringRef name, int64_t value) {
    return builder.getNamedAttr(name, builder.getI64IntegerAttr(value));
  };
  module->setAttr(
      attributeName,
      builder.getDictionaryAttr({builder.getNamedAttr("name", builder.getStringAttr("cpu")),
                                 entry("vector_bytes", schedule.vectorBytes), entry("registers", schedule.registers),
                                 entry("l1_bytes", schedule.l1Bytes), entry("l2_bytes", schedule.l2Bytes)}));
}

/// Written where they are not the architecture's.
static constexpr std::pair<StringLiteral, int64_t GpuMachine::*> rates[] = {
    {"half_flops", &GpuMachine::halfFlops},
    {"tf32_flops", &GpuMachine::tf32Flops},
    {"wgmma_half_flops", &GpuMachine::wgmmaHalfFlops},
    {"wgmma_tf32_flops", &GpuMachine::wgmmaTf32Flops},
    {"wgmma_float8_flops", &GpuMachine::wgmmaFloat8Flops},
};

std::optional<GpuMachine> tile::getGpuMachine(ModuleOp module) {
  auto target = module->getAttrOfType<DictionaryAttr>(attributeName);
  auto name = target ? target.getAs<StringAttr>("name") : StringAttr();
  if (!name || name.getValue() != "cuda")
    return std::nullopt;
  auto number = [&](StringRef entry, int64_t otherwise) {
    auto value = target.getAs<IntegerAttr>(entry);
    return value ? value.getInt() : otherwise;
  };
  GpuMachine machine = gpuMachineOf(number("architecture", 80));
  machine.multiprocessors = number("multiprocessors", machine.multiprocessors);
  machine.sharedBytes = number("shared_bytes", machine.sharedBytes);
  for (const auto &[entry, rate] : rates)
    machine.*rate = number(entry, machine.*rate);
  machine.tf32 = target.contains("tf32");
  return machine;
}

void tile::setGpuMachine(ModuleOp module, const GpuMachine &machine) {
  Builder builder(module.getContext());
  NamedAttrList target(module->getAttrOfType<DictionaryAttr>(attributeName));
  target.set("name", builder.getStringAttr("cuda"));
  target.set("architecture", builder.getI64IntegerAttr(machine.architecture));
  target.set("multiprocessors", builder.getI64IntegerAttr(machine.multiprocessors));
  target.set("shared_bytes", builder.getI64IntegerAttr(machine.sharedBytes));
  for (const auto &[entry, rate] : rates)
    if (machine.*rate != gpuMachineOf(machine.architecture).*rate)
      target.set(entry, builder.getI64IntegerAttr(machine.*rate));
  if (machine.tf32)
    target.set("tf32", builder.getUnitAttr());
  module->setAttr(attributeName, target.getDictionary(builder.getContext()));
}

static constexpr StringLiteral tunedName = "bess.tuned";

TunedSchedules tile::getTunedSchedules(ModuleOp module, const GpuMachine &machine) {
  auto text = module->getAttrOfType<StringAttr>(tunedName);
  // What is wrong with entries was said when the file was read.
  std::vector<std::string> problems;
  return text ? TunedSchedules::parse(text.getValue(), machine, problems) : TunedSchedules();
}

void tile::setTunedSchedules(ModuleOp module, const TunedSchedules &tuned) {
  if (!tuned.empty())
    module->setAttr(tunedName, StringAttr::get(module.getContext(), tuned.json("")));
}
