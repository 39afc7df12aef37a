// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How the threads of a block take a tile from one layout to another: a plan,
// from the algebra of the two layouts alone. Three means, the cheapest that can
// do it is taken:
//
//   registers   each lane has what it wants: registers are renamed
//   shuffles    each warp has what it wants: lanes exchange words
//   shared      through shared memory, swizzled so that neither the stores nor
//               the loads meet in a bank
//
// Shuffles. What a target place (register r, lane l) wants lies at source place
// (s, m), both linear over bits: s = Sr r + Sl l, m = Mr r + Ml l. A shuffle
// moves one word of each lane, so in a round each source lane may offer one
// register only. Choose Z so that Y = Ml + Mr Z is invertible (there is one: the
// map is onto) and count rounds by r' = r + Z l. Then m = Mr r' + Y l, and the
// register that lane m offers in round r' is (a constant of r') + T m, with
// T = (Sl + Sr Z) / Y. So: registers trade places by T m, a shuffle for each r',
// registers trade places by Z l. A trade is a select for each register.
//
// Shared memory. V: bits that lie in registers on both sides, at most 16 bytes:
// one access. Lanes of one pass over the banks must not differ in a multiple of
// 128 bytes, so the bits of the address above those, H, must meet the span of
// the source's lanes only in 0, and that of the target's. Two subspaces of one
// size have a common complement: of bases a and b beyond what they share it is
// the sums a_i + b_i, and what neither reaches. So both sides are free of bank
// conflicts, always. (After "Linear Layouts", arXiv:2505.23819.)
//
// Worked example: 8 x 4 floats, a row in each lane, to a column in each lane of
// four: registers and lanes trade places.
//
//   auto plan = planConversion(*TileLayout::parse(
//       "{register = [[0, 1], [0, 2]], lane = [[1, 0], [2, 0], [4, 0]]} -> {row = 8, col = 4}"),
//       *TileLayout::parse(
//       "{register = [[1, 0], [2, 0]], lane = [[0, 1], [0, 2], [4, 0]]} -> {row = 8, col = 4}"), 32);
//   plan->kind;                        // Shuffles
//   plan->exchange.before;             // {lanes 1, registers 1}, {2, 2}
//   plan->exchange.rounds[1].laneXor;  // 1: from the lane whose number differs in bit 0
//   plan->reason;   // "3 shuffles and 16 selects: 11 cycles; through shared memory, 4 bytes an access: 48 cycles"

#ifndef BESSEMER_ALGORITHMS_LAYOUTCONVERSION_H
#define BESSEMER_ALGORITHMS_LAYOUTCONVERSION_H

#include "bessemer/Algorithms/TileLayout.h"

namespace bessemer {

/// What the means cost, in cycles of a multiprocessor for a warp.
struct ConversionCosts {
  double select = 0.5;        ///< 64 lanes a cycle
  double shuffle = 1;         ///< 32 lanes a cycle
  double sharedPass = 1;      ///< 128 bytes a cycle
  double sharedLatency = 60;  ///< stores, a barrier of the block, loads
  double perWarpLatency = 40; ///< the same, when a warp waits for itself alone
};

/// Of the words of a lane, word i trades places with word i ^ `registers`, in
/// lanes where the number of common bits of `lanes` and the lane is odd.
struct RegisterTrade {
  uint32_t lanes = 0;
  uint64_t registers = 0;
  bool operator==(const RegisterTrade &) const = default;
};

/// Words (of `packed` elements) between the lanes of a warp.
struct WarpExchange {
  int64_t packed = 1; ///< elements of a word
  /// Word w of the start is made of source registers words[w * packed ...];
  /// registers of the part (see ConversionPart).
  std::vector<int64_t> source;
  std::vector<RegisterTrade> before;
  struct Round {
    int64_t word = 0;     ///< that each lane offers
    uint32_t laneXor = 0; ///< lane l reads that of lane laneOf(l) ^ laneXor
    bool moves = true;    ///< false: each lane's own word does; no shuffle
  };
  /// Round i gives word i.
  std::vector<Round> rounds;
  /// laneOf: the sum of the columns of the lane's set bits.
  std::vector<uint32_t> laneColumns;
  std::vector<RegisterTrade> after;
  /// Element e of the words is target register target[e]; -1: not wanted.
  std::vector<int64_t> target;

  int64_t words() const { return static_cast<int64_t>(rounds.size()); }
  bool lanesStay() const; ///< laneOf(l) == l
};

/// An address in shared memory, in elements from the part's begin, is the sum
/// (exclusive or) of an access's `offset` and the columns of the lane's and
/// warp's bits.
struct SharedAccess {
  int64_t offset = 0;
  /// For each element of the access, its registers (of a source: one).
  std::vector<std::vector<int64_t>> registers;
};
struct SharedSide {
  std::vector<int64_t> laneColumns, warpColumns;
  /// Only lanes and warps without these bits take part: others hold copies.
  uint32_t lanesOff = 0, warpsOff = 0;
  std::vector<SharedAccess> accesses;
};
struct SharedExchange {
  int64_t vector = 1;   ///< elements of an access
  int64_t elements = 0; ///< of a part in memory
  bool perWarp = false; ///< each warp reads what it wrote: no barrier of the block
  SharedSide stores, loads;
};

/// A tile whose sizes are no powers of two is converted in parts that are.
struct ConversionPart {
  std::vector<int64_t> source, target; ///< register of the part -> of the tile
};

struct LayoutConversion {
  enum class Kind { Registers, Shuffles, Shared };
  Kind kind = Kind::Registers;
  WarpExchange exchange; ///< of a part, unless Shared
  SharedExchange shared; ///< of a part, when Shared
  std::vector<ConversionPart> parts;
  int64_t targetRegisters = 0; ///< of the tile
  double cycles = 0;           ///< of a warp, all parts
  std::string reason;
};

/// Outputs are matched by position. Elements of 8 to 64 bits. Blocks share no
/// memory, so the bases of an input "block" must be equal. Nullopt and `*error`
/// when shapes differ or an input is none of register, lane, warp, block.
std::optional<LayoutConversion> planConversion(const TileLayout &from, const TileLayout &to, unsigned elementBits,
                                               const ConversionCosts &costs = {}, std::string *error = nullptr);
/// The same, but through shared memory whatever it costs.
std::optional<LayoutConversion> planSharedConversion(const TileLayout &from, const TileLayout &to, unsigned elementBits,
                                                     const ConversionCosts &costs = {}, std::string *error = nullptr);

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_LAYOUTCONVERSION_H
