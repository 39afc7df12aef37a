// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operands of products that lie in memory as float8 and in shared memory as f16 or
// bf16. The conversion is exact. From sm_89 on an instruction makes two f16 of two
// float8; else it is integer arithmetic on pairs: sign and magnitude of a float8
// move to where the wider format has them, and a multiplication by a power of two
// makes up for the other bias, denormal numbers included. What the format says of
// its largest exponents (e4m3: all ones is NaN; e5m2: infinity and NaN) becomes all
// ones in the wider exponent before.
#include "passes/Lower/Gpu/GpuExpander.h"

#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <cmath>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

/// NVIDIA, PTX ISA, "cvt": .e4m3x2 and .e5m2x2 to .f16x2.
static constexpr int64_t firstWithConversion = 89;

GpuExpander::Registers GpuExpander::fetchNarrow(const SharedCopy &copy, Value base, Value step, Value exists) {
  copiesWiden = true;
  Registers words;
  Value wanted = both(isOwner(copy.layout), exists);
  Type word = b.getIntegerType(8 * copy.vector);
  eachAccess(copy, base, step,
             [&](Value from, Value, Value guard) { words.push_back(read(from, word, 1, both(wanted, guard))[0]); });
  return words;
}

void GpuExpander::storeNarrow(const SharedCopy &copy, Value base, Value step, const Registers &words) {
  guarded(isOwner(copy.layout), [&] {
    const Value *word = words.begin();
    eachAccess(copy, base, step, [&](Value, Value to, Value) {
      LLVM::StoreOp::create(b, widenFloat8(*word++, copy.vector, copy.narrow, copy.tile.element), to,
                            copy.vector * copy.tile.elementBytes());
    });
  });
}

Value GpuExpander::widenFloat8(Value word, int64_t count, Type from, Type to) {
  Type i32 = b.getI32Type();
  auto pairType = VectorType::get({2}, to);
  bool isE4m3 = isa<Float8E4M3FNType>(from), isBrain = to.isBF16();
  auto constant = [&](uint32_t value) {
    return Value(arith::ConstantOp::create(b, b.getI32IntegerAttr(static_cast<int32_t>(value))));
  };
  auto masked = [&](Value x, uint32_t mask) { return Value(arith::AndIOp::create(b, x, constant(mask))); };
  auto right = [&](Value x, uint32_t bits) { return Value(arith::ShRUIOp::create(b, x, constant(bits))); };
  // Two float8 in the high bytes of the two halves of a word.
  auto widenPair = [&](Value highBytes) -> Value {
    if (!isE4m3 && !isBrain) // e5m2 is the high byte of f16
      return LLVM::BitcastOp::create(b, pairType, highBytes);
    int fromBias = isE4m3 ? 7 : 15, toBias = isBrain ? 127 : 15;
    uint32_t exponentShift = isBrain ? (isE4m3 ? 4 : 3) : 1;
    Value magnitude = masked(highBytes, 0x7f007f00);
    Value bits = arith::OrIOp::create(b, masked(highBytes, 0x80008000), right(magnitude, exponentShift));
    // The sign bit of a half, where the magnitude is not a finite number's; then all ones in its exponent, and of e4m3,
    // where that is a NaN, in the highest bit of the mantissa.
    Value special = masked(arith::AddIOp::create(b, magnitude, constant(isE4m3 ? 0x01000100 : 0x04000400)), 0x80008000);
    Value ones = arith::SubIOp::create(b, special, right(special, !isE4m3 ? 8 : isBrain ? 9 : 6));
    bits = arith::OrIOp::create(b, bits, ones);
    Value pair = LLVM::BitcastOp::create(b, pairType, bits);
    auto both = [&](double value) {
      return Value(arith::ConstantOp::create(b, DenseElementsAttr::get(pairType, b.getFloatAttr(to, value))));
    };
    // sm_80 has no multiplication of bf16 alone.
    Value factor = both(std::ldexp(1.0, toBias - fromBias));
    return isBrain ? Value(math::FmaOp::create(b, pair, factor, both(-0.0)))
                   : Value(arith::MulFOp::create(b, pair, factor));
  };

  Type wide = b.getIntegerType(std::max<int64_t>(32, 8 * count));
  if (word.getType() != wide)
    word = arith::ExtUIOp::create(b, wide, word);
  SmallVector<Value> elements;
  auto take = [&](Value pair, int64_t i) { elements.push_back(vector::ExtractOp::create(b, pair, i)); };
  for (int64_t first = 0; first < count; first += 4) {
    Value four = word;
    if (first)
      four = arith::ShRUIOp::create(b, word, arith::ConstantOp::create(b, b.getIntegerAttr(wide, 8 * first)));
    if (wide != i32)
      four = arith::TruncIOp::create(b, i32, four);
    if (machine.architecture >= firstWithConversion && !isBrain) {
      for (int64_t i = 0; i < 4; i += 2) {
        Value two = arith::TruncIOp::create(b, b.getI16Type(), i ? right(four, 16) : four);
        two = LLVM::BitcastOp::create(b, VectorType::get({2}, b.getI8Type()), two);
        Value pair = NVVM::ConvertF8x2ToF16x2Op::create(b, pairType, two, false, from);
        take(pair, 0);
        take(pair, 1);
      }
      continue;
    }
    Value even = widenPair(arith::ShLIOp::create(b, masked(four, 0x00ff00ff), constant(8)));
    Value odd = widenPair(masked(four, 0xff00ff00));
    for (int64_t i = 0; i < 2; ++i) {
      take(even, i);
      take(odd, i);
    }
  }
  elements.resize(count);
  return count > 1 ? Value(vector::FromElementsOp::create(b, VectorType::get({count}, to), elements)) : elements[0];
}
