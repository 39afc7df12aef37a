// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Lower/Gpu/Shuffle.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

/// The value of the lane whose number differs in one bit. Words of 32 bits are
/// shuffled; wider values in two of them.
Value bessemer::gpu::shuffleButterfly(ImplicitLocOpBuilder &b, Value value, int64_t laneBit) {
  Type type = value.getType(), i32 = b.getI32Type(), i64 = b.getI64Type();
  unsigned bits = type.getIntOrFloatBitWidth();
  auto constant = [&](int64_t v) { return Value(arith::ConstantOp::create(b, b.getI32IntegerAttr(v))); };
  auto swap = [&](Value word) -> Value {
    return NVVM::ShflOp::create(b, word.getType(), constant(-1), word, constant(laneBit), constant(31),
                                NVVM::ShflKind::bfly, UnitAttr());
  };
  if (bits == 32)
    return swap(value);
  Type integer = b.getIntegerType(bits);
  Value word = type == integer ? value : Value(arith::BitcastOp::create(b, integer, value));
  if (bits < 32) {
    word = arith::TruncIOp::create(b, integer, swap(arith::ExtUIOp::create(b, i32, word)));
  } else {
    Value shift = arith::ConstantOp::create(b, b.getI64IntegerAttr(32));
    Value low = swap(arith::TruncIOp::create(b, i32, word));
    Value high = swap(arith::TruncIOp::create(b, i32, arith::ShRUIOp::create(b, word, shift)));
    word = arith::OrIOp::create(b, arith::ExtUIOp::create(b, i64, low),
                                arith::ShLIOp::create(b, arith::ExtUIOp::create(b, i64, high), shift));
  }
  return type == integer ? word : Value(arith::BitcastOp::create(b, type, word));
}
