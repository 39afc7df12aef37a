// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Runtime/CheckProgram.h"

#include "bessemer/Runtime/Memory.h"

#include <algorithm>
#include <set>

namespace bessemer::runtime {

namespace {

/// Collects the first error; all checks do nothing after it.
class Checker {
public:
  explicit Checker(const Program &program) : program(program) {}

  Status check() {
    if (program.functions.empty())
      fail("expected at least one function, got none");
    for (size_t k = 0; k < program.kernels.size(); ++k) {
      where = "kernel " + std::to_string(k);
      const Kernel &kernel = program.kernels[k];
      if (kernel.symbol.empty())
        fail("expected a symbol, got an empty name");
      expr(kernel.flops);
      expr(kernel.bytes);
      for (const TensorMapPlan &map : kernel.tensorMaps) {
        exprs(map.dims);
        if (map.dims.empty() || map.dims.size() > TensorMap::mostDims || map.box.size() != map.dims.size())
          fail("expected a tensor map of 1 to 5 dimensions and a box of as many, got " +
               std::to_string(map.dims.size()));
      }
    }
    for (size_t c = 0; c < program.constants.size(); ++c) {
      where = "constant " + std::to_string(c);
      const Constant &constant = program.constants[c];
      int64_t bytes = shapeBytes(constant.dtype, constant.shape);
      if (bytes != static_cast<int64_t>(constant.bytes.size()))
        fail("expected " + std::to_string(bytes) + " bytes, got " + std::to_string(constant.bytes.size()));
    }
    for (size_t w = 0; w < program.weights.size(); ++w)
      checkWeight(w);
    for (const Function &f : program.functions)
      checkFunction(f);
    where = "entry guards";
    for (const Guard &guard : program.entryGuards)
      checkGuard(guard);
    checkCaches();
    if (error.empty())
      checkCallCycles();
    if (error.empty())
      checkWeightCycles();
    return error.empty() ? Status() : Status::error(StatusCode::BadFile, error);
  }

private:
  void fail(const std::string &text) {
    if (error.empty())
      error = where.empty() ? text : where + ": " + text;
  }
  bool ok() const { return error.empty(); }

  bool index(int64_t value, size_t size, const char *what) {
    if (value >= 0 && static_cast<size_t>(value) < size)
      return true;
    fail(std::string("expected ") + what + " in [0, " + std::to_string(size) + "), got " + std::to_string(value));
    return false;
  }
  void expr(const SymbolicExpr &e) {
    if (!e.isValid())
      fail("expected an expression, got an invalid one");
  }
  void exprs(const std::vector<SymbolicExpr> &list) {
    for (const SymbolicExpr &e : list)
      expr(e);
  }
  void dtype(DType type) {
    if (bitWidth(type) == 0)
      fail("expected an element type with a size, got " + std::string(name(type)));
  }
  int64_t shapeBytes(DType type, const std::vector<int64_t> &shape) {
    dtype(type);
    int64_t bytes = ok() ? checkedByteSize(static_cast<uint8_t>(type), shape.data(), shape.size()) : -1;
    if (bytes < 0)
      fail("expected a shape of at most 2^46 bytes");
    return bytes;
  }

  void checkWeight(size_t w) {
    const Weight &weight = program.weights[w];
    where = "weight " + std::to_string(w) + " '" + weight.name + "'";
    int64_t bytes = shapeBytes(weight.dtype, weight.shape);
    if (weight.derivedFunction >= 0) {
      if (!index(weight.derivedFunction, program.functions.size(), "a function"))
        return;
      const Function &f = program.functions[weight.derivedFunction];
      index(weight.derivedResult, f.outputs.size(), "a result");
      if (weight.derivedFrom.size() != f.inputs.size())
        fail("expected " + std::to_string(f.inputs.size()) + " sources, got " +
             std::to_string(weight.derivedFrom.size()));
      for (int32_t from : weight.derivedFrom)
        index(from, program.weights.size(), "a weight");
      return;
    }
    int64_t end = 0;
    if (weight.offset < 0 || weight.length < 0 || __builtin_add_overflow(weight.offset, weight.length, &end))
      fail("expected a range of a file, got offset " + std::to_string(weight.offset) + " and length " +
           std::to_string(weight.length));
    if (weight.encoding == "raw") {
      if (weight.length != bytes)
        fail("expected " + std::to_string(bytes) + " bytes, got " + std::to_string(weight.length));
    } else if (weight.encoding != "varint" && weight.encoding != "float16_varint") {
      fail("expected encoding raw, varint or float16_varint, got '" + weight.encoding + "'");
    } else if (bytes > 0 && weight.length < bytes / std::max<int64_t>(bitWidth(weight.dtype) / 8, 1)) {
      // A varint takes at least a byte: no large weight from a small file.
      fail("expected at least a byte for each element, got " + std::to_string(weight.length));
    }
  }

  void checkArguments(const std::vector<Argument> &arguments) {
    for (const Argument &argument : arguments) {
      dtype(argument.dtype);
      exprs(argument.dims);
    }
  }

  void checkCaches() {
    where = "caches";
    if (program.caches.empty() || !ok())
      return;
    const Function &entry = program.functions.front();
    if (program.cacheCapacity.empty() || program.cacheCopied.empty() || program.cacheCapacity == program.cacheCopied)
      fail("expected names of two symbols, got '" + program.cacheCapacity + "' and '" + program.cacheCopied + "'");
    for (const AppendedCache &cache : program.caches) {
      if (!index(cache.input, entry.inputs.size(), "an input") ||
          !index(cache.output, entry.outputs.size(), "an output"))
        return;
      const Argument &input = entry.inputs[cache.input], &output = entry.outputs[cache.output];
      if (!index(cache.axis, input.dims.size(), "an axis"))
        return;
      if (input.dtype != output.dtype || input.dims.size() != output.dims.size() || bitWidth(input.dtype) % 8 != 0)
        return fail("expected '" + output.name + "' to be '" + input.name + "' with more elements");
      for (size_t d = 0; d < input.dims.size(); ++d)
        if (static_cast<int32_t>(d) != cache.axis && !(input.dims[d] == output.dims[d]))
          return fail("expected '" + output.name + "' to differ from '" + input.name + "' along axis " +
                      std::to_string(cache.axis) + " alone");
      const AppendedCache &first = program.caches.front();
      if (!(output.dims[cache.axis] == entry.outputs[first.output].dims[first.axis]))
        return fail("expected caches of one length, got '" + output.name + "'");
    }
  }

  void checkFunction(const Function &f) {
    function = &f;
    where = "function '" + f.name + "'";
    checkArguments(f.inputs);
    checkArguments(f.outputs);
    if (program.memoryLimit < 0)
      fail("expected a memory limit that is not negative, got " + std::to_string(program.memoryLimit));
    if (f.frameBytes && (*f.frameBytes < 0 || *f.frameBytes > (int64_t{1} << 46)))
      fail("expected a frame size, got " + std::to_string(*f.frameBytes));
    std::set<std::pair<BufferKind, int32_t>> arguments;
    for (size_t b = 0; b < f.buffers.size() && ok(); ++b) {
      const Buffer &buffer = f.buffers[b];
      where = "function '" + f.name + "', buffer " + std::to_string(b) + " '" + buffer.name + "'";
      dtype(buffer.dtype);
      exprs(buffer.dims);
      expr(buffer.aliasOffset);
      if (buffer.device != 0)
        fail("expected device 0, got " + std::to_string(buffer.device));
      switch (buffer.kind) {
      case BufferKind::Input: index(buffer.index, f.inputs.size(), "an input"); break;
      case BufferKind::Output: index(buffer.index, f.outputs.size(), "an output"); break;
      case BufferKind::Weight: index(buffer.index, program.weights.size(), "a weight"); break;
      case BufferKind::Constant: index(buffer.index, program.constants.size(), "a constant"); break;
      case BufferKind::Alias: index(buffer.index, f.buffers.size(), "a buffer"); break;
      case BufferKind::Arena:
      case BufferKind::Pool: break;
      default: fail("expected a kind of buffer, got " + std::to_string(static_cast<int>(buffer.kind)));
      }
      if (buffer.kind == BufferKind::Input || buffer.kind == BufferKind::Output)
        if (!arguments.insert({buffer.kind, buffer.index}).second)
          fail("expected one buffer for each argument, got a second one for " + std::to_string(buffer.index));
    }
    where = "function '" + f.name + "'";
    checkAliases(f);
    int64_t count = 0;
    checkBlock(f.body, count, 0);
  }

  void checkAliases(const Function &f) {
    constexpr int limit = 64;
    std::vector<int> depth(f.buffers.size(), 0); // 0: not known yet
    for (size_t b = 0; b < f.buffers.size() && ok(); ++b) {
      std::vector<size_t> path;
      size_t at = b;
      while (depth[at] == 0 && path.size() <= limit) {
        path.push_back(at);
        if (f.buffers[at].kind != BufferKind::Alias)
          break;
        at = static_cast<size_t>(f.buffers[at].index);
      }
      int below = depth[at];
      for (; !path.empty(); path.pop_back())
        depth[path.back()] = ++below;
      if (below > limit)
        fail("expected at most " + std::to_string(limit) + " aliases in a row, got a cycle or " + "more at buffer '" +
             f.buffers[b].name + "'");
    }
  }

  bool buffer(BufferId id) { return index(id, function->buffers.size(), "a buffer"); }
  void buffers(const std::vector<BufferId> &ids) {
    for (BufferId id : ids)
      buffer(id);
  }
  void writable(BufferId id) {
    if (!buffer(id))
      return;
    for (int depth = 0; function->buffers[id].kind == BufferKind::Alias && depth < 1000; ++depth)
      id = function->buffers[id].index;
    BufferKind kind = function->buffers[id].kind;
    if (kind == BufferKind::Weight || kind == BufferKind::Constant || kind == BufferKind::Input)
      fail("expected a buffer that may be written, got '" + function->buffers[id].name + "'");
  }

  void checkGuard(const Guard &guard) {
    if (guard.relation != "eq" && guard.relation != "le" && guard.relation != "lt")
      fail("expected relation eq, le or lt, got '" + guard.relation + "'");
    expr(guard.lhs);
    expr(guard.rhs);
  }

  void checkBlock(const Block &block, int64_t &count, int depth) {
    if (depth > 64)
      return fail("expected at most 64 nested blocks");
    for (const Instruction &instruction : block) {
      if (!ok())
        return;
      where = "function '" + function->name + "', instruction " + std::to_string(count++);
      if (!instruction.provenance.empty())
        where += " (" + instruction.provenance + ")";
      std::visit([&](const auto &op) { checkOp(op, count, depth); }, instruction.op);
    }
  }

  void checkOp(const Launch &op, int64_t &, int) {
    index(op.kernel, program.kernels.size(), "a kernel");
    buffers(op.buffers);
    exprs(op.symbols);
    exprs(op.grid);
    expr(op.workspaceBytes);
  }
  void checkOp(const Fallback &op, int64_t &, int) {
    if (op.op.empty())
      fail("expected an op, got an empty name");
    for (BufferId id : op.inputs)
      if (id != -1)
        buffer(id);
    for (BufferId id : op.outputs)
      writable(id);
    for (const auto &[name, value] : op.attributes) {
      if (auto *list = std::get_if<std::vector<SymbolicExpr>>(&value))
        exprs(*list);
      if (auto *one = std::get_if<SymbolicExpr>(&value))
        expr(*one);
    }
  }
  void checkOp(const Copy &op, int64_t &, int) {
    buffer(op.source);
    writable(op.destination);
  }
  void checkOp(const BindSymbols &op, int64_t &, int) {
    if (!buffer(op.buffer))
      return;
    DType type = function->buffers[op.buffer].dtype;
    if ((!isInteger(type) && type != DType::Bool) || isPacked(type))
      fail("expected an integer buffer, got " + std::string(name(type)));
  }
  void checkOp(const FromDims &op, int64_t &, int) {
    writable(op.buffer);
    exprs(op.values);
    if (ok() && (isPacked(function->buffers[op.buffer].dtype) || bitWidth(function->buffers[op.buffer].dtype) > 64))
      fail("expected a buffer of whole bytes");
  }
  void checkOp(const Guard &op, int64_t &, int) { checkGuard(op); }
  void checkOp(const Call &op, int64_t &, int) {
    if (!index(op.function, program.functions.size(), "a function"))
      return;
    const Function &callee = program.functions[op.function];
    if (op.arguments.size() != callee.inputs.size())
      fail("expected " + std::to_string(callee.inputs.size()) + " arguments, got " +
           std::to_string(op.arguments.size()));
    if (op.results.size() != callee.outputs.size())
      fail("expected " + std::to_string(callee.outputs.size()) + " results, got " + std::to_string(op.results.size()));
    buffers(op.arguments);
    for (BufferId id : op.results)
      writable(id);
    for (size_t i = 0; ok() && i < op.arguments.size(); ++i)
      if (function->buffers[op.arguments[i]].dtype != callee.inputs[i].dtype)
        fail("argument " + std::to_string(i) + ": expected " + std::string(name(callee.inputs[i].dtype)) + ", got " +
             std::string(name(function->buffers[op.arguments[i]].dtype)));
    if (op.frame != -1 && buffer(op.frame) && function->buffers[op.frame].kind != BufferKind::Arena)
      fail("expected an arena buffer as the frame");
    std::set<std::string_view> names;
    for (const auto &[name, value] : op.symbols) {
      expr(value);
      if (!names.insert(name).second)
        fail("expected each symbol once, got '" + name + "' twice");
    }
  }
  void checkCondition(BufferId id) {
    if (buffer(id) && function->buffers[id].dtype != DType::Bool)
      fail("expected a bool as condition, got " + std::string(name(function->buffers[id].dtype)));
  }
  void checkOp(const If &op, int64_t &count, int depth) {
    checkCondition(op.condition);
    if (op.thenBlock)
      checkBlock(*op.thenBlock, count, depth + 1);
    if (op.elseBlock)
      checkBlock(*op.elseBlock, count, depth + 1);
  }
  void checkOp(const Loop &op, int64_t &count, int depth) {
    if (op.condition != -1)
      checkCondition(op.condition);
    else if (!op.tripCount)
      fail("expected a condition or a trip count, got neither");
    if (op.tripCount)
      expr(*op.tripCount);
    if (op.body)
      checkBlock(*op.body, count, depth + 1);
  }

  void callees(const Block &block, std::set<int32_t> &out) const {
    for (const Instruction &instruction : block) {
      if (auto *call = std::get_if<Call>(&instruction.op))
        out.insert(call->function);
      if (auto *branch = std::get_if<If>(&instruction.op)) {
        if (branch->thenBlock)
          callees(*branch->thenBlock, out);
        if (branch->elseBlock)
          callees(*branch->elseBlock, out);
      }
      if (auto *loop = std::get_if<Loop>(&instruction.op))
        if (loop->body)
          callees(*loop->body, out);
    }
  }

  /// Longest path by repeated relaxation over the edges: stops at a depth that
  /// only a cycle (or an absurd program) reaches.
  void checkDepth(const std::vector<std::vector<int32_t>> &edges, int limit, const char *what) {
    std::vector<int> depth(edges.size(), 0);
    std::vector<int32_t> work;
    for (size_t i = 0; i < edges.size(); ++i)
      work.push_back(static_cast<int32_t>(i));
    while (!work.empty()) {
      int32_t at = work.back();
      work.pop_back();
      for (int32_t next : edges[at]) {
        if (depth[next] >= depth[at] + 1)
          continue;
        depth[next] = depth[at] + 1;
        if (depth[next] > limit)
          return fail(std::string("expected ") + what + " without a cycle and at most " + std::to_string(limit) +
                      " deep");
        work.push_back(next);
      }
    }
  }
  void checkCallCycles() {
    where.clear();
    std::vector<std::vector<int32_t>> edges;
    for (const Function &f : program.functions) {
      std::set<int32_t> out;
      callees(f.body, out);
      edges.emplace_back(out.begin(), out.end());
    }
    checkDepth(edges, 100, "calls");
  }
  void checkWeightCycles() {
    where.clear();
    std::vector<std::vector<int32_t>> edges;
    for (const Weight &weight : program.weights) {
      edges.emplace_back();
      if (weight.derivedFunction >= 0) {
        std::set<int32_t> out(weight.derivedFrom.begin(), weight.derivedFrom.end());
        edges.back().assign(out.begin(), out.end());
      }
    }
    checkDepth(edges, 100, "derived weights");
  }

  const Program &program;
  const Function *function = nullptr;
  std::string where, error;
};

} // namespace

Status checkProgram(const Program &program) { return Checker(program).check(); }

} // namespace bessemer::runtime
