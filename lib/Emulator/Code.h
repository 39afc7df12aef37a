// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The form in which kernels run: made once from MLIR (Prepare.h), then plain
// C++. A scalar SSA value is a slot: 32 lanes, dense, in 256 bytes of the
// warp's frame. Vectors and structs are lists of slots, so taking them apart
// and putting them together costs nothing at run time, and elementwise ops on
// vectors are one instruction for each element.
#pragma once

#include "bessemer/Emulator/Emulator.h"

#include <string>
#include <vector>

namespace bessemer::emulator {

struct Warp;
using Slot = uint32_t;
constexpr Slot noSlot = ~0u;
constexpr uint32_t noBlock = ~0u;
constexpr size_t slotBytes = 256;

/// What a lane of a slot is. Stored as uint8_t, uint16_t, uint32_t, uint64_t,
/// float or double.
enum class Lane : uint8_t { I1, I8, I16, I32, I64, F16, BF16, F32, F64, Ptr };
unsigned laneBytes(Lane lane);

enum class Space : uint8_t { Generic = 0, Global = 1, Shared = 3, Constant = 4, Local = 5 };

struct Inst {
  void (*run)(Warp &, const Inst &) = nullptr;
  Slot dst = noSlot, a = noSlot, b = noSlot, c = noSlot;
  int64_t imm = 0;
  uint32_t list = 0,
           count = 0; ///< a stretch of Kernel::lists; what it holds is up to `run`
  uint32_t site = 0;  ///< of Kernel::sites
};

/// One op of the source, for messages.
struct Site {
  std::string op;
  const void *location = nullptr; ///< mlir::Location, opaque
};

/// Values that travel along an edge of the control flow graph.
struct Edge {
  uint32_t target = 0;
  uint32_t copies = 0, count = 0; ///< of Kernel::lists: `count` pairs (from,
                                  ///< to), then their widths in bytes
};

struct Block {
  uint32_t begin = 0;               ///< first instruction
  uint32_t postDominator = noBlock; ///< immediate; noBlock: the exit
};

struct Kernel {
  KernelInfo info;
  std::vector<Inst> code;
  std::vector<Block> blocks;
  std::vector<Edge> edges;
  std::vector<uint32_t> lists;
  std::vector<Site> sites;
  std::vector<Slot> parameters;
  std::vector<Lane> parameterLanes;
  /// (slot, value) of constants: all lanes of it, written once to each frame.
  struct Constant {
    Slot slot;
    Lane lane;
    uint64_t bits;
  };
  std::vector<Constant> constants;
  uint32_t slots = 0;
  uint32_t localBytes = 0;  ///< of a thread: its allocas
  uint32_t sharedBytes = 0; ///< static; dynamic shared memory follows
  bool waits = false;       ///< for earlier launches, before it touches what they do (griddepcontrol.wait)
};

} // namespace bessemer::emulator
