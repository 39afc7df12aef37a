// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Runtime/Memory.h"
#include "lib/Runtime/ProgramCodec.h"

#include <nlohmann/json.hpp>
#include <unordered_map>

namespace bessemer::runtime {

namespace {

using Json = nlohmann::json;

class Encoder {
public:
  Json expr(const SymbolicExpr &e) {
    auto [it, isNew] = numbers.try_emplace(e, numbers.size());
    if (isNew) {
      std::string text = e.str();
      auto back = SymbolicExpr::parse(text);
      if (!e.isValid() || !back || back->str() != text)
        error = "expected an expression that can be written, got '" + text + "'";
      texts.push_back(std::move(text));
    }
    return it->second;
  }
  template <typename T> Json list(const std::vector<T> &items) {
    Json array = Json::array();
    for (const T &item : items)
      array.push_back(one(item));
    return array;
  }

  Json one(const SymbolicExpr &e) { return expr(e); }
  Json one(int32_t value) { return value; }
  Json one(int64_t value) { return value; }
  Json one(double value) { return value; }
  Json one(const std::string &value) { return value; }

  Json one(const Kernel &k) {
    return tuple({k.symbol, k.kind, k.reason, expr(k.flops), expr(k.bytes), k.threads, k.outputs, k.sharedBytes,
                  k.takesWorkspace, list(k.tensorMaps), k.startsEarly, k.partialBytes});
  }
  Json one(const TensorMapPlan &map) {
    return tuple({map.buffer, map.elementBytes, map.swizzleBytes, list(map.dims), list(map.box)});
  }
  Json one(const Weight &w) {
    return tuple({w.name, number(w.dtype), list(w.shape), w.file, w.offset, w.length, w.encoding, w.rangeHash,
                  w.derivedFunction, w.derivedResult, list(w.derivedFrom), w.temporary});
  }
  Json one(const Argument &a) { return tuple({a.name, number(a.dtype), list(a.dims)}); }
  Json one(const Buffer &b) {
    return tuple({b.name, number(b.dtype), list(b.dims), static_cast<int>(b.kind), b.index, expr(b.aliasOffset),
                  b.device, b.memorySpace, b.lower, b.upper, b.offset ? Json(*b.offset) : Json()});
  }
  Json one(const Function &f) {
    return tuple({f.name, list(f.inputs), list(f.outputs), list(f.buffers), list(f.body),
                  f.frameBytes ? Json(*f.frameBytes) : Json()});
  }
  Json one(const AppendedCache &c) { return tuple({c.input, c.output, c.axis}); }
  Json one(const Guard &g) { return tuple({g.relation, expr(g.lhs), expr(g.rhs), g.message}); }
  Json one(const std::pair<std::string, SymbolicExpr> &pair) { return tuple({pair.first, expr(pair.second)}); }
  Json one(const std::pair<std::string, AttributeExpr> &attribute) {
    const auto &[name, value] = attribute;
    if (auto *e = std::get_if<SymbolicExpr>(&value))
      return tuple({name, 6, expr(*e)});
    if (auto *e = std::get_if<std::vector<SymbolicExpr>>(&value))
      return tuple({name, 7, list(*e)});
    const auto &plain = std::get<kernels::AttributeValue>(value);
    Json payload = std::visit([&](const auto &v) { return attributeValue(v); }, plain);
    return tuple({name, static_cast<int>(plain.index()), std::move(payload)});
  }
  Json one(const Instruction &instruction) {
    Json array = tuple({instruction.op.index(), instruction.provenance});
    std::visit([&](const auto &op) { fields(op, array); }, instruction.op);
    return array;
  }

  void fields(const Launch &op, Json &to) {
    append(to, {op.kernel, list(op.buffers), list(op.symbols), list(op.grid), expr(op.workspaceBytes)});
  }
  void fields(const Fallback &op, Json &to) {
    append(to, {op.op, list(op.attributes), list(op.inputs), list(op.outputs)});
  }
  void fields(const Copy &op, Json &to) { append(to, {op.source, op.destination}); }
  void fields(const BindSymbols &op, Json &to) { append(to, {op.buffer, list(op.symbols)}); }
  void fields(const FromDims &op, Json &to) { append(to, {op.buffer, list(op.values)}); }
  void fields(const Guard &op, Json &to) { append(to, {op.relation, expr(op.lhs), expr(op.rhs), op.message}); }
  void fields(const Call &op, Json &to) {
    append(to, {op.function, list(op.arguments), list(op.results), op.frame, list(op.symbols)});
  }
  void fields(const If &op, Json &to) { append(to, {op.condition, block(op.thenBlock), block(op.elseBlock)}); }
  void fields(const Loop &op, Json &to) {
    append(to, {op.condition, op.tripCount ? expr(*op.tripCount) : Json(), op.counter, block(op.body)});
  }

  std::vector<std::string> texts;
  std::string error;

private:
  static Json tuple(std::vector<Json> items) { return Json(std::move(items)); }
  static void append(Json &to, std::vector<Json> items) {
    for (Json &item : items)
      to.push_back(std::move(item));
  }
  static Json number(DType type) { return static_cast<int>(type); }
  Json block(const std::shared_ptr<Block> &b) { return b ? list(*b) : Json::array(); }

  template <typename T> Json attributeValue(const std::vector<T> &value) { return list(value); }
  template <typename T> Json attributeValue(const T &value) { return value; }

  std::unordered_map<SymbolicExpr, size_t> numbers;
};

} // namespace

Status encodeProgram(const Program &program, std::vector<uint8_t> &cbor, std::vector<uint8_t> &constants) {
  Encoder encoder;
  Json parts = Json::array();
  constants.clear();
  for (const Constant &constant : program.constants) {
    constants.resize((constants.size() + memoryAlignment - 1) / memoryAlignment * memoryAlignment);
    parts.push_back(Json(std::vector<Json>{static_cast<int>(constant.dtype), encoder.list(constant.shape),
                                           constants.size(), constant.bytes.size()}));
    constants.insert(constants.end(), constant.bytes.begin(), constant.bytes.end());
  }
  Json kernels = encoder.list(program.kernels), weights = encoder.list(program.weights),
       functions = encoder.list(program.functions), guards = encoder.list(program.entryGuards);
  Json all = std::vector<Json>{program.target,
                               program.triple,
                               encoder.list(program.features),
                               encoder.texts,
                               std::move(kernels),
                               std::move(parts),
                               std::move(weights),
                               std::move(functions),
                               std::move(guards),
                               program.memoryLimit,
                               encoder.list(program.caches),
                               program.cacheCapacity,
                               program.cacheCopied,
                               program.flushDenormals};
  if (!encoder.error.empty())
    return Status::error(StatusCode::InvalidArgument, encoder.error);
  cbor = Json::to_cbor(all);
  return {};
}

} // namespace bessemer::runtime
