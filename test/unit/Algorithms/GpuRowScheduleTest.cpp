// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/GpuRowSchedule.h"

#include <gtest/gtest.h>

using namespace bessemer;

namespace {
/// Softmax of bf16.
GpuRowShape softmax(int64_t rows, int64_t columns) {
  GpuRowShape shape;
  shape.rows = rows;
  shape.columns = columns;
  shape.rowBytes = 4.0 * double(columns);
  shape.instructions = 17;
  shape.reductions = 2;
  return shape;
}

/// An H100 with the memory of an H200, as a copy there reaches it.
GpuMachine h200() {
  GpuMachine machine = gpuMachineOf(90);
  machine.memoryBytesPerCycle = 4226 / machine.clockGHz;
  return machine;
}
} // namespace

// Microseconds measured on an H200 with a block for each row (bench/results/2026-11-27-h200.md).
TEST(GpuRowSchedule, AgreesWithAnH200) {
  for (auto [columns, measured] : {std::pair<int64_t, double>{1024, 82.5}, {4096, 69.4}, {16384, 69.9}}) {
    GpuRowBlock block{1, warpsOfRow(columns)};
    double cycles = rowBlockCycles(block, softmax((1 << 26) / columns, columns), h200());
    EXPECT_NEAR(cycles / h200().clockGHz / 1000, measured, 0.1 * measured) << columns;
  }
}

// Many rows that a warp can hold: several in a block, so that fewer are started. Longer rows have blocks of their own.
TEST(GpuRowSchedule, SeveralRowsInABlock) {
  for (const GpuMachine &machine : {gpuMachineOf(80), gpuMachineOf(90), h200()})
    for (int64_t columns : {512, 768, 1024, 2048}) {
      GpuRowBlock block = chooseRowBlock(softmax((1 << 26) / columns, columns), machine);
      EXPECT_GE(block.rows, 4) << columns;
      EXPECT_GE(block.rows, block.warps) << columns;
    }
  for (int64_t columns : {4096, 16384})
    EXPECT_EQ(chooseRowBlock(softmax((1 << 26) / columns, columns), h200()).rows, 1) << columns;
}

// Of few rows each has a multiprocessor to itself; a dimension of the grid has no more rows than it has.
TEST(GpuRowSchedule, FewRows) {
  EXPECT_EQ(chooseRowBlock(softmax(64, 1024), h200()).rows, 1);
  GpuRowShape shape = softmax(65536, 1024);
  shape.mostRows = 2;
  EXPECT_LE(chooseRowBlock(shape, h200()).rows, 2);
}

// The ring holds a row, and with what is left it is ahead; of a row that does not fit, what goes through the ring has
// room to be ahead, too.
TEST(GpuRowSchedule, Rings) {
  auto chosen = [](int64_t columns, int64_t bytes, const GpuMachine &machine) {
    GpuRowShape shape = softmax(1024, columns);
    shape.rowBytes = 2.0 * double(bytes * columns);
    shape.vector = 16 / bytes;
    shape.keptBytes = bytes;
    GpuRowRing ring = chooseRowRing(shape, machine).value_or(GpuRowRing());
    EXPECT_GT(ring.kept, 0);
    EXPECT_LE(ring.kept, ring.pieces);
    EXPECT_LE(ring.kept * ring.piece(), columns);
    EXPECT_LE((ring.pieces * ring.piece() * bytes + 2048) * ring.resident, machine.sharedBytes + 1024);
    EXPECT_GT(ring.cycles, ring.memoryCycles);
    return ring;
  };
  GpuMachine h100 = gpuMachineOf(90);
  GpuRowRing ring = chosen(65536, 2, h100);
  EXPECT_EQ(ring.resident, 1);
  EXPECT_EQ(ring.kept * ring.piece(), 65536);
  EXPECT_EQ(ring.pieces - ring.kept, 3);
  EXPECT_GT(ring.memoryCycles / ring.cycles, 0.8);
  ring = chosen(65536, 2, h200());
  EXPECT_GT(ring.memoryCycles / ring.cycles, 0.78);
  ring = chosen(32768, 2, h100);
  EXPECT_EQ(ring.kept * ring.piece(), 32768);
  EXPECT_GT(ring.pieces, ring.kept);
  ring = chosen(65536, 4, h100);
  EXPECT_LT(ring.kept * ring.piece(), 65536);
  EXPECT_GT(ring.pieces, ring.kept);
  chosen(65536, 4, gpuMachineOf(80));
}

TEST(GpuRowSchedule, NoRing) {
  GpuRowShape shape = softmax(1024, 65536);
  EXPECT_FALSE(chooseRowRing(shape, h200())) << "nothing is read twice";
  shape.keptBytes = 2;
  shape.columns = 4000;
  EXPECT_FALSE(chooseRowRing(shape, h200())) << "shorter than a piece";
}
