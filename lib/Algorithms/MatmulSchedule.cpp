// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/MatmulSchedule.h"

#include <algorithm>

namespace bessemer {

namespace {
/// More makes code larger and nothing faster.
constexpr int64_t depthUnroll = 4;
constexpr int64_t cacheLine = 64;
/// Fourteen rows of two registers leave one of 32 beside the operands, and with a prefetch in the loop LLVM spills a
/// sum.
constexpr int64_t mostRows = 13;

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
} // namespace

int64_t chooseTaskRows(std::optional<int64_t> rows, int64_t wanted) {
  if (!rows)
    return wanted;
  if (*rows <= wanted + wanted / 4)
    return std::max<int64_t>(*rows, 1);
  for (int64_t candidate = wanted; candidate >= wanted / 2; --candidate)
    if (*rows % candidate == 0)
      return candidate;
  return wanted;
}

MatmulSchedule chooseMatmulSchedule(const MatmulShape &shape, const CpuSchedule &machine) {
  MatmulSchedule schedule;
  int64_t columns = shape.panelColumns ? shape.panelColumns : machine.panelColumns();
  int64_t most = std::min(machine.blockRows(columns), mostRows);

  // The task's rows stay in half of the L2 cache; panels go through the rest.
  int64_t wanted = 16 * most;
  if (shape.depth)
    wanted = std::clamp<int64_t>(machine.l2Bytes / 2 / (4 * std::max<int64_t>(*shape.depth, 1)) / most * most, 4 * most,
                                 24 * most);
  schedule.taskRows = chooseTaskRows(shape.rows, wanted);

  int64_t rows = most, blocks = 0;
  if (shape.rows) {
    // Even blocks: 128 rows of at most 13 are eight blocks of 13 and two of 12.
    blocks = ceilDiv(schedule.taskRows, most);
    rows = ceilDiv(schedule.taskRows, blocks);
  }
  int64_t lanes = std::min(machine.lanes(), columns);
  schedule.block = cpuRegisterBlock(rows, ceilDiv(columns, lanes), lanes);
  schedule.unroll = depthUnroll;
  schedule.reason = (blocks ? std::to_string(blocks) + (blocks == 1 ? " block" : " blocks") + " of at most "
                            : std::string("blocks of at most ")) +
                    std::to_string(rows) + " x " + std::to_string(columns) + " in registers, " +
                    std::to_string(schedule.taskRows) + " rows a task for the L2 cache";
  if (shape.streamed) {
    // One line for each step of the inner loop is as thin as it can be spread.
    // Where the rows are unknown so are their blocks: fewer spread it thicker.
    int64_t linesPerStep = std::max<int64_t>(1, depthUnroll * columns * 4 / cacheLine);
    schedule.prefetchBlocks = blocks ? std::min(blocks, linesPerStep) : linesPerStep;
    schedule.reason += ", the next panel prefetched during " + std::string(blocks ? "" : "at most ") +
                       std::to_string(schedule.prefetchBlocks) + " of them";
  }
  return schedule;
}

std::string checkMatmulSchedule(const MatmulSchedule &schedule, const CpuSchedule &machine) {
  auto expected = [](const std::string &what, int64_t got) {
    return "expected " + what + ", got " + std::to_string(got);
  };
  if (schedule.block.repeats().size() != 2)
    return expected("a register block with rows and columns", static_cast<int64_t>(schedule.block.repeats().size())) +
           " dimensions";
  int64_t lanes = schedule.blockColumns() / schedule.block.repeats()[1];
  if (lanes > machine.lanes() || lanes < 1 || (lanes & (lanes - 1)) != 0)
    return expected("a power of two of at most " + std::to_string(machine.lanes()) + " lanes in the register block",
                    lanes);
  if (schedule.block != cpuRegisterBlock(schedule.blockRows(), schedule.block.repeats()[1], lanes))
    return "expected a register block of whole registers along the columns, "
           "got " +
           schedule.block.str();
  int64_t perRow = schedule.block.repeats()[1];
  if (schedule.block.registers() + perRow + 1 > machine.registers && schedule.blockRows() > 1)
    return expected("at most " + std::to_string(machine.registers - perRow - 1) + " registers in the register block",
                    schedule.block.registers());
  if (schedule.unroll < 1 || schedule.unroll > 64 || (schedule.unroll & (schedule.unroll - 1)) != 0)
    return expected("a power of two of at most 64 to unroll by", schedule.unroll);
  if (schedule.taskRows < 1)
    return expected("at least one row a task", schedule.taskRows);
  if (schedule.prefetchBlocks < 0 || schedule.prefetchRows < 0)
    return expected("a prefetch of at least 0", std::min(schedule.prefetchBlocks, schedule.prefetchRows));
  return {};
}

/// Sizes below this are even where blocks are large: half the code, and what
/// is rounded up is little.
static constexpr int64_t fineRows = 10;
static int64_t sizeStep(int64_t most) { return most > 8 ? 2 : 1; }

RowBlocks evenRowBlocks(int64_t rows, int64_t most) {
  RowBlocks result;
  if (rows <= 0)
    return result;
  int64_t step = sizeStep(most);
  auto up = [&](int64_t n) { return n == 1 || n >= fineRows ? n : std::min(most, ceilDiv(n, step) * step); };
  if (rows >= most) {
    // One block more may fit better: of at most 14, 256 rows are 20 blocks of 13, not 19 of 14.
    int64_t count = ceilDiv(rows, most), size = up(ceilDiv(rows, count)), smaller = up(ceilDiv(rows, count + 1));
    result.size = ceilDiv(rows, smaller) * smaller < ceilDiv(rows, size) * size ? smaller : size;
  } else if (up(rows) == rows) {
    result.size = rows;
  } else {
    result.size = up(ceilDiv(rows, 2));
  }
  result.count = ceilDiv(rows, result.size);
  return result;
}

std::vector<int64_t> rowBlockSizes(int64_t most) {
  std::vector<int64_t> sizes = {1};
  for (int64_t size = 2; size <= most; ++size)
    if (size == most || size >= fineRows || size % sizeStep(most) == 0)
      sizes.push_back(size);
  return sizes;
}

} // namespace bessemer
