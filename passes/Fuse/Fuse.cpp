// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Fuse/Passes.h"
#include "passes/Fuse/Rules.h"

#include "dialects/Bess/Views.h"
#include "dialects/Tile/AttentionShape.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

namespace bessemer {
#define GEN_PASS_DEF_FUSE
#include "passes/Fuse/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

namespace {
using Group = llvm::SetVector<Operation *>;

/// A group larger than this gains nothing and makes long compile times.
constexpr size_t maxOps = 48;
constexpr size_t maxInputs = 24;

bool isSplatConstant(Operation *op) {
  auto constant = dyn_cast_or_null<ConstantOp>(op);
  return constant && isa<SplatElementsAttr>(constant.getValue()) && fuse::isComputable(constant.getType());
}

/// A constant of one value is copied into the group, where an op that is
/// computed element by element reads it; others read their operands from memory.
bool isCopied(Operation *user, Value operand) {
  return fuse::isRowOp(user) && isSplatConstant(operand.getDefiningOp());
}

llvm::SetVector<Value> inputsOf(const Group &group) {
  llvm::SetVector<Value> inputs;
  for (Operation *op : group)
    for (Value operand : op->getOperands())
      if (!group.contains(operand.getDefiningOp()) && !isCopied(op, operand))
        inputs.insert(operand);
  return inputs;
}

/// Values of the group that somebody outside of it reads.
SmallVector<Value> escaping(const Group &group) {
  SmallVector<Value> values;
  for (Operation *op : group)
    for (Value result : op->getResults())
      // A program of several results writes all of them.
      if (op->getNumResults() > 1 ||
          llvm::any_of(result.getUsers(), [&](Operation *user) { return !group.contains(user); }))
        values.push_back(result);
  return values;
}

struct Fuse : bessemer::impl::FuseBase<Fuse> {
  llvm::DenseSet<Operation *> taken;

  void runOnOperation() override {
    SmallVector<Block *> blocks;
    getOperation().walk([&](Block *block) {
      if (!isa<FusionOp>(block->getParentOp()))
        blocks.push_back(block);
    });
    for (Block *block : blocks) {
      taken.clear();
      SmallVector<Group> groups;
      SmallVector<std::pair<std::string, std::string>> kinds;
      formAnchored(*block, groups, kinds);
      formRows(*block, groups, kinds);
      formPoints(*block, groups, kinds);
      for (auto [group, kind] : llvm::zip(groups, kinds))
        wrap(group, kind.first, kind.second);
    }
  }

  /// matmul, conv, attention, pool, each with the elementwise ops behind it.
  void formAnchored(Block &block, SmallVector<Group> &groups, SmallVector<std::pair<std::string, std::string>> &kinds) {
    for (Operation &op : block) {
      if (taken.contains(&op) || !fuse::isTileableAnchor(&op))
        continue;
      Group group;
      group.insert(&op);
      auto concat = dyn_cast<ConcatOp>(op);
      if (concat)
        pullMoves(concat, group);
      bool appendsTwo = concat && takeOtherAppend(concat, group);
      pullHeads(&op, group);
      Group best = group;
      // With the channels last, they are the columns of a matrix.
      bool conv = isa<ConvOp>(op) && cast<ConvOp>(op).getLayout() == channelsFirst,
           epilogue = isa<MatmulOp, GroupedMatmulOp, SumPartsOp, ConvOp, WinogradOutputOp>(op);
      Type type = op.getResult(0).getType();
      std::string absorbed;
      for (bool grown = epilogue; grown && group.size() < maxOps;) {
        grown = false;
        for (Operation *member : SmallVector<Operation *>(group.getArrayRef())) {
          for (Operation *user : member->getResult(0).getUsers()) {
            if (group.contains(user) || taken.contains(user) || user->getBlock() != &block ||
                !fuse::isElementwiseOp(user) || getDims(user->getResult(0).getType()) != getDims(type))
              continue;
            bool fits = llvm::all_of(user->getOperands(), [&](Value operand) {
              // A convolution with the channels last reads its image in a form of its own.
              if (isa<ConvOp>(op) && !conv && operand == op.getOperand(0))
                return false;
              if (group.contains(operand.getDefiningOp()) || isSplatConstant(operand.getDefiningOp()))
                return true;
              return conv ? fuse::isConvEpilogueOperand(operand.getType(), type)
                          : fuse::isMatmulEpilogueOperand(operand.getType(), type);
            });
            // The whole group is computed where its last op stands: nothing
            // that it reads may come from an op that needs the group.
            if (!fits || readsThroughOutside(user, group))
              continue;
            group.insert(user);
            grown = true;
          }
        }
        if (escaping(group).size() <= 1 && inputsOf(group).size() <= maxInputs)
          best = group;
      }
      bool normalizes = isa<SumPartsOp>(op) && takeNorm(best);
      for (Operation *member : best) {
        taken.insert(member);
        if (member != &op)
          absorbed += (absorbed.empty() ? "" : ", ") + member->getName().stripDialect().str();
      }
      StringRef name = op.getName().stripDialect();
      groups.push_back(best);
      std::string reason;
      if (absorbed.empty())
        reason = (name + " alone: nothing that reads it is elementwise and its only reader").str();
      else if (isa<AttentionOp, AttentionPartsOp>(op))
        reason = name.str() + " reads heads where they lie, through " + absorbed;
      else if (appendsTwo)
        reason = "appends to two caches: concat, " + absorbed;
      else if (concat)
        reason = "concat copies rows from where they come, through " + absorbed;
      else
        reason =
            absorbed + " read what " + name.str() + " writes, " + (normalizes ? "row by row" : "element by element");
      // What an earlier phase decided about the op.
      if (auto earlier = op.getAttrOfType<StringAttr>("bess.reason"))
        reason += "; " + earlier.str();
      kinds.push_back({name.str(), reason});
    }
  }

  /// The normalization of what the group computes, whose rows are short enough for a block; if others read that, too,
  /// the kernel has two results.
  bool takeNorm(Group &group) {
    constexpr int64_t longestRow = 8192;
    SmallVector<Value> values = escaping(group);
    if (values.size() != 1 || getDims(values[0].getType()).back().isConstant().value_or(INT64_MAX) > longestRow)
      return false;
    Block *block = group.front()->getBlock();
    for (Operation *norm : values[0].getUsers()) {
      if (!isa<LayerNormOp, RmsNormOp>(norm) || !fuse::isRowOp(norm) || norm->getBlock() != block ||
          taken.contains(norm) || norm->getOperand(0) != values[0] || llvm::count(norm->getOperands(), values[0]) != 1)
        continue;
      // The group is computed where the normalization stands.
      bool isFirst = llvm::all_of(values[0].getUsers(), [&](Operation *user) {
        Operation *reader = block->findAncestorOpInBlock(*user);
        return user == norm || (reader && norm->isBeforeInBlock(reader));
      });
      if (!isFirst || readsThroughOutside(norm, group))
        continue;
      Group larger = group;
      larger.insert(norm);
      if (inputsOf(larger).size() > maxInputs)
        continue;
      group = larger;
      return true;
    }
    return false;
  }

  /// Slices and transposes of whole rows that only the concat reads: it copies rows from where they come.
  void pullMoves(ConcatOp concat, Group &group) {
    auto dims = getDims(concat.getY().getType());
    if (concat.getAxis() + 2 != dims.size() || !dims.back().isConstant())
      return;
    for (Value x : concat.getXs()) {
      for (Operation *op = x.getDefiningOp(); op; op = op->getOperand(0).getDefiningOp()) {
        bool moves = isa<TransposeOp>(op) || (isa<SliceOp>(op) && !contiguousOffset(cast<SliceOp>(op)));
        if (!moves || op->getBlock() != concat->getBlock() || taken.contains(op) || !op->hasOneUse() ||
            !fuse::canPull(op, 0))
          break;
        group.insert(op);
      }
    }
  }

  /// Keys and values that are appended to caches of one shape are one kernel on a GPU, where a launch takes longer than
  /// the rows of a step.
  bool takeOtherAppend(ConcatOp concat, Group &group) {
    auto appends = [&](ConcatOp each) {
      return each.getXs().size() == 2 && isa<BlockArgument>(each.getXs()[0]) && each.getXs()[0].hasOneUse() &&
             each.getAxis() + 2 == getDims(each.getY().getType()).size() &&
             getDims(each.getY().getType()).back().isConstant() && fuse::isTileableAnchor(each);
    };
    if (!fuse::isForGpu(concat) || !appends(concat))
      return false;
    for (Operation *next = concat->getNextNode(); next; next = next->getNextNode()) {
      auto other = dyn_cast<ConcatOp>(next);
      if (!other || taken.contains(other) || !appends(other) || other.getAxis() != concat.getAxis() ||
          other->getOperandTypes() != concat->getOperandTypes())
        continue;
      // Both are computed where the other stands.
      bool isBefore = llvm::all_of(concat.getY().getUsers(), [&](Operation *user) {
        Operation *reader = concat->getBlock()->findAncestorOpInBlock(*user);
        return reader && other->isBeforeInBlock(reader);
      });
      if (!isBefore)
        return false;
      Group both = group;
      both.insert(other);
      pullMoves(other, both);
      for (Operation *op : both)
        if (!group.contains(op) && readsThroughOutside(op, group))
          return false;
      group = both;
      return true;
    }
    return false;
  }

  /// Slices of heads that only the attention reads, of a product for queries, keys and values.
  void pullHeads(Operation *op, Group &group) {
    std::optional<tile::GpuAttention> attention = tile::GpuAttention::of(op);
    if (!attention || !fuse::isForGpu(op))
      return;
    std::pair<Value, tile::HeadSource> operands[] = {
        {attention->q, attention->qSource}, {attention->k, attention->kSource}, {attention->v, attention->vSource}};
    for (auto &[operand, source] : operands) {
      auto slice = operand.getDefiningOp<SliceOp>();
      // Query heads as rows of a block have a view of their own.
      if (!slice || source.value != slice.getX() || (operand == attention->q && attention->folded) ||
          contiguousOffset(slice) || slice->getBlock() != op->getBlock() || taken.contains(slice) ||
          !slice->hasOneUse() || llvm::is_contained(op->getOperands(), source.value))
        continue;
      group.insert(slice);
    }
  }

  /// Does an operand of `user` depend on the group by a way around it?
  bool readsThroughOutside(Operation *user, const Group &group) {
    SmallVector<Operation *> work;
    llvm::DenseSet<Operation *> seen;
    for (Value operand : user->getOperands())
      if (Operation *producer = operand.getDefiningOp(); producer && !group.contains(producer))
        work.push_back(producer);
    while (!work.empty()) {
      Operation *op = work.pop_back_val();
      if (!seen.insert(op).second || op->getBlock() != user->getBlock() || op->isBeforeInBlock(group.front()))
        continue;
      for (Value operand : op->getOperands()) {
        Operation *producer = operand.getDefiningOp();
        if (producer && group.contains(producer))
          return true;
        if (producer)
          work.push_back(producer);
      }
    }
    return false;
  }

  /// From the last op backwards: each op that nobody took starts a group and
  /// pulls in what only it reads.
  void formRows(Block &block, SmallVector<Group> &groups, SmallVector<std::pair<std::string, std::string>> &kinds) {
    for (Operation &root : llvm::reverse(block)) {
      if (taken.contains(&root) || !fuse::isRowOp(&root) || root.getResult(0).use_empty())
        continue;
      Group group;
      group.insert(&root);
      taken.insert(&root);
      for (size_t i = 0; i < group.size() && group.size() < maxOps; ++i) {
        Operation *user = group[i];
        for (auto [number, operand] : llvm::enumerate(user->getOperands())) {
          Operation *producer = operand.getDefiningOp();
          if (!producer || producer->getBlock() != &block || taken.contains(producer) || !fuse::isRowOp(producer) ||
              !fuse::canPull(user, number))
            continue;
          if (!llvm::all_of(producer->getUsers(), [&](Operation *u) { return group.contains(u); }))
            continue;
          if (!llvm::all_of(producer->getUses(),
                            [&](OpOperand &use) { return fuse::canPull(use.getOwner(), use.getOperandNumber()); }))
            continue;
          // Read through a broadcast, it would be computed once for each row.
          bool stretched = !(getElementCount(operand.getType()) == getElementCount(user->getResult(0).getType())) &&
                           !isa<ReduceOp>(user);
          bool ofRows = operand.getType() == user->getOperand(0).getType() || isRowStatistic(operand);
          if (stretched && !fuse::isCheap(producer) && !ofRows)
            continue;
          Group larger = group;
          larger.insert(producer);
          if (inputsOf(larger).size() > maxInputs)
            continue;
          group.insert(producer);
          taken.insert(producer);
        }
      }
      // Nobody pulls it in, and nothing has to move: a view.
      if (auto slice = dyn_cast<SliceOp>(root); slice && group.size() == 1 && contiguousOffset(slice))
        continue;
      std::string names;
      for (Operation *op : llvm::reverse(group))
        names += (names.empty() ? "" : ", ") + op->getName().stripDialect().str();
      groups.push_back(group);
      kinds.push_back({"row", group.size() == 1
                                  ? names + " alone: what it reads has other readers or is not computed by rows"
                                  : names + ": each is read only by the next, row by row"});
    }
  }

  /// What is left: each op alone, its elements computed one by one.
  void formPoints(Block &block, SmallVector<Group> &groups, SmallVector<std::pair<std::string, std::string>> &kinds) {
    for (Operation &op : block) {
      if (taken.contains(&op) || !fuse::isPointOp(&op) || op.getResult(0).use_empty())
        continue;
      // Views: nothing has to move.
      if (auto slice = dyn_cast<SliceOp>(op); slice && contiguousOffset(slice))
        continue;
      if (auto concat = dyn_cast<ConcatOp>(op); concat && isContiguousConcat(concat))
        continue;
      Group group;
      group.insert(&op);
      taken.insert(&op);
      groups.push_back(group);
      kinds.push_back(
          {"point", (op.getName().stripDialect() + " alone: each element by the indices it is made from").str()});
    }
  }

  /// One value for each row: computed with the row, read by broadcast.
  static bool isRowStatistic(Value value) {
    auto dims = getDims(value.getType());
    return !dims.empty() && dims.back() == SymbolicExpr::constant(1);
  }

  void wrap(const Group &group, StringRef kind, StringRef reason) {
    SmallVector<Operation *> ops(group.getArrayRef());
    llvm::sort(ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    SmallVector<Value> outputs = escaping(group);
    if (outputs.empty())
      return;
    llvm::SetVector<Value> inputs = inputsOf(group);
    OpBuilder builder(ops.back());
    SmallVector<Location> locations;
    SmallVector<Type> outputTypes;
    for (Operation *op : ops)
      locations.push_back(op->getLoc());
    for (Value output : outputs)
      outputTypes.push_back(output.getType());
    auto fusion =
        FusionOp::create(builder, builder.getFusedLoc(locations), outputTypes, kind, reason, inputs.getArrayRef());
    Block *body = builder.createBlock(&fusion.getBody());
    IRMapping mapping;
    for (Value input : inputs)
      mapping.map(input, body->addArgument(input.getType(), input.getLoc()));
    for (Operation *op : ops) {
      for (Value operand : op->getOperands())
        if (isCopied(op, operand) && !mapping.contains(operand))
          mapping.map(operand, builder.clone(*operand.getDefiningOp())->getResult(0));
      builder.clone(*op, mapping);
    }
    SmallVector<Value> yielded;
    for (Value output : outputs)
      yielded.push_back(mapping.lookup(output));
    YieldOp::create(builder, fusion.getLoc(), yielded);
    for (auto [output, result] : llvm::zip(outputs, fusion.getOutputs()))
      output.replaceAllUsesWith(result);
    for (Operation *op : llvm::reverse(ops))
      op->erase();
  }
};
} // namespace

void bessemer::addFusePasses(OpPassManager &manager) {
  manager.addNestedPass<func::FuncOp>(createNormalizeForFusion());
  manager.addNestedPass<func::FuncOp>(createFuse());
  manager.addPass(createVerifyFused());
}
