// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Tile/MatmulScheduleAttr.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace bessemer;

DictionaryAttr tile::toScheduleAttr(MLIRContext *context, const MatmulSchedule &schedule) {
  Builder b(context);
  auto number = [&](StringRef name, int64_t value) { return b.getNamedAttr(name, b.getI64IntegerAttr(value)); };
  SmallVector<NamedAttribute> entries = {
      number("task_rows", schedule.taskRows),
      b.getNamedAttr("register_block", LayoutAttr::get(context, schedule.block.str())),
      number("unroll", schedule.unroll)};
  if (schedule.prefetchBlocks)
    entries.push_back(number("prefetch_blocks", schedule.prefetchBlocks));
  if (schedule.prefetchRows)
    entries.push_back(number("prefetch_rows", schedule.prefetchRows));
  return b.getDictionaryAttr(entries);
}

FailureOr<MatmulSchedule> tile::readMatmulSchedule(KernelOp kernel, const CpuSchedule &machine) {
  MatmulSchedule schedule = chooseMatmulSchedule({}, machine);
  DictionaryAttr entries = kernel.getSchedule();
  for (auto [name, field] : {std::pair{"task_rows", &schedule.taskRows},
                             {"unroll", &schedule.unroll},
                             {"prefetch_blocks", &schedule.prefetchBlocks},
                             {"prefetch_rows", &schedule.prefetchRows}})
    if (Attribute value = entries.get(name)) {
      auto integer = dyn_cast<IntegerAttr>(value);
      if (!integer)
        return kernel.emitError("expected an integer as '") << name << "' of the schedule, got " << value;
      *field = integer.getInt();
    }
  if (Attribute value = entries.get("register_block")) {
    std::string error;
    auto layout = dyn_cast<LayoutAttr>(value);
    std::optional<TileLayout> block = layout ? TileLayout::parse(layout.getText().str(), &error) : std::nullopt;
    if (!block)
      return kernel.emitError("expected a #tile.layout as 'register_block' of "
                              "the schedule, got ")
             << value << (error.empty() ? "" : ": " + error);
    schedule.block = *block;
  }
  if (std::string wrong = checkMatmulSchedule(schedule, machine); !wrong.empty())
    return kernel.emitError("the schedule does not fit the machine: ") << wrong;
  return schedule;
}
