// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Plan/Schedule.h"

#include "bessemer/Algorithms/OperationOrder.h"
#include "dialects/Bess/Views.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::plan;

bool plan::parseBound(StringRef text, SymbolicExpr::Bounds &bounds) {
  auto [name, value] = text.split("<=");
  int64_t most = 0;
  if (name.empty() || value.getAsInteger(10, most))
    return false;
  bounds[name.str()] = {0, most};
  return true;
}

namespace {

/// What a free dimension is taken as, only to compare orders.
constexpr int64_t typicalExtent = 128;

/// A run of ops that may change places among themselves.
class Segment {
public:
  Segment(SymbolTableCollection &symbols, const llvm::DenseMap<Operation *, int64_t> &calleeFrames,
          const SymbolicExpr::Bounds &bounds)
      : symbols(symbols), calleeFrames(calleeFrames), bounds(bounds) {}

  void add(Operation *op) { ops.push_back(op); }

  /// Reorders the ops; says by how much the peak falls.
  LogicalResult reorder(OrderResult &result) {
    OrderProblem problem = build();
    result = orderOperations(problem, {});
    if (std::optional<std::string> wrong = checkOrder(problem, result.order))
      return ops.front()->emitError() << "the checker refuses the order of operations: " << *wrong;
    if (result.peak >= result.givenPeak)
      return success();
    // Leaves first, views behind what they are views of.
    Operation *next = ops.back()->getNextNode();
    for (Operation *leaf : leaves)
      leaf->moveBefore(next);
    moveViews(nullptr, next);
    for (int operation : result.order)
      if (operation > 0) {
        nodes[operation - 1]->moveBefore(next);
        moveViews(nodes[operation - 1], next);
      }
    return success();
  }

private:
  static bool isLeaf(Operation *op) {
    return isa<bess::WeightOp, bess::ConstantOp, bess::PrepareOp, arith::ConstantOp>(op);
  }
  static Value rootOf(Value value) {
    while (Operation *op = value.getDefiningOp()) {
      Value viewed = bess::viewedBy(op);
      if (!viewed)
        break;
      value = viewed;
    }
    return value;
  }

  void moveViews(Operation *maker, Operation *before) {
    for (Operation *view : views.lookup(maker))
      view->moveBefore(before);
  }

  int64_t bytesOf(Type type) {
    if (!isa<RankedTensorType>(type))
      return 0;
    SymbolicExpr bytes = tensorBytes(type);
    if (!bytes.isValid())
      return 0;
    return std::max<int64_t>(0, bytes
                                    .evaluate([&](std::string_view name) -> std::optional<int64_t> {
                                      auto it = bounds.find(name);
                                      return it == bounds.end() ? typicalExtent : it->second.hi;
                                    })
                                    .value_or(0));
  }

  /// Operation 0 stands for everything before: it writes what is live by then.
  OrderProblem build() {
    OrderProblem problem;
    llvm::DenseMap<Value, int> numbers;
    llvm::DenseMap<Operation *, int> operationOf;
    llvm::DenseSet<Operation *> members(ops.begin(), ops.end());
    problem.operations.emplace_back();
    for (Operation *op : ops) {
      if (isLeaf(op)) {
        leaves.push_back(op);
      } else if (Value viewed = bess::viewedBy(op)) {
        Operation *maker = rootOf(viewed).getDefiningOp();
        views[maker && members.contains(maker) && !isLeaf(maker) ? maker : nullptr].push_back(op);
      } else {
        nodes.push_back(op);
        operationOf[op] = problem.operations.size();
        problem.operations.emplace_back();
        problem.operations.back().after.push_back(0);
      }
    }
    Block *block = ops.front()->getBlock();
    auto number = [&](Value value) {
      auto [it, isNew] = numbers.try_emplace(value, problem.valueBytes.size());
      if (!isNew)
        return it->second;
      Operation *maker = value.getDefiningOp();
      bool counts = maker && maker->getBlock() == block && !isLeaf(maker);
      // What the function returns lies in the caller's memory.
      for (Operation *user : value.getUsers())
        counts = counts && !isa<func::ReturnOp>(user);
      problem.valueBytes.push_back(counts ? bytesOf(value.getType()) : 0);
      auto writer = maker ? operationOf.find(maker) : operationOf.end();
      int operation = writer == operationOf.end() ? 0 : writer->second;
      problem.operations[operation].writes.push_back(it->second);
      if (isReadAfter(value))
        problem.liveOut.push_back(it->second);
      return it->second;
    };
    for (Operation *op : nodes)
      describe(op, problem.operations[operationOf[op]], number);
    return problem;
  }

  template <typename Number> void describe(Operation *op, OrderedOperation &operation, Number &&number) {
    for (Value result : op->getResults())
      number(result);
    for (Value operand : op->getOperands())
      operation.reads.push_back(number(rootOf(operand)));
    if (auto call = dyn_cast<func::CallOp>(op)) {
      Operation *callee = symbols.lookupNearestSymbolFrom(call, call.getCalleeAttr());
      operation.extraBytes = std::max<int64_t>(0, calleeFrames.lookup(callee));
    }
    auto concat = dyn_cast<bess::ConcatOp>(op);
    if (concat && bess::isContiguousConcat(concat))
      operation.takesOver = operation.reads;
    if (auto inPlace = op->getAttrOfType<DenseI64ArrayAttr>("in_place"))
      for (int64_t i : inPlace.asArrayRef())
        if (i >= 0 && i < int64_t(operation.reads.size()))
          operation.takesOver.push_back(operation.reads[i]);
  }

  /// Does anything behind the segment read the value, through views as well?
  bool isReadAfter(Value value) {
    Operation *last = ops.back();
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      Operation *ancestor = last->getBlock()->findAncestorOpInBlock(*user);
      if (!ancestor)
        return true; // in a block around this one
      if (last->isBeforeInBlock(ancestor))
        return true;
      return bess::viewedBy(ancestor) && isReadAfter(ancestor->getResult(0));
    });
  }

  SymbolTableCollection &symbols;
  const llvm::DenseMap<Operation *, int64_t> &calleeFrames;
  const SymbolicExpr::Bounds &bounds;
  SmallVector<Operation *> ops, leaves, nodes;
  llvm::DenseMap<Operation *, SmallVector<Operation *>> views; ///< by what makes their root; null: from before
};

/// May the op change places with others?
bool mayMove(Operation *op) {
  if (op->getNumRegions() || definesSizes(op) || isa<bess::GuardOp, bess::BindSymbolsOp>(op))
    return false;
  return isa<bess::LaunchOp, func::CallOp>(op) || isMemoryEffectFree(op);
}

} // namespace

LogicalResult plan::orderOps(func::FuncOp function, SymbolTableCollection &symbols,
                             const llvm::DenseMap<Operation *, int64_t> &calleeFrames,
                             const SymbolicExpr::Bounds &bounds) {
  SmallVector<Block *> blocks;
  function.walk([&](Block *block) {
    if (!isa<bess::FusionOp>(block->getParentOp()))
      blocks.push_back(block);
  });
  int64_t given = 0, reached = 0;
  for (Block *block : blocks) {
    std::vector<Segment> segments;
    bool open = false;
    for (Operation &op : block->without_terminator()) {
      if (!mayMove(&op)) {
        open = false;
        continue;
      }
      if (!open)
        segments.emplace_back(symbols, calleeFrames, bounds);
      open = true;
      segments.back().add(&op);
    }
    for (Segment &segment : segments) {
      OrderResult result;
      if (failed(segment.reorder(result)))
        return failure();
      if (result.peak < result.givenPeak) {
        given = std::max(given, result.givenPeak);
        reached = std::max(reached, result.peak);
      }
    }
  }
  if (reached < given) {
    Builder b(function.getContext());
    function->setAttr("bess.order", b.getStringAttr("reordered: at most " + std::to_string(reached) +
                                                    " bytes live at once instead of " + std::to_string(given)));
  }
  return success();
}
