// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/Prepare.h"

#include <algorithm>
#include <climits>
#include <set>
#include <unordered_map>

namespace bessemer::runtime {

namespace {

void collectCalls(const Block &block, std::vector<const Call *> &calls) {
  for (const Instruction &instruction : block) {
    if (auto *call = std::get_if<Call>(&instruction.op))
      calls.push_back(call);
    if (auto *branch = std::get_if<If>(&instruction.op)) {
      if (branch->thenBlock)
        collectCalls(*branch->thenBlock, calls);
      if (branch->elseBlock)
        collectCalls(*branch->elseBlock, calls);
    }
    if (auto *loop = std::get_if<Loop>(&instruction.op))
      if (loop->body)
        collectCalls(*loop->body, calls);
  }
}

/// Symbols that have a value when the function is entered.
std::vector<std::set<std::string>> boundOnEntry(const Program &program) {
  std::vector<std::set<std::string>> bound(program.functions.size());
  for (size_t f = 0; f < program.functions.size(); ++f) {
    const Function &function = program.functions[f];
    for (const Argument &input : function.inputs)
      for (const SymbolicExpr &dim : input.dims)
        if (auto name = dim.isSymbol())
          bound[f].insert(std::string(*name));
    if (f == 0 && !program.caches.empty()) {
      bound[f].insert(program.cacheCapacity);
      bound[f].insert(program.cacheCopied);
    }
    std::vector<const Call *> calls;
    collectCalls(function.body, calls);
    for (const Call *call : calls)
      for (const auto &[name, value] : call->symbols)
        bound[call->function].insert(name);
  }
  return bound;
}

class FunctionPreparer {
public:
  FunctionPreparer(const Program &program, const std::vector<std::set<std::string>> &bound, int32_t index,
                   PreparedFunction &out)
      : bound(bound), function(program.functions[index]), out(out) {
    out.source = &function;
    out.index = index;
  }

  void prepare() {
    for (const std::string &name : bound[out.index])
      symbolId(name);
    out.boundSymbols = static_cast<int32_t>(out.symbols.size());
    known = bound[out.index];

    out.buffers.resize(function.buffers.size());
    for (size_t b = 0; b < function.buffers.size(); ++b) {
      out.buffers[b].dims = exprIds(function.buffers[b].dims);
      if (function.buffers[b].kind == BufferKind::Alias)
        out.buffers[b].aliasOffset = exprId(function.buffers[b].aliasOffset);
    }
    for (const Argument &argument : function.inputs)
      out.inputDims.push_back(exprIds(argument.dims));
    for (const Argument &argument : function.outputs)
      out.outputDims.push_back(exprIds(argument.dims));
    findArguments();

    out.body = prepareBlock(function.body);
    // Every symbol that is defined on the way is dynamic everywhere: simple, and
    // right also in loops, where a use may stand before the definition.
    markDynamic();
    markBlock(out.body);
    collectFrames(out.body);
    for (size_t o = 0; o < function.outputs.size(); ++o) {
      BufferId buffer = out.outputBuffers[o];
      out.dynamicOutput.push_back(buffer >= 0 && out.buffers[buffer].dynamicStorage);
    }
    if (out.index == 0)
      findUses();
  }

private:
  SymbolId symbolId(std::string_view name) {
    auto it = out.symbolIds.find(name);
    if (it != out.symbolIds.end())
      return it->second;
    auto id = static_cast<SymbolId>(out.symbols.size());
    out.symbols.emplace_back(name);
    out.symbolIds.emplace(name, id);
    return id;
  }

  ExprId exprId(const SymbolicExpr &expr) {
    auto [it, isNew] = exprNumbers.try_emplace(expr, static_cast<ExprId>(out.exprs.size()));
    if (isNew) {
      PreparedExpr prepared;
      prepared.expr = expr;
      for (const std::string &name : expr.symbols())
        prepared.symbols.emplace_back(name, symbolId(name));
      out.exprs.push_back(std::move(prepared));
    }
    return it->second;
  }

  std::vector<ExprId> exprIds(const std::vector<SymbolicExpr> &exprs) {
    std::vector<ExprId> ids;
    for (const SymbolicExpr &expr : exprs)
      ids.push_back(exprId(expr));
    return ids;
  }

  void findArguments() {
    out.inputBuffers.assign(function.inputs.size(), -1);
    out.outputBuffers.assign(function.outputs.size(), -1);
    for (size_t b = 0; b < function.buffers.size(); ++b) {
      const Buffer &buffer = function.buffers[b];
      if (buffer.kind == BufferKind::Input)
        out.inputBuffers[buffer.index] = static_cast<BufferId>(b);
      if (buffer.kind == BufferKind::Output)
        out.outputBuffers[buffer.index] = static_cast<BufferId>(b);
    }
  }

  SymbolId define(std::string_view name) {
    SymbolId id = symbolId(name);
    defined.insert(id);
    known.insert(std::string(name));
    return id;
  }

  /// Dimensions of a result that are plain symbols nobody has defined before:
  /// this instruction does.
  std::vector<SymbolId> defineDims(BufferId id) {
    const Buffer &buffer = function.buffers[id];
    std::vector<SymbolId> ids;
    for (const SymbolicExpr &dim : buffer.dims) {
      auto name = dim.isSymbol();
      bool ours = name && (buffer.kind == BufferKind::Pool || buffer.kind == BufferKind::Output) &&
                  !known.contains(std::string(*name));
      ids.push_back(ours ? symbolId(*name) : -1);
    }
    return ids;
  }

  std::vector<std::vector<SymbolId>> defineResults(const std::vector<BufferId> &results) {
    std::vector<std::vector<SymbolId>> all;
    for (BufferId result : results)
      all.push_back(result < 0 ? std::vector<SymbolId>() : defineDims(result));
    for (const auto &ids : all)
      for (SymbolId id : ids)
        if (id >= 0)
          define(out.symbols[id]);
    return all;
  }

  std::vector<PreparedInstruction> prepareBlock(const Block &block) {
    std::vector<PreparedInstruction> result;
    result.reserve(block.size());
    for (const Instruction &instruction : block) {
      PreparedInstruction p;
      p.source = &instruction;
      p.kind = static_cast<InstructionKind>(instruction.op.index());
      std::visit([&](const auto &op) { prepareOp(op, p); }, instruction.op);
      result.push_back(std::move(p));
    }
    return result;
  }

  void prepareOp(const Launch &op, PreparedInstruction &p) {
    p.exprs = exprIds(op.symbols);
    p.grid = exprIds(op.grid);
    p.workspace = exprId(op.workspaceBytes);
  }
  void prepareOp(const Fallback &op, PreparedInstruction &p) {
    for (const auto &[name, value] : op.attributes) {
      std::vector<ExprId> ids;
      if (auto *list = std::get_if<std::vector<SymbolicExpr>>(&value))
        ids = exprIds(*list);
      else if (auto *expr = std::get_if<SymbolicExpr>(&value))
        ids = {exprId(*expr)};
      p.attributes.push_back(std::move(ids));
    }
    p.defines = defineResults(op.outputs);
  }
  void prepareOp(const Copy &, PreparedInstruction &) {}
  void prepareOp(const BindSymbols &op, PreparedInstruction &p) {
    for (const std::string &name : op.symbols)
      p.symbols.push_back(define(name));
  }
  void prepareOp(const FromDims &op, PreparedInstruction &p) { p.exprs = exprIds(op.values); }
  void prepareOp(const Guard &op, PreparedInstruction &p) { p.exprs = {exprId(op.lhs), exprId(op.rhs)}; }
  void prepareOp(const Call &op, PreparedInstruction &p) {
    // Symbols bound on entry are numbered first, in the order of their set.
    const std::set<std::string> &names = bound[op.function];
    for (const auto &[name, value] : op.symbols) {
      p.exprs.push_back(exprId(value));
      p.symbols.push_back(static_cast<SymbolId>(std::distance(names.begin(), names.find(name))));
    }
    p.defines = defineResults(op.results);
  }
  void prepareOp(const If &op, PreparedInstruction &p) {
    // Both branches may define the same symbol: one of them runs.
    std::set<std::string> before = known;
    if (op.thenBlock)
      p.blocks[0] = prepareBlock(*op.thenBlock);
    std::swap(before, known);
    if (op.elseBlock)
      p.blocks[1] = prepareBlock(*op.elseBlock);
    known.merge(before);
  }
  void prepareOp(const Loop &op, PreparedInstruction &p) {
    if (op.tripCount)
      p.exprs = {exprId(*op.tripCount)};
    p.symbols = {define(op.counter)};
    if (op.body)
      p.blocks[0] = prepareBlock(*op.body);
  }

  void markDynamic() {
    for (PreparedExpr &expr : out.exprs)
      for (const auto &[name, id] : expr.symbols)
        expr.dynamic |= defined.contains(id);
    for (size_t b = 0; b < out.buffers.size(); ++b) {
      PreparedBuffer &p = out.buffers[b];
      BufferKind kind = function.buffers[b].kind;
      p.dynamicShape = anyDynamic(p.dims);
      p.dynamicStorage =
          kind == BufferKind::Pool || (p.dynamicShape && (kind == BufferKind::Arena || kind == BufferKind::Output));
      p.dynamicAddress = p.dynamicStorage;
      out.hasDynamicStorage |= p.dynamicStorage;
    }
    for (size_t b = 0; b < out.buffers.size(); ++b) {
      auto root = static_cast<BufferId>(b);
      while (function.buffers[root].kind == BufferKind::Alias) {
        out.buffers[b].dynamicAddress |= out.exprs[out.buffers[root].aliasOffset].dynamic;
        root = function.buffers[root].index;
      }
      out.buffers[b].dynamicAddress |= out.buffers[root].dynamicAddress;
    }
  }

  bool anyDynamic(const std::vector<ExprId> &ids) const {
    return std::any_of(ids.begin(), ids.end(), [&](ExprId id) { return out.exprs[id].dynamic; });
  }
  bool anyDynamicBuffer(const std::vector<BufferId> &ids) const {
    return std::any_of(ids.begin(), ids.end(), [&](BufferId id) {
      return id >= 0 && (out.buffers[id].dynamicAddress || out.buffers[id].dynamicShape);
    });
  }

  void markBlock(std::vector<PreparedInstruction> &block) {
    for (PreparedInstruction &p : block) {
      p.dynamic = anyDynamic(p.exprs) || anyDynamic(p.grid) || (p.workspace >= 0 && out.exprs[p.workspace].dynamic);
      for (const auto &ids : p.attributes)
        p.dynamic |= anyDynamic(ids);
      for (const auto &ids : p.defines)
        p.dynamic |= std::any_of(ids.begin(), ids.end(), [](SymbolId id) { return id >= 0; });
      p.dynamic |= anyDynamicBuffer(buffersOf(*p.source));
      markBlock(p.blocks[0]);
      markBlock(p.blocks[1]);
    }
  }

  static std::vector<BufferId> buffersOf(const Instruction &instruction) {
    std::vector<BufferId> ids;
    auto add = [&](const std::vector<BufferId> &more) { ids.insert(ids.end(), more.begin(), more.end()); };
    if (auto *op = std::get_if<Launch>(&instruction.op)) {
      add(op->buffers);
    } else if (auto *op = std::get_if<Fallback>(&instruction.op)) {
      add(op->inputs);
      add(op->outputs);
    } else if (auto *op = std::get_if<Copy>(&instruction.op)) {
      add({op->source, op->destination});
    } else if (auto *op = std::get_if<BindSymbols>(&instruction.op)) {
      add({op->buffer});
    } else if (auto *op = std::get_if<FromDims>(&instruction.op)) {
      add({op->buffer});
    } else if (auto *op = std::get_if<Call>(&instruction.op)) {
      add(op->arguments);
      add(op->results);
    } else if (auto *op = std::get_if<If>(&instruction.op)) {
      add({op->condition});
    } else if (auto *op = std::get_if<Loop>(&instruction.op)) {
      if (op->condition >= 0)
        add({op->condition});
    }
    return ids;
  }

  void collectFrames(const std::vector<PreparedInstruction> &block) {
    for (const PreparedInstruction &p : block) {
      if (auto *call = std::get_if<Call>(&p.source->op))
        out.frames[call->frame].push_back(&p);
      collectFrames(p.blocks[0]);
      collectFrames(p.blocks[1]);
    }
  }

  void findUses() {
    out.lastInputUse.assign(function.inputs.size(), -1);
    out.firstOutputUse.assign(function.outputs.size(), INT32_MAX);
    for (size_t i = 0; i < out.body.size(); ++i)
      noteUses(out.body[i], static_cast<int32_t>(i));
  }
  void noteUses(const PreparedInstruction &p, int32_t position) {
    for (BufferId id : buffersOf(*p.source)) {
      if (id < 0)
        continue;
      while (function.buffers[id].kind == BufferKind::Alias)
        id = function.buffers[id].index;
      const Buffer &root = function.buffers[id];
      if (root.kind == BufferKind::Input)
        out.lastInputUse[root.index] = std::max(out.lastInputUse[root.index], position);
      if (root.kind == BufferKind::Output)
        out.firstOutputUse[root.index] = std::min(out.firstOutputUse[root.index], position);
    }
    for (const auto &block : p.blocks)
      for (const PreparedInstruction &inner : block)
        noteUses(inner, position);
  }

  const std::vector<std::set<std::string>> &bound;
  const Function &function;
  PreparedFunction &out;
  std::unordered_map<SymbolicExpr, ExprId> exprNumbers;
  std::set<SymbolId> defined;  // by an instruction
  std::set<std::string> known; // bound on entry or defined by an earlier instruction
};

} // namespace

std::unique_ptr<PreparedProgram> prepareProgram(const Program &program) {
  auto prepared = std::make_unique<PreparedProgram>();
  std::vector<std::set<std::string>> bound = boundOnEntry(program);
  for (size_t f = 0; f < program.functions.size(); ++f) {
    prepared->functions.push_back(std::make_unique<PreparedFunction>());
    FunctionPreparer(program, bound, static_cast<int32_t>(f), *prepared->functions.back()).prepare();
  }
  return prepared;
}

std::optional<int64_t> evaluate(const PreparedExpr &expr, const std::vector<int64_t> &symbols,
                                const std::vector<uint8_t> &defined) {
  if (auto constant = expr.expr.isConstant())
    return constant;
  if (expr.symbols.size() == 1 && expr.expr.isSymbol()) {
    SymbolId id = expr.symbols[0].second;
    return defined[id] ? std::optional<int64_t>(symbols[id]) : std::nullopt;
  }
  // Captured as one pointer: std::function allocates for more.
  struct {
    const PreparedExpr &expr;
    const std::vector<int64_t> &symbols;
    const std::vector<uint8_t> &defined;
  } given{expr, symbols, defined};
  return expr.expr.evaluate([&given](std::string_view name) -> std::optional<int64_t> {
    for (const auto &[symbol, id] : given.expr.symbols)
      if (symbol == name)
        return given.defined[id] ? std::optional<int64_t>(given.symbols[id]) : std::nullopt;
    return std::nullopt;
  });
}

} // namespace bessemer::runtime
