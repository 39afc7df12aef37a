// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/GpuRowSchedule.h"

#include <algorithm>
#include <cmath>

namespace bessemer {

namespace {
/// Elements of a row that a lane holds, when the row is long enough for it: two to four 16-byte accesses on their way
/// at once hide the latency of memory.
constexpr int64_t elementsPerLane = 16;
/// More of a lane's elements leave room for few warps.
constexpr int64_t mostPerLane = 64;
constexpr int64_t usualWarps = 8, mostBlocks = 32;
/// Registers beside those of the elements, and of what rows share the part of its bytes that is loaded early: ptxas
/// takes 32 to 39 for 16 elements and 80 for 64; 95 and 127 for 64 with a scale and a bias for 32 and for 64 columns.
constexpr double otherRegisters = 20, earlyPart = 0.5;
/// Of a multiprocessor, which hide each other's instruction latencies. Assumed.
constexpr double enoughWarps = 24;

/// From one block's start to the next one's, on the whole machine. An H200 took 82.5 to 83.7 us for three kernels with
/// 65536 blocks each, whatever was in them, where the memory would have needed 64 (bench/results/2026-11-27-h200.md):
/// 1.25 ns, if that is what bounds them. An H100 with less bandwidth did not show it.
constexpr double startCycles = 2;
/// A block's place is empty for so long, from the last one's end to the first instruction. Assumed.
constexpr double placeCycles = 500;
/// Of one reduction: shuffles of a warp; with a barrier and shared memory. Assumed, from instruction latencies.
constexpr double shuffleCycles = 150, barrierCycles = 250;
/// Instructions of a warp beside those of its elements; of a reduction within a warp, and across warps.
constexpr double warpInstructions = 60, shuffleInstructions = 10, crossInstructions = 20;
/// Of what goes on beside the slowest, the part that it does not hide. Assumed.
constexpr double unhidden = 0.1;
/// Of the memory's bandwidth one multiprocessor draws so many times its share at most. Assumed.
constexpr double mostShare = 2;
/// Rows whose number only the run knows are expected to be so many.
constexpr int64_t usualRows = 1024;
/// What a block of several rows must gain: a row for each block serves few rows best.
constexpr double leastGain = 0.03;

/// Shared memory that a block has beside its ring, for reductions; that the machine takes for itself.
constexpr int64_t otherShared = 1024, systemShared = 1024;
/// Of a row in pieces: instructions of a loop's step, and what a reduction across 32 warps takes.
constexpr double stepInstructions = 20, waitCycles = 400;
constexpr int64_t mostPieces = 16;

constexpr double lanesPerCycle = 128, schedulers = 4;

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
} // namespace

int64_t warpsOfRow(int64_t columns) {
  int64_t warps = 1;
  while (warps < usualWarps && warps * 32 * elementsPerLane < columns)
    warps *= 2;
  return warps;
}

/// What a lane holds of a block's rows.
static double perLane(const GpuRowBlock &block, const GpuRowShape &shape) {
  int64_t along = block.rows == 1 ? block.warps : 1;
  int64_t padded = ceilDiv(shape.columns, shape.vector * 32 * along) * shape.vector * 32 * along;
  return double(block.rows * padded) / double(32 * block.warps);
}

double rowBlockCycles(const GpuRowBlock &block, const GpuRowShape &shape, const GpuMachine &machine) {
  int64_t rows = shape.rows.value_or(usualRows), blocks = ceilDiv(rows, block.rows), threads = 32 * block.warps;
  double elements = perLane(block, shape);
  double columns = block.rows == 1 ? elements : elements / double(ceilDiv(block.rows, block.warps));
  int64_t registers =
      int64_t(std::ceil((otherRegisters + elements + earlyPart * shape.sharedBytes / 4 * columns) / 8)) * 8;
  int64_t resident = std::max<int64_t>(
      1, std::min({mostBlocks, machine.threads / threads, machine.registers / (registers * threads)}));
  double used = double(std::min(blocks, machine.multiprocessors));
  double memory = double(rows) * shape.rowBytes / machine.memoryBytesPerCycle /
                  std::min(1.0, mostShare * used / double(machine.multiprocessors));
  double start = double(blocks) * startCycles;
  bool isAcross = block.rows == 1 && block.warps > 1;
  double ofWarp =
      warpInstructions + double(shape.reductions) * (shuffleInstructions + (isAcross ? crossInstructions : 0));
  double issue = double(blocks * block.warps) * (shape.instructions * elements + ofWarp) / schedulers / used *
                 std::max(1.0, enoughWarps / double(resident * block.warps));
  double alone = machine.copyLatency + placeCycles +
                 double(shape.reductions) * (isAcross ? barrierCycles : shuffleCycles) +
                 shape.instructions * elements * std::max(1.0, double(block.warps) / schedulers);
  double chain = alone * std::max(1.0, double(blocks) / double(machine.multiprocessors * resident));
  double slowest = std::max({memory, start, issue, chain});
  return slowest + unhidden * (memory + start + issue + chain - slowest);
}

GpuRowBlock chooseRowBlock(const GpuRowShape &shape, const GpuMachine &machine) {
  GpuRowBlock best{1, warpsOfRow(shape.columns)};
  double least = rowBlockCycles(best, shape, machine) * (1 - leastGain);
  for (int64_t ofWarp : {1, 2})
    for (int64_t warps = 1; warps <= usualWarps; warps *= 2) {
      GpuRowBlock block{ofWarp * warps, warps};
      if (block.rows == 1 || (shape.mostRows && block.rows > *shape.mostRows) ||
          perLane(block, shape) > double(mostPerLane))
        continue;
      if (double cycles = rowBlockCycles(block, shape, machine); cycles < least) {
        least = cycles;
        best = block;
      }
    }
  if (best.rows > 1 && shape.rows) {
    double memory = double(*shape.rows) * shape.rowBytes / machine.memoryBytesPerCycle;
    best.reason = std::to_string(best.rows) + " rows in a block of " + std::to_string(best.warps) +
                  " warps: " + std::to_string(std::lround(100 * memory / least)) +
                  " % of the memory's bandwidth expected";
  } else if (best.rows > 1) {
    best.reason = std::to_string(best.rows) + " rows in a block of " + std::to_string(best.warps) + " warps";
  }
  return best;
}

std::optional<GpuRowRing> chooseRowRing(const GpuRowShape &shape, const GpuMachine &machine) {
  std::optional<GpuRowRing> best;
  double passes = double(shape.reductions) + 1, columns = double(shape.columns);
  double bytesPerCycle = machine.memoryBytesPerCycle / double(machine.multiprocessors);
  auto price = [&](GpuRowRing &ring) {
    int64_t bytes = ring.piece() * shape.keptBytes;
    double issue = shape.instructions * columns / lanesPerCycle +
                   passes * double(ceilDiv(shape.columns, ring.piece()) * ring.warps) * stepInstructions / schedulers;
    double waits = double(shape.reductions) * waitCycles;
    // What is not kept is read again from the L2 cache, if its halves have room for the rows of all blocks.
    double left = double((shape.columns - ring.kept * ring.piece()) * shape.keptBytes), again = (passes - 1) * left;
    bool fitsL2 = left * double(ring.resident * machine.multiprocessors) <= double(machine.l2Bytes) / 2;
    double transfer = (shape.rowBytes + again) / machine.l2BytesPerCycle;
    ring.memoryCycles = shape.rowBytes / bytesPerCycle;
    double memory = ring.memoryCycles + (fitsL2 ? 0 : again / bytesPerCycle);
    // Until the stores give places back, only what has a free one is on its way, and never more than a row's kept
    // pieces; a second block fills half of the gap.
    double beforeStores = issue * (passes - 1) / passes + waits;
    double ahead = double(std::min(ring.pieces - ring.kept, ring.kept) * bytes) / bytesPerCycle;
    double idle = std::max(0.0, beforeStores - ahead) / double(ring.resident);
    double compute = issue + waits / double(ring.resident) + again / machine.l2BytesPerCycle;
    double slowest = std::max({memory + idle, compute, transfer});
    ring.cycles = slowest + unhidden * compute;
  };
  for (int64_t resident : {1, 2})
    for (int64_t perLane : {16, 8, 4}) {
      GpuRowRing ring;
      ring.resident = resident;
      ring.warps = 32 / resident;
      ring.perLane = perLane;
      int64_t room = (machine.sharedBytes + systemShared) / resident - systemShared - otherShared;
      int64_t bytes = ring.piece() * shape.keptBytes;
      if (!bytes || perLane % shape.vector)
        continue;
      ring.pieces = std::min(room / bytes, mostPieces);
      for (ring.kept = std::min(shape.columns / ring.piece(), ring.pieces); ring.kept > 0; --ring.kept) {
        price(ring);
        if (!best || ring.cycles < best->cycles)
          best = ring;
      }
    }
  if (best)
    best->reason = "a ring of " + std::to_string(best->pieces) + " pieces of " + std::to_string(best->piece()) +
                   " elements in shared memory keeps " + std::to_string(best->kept) + " of a row's " +
                   std::to_string(ceilDiv(shape.columns, best->piece())) + "; " +
                   std::to_string(std::lround(100 * best->memoryCycles / best->cycles)) +
                   " % of the memory's bandwidth expected";
  return best;
}

} // namespace bessemer
