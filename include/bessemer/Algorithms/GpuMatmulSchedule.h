// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How a matrix product is cut up on a GPU: the block that a thread block
// computes, the steps of depth that go through shared memory, warps, stages of
// copies on their way. Every candidate of a small grid is priced by a model of
// one multiprocessor; what does not fit in registers or shared memory is no
// candidate, and the cheapest is taken. No search on a device.
//
// Worked example: 4096 x 4096 x 4096 in f16 on an A100.
//
//   GpuMatmulShape shape{.rows = 4096, .columns = 4096, .depth = 4096};
//   GpuMatmulSchedule s = *chooseGpuMatmulSchedule(shape, GpuMachine());
//   s.blockRows, s.blockColumns, s.blockDepth;   // 128, 128, 32
//   s.accumulatorLayout().registers();           // 64 sums in each of 256 lanes
//   gpuMatmulCost(s, shape, machine).bound;      // "matrix instructions"
//   s.reason;
//
// The model: in a step a block multiplies, reads its fragments from shared
// memory and copies the operands of a later step from the L2 cache; the slowest
// of the three takes the time, or a copy, from its request to its last byte, when
// too few steps are on their way to hide it: a stage is free for the copy of a
// later step `stages - 1` steps before that one. Blocks of a multiprocessor share
// all three, and all multiprocessors the memory, from which each operand comes once
// when both fit in half of the L2 cache, else once for each wave of blocks that reads it.
// Its figures fit what an H100 takes for 346 products and schedules
// (bench/results/2026-11-27-h100-matmul-schedules.json) with an error of 11 %.
//
// A product of few blocks is cut along the depth, too (`chooseDepthParts`): each part
// writes partial sums in f32, which a second kernel adds in a fixed order. 16 x 4096
// x 4096 on an H100:
//
//   shape.rows = 16;
//   GpuDepthParts p = chooseDepthParts(shape, gpuMachineOf(90));
//   p.parts, p.partDepth, p.cycles, p.wholeCycles, p.reason;
#pragma once

#include "bessemer/Algorithms/TileLayout.h"
#include "bessemer/Support/GpuSchedule.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace bessemer {

enum class MatmulInstruction {
  MmaHalf, ///< mma.sync m16n8k16 on f16 or bf16, sums in f32
  MmaTf32, ///< mma.sync m16n8k8
  Fma,     ///< f32 multiply-adds of each lane
  /// wgmma m64nNk16 on f16 or bf16, and m64nNk8 on tf32: operands in shared memory, copied there by the
  /// copy engine at the word of a warp group of its own.
  WgmmaHalf,
  WgmmaTf32,
  /// wgmma m64nNk32 on float8, both operands of one format with neighbours along the depth. The instruction keeps about
  /// 14 bits of a sum: the lanes add the sums of each step of 128 in f32.
  WgmmaFloat8,
};
inline bool isWgmma(MatmulInstruction instruction) {
  return instruction == MatmulInstruction::WgmmaHalf || instruction == MatmulInstruction::WgmmaTf32 ||
         instruction == MatmulInstruction::WgmmaFloat8;
}
const char *instructionName(MatmulInstruction instruction);
std::optional<MatmulInstruction> parseInstruction(const std::string &name);

/// What is known of a product; nullopt: only when the kernel runs.
struct GpuMatmulShape {
  std::optional<int64_t> batches = 1, rows, columns, depth;
  MatmulInstruction instruction = MatmulInstruction::MmaHalf;
  int64_t elementBytes = 2; ///< of the operands in shared memory, the wider one
  /// In memory, where that is less: float8 is converted on its way to shared memory. 0: as elementBytes.
  int64_t leftBytes = 0, rightBytes = 0;
  int64_t resultBytes = 0;  ///< of an element; 0: as the operands
  bool transposedA = false; ///< rows of the left operand go along the rows of the product
  bool transposedB = false; ///< rows of the right operand go along the depth
  /// The copy engine can bring the operands, in the order that wgmma wants: it may be chosen instead.
  bool bulkOperands = false;
  /// The same for float8, which then stays as it is (WgmmaFloat8).
  bool bulkFloat8 = false;
  /// Blocks may find that they have no rows: none goes on to further ones.
  bool mayBeEmpty = false;
  /// Steps of depth may be dealt out evenly (GpuMatmulSchedule::streamedBlocks).
  bool mayStream = false;
};

/// Whether the copy engine can bring the operands of a product of these sizes: it brings rows of known lengths that are
/// multiples of 16 bytes; tf32 wants neighbours along the depth.
bool copyEngineFits(const GpuMatmulShape &shape);

struct GpuMatmulSchedule {
  MatmulInstruction instruction = MatmulInstruction::MmaHalf;
  int64_t blockRows = 0, blockColumns = 0, blockDepth = 0;
  int64_t warpRows = 1, warpColumns = 1; ///< warps along rows, along columns
  int64_t stages = 2;                    ///< steps of depth in shared memory
  /// Blocks run in groups of so many along the rows, in each group rows fastest, so that those that run at a time read
  /// few rows and few columns; 0: columns fastest.
  int64_t rowGroup = 0;
  /// Blocks of the grid at most; each goes on to further ones, and by wgmma copies for the next one run while it
  /// stores. 0: a block of the grid for each.
  int64_t gridBlocks = 0;
  /// Of the first so many blocks of the product, the steps of depth are dealt out evenly to the blocks of the grid
  /// (stream-K; Osama et al., 2023): a block of the product that several have a share of is stored by the one with its
  /// first step, to which the others hand their sums. The rest goes block by block, as many to each. 0: all of it.
  int64_t streamedBlocks = 0;
  /// Of wgmma: warps that only start copies, a warp group of them, and how the two kinds of warps share the
  /// registers; 0: as the compiler deals them out.
  int64_t producerWarps = 0, producerRegisters = 0, consumerRegisters = 0;
  std::string reason;

  /// That multiply.
  int64_t warps() const { return warpRows * warpColumns; }
  /// Of streamed blocks of `steps` steps: how many of these each block of the grid has, the last ones fewer or none.
  int64_t streamedShare(int64_t steps) const { return (streamedBlocks * steps + gridBlocks - 1) / gridBlocks; }
  /// Of a block of the grid, in f32, for the one that adds them.
  int64_t partialBytes() const { return streamedBlocks ? 4 * blockRows * blockColumns : 0; }
  /// Of a lane.
  int64_t sums() const { return blockRows / warpRows * (blockColumns / warpColumns) / 32; }
  /// Of wgmma: groups of four warps along the rows; what one instruction has of the columns.
  int64_t groupRows() const { return warpRows / 4; }
  int64_t instructionColumns() const { return blockColumns / warpColumns; }
  /// Which register of which lane and warp holds which sum. The columns may be any multiple of an instruction's (16;
  /// 32 of multiply-adds) where one warp has them all: 96 is three times 32.
  TileLayout accumulatorLayout() const;
  /// The same for a left operand [blockRows, blockDepth] of mma.sync on f16 or
  /// bf16; warps along the columns hold copies.
  TileLayout operandALayout() const;
};

/// The fields of a schedule beside its instruction, by the names that they have in a kernel and in files.
struct GpuScheduleField {
  const char *name;
  int64_t GpuMatmulSchedule::*field;
  bool isOptional = false; ///< 0 when it is not there
};
inline constexpr GpuScheduleField gpuScheduleFields[] = {
    {"block_rows", &GpuMatmulSchedule::blockRows},
    {"block_columns", &GpuMatmulSchedule::blockColumns},
    {"block_depth", &GpuMatmulSchedule::blockDepth},
    {"warp_rows", &GpuMatmulSchedule::warpRows},
    {"warp_columns", &GpuMatmulSchedule::warpColumns},
    {"stages", &GpuMatmulSchedule::stages},
    {"row_group", &GpuMatmulSchedule::rowGroup, true},
    {"grid_blocks", &GpuMatmulSchedule::gridBlocks, true},
    {"streamed_blocks", &GpuMatmulSchedule::streamedBlocks, true},
    {"producer_warps", &GpuMatmulSchedule::producerWarps, true},
    {"producer_registers", &GpuMatmulSchedule::producerRegisters, true},
    {"consumer_registers", &GpuMatmulSchedule::consumerRegisters, true},
};

struct GpuMatmulCost {
  int64_t registers = 0;   ///< of a lane, estimated
  int64_t sharedBytes = 0; ///< of a block
  int64_t resident = 0;    ///< blocks of a multiprocessor at a time
  double cycles = 0;       ///< of the whole product
  double memoryCycles = 0; ///< that the memory needs for the operands and the result
  double peak = 0;         ///< the part of the instruction's peak that this is
  const char *bound = "";  ///< what takes the time
};

/// The order of blocks (`rowGroup`) in which a wave of them reads least.
int64_t chooseRowGroup(const GpuMatmulSchedule &schedule, const GpuMatmulShape &shape, const GpuMachine &machine);
/// Nothing when the schedule can be run on the machine, else what is wrong.
std::string checkGpuMatmulSchedule(const GpuMatmulSchedule &schedule, int64_t elementBytes, const GpuMachine &machine);
/// The same of its streamed blocks and the product: what is left of its blocks goes round as often in each block of the
/// grid.
std::string checkStreamed(const GpuMatmulSchedule &schedule, const GpuMatmulShape &shape);
/// For a schedule that `checkGpuMatmulSchedule` accepts.
GpuMatmulCost gpuMatmulCost(const GpuMatmulSchedule &schedule, const GpuMatmulShape &shape, const GpuMachine &machine);
/// "blocks of 128 x 256, 64 of the depth at a time, 8 x 1 warps and 4 for the copies, 4 stages".
std::string scheduleText(const GpuMatmulSchedule &schedule);
/// The part of registers that each kind of warp has when they share them as setmaxnreg can; sets the schedule's.
void shareRegisters(GpuMatmulSchedule &schedule, const GpuMachine &machine);
/// How a product is cut along its depth.
struct GpuDepthParts {
  int64_t parts = 1, partDepth = 0; ///< the last part may be shorter
  double cycles = 0;                ///< with the second kernel that adds the parts
  double wholeCycles = 0;           ///< of the product in one part
  std::string reason;               ///< empty when it is one part
};
/// The number of parts that the model finds cheapest; 1 when a size is not known. Parts are whole steps of depth
/// (128 bytes). Priced are the parts' product with results in f32, the launch of the second kernel, and its reads.
GpuDepthParts chooseDepthParts(const GpuMatmulShape &shape, const GpuMachine &machine);
/// A way to cut a product along its depth.
struct GpuDepthCut {
  int64_t parts = 1, partDepth = 0;
  GpuMatmulShape part;  ///< the product that the parts are together: a batch for each, results in f32
  double sumCycles = 0; ///< of the kernel that adds them, its launch included
};
/// All that `chooseDepthParts` looks at, fewest parts first; none when a size is not known.
std::vector<GpuDepthCut> gpuDepthCuts(const GpuMatmulShape &shape, const GpuMachine &machine);
/// The product that `parts` parts of `partDepth` of the depth are together.
GpuMatmulShape partShape(const GpuMatmulShape &whole, int64_t parts, int64_t partDepth);
/// Every schedule that the machine can run, with its price.
void forEachGpuMatmulSchedule(
    const GpuMatmulShape &shape, const GpuMachine &machine,
    const std::function<void(const GpuMatmulSchedule &schedule, const GpuMatmulCost &cost)> &visit);
/// Nullopt when nothing fits.
std::optional<GpuMatmulSchedule> chooseGpuMatmulSchedule(const GpuMatmulShape &shape, const GpuMachine &machine);
/// … with at most so many sums of a lane.
std::optional<GpuMatmulSchedule> chooseGpuMatmulSchedule(const GpuMatmulShape &shape, const GpuMachine &machine,
                                                         int64_t mostSums);
/// Whether blocks of the schedule go beyond the edges of the product, or may.
bool isRagged(const GpuMatmulSchedule &schedule, const GpuMatmulShape &shape);

} // namespace bessemer
