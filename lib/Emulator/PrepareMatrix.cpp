// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ldmatrix and mma.sync. Which lane holds what: PTX ISA, "Matrix Fragments for
// mma.m16n8k16" and its neighbours; the layouts of lib/Algorithms say the same
// and the tests hold the two against each other.
//
// Products are exact and summed in double, then added to the accumulator and
// rounded once: the hardware sums with fewer bits, in an order of its own.
#include "lib/Emulator/Lanes.h"
#include "lib/Emulator/Launch.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bessemer::emulator;

namespace {
bool checkWholeWarp(Warp &warp, const Inst &inst) {
  if (warp.mask == ~0u)
    return true;
  char text[96];
  std::snprintf(text, sizeof text, "expected all lanes to come, got 0x%08x", warp.mask);
  warp.report(FindingKind::BarrierDivergence, inst, text);
  return false;
}

// ---- ldmatrix. a: addresses; list: one slot for each matrix; imm: 1 when
// transposed.
void runLdMatrix(Warp &warp, const Inst &inst) {
  if (!checkWholeWarp(warp, inst))
    return;
  const uint32_t *list = warp.kernel->lists.data() + inst.list;
  const uint64_t *addresses = warp.lanes<uint64_t>(inst.a);
  MemoryAccess access;
  access.space = Space::Shared;
  access.bytes = access.alignment = 16;
  for (uint32_t matrix = 0; matrix < inst.count; ++matrix) {
    std::array<uint8_t *, 32> host;
    access.resolve(warp, inst, 0xffu << 8 * matrix, addresses, host);
    uint16_t rows[8][8] = {};
    for (unsigned row = 0; row < 8; ++row)
      if (host[8 * matrix + row])
        std::memcpy(rows[row], host[8 * matrix + row], 16);
    uint32_t *d = warp.lanes<uint32_t>(list[matrix]);
    for (unsigned l = 0; l < 32; ++l) {
      unsigned row = l / 4, column = 2 * (l % 4);
      uint16_t low = inst.imm ? rows[column][row] : rows[row][column];
      uint16_t high = inst.imm ? rows[column + 1][row] : rows[row][column + 1];
      d[l] = low | uint32_t(high) << 16;
    }
  }
}

bool emitLdMatrix(Preparer &p, NVVM::LdMatrixOp op) {
  if (op.getShape().getM() != 8 || op.getShape().getN() != 8 || op.getEltType() != NVVM::LdStMatrixEltType::B16)
    return p.fail(op, "expected ldmatrix of 8 x 8 elements of 16 bits");
  SmallVector<Slot> d(p.defineNew(op, op.getRes()));
  Inst &inst = p.emit(op, runLdMatrix);
  inst.a = p.slot(op.getPtr());
  inst.list = p.addList(d);
  inst.count = d.size();
  inst.imm = op.getLayout() == NVVM::MMALayout::col;
  return true;
}

// ---- mma.sync
enum class Operand { F16, BF16, TF32 };

/// Element `e` of lane `l` of a fragment: (row, column) for a of m16 x k,
/// (k, n) for b. 16-bit elements come in neighbours along k.
std::pair<unsigned, unsigned> placeA(bool narrow, unsigned l, unsigned e) {
  unsigned group = l / 4, thread = l % 4;
  if (narrow)
    return {group + 8 * (e / 2 % 2), 2 * thread + e % 2 + 8 * (e / 4)};
  return {group + 8 * (e % 2), thread + 4 * (e / 2)};
}
std::pair<unsigned, unsigned> placeB(bool narrow, unsigned l, unsigned e) {
  unsigned group = l / 4, thread = l % 4;
  if (narrow)
    return {2 * thread + e % 2 + 8 * (e / 2), group};
  return {thread + 4 * e, group};
}
std::pair<unsigned, unsigned> placeC(unsigned l, unsigned e) { return {l / 4 + 8 * (e / 2), 2 * (l % 4) + e % 2}; }

/// Element e of a list of slots: a slot of its own, or half of a word.
template <Operand O> double elementOf(Warp &warp, const uint32_t *slots, bool packed, unsigned l, unsigned e) {
  if constexpr (O == Operand::TF32)
    return std::bit_cast<float>(warp.lanes<uint32_t>(slots[e])[l] & 0xffffe000);
  uint16_t bits = packed ? static_cast<uint16_t>(warp.lanes<uint32_t>(slots[e / 2])[l] >> 16 * (e % 2))
                         : warp.lanes<uint16_t>(slots[e])[l];
  return O == Operand::F16 ? halfToFloat(bits) : bfloatToFloat(bits);
}

// list: slots of a, b, c, d. imm: k; bits 8..: slots of a, of b; bit 24: packed
// words, bit 25: accumulators are f16.
template <Operand O> void runMma(Warp &warp, const Inst &inst) {
  if (!checkWholeWarp(warp, inst))
    return;
  unsigned depth = inst.imm & 0xff, countA = inst.imm >> 8 & 0xff, countB = inst.imm >> 16 & 0xff;
  bool packed = inst.imm >> 24 & 1, half = inst.imm >> 25 & 1;
  constexpr bool narrow = O != Operand::TF32;
  const uint32_t *slotsA = warp.kernel->lists.data() + inst.list, *slotsB = slotsA + countA, *slotsC = slotsB + countB,
                 *slotsD = slotsC + 4;
  double a[16][16], b[16][8];
  for (unsigned l = 0; l < 32; ++l) {
    for (unsigned e = 0; e < depth / 2; ++e) {
      auto [row, k] = placeA(narrow, l, e);
      a[row][k] = elementOf<O>(warp, slotsA, packed, l, e);
    }
    for (unsigned e = 0; e < depth / 4; ++e) {
      auto [k, column] = placeB(narrow, l, e);
      b[k][column] = elementOf<O>(warp, slotsB, packed, l, e);
    }
  }
  double sums[16][8] = {};
  for (unsigned row = 0; row < 16; ++row)
    for (unsigned k = 0; k < depth; ++k)
      for (unsigned column = 0; column < 8; ++column)
        sums[row][column] += a[row][k] * b[k][column];
  for (unsigned l = 0; l < 32; ++l)
    for (unsigned e = 0; e < 4; ++e) {
      auto [row, column] = placeC(l, e);
      if (half)
        warp.lanes<uint16_t>(slotsD[e])[l] =
            floatToHalf(static_cast<float>(halfToFloat(warp.lanes<uint16_t>(slotsC[e])[l]) + sums[row][column]));
      else
        warp.lanes<float>(slotsD[e])[l] = static_cast<float>(warp.lanes<float>(slotsC[e])[l] + sums[row][column]);
    }
}

bool emitMma(Preparer &p, NVVM::MmaOp op) {
  auto shape = op.getShape();
  unsigned depth = shape.getK();
  std::optional<NVVM::MMATypes> type = op.getMultiplicandAPtxType();
  Handler run = nullptr;
  if (type == NVVM::MMATypes::f16 && (depth == 16 || depth == 8))
    run = runMma<Operand::F16>;
  else if (type == NVVM::MMATypes::bf16 && (depth == 16 || depth == 8))
    run = runMma<Operand::BF16>;
  else if (type == NVVM::MMATypes::tf32 && (depth == 8 || depth == 4))
    run = runMma<Operand::TF32>;
  if (!run || shape.getM() != 16 || shape.getN() != 8 || op.getLayoutA() != NVVM::MMALayout::row ||
      op.getLayoutB() != NVVM::MMALayout::col)
    return p.fail(op, "expected mma.sync m16n8 of f16, bf16 or tf32, row by column");
  SmallVector<uint32_t> list;
  auto append = [&](ValueRange values) {
    size_t before = list.size();
    for (Value value : values)
      llvm::append_range(list, p.slots(value));
    return static_cast<unsigned>(list.size() - before);
  };
  unsigned countA = append(op.getOperandA()), countB = append(op.getOperandB()), countC = append(op.getOperandC());
  if (countC != 4)
    return p.fail(op, "expected four accumulators");
  bool packed = p.laneOf(list[0]) == Lane::I32, half = p.laneOf(list[countA + countB]) == Lane::F16;
  SmallVector<Slot> d(p.defineNew(op, op.getRes()));
  list.append(d.begin(), d.end());
  Inst &inst = p.emit(op, run);
  inst.list = p.addList(list);
  inst.count = list.size();
  inst.imm = depth | countA << 8 | countB << 16 | (packed ? 1 << 24 : 0) | (half ? 1 << 25 : 0);
  return true;
}
} // namespace

bool bessemer::emulator::prepareMatrix(Preparer &p, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<NVVM::LdMatrixOp>([&](NVVM::LdMatrixOp load) { return emitLdMatrix(p, load); })
      .Case<NVVM::MmaOp>([&](NVVM::MmaOp mma) { return emitMma(p, mma); })
      .Default([](Operation *) { return false; });
}
