// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The program section of an artifact. CBOR, everything an array of fixed length:
//
//   program      [target, triple, [feature...], [expression...], [kernel...],
//                 [constant...], [weight...], [function...], [guard...]]
//   expression   its canonical text; E below is an index in that list
//   kernel       [symbol, kind, reason, E flops, E bytes]
//   constant     [dtype, [dim...], offset, size]      in the constants section
//   weight       [name, dtype, [dim...], file, offset, length, encoding, hash,
//                 function, result, [from...], temporary]
//   function     [name, [argument...], [argument...], [buffer...], block, frame]
//                 frame: bytes, or null
//   argument     [name, dtype, [E...]]
//   buffer       [name, dtype, [E...], kind, index, E offset, device, space,
//                 lower, upper, offset or null]
//   block        [instruction...]
//   instruction  [code, provenance, fields of the op in the order of Program.h]
//
// dtypes and kinds are the numbers of their enums, codes the position in
// Instruction::op.
#pragma once

#include "bessemer/Runtime/Program.h"
#include "bessemer/Runtime/Status.h"

#include <cstdint>
#include <span>
#include <vector>

namespace bessemer::runtime {

/// `constants` is the section of that name. The code stays out.
Status encodeProgram(const Program &program, std::vector<uint8_t> &cbor, std::vector<uint8_t> &constants);

Status decodeProgram(std::span<const uint8_t> cbor, std::span<const uint8_t> constants, Program &program);

/// Looks through CBOR before a parser does: definite lengths only, no tags, at
/// most `maxDepth` levels, every length within the input, and nothing behind the
/// one value. What passes cannot make a parser recurse or allocate without bound.
Status scanCbor(std::span<const uint8_t> bytes, int maxDepth = 400);

} // namespace bessemer::runtime
