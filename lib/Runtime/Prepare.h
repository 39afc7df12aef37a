// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A program with everything worked out that does not depend on shapes: each
// different expression of a function once, symbols and expressions by number,
// and what is known when a function is entered ("static") apart from what only
// the data tells ("dynamic": symbols that BindSymbols, a kernel with a
// data-dependent result, a call or a loop define, and all that uses them).
#pragma once

#include "bessemer/Runtime/Program.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace bessemer::runtime {

using ExprId = int32_t;   ///< index in PreparedFunction::exprs
using SymbolId = int32_t; ///< index in PreparedFunction::symbols

struct PreparedExpr {
  SymbolicExpr expr;
  bool dynamic = false;
  /// The symbols in it, sorted by name as the evaluator asks for them.
  std::vector<std::pair<std::string, SymbolId>> symbols;
};

struct PreparedBuffer {
  std::vector<ExprId> dims;
  ExprId aliasOffset = -1;
  bool dynamicShape = false;
  /// Made by the runtime when it is first used in a run.
  bool dynamicStorage = false;
  /// Its address is not known before the run: dynamic storage, or an alias of
  /// such, or at an offset that is dynamic.
  bool dynamicAddress = false;
};

enum class InstructionKind : uint8_t { // in the order of Instruction::op
  Launch,
  Fallback,
  Copy,
  BindSymbols,
  FromDims,
  Guard,
  Call,
  If,
  Loop
};

struct PreparedInstruction {
  const Instruction *source = nullptr;
  InstructionKind kind = InstructionKind::Launch;
  bool dynamic = false;
  /// Launch: the index arguments. FromDims: the values. Guard: lhs, rhs.
  /// Call: a value for each name of Call::symbols. Loop: the trip count, if any.
  std::vector<ExprId> exprs;
  std::vector<ExprId> grid; ///< Launch
  ExprId workspace = -1;    ///< Launch
  /// BindSymbols: one for each name. Call: the callee's symbol of each name
  /// (-1: it has none of that name). Loop: the counter.
  std::vector<SymbolId> symbols;
  /// Fallback: the expressions of each attribute, in order.
  std::vector<std::vector<ExprId>> attributes;
  /// Fallback and Call: for each output or result, which symbol its dimension
  /// defines (-1: none).
  std::vector<std::vector<SymbolId>> defines;
  std::vector<PreparedInstruction> blocks[2]; ///< If: then, else. Loop: body.
};

struct PreparedFunction {
  const Function *source = nullptr;
  int32_t index = 0;
  std::vector<std::string> symbols; ///< those that are bound on entry come first
  int32_t boundSymbols = 0;
  std::map<std::string, SymbolId, std::less<>> symbolIds;
  std::vector<PreparedExpr> exprs;
  std::vector<PreparedBuffer> buffers;
  std::vector<PreparedInstruction> body;
  std::vector<std::vector<ExprId>> inputDims, outputDims; ///< of the arguments
  std::vector<BufferId> inputBuffers, outputBuffers;      ///< -1: not used inside
  std::vector<uint8_t> dynamicOutput;                     ///< its memory is made inside, as it runs
  /// Calls of a buffer that is their frame; under -1, calls without one.
  std::map<BufferId, std::vector<const PreparedInstruction *>> frames;
  bool hasDynamicStorage = false;
  /// Entry only: last top-level instruction that reads an input, first that
  /// touches an output (-1 and INT32_MAX when there is none).
  std::vector<int32_t> lastInputUse, firstOutputUse;
};

struct PreparedProgram {
  std::vector<std::unique_ptr<PreparedFunction>> functions;
};

/// `program` has passed checkProgram and outlives the result.
std::unique_ptr<PreparedProgram> prepareProgram(const Program &program);

/// The value of an expression, with symbols by number; nullopt when a symbol is
/// not `defined`, and on overflow and division by zero.
std::optional<int64_t> evaluate(const PreparedExpr &expr, const std::vector<int64_t> &symbols,
                                const std::vector<uint8_t> &defined);

} // namespace bessemer::runtime
