// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Functions, blocks, symbols, and which op goes where.
#include "Interpreter.h"

#include "dialects/Bess/DTypes.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::reference;

static constexpr int maxCallDepth = 256;

FailureOr<Tensors> Evaluator::run(StringRef name, ArrayRef<HostTensor> inputs) {
  auto function = module.lookupSymbol<func::FuncOp>(name);
  if (!function)
    return emitError(module.getLoc()) << "expected a function named " << name;
  SymbolValues given;
  for (const auto &[symbol, value] : options.symbols)
    given.set(symbol, value);
  Interpreter interpreter(module, files, options);
  Tensors results;
  if (failed(interpreter.call(function, function, inputs, &given, results)))
    return failure();
  lastSymbols = interpreter.lastSymbols;
  return results;
}

LogicalResult Interpreter::call(Operation *caller, func::FuncOp function, ArrayRef<HostTensor> inputs,
                                const SymbolValues *outer, Tensors &results) {
  if (function.isExternal())
    return caller->emitError("expected function ") << function.getName() << " to have a body";
  if (depth == maxCallDepth)
    return caller->emitError("expected calls of at most ") << maxCallDepth << " levels";
  if (inputs.size() != function.getNumArguments())
    return caller->emitError("expected ") << function.getNumArguments() << " inputs, got " << inputs.size();
  Frame callee(outer);
  callee.previous = frame;
  frame = &callee;
  ++depth;
  LogicalResult done = block(function.getBody().front(), inputs, results);
  --depth;
  for (const auto &[value, tensor] : callee.values)
    liveBytes -= tensor.sizeInBytes();
  frame = callee.previous;
  if (!frame)
    lastSymbols = callee.symbols.all();
  return done;
}

LogicalResult Interpreter::define(Value value, const HostTensor &tensor, const void *owner, Location loc) {
  std::string error;
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (type && !frame->symbols.bind(type, tensor.shape, owner, error))
    return emitError(loc) << error;
  if (tensor.dtype != heldAs(value.getType()))
    return emitError(loc) << "expected elements of " << name(heldAs(value.getType())) << ", got " << name(tensor.dtype);
  forget(value); // of an earlier iteration
  liveBytes += tensor.sizeInBytes();
  frame->values[value] = tensor;
  if (liveBytes > options.memoryLimit)
    return emitError(loc) << "expected values of at most " << options.memoryLimit << " bytes at once, got "
                          << liveBytes;
  return success();
}

void Interpreter::forget(Value value) {
  auto it = frame->values.find(value);
  if (it == frame->values.end())
    return;
  liveBytes -= it->second.sizeInBytes();
  frame->values.erase(it);
}

/// For each op of the block the values, defined in the block, that nothing
/// reads after it: their memory is given back.
const DenseMap<Operation *, SmallVector<Value>> &Interpreter::lastUses(Block &block) {
  auto [it, isNew] = liveness.try_emplace(&block);
  if (!isNew)
    return it->second;
  auto add = [&](Value value, Operation *definition) {
    Operation *last = definition;
    for (Operation *user : value.getUsers()) {
      Operation *inBlock = block.findAncestorOpInBlock(*user);
      if (inBlock && (!last || last->isBeforeInBlock(inBlock)))
        last = inBlock;
    }
    if (last)
      it->second[last].push_back(value);
  };
  for (Value argument : block.getArguments())
    add(argument, nullptr);
  for (Operation &op : block)
    for (Value result : op.getResults())
      add(result, &op);
  return it->second;
}

LogicalResult Interpreter::block(Block &block, ArrayRef<HostTensor> arguments, Tensors &yielded) {
  if (arguments.size() != block.getNumArguments())
    return block.getParentOp()->emitError("expected ")
           << block.getNumArguments() << " values, got " << arguments.size();
  frame->symbols.release(&block);
  for (auto [argument, tensor] : llvm::zip(block.getArguments(), arguments))
    if (failed(define(argument, promote(tensor), &block, argument.getLoc())))
      return failure();
  for (Operation &next : block) {
    if (next.hasTrait<OpTrait::IsTerminator>()) {
      for (Value operand : next.getOperands())
        yielded.push_back(frame->values.lookup(operand));
      return success();
    }
    Tensors results;
    if (failed(op(&next, results)))
      return failure();
    if (results.size() != next.getNumResults())
      return next.emitError("cannot be evaluated");
    if (!results.empty())
      frame->symbols.release(&next);
    for (auto [value, tensor] : llvm::zip(next.getResults(), results))
      if (failed(define(value, tensor, &next, next.getLoc())))
        return failure();
    if (options.observe)
      options.observe(&next, results);
    // lastUses may move when a nested block is added, so it is looked up here.
    const auto &uses = lastUses(block);
    if (auto it = uses.find(&next); it != uses.end())
      for (Value value : it->second)
        forget(value);
  }
  return success();
}

LogicalResult Interpreter::op(Operation *op, Tensors &results) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<scf::IfOp>([&](scf::IfOp op) { return ifOp(op, results); })
      .Case<scf::ForOp>([&](scf::ForOp op) { return forOp(op, results); })
      .Case<scf::WhileOp>([&](scf::WhileOp op) { return whileOp(op, results); })
      .Case<bess::BindSymbolsOp>([&](bess::BindSymbolsOp op) { return bindSymbols(op); })
      .Case<bess::GuardOp>([&](bess::GuardOp op) { return guard(op); })
      .Case<bess::FromDimsOp>([&](bess::FromDimsOp op) { return fromDims(op, results); })
      .Case<func::CallOp>([&](func::CallOp op) -> LogicalResult {
        auto callee = module.lookupSymbol<func::FuncOp>(op.getCallee());
        if (!callee)
          return op.emitError("expected a function named ") << op.getCallee();
        Tensors inputs;
        for (Value operand : op.getOperands())
          inputs.push_back(frame->values.lookup(operand));
        return call(op, callee, inputs, &frame->symbols, results);
      })
      .Case<bess::FusionOp>([&](bess::FusionOp op) {
        Tensors inputs;
        for (Value operand : op.getInputs())
          inputs.push_back(frame->values.lookup(operand));
        return block(op.getBody().front(), inputs, results);
      })
      .Default([&](Operation *op) {
        if (isa_and_nonnull<bess::BessDialect>(op->getDialect()))
          return bessOp(op, results);
        return scalar(op, results);
      });
}

// ---- symbols -------------------------------------------------------------------

static SmallVector<int64_t> integersOf(const HostTensor &tensor) {
  SmallVector<int64_t> values;
  for (int64_t i = 0; i < tensor.elementCount(); ++i)
    if (tensor.dtype == DType::I64)
      values.push_back(tensor.as<int64_t>()[i]);
    else if (tensor.dtype == DType::I32)
      values.push_back(tensor.as<int32_t>()[i]);
    else if (tensor.dtype == DType::Bool)
      values.push_back(tensor.as<uint8_t>()[i]);
  return values;
}

std::optional<int64_t> Interpreter::integer(Value value) {
  SmallVector<int64_t> values = integersOf(frame->values.lookup(value));
  return values.size() == 1 ? std::optional(values[0]) : std::nullopt;
}

LogicalResult Interpreter::bindSymbols(bess::BindSymbolsOp op) {
  SmallVector<int64_t> values = integersOf(frame->values.lookup(op.getX()));
  if (values.size() != op.getSymbols().size())
    return op.emitError("expected ") << op.getSymbols().size() << " elements, got " << values.size();
  for (auto [value, symbol] : llvm::zip(values, op.getSymbols().getAsValueRange<StringAttr>()))
    frame->symbols.set(symbol, value, op);
  return success();
}

LogicalResult Interpreter::guard(bess::GuardOp op) {
  auto value = [&](StringRef text) {
    std::optional<SymbolicExpr> expr = SymbolicExpr::parse(text);
    return expr ? frame->symbols.evaluate(*expr) : std::nullopt;
  };
  std::optional<int64_t> lhs = value(op.getLhs()), rhs = value(op.getRhs());
  if (!lhs || !rhs)
    return op.emitError("expected values of the symbols of a guard: ") << op.getMessage();
  StringRef relation = op.getRelation();
  bool holds = relation == "eq" ? *lhs == *rhs : relation == "le" ? *lhs <= *rhs : *lhs < *rhs;
  if (!holds)
    return op.emitError("guard does not hold: ") << op.getLhs() << " " << relation << " " << op.getRhs() << ", got "
                                                 << *lhs << " and " << *rhs << " (" << op.getMessage() << ")";
  return success();
}

LogicalResult Interpreter::fromDims(bess::FromDimsOp op, Results &results) {
  auto type = cast<RankedTensorType>(op.getY().getType());
  HostTensor tensor = HostTensor::make(bess::getDType(type), type.getShape());
  for (auto [i, expr] : llvm::enumerate(bess::parseDims(op.getDims()))) {
    std::optional<int64_t> value = frame->symbols.evaluate(expr);
    if (!value)
      return op.emitError("expected ") << expr.str() << " to have a value";
    if (tensor.dtype == DType::I64)
      tensor.as<int64_t>()[i] = *value;
    else
      tensor.as<int32_t>()[i] = static_cast<int32_t>(*value);
  }
  results.push_back(tensor);
  return success();
}
