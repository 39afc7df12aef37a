// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Lower/Gpu/GpuExpander.h"
#include "passes/Lower/Gpu/DeviceMath.h"
#include "passes/Lower/Gpu/Faults.h"

#include "dialects/Tile/GroupBlocks.h"
#include "dialects/Tile/IndexExpr.h"
#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

LogicalResult GpuExpander::expand(ModuleOp kernels) {
  module = kernels;
  b.setInsertionPointToEnd(kernels.getBody());
  auto pointer = LLVM::LLVMPointerType::get(b.getContext(), 1);
  SmallVector<Type> types(kernel.getViews(), pointer);
  types.append(kernel.getSymbols(), b.getI64Type());
  bool isStreamed = kernel.getSchedule().contains("streamed_blocks");
  types.append(isStreamed ? 2 : 0, pointer);
  bool checks = kernel.getBody().walk([](tile::CheckOp) { return WalkResult::interrupt(); }).wasInterrupted();
  if (checks) // the parameters of a kernel with a workspace, which has none
    types.append({pointer, b.getI64Type(), pointer});
  function = func::FuncOp::create(b, kernel.getSymName(), b.getFunctionType(types, {}));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  auto toIndex = [&](Value v) { return Value(arith::IndexCastUIOp::create(b, b.getIndexType(), v)); };
  for (int64_t i = 0; i < static_cast<int64_t>(kernel.getViews()); ++i)
    buffers[kernel.getView(i)] = entry->getArgument(i);
  for (int64_t i = 0; i < static_cast<int64_t>(kernel.getSymbols()); ++i)
    mapping.map(kernel.getSymbolArgument(i), toIndex(entry->getArgument(kernel.getViews() + i)));

  if (checks)
    faults = entry->getArguments().back();
  if (isStreamed) {
    partials = entry->getArgument(types.size() - 2);
    turns = entry->getArgument(types.size() - 1);
  }
  Value thread = toIndex(NVVM::ThreadIdXOp::create(b, b.getI32Type()));
  lane = arith::AndIOp::create(b, thread, index(31));
  warp = warpOfBlock = arith::ShRUIOp::create(b, thread, index(5));
  SmallVector<SymbolicExpr> grid(bess::parseDims(kernel.getGrid()));
  if (auto points = kernel.getSchedule().getAs<IntegerAttr>(tile::groupBlocksName)) {
    pointsOfBlock = points.getInt();
    pointOfBlock = arith::ShRUIOp::create(b, warp, index(2));
    warp = arith::AndIOp::create(b, warp, index(3));
    mapping.map(kernel.getGridId(grid.size() - 1), pointOfBlock);
    grid.pop_back();
  }
  Value block = toIndex(NVVM::BlockIdXOp::create(b, b.getI32Type()));
  int64_t products = 0, loops = 0;
  tile::DotOp dot;
  kernel.getBody().walk([&](Operation *op) {
    products += isa<tile::DotOp>(op);
    if (auto product = dyn_cast<tile::DotOp>(op))
      dot = product;
    loops += isa<scf::ForOp>(op);
  });
  inPieces = products == 1 && loops == 0;
  SymbolicExpr blocks = 1;
  for (const SymbolicExpr &extent : grid)
    blocks *= extent;
  auto most = kernel.getSchedule().getAs<IntegerAttr>("grid_blocks");
  if (most && inPieces) {
    if (failed(expandFurtherBlocks(dot, block)))
      return failure();
    grid = {turns ? SymbolicExpr(most.getInt()) : SymbolicExpr::min(blocks, most.getInt())};
  } else if (checks) {
    if (products > 0)
      return kernel.emitError("expected no checks in a kernel with matrix products");
    if (failed(expandPoints(block)))
      return failure();
  } else if (most && kernel.getSchedule().get(tile::ringPiecesName)) {
    if (failed(expandKeptRows(block)))
      return failure();
    grid = {SymbolicExpr::min(blocks, most.getInt())};
  } else {
    mapBlock(block);
    if (failed(expandBody()))
      return failure();
  }
  b.setLoc(kernel.getLoc());
  b.setInsertionPointToEnd(entry); // warps with a role of their own end here, too
  func::ReturnOp::create(b);

  auto warps = kernel.getSchedule().getAs<IntegerAttr>("warps");
  // nvvm's own attributes are for llvm.func: LowerKernelsToLlvm sets them.
  auto producers = kernel.getSchedule().getAs<IntegerAttr>("producer_warps");
  function->setAttr("bess.block", b.getI64IntegerAttr((warps ? 32 * warps.getInt() : 32) * pointsOfBlock +
                                                      (producers ? 32 * producers.getInt() : 0)));
  finishShared(function);
  function->setAttr("bess.grid", bess::getDimsAttr(b.getContext(), grid));
  function->setAttr("bess.workspace", b.getStringAttr("0"));
  if (checks)
    function->setAttr("bess.takes_workspace", b.getUnitAttr());
  if (turns)
    function->setAttr("bess.partial", b.getI64IntegerAttr(partialBytes));
  function->setAttr("bess.flops", kernel.getFlopsAttr());
  function->setAttr("bess.bytes", kernel.getBytesAttr());
  function->setAttr("bess.kind", kernel.getKindAttr());
  function->setAttr("bess.reason", kernel.getReasonAttr());
  if (Attribute cycles = kernel->getAttr("bess.cycles"))
    function->setAttr("bess.cycles", cycles);
  return success();
}

LogicalResult GpuExpander::expandBody() {
  for (Operation &op : kernel.getBody().front().without_terminator())
    if (failed(expandOp(op)))
      return failure();
  return success();
}

/// As a launch counts blocks of kernels that take a workspace: there may be more of them than points, or fewer.
LogicalResult GpuExpander::expandPoints(Value block) {
  Value points = index(1);
  for (const SymbolicExpr &extent : bess::parseDims(kernel.getGrid()))
    points = mul(points, fromExpr(extent));
  Value blocks = arith::IndexCastUIOp::create(b, b.getIndexType(), NVVM::GridDimXOp::create(b, b.getI32Type()));
  auto loop = scf::ForOp::create(b, block, points, blocks);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  mapBlock(loop.getInductionVar());
  if (failed(expandBody()))
    return failure();
  b.setLoc(kernel.getLoc());
  blockBarrier(); // of what warps share, before the next point
  return success();
}

void GpuExpander::mapBlock(Value rest) {
  auto grid = bess::parseDims(kernel.getGrid());
  if (pointOfBlock)
    grid.pop_back();
  int64_t ungrouped = grid.size();
  if (auto group = kernel.getSchedule().getAs<IntegerAttr>("row_group"); group && grid.size() >= 2) {
    mapGroupedBlock(group.getInt(), rest);
    ungrouped -= 2;
  }
  for (int64_t i = ungrouped - 1; i >= 0; --i) {
    Value id = rest;
    if (i > 0) {
      Value extent = fromExpr(grid[i]);
      id = b.createOrFold<arith::RemUIOp>(rest, extent);
      rest = b.createOrFold<arith::DivUIOp>(rest, extent);
    }
    mapping.map(kernel.getGridId(i), id);
  }
}

/// The last two dimensions of the grid, blocks along the rows and along the columns: `group` of them along the rows
/// before the next column, so that blocks that run at a time share operands in the L2 cache. `rest` goes on to what
/// the other dimensions make of the block's number.
void GpuExpander::mapGroupedBlock(int64_t group, Value &rest) {
  auto grid = bess::parseDims(kernel.getGrid());
  int64_t last = grid.size() - 1;
  Value rows = fromExpr(grid[last - 1]), columns = fromExpr(grid[last]), place = rest;
  auto quotient = [&](Value x, Value y) { return b.createOrFold<arith::DivUIOp>(x, y); };
  auto remainder = [&](Value x, Value y) { return b.createOrFold<arith::RemUIOp>(x, y); };
  if (last > 1) {
    Value all = mul(rows, columns);
    place = remainder(rest, all);
    rest = quotient(rest, all);
  }
  Value ofGroup = mul(index(group), columns);
  Value first = mul(quotient(place, ofGroup), index(group)), within = remainder(place, ofGroup);
  // The last group may have fewer rows.
  Value height = b.createOrFold<arith::MinUIOp>(b.createOrFold<arith::SubIOp>(rows, first), index(group));
  mapping.map(kernel.getGridId(last - 1), add(first, remainder(within, height)));
  mapping.map(kernel.getGridId(last), quotient(within, height));
}

LogicalResult GpuExpander::expandOp(Operation &op) {
  if (inPieces) {
    if (canWait(op))
      return success();
    for (Value operand : op.getOperands())
      if (isa<RankedTensorType>(operand.getType()) && failed(ensureTile(operand)))
        return failure();
  }
  b.setLoc(op.getLoc());
  if (auto load = dyn_cast<tile::LoadOp>(op))
    return isOperandInMemory(load.getTile()) ? success() : expandLoad(load);
  if (auto patches = dyn_cast<tile::PatchesOp>(op); patches && isOperandInMemory(patches.getTile()))
    return success();
  if (auto dot = dyn_cast<tile::DotOp>(op))
    return expandDot(dot);
  if (auto convert = dyn_cast<tile::ConvertOp>(op))
    return expandConvert(convert);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return expandFor(loop);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return expandIf(branch);
  if (auto load = dyn_cast<tile::LoadScalarOp>(op))
    return expandLoadScalar(load);
  if (auto check = dyn_cast<tile::CheckOp>(op))
    return expandCheck(check);
  if (auto gather = dyn_cast<tile::GatherOp>(op))
    return expandGather(gather);
  if (auto store = dyn_cast<tile::StoreOp>(op))
    return expandStore(store);
  if (auto reduce = dyn_cast<tile::ReduceOp>(op))
    return expandReduce(reduce);
  if (auto iota = dyn_cast<tile::IotaOp>(op))
    return expandIota(iota);
  if (auto broadcast = dyn_cast<tile::BroadcastOp>(op))
    return expandBroadcast(broadcast);
  if (auto splat = dyn_cast<tile::SplatOp>(op)) {
    FailureOr<TileLayout> layout = layoutOf(&op, splat.getTile());
    if (succeeded(layout))
      tiles[splat.getTile()] = Registers(layout->registers(), mapped(splat.getValue()));
    return layout;
  }
  if (isElementwiseTileOp(&op))
    return expandElementwise(op);
  bool onTiles = llvm::any_of(op.getResultTypes(), llvm::IsaPred<RankedTensorType>) ||
                 isa<tile::TileDialect>(op.getDialect()) || op.getNumRegions();
  if (onTiles)
    return op.emitError("expected an op that the GPU lowering has code for");
  b.clone(op, mapping);
  return success();
}

LogicalResult GpuExpander::expandCheck(tile::CheckOp op) {
  if (isa<RankedTensorType>(op.getOk().getType()))
    return op.emitError("expected a check of one value");
  auto isZero = [&](Value number) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, number, index(0));
  };
  Value isFirst = arith::AndIOp::create(b, isZero(lane), isZero(warpOfBlock));
  recordFault(b, arith::AndIOp::create(b, isFirst, negated(b, mapped(op.getOk()))), faults, op.getWhat());
  return success();
}

LogicalResult GpuExpander::expandElementwise(Operation &op) {
  FailureOr<TileLayout> layout = layoutOf(&op, op.getResult(0));
  if (failed(layout))
    return failure();
  if (isa<arith::AddFOp>(op) && stagedLoop)
    for (unsigned i : {0, 1})
      if (auto dot = op.getOperand(i).getDefiningOp<tile::DotOp>(); dot && isAddedOnce(dot)) {
        if (failed(expandStagedDot(dot, tiles[op.getOperand(1 - i)])))
          return failure();
        tiles[op.getResult(0)] = tiles[dot.getTile()];
        return success();
      }
  Registers results;
  for (int64_t reg = 0; reg < layout->registers(); ++reg)
    results.push_back(elementwiseRegister(op, reg));
  tiles[op.getResult(0)] = std::move(results);
  return success();
}

Value GpuExpander::elementwiseRegister(Operation &op, int64_t reg) {
  Type element = cast<RankedTensorType>(op.getResult(0).getType()).getElementType();
  SmallVector<Value> operands;
  for (Value operand : op.getOperands())
    operands.push_back(isa<RankedTensorType>(operand.getType()) ? tiles[operand][reg] : mapped(operand));
  // Within 2 ulp.
  if (isa<math::Exp2Op>(op) && element.isF32())
    return exp2ByInstruction(b, op.getLoc(), operands.front());
  if (isa<arith::ExtFOp>(op) && element.isF32())
    if (Value wide = widenPair(operands.front()))
      return wide;
  OperationState state(op.getLoc(), op.getName(), operands, {element}, op.getAttrs());
  return b.create(state)->getResult(0);
}

/// bf16 are the upper halves of f32: of one that was read with its neighbours one instruction on their word, where
/// taking it out first would be another.
Value GpuExpander::widenPair(Value narrow) {
  auto extract = narrow.getDefiningOp<vector::ExtractOp>();
  if (!narrow.getType().isBF16() || !extract || extract.getStaticPosition().size() != 1)
    return {};
  int64_t count = cast<VectorType>(extract.getSource().getType()).getNumElements(), i = extract.getStaticPosition()[0];
  if (count % 2 || ShapedType::isDynamic(i))
    return {};
  Value words = LLVM::BitcastOp::create(b, VectorType::get({count / 2}, b.getI32Type()), extract.getSource());
  Value pair = vector::ExtractOp::create(b, words, i / 2);
  Value bits = i % 2 ? Value(arith::AndIOp::create(b, pair, word(int32_t(0xffff0000))))
                     : Value(arith::ShLIOp::create(b, pair, word(16)));
  return arith::BitcastOp::create(b, b.getF32Type(), bits);
}

LogicalResult GpuExpander::expandIota(tile::IotaOp op) {
  FailureOr<TileLayout> layout = layoutOf(op, op.getTile());
  if (failed(layout))
    return failure();
  Registers results;
  for (int64_t reg = 0; reg < layout->registers(); ++reg)
    results.push_back(iotaRegister(op, *layout, reg));
  tiles[op.getTile()] = std::move(results);
  return success();
}

Value GpuExpander::iotaRegister(tile::IotaOp op, const TileLayout &layout, int64_t reg) {
  return arith::IndexCastOp::create(b, b.getI64Type(),
                                    add(mapped(op.getStart()), coordinates(layout, reg)[op.getAxis()]));
}

/// Does the source hold, in the same lane and warp, what the result wants? Then
/// register `reg` of the result is a register of the source.
FailureOr<SmallVector<int64_t>> GpuExpander::broadcastRegisters(tile::BroadcastOp op) {
  FailureOr<TileLayout> from = layoutOf(op, op.getX()), to = layoutOf(op, op.getTile());
  if (failed(from) || failed(to))
    return failure();
  auto type = cast<RankedTensorType>(op.getX().getType());
  size_t rank = type.getRank();
  for (const char *name : {"lane", "warp"})
    for (unsigned bit = 0; int64_t(1) << bit < to->atom().inputSize(name); ++bit)
      for (size_t d = 0; d < rank; ++d) {
        int64_t wanted = type.getDimSize(d) == 1 ? 0 : to->atom().basis(name, bit, to->atom().outputs()[d].name);
        int64_t has = int64_t(1) << bit < from->atom().inputSize(name)
                          ? from->atom().basis(name, bit, from->atom().outputs()[d].name)
                          : 0;
        if (wanted != has)
          return op.emitError("expected a broadcast that stays within lanes: "
                              "the conversion of layouts has no code yet");
      }
  SmallVector<int64_t> results;
  for (int64_t reg = 0; reg < to->registers(); ++reg) {
    std::vector<int64_t> at = to->locate(reg, {});
    for (size_t d = 0; d < rank; ++d)
      at[d] = type.getDimSize(d) == 1 ? 0 : at[d];
    results.push_back(from->find(at).reg);
  }
  return results;
}

LogicalResult GpuExpander::expandBroadcast(tile::BroadcastOp op) {
  FailureOr<SmallVector<int64_t>> sources = broadcastRegisters(op);
  if (failed(sources))
    return failure();
  Registers results;
  for (int64_t source : *sources)
    results.push_back(tiles[op.getX()][source]);
  tiles[op.getTile()] = std::move(results);
  return success();
}

// ---- coordinates

/// One output of the linear map on a hardware index: bits whose bases are
/// successive powers of two go together, by one multiplication.
static Value linearPart(ImplicitLocOpBuilder &b, Value input, const LinearLayout &atom, StringRef name, StringRef out) {
  Value result;
  unsigned bits = llvm::Log2_64(atom.inputSize(name.str()));
  for (unsigned bit = 0; bit < bits;) {
    int64_t basis = atom.basis(name.str(), bit, out.str());
    unsigned run = 1;
    while (llvm::isPowerOf2_64(basis) && bit + run < bits &&
           atom.basis(name.str(), bit + run, out.str()) == basis << run)
      ++run;
    if (basis) {
      auto constant = [&](int64_t v) { return Value(arith::ConstantIndexOp::create(b, v)); };
      Value part = bit ? b.createOrFold<arith::ShRUIOp>(input, constant(bit)) : input;
      if (bit + run < bits)
        part = b.createOrFold<arith::AndIOp>(part, constant((int64_t(1) << run) - 1));
      part = b.createOrFold<arith::MulIOp>(part, constant(basis));
      result = result ? b.createOrFold<arith::XOrIOp>(result, part) : part;
    }
    bit += run;
  }
  return result;
}

GpuExpander::Registers GpuExpander::coordinates(const TileLayout &layout, int64_t reg) {
  const LinearLayout &atom = layout.atom();
  Registers &base = bases[layout.str()];
  if (base.empty()) {
    // Once, at the top: they are the same all over the kernel.
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointAfterValue(warp);
    for (const LinearLayout::Dim &dim : atom.outputs()) {
      Value fromLane = linearPart(b, lane, atom, "lane", dim.name),
            fromWarp = linearPart(b, warp, atom, "warp", dim.name);
      base.push_back(!fromLane && !fromWarp ? index(0)
                     : !fromLane            ? fromWarp
                     : !fromWarp            ? fromLane
                                            : b.createOrFold<arith::XOrIOp>(fromLane, fromWarp));
    }
  }
  int64_t inAtom = reg % atom.inputSize("register");
  std::vector<int64_t> whole = layout.locate(reg, {}), part = layout.locate(inAtom, {});
  Registers result;
  for (size_t d = 0; d < base.size(); ++d) {
    int64_t reach = 0; // bits that lanes and warps can set
    for (const char *name : {"lane", "warp"})
      for (unsigned bit = 0; int64_t(1) << bit < atom.inputSize(name); ++bit)
        reach |= atom.basis(name, bit, atom.outputs()[d].name);
    Value at = base[d];
    if (part[d] & reach) {
      at = b.createOrFold<arith::XOrIOp>(at, index(part[d]));
      result.push_back(add(at, index(whole[d] - part[d])));
    } else {
      result.push_back(add(at, index(whole[d])));
    }
  }
  return result;
}

int64_t bessemer::gpu::contiguousRegisters(const TileLayout &layout) {
  const LinearLayout &atom = layout.atom();
  int64_t count = 1;
  for (unsigned bit = 0; int64_t(1) << bit < atom.inputSize("register"); ++bit, count *= 2)
    for (size_t d = 0; d < atom.outputs().size(); ++d)
      if (atom.basis("register", bit, atom.outputs()[d].name) != (d + 1 == atom.outputs().size() ? count : 0))
        return count;
  return count;
}

// ---- helpers

Value GpuExpander::index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
Value GpuExpander::add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(x, y); }
Value GpuExpander::mul(Value x, Value y) { return b.createOrFold<arith::MulIOp>(x, y); }
Value GpuExpander::both(Value x, Value y) { return !x ? y : !y ? x : Value(arith::AndIOp::create(b, x, y)); }

Value GpuExpander::fromExpr(const SymbolicExpr &expr) { return indexFromExpr(b, kernel, mapping, expr); }
