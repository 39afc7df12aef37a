// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the planned IR to the host program.
//
//   func.func           -> Function        bess.weight, bess.prepare -> Weight
//   bess.placement      -> Buffer          bess.constant             -> Constant
//   bess.launch         -> Launch          any other bess op         -> Fallback
//   bess.bind_symbols, from_dims, guard, func.call, scf.if, scf.for, scf.while -> their instructions
#pragma once

#include "bessemer/Runtime/Program.h"
#include "dialects/Bess/Bess.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"

#include <map>
#include <set>

namespace bessemer {

/// Fills in everything of `program` but target, triple, features and code.
/// Diagnostics are emitted when something has no form in the program.
llvm::LogicalResult emitProgram(mlir::ModuleOp module, runtime::Program &program);

/// The inherent attributes of a bess op, as lib/Kernels takes them.
llvm::LogicalResult emitAttributes(mlir::Operation *op,
                                   std::vector<std::pair<std::string, runtime::AttributeExpr>> &attributes);

/// The same for attributes that are not the op's own, such as those of a custom op.
llvm::LogicalResult emitAttributes(mlir::Operation *op, mlir::DictionaryAttr from,
                                   std::vector<std::pair<std::string, runtime::AttributeExpr>> &attributes);

/// What all functions of a program share, while it is being made.
class ProgramEmitter {
public:
  ProgramEmitter(mlir::ModuleOp module, runtime::Program &program) : module(module), program(program) {}
  llvm::LogicalResult run();

  int32_t weightIndex(bess::WeightOp op);
  /// The weight that result `result` of the op is; its sources come first.
  int32_t preparedIndex(bess::PrepareOp op, unsigned result);
  int32_t constantIndex(mlir::DenseElementsAttr value);
  /// -1 when there is no compiled kernel of that name.
  int32_t kernelIndex(llvm::StringRef symbol) const;
  int32_t functionIndex(llvm::StringRef symbol) const;
  mlir::Operation *kernelOp(llvm::StringRef symbol) const { return kernelOps.lookup(symbol); }
  /// Symbols that a function reads and does not define itself.
  const std::set<std::string> &symbolsOf(mlir::func::FuncOp function);
  void markReadAtRunTime(int32_t weight) { readAtRunTime.insert(weight); }

private:
  void collectKernels();
  int32_t weightIndexOf(mlir::Value value);

  mlir::ModuleOp module;
  runtime::Program &program;
  llvm::StringMap<int32_t> kernels, functions;
  llvm::StringMap<mlir::Operation *> kernelOps;
  llvm::DenseMap<mlir::Attribute, int32_t> constants;
  std::map<std::pair<const void *, const void *>, int32_t> weights;          ///< by source and type
  std::map<std::pair<const void *, std::vector<int32_t>>, int32_t> prepared; ///< by function and sources: first result
  std::set<int32_t> readAtRunTime;
  std::map<mlir::Operation *, std::set<std::string>> symbols; ///< by function
};

inline runtime::Buffer makeBuffer(std::string name, DType dtype, runtime::Dims dims, runtime::BufferKind kind,
                                  int32_t index) {
  runtime::Buffer buffer;
  buffer.name = std::move(name);
  buffer.dtype = dtype;
  buffer.dims = std::move(dims);
  buffer.kind = kind;
  buffer.index = index;
  return buffer;
}

/// One function of the program.
class FunctionEmitter {
public:
  FunctionEmitter(ProgramEmitter &program, mlir::func::FuncOp function, runtime::Function &out)
      : program(program), function(function), out(out) {}
  llvm::LogicalResult run();

private:
  llvm::LogicalResult emitBlock(mlir::Block &block, runtime::Block &to);
  llvm::LogicalResult emitOp(mlir::Operation &op, runtime::Block &to);
  llvm::LogicalResult emitLaunch(bess::LaunchOp op, runtime::Block &to);
  llvm::LogicalResult emitFallback(mlir::Operation &op, runtime::Block &to);
  llvm::LogicalResult emitCustom(bess::CustomOp op, runtime::Block &to);
  llvm::LogicalResult emitCall(mlir::func::CallOp op, runtime::Block &to);
  llvm::LogicalResult emitConcat(bess::ConcatOp op, runtime::Block &to);
  llvm::LogicalResult emitIf(mlir::scf::IfOp op, runtime::Block &to);
  llvm::LogicalResult emitFor(mlir::scf::ForOp op, runtime::Block &to);
  llvm::LogicalResult emitWhile(mlir::scf::WhileOp op, runtime::Block &to);
  /// Copies yielded values to where the loop carries them, as if all at once.
  void emitYield(mlir::Operation *yield, mlir::ValueRange values, llvm::ArrayRef<runtime::BufferId> targets,
                 runtime::Block &to);
  llvm::LogicalResult carriedBuffers(mlir::Operation *loop, mlir::ValueRange values,
                                     llvm::SmallVector<runtime::BufferId> &buffers);
  void emitCopy(runtime::BufferId from, runtime::BufferId to, runtime::Block &block, mlir::Location loc);
  /// The buffer that holds a scalar condition or bound.
  runtime::BufferId scalarBuffer(mlir::Value value);
  std::optional<SymbolicExpr> indexExpr(mlir::Value value);

  runtime::BufferId buffer(mlir::Value value);
  runtime::BufferId bufferAt(bess::PlacementAttr place, mlir::Type type, llvm::StringRef name);
  runtime::BufferId rootBuffer(int64_t storage);
  runtime::BufferId newBuffer(runtime::Buffer buffer);
  bess::StorageAttr storage(int64_t index) const;
  void finishLifetimes();
  void append(runtime::Block &to, decltype(runtime::Instruction::op) op, mlir::Location loc);

  ProgramEmitter &program;
  mlir::func::FuncOp function;
  runtime::Function &out;
  llvm::DenseMap<mlir::Value, runtime::BufferId> buffers;
  llvm::DenseMap<int64_t, runtime::BufferId> roots; ///< by storage
  std::vector<int64_t> storageOf;                   ///< of each arena buffer; -1 for others
  std::vector<int32_t> opStart;                     ///< instructions before op i; ops counted as the plan does
  int32_t instructions = 0;
  bool recording = true; ///< false while ops are emitted a second time
};

} // namespace bessemer
