// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Lower/Gpu/ThreadExpander.h"
#include "passes/Lower/Gpu/Faults.h"

#include "dialects/Tile/IndexExpr.h"
#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

static constexpr int64_t fewestThreads = 32, mostThreads = 256;

/// As many threads as the largest tile has elements.
static int64_t chooseThreads(tile::KernelOp kernel) {
  int64_t largest = 1;
  kernel.walk([&](Operation *op) {
    for (Value value : op->getResults())
      if (auto type = dyn_cast<RankedTensorType>(value.getType()))
        largest = std::max(largest, type.hasStaticShape() ? type.getNumElements() : mostThreads);
  });
  return std::clamp<int64_t>(llvm::PowerOf2Ceil(largest), fewestThreads, mostThreads);
}

/// Does the kernel read what it writes, or write it in several places? Then its
/// stores are ordered against each other; points of the grid never are.
static bool hasHazards(tile::KernelOp kernel) {
  for (size_t i = kernel.getViews() - kernel.getOutputs(); i < kernel.getViews(); ++i) {
    int64_t stores = 0, others = 0;
    for (Operation *user : kernel.getView(i).getUsers())
      ++(isa<tile::StoreOp>(user) ? stores : others);
    if (others || stores > 1)
      return true;
  }
  return false;
}

LogicalResult ThreadExpander::expand(ModuleOp kernels) {
  module = kernels;
  plan = planTraversals(kernel);
  threads = chooseThreads(kernel);
  hazards = hasHazards(kernel);
  scratchUsed = !plan.toMaterialize.empty();
  kernel.walk([&](Operation *op) {
    scratchUsed |= isa<tile::PatchesOp>(op) || (isa<tile::ReduceOp>(op) && !isLazyTileOp(op));
  });

  b.setInsertionPointToEnd(kernels.getBody());
  Type pointer = LLVM::LLVMPointerType::get(b.getContext(), 1), i64 = b.getI64Type();
  int64_t views = kernel.getViews(), symbols = kernel.getSymbols();
  SmallVector<Type> types(views, pointer);
  types.append(symbols, i64);
  types.append({pointer, i64, pointer});
  auto function = func::FuncOp::create(b, kernel.getSymName(), b.getFunctionType(types, {}));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  auto toIndex = [&](Value v) { return Value(arith::IndexCastUIOp::create(b, b.getIndexType(), v)); };
  for (int64_t i = 0; i < views; ++i)
    buffers[kernel.getView(i)] = entry->getArgument(i);
  for (int64_t i = 0; i < symbols; ++i)
    mapping.map(kernel.getSymbolArgument(i), toIndex(entry->getArgument(views + i)));
  faults = entry->getArgument(views + symbols + 2);

  thread = toIndex(NVVM::ThreadIdXOp::create(b, b.getI32Type()));
  lane = arith::AndIOp::create(b, thread, index(31));
  warp = arith::ShRUIOp::create(b, thread, index(5));
  Value block = toIndex(NVVM::BlockIdXOp::create(b, b.getI32Type()));
  Value blocks = toIndex(NVVM::GridDimXOp::create(b, b.getI32Type()));
  Value mine = mul(block, toIndex(entry->getArgument(views + symbols + 1)));
  workspace = element(entry->getArgument(views + symbols), b.getI8Type(), mine);
  scratchOffset = index(0);

  // Fewer blocks than points where each block has a part of the workspace.
  auto grid = bess::parseDims(kernel.getGrid());
  SmallVector<Value> extents;
  Value tasks = index(1);
  for (const SymbolicExpr &dim : grid) {
    extents.push_back(fromExpr(dim));
    tasks = mul(tasks, extents.back());
  }
  auto loop = scf::ForOp::create(b, block, tasks, blocks);
  func::ReturnOp::create(b);
  b.setInsertionPointToStart(loop.getBody());
  Value rest = loop.getInductionVar();
  for (int64_t i = grid.size() - 1; i >= 0; --i) {
    mapping.map(kernel.getGridId(i), i > 0 ? rem(rest, extents[i]) : rest);
    if (i > 0)
      rest = div(rest, extents[i]);
  }
  // A block that comes to its next point may have slower warps at the last one.
  wrote = reads = scratchUsed;
  if (failed(expandBlock(kernel.getBody().front())))
    return failure();

  function->setAttr("bess.block", b.getI64IntegerAttr(threads));
  function->setAttr("bess.grid", kernel.getGrid());
  function->setAttr("bess.workspace", b.getStringAttr(workspaceBytes.str()));
  function->setAttr("bess.takes_workspace", b.getUnitAttr());
  function->setAttr("bess.flops", kernel.getFlopsAttr());
  function->setAttr("bess.bytes", kernel.getBytesAttr());
  function->setAttr("bess.kind", kernel.getKindAttr());
  function->setAttr("bess.reason", kernel.getReasonAttr());
  return success();
}

// ---- the walk -------------------------------------------------------------------

LogicalResult ThreadExpander::expandBlock(Block &block, llvm::function_ref<LogicalResult()> atEnd) {
  // Scratch lives as long as the block that asked for it.
  Value savedOffset = scratchOffset;
  SymbolicExpr savedBound = scratchBound;
  auto savedMemory = memory;
  for (Operation &op : block.without_terminator())
    if (failed(expandOp(op)))
      return failure();
  if (atEnd && failed(atEnd()))
    return failure();
  scratchOffset = savedOffset;
  scratchBound = savedBound;
  memory = std::move(savedMemory);
  return success();
}

LogicalResult ThreadExpander::expandOp(Operation &op) {
  b.setLoc(op.getLoc());
  if (auto load = dyn_cast<tile::LoadOp>(op)) {
    Memory place = viewMemory(load.getView(), load.getOffsets(), load.getDims(), op.hasAttr("in_bounds"));
    if (load.getCondition())
      place.condition = mapped(load.getCondition());
    memory[load.getTile()] = std::move(place);
    return success();
  }
  if (auto load = dyn_cast<tile::LoadScalarOp>(op)) {
    beginRoot(/*writes=*/false);
    Memory place = viewMemory(load.getView(), load.getOffsets(), {}, /*inBounds=*/true);
    mapping.map(load.getValue(), read(place.base, place.element, {}));
    endRoot(/*writes=*/false);
    return success();
  }
  if (isa<tile::StoreOp>(op)) {
    auto group = plan.storeGroups.find(&op);
    return group == plan.storeGroups.end() ? success() : expandStores(group->second);
  }
  if (auto patches = dyn_cast<tile::PatchesOp>(op))
    return materialize(patches.getTile());
  if (auto check = dyn_cast<tile::CheckOp>(op))
    return expandCheck(check);
  if (auto reduce = dyn_cast<tile::ReduceOp>(op))
    return isLazyTileOp(&op) ? success() : expandReduce(reduce);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return expandFor(loop);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return expandIf(branch);
  // Tiles wait until a traversal asks for them.
  if (op.getNumResults() == 1 && isTile(op.getResult(0)))
    return success();
  if (isa<tile::TileDialect>(op.getDialect()) || op.getNumRegions())
    return op.emitError("expected an op that the GPU lowering knows, got ") << op.getName();
  b.clone(op, mapping);
  return success();
}

/// Is there an op that starts a traversal of its own, or a value that goes to scratch?
bool ThreadExpander::hasRoots(Block &block) {
  return block
      .walk([&](Operation *op) {
        bool root = isa<tile::StoreOp, tile::PatchesOp>(op) || (isa<tile::ReduceOp>(op) && !isLazyTileOp(op)) ||
                    llvm::any_of(op->getOperands(), [&](Value v) { return plan.toMaterialize.count(v) > 0; });
        return root ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

LogicalResult ThreadExpander::expandFor(scf::ForOp op) {
  SmallVector<Value> initial;
  SmallVector<unsigned> counts; // registers of each carried value; 0: a scalar
  for (Value value : op.getInitArgs()) {
    SmallVector<Value> own;
    if (!isTile(value))
      own = {mapped(value)};
    else if (failed(canonical(value, own)))
      return failure();
    counts.push_back(isTile(value) ? own.size() : 0);
    initial.append(own);
  }
  beginRoot(/*writes=*/false);
  auto loop =
      scf::ForOp::create(b, mapped(op.getLowerBound()), mapped(op.getUpperBound()), mapped(op.getStep()), initial);
  auto bind = [&](ValueRange from, ValueRange to) {
    size_t next = 0;
    for (auto [value, count] : llvm::zip(from, counts)) {
      if (count)
        registers[value] = llvm::to_vector(to.slice(next, count));
      else
        mapping.map(value, to[next]);
      next += std::max(count, 1u);
    }
  };
  mapping.map(op.getInductionVar(), loop.getInductionVar());
  bind(op.getRegionIterArgs(), loop.getRegionIterArgs());
  // What the iteration before has left open is not known here.
  if (hasRoots(*op.getBody()))
    wrote = reads = wrote || scratchUsed || hazards;
  {
    OpBuilder::InsertionGuard guard(b);
    if (initial.empty())
      b.setInsertionPoint(loop.getBody()->getTerminator());
    else
      b.setInsertionPointToStart(loop.getBody());
    SmallVector<Value> yielded;
    auto evaluateYielded = [&]() -> LogicalResult {
      for (Value value : op.getBody()->getTerminator()->getOperands()) {
        SmallVector<Value> own;
        if (!isTile(value))
          own = {mapped(value)};
        else if (failed(canonical(value, own)))
          return failure();
        yielded.append(own);
      }
      return success();
    };
    if (failed(expandBlock(*op.getBody(), evaluateYielded)))
      return failure();
    if (!initial.empty())
      scf::YieldOp::create(b, yielded);
  }
  bind(op.getResults(), loop.getResults());
  if (hasRoots(*op.getBody()))
    wrote = reads = wrote || scratchUsed || hazards;
  return success();
}

LogicalResult ThreadExpander::expandIf(scf::IfOp op) {
  if (op.getNumResults())
    return op.emitError("expected a branch without results in a tile program");
  auto branch = scf::IfOp::create(b, mapped(op.getCondition()), !op.getElseRegion().empty());
  OpBuilder::InsertionGuard guard(b);
  bool wroteBefore = wrote, readsBefore = reads;
  b.setInsertionPointToStart(branch.thenBlock());
  if (failed(expandBlock(*op.thenBlock())))
    return failure();
  bool wroteThen = wrote, readsThen = reads;
  wrote = wroteBefore;
  reads = readsBefore;
  if (!op.getElseRegion().empty()) {
    b.setInsertionPointToStart(branch.elseBlock());
    if (failed(expandBlock(*op.elseBlock())))
      return failure();
  }
  wrote |= wroteThen;
  reads |= readsThen;
  return success();
}

// ---- roots ------------------------------------------------------------------------

void ThreadExpander::barrier() {
  NVVM::Barrier0Op::create(b);
  wrote = reads = readByAll = false;
}

void ThreadExpander::beginRoot(bool writes) {
  if (wrote || (writes && reads))
    barrier();
}

void ThreadExpander::endRoot(bool writes) {
  reads |= hazards || scratchUsed;
  wrote |= writes;
}

/// Does evaluating the tile meet registers of a loop that are not the same for all threads?
bool ThreadExpander::readsCarried(Value tile) {
  llvm::SetVector<Value> seen;
  seen.insert(tile);
  for (size_t i = 0; i < seen.size(); ++i) {
    Value value = seen[i];
    if (!isTile(value) || memory.count(value))
      continue;
    if (registers.count(value)) {
      if (cast<RankedTensorType>(value.getType()).getNumElements() != 1)
        return true;
      continue;
    }
    if (Operation *op = value.getDefiningOp(); op && !op->getNumRegions())
      seen.insert(op->operand_begin(), op->operand_end());
  }
  return false;
}

LogicalResult ThreadExpander::prepare(Value tile) {
  SmallVector<Value> order;
  llvm::DenseSet<Value> seen;
  auto visit = [&](auto &self, Value value) -> void {
    if (!isTile(value) || memory.count(value) || registers.count(value) || !seen.insert(value).second)
      return;
    Operation *op = value.getDefiningOp();
    if (!op || op->getNumRegions())
      return;
    for (Value operand : op->getOperands())
      self(self, operand);
    if (plan.toMaterialize.count(value))
      order.push_back(value);
  };
  visit(visit, tile);
  for (Value value : order)
    if (!memory.count(value) && failed(materialize(value)))
      return failure();
  return success();
}

LogicalResult ThreadExpander::materialize(Value tile) {
  FailureOr<Memory> place = allocate(tile);
  if (failed(place))
    return failure();
  beginRoot(/*writes=*/true);
  LogicalResult done = forEachElement(tile, readsCarried(tile), [&](Place &at) -> LogicalResult {
    FailureOr<Value> value = evaluate(tile, at);
    if (succeeded(value))
      storeAt(*place, at.at, *value);
    return value;
  });
  endRoot(/*writes=*/true);
  memory[tile] = std::move(*place);
  return done;
}

/// All values of a place are computed before the first is written.
LogicalResult ThreadExpander::expandStores(ArrayRef<tile::StoreOp> group) {
  SmallVector<Memory> places;
  bool unrolled = false;
  for (tile::StoreOp op : group) {
    if (failed(prepare(op.getTile())))
      return failure();
    places.push_back(viewMemory(op.getView(), op.getOffsets(), op.getDims(), op->hasAttr("in_bounds")));
    if (op.getCondition())
      places.back().condition = mapped(op.getCondition());
    unrolled |= readsCarried(op.getTile());
  }
  tile::StoreOp first = group.front(), last = group.back();
  b.setLoc(last.getLoc());
  beginRoot(/*writes=*/hazards || readByAll);
  LogicalResult done = forEachElement(first.getTile(), unrolled, [&](Place &at) -> LogicalResult {
    SmallVector<Value> values;
    for (tile::StoreOp op : group) {
      FailureOr<Value> value = evaluate(op.getTile(), at);
      if (failed(value))
        return failure();
      values.push_back(*value);
    }
    for (auto [op, place, value] : llvm::zip(group, places, values)) {
      b.setLoc(op->getLoc());
      storeAt(place, at.at, value);
    }
    return success();
  });
  endRoot(/*writes=*/hazards);
  return done;
}

/// The fault's number goes to the word that the executor looks at after the launch.
LogicalResult ThreadExpander::expandCheck(tile::CheckOp op) {
  if (!isTile(op.getOk())) {
    Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, index(0));
    recordFault(b, arith::AndIOp::create(b, isFirst, negated(b, mapped(op.getOk()))), faults, op.getWhat());
    return success();
  }
  if (failed(prepare(op.getOk())))
    return failure();
  b.setLoc(op.getLoc());
  beginRoot(/*writes=*/false);
  LogicalResult done = forEachElement(op.getOk(), readsCarried(op.getOk()), [&](Place &at) -> LogicalResult {
    FailureOr<Value> ok = evaluate(op.getOk(), at);
    if (succeeded(ok))
      recordFault(b, negated(b, *ok), faults, op.getWhat());
    return ok;
  });
  endRoot(/*writes=*/false);
  return done;
}

LogicalResult ThreadExpander::canonical(Value tile, SmallVector<Value> &own) {
  auto type = cast<RankedTensorType>(tile.getType());
  if (!type.hasStaticShape())
    return kernel.emitError("expected a loop to carry tiles of a known size, got ") << type;
  if (failed(prepare(tile)))
    return failure();
  beginRoot(/*writes=*/false);
  endRoot(/*writes=*/false);
  int64_t count = type.getNumElements();
  if (count == 1) {
    // Every thread has it.
    reads = readByAll = true;
    Place place{SmallVector<Value>(type.getRank(), index(0)), 0};
    FailureOr<Value> value = evaluate(tile, place);
    if (succeeded(value))
      own.push_back(*value);
    return value;
  }
  for (int64_t slot = 0; slot * threads < count; ++slot) {
    Value number = add(thread, index(slot * threads));
    Value exists = (slot + 1) * threads > count ? isLess(number, index(count)) : Value();
    FailureOr<Value> value = under(exists, type.getElementType(), [&]() -> FailureOr<Value> {
      Place place;
      place.slot = slot;
      Value rest = number;
      SmallVector<Value> at(type.getRank());
      for (int64_t d = type.getRank() - 1; d >= 0; --d) {
        at[d] = d == 0 ? rest : rem(rest, index(type.getDimSize(d)));
        rest = d == 0 ? rest : div(rest, index(type.getDimSize(d)));
      }
      place.at = at;
      return evaluate(tile, place);
    });
    if (failed(value))
      return failure();
    own.push_back(*value);
  }
  return success();
}

LogicalResult ThreadExpander::forEachElement(Value tile, bool unrolled, PlaceFn fn) {
  auto type = cast<RankedTensorType>(tile.getType());
  int64_t rank = type.getRank();
  Value count = index(1);
  for (int64_t d = 0; d < rank; ++d)
    count = mul(count, extent(tile, d));
  auto visit = [&](Value number, int64_t slot) -> LogicalResult {
    Place place{SmallVector<Value>(rank), slot};
    // The outermost extent that is not 1 takes what is left.
    int64_t first = 0;
    while (first + 1 < rank && type.getDimSize(first) == 1)
      ++first;
    Value rest = number;
    for (int64_t d = rank - 1; d >= 0; --d) {
      if (d < first || (type.getDimSize(d) == 1 && d != first)) {
        place.at[d] = index(0);
        continue;
      }
      place.at[d] = d == first ? rest : rem(rest, extent(tile, d));
      rest = d == first ? rest : div(rest, extent(tile, d));
    }
    return fn(place);
  };
  if (type.hasStaticShape() && (unrolled || type.getNumElements() <= threads)) {
    for (int64_t slot = 0; slot * threads < type.getNumElements(); ++slot) {
      Value number = add(thread, index(slot * threads));
      OpBuilder::InsertionGuard guard(b);
      if ((slot + 1) * threads > type.getNumElements()) {
        auto branch = scf::IfOp::create(b, isLess(number, count), /*withElseRegion=*/false);
        b.setInsertionPointToStart(branch.thenBlock());
      }
      if (failed(visit(number, slot)))
        return failure();
    }
    return success();
  }
  if (unrolled)
    return kernel.emitError("expected a tile of known size where a loop's tile is read, got ") << type;
  auto loop = scf::ForOp::create(b, thread, count, index(threads));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  return visit(loop.getInductionVar(), -1);
}

// ---- helpers ------------------------------------------------------------------------

Value ThreadExpander::index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
Value ThreadExpander::add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(x, y); }
Value ThreadExpander::sub(Value x, Value y) { return b.createOrFold<arith::SubIOp>(x, y); }
Value ThreadExpander::mul(Value x, Value y) { return b.createOrFold<arith::MulIOp>(x, y); }
Value ThreadExpander::div(Value x, Value y) { return b.createOrFold<arith::DivUIOp>(x, y); }
Value ThreadExpander::rem(Value x, Value y) { return b.createOrFold<arith::RemUIOp>(x, y); }
Value ThreadExpander::both(Value x, Value y) { return !x ? y : !y ? x : Value(arith::AndIOp::create(b, x, y)); }
Value ThreadExpander::isLess(Value x, Value y) { return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, x, y); }

Value ThreadExpander::fromExpr(const SymbolicExpr &expr) { return indexFromExpr(b, kernel, mapping, expr); }

Value ThreadExpander::extent(Value tile, unsigned dim) {
  auto type = cast<RankedTensorType>(tile.getType());
  if (!type.isDynamicDim(dim))
    return index(type.getDimSize(dim));
  Value size = tileSizeOperand(tile, dim);
  return size ? mapped(size) : index(0);
}

FailureOr<Value> ThreadExpander::under(Value condition, Type type, llvm::function_ref<FailureOr<Value>()> body) {
  if (!condition)
    return body();
  auto branch = scf::IfOp::create(b, TypeRange{type}, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  FailureOr<Value> value = body();
  if (failed(value))
    return failure();
  scf::YieldOp::create(b, ValueRange{*value});
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, ValueRange{arith::ConstantOp::create(b, b.getZeroAttr(type))});
  return branch.getResult(0);
}
