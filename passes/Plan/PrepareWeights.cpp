// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Moves what depends on weights alone into functions that the loader runs.
#include "passes/Plan/LoadTime.h"
#include "passes/Plan/Passes.h"

namespace bessemer::plan {
#define GEN_PASS_DEF_PREPAREWEIGHTS
#include "passes/Plan/Passes.h.inc"
} // namespace bessemer::plan

using namespace mlir;
using namespace bessemer;
using namespace bessemer::plan;

namespace {

class PrepareWeightsPass : public plan::impl::PrepareWeightsBase<PrepareWeightsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable table(module);
    collectCalls(module, table);
    for (func::FuncOp function : module.getOps<func::FuncOp>())
      findWeightArguments(function);
    // Callees first: what moves to a caller may move on from there.
    DenseSet<Operation *> done;
    for (func::FuncOp function : module.getOps<func::FuncOp>())
      hoist(function, table, done);
    for (func::FuncOp function : llvm::to_vector(module.getOps<func::FuncOp>()))
      makePrepares(function, module, table);
    callSites.clear();
    weightArguments.clear();
    visited.clear();
    functionsByText.clear();
  }

  void collectCalls(ModuleOp module, SymbolTable &table) {
    module.walk([&](func::CallOp call) {
      if (auto callee = table.lookup<func::FuncOp>(call.getCallee()))
        callSites[callee].push_back(call);
    });
  }

  /// Arguments that are weights at every call. Callers are looked at first.
  void findWeightArguments(func::FuncOp function) {
    if (!visited.insert(function).second || !function.isPrivate())
      return;
    SmallVector<func::CallOp> &calls = callSites[function];
    if (calls.empty())
      return;
    SmallVector<bool> always(function.getNumArguments(), true);
    for (func::CallOp call : calls) {
      auto caller = call->getParentOfType<func::FuncOp>();
      findWeightArguments(caller);
      LoadTimeOps loadTime(caller, weightArguments);
      for (auto [i, operand] : llvm::enumerate(call.getOperands()))
        always[i] = always[i] && loadTime.isLoadTime(operand);
    }
    for (auto [i, weight] : llvm::enumerate(always))
      if (weight)
        weightArguments.insert(function.getArgument(i));
  }

  /// Moves load-time ops on weight arguments to all callers.
  void hoist(func::FuncOp function, SymbolTable &table, DenseSet<Operation *> &done) {
    if (!done.insert(function).second || function.isDeclaration())
      return;
    SmallVector<func::FuncOp> callees;
    function.walk([&](func::CallOp call) {
      if (auto callee = table.lookup<func::FuncOp>(call.getCallee()))
        callees.push_back(callee);
    });
    for (func::FuncOp callee : callees)
      hoist(callee, table, done);
    if (callSites[function].empty())
      return;

    LoadTimeOps loadTime(function, weightArguments);
    struct Moved {
      Operation *op;
      llvm::SetVector<Value> leaves, constants;
      SmallVector<Operation *> slice;
    };
    // All slices first: moving one changes what the next would see.
    std::vector<Moved> moved;
    for (Operation *op : loadTime.finals()) {
      Moved move{op, {}, {}, {}};
      move.slice = loadTime.slice(op, move.leaves, move.constants);
      if (!move.leaves.empty() && llvm::all_of(move.leaves, [](Value leaf) { return isa<BlockArgument>(leaf); }))
        moved.push_back(std::move(move));
    }
    SmallVector<SmallVector<Value>> added(callSites[function].size());
    for (const Moved &move : moved)
      for (auto [call, values] : llvm::zip(callSites[function], added))
        cloneAtCall(call, move.slice, move.leaves, move.constants, values);
    for (const Moved &move : moved)
      for (Value result : move.op->getResults()) {
        BlockArgument argument = function.front().addArgument(result.getType(), result.getLoc());
        weightArguments.insert(argument);
        result.replaceAllUsesWith(argument);
      }
    loadTime.eraseDead();
    rewriteCalls(function, added);
  }

  static void cloneAtCall(func::CallOp call, ArrayRef<Operation *> slice, const llvm::SetVector<Value> &leaves,
                          const llvm::SetVector<Value> &constants, SmallVector<Value> &values) {
    OpBuilder builder(call);
    IRMapping mapping;
    for (Value leaf : leaves)
      mapping.map(leaf, call.getOperand(cast<BlockArgument>(leaf).getArgNumber()));
    for (Value constant : constants)
      builder.clone(*constant.getDefiningOp(), mapping);
    Operation *last = nullptr;
    for (Operation *op : slice)
      last = builder.clone(*op, mapping);
    llvm::append_range(values, last->getResults());
  }

  /// Gives each call the added operands, and drops arguments that nobody reads now.
  void rewriteCalls(func::FuncOp function, ArrayRef<SmallVector<Value>> added) {
    if (added.empty() || added.front().empty())
      return;
    Block &entry = function.front();
    llvm::BitVector unused(entry.getNumArguments());
    for (BlockArgument argument : entry.getArguments())
      if (argument.use_empty() && weightArguments.contains(argument)) {
        weightArguments.erase(argument);
        unused.set(argument.getArgNumber());
      }
    for (auto [call, values] : llvm::zip(callSites[function], added)) {
      SmallVector<Value> operands, all(call.getOperands());
      llvm::append_range(all, values);
      for (auto [i, operand] : llvm::enumerate(all))
        if (!unused.test(i))
          operands.push_back(operand);
      call.getOperandsMutable().assign(operands);
    }
    entry.eraseArguments(unused);
    function.removeArgAttrsAttr();
    function.setFunctionType(FunctionType::get(&getContext(), entry.getArgumentTypes(), function.getResultTypes()));
  }

  void makePrepares(func::FuncOp function, ModuleOp module, SymbolTable &table) {
    if (function.isDeclaration())
      return;
    LoadTimeOps loadTime(function, {});
    for (Operation *op : loadTime.finals()) {
      llvm::SetVector<Value> leaves, constants;
      SmallVector<Operation *> slice = loadTime.slice(op, leaves, constants);
      func::FuncOp prepare = prepareFunction(op, slice, leaves, constants, module, table);
      OpBuilder builder(op);
      auto made = bess::PrepareOp::create(builder, op->getLoc(), op->getResultTypes(),
                                          FlatSymbolRefAttr::get(prepare.getSymNameAttr()), leaves.getArrayRef());
      op->replaceAllUsesWith(made);
    }
    loadTime.eraseDead();
  }

  /// The function that computes `op`; equal ones are shared.
  func::FuncOp prepareFunction(Operation *op, ArrayRef<Operation *> slice, const llvm::SetVector<Value> &leaves,
                               const llvm::SetVector<Value> &constants, ModuleOp module, SymbolTable &table) {
    SmallVector<Type> inputs;
    for (Value leaf : leaves)
      inputs.push_back(leaf.getType());
    OpBuilder builder(&getContext());
    auto function =
        func::FuncOp::create(builder, op->getLoc(), "prepare", builder.getFunctionType(inputs, op->getResultTypes()));
    function.setPrivate();
    function->setAttr("bess.prepare", builder.getUnitAttr());
    Block *body = function.addEntryBlock();
    builder.setInsertionPointToStart(body);
    IRMapping mapping;
    for (auto [leaf, argument] : llvm::zip(leaves, body->getArguments()))
      mapping.map(leaf, argument);
    for (Value constant : constants)
      builder.clone(*constant.getDefiningOp(), mapping);
    Operation *last = nullptr;
    for (Operation *current : slice)
      last = builder.clone(*current, mapping);
    func::ReturnOp::create(builder, op->getLoc(), last->getResults());

    std::string text;
    llvm::raw_string_ostream stream(text);
    function.print(stream);
    func::FuncOp &known = functionsByText[text];
    if (known) {
      function.erase();
      return known;
    }
    table.insert(function, module.getBody()->end()); // makes the name unique
    return known = function;
  }

  llvm::DenseMap<Operation *, SmallVector<func::CallOp>> callSites;
  llvm::DenseSet<Value> weightArguments;
  llvm::DenseSet<Operation *> visited;
  llvm::StringMap<func::FuncOp> functionsByText;
};

} // namespace
