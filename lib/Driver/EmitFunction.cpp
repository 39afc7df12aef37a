// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops to instructions, values to buffers.
#include "bessemer/Driver/Provenance.h"
#include "dialects/Bess/DTypes.h"
#include "lib/Driver/Emit.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::runtime;

static std::vector<SymbolicExpr> toVector(ArrayRef<SymbolicExpr> list) { return {list.begin(), list.end()}; }
static Dims dimsOf(Type type) { return toVector(bess::getDims(type)); }

// ---- buffers ----------------------------------------------------------------

bess::StorageAttr FunctionEmitter::storage(int64_t index) const {
  auto list = function->getAttrOfType<ArrayAttr>("bess.storages");
  return cast<bess::StorageAttr>(list[index]);
}

BufferId FunctionEmitter::newBuffer(Buffer buffer) {
  out.buffers.push_back(std::move(buffer));
  storageOf.push_back(-1);
  return out.buffers.size() - 1;
}

/// The buffer that is the whole of a storage, as bytes when no value is.
BufferId FunctionEmitter::rootBuffer(int64_t index) {
  if (auto it = roots.find(index); it != roots.end())
    return it->second;
  bess::StorageAttr attr = storage(index);
  Buffer buffer;
  buffer.dtype = DType::U8;
  buffer.dims = {SymbolicExpr::parse(attr.getBytes().str()).value_or(SymbolicExpr::invalid())};
  buffer.kind = attr.getKind() == "pool" ? BufferKind::Pool : BufferKind::Arena;
  if (attr.getOffset() >= 0)
    buffer.offset = attr.getOffset();
  BufferId id = newBuffer(std::move(buffer));
  storageOf[id] = index;
  return roots[index] = id;
}

BufferId FunctionEmitter::bufferAt(bess::PlacementAttr place, Type type, StringRef name) {
  int64_t index = place.getStorage();
  SymbolicExpr offset = SymbolicExpr::parse(place.getOffset().str()).value_or(SymbolicExpr::invalid());
  bess::StorageAttr attr = storage(index);
  Buffer buffer;
  buffer.name = name.str();
  buffer.dtype = bess::getDType(type);
  buffer.dims = dimsOf(type);
  bool inFrame = attr.getKind() == "arena" || attr.getKind() == "pool";
  SymbolicExpr count = 1;
  for (const SymbolicExpr &dim : buffer.dims)
    count *= dim;
  SymbolicExpr bytes = SymbolicExpr::ceilDiv(count * bitWidth(buffer.dtype), 8);
  bool whole = offset == SymbolicExpr(0) && bytes.str() == attr.getBytes().getValue();
  // The first value that fills the storage is its root; the others are aliases.
  if (inFrame && whole && !roots.count(index)) {
    buffer.kind = attr.getKind() == "pool" ? BufferKind::Pool : BufferKind::Arena;
    if (attr.getOffset() >= 0)
      buffer.offset = attr.getOffset();
    BufferId id = newBuffer(std::move(buffer));
    storageOf[id] = index;
    return roots[index] = id;
  }
  BufferId root = rootBuffer(index);
  const Buffer &base = out.buffers[root];
  if (offset == SymbolicExpr(0) && base.dtype == buffer.dtype && base.dims == buffer.dims)
    return root;
  buffer.kind = BufferKind::Alias;
  buffer.index = root;
  buffer.aliasOffset = offset;
  return newBuffer(std::move(buffer));
}

BufferId FunctionEmitter::buffer(Value value) {
  if (auto it = buffers.find(value); it != buffers.end())
    return it->second;
  std::string name = provenanceText(value.getLoc(), 1);
  Operation *op = value.getDefiningOp();
  if (auto constant = dyn_cast_or_null<bess::ConstantOp>(op)) {
    Buffer buffer = makeBuffer(name, bess::getDType(value.getType()), dimsOf(value.getType()), BufferKind::Constant,
                               program.constantIndex(cast<DenseElementsAttr>(constant.getValue())));
    return buffers[value] = newBuffer(std::move(buffer));
  }
  if (isa_and_nonnull<bess::WeightOp, bess::PrepareOp>(op)) {
    int32_t index = isa<bess::WeightOp>(op)
                        ? program.weightIndex(cast<bess::WeightOp>(op))
                        : program.preparedIndex(cast<bess::PrepareOp>(op), cast<OpResult>(value).getResultNumber());
    program.markReadAtRunTime(index);
    Buffer buffer =
        makeBuffer(name, bess::getDType(value.getType()), dimsOf(value.getType()), BufferKind::Weight, index);
    BufferId id = newBuffer(std::move(buffer));
    if (auto places = op->getAttrOfType<ArrayAttr>("bess.placement"))
      if (auto place = dyn_cast<bess::PlacementAttr>(places[cast<OpResult>(value).getResultNumber()]))
        roots[place.getStorage()] = id;
    return buffers[value] = id;
  }
  auto result = dyn_cast<OpResult>(value);
  auto places = result ? op->getAttrOfType<ArrayAttr>("bess.placement") : ArrayAttr();
  auto place = places ? dyn_cast<bess::PlacementAttr>(places[result.getResultNumber()]) : bess::PlacementAttr();
  if (!place)
    return -1;
  // A view of a weight or a constant: that buffer must be there first.
  StringRef kind = storage(place.getStorage()).getKind();
  if ((kind == "weight" || kind == "constant") && !roots.count(place.getStorage())) {
    BufferId base = buffer(op->getOperand(0));
    if (base >= 0)
      roots.try_emplace(place.getStorage(),
                        out.buffers[base].kind == BufferKind::Alias ? out.buffers[base].index : base);
  }
  return buffers[value] = bufferAt(place, value.getType(), name);
}

void FunctionEmitter::finishLifetimes() {
  opStart.push_back(instructions);
  auto at = [&](int64_t op) { return opStart[std::clamp<int64_t>(op, 0, opStart.size() - 1)]; };
  for (auto [buffer, index] : llvm::zip(out.buffers, storageOf)) {
    if (index < 0)
      continue;
    buffer.lower = at(storage(index).getLower());
    buffer.upper = std::max(at(storage(index).getUpper()), buffer.lower + 1);
  }
}

// ---- instructions -------------------------------------------------------------

void FunctionEmitter::append(runtime::Block &to, decltype(Instruction::op) op, Location loc) {
  ++instructions;
  to.push_back({std::move(op), provenanceText(loc)});
}

void FunctionEmitter::emitCopy(BufferId from, BufferId to, runtime::Block &block, Location loc) {
  if (from >= 0 && to >= 0 && from != to)
    append(block, Copy{from, to}, loc);
}

LogicalResult FunctionEmitter::emitLaunch(bess::LaunchOp op, runtime::Block &to) {
  Launch launch;
  launch.kernel = program.kernelIndex(op.getKernel());
  Operation *kernel = program.kernelOp(op.getKernel());
  if (launch.kernel < 0 || !kernel)
    return op.emitOpError() << "expected a lowered kernel @" << op.getKernel() << ", got none";
  for (Value value : op->getOperands())
    launch.buffers.push_back(buffer(value));
  for (Value value : op->getResults())
    launch.buffers.push_back(buffer(value));
  if (auto dims = op->getAttrOfType<bess::DimsAttr>("symbol_args"))
    launch.symbols = toVector(bess::parseDims(dims));
  SymbolicExpr::Substitution arguments;
  for (auto [i, symbol] : llvm::enumerate(launch.symbols))
    arguments["s" + std::to_string(i)] = symbol;
  if (auto grid = kernel->getAttrOfType<bess::DimsAttr>("bess.grid"))
    for (const SymbolicExpr &extent : bess::parseDims(grid))
      launch.grid.push_back(extent.substitute(arguments));
  if (auto workspace = kernel->getAttrOfType<StringAttr>("bess.workspace"))
    launch.workspaceBytes =
        SymbolicExpr::parse(workspace.str()).value_or(SymbolicExpr::constant(0)).substitute(arguments);
  append(to, std::move(launch), op.getLoc());
  return success();
}

LogicalResult FunctionEmitter::emitFallback(Operation &op, runtime::Block &to) {
  if (auto custom = dyn_cast<bess::CustomOp>(op))
    return emitCustom(custom, to);
  Fallback fallback;
  fallback.op = op.getName().stripDialect().str();
  if (!isa<bess::BessDialect>(op.getDialect()) || !kernels::hasKernel(fallback.op))
    return op.emitOpError() << "expected an op that has a kernel, got " << op.getName();
  if (failed(emitAttributes(&op, fallback.attributes)))
    return failure();
  // An absent optional operand has an empty segment.
  if (auto segments = op.getAttrOfType<DenseI32ArrayAttr>("operandSegmentSizes")) {
    unsigned next = 0;
    for (int32_t size : segments.asArrayRef()) {
      if (size == 0)
        fallback.inputs.push_back(-1);
      for (int32_t i = 0; i < size; ++i)
        fallback.inputs.push_back(buffer(op.getOperand(next++)));
    }
  } else {
    for (Value value : op.getOperands())
      fallback.inputs.push_back(buffer(value));
  }
  for (Value value : op.getResults())
    fallback.outputs.push_back(buffer(value));
  append(to, std::move(fallback), op.getLoc());
  return success();
}

LogicalResult FunctionEmitter::emitCustom(bess::CustomOp op, runtime::Block &to) {
  Fallback fallback;
  fallback.op = op.getOpType().str();
  if (failed(emitAttributes(op, op.getNodeAttributes(), fallback.attributes)))
    return failure();
  auto next = op.getInputs().begin();
  for (size_t i = 0, count = op.getInputs().size() + op.getAbsent().size(); i < count; ++i)
    fallback.inputs.push_back(llvm::is_contained(op.getAbsent(), int64_t(i)) ? -1 : buffer(*next++));
  for (Value value : op.getOutputs())
    fallback.outputs.push_back(buffer(value));
  append(to, std::move(fallback), op.getLoc());
  return success();
}

LogicalResult FunctionEmitter::emitCall(func::CallOp op, runtime::Block &to) {
  Call call;
  call.function = program.functionIndex(op.getCallee());
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
  if (call.function < 0 || !callee)
    return op.emitOpError() << "expected a function @" << op.getCallee() << ", got none";
  for (Value value : op.getOperands())
    call.arguments.push_back(buffer(value));
  for (Value value : op.getResults())
    call.results.push_back(buffer(value));
  if (auto frame = op->getAttrOfType<IntegerAttr>("bess.frame"))
    call.frame = rootBuffer(frame.getInt());
  // The callee's symbols have the same names as ours (Outline sees to it).
  for (const std::string &symbol : program.symbolsOf(callee))
    call.symbols.emplace_back(symbol, SymbolicExpr::symbol(symbol));
  append(to, std::move(call), op.getLoc());
  return success();
}

LogicalResult FunctionEmitter::emitOp(Operation &op, runtime::Block &to) {
  if (recording)
    opStart.push_back(instructions);
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case<bess::WeightOp, bess::ConstantOp, bess::PrepareOp>([](auto) { return success(); })
      .Case<arith::ConstantOp>([](auto) { return success(); })
      .Case<tensor::ExtractOp, arith::IndexCastOp, arith::IndexCastUIOp>([](auto) { return success(); })
      .Case<bess::LaunchOp>([&](auto launch) { return emitLaunch(launch, to); })
      .Case<func::CallOp>([&](auto call) { return emitCall(call, to); })
      .Case<scf::IfOp>([&](auto branch) { return emitIf(branch, to); })
      .Case<scf::ForOp>([&](auto loop) { return emitFor(loop, to); })
      .Case<scf::WhileOp>([&](auto loop) { return emitWhile(loop, to); })
      .Case<bess::ReshapeOp>([&](auto) { return success(); })
      .Case<bess::BindSymbolsOp>([&](bess::BindSymbolsOp bind) {
        BindSymbols instruction{buffer(bind.getX()), {}};
        for (Attribute symbol : bind.getSymbols())
          instruction.symbols.push_back(cast<StringAttr>(symbol).str());
        append(to, std::move(instruction), op.getLoc());
        return success();
      })
      .Case<bess::FromDimsOp>([&](bess::FromDimsOp from) {
        append(to, FromDims{buffer(from.getY()), toVector(bess::parseDims(from.getDims()))}, op.getLoc());
        return success();
      })
      .Case<bess::GuardOp>([&](bess::GuardOp guard) -> LogicalResult {
        auto lhs = SymbolicExpr::parse(guard.getLhs().str()), rhs = SymbolicExpr::parse(guard.getRhs().str());
        if (!lhs || !rhs)
          return op.emitOpError() << "expected expressions over symbols";
        append(to, Guard{guard.getRelation().str(), *lhs, *rhs, guard.getMessage().str()}, op.getLoc());
        return success();
      })
      .Case<bess::SliceOp>([&](bess::SliceOp slice) -> LogicalResult {
        // A view when it is one range of the operand's bytes.
        return slice->hasAttr("bess.view") ? success() : emitFallback(op, to);
      })
      .Case<bess::ConcatOp>([&](bess::ConcatOp concat) {
        return concat->hasAttr("bess.view") ? emitConcat(concat, to) : emitFallback(op, to);
      })
      .Default([&](Operation *) { return emitFallback(op, to); });
}

/// Operands that are not made in the result's memory are copied there.
LogicalResult FunctionEmitter::emitConcat(bess::ConcatOp op, runtime::Block &to) {
  auto whole = cast<bess::PlacementAttr>(op->getAttrOfType<ArrayAttr>("bess.placement")[0]);
  SymbolicExpr offset = SymbolicExpr::parse(whole.getOffset().str()).value_or(SymbolicExpr::invalid());
  Builder builder(op.getContext());
  for (Value x : op.getXs()) {
    auto part = bess::PlacementAttr::get(op.getContext(), whole.getStorage(), builder.getStringAttr(offset.str()));
    Operation *maker = x.getDefiningOp();
    auto places = maker ? maker->getAttrOfType<ArrayAttr>("bess.placement") : ArrayAttr();
    if (!places || places[cast<OpResult>(x).getResultNumber()] != part)
      emitCopy(buffer(x), bufferAt(part, x.getType(), provenanceText(op.getLoc(), 1)), to, op.getLoc());
    SymbolicExpr count = bess::getElementCount(x.getType());
    offset += count * (bitWidth(bess::getDType(x.getType())) / 8);
  }
  return success();
}

LogicalResult FunctionEmitter::emitBlock(mlir::Block &block, runtime::Block &to) {
  for (Operation &op : block.without_terminator())
    if (failed(emitOp(op, to)))
      return failure();
  if (recording)
    opStart.push_back(instructions);
  return success();
}

static std::string argumentName(DictionaryAttr attrs, const std::string &fallback) {
  if (attrs)
    if (auto name = dyn_cast_or_null<StringAttr>(attrs.get("onnx.name")))
      return name.str();
  return fallback;
}

LogicalResult FunctionEmitter::run() {
  if (!function->hasAttr("bess.storages"))
    return function.emitError() << "expected a planned function";
  out.name = function.getName().str();
  auto argumentOf = [](Type type, std::string name) {
    return Argument{std::move(name), bess::getDType(type), dimsOf(type)};
  };
  for (BlockArgument argument : function.getArguments()) {
    unsigned i = argument.getArgNumber();
    std::string name = argumentName(function.getArgAttrDict(i), "input" + std::to_string(i));
    out.inputs.push_back(argumentOf(argument.getType(), name));
    Buffer buffer = makeBuffer(name, out.inputs.back().dtype, out.inputs.back().dims, BufferKind::Input, i);
    buffers[argument] = newBuffer(std::move(buffer));
    roots[i] = buffers[argument]; // the plan numbers the arguments' storages first
  }
  SmallVector<BufferId> outputs;
  for (auto [i, type] : llvm::enumerate(function.getResultTypes())) {
    std::string name = argumentName(function.getResultAttrDict(i), "output" + std::to_string(i));
    out.outputs.push_back(argumentOf(type, name));
    Buffer buffer = makeBuffer(name, out.outputs.back().dtype, out.outputs.back().dims, BufferKind::Output, i);
    outputs.push_back(newBuffer(std::move(buffer)));
  }
  for (auto [i, attr] : llvm::enumerate(function->getAttrOfType<ArrayAttr>("bess.storages")))
    if (cast<bess::StorageAttr>(attr).getKind() == "output")
      roots[i] = outputs[cast<bess::StorageAttr>(attr).getIndex()];

  mlir::Block &body = function.front();
  if (failed(emitBlock(body, out.body)))
    return failure();
  for (auto [i, value] : llvm::enumerate(body.getTerminator()->getOperands()))
    emitCopy(buffer(value), outputs[i], out.body, value.getLoc());
  finishLifetimes();
  if (auto frame = function->getAttrOfType<IntegerAttr>("bess.frame_bytes"); frame && frame.getInt() >= 0)
    out.frameBytes = frame.getInt();
  return success();
}
