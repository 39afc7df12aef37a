// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From MLIR to Kernel (Code.h), once for each kernel. Each file Prepare*.cpp
// knows some ops: its `prepare*` gives true when it has dealt with the op.
#pragma once

#include "lib/Emulator/Code.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Interfaces/DataLayoutInterfaces.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"

#include <map>

namespace bessemer::emulator {

using Handler = void (*)(Warp &, const Inst &);

/// A scalar within a type: what it is and at which byte it lies in memory.
struct Leaf {
  Lane lane;
  uint32_t offset;
};

class Preparer {
public:
  Preparer(mlir::LLVM::LLVMFuncOp function, const std::map<std::string, uint32_t> &sharedOffsets);
  /// False, and `error`.
  bool run();

  Kernel kernel;
  std::string error;

  // ---- for the files that know ops
  /// Fails once, naming the op and its place; gives true ("dealt with").
  bool fail(mlir::Operation *op, const llvm::Twine &what);
  /// Scalars of a type in order; empty (after `fail`) when it holds one that is
  /// not known.
  llvm::SmallVector<Leaf> leaves(mlir::Operation *op, mlir::Type type);
  uint64_t sizeOf(mlir::Type type) { return layout.getTypeSize(type).getFixedValue(); }
  uint64_t alignmentOf(mlir::Type type) { return layout.getTypeABIAlignment(type); }
  llvm::ArrayRef<Slot> slots(mlir::Value value) { return values[value]; }
  Slot slot(mlir::Value value) { return values[value].empty() ? 0 : values[value].front(); }
  Lane laneOf(Slot slot) const { return slotLanes[slot]; }
  Slot makeSlot(Lane lane);
  Slot constant(Lane lane, uint64_t bits);
  void define(mlir::Value value, llvm::SmallVector<Slot> slots) { values[value] = std::move(slots); }
  /// New slots for a result.
  llvm::ArrayRef<Slot> defineNew(mlir::Operation *op, mlir::Value value);
  Inst &emit(mlir::Operation *op, Handler run);
  uint32_t addList(llvm::ArrayRef<uint32_t> list);
  uint32_t edge(mlir::Block *target, mlir::ValueRange values);
  uint32_t blockNumber(mlir::Block *block) { return blockNumbers.lookup(block); }
  uint32_t sharedOffset(llvm::StringRef global) const;

private:
  void findPostDominators(mlir::Region &region);
  bool prepareOp(mlir::Operation *op);

  mlir::LLVM::LLVMFuncOp function;
  mlir::DataLayout layout;
  const std::map<std::string, uint32_t> &sharedOffsets;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<Slot>> values;
  llvm::DenseMap<mlir::Block *, uint32_t> blockNumbers;
  std::vector<Lane> slotLanes;
  std::map<std::pair<Lane, uint64_t>, Slot> constants;
};

bool prepareConstant(Preparer &p, mlir::Operation *op);
bool prepareArith(Preparer &p, mlir::Operation *op);
bool prepareCast(Preparer &p, mlir::Operation *op);
bool prepareMath(Preparer &p, mlir::Operation *op);
bool prepareAggregate(Preparer &p, mlir::Operation *op);
bool prepareControl(Preparer &p, mlir::Operation *op);
bool prepareMemory(Preparer &p, mlir::Operation *op);
bool prepareAsync(Preparer &p, mlir::Operation *op);
bool prepareWarp(Preparer &p, mlir::Operation *op);
bool prepareMatrix(Preparer &p, mlir::Operation *op);
bool prepareMBarrier(Preparer &p, mlir::Operation *op);
bool prepareTensorCopy(Preparer &p, mlir::Operation *op);
bool prepareWgmma(Preparer &p, mlir::Operation *op);
bool prepareInlinePtx(Preparer &p, mlir::Operation *op);

struct Module::Impl {
  std::vector<Kernel> kernels;
  const Kernel *find(const std::string &name) const;
};

} // namespace bessemer::emulator
