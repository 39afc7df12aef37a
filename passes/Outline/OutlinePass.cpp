// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Repeats of lib/Algorithms/RepeatFinder become private functions.
#include "passes/Outline/Passes.h"
#include "passes/Outline/StructuralHash.h"

#include "bessemer/Algorithms/RepeatFinder.h"
#include "dialects/Bess/Bess.h"
#include "dialects/Tile/TargetSchedule.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

namespace bessemer::outline {
#define GEN_PASS_DEF_OUTLINEREPEATS
#include "passes/Outline/Passes.h.inc"
} // namespace bessemer::outline

using namespace mlir;
using namespace bessemer;
using namespace bessemer::outline;

namespace {

using Layer = ArrayRef<Operation *>;

/// One repeat on its way into a function.
class Outliner {
public:
  Outliner(ArrayRef<Operation *> ops, const RepeatRun &run) : run(run) {
    for (size_t i = 0; i < run.count; ++i)
      layers.push_back(ops.slice(run.start + i * run.period, run.period));
  }

  /// The finder goes by hashes; this looks at the ops.
  bool holds() const {
    for (Layer layer : layers)
      for (auto [a, b] : llvm::zip(layers.front(), layer))
        if (!sameStructure(a, b))
          return false;
    return true;
  }

  void outline(ModuleOp module, SymbolTable &table, int number) {
    collectParameters();
    collectResults();
    OpBuilder builder(module.getContext());
    auto function = makeFunction(builder, number);
    table.insert(function, module.getBody()->end());
    for (size_t i = 0; i < layers.size(); ++i)
      replaceLayer(builder, function, i);
    // Users before what they use.
    for (Layer layer : llvm::reverse(layers))
      for (Operation *op : llvm::reverse(layer))
        op->erase();
  }

private:
  bool isInFirstLayer(Value value) const {
    auto it = positions.find(value.getDefiningOp());
    return it != positions.end() && it->second.first == 0;
  }

  /// Each operand that is not made in its layer is a parameter; two operands
  /// that are one value in every layer share it.
  void collectParameters() {
    for (auto [i, layer] : llvm::enumerate(layers))
      for (auto [j, op] : llvm::enumerate(layer))
        positions[op] = {int64_t(i), j};
    for (size_t j = 0; j < run.period; ++j)
      for (size_t k = 0; k < layers.front()[j]->getNumOperands(); ++k) {
        Value first = layers.front()[j]->getOperand(k);
        if (isStructural(first) || isInFirstLayer(first))
          continue;
        std::vector<void *> values;
        for (Layer layer : layers)
          values.push_back(layer[j]->getOperand(k).getAsOpaquePointer());
        parameterOf[{j, k}] = parameters.insert({values, parameters.size()}).first->second;
      }
  }

  /// What any layer's surroundings read is a result of all.
  void collectResults() {
    for (size_t j = 0; j < run.period; ++j)
      for (size_t r = 0; r < layers.front()[j]->getNumResults(); ++r) {
        bool read = false;
        for (auto [i, layer] : llvm::enumerate(layers))
          for (Operation *user : layer[j]->getResult(r).getUsers()) {
            auto it = positions.find(user);
            read |= it == positions.end() || it->second.first != int64_t(i);
          }
        if (read)
          results.push_back({j, r});
      }
  }

  func::FuncOp makeFunction(OpBuilder &builder, int number) {
    SmallVector<Type> inputs, outputs;
    for (auto &[values, index] : parameters)
      inputs.push_back(Value::getFromOpaquePointer(values.front()).getType());
    for (auto [j, r] : results)
      outputs.push_back(layers.front()[j]->getResult(r).getType());
    builder.clearInsertionPoint();
    auto function = func::FuncOp::create(builder, layers.front().front()->getLoc(), "layer_" + std::to_string(number),
                                         builder.getFunctionType(inputs, outputs));
    function.setPrivate();
    function->setAttr("bess.layers", builder.getI64IntegerAttr(run.count));
    Block *body = function.addEntryBlock();
    builder.setInsertionPointToStart(body);

    IRMapping mapping;
    SmallVector<Operation *> copies;
    for (auto [j, op] : llvm::enumerate(layers.front())) {
      // Operands one by one: a value may be a parameter in one place and structure in none.
      for (Value operand : op->getOperands())
        if (isStructural(operand) && !mapping.contains(operand))
          builder.clone(*operand.getDefiningOp(), mapping);
      Operation *copy = builder.clone(*op, mapping);
      for (size_t k = 0; k < op->getNumOperands(); ++k)
        if (auto it = parameterOf.find({j, k}); it != parameterOf.end())
          copy->setOperand(k, body->getArgument(it->second));
      copies.push_back(copy);
    }
    SmallVector<Value> returned;
    for (auto [j, r] : results)
      returned.push_back(copies[j]->getResult(r));
    func::ReturnOp::create(builder, function.getLoc(), returned);
    for (auto &[values, index] : parameters)
      if (llvm::all_of(values, [](void *value) { return isWeight(Value::getFromOpaquePointer(value)); }))
        function.setArgAttr(index, "bess.weight", builder.getUnitAttr());
    return function;
  }

  void replaceLayer(OpBuilder &builder, func::FuncOp function, size_t i) {
    Layer layer = layers[i];
    builder.setInsertionPointAfter(layer.back());
    SmallVector<Value> operands;
    SmallVector<Location> locs;
    for (auto &[values, index] : parameters)
      operands.push_back(replaced(Value::getFromOpaquePointer(values[i])));
    for (Operation *op : layer)
      locs.push_back(op->getLoc());
    auto call = func::CallOp::create(builder, builder.getFusedLoc(locs), function, operands);
    for (auto [number, at] : llvm::enumerate(results)) {
      Value old = layer[at.first]->getResult(at.second);
      replacements[old] = call.getResult(number);
      old.replaceUsesWithIf(call.getResult(number), [&](OpOperand &use) {
        auto it = positions.find(use.getOwner());
        return it == positions.end() || it->second.first != int64_t(i);
      });
    }
  }

  /// A value of an earlier layer is by now the result of its call.
  Value replaced(Value value) const {
    auto it = replacements.find(value);
    return it == replacements.end() ? value : it->second;
  }

  const RepeatRun &run;
  SmallVector<Layer> layers;
  llvm::DenseMap<Operation *, std::pair<int64_t, size_t>> positions; ///< layer, op in it
  std::map<std::pair<size_t, size_t>, size_t> parameterOf;           ///< by op and operand
  llvm::MapVector<std::vector<void *>, size_t, std::map<std::vector<void *>, unsigned>> parameters;
  SmallVector<std::pair<size_t, size_t>> results;
  llvm::DenseMap<Value, Value> replacements;
};

struct OutlineRepeatsPass : outline::impl::OutlineRepeatsBase<OutlineRepeatsPass> {
  using OutlineRepeatsBase::OutlineRepeatsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>("main");
    if (!main || main.isDeclaration())
      return;
    SymbolTable table(module);
    Block &body = main.front();
    // Weights stand first: an argument of a call must be there before the layer.
    SmallVector<Operation *> weights;
    for (Operation &op : body)
      if (isa<bess::WeightOp, bess::ConstantOp>(op))
        weights.push_back(&op);
    for (Operation *op : llvm::reverse(weights))
      op->moveBefore(&body, body.begin());

    // On a GPU a normalization may be in one kernel with the sum of the product before it.
    bool joinsNorms = tile::getGpuMachine(module).has_value();
    auto joins = [&](Operation *op) {
      return op->hasTrait<bess::Elementwise>() || (joinsNorms && isa<bess::LayerNormOp, bess::RmsNormOp>(op));
    };

    SmallVector<Operation *> ops;
    llvm::DenseMap<Operation *, int32_t> positions;
    std::vector<RepeatOp> sequence;
    for (Operation &op : body.without_terminator()) {
      if (isa<bess::WeightOp, bess::ConstantOp>(op))
        continue;
      RepeatOp repeat{structuralHash(&op), {}, false};
      for (Value operand : op.getOperands()) {
        auto it = positions.find(operand.getDefiningOp());
        repeat.producers.push_back(it == positions.end() ? -1 : it->second);
        repeat.joinsProducer |= joins(&op) && it != positions.end();
      }
      positions[&op] = ops.size();
      ops.push_back(&op);
      sequence.push_back(std::move(repeat));
    }
    RepeatOptions options;
    options.minCount = std::max<int64_t>(minCount, 2);
    options.minPeriod = std::max<int64_t>(minPeriod, 1);
    options.minSaved = std::max<int64_t>(minSaved, 1);
    int number = 0;
    for (const RepeatRun &run : findRepeats(sequence, options)) {
      Outliner outliner(ops, run);
      if (outliner.holds())
        outliner.outline(module, table, number++);
    }
  }
};

} // namespace

void outline::addOutlinePasses(OpPassManager &passes) {
  passes.addPass(createOutlineRepeats());
  passes.addPass(createVerifyOutlined());
}
