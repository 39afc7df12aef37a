// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Layout/ImageLayout.h"
#include "passes/Layout/Passes.h"

#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace bessemer {
#define GEN_PASS_DEF_ASSIGNLAYOUTS
#include "passes/Layout/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

namespace {
bool isFloat(Value value) {
  Type element = getElementTypeOrSelf(value.getType());
  return element.isF32() || element.isF16() || element.isBF16();
}
int64_t rankOf(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type ? type.getRank() : 0;
}

/// Ops of one block that get images with the channels last, and how they get them.
class BlockLayouts {
public:
  /// `anyWeights`: also convolutions whose weights only the run knows, which then rearranges them.
  BlockLayouts(Block &block, bool anyWeights) : block(block), anyWeights(anyWeights) {}

  void run() {
    choose();
    for (Operation *op : chosen)
      convert(op);
    for (Operation *op : llvm::reverse(chosen))
      op->erase();
    for (TransposeOp back : llvm::reverse(backs))
      if (back.use_empty())
        back.erase();
  }

private:
  // ---- which ops

  bool isSeed(Operation *op) const {
    auto conv = dyn_cast<ConvOp>(op);
    return conv && conv.getLayout() == channelsFirst && rankOf(conv.getX()) >= 3 && isFloat(conv.getX()) &&
           isFloat(conv.getY()) && isFloat(conv.getW()) &&
           cast<RankedTensorType>(conv.getW().getType()).hasStaticShape() && (anyWeights || isKnownAtLoad(conv.getW()));
  }

  /// The operands that would have to be images with the channels last; none: the op
  /// has no such form.
  SmallVector<Value> images(Operation *op) const {
    if (isSeed(op))
      return {op->getOperand(0)};
    if (op->getNumResults() != 1 || !isa<RankedTensorType>(op->getResult(0).getType()))
      return {};
    int64_t rank = rankOf(op->getResult(0));
    if (auto pool = dyn_cast<PoolOp>(op))
      return rank >= 3 && isFloat(pool.getX()) && pool.getKind() != "lp" && pool.getLayout() == channelsFirst
                 ? SmallVector<Value>{pool.getX()}
                 : SmallVector<Value>();
    if (auto resize = dyn_cast<ResizeOp>(op))
      return rank >= 3 && !llvm::is_contained(resize.getAxes(), 1) ? SmallVector<Value>{resize.getX()}
                                                                   : SmallVector<Value>();
    if (isa<SliceOp, PadOp>(op))
      return rank >= 3 ? SmallVector<Value>{op->getOperand(0)} : SmallVector<Value>();
    if (auto concat = dyn_cast<ConcatOp>(op))
      return rank >= 3 ? SmallVector<Value>(op->getOperands()) : SmallVector<Value>();
    if (auto reduce = dyn_cast<ReduceOp>(op)) {
      bool kept = reduce.getKeepdims() || keepsOrder(reduce.getAxes(), rankOf(reduce.getX()));
      return rankOf(reduce.getX()) >= 3 && kept ? SmallVector<Value>{reduce.getX()} : SmallVector<Value>();
    }
    SmallVector<Value> operands;
    if (rank >= 3 && op->hasTrait<bess::Elementwise>())
      for (Value operand : op->getOperands()) {
        if (rankOf(operand) == rank && getDims(operand.getType()) == getDims(op->getResult(0).getType()))
          operands.push_back(operand);
      }
    return operands;
  }

  /// Without the reduced dimensions: is the order of the others the same in both layouts?
  static bool keepsOrder(ArrayRef<int64_t> axes, int64_t rank) {
    bool channels = llvm::is_contained(axes, 1), allSpatial = true;
    for (int64_t i = 2; i < rank; ++i)
      allSpatial &= llvm::is_contained(axes, i);
    return channels || allSpatial;
  }

  bool isAvailable(Value value) const {
    Operation *op = value.getDefiningOp();
    return op && (chosen.contains(op) || isFromLast(op));
  }

  /// A chosen op reads it, so that it is transposed in any case.
  bool isTransposed(Value value) const {
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      return isToLast(user) || (chosen.contains(user) && llvm::is_contained(images(user), value));
    });
  }

  /// Transposes that are saved by taking `op` in, less those that it costs.
  int64_t gain(Operation *op) const {
    llvm::SetVector<Value> operands;
    for (Value image : images(op))
      operands.insert(image);
    int64_t sum = 0;
    for (Value image : operands) {
      if (isAvailable(image))
        ++sum;
      else if (!isKnownAtLoad(image) && !isReshapeToLast(image.getType()) && !isTransposed(image))
        --sum;
    }
    bool wanted = false, unwanted = false;
    for (Operation *user : op->getResult(0).getUsers())
      (chosen.contains(user) || isToLast(user) ? wanted : unwanted) = true;
    if (isReshapeToLast(op->getResult(0).getType()) || rankOf(op->getResult(0)) < rankOf(images(op).front()))
      unwanted = false;
    return sum + wanted - unwanted;
  }

  void choose() {
    SmallVector<Operation *> candidates;
    for (Operation &op : block) {
      if (isSeed(&op))
        chosen.insert(&op);
      else if (!images(&op).empty())
        candidates.push_back(&op);
    }
    if (chosen.empty())
      return;
    for (bool changed = true; changed;) {
      changed = false;
      // Forwards: what follows a chosen op is met after it.
      for (Operation *op : candidates)
        if (!chosen.contains(op) && llvm::any_of(images(op), [&](Value v) { return isAvailable(v); }) && gain(op) >= 0)
          changed |= chosen.insert(op);
    }
    SmallVector<Operation *> ordered(chosen.begin(), chosen.end());
    llvm::sort(ordered, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    chosen = llvm::SetVector<Operation *>(ordered.begin(), ordered.end());
  }

  // ---- how

  /// `value`, an image with the channels first, with the channels last.
  Value last(Value value) {
    if (Value known = converted.lookup(value))
      return known;
    if (Operation *op = value.getDefiningOp(); op && isFromLast(op))
      return op->getOperand(0);
    OpBuilder builder(value.getContext());
    builder.setInsertionPointAfterValue(value);
    return converted[value] = toLast(builder, value.getLoc(), value);
  }

  /// An operand that broadcasts against an image of rank `rank`.
  Value stretched(OpBuilder &builder, Value value, int64_t rank) {
    auto dims = getDims(value.getType());
    if (llvm::all_of(dims, [](const SymbolicExpr &d) { return d == SymbolicExpr::constant(1); }))
      return value;
    SmallVector<SymbolicExpr> full(rank - dims.size(), SymbolicExpr(1));
    full.append(dims.begin(), dims.end());
    Type element = getElementTypeOrSelf(value.getType());
    bool perChannel = true;
    for (auto [i, dim] : llvm::enumerate(full))
      perChannel &= i == 1 || dim == SymbolicExpr::constant(1);
    if (perChannel)
      return ReshapeOp::create(builder, value.getLoc(), getTensorType({full[1]}, element), value);
    if (static_cast<int64_t>(dims.size()) == rank)
      return last(value);
    Value image = ReshapeOp::create(builder, value.getLoc(), getTensorType(full, element), value);
    return toLast(builder, value.getLoc(), image);
  }

  /// One entry for each dimension of an image, in the order of channels last.
  template <typename T> static SmallVector<T> turned(ArrayRef<T> first) {
    return llvm::map_to_vector(toLastPermutation(first.size()), [&](int64_t from) { return first[from]; });
  }
  static DimsAttr turned(DimsAttr first) {
    return getDimsAttr(first.getContext(), turned<SymbolicExpr>(parseDims(first)));
  }

  void convert(Operation *op) {
    OpBuilder builder(op);
    Value result = op->getResult(0);
    int64_t rank = isa<ReduceOp>(op) ? rankOf(op->getOperand(0)) : rankOf(result);
    SmallVector<Value> operands(op->getOperands());
    NamedAttrList attributes(op->getAttrs());
    Type type = rankOf(result) == rank ? lastType(result.getType()) : result.getType();
    auto newAxis = [&](int64_t axis) { return axis == 0 ? 0 : axis == 1 ? rank - 1 : axis - 1; };
    if (isa<ConvOp, PoolOp>(op)) {
      operands[0] = last(operands[0]);
      attributes.set("layout", builder.getStringAttr(channelsLast));
    } else if (auto concat = dyn_cast<ConcatOp>(op)) {
      for (Value &operand : operands)
        operand = last(operand);
      attributes.set("axis", builder.getI64IntegerAttr(newAxis(concat.getAxis())));
    } else if (auto resize = dyn_cast<ResizeOp>(op)) {
      operands[0] = last(operands[0]);
      // Channels are not among them, so that they keep their order.
      attributes.set("axes", builder.getDenseI64ArrayAttr(llvm::map_to_vector(resize.getAxes(), newAxis)));
    } else if (auto slice = dyn_cast<SliceOp>(op)) {
      operands[0] = last(operands[0]);
      attributes.set("offsets", turned(slice.getOffsets()));
      attributes.set("steps", builder.getDenseI64ArrayAttr(turned<int64_t>(slice.getSteps())));
    } else if (auto pad = dyn_cast<PadOp>(op)) {
      operands[0] = last(operands[0]);
      attributes.set("low", turned(pad.getLow()));
    } else if (auto reduce = dyn_cast<ReduceOp>(op)) {
      operands[0] = last(operands[0]);
      SmallVector<int64_t> axes;
      for (int64_t axis : reduce.getAxes())
        axes.push_back(newAxis(axis));
      llvm::sort(axes);
      attributes.set("axes", builder.getDenseI64ArrayAttr(axes));
    } else {
      auto dims = getDims(result.getType());
      for (Value &operand : operands)
        operand = rankOf(operand) == rank && getDims(operand.getType()) == dims ? last(operand)
                                                                                : stretched(builder, operand, rank);
    }
    OperationState state(op->getLoc(), op->getName(), operands, {type}, attributes);
    Operation *turned = builder.create(state);
    if (isSeed(op) && !op->hasAttr("bess.reason"))
      turned->setAttr("bess.reason", builder.getStringAttr("channels last: places are rows of a matrix product"));
    if (type == result.getType() && rankOf(result) != rank) {
      result.replaceAllUsesWith(turned->getResult(0));
      return;
    }
    converted[result] = turned->getResult(0);
    Value back = fromLast(builder, op->getLoc(), turned->getResult(0));
    if (auto transpose = back.getDefiningOp<TransposeOp>())
      backs.push_back(transpose);
    result.replaceAllUsesWith(back);
    converted[back] = turned->getResult(0);
  }

  Block &block;
  bool anyWeights;
  llvm::SetVector<Operation *> chosen;
  llvm::DenseMap<Value, Value> converted; ///< channels first -> channels last
  SmallVector<TransposeOp> backs;
};

struct AssignLayouts : bessemer::impl::AssignLayoutsBase<AssignLayouts> {
  llvm::MapVector<func::FuncOp, SmallVector<func::CallOp>> calls;
  llvm::DenseSet<Operation *> done;
  bool anyWeights = false;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable table(module);
    // A GPU multiplies by matrix instructions or one element at a time: rearranging weights costs little beside that.
    anyWeights = tile::getGpuMachine(module).has_value();
    calls.clear();
    done.clear();
    module.walk([&](func::CallOp call) {
      if (auto callee = table.lookup<func::FuncOp>(call.getCallee()))
        calls[callee].push_back(call);
    });
    for (func::FuncOp function : llvm::to_vector(module.getOps<func::FuncOp>()))
      assign(function, table);
  }

  /// Callees first: what they take and give decides about their callers' images.
  void assign(func::FuncOp function, SymbolTable &table) {
    if (function.isDeclaration() || !done.insert(function).second)
      return;
    function.walk([&](func::CallOp call) {
      if (auto callee = table.lookup<func::FuncOp>(call.getCallee()))
        assign(callee, table);
    });
    SmallVector<Block *> blocks;
    function.walk([&](Block *block) { blocks.push_back(block); });
    for (Block *block : blocks)
      BlockLayouts(*block, anyWeights).run();
    joinTransposes(function);
    if (function.isPrivate() && calls.count(function))
      moveToCallers(function);
  }

  /// A transpose of a transpose that undoes it is nothing.
  static void joinTransposes(func::FuncOp function) {
    function.walk([](TransposeOp op) {
      Operation *inner = op.getX().getDefiningOp();
      if (inner && ((isToLast(op) && isFromLast(inner)) || (isFromLast(op) && isToLast(inner))))
        op.getY().replaceAllUsesWith(inner->getOperand(0));
    });
    SmallVector<TransposeOp> transposes;
    function.walk([&](TransposeOp op) { transposes.push_back(op); });
    for (TransposeOp op : llvm::reverse(transposes))
      if (op.getY().use_empty())
        op.erase();
  }

  /// Transposes of arguments and results move to the callers, where they may meet others.
  void moveToCallers(func::FuncOp function) {
    Block &body = function.front();
    SmallVector<Type> inputs(function.getArgumentTypes()), results(function.getResultTypes());
    for (BlockArgument argument : body.getArguments()) {
      if (argument.use_empty() || !llvm::all_of(argument.getUsers(), [](Operation *user) { return isToLast(user); }))
        continue;
      Type turned = lastType(argument.getType());
      for (Operation *user : llvm::make_early_inc_range(argument.getUsers())) {
        user->getResult(0).replaceAllUsesWith(argument);
        user->erase();
      }
      argument.setType(turned);
      inputs[argument.getArgNumber()] = turned;
      for (func::CallOp call : calls[function]) {
        OpBuilder builder(call);
        OpOperand &operand = call->getOpOperand(argument.getArgNumber());
        operand.set(transposeToLast(builder, call.getLoc(), operand.get()));
      }
    }
    auto ret = cast<func::ReturnOp>(body.getTerminator());
    for (OpOperand &operand : ret->getOpOperands()) {
      Operation *back = operand.get().getDefiningOp();
      if (!back || !isFromLast(back))
        continue;
      unsigned number = operand.getOperandNumber();
      operand.set(back->getOperand(0));
      if (back->use_empty())
        back->erase();
      results[number] = operand.get().getType();
      for (func::CallOp call : calls[function]) {
        OpBuilder builder(call.getContext());
        builder.setInsertionPointAfter(call);
        Value result = call.getResult(number);
        result.setType(lastType(result.getType()));
        Value plain = transposeFromLast(builder, call.getLoc(), result);
        result.replaceAllUsesExcept(plain, plain.getDefiningOp());
      }
    }
    function.setType(FunctionType::get(function.getContext(), inputs, results));
  }
};
} // namespace
