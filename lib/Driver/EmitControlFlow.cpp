// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// scf.if, scf.for and scf.while as instructions of the host program.
//
// A loop carries its values in buffers that its body updates at its end:
//
//   scf.while (%a = %init) { before; scf.condition(%c) %v } do { body; yield %b }
//   ->  copy init -> a;  before;  loop c { body; copy b -> a;  before }
#include "lib/Driver/Emit.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::runtime;

/// Looks through what only changes the integer type of a scalar.
static Value skipCasts(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<arith::IndexCastOp, arith::IndexCastUIOp, arith::ExtSIOp, arith::ExtUIOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

BufferId FunctionEmitter::scalarBuffer(Value value) {
  if (auto extract = skipCasts(value).getDefiningOp<tensor::ExtractOp>())
    return buffer(extract.getTensor());
  if (auto constant = value.getDefiningOp<arith::ConstantOp>()) {
    auto attr = dyn_cast<IntegerAttr>(constant.getValue());
    if (!attr || !attr.getType().isInteger(1))
      return -1;
    auto type = RankedTensorType::get({}, attr.getType());
    Buffer buffer = makeBuffer("", DType::Bool, {}, BufferKind::Constant,
                               program.constantIndex(DenseElementsAttr::get(type, attr.getValue())));
    return newBuffer(std::move(buffer));
  }
  return -1;
}

std::optional<SymbolicExpr> FunctionEmitter::indexExpr(Value value) {
  if (auto constant = skipCasts(value).getDefiningOp<arith::ConstantOp>())
    if (auto attr = dyn_cast<IntegerAttr>(constant.getValue()))
      return SymbolicExpr::constant(attr.getInt());
  return std::nullopt;
}

static bess::PlacementAttr placementAt(Operation *op, StringRef name, size_t i) {
  auto list = op->getAttrOfType<ArrayAttr>(name);
  return list && i < list.size() ? dyn_cast<bess::PlacementAttr>(list[i]) : bess::PlacementAttr();
}

LogicalResult FunctionEmitter::carriedBuffers(Operation *loop, ValueRange values, SmallVector<BufferId> &ids) {
  for (auto [i, value] : llvm::enumerate(values)) {
    auto place = placementAt(loop, "bess.carried", i);
    if (!place)
      return loop->emitOpError() << "expected loops that carry tensors only, got " << value.getType();
    BufferId id = bufferAt(place, value.getType(), "");
    buffers[value] = id;
    ids.push_back(id);
  }
  return success();
}

void FunctionEmitter::emitYield(Operation *yield, ValueRange values, ArrayRef<BufferId> targets, runtime::Block &to) {
  SmallVector<BufferId> sources;
  for (auto [i, value] : llvm::enumerate(values)) {
    BufferId source = buffer(value);
    if (auto place = placementAt(yield, "bess.temporaries", i)) {
      BufferId temporary = bufferAt(place, value.getType(), "");
      emitCopy(source, temporary, to, yield->getLoc());
      source = temporary;
    }
    sources.push_back(source);
  }
  for (auto [source, target] : llvm::zip(sources, targets))
    emitCopy(source, target, to, yield->getLoc());
}

LogicalResult FunctionEmitter::emitIf(scf::IfOp op, runtime::Block &to) {
  If branch;
  branch.condition = scalarBuffer(op.getCondition());
  if (branch.condition < 0)
    return op.emitOpError() << "expected a condition that is an element of a tensor";
  SmallVector<BufferId> results;
  for (Value result : op.getResults())
    results.push_back(buffer(result));
  branch.thenBlock = std::make_shared<runtime::Block>();
  branch.elseBlock = std::make_shared<runtime::Block>();
  size_t at = to.size();
  append(to, If{}, op.getLoc());
  for (auto [region, block] : {std::pair(&op.getThenRegion(), branch.thenBlock.get()),
                               std::pair(&op.getElseRegion(), branch.elseBlock.get())}) {
    if (region->empty())
      continue;
    if (failed(emitBlock(region->front(), *block)))
      return failure();
    Operation *yield = region->front().getTerminator();
    emitYield(yield, yield->getOperands(), results, *block);
  }
  to[at].op = std::move(branch);
  return success();
}

LogicalResult FunctionEmitter::emitFor(scf::ForOp op, runtime::Block &to) {
  std::optional<SymbolicExpr> lower = indexExpr(op.getLowerBound()), upper = indexExpr(op.getUpperBound()),
                              step = indexExpr(op.getStep());
  if (!upper)
    if (auto extract = skipCasts(op.getUpperBound()).getDefiningOp<tensor::ExtractOp>()) {
      std::string symbol = "loop bound " + std::to_string(instructions);
      append(to, BindSymbols{buffer(extract.getTensor()), {symbol}}, op.getLoc());
      upper = SymbolicExpr::symbol(symbol);
    }
  if (!upper || lower != SymbolicExpr(0) || step != SymbolicExpr(1))
    return op.emitOpError() << "expected a loop from 0 by 1 to an element of a tensor";
  SmallVector<BufferId> slots;
  if (failed(carriedBuffers(op, op.getRegionIterArgs(), slots)))
    return failure();
  for (auto [result, slot] : llvm::zip(op.getResults(), slots))
    buffers[result] = slot;
  for (auto [init, slot] : llvm::zip(op.getInitArgs(), slots))
    emitCopy(buffer(init), slot, to, op.getLoc());
  Loop loop;
  loop.tripCount = upper;
  auto counter = op->getAttrOfType<StringAttr>("bess.counter");
  loop.counter = counter ? counter.str() : "counter " + std::to_string(instructions);
  loop.body = std::make_shared<runtime::Block>();
  size_t at = to.size();
  append(to, Loop{}, op.getLoc());
  if (failed(emitBlock(*op.getBody(), *loop.body)))
    return failure();
  Operation *yield = op.getBody()->getTerminator();
  emitYield(yield, yield->getOperands(), slots, *loop.body);
  to[at].op = std::move(loop);
  return success();
}

LogicalResult FunctionEmitter::emitWhile(scf::WhileOp op, runtime::Block &to) {
  SmallVector<BufferId> slots;
  if (failed(carriedBuffers(op, op.getBeforeArguments(), slots)))
    return failure();
  for (auto [init, slot] : llvm::zip(op.getInits(), slots))
    emitCopy(buffer(init), slot, to, op.getLoc());
  if (failed(emitBlock(*op.getBeforeBody(), to)))
    return failure();
  Loop loop;
  loop.condition = scalarBuffer(op.getConditionOp().getCondition());
  if (loop.condition < 0)
    return op.emitOpError() << "expected a condition that is an element of a tensor";
  auto counter = op->getAttrOfType<StringAttr>("bess.counter");
  loop.counter = counter ? counter.str() : "counter " + std::to_string(instructions);
  loop.body = std::make_shared<runtime::Block>();
  for (auto [value, argument, result] :
       llvm::zip(op.getConditionOp().getArgs(), op.getAfterArguments(), op.getResults())) {
    BufferId forwarded = buffer(value);
    buffers[argument] = forwarded;
    buffers[result] = forwarded;
  }
  size_t at = to.size();
  append(to, Loop{}, op.getLoc());
  if (failed(emitBlock(*op.getAfterBody(), *loop.body)))
    return failure();
  Operation *yield = op.getAfterBody()->getTerminator();
  emitYield(yield, yield->getOperands(), slots, *loop.body);
  bool recorded = recording;
  recording = false;
  LogicalResult again = emitBlock(*op.getBeforeBody(), *loop.body);
  recording = recorded;
  if (failed(again))
    return failure();
  to[at].op = std::move(loop);
  return success();
}
