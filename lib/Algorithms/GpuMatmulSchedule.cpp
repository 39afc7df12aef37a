// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/GpuMatmulSchedule.h"

#include "lib/Algorithms/GpuParts.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace bessemer {

namespace {
/// What is assumed of a size that is not known.
constexpr int64_t usualRows = 2048, usualColumns = 2048, usualDepth = 1024;
/// Registers beside sums and fragments: addresses, masks, the loop.
constexpr int64_t otherRegisters = 56, mostRegisters = 255;
// The figures below, where no other source is named, fit 346 products measured on an H100 with 11 % of error (root mean
// square of the logarithm; bench/results has them): 1 to 4096 rows, mma.sync and wgmma, 2 to 8 stages.
/// Cycles of a block outside of its steps, and of the barrier in each (wgmma has none for all warps).
constexpr double blockCycles = 1200, barrierCycles = 24;
/// Of a block whose first operands were copied while the one before was stored.
constexpr double furtherBlockCycles = 300;
/// From the last sum that a block has stored to the first that another one reads: a word says so in between. Assumed.
constexpr double handOverCycles = 2000;
/// Steps of depth that a block has at least where they are dealt out evenly: fewer do not hide the first copies.
constexpr int64_t leastShare = 4;
/// The part of the peak that so many warps of each scheduler reach together:
/// one waits for its own instructions now and then. Assumed.
constexpr double issueRate[] = {0.8, 0.8, 0.92, 0.97};
/// mma.sync delays those that follow in a warp by so much.
constexpr double mmaLatency = 6;
/// Of the norm that stands for the maximum of what a kernel does at once.
constexpr double overlapPower = 2.9;
/// Of a step, what a warp waits at barriers and for shared memory; of a copy of 16 bytes by each lane, the
/// instructions that start it.
constexpr double orderCycles = 65, wgmmaOrderCycles = 120, copyIssueCycles = 7;
/// A row of a box that the copy engine fills with zeros, as it lies beyond the tensor.
constexpr double beyondRowCycles = 6;
/// Of the L2 cache, what operands may take and be read from memory once. Assumed.
constexpr double cachedPart = 0.5;
/// Neighbours that memory reads together; of shorter pieces of a row the rest is read in vain.
constexpr double memoryPieceBytes = 64;
constexpr int64_t passBytes = 128;        // of shared memory, a cycle
constexpr int64_t blockReserve = 1 << 10; // of shared memory, the system's
/// Of wgmma: rows of an instruction; bytes of depth of a step, one swizzle wide; a
/// warp group; registers beside the sums.
constexpr int64_t groupRowCount = 64, wgmmaStepBytes = 128, groupWarps = 4;
constexpr int64_t wgmmaOtherRegisters = 64, leastRegisters = 24, goingOnRegisters = 40;
/// The part of wgmma's peak that one group, and several, reach.
constexpr double wgmmaRate[] = {0.91, 0.95};
/// Of the norm that stands for the maximum of what wgmma multiplies and what it reads and the copies write of shared
/// memory.
constexpr double wgmmaPower = 4;

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Fragment {
  int64_t rows, columns, depth; // of a warp's instruction
};
Fragment fragmentOf(MatmulInstruction instruction) {
  switch (instruction) {
  case MatmulInstruction::MmaHalf: return {16, 16, 16}; // two n8: what one ldmatrix reads
  case MatmulInstruction::MmaTf32: return {16, 16, 8};
  case MatmulInstruction::Fma: return {4, 32, 4};
  case MatmulInstruction::WgmmaHalf: return {16, 16, 64}; // of a warp: a fourth of the rows; a step of 128 bytes
  case MatmulInstruction::WgmmaTf32: return {16, 16, 32};
  case MatmulInstruction::WgmmaFloat8: return {16, 16, 128};
  }
  return {};
}

int64_t flopsOf(MatmulInstruction instruction, const GpuMachine &machine) {
  switch (instruction) {
  case MatmulInstruction::MmaHalf: return machine.halfFlops;
  case MatmulInstruction::MmaTf32: return machine.tf32Flops;
  case MatmulInstruction::Fma: return machine.floatFlops;
  case MatmulInstruction::WgmmaHalf: return machine.wgmmaHalfFlops;
  case MatmulInstruction::WgmmaTf32: return machine.wgmmaTf32Flops;
  case MatmulInstruction::WgmmaFloat8: return machine.wgmmaFloat8Flops;
  }
  return 0;
}

int64_t registersOf(const GpuMatmulSchedule &s) {
  int64_t rows = s.blockRows / s.warpRows, columns = s.blockColumns / s.warpColumns;
  int64_t sums = s.sums();
  // Of float8, sums of a step beside those of all steps.
  if (isWgmma(s.instruction))
    return ((s.instruction == MatmulInstruction::WgmmaFloat8 ? 2 : 1) * sums + wgmmaOtherRegisters + 7) / 8 * 8;
  int64_t fragments =
      s.instruction == MatmulInstruction::Fma ? rows / 4 * 4 + columns / 8 * 4 : rows / 16 * 4 + columns / 8 * 2;
  return (sums + 2 * fragments + otherRegisters + 7) / 8 * 8;
}

double blocksOf(const GpuMatmulSchedule &s, const GpuMatmulShape &shape) {
  return double(std::max<int64_t>(1, shape.batches.value_or(1))) *
         ceilDiv(std::max<int64_t>(1, shape.rows.value_or(usualRows)), s.blockRows) *
         ceilDiv(std::max<int64_t>(1, shape.columns.value_or(usualColumns)), s.blockColumns);
}

/// What the blocks that run at a time read together: rows of the left operand, columns of the right one.
struct Wave {
  int64_t rows, columns;
};
Wave waveOf(const GpuMatmulSchedule &s, int64_t rowGroup, int64_t rows, int64_t columns, int64_t blocksAtATime) {
  int64_t ofRows = ceilDiv(rows, s.blockRows), ofColumns = ceilDiv(columns, s.blockColumns);
  int64_t height = std::clamp<int64_t>(rowGroup, 1, ofRows), width = ceilDiv(blocksAtATime, height);
  if (width > ofColumns) // several groups
    height = std::min(ofRows, height * ceilDiv(blocksAtATime, height * ofColumns)), width = ofColumns;
  return {std::min(rows, height * s.blockRows), std::min(columns, width * s.blockColumns)};
}

/// Of each thread, as the hardware deals them out.
int64_t registersAtEntry(int64_t threads, const GpuMachine &machine) {
  return std::min(mostRegisters, machine.registers / threads) / 8 * 8;
}

/// Of a multiprocessor: what its blocks have asked for and do not have yet.
double bytesOnTheWay(const GpuMatmulSchedule &s, const GpuMatmulCost &cost, const GpuMatmulShape &shape,
                     const GpuMachine &machine) {
  double atATime = std::min(double(cost.resident), std::ceil(blocksOf(s, shape) / machine.multiprocessors));
  int64_t rows = std::min(s.blockRows, shape.rows.value_or(usualRows)),
          columns = std::min(s.blockColumns, shape.columns.value_or(usualColumns));
  int64_t left = shape.leftBytes ? shape.leftBytes : shape.elementBytes,
          right = shape.rightBytes ? shape.rightBytes : shape.elementBytes;
  return atATime * double(s.stages - 1) * double((rows * left + columns * right) * s.blockDepth);
}

int64_t sharedOf(const GpuMatmulSchedule &s, int64_t elementBytes) {
  int64_t bytes = s.stages * (s.blockRows + s.blockColumns) * s.blockDepth * elementBytes;
  // Two barriers for each stage, before tiles that begin at a multiple of 1024.
  // Blocks that go on store while stages fill: results of two bytes go to rows beside them.
  return isWgmma(s.instruction) ? bytes + 1024 + (s.gridBlocks ? 2 * s.blockRows * s.blockColumns : 0) : bytes;
}

/// Blocks that a multiprocessor has room for.
int64_t mostResident(const GpuMatmulSchedule &s, int64_t elementBytes, const GpuMachine &machine) {
  int64_t threads = 32 * (s.warps() + s.producerWarps), shared = sharedOf(s, elementBytes) + blockReserve;
  int64_t registers = isWgmma(s.instruction) ? registersAtEntry(threads, machine) : registersOf(s);
  return std::min({machine.sharedBytes / shared + (shared > machine.sharedBytes),
                   machine.registers / (registers * threads), machine.threads / threads});
}
} // namespace

const char *instructionName(MatmulInstruction instruction) {
  switch (instruction) {
  case MatmulInstruction::MmaHalf: return "mma_half";
  case MatmulInstruction::MmaTf32: return "mma_tf32";
  case MatmulInstruction::Fma: return "fma";
  case MatmulInstruction::WgmmaHalf: return "wgmma_half";
  case MatmulInstruction::WgmmaTf32: return "wgmma_tf32";
  case MatmulInstruction::WgmmaFloat8: return "wgmma_float8";
  }
  return "";
}

std::optional<MatmulInstruction> parseInstruction(const std::string &name) {
  for (MatmulInstruction instruction :
       {MatmulInstruction::MmaHalf, MatmulInstruction::MmaTf32, MatmulInstruction::Fma, MatmulInstruction::WgmmaHalf,
        MatmulInstruction::WgmmaTf32, MatmulInstruction::WgmmaFloat8})
    if (name == instructionName(instruction))
      return instruction;
  return std::nullopt;
}

TileLayout GpuMatmulSchedule::accumulatorLayout() const {
  using Bases = std::vector<std::vector<int64_t>>;
  int64_t rows = blockRows / warpRows, columns = blockColumns / warpColumns;
  // A width that is no power of two is the largest one that divides it, repeated.
  int64_t repeats = warpColumns == 1 ? columns / (columns & -columns) : 1;
  columns /= repeats;
  Bases registers, lanes, warps;
  int64_t nextRow, nextColumn;
  if (instruction == MatmulInstruction::Fma) {
    // Four neighbours in each lane; 8 lanes along the columns, 4 along the rows.
    registers = {{0, 1}, {0, 2}};
    lanes = {{0, 4}, {0, 8}, {0, 16}, {1, 0}, {2, 0}};
    nextRow = 4, nextColumn = 32;
  } else {
    LinearLayout atom = mmaAccumulatorLayout().atom();
    for (auto [name, bases] : {std::pair("register", &registers), std::pair("lane", &lanes)})
      for (unsigned bit = 0; int64_t(1) << bit < atom.inputSize(name); ++bit)
        bases->push_back({atom.basis(name, bit, "row"), atom.basis(name, bit, "col")});
    nextRow = 16, nextColumn = 8;
  }
  for (; nextColumn < columns; nextColumn *= 2)
    registers.push_back({0, nextColumn});
  if (isWgmma(instruction)) {
    // The warps of a group have 16 of its 64 rows each; it goes on to further 64 by itself.
    for (; nextRow < groupRowCount; nextRow *= 2)
      warps.push_back({nextRow, 0});
    rows = blockRows / groupRows();
  }
  for (; nextRow < rows; nextRow *= 2)
    registers.push_back({nextRow, 0});
  for (; nextColumn < blockColumns / repeats; nextColumn *= 2)
    warps.push_back({0, nextColumn});
  for (; nextRow < blockRows; nextRow *= 2)
    warps.push_back({nextRow, 0});
  std::vector<LinearLayout::InputBases> inputs{{"register", registers}, {"lane", lanes}, {"warp", warps}};
  std::pair<std::string, int64_t> outputs[] = {{"row", blockRows}, {"col", blockColumns / repeats}};
  std::optional<LinearLayout> whole = LinearLayout::fromBases(inputs, outputs);
  return whole ? TileLayout::create(std::move(*whole), {1, repeats}).value_or(TileLayout()) : TileLayout();
}

TileLayout GpuMatmulSchedule::operandALayout() const {
  using Bases = std::vector<std::vector<int64_t>>;
  LinearLayout atom = mmaOperandALayout().atom();
  Bases registers, lanes, warps;
  for (auto [name, bases] : {std::pair("register", &registers), std::pair("lane", &lanes)})
    for (unsigned bit = 0; int64_t(1) << bit < atom.inputSize(name); ++bit)
      bases->push_back({atom.basis(name, bit, "row"), atom.basis(name, bit, "col")});
  for (int64_t depth = 16; depth < blockDepth; depth *= 2)
    registers.push_back({0, depth});
  int64_t row = 16;
  for (; row < blockRows / warpRows; row *= 2)
    registers.push_back({row, 0});
  for (int64_t w = 1; w < warpColumns; w *= 2)
    warps.push_back({0, 0});
  for (; row < blockRows; row *= 2)
    warps.push_back({row, 0});
  std::vector<LinearLayout::InputBases> inputs{{"register", registers}, {"lane", lanes}, {"warp", warps}};
  std::pair<std::string, int64_t> outputs[] = {{"row", blockRows}, {"col", blockDepth}};
  std::optional<LinearLayout> whole = LinearLayout::fromBases(inputs, outputs);
  return whole ? TileLayout::create(std::move(*whole), {1, 1}).value_or(TileLayout()) : TileLayout();
}

std::string checkGpuMatmulSchedule(const GpuMatmulSchedule &s, int64_t elementBytes, const GpuMachine &machine) {
  auto expected = [](const std::string &what, int64_t got) {
    return "expected " + what + ", got " + std::to_string(got);
  };
  Fragment fragment = fragmentOf(s.instruction);
  const std::pair<const char *, int64_t> sizes[] = {{"rows of a block", s.blockRows},
                                                    {"columns of a block", s.blockColumns},
                                                    {"a step of depth", s.blockDepth},
                                                    {"warps along the rows", s.warpRows},
                                                    {"warps along the columns", s.warpColumns}};
  for (const auto &[what, size] : sizes)
    if (size < 1 || !std::has_single_bit(uint64_t(size)))
      return expected(std::string("a power of two as ") + what, size);
  if (s.blockRows / s.warpRows < fragment.rows)
    return expected("at least " + std::to_string(fragment.rows) + " rows of a warp", s.blockRows / s.warpRows);
  if (s.blockColumns / s.warpColumns < fragment.columns)
    return expected("at least " + std::to_string(fragment.columns) + " columns of a warp",
                    s.blockColumns / s.warpColumns);
  // ldmatrix and 16-byte copies want whole groups of 16 bytes, and two of them
  // for the swizzle to work with.
  if (s.blockDepth < fragment.depth || s.blockDepth * elementBytes < 32)
    return expected("a step of depth of at least " + std::to_string(std::max(fragment.depth, 32 / elementBytes)),
                    s.blockDepth);
  if (s.stages < 2 || s.stages > 8)
    return expected("2 to 8 stages", s.stages);
  if (s.gridBlocks < 0 || s.streamedBlocks < 0 || (s.streamedBlocks && !s.gridBlocks))
    return expected("blocks of the grid that have shares of streamed ones", s.gridBlocks);
  if (isWgmma(s.instruction)) {
    if (!machine.wgmmaHalfFlops)
      return "expected a machine with wgmma, sm_90a";
    if (s.warpRows % groupWarps || s.producerWarps != groupWarps)
      return expected("warp groups of four warps, one of them for the copies", s.warpRows);
    if (s.blockDepth * elementBytes != wgmmaStepBytes || s.blockColumns * elementBytes < 32)
      return expected("a step of 128 bytes of depth and at least 32 bytes of columns", s.blockDepth * elementBytes);
    // A box of the copy engine has at most 256 rows.
    if (s.blockRows > 256 || s.blockColumns > 256)
      return expected("blocks of at most 256 x 256", std::max(s.blockRows, s.blockColumns));
  }
  int64_t threads = 32 * (s.warps() + s.producerWarps);
  if (threads > 1024)
    return expected("at most 32 warps", s.warps());
  int64_t registers = registersOf(s);
  if (isWgmma(s.instruction)) {
    int64_t most = s.consumerRegisters ? s.consumerRegisters : std::min(mostRegisters, machine.registers / threads);
    if (registers > most)
      return expected("at most " + std::to_string(most) + " registers of a lane", registers);
    if (32 * (s.warps() * s.consumerRegisters + s.producerWarps * s.producerRegisters) > machine.registers)
      return expected("registers that the machine has for all warps", s.consumerRegisters);
  } else if (registers > mostRegisters || registers * threads > machine.registers)
    return expected("at most " + std::to_string(std::min(mostRegisters, machine.registers / threads)) +
                        " registers of a lane",
                    registers);
  if (int64_t bytes = sharedOf(s, elementBytes); bytes > machine.sharedBytes)
    return expected("at most " + std::to_string(machine.sharedBytes) + " bytes of shared memory", bytes);
  return {};
}

std::string checkStreamed(const GpuMatmulSchedule &s, const GpuMatmulShape &shape) {
  if (!s.streamedBlocks)
    return {};
  if (!shape.mayStream)
    return "expected a product of known size, whole, for streamed blocks";
  auto blocks = int64_t(blocksOf(s, shape));
  if (blocks < s.streamedBlocks || (blocks - s.streamedBlocks) % s.gridBlocks)
    return "expected as many whole blocks for each of " + std::to_string(s.gridBlocks) + " blocks of the grid, got " +
           std::to_string(blocks) + " of which " + std::to_string(s.streamedBlocks) + " are streamed";
  return {};
}

GpuMatmulCost gpuMatmulCost(const GpuMatmulSchedule &s, const GpuMatmulShape &shape, const GpuMachine &machine) {
  GpuMatmulCost cost;
  double leftBytes = shape.leftBytes ? shape.leftBytes : shape.elementBytes,
         rightBytes = shape.rightBytes ? shape.rightBytes : shape.elementBytes; // in memory
  int64_t rows = std::max<int64_t>(1, shape.rows.value_or(usualRows)),
          columns = std::max<int64_t>(1, shape.columns.value_or(usualColumns)),
          depth = std::max<int64_t>(1, shape.depth.value_or(usualDepth)),
          batches = std::max<int64_t>(1, shape.batches.value_or(1));
  int64_t warps = s.warps(), threads = 32 * (warps + s.producerWarps);
  int64_t warpTileRows = s.blockRows / s.warpRows, warpTileColumns = s.blockColumns / s.warpColumns;
  cost.registers = registersOf(s);
  cost.sharedBytes = sharedOf(s, shape.elementBytes);

  double blocks = double(batches) * ceilDiv(rows, s.blockRows) * ceilDiv(columns, s.blockColumns);
  double perProcessor = std::ceil((s.streamedBlocks ? s.gridBlocks : blocks) / machine.multiprocessors);
  cost.resident = std::min(mostResident(s, shape.elementBytes, machine), int64_t(perProcessor));

  // One step of one block, when it has the multiprocessor to itself.
  double flops = flopsOf(s.instruction, machine);
  double multiply = 2.0 * s.blockRows * s.blockColumns * s.blockDepth / flops;
  // A warp keeps a fourth of the multiprocessor busy at most.
  multiply *= 4 / std::min(4.0, double(warps * cost.resident));
  multiply /= isWgmma(s.instruction) ? wgmmaRate[std::min<int64_t>(1, warps * cost.resident / groupWarps - 1)]
                                     : issueRate[std::min<int64_t>(3, warps * cost.resident / 4)];
  // Of rows and columns that do not exist nothing is copied; shared memory gets zeros.
  int64_t ownRows = std::min(s.blockRows, rows), ownColumns = std::min(s.blockColumns, columns);
  double stepBytes = double(s.blockRows + s.blockColumns) * s.blockDepth * shape.elementBytes;
  double reads = double(warps) * (warpTileRows + warpTileColumns) * s.blockDepth * shape.elementBytes / passBytes;
  if (s.instruction == MatmulInstruction::Fma)
    reads = double(warps) * s.blockDepth * (warpTileRows / 16.0 + warpTileColumns / 32.0);
  else if (isWgmma(s.instruction)) // each instruction reads 64 rows and all columns of its group
    reads = double(warps) / groupWarps * (4.0 * warpTileRows / groupRowCount) * (groupRowCount + warpTileColumns) *
            s.blockDepth * shape.elementBytes / passBytes;
  double shared = reads + stepBytes / passBytes;
  double copies = (ownRows * leftBytes + ownColumns * rightBytes) * s.blockDepth / machine.l2BytesPerCycle;
  if (isWgmma(s.instruction))
    copies += beyondRowCycles * double(s.blockRows - ownRows + (shape.transposedB ? s.blockColumns - ownColumns : 0));
  double latency = (machine.copyLatency / cost.resident + copies) / double(s.stages - 1);
  // What a warp does one after the other in a step: it waits, starts its copies, reads fragments, and sums follow each
  // other in one accumulator.
  double inOrder = isWgmma(s.instruction) ? wgmmaOrderCycles : orderCycles;
  if (!isWgmma(s.instruction))
    inOrder += copyIssueCycles * stepBytes / (16 * threads);
  if (s.instruction == MatmulInstruction::MmaHalf || s.instruction == MatmulInstruction::MmaTf32)
    inOrder += mmaLatency * s.blockDepth / fragmentOf(s.instruction).depth;
  if (s.instruction == MatmulInstruction::WgmmaFloat8) // each step's sums are waited for and added
    inOrder += s.sums();
  latency = std::max(latency, inOrder / cost.resident);
  // wgmma reads its operands as it goes.
  if (isWgmma(s.instruction))
    (multiply > shared ? multiply : shared) =
        std::pow(std::pow(multiply, wgmmaPower) + std::pow(shared, wgmmaPower), 1 / wgmmaPower);
  double step = std::max({multiply, shared, copies, latency});
  cost.bound = step == multiply ? "arithmetic"
               : step == shared ? "shared memory"
               : step == copies ? "the L2 cache"
                                : "latency";
  if (!isWgmma(s.instruction))
    step += barrierCycles / cost.resident;
  double resultBytes = shape.resultBytes ? shape.resultBytes : shape.elementBytes;
  double outside = blockCycles / cost.resident + resultBytes * ownRows * ownColumns / machine.l2BytesPerCycle;
  int64_t steps = ceilDiv(depth, s.blockDepth);
  double own = perProcessor * (steps * step + outside);
  if (s.streamedBlocks) {
    // Each stores its blocks, and hands sums on and takes others'.
    double stored = std::ceil(blocks / s.gridBlocks);
    double whole = (blocks - double(s.streamedBlocks)) / double(s.gridBlocks) * double(steps);
    int64_t share = s.streamedShare(steps), takes = ceilDiv(steps - 1, share); // of one block, at most
    double partial = double(cost.resident * s.partialBytes()) / machine.l2BytesPerCycle;
    own = perProcessor * ((double(share) + whole) * step + stored * outside) + handOverCycles + partial +
          double(takes) * (partial + machine.copyLatency);
    if (isWgmma(s.instruction))
      own -= (stored - 1) * (blockCycles - furtherBlockCycles);
  } else if (s.gridBlocks) {
    own -= std::max(0.0, perProcessor / cost.resident - 1) * (blockCycles - furtherBlockCycles);
  }
  double operandRows = rows, operandColumns = columns;
  if ((rows * leftBytes + columns * rightBytes) * depth > cachedPart * machine.l2Bytes) {
    int64_t atATime = std::min<int64_t>(machine.multiprocessors * cost.resident, int64_t(blocks / batches));
    Wave wave = waveOf(s, s.rowGroup, rows, columns, atATime);
    double waves = std::ceil(blocks / batches / atATime);
    operandRows = std::max(operandRows, waves * wave.rows),
    operandColumns = std::max(operandColumns, waves * wave.columns);
  }
  double piece = (shape.transposedB ? s.blockDepth : ownColumns) * rightBytes;
  double inVain = std::max(1.0, memoryPieceBytes / piece);
  if (piece >= double(columns) * rightBytes)
    inVain = 1; // whole rows: what follows is the next row
  cost.memoryCycles =
      batches *
      ((operandRows * leftBytes + operandColumns * rightBytes * inVain) * depth + resultBytes * rows * columns) /
      machine.memoryBytesPerCycle;
  // Where both take about as long they do not overlap for all of it.
  cost.cycles = std::pow(std::pow(own, overlapPower) + std::pow(cost.memoryCycles, overlapPower), 1 / overlapPower);
  if (cost.memoryCycles > own)
    cost.bound = "the memory";
  cost.peak = 2.0 * batches * rows * columns * depth / (flops * machine.multiprocessors) / cost.cycles;
  return cost;
}

int64_t chooseRowGroup(const GpuMatmulSchedule &s, const GpuMatmulShape &shape, const GpuMachine &machine) {
  int64_t rows = std::max<int64_t>(1, shape.rows.value_or(usualRows)),
          columns = std::max<int64_t>(1, shape.columns.value_or(usualColumns)), best = 0;
  auto reads = [&](int64_t group) {
    Wave wave = waveOf(s, group, rows, columns, machine.multiprocessors);
    return wave.rows + wave.columns;
  };
  for (int64_t group : {2, 4, 8, 16, 32})
    if (group <= ceilDiv(rows, s.blockRows) && reads(group) < reads(best))
      best = group;
  return best;
}

void shareRegisters(GpuMatmulSchedule &s, const GpuMachine &machine) {
  s.producerWarps = s.producerRegisters = s.consumerRegisters = 0;
  if (!isWgmma(s.instruction))
    return;
  s.producerWarps = groupWarps;
  // With more registers at the entry than any instruction can name there is nothing to share.
  if (registersAtEntry(32 * (s.warps() + s.producerWarps), machine) >= mostRegisters / 8 * 8)
    return;
  // Which block is next takes divisions.
  s.producerRegisters = s.gridBlocks ? goingOnRegisters : leastRegisters;
  int64_t left = machine.registers / 32 - s.producerWarps * s.producerRegisters;
  s.consumerRegisters = std::min(left / s.warps(), mostRegisters) / 8 * 8;
}

std::optional<GpuMatmulSchedule> chooseGpuMatmulSchedule(const GpuMatmulShape &shape, const GpuMachine &machine) {
  return chooseGpuMatmulSchedule(shape, machine, mostRegisters);
}

bool isRagged(const GpuMatmulSchedule &s, const GpuMatmulShape &shape) {
  return !shape.rows || !shape.columns || *shape.rows % s.blockRows || *shape.columns % s.blockColumns;
}

bool copyEngineFits(const GpuMatmulShape &shape) {
  auto fits = [&](std::optional<int64_t> row) { return row && *row > 0 && *row * shape.elementBytes % 16 == 0; };
  return shape.depth && fits(shape.transposedA ? shape.rows : shape.depth) &&
         fits(shape.transposedB ? shape.depth : shape.columns) &&
         (shape.instruction == MatmulInstruction::MmaHalf || (shape.transposedB && !shape.transposedA));
}

std::string scheduleText(const GpuMatmulSchedule &s) {
  auto text = [](int64_t n) { return std::to_string(n); };
  return "blocks of " + text(s.blockRows) + " x " + text(s.blockColumns) + ", " + text(s.blockDepth) +
         " of the depth at a time, " + text(s.warpRows) + " x " + text(s.warpColumns) + " warps" +
         (s.producerWarps ? " and " + text(s.producerWarps) + " for the copies, " : ", ") + text(s.stages) + " stages" +
         (s.rowGroup ? ", in groups of " + text(s.rowGroup) + " along the rows" : "") +
         (s.streamedBlocks ? ", " + text(s.streamedBlocks) + " of the blocks in even shares for " + text(s.gridBlocks)
          : s.gridBlocks   ? ", " + text(s.gridBlocks) + " blocks that go on to further ones"
                           : "");
}

void forEachGpuMatmulSchedule(
    const GpuMatmulShape &shape, const GpuMachine &machine,
    const std::function<void(const GpuMatmulSchedule &schedule, const GpuMatmulCost &cost)> &visit) {
  // The last blocks, which would leave multiprocessors idle, with as many more as keep all of them busy.
  auto stream = [&](GpuMatmulSchedule s, const GpuMatmulShape &shape, int64_t resident) {
    s.gridBlocks = machine.multiprocessors * resident;
    int64_t blocks = int64_t(blocksOf(s, shape)), further = blocks % s.gridBlocks;
    s.streamedBlocks = further + (blocks > s.gridBlocks ? s.gridBlocks : 0);
    if (!shape.mayStream || !further || s.streamedShare(ceilDiv(*shape.depth, s.blockDepth)) < leastShare ||
        !checkGpuMatmulSchedule(s, shape.elementBytes, machine).empty())
      return;
    visit(s, gpuMatmulCost(s, shape, machine));
  };
  auto consider = [&](MatmulInstruction instruction, const GpuMatmulShape &shape) {
    int64_t mostWarpRows = isWgmma(instruction) ? 8 : 4;
    constexpr int64_t mostStages = 8;
    GpuMatmulSchedule s;
    s.instruction = instruction;
    for (s.blockRows = 16; s.blockRows <= 256; s.blockRows *= 2)
      for (s.blockColumns = 16; s.blockColumns <= 256; s.blockColumns *= 2)
        for (int64_t depthBytes = 32; depthBytes <= 128; depthBytes *= 2)
          for (s.warpRows = 1; s.warpRows <= mostWarpRows; s.warpRows *= 2)
            for (s.warpColumns = 1; s.warpColumns <= 4; s.warpColumns *= 2)
              for (s.stages = 2; s.stages <= mostStages; ++s.stages) {
                s.blockDepth = depthBytes / shape.elementBytes;
                // Lanes of multiply-adds read rows of the depth that are apart:
                // whole lines, or they meet in a bank.
                if (instruction == MatmulInstruction::Fma && depthBytes < passBytes)
                  continue;
                shareRegisters(s, machine);
                s.rowGroup = chooseRowGroup(s, shape, machine);
                if (s.warps() > 8 || !checkGpuMatmulSchedule(s, shape.elementBytes, machine).empty())
                  continue;
                GpuMatmulCost own = gpuMatmulCost(s, shape, machine);
                visit(s, own);
                if (!isWgmma(instruction)) {
                  for (int64_t resident = 1; resident <= mostResident(s, shape.elementBytes, machine); ++resident)
                    stream(s, shape, resident);
                  continue;
                }
                GpuMatmulSchedule further = s;
                further.gridBlocks = machine.multiprocessors;
                shareRegisters(further, machine);
                if (shape.mayBeEmpty || !checkGpuMatmulSchedule(further, shape.elementBytes, machine).empty())
                  continue;
                GpuMatmulCost cost = gpuMatmulCost(further, shape, machine);
                further.gridBlocks *= cost.resident;
                if (blocksOf(s, shape) > further.gridBlocks)
                  visit(further, cost);
                stream(further, shape, mostResident(further, shape.elementBytes, machine));
              }
  };
  consider(shape.instruction, shape);
  if (shape.bulkOperands && machine.wgmmaHalfFlops && shape.instruction == MatmulInstruction::MmaHalf)
    consider(MatmulInstruction::WgmmaHalf, shape);
  if (shape.bulkOperands && machine.wgmmaTf32Flops && shape.instruction == MatmulInstruction::MmaTf32)
    consider(MatmulInstruction::WgmmaTf32, shape);
  if (shape.bulkFloat8 && machine.wgmmaFloat8Flops) {
    GpuMatmulShape narrow = shape;
    narrow.elementBytes = 1;
    consider(MatmulInstruction::WgmmaFloat8, narrow);
  }
}

std::optional<GpuMatmulSchedule> chooseGpuMatmulSchedule(const GpuMatmulShape &shape, const GpuMachine &machine,
                                                         int64_t mostSums) {
  constexpr double waitingMargin = 1.02, margin = 1.001;
  std::vector<std::pair<GpuMatmulSchedule, GpuMatmulCost>> candidates;
  double least = std::numeric_limits<double>::infinity();
  bool waits = false; // the cheapest one, for the memory
  double leastStreamed = least;
  forEachGpuMatmulSchedule(shape, machine, [&](const GpuMatmulSchedule &candidate, const GpuMatmulCost &cost) {
    if (candidate.sums() > mostSums)
      return;
    candidates.emplace_back(candidate, cost);
    if (candidate.streamedBlocks)
      leastStreamed = std::min(leastStreamed, cost.cycles);
    else if (cost.cycles < least)
      least = cost.cycles, waits = cost.memoryCycles > cost.cycles / 2;
  });
  // Blocks that wait for each other must gain what parts of the depth must.
  bool isStreamed = leastStreamed < least * (1 - leastPartsGain);
  if (isStreamed)
    least = leastStreamed;
  // Of those that cost about as much: a memory that has much to do answers late, and wants to be asked for most at a
  // time; else the one that takes least of the multiprocessor.
  std::optional<GpuMatmulSchedule> best;
  GpuMatmulCost bestCost;
  double bestOnTheWay = 0;
  for (const auto &[candidate, cost] : candidates) {
    if ((candidate.streamedBlocks > 0) != isStreamed || cost.cycles > least * (waits ? waitingMargin : margin))
      continue;
    double onTheWay = bytesOnTheWay(candidate, cost, shape, machine);
    if (best && (waits ? onTheWay <= bestOnTheWay : cost.sharedBytes >= bestCost.sharedBytes))
      continue;
    best = candidate, bestCost = cost, bestOnTheWay = onTheWay;
  }
  if (best)
    best->reason = scheduleText(*best) + ": " + std::to_string(std::lround(100 * bestCost.peak)) +
                   " % of the peak and " + std::to_string(std::lround(100 * bestCost.memoryCycles / bestCost.cycles)) +
                   " % of the memory's bandwidth expected, bound by " + bestCost.bound;
  return best;
}

} // namespace bessemer
