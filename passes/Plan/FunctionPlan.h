// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The memory plan of one function, while it is being made: which storage holds
// each value, from when to when a storage lives. Offsets come after that.
//
// Example: `%1 = bess.reshape %0` puts %1 in the storage of %0; a value that the
// function returns lies in the storage of that result, so nothing is copied.
#pragma once

#include "dialects/Bess/Bess.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <set>
#include <string>
#include <vector>

namespace bessemer::plan {

enum class StorageKind { Input, Output, Weight, Constant, Arena, Pool };
llvm::StringRef name(StorageKind kind);

struct Storage {
  StorageKind kind = StorageKind::Arena;
  int64_t index = 0; ///< of the argument or result
  SymbolicExpr bytes;
  int64_t lower = 0, upper = 0; ///< op numbers, half-open
  int64_t offset = -1;          ///< in the frame; -1: the runtime plans it
};

struct Place {
  int storage = -1;
  SymbolicExpr offset; ///< bytes
};

class FunctionPlan {
public:
  /// `frameBytes`: for each function that may be called, its frame size (-1: not constant).
  /// `bounds`: the largest values of bounded symbols, at which sizes are planned.
  /// `overwritten`: for each function that may be called, the argument whose memory result i
  /// has (-1: none), see overwrites().
  FunctionPlan(mlir::func::FuncOp function, const llvm::DenseMap<mlir::Operation *, int64_t> &frameBytes,
               const llvm::DenseMap<mlir::Operation *, llvm::SmallVector<int64_t>> &overwritten,
               const SymbolicExpr::Bounds &bounds)
      : function(function), calleeFrames(frameBytes), calleeOverwrites(overwritten), bounds(bounds) {}

  /// Every caller has given up this argument when it calls: its memory may be written over.
  void mayOverwrite(int64_t argument) { givenUp.insert(argument); }
  /// For each result the argument that it was written over, or -1.
  llvm::SmallVector<int64_t> overwrites();

  /// Assigns storages and computes lifetimes. Emits a diagnostic when a value
  /// has a type that cannot lie in memory.
  llvm::LogicalResult build(mlir::SymbolTableCollection &symbols);

  /// Offsets of all arena storages, when every size is constant or has a bound. Fails with a
  /// diagnostic when the independent checker refuses the planner's answer.
  llvm::LogicalResult assignOffsets();

  /// Size of the frame; -1 when sizes are free.
  int64_t frameBytes() const { return frame; }

  /// Writes the attributes that PassDocs of bessemer-plan describe.
  void annotate();

  std::vector<Storage> storages;

private:
  llvm::LogicalResult assignBlock(mlir::Block &block, mlir::SymbolTableCollection &symbols);
  llvm::LogicalResult assignOp(mlir::Operation &op, mlir::SymbolTableCollection &symbols);
  llvm::LogicalResult assignFor(mlir::scf::ForOp loop, mlir::SymbolTableCollection &symbols);
  llvm::LogicalResult assignWhile(mlir::scf::WhileOp loop, mlir::SymbolTableCollection &symbols);
  void assignResult(mlir::OpResult result);
  /// The operand whose bytes the result takes over, or -1.
  int inPlaceOperand(mlir::OpResult result) const;
  bool diesAt(mlir::Value value, mlir::Operation *op) const;
  struct Range; // of bytes
  bool isReadFrom(mlir::Value value, const Range &range, const Range &written, mlir::Operation *op,
                  mlir::Value operand) const;
  std::optional<Range> rangeOf(mlir::Value value) const;
  bool isOurs(const Place &place) const;
  bool joinInPlace(bess::ConcatOp concat);
  void addTemporaries(mlir::Operation *yield, llvm::ArrayRef<Place> targets);
  std::optional<int64_t> boundOf(const SymbolicExpr &bytes) const;
  void setPlace(mlir::Value value, Place place);
  void assignConcat(bess::ConcatOp concat);
  void dropAbsorbed();
  int newStorage(StorageKind kind, mlir::Type type, int64_t index = 0);
  void placeOutputs();
  void number();
  void computeLifetimes();
  void extendByUsers(mlir::Value tensor, mlir::Value value, int64_t lower);
  void extend(const Place &place, int64_t lower, int64_t upper);
  int64_t lastUse(mlir::Value value, mlir::Operation *user) const;
  bool knownAtEntry(const SymbolicExpr &expr) const;

  mlir::func::FuncOp function;
  const llvm::DenseMap<mlir::Operation *, int64_t> &calleeFrames;
  const llvm::DenseMap<mlir::Operation *, llvm::SmallVector<int64_t>> &calleeOverwrites;
  const SymbolicExpr::Bounds &bounds;
  llvm::DenseSet<int64_t> givenUp; ///< arguments
  llvm::DenseMap<mlir::Value, Place> places;
  llvm::DenseMap<int, llvm::SmallVector<mlir::Value>> valuesIn; ///< the values of a storage, while places are assigned
  llvm::DenseSet<int> pinned;                                   ///< storages of values that a loop carries
  llvm::DenseSet<int> absorbed;                                 ///< storages whose values now lie in another
  llvm::DenseSet<mlir::Operation *> viewConcats;                ///< operands are made in, or copied to, the result
  /// For loops: the places of the carried values; for yields: temporaries.
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<Place>> carried, temporaries;
  llvm::DenseMap<mlir::Operation *, int> callFrames;
  llvm::DenseMap<mlir::Operation *, std::pair<int64_t, int64_t>> numbers; ///< of the op; after its last nested one
  std::set<std::string> lateSymbols;                                      ///< defined while the function runs
  int64_t frame = 0;
};

/// Bytes of a tensor over symbols; invalid when its element type has no size.
SymbolicExpr tensorBytes(mlir::Type type);

/// May the op's results have sizes that only running it tells?
bool definesSizes(mlir::Operation *op);

} // namespace bessemer::plan
