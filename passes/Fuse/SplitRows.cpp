// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Fusions computed in pieces of their rows, and cheap ones computed again, so that
// fewer bytes are live at a time. Slices of rows and the concat of the pieces are
// views (dialects/Bess/Views.h): nothing is copied.
#include "passes/Fuse/Passes.h"
#include "passes/Fuse/RowUses.h"

namespace bessemer {
#define GEN_PASS_DEF_RECOMPUTE
#define GEN_PASS_DEF_SPLITROWS
#include "passes/Fuse/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using namespace bessemer::fuse;

namespace {

void note(func::FuncOp function, StringRef name, const std::string &text) {
  SmallVector<Attribute> list;
  if (auto known = function->getAttrOfType<ArrayAttr>(name))
    llvm::append_range(list, known);
  Builder b(function.getContext());
  list.push_back(b.getStringAttr(text));
  function->setAttr(name, b.getArrayAttr(list));
}

/// Callees before callers.
SmallVector<func::FuncOp> inCallOrder(ModuleOp module, SymbolTableCollection &symbols) {
  SmallVector<func::FuncOp> order;
  llvm::DenseSet<Operation *> seen;
  std::function<void(func::FuncOp)> visit = [&](func::FuncOp function) {
    if (function.isDeclaration() || !seen.insert(function).second)
      return;
    function.walk([&](func::CallOp call) {
      if (auto callee = symbols.lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr()))
        visit(callee);
    });
    order.push_back(function);
  };
  for (func::FuncOp function : module.getOps<func::FuncOp>())
    visit(function);
  return order;
}

int64_t peakOf(func::FuncOp function, const llvm::DenseMap<Operation *, int64_t> &frames,
               SymbolTableCollection &symbols) {
  return *peakOfSplit(BlockLives(function.front(), frames, symbols).problem, {}, 1);
}

/// Writes a group of operations as pieces.
class GroupSplitter {
public:
  GroupSplitter(BlockLives &lives, ArrayRef<Operation *> group)
      : lives(lives), group(group), members(group.begin(), group.end()) {}

  void split(int64_t pieces) {
    int64_t rows = lives.uses[group.front()].rows;
    int64_t each = llvm::divideCeil(rows, pieces);
    OpBuilder b(group.back());
    SmallVector<SmallVector<Value>> made; // by result of the group, by piece
    for (int64_t from = 0; from < rows; from += each) {
      piece.clear();
      for (Operation *op : group)
        clonePiece(b, cast<bess::FusionOp>(op), from, std::min(each, rows - from));
      size_t next = 0;
      for (Operation *op : group)
        for (Value result : op->getResults()) {
          if (made.size() == next)
            made.emplace_back();
          made[next++].push_back(piece.lookup(result));
        }
    }
    join(b, made);
  }

private:
  void clonePiece(OpBuilder &b, bess::FusionOp fusion, int64_t from, int64_t count) {
    const RowUses &uses = lives.uses[fusion];
    SmallVector<Value> operands;
    for (auto [operand, dim] : llvm::zip(fusion.getInputs(), uses.operands))
      operands.push_back(dim < 0 ? operand : rowsOf(b, operand, from, count));
    auto clone = cast<bess::FusionOp>(fusion->clone());
    b.insert(clone);
    clone->setOperands(operands);
    auto retype = [&](Value was, Value now) {
      auto it = uses.values.find(was);
      if (it != uses.values.end())
        now.setType(withExtent(was.getType(), it->second, count));
    };
    Block &before = fusion.getBody().front(), &after = clone.getBody().front();
    for (auto [was, now] : llvm::zip(before.getArguments(), after.getArguments()))
      retype(was, now);
    for (auto [was, now] : llvm::zip(before, after))
      for (auto [wasResult, nowResult] : llvm::zip(was.getResults(), now.getResults()))
        retype(wasResult, nowResult);
    for (auto [was, now] : llvm::zip(fusion.getOutputs(), clone.getOutputs())) {
      now.setType(withExtent(was.getType(), rowDim(was.getType()), count));
      piece[was] = now;
    }
  }

  /// Some rows of a value: what the group has made of them, or a slice of it.
  Value rowsOf(OpBuilder &b, Value value, int64_t from, int64_t count) {
    if (Value known = piece.lookup(value))
      return known;
    Type type = withExtent(value.getType(), rowDim(value.getType()), count);
    Value rows;
    if (Operation *op = value.getDefiningOp(); op && isMade(value)) {
      auto reshape = cast<bess::ReshapeOp>(op); // BlockLives sees to it
      rows = bess::ReshapeOp::create(b, op->getLoc(), type, rowsOf(b, reshape.getX(), from, count));
    } else {
      auto dims = bess::getDims(value.getType());
      SmallVector<SymbolicExpr> offsets(dims.size(), SymbolicExpr(0));
      offsets[rowDim(value.getType())] = from;
      rows = bess::SliceOp::create(b, group.back()->getLoc(), type, value, bess::getDimsAttr(b.getContext(), offsets),
                                   SmallVector<int64_t>(dims.size(), 1));
    }
    return piece[value] = rows;
  }

  bool isMade(Value value) const {
    Operation *maker = lives.rootOf(value).getDefiningOp();
    return maker && members.contains(maker);
  }

  void join(OpBuilder &b, ArrayRef<SmallVector<Value>> made) {
    // Views of what the group makes come behind it, where somebody else reads them.
    SmallVector<Operation *> views;
    for (Operation &op : *group.front()->getBlock())
      if (op.getNumResults() == 1 && !members.contains(&op) && op.getNumOperands() && isMade(op.getResult(0)) &&
          op.isBeforeInBlock(group.back()))
        views.push_back(&op);
    size_t next = 0;
    Operation *last = group.back();
    b.setInsertionPointAfter(last);
    SmallVector<Operation *> wholes;
    for (Operation *op : group)
      for (Value result : op->getResults()) {
        ArrayRef<Value> pieces = made[next++];
        if (llvm::all_of(result.getUsers(), [&](Operation *user) { return members.contains(user); }))
          continue;
        last = bess::ConcatOp::create(b, op->getLoc(), result.getType(), pieces, rowDim(result.getType()));
        wholes.push_back(last);
        result.replaceUsesWithIf(last->getResult(0), [&](OpOperand &use) { return !members.contains(use.getOwner()); });
      }
    for (Operation *view : views) {
      view->moveAfter(last);
      last = view;
    }
    for (Operation *op : llvm::reverse(group))
      op->erase();
    for (auto *list : {&views, &wholes})
      for (Operation *op : llvm::reverse(*list))
        if (op->use_empty())
          op->erase();
  }

  BlockLives &lives;
  ArrayRef<Operation *> group;
  llvm::DenseSet<Operation *> members;
  llvm::DenseMap<Value, Value> piece; ///< of the rows in hand
};

struct SplitRows : bessemer::impl::SplitRowsBase<SplitRows> {
  using SplitRowsBase::SplitRowsBase;

  void runOnOperation() override {
    SymbolTableCollection symbols;
    llvm::DenseMap<Operation *, int64_t> frames;
    for (func::FuncOp function : inCallOrder(getOperation(), symbols)) {
      BlockLives lives(function.front(), frames, symbols);
      SplitPlan plan = planRowSplit(lives.problem, pieces);
      std::optional<int64_t> peak = peakOfSplit(lives.problem, plan.groups, pieces);
      if (!peak || *peak != plan.peak) {
        function.emitError() << "expected groups that can be computed in pieces: the checker refuses them";
        return signalPassFailure();
      }
      int64_t before = *peakOfSplit(lives.problem, {}, 1);
      frames[function] = std::min(before, *peak);
      if (*peak >= before)
        continue;
      for (auto [from, to] : plan.groups) {
        auto group = ArrayRef(lives.operations).slice(from, to - from);
        int64_t rows = lives.uses[group.front()].rows, parts = std::min<int64_t>(pieces, rows);
        note(function, "bess.splits",
             function.getName().str() + ": " + std::to_string(group.size()) + " kernels in " + std::to_string(parts) +
                 " pieces of " + std::to_string(llvm::divideCeil(rows, parts)) + " rows, at most " +
                 std::to_string(*peak) + " bytes live at once instead of " + std::to_string(before));
        GroupSplitter(lives, group).split(parts);
      }
    }
  }
};

// ---- computed again ---------------------------------------------------------------

struct Recompute : bessemer::impl::RecomputeBase<Recompute> {
  void runOnOperation() override {
    SymbolTableCollection symbols;
    llvm::DenseMap<Operation *, int64_t> frames;
    for (func::FuncOp function : inCallOrder(getOperation(), symbols)) {
      // Each round takes one value out of the peak; a round that does not lower it is undone.
      for (int round = 0; round < 64 && lowerPeak(function, frames, symbols); ++round) {
      }
      frames[function] = peakOf(function, frames, symbols);
    }
  }

private:
  /// Elementwise or a broadcast, from what is there at any time.
  static bool isCheap(Operation *op, const BlockLives &lives) {
    auto fusion = dyn_cast<bess::FusionOp>(op);
    if (!fusion || fusion->getNumResults() != 1)
      return false;
    for (Operation &inner : fusion.getBody().front().without_terminator())
      if (!inner.hasTrait<bess::Elementwise>() &&
          !isa<bess::ConstantOp, bess::BroadcastOp, bess::ReshapeOp, bess::SliceOp, bess::IotaOp, bess::TriluOp>(inner))
        return false;
    return llvm::all_of(fusion.getInputs(), [&](Value operand) {
      int number = lives.numberOf(operand);
      return lives.isLoadTime(lives.rootOf(operand)) || isa<BlockArgument>(lives.rootOf(operand)) ||
             (number >= 0 && !lives.problem.values[number].counts);
    });
  }

  bool lowerPeak(func::FuncOp function, const llvm::DenseMap<Operation *, int64_t> &frames,
                 SymbolTableCollection &symbols) {
    BlockLives lives(function.front(), frames, symbols);
    int at = -1;
    int64_t before = *peakOfSplit(lives.problem, {}, 1, &at);
    if (at < 0)
      return false;
    Operation *peak = lives.operations[at];
    for (Operation *op : lives.operations) {
      if (!op->isBeforeInBlock(peak) || !isCheap(op, lives))
        continue;
      // Read before the peak (or not at all), and again behind it.
      Operation *first = nullptr;
      bool atPeak = false, movable = true;
      for (Operation *user : op->getUsers()) {
        Operation *ancestor = peak->getBlock()->findAncestorOpInBlock(*user);
        movable &= ancestor == user && !isa<bess::ReshapeOp, bess::SliceOp>(user);
        atPeak |= user == peak;
        if (movable && peak->isBeforeInBlock(user) && (!first || user->isBeforeInBlock(first)))
          first = user;
      }
      if (!movable || atPeak || !first || isa<func::ReturnOp>(first))
        continue;
      OpBuilder b(first);
      Operation *again = b.clone(*op);
      op->getResult(0).replaceUsesWithIf(again->getResult(0), [&](OpOperand &use) {
        return use.getOwner() != again && peak->isBeforeInBlock(use.getOwner());
      });
      int64_t after = peakOf(function, frames, symbols);
      bool dead = op->use_empty();
      if (after < before) {
        note(function, "bess.recomputed",
             function.getName().str() + ": a " + cast<bess::FusionOp>(op).getKind().str() + " kernel of " +
                 std::to_string(lives.problem.values[lives.numberOf(op->getResult(0))].bytes) + " bytes is computed " +
                 (dead ? "later" : "again") + ": at most " + std::to_string(after) + " bytes live at once instead of " +
                 std::to_string(before));
        if (dead)
          op->erase();
        return true;
      }
      again->getResult(0).replaceAllUsesWith(op->getResult(0));
      again->erase();
    }
    return false;
  }
};

} // namespace
