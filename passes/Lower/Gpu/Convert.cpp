// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tile.convert, as its plan says: registers, shuffles, shared memory.
#include "passes/Lower/Gpu/GpuExpander.h"

#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

LogicalResult GpuExpander::expandConvert(tile::ConvertOp op) {
  FailureOr<TileLayout> from = layoutOf(op, op.getX()), to = layoutOf(op, op.getTile());
  if (failed(from) || failed(to))
    return failure();
  Type element = cast<RankedTensorType>(op.getX().getType()).getElementType();
  std::string error;
  std::optional<LayoutConversion> plan =
      planConversion(*from, *to, storageType(element).getIntOrFloatBitWidth(), {}, &error);
  if (!plan)
    return op.emitError("no conversion between the layouts: ") << error;
  Registers result(plan->targetRegisters);
  const Registers &source = tiles[op.getX()];
  if (plan->kind == LayoutConversion::Kind::Shared) {
    convertThroughShared(*plan, source, element, result);
  } else {
    for (const ConversionPart &part : plan->parts) {
      Registers inPart;
      for (int64_t reg : part.source)
        inPart.push_back(source[reg]);
      Registers converted = exchangeWords(plan->exchange, inPart, element);
      for (auto [value, reg] : llvm::zip(converted, plan->exchange.target))
        if (reg >= 0)
          result[part.target[reg]] = value;
    }
    // A store behind it may overwrite, in place, what another lane of the warp has read.
    const WarpExchange &exchange = plan->exchange;
    if (!exchange.before.empty() || !exchange.after.empty() ||
        llvm::any_of(exchange.rounds, [](const WarpExchange::Round &round) { return round.moves; }))
      NVVM::SyncWarpOp::create(b, arith::ConstantOp::create(b, b.getI32IntegerAttr(-1)));
  }
  tiles[op.getTile()] = std::move(result);
  return success();
}

Value GpuExpander::isOdd(uint32_t lanes) {
  // The columns of a number that has bit 0 set for each of the lanes' bits.
  ThreadColumns columns;
  for (unsigned bit = 0; bit < 5; ++bit)
    columns.lane.push_back(lanes >> bit & 1);
  return arith::TruncIOp::create(b, b.getI1Type(), threadSum(columns));
}

/// Elements in words of 32 bits (64: of two), in the order of the plan's
/// target.
GpuExpander::Registers GpuExpander::exchangeWords(const WarpExchange &plan, const Registers &part, Type element) {
  bool moves = llvm::any_of(plan.rounds, [](const WarpExchange::Round &round) { return round.moves; });
  if (!moves && plan.before.empty() && plan.after.empty()) {
    Registers renamed;
    for (int64_t word = 0; word < plan.words(); ++word)
      for (int64_t e = 0; e < plan.packed; ++e)
        renamed.push_back(part[plan.source[plan.rounds[word].word * plan.packed + e]]);
    return renamed;
  }
  Type i32 = b.getI32Type();
  unsigned bits = storageType(element).getIntOrFloatBitWidth();
  Type integer = b.getIntegerType(bits);
  auto toInteger = [&](Value value) -> Value {
    if (element.isInteger(1))
      return arith::ExtUIOp::create(b, integer, value);
    return value.getType() == integer ? value : Value(arith::BitcastOp::create(b, integer, value));
  };
  auto fromInteger = [&](Value value) -> Value {
    if (element.isInteger(1))
      return arith::TruncIOp::create(b, element, value);
    return element == integer ? value : Value(arith::BitcastOp::create(b, element, value));
  };
  // A word is a list of 32-bit pieces.
  using Word = SmallVector<Value, 2>;
  SmallVector<Word> words(plan.words());
  for (size_t e = 0; e < plan.source.size(); ++e) {
    Word &word = words[e / plan.packed];
    Value value = toInteger(part[plan.source[e]]);
    if (bits == 64) {
      Value high = arith::ShRUIOp::create(b, value, arith::ConstantOp::create(b, b.getI64IntegerAttr(32)));
      word = {arith::TruncIOp::create(b, i32, value), arith::TruncIOp::create(b, i32, high)};
      continue;
    }
    value = bits == 32 ? value : Value(arith::ExtUIOp::create(b, i32, value));
    if (int64_t place = e % plan.packed)
      value = arith::OrIOp::create(
          b, word[0], arith::ShLIOp::create(b, value, arith::ConstantOp::create(b, b.getI32IntegerAttr(place * bits))));
    word = {value};
  }
  auto trade = [&](const std::vector<RegisterTrade> &trades, SmallVector<Word> &list) {
    for (const RegisterTrade &t : trades) {
      Value odd = isOdd(t.lanes);
      SmallVector<Word> old = list;
      for (size_t i = 0; i < list.size(); ++i)
        for (auto [piece, other, own] : llvm::zip(list[i], old[i ^ t.registers], old[i]))
          piece = arith::SelectOp::create(b, odd, other, own);
    }
  };
  trade(plan.before, words);

  bool stay = plan.lanesStay();
  ThreadColumns columns;
  columns.lane.assign(plan.laneColumns.begin(), plan.laneColumns.end());
  auto constant = [&](int64_t v) { return Value(arith::ConstantOp::create(b, b.getI32IntegerAttr(v))); };
  SmallVector<Word> received;
  for (const WarpExchange::Round &round : plan.rounds) {
    Word word = words[round.word];
    if (round.moves) {
      Value from = stay            ? constant(round.laneXor)
                   : round.laneXor ? Value(arith::XOrIOp::create(b, threadSum(columns), constant(round.laneXor)))
                                   : threadSum(columns);
      for (Value &piece : word)
        piece = NVVM::ShflOp::create(b, i32, constant(-1), piece, from, constant(31),
                                     stay ? NVVM::ShflKind::bfly : NVVM::ShflKind::idx, UnitAttr());
    }
    received.push_back(word);
  }
  trade(plan.after, received);

  Registers result;
  for (size_t e = 0; e < plan.target.size(); ++e) {
    const Word &word = received[e / plan.packed];
    Value value = word[0];
    if (bits == 64) {
      Type i64 = b.getI64Type();
      Value high = arith::ShLIOp::create(b, arith::ExtUIOp::create(b, i64, word[1]),
                                         arith::ConstantOp::create(b, b.getI64IntegerAttr(32)));
      value = arith::OrIOp::create(b, arith::ExtUIOp::create(b, i64, value), high);
    } else if (bits < 32) {
      if (int64_t place = e % plan.packed)
        value = arith::ShRUIOp::create(b, value, constant(place * bits));
      value = arith::TruncIOp::create(b, integer, value);
    }
    result.push_back(fromInteger(value));
  }
  return result;
}

void GpuExpander::convertThroughShared(const LayoutConversion &plan, const Registers &from, Type element,
                                       Registers &to) {
  const SharedExchange &shared = plan.shared;
  Type stored = storageType(element);
  int64_t bytes = stored.getIntOrFloatBitWidth() / 8, partBytes = shared.elements * bytes;
  int64_t place = takeShared(partBytes * plan.parts.size());
  auto columnsOf = [&](const SharedSide &side) {
    ThreadColumns columns;
    for (int64_t column : side.laneColumns)
      columns.lane.push_back(column * bytes);
    for (int64_t column : side.warpColumns)
      columns.warp.push_back(column * bytes);
    return columns;
  };
  fenceShared();
  Value owner;
  for (auto [id, off] : {std::pair(lane, shared.stores.lanesOff), std::pair(warp, shared.stores.warpsOff)})
    if (off)
      owner = both(owner, arith::CmpIOp::create(b, arith::CmpIPredicate::eq, arith::AndIOp::create(b, id, index(off)),
                                                index(0)));
  {
    OpBuilder::InsertionGuard guard(b);
    if (owner)
      b.setInsertionPointToStart(scf::IfOp::create(b, owner, /*withElseRegion=*/false).thenBlock());
    ThreadColumns columns = columnsOf(shared.stores);
    for (auto [i, part] : llvm::enumerate(plan.parts)) {
      Value base = sharedBase(place + i * partBytes);
      for (const SharedAccess &access : shared.stores.accesses) {
        SmallVector<Value> values;
        for (const std::vector<int64_t> &registers : access.registers) {
          Value value = from[part.source[registers[0]]];
          values.push_back(element.isInteger(1) ? Value(arith::ExtUIOp::create(b, stored, value)) : value);
        }
        Value whole = values[0];
        if (values.size() > 1)
          whole = vector::FromElementsOp::create(b, VectorType::get({shared.vector}, stored), values);
        LLVM::StoreOp::create(b, whole, sharedPlace(base, columns, access.offset * bytes), shared.vector * bytes);
      }
    }
  }
  if (shared.perWarp)
    NVVM::SyncWarpOp::create(b, arith::ConstantOp::create(b, b.getI32IntegerAttr(-1)));
  else
    blockBarrier();
  ThreadColumns columns = columnsOf(shared.loads);
  for (auto [i, part] : llvm::enumerate(plan.parts)) {
    Value base = sharedBase(place + i * partBytes);
    for (const SharedAccess &access : shared.loads.accesses) {
      Registers values = read(sharedPlace(base, columns, access.offset * bytes), element, shared.vector, {});
      for (auto [value, registers] : llvm::zip(values, access.registers))
        for (int64_t reg : registers)
          to[part.target[reg]] = value;
    }
  }
  releaseShared(place);
  sharedUsed = true;
}
