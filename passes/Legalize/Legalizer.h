// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The state of one run over a model's main function: which bess value stands
// for which ONNX value, what is known of small integer tensors, and the nodes
// that could not be legalized.
#pragma once

#include "bessemer/Kernels/CustomOpTypes.h"
#include "bessemer/Support/WeightFiles.h"
#include "dialects/Onnx/Onnx.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

#include <functional>
#include <set>

namespace bessemer::legalize {

using Dims = llvm::SmallVector<SymbolicExpr>;

/// What stands for an ONNX value: a tensor, a sequence of tensors that is
/// known at compile time, nothing (an absent optional operand), or a value
/// that could not be made because a node failed.
struct Entry {
  enum class Kind { Poison, Absent, Tensor, Sequence } kind = Kind::Poison;
  mlir::Value tensor;
  llvm::SmallVector<mlir::Value> sequence;

  static Entry ofTensor(mlir::Value value) { return {Kind::Tensor, value, {}}; }
  static Entry absent() { return {Kind::Absent, {}, {}}; }
  static Entry poison() { return {}; }
};

/// Values of one graph. A subgraph sees its parent's; the body of a local
/// function sees only its own.
struct Scope {
  const Scope *parent = nullptr;
  llvm::DenseMap<mlir::Value, Entry> values;
  /// Attributes of the call, where this is the body of a local function.
  mlir::DictionaryAttr callAttributes;
  int depth = 0;

  const Entry *lookup(mlir::Value value) const {
    for (const Scope *scope = this; scope; scope = scope->parent)
      if (auto it = scope->values.find(value); it != scope->values.end())
        return &it->second;
    return nullptr;
  }
};

class Legalizer {
public:
  Legalizer(mlir::ModuleOp module, mlir::OpBuilder &builder, WeightFiles &files)
      : module(module), b(builder), files(files) {}

  /// Binds (`seq=128`) or bounds (`seq<=512`) a symbol; false when the text is neither.
  bool addDim(llvm::StringRef text);

  /// Legalizes a function in place. When a node could not be legalized, all
  /// such nodes have been reported and the function is as it was.
  llvm::LogicalResult run(mlir::func::FuncOp function);

  /// Legalizes the ops of a block from `from` on, at the builder's insertion
  /// point. The operands of the terminator come back in `results`.
  void block(mlir::Block &block, mlir::Block::iterator from, Scope &scope, llvm::SmallVectorImpl<Entry> &results);

  /// Like `block`, for a whole subgraph with these arguments.
  void subgraph(mlir::Region &region, const Scope &parent, llvm::ArrayRef<Entry> arguments,
                llvm::SmallVectorImpl<Entry> &results);

  // ---- symbols ----
  SymbolicExpr freshSymbol(llvm::StringRef hint);
  /// Emits `bess.guard "eq"` unless they are equal; false when they cannot be.
  bool guardEqual(const SymbolicExpr &a, const SymbolicExpr &b, mlir::Location loc, llvm::StringRef message);
  /// The last op made is a guard of a branch that was left out; said as a warning if it stays in the program.
  void warnOfGuard(std::string text) { warnings.emplace_back(&b.getInsertionBlock()->back(), std::move(text)); }
  void guardLessEqual(const SymbolicExpr &a, const SymbolicExpr &b, mlir::Location loc, llvm::StringRef message);
  /// Puts bound symbols in.
  SymbolicExpr bind(const SymbolicExpr &expr) const { return expr.substitute(bindings); }
  const SymbolicExpr::Bounds &symbolBounds() const { return bounds; }

  // ---- contents ----
  /// Elements of a small integer or bool tensor over symbols, row-major.
  std::optional<Dims> contents(mlir::Value value);
  void setContents(mlir::Value value, Dims elements) { knownContents[value] = std::move(elements); }
  /// Elements of a constant, or of a weight of at most 64 KiB; null otherwise.
  mlir::DenseElementsAttr constant(mlir::Value value);
  /// Symbols that `bess.bind_symbols` has defined for a value's elements.
  Dims boundElements(mlir::Value value, mlir::Location loc, llvm::StringRef hint);

  /// Takes an op out of the function. Its values stay alive until the run ends,
  /// so that what is known of them cannot be taken for that of later ones.
  void discard(mlir::Operation *op) { op->moveBefore(&discarded, discarded.end()); }

  /// Loops are unrolled as long as they do not become too many ops together.
  bool mayUnroll(int64_t ops) {
    if (unrolledOps + ops > 50000)
      return false;
    unrolledOps += ops;
    return true;
  }

  struct Failure {
    mlir::Location loc;
    std::string text;
    /// The op is known, and what it is given does not fit it.
    bool isOperands = false;
  };
  void reportFailure(Failure failure);
  void reportFailure(mlir::Location loc, std::string text) { reportFailure({loc, std::move(text)}); }
  /// Takes back all failures but the first `count`.
  std::vector<Failure> takeFailures(size_t count);
  bool anyFailure() const { return !failures.empty(); }
  size_t failureCount() const { return failures.size(); }

  mlir::ModuleOp module;
  mlir::OpBuilder &b;
  WeightFiles &files;
  const kernels::CustomOps *customOps = nullptr; ///< that the host computes; may be null

private:
  void op(mlir::Operation &op, Scope &scope);
  /// Returns why the node is left to `splitRest`; empty when it is done.
  std::string node(onnx::NodeOp node, Scope &scope);
  /// An If with branches of different rank, and what follows it in its block.
  void splitRest(mlir::Block &block, mlir::Block::iterator rest, onnx::NodeOp ifNode, Scope &scope,
                 llvm::SmallVectorImpl<Entry> &results, std::string why);
  bool guardCondition(mlir::Value condition, bool holds, mlir::Location loc);
  void notePredicate(onnx::NodeOp node, Scope &scope);
  void clearDiscarded() {
    discarded.dropAllReferences();
    discarded.clear();
  }
  bool inlineFunction(onnx::NodeOp node, llvm::StringRef domain, Scope &scope, llvm::ArrayRef<Entry> operands);
  bool argumentTypes(mlir::func::FuncOp function, llvm::SmallVectorImpl<mlir::Type> &types);
  void reportAll();

  mlir::Block discarded;
  SymbolicExpr::Substitution bindings;
  SymbolicExpr::Bounds bounds;
  llvm::DenseMap<mlir::Value, Dims> knownContents;
  llvm::DenseMap<mlir::Value, mlir::DenseElementsAttr> readWeights;
  /// For each block the values whose elements it has bound, so that a symbol
  /// bound in one branch is not used in another.
  llvm::DenseMap<std::pair<mlir::Value, mlir::Block *>, Dims> boundValues;
  std::set<std::pair<std::string, std::string>> guards;
  std::set<std::string> usedSymbols;
  llvm::StringMap<int> symbolCounters;
  std::vector<Failure> failures;
  std::vector<std::pair<mlir::Operation *, std::string>> warnings;
  std::set<std::pair<const void *, std::string>> reported;
  /// Bools that say whether two expressions are equal (or differ: `negated`).
  struct Predicate {
    SymbolicExpr lhs, rhs;
    bool negated = false;
  };
  llvm::DenseMap<mlir::Value, Predicate> predicates;
  int splits = 0;
  int64_t unrolledOps = 0, nodesSeen = 0;
};

/// `#bess.source`, plain elements attribute or {source, type}: elements, or null.
mlir::DenseElementsAttr elementsOf(mlir::Attribute attribute, Legalizer &legalizer);

} // namespace bessemer::legalize
