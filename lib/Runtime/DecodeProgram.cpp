// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/ProgramCodec.h"

#include <nlohmann/json.hpp>

#include <climits>

namespace bessemer::runtime {

namespace {

using Json = nlohmann::json;

/// Takes the parsed section apart. The first thing that is not as expected is
/// kept in `error`; from then on everything reads as empty.
class Decoder {
public:
  std::string error;

  void program(const Json &json, std::span<const uint8_t> constants, Program &out) {
    Fields f = fields(json, "program", 14);
    out.target = text(f[0]);
    out.triple = text(f[1]);
    out.features = texts(f[2]);
    for (const std::string &source : texts(f[3])) {
      auto parsed = SymbolicExpr::parse(source);
      // Canonical text only: its size bounds the size of the expression.
      if (!parsed || parsed->str() != source)
        return fail("expected a canonical expression, got '" + source.substr(0, 100) + "'");
      exprs.push_back(std::move(*parsed));
    }
    each(f[4], [&](const Json &item) { out.kernels.push_back(kernel(item)); });
    each(f[5], [&](const Json &item) { out.constants.push_back(constant(item, constants)); });
    each(f[6], [&](const Json &item) { out.weights.push_back(weight(item)); });
    each(f[7], [&](const Json &item) { out.functions.push_back(function(item)); });
    each(f[8], [&](const Json &item) {
      Fields g = fields(item, "guard", 4);
      out.entryGuards.push_back(guard(g, 0));
    });
    out.memoryLimit = i64(f[9]);
    each(f[10], [&](const Json &item) {
      Fields c = fields(item, "cache", 3);
      out.caches.push_back({i32(c[0]), i32(c[1]), i32(c[2])});
    });
    out.cacheCapacity = text(f[11]);
    out.cacheCopied = text(f[12]);
    out.flushDenormals = boolean(f[13]);
  }

private:
  /// The elements of an array of known length, or nulls after an error.
  class Fields {
  public:
    Fields(const Json *array) : array(array) {}
    const Json &operator[](size_t i) const {
      static const Json null;
      return array ? (*array)[i] : null;
    }

  private:
    const Json *array;
  };

  void fail(const std::string &what) {
    if (error.empty())
      error = "program section: " + what;
  }
  Fields fields(const Json &json, const char *what, size_t count) {
    if (error.empty() && (!json.is_array() || json.size() != count))
      fail("expected a " + std::string(what) + " of " + std::to_string(count) + " fields, got " +
           (json.is_array() ? std::to_string(json.size()) : std::string(json.type_name())));
    return Fields(error.empty() ? &json : nullptr);
  }
  template <typename Function> void each(const Json &json, Function function) {
    if (error.empty() && !json.is_array())
      fail(std::string("expected an array, got ") + json.type_name());
    if (!error.empty())
      return;
    for (const Json &item : json) {
      function(item);
      if (!error.empty())
        return;
    }
  }
  std::string text(const Json &json) {
    if (error.empty() && !json.is_string())
      fail(std::string("expected a string, got ") + json.type_name());
    return error.empty() ? json.get_ref<const std::string &>() : std::string();
  }
  int64_t integer(const Json &json, int64_t low, int64_t high) {
    if (!error.empty())
      return 0;
    if (!json.is_number_integer() ||
        (json.is_number_unsigned() && json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))) {
      fail(std::string("expected an integer, got ") + json.type_name());
      return 0;
    }
    auto value = json.get<int64_t>();
    if (value < low || value > high)
      fail("expected an integer in [" + std::to_string(low) + ", " + std::to_string(high) + "], got " +
           std::to_string(value));
    return error.empty() ? value : 0;
  }
  int64_t i64(const Json &json) { return integer(json, INT64_MIN, INT64_MAX); }
  int32_t i32(const Json &json) { return static_cast<int32_t>(integer(json, INT32_MIN, INT32_MAX)); }
  uint64_t u64(const Json &json) {
    if (error.empty() && !json.is_number_unsigned())
      fail(std::string("expected a hash, got ") + json.type_name());
    return error.empty() ? json.get<uint64_t>() : 0;
  }
  bool boolean(const Json &json) {
    if (error.empty() && !json.is_boolean())
      fail(std::string("expected a bool, got ") + json.type_name());
    return error.empty() && json.get<bool>();
  }
  double real(const Json &json) {
    if (error.empty() && !json.is_number())
      fail(std::string("expected a number, got ") + json.type_name());
    return error.empty() ? json.get<double>() : 0;
  }
  std::optional<int64_t> maybe(const Json &json) {
    return json.is_null() ? std::nullopt : std::optional<int64_t>(i64(json));
  }
  DType dtype(const Json &json) {
    auto type = static_cast<DType>(integer(json, 0, 255));
    if (error.empty() && bitWidth(type) == 0)
      fail("expected an element type, got " + std::to_string(static_cast<int>(type)));
    return type;
  }
  SymbolicExpr expr(const Json &json) {
    int64_t index = integer(json, 0, static_cast<int64_t>(exprs.size()) - 1);
    return error.empty() ? exprs[static_cast<size_t>(index)] : SymbolicExpr();
  }

  std::vector<std::string> texts(const Json &json) {
    std::vector<std::string> out;
    each(json, [&](const Json &item) { out.push_back(text(item)); });
    return out;
  }
  std::vector<int64_t> i64s(const Json &json) {
    std::vector<int64_t> out;
    each(json, [&](const Json &item) { out.push_back(i64(item)); });
    return out;
  }
  std::vector<int32_t> i32s(const Json &json) {
    std::vector<int32_t> out;
    each(json, [&](const Json &item) { out.push_back(i32(item)); });
    return out;
  }
  std::vector<double> reals(const Json &json) {
    std::vector<double> out;
    each(json, [&](const Json &item) { out.push_back(real(item)); });
    return out;
  }
  std::vector<SymbolicExpr> exprList(const Json &json) {
    std::vector<SymbolicExpr> out;
    each(json, [&](const Json &item) { out.push_back(expr(item)); });
    return out;
  }

  Kernel kernel(const Json &json) {
    Fields f = fields(json, "kernel", 12);
    Kernel out;
    out.symbol = text(f[0]);
    out.kind = text(f[1]);
    out.reason = text(f[2]);
    out.flops = expr(f[3]);
    out.bytes = expr(f[4]);
    out.threads = static_cast<int32_t>(integer(f[5], 0, 1024));
    out.outputs = static_cast<int32_t>(integer(f[6], 0, INT32_MAX));
    out.sharedBytes = integer(f[7], 0, INT32_MAX);
    out.takesWorkspace = boolean(f[8]);
    each(f[9], [&](const Json &item) {
      Fields m = fields(item, "tensor map", 5);
      out.tensorMaps.push_back({i32(m[0]), i32(m[1]), i32(m[2]), exprList(m[3]), i64s(m[4])});
    });
    out.startsEarly = boolean(f[10]);
    out.partialBytes = integer(f[11], 0, INT32_MAX);
    return out;
  }
  Constant constant(const Json &json, std::span<const uint8_t> section) {
    Fields f = fields(json, "constant", 4);
    Constant out;
    out.dtype = dtype(f[0]);
    out.shape = i64s(f[1]);
    auto offset = static_cast<uint64_t>(integer(f[2], 0, INT64_MAX));
    auto size = static_cast<uint64_t>(integer(f[3], 0, INT64_MAX));
    // Each byte of the section is used once: constants follow each other.
    if (error.empty() && (offset < constantEnd || offset > section.size() || size > section.size() - offset))
      fail("expected a constant within the " + std::to_string(section.size()) + " bytes of the section, got " +
           std::to_string(size) + " at " + std::to_string(offset));
    if (!error.empty())
      return out;
    constantEnd = offset + size;
    auto part = section.subspan(offset, size);
    out.bytes.assign(part.begin(), part.end());
    return out;
  }
  Weight weight(const Json &json) {
    Fields f = fields(json, "weight", 12);
    Weight out;
    out.name = text(f[0]);
    out.dtype = dtype(f[1]);
    out.shape = i64s(f[2]);
    out.file = text(f[3]);
    out.offset = i64(f[4]);
    out.length = i64(f[5]);
    out.encoding = text(f[6]);
    out.rangeHash = u64(f[7]);
    out.derivedFunction = i32(f[8]);
    out.derivedResult = i32(f[9]);
    out.derivedFrom = i32s(f[10]);
    out.temporary = boolean(f[11]);
    return out;
  }
  std::vector<Argument> arguments(const Json &json) {
    std::vector<Argument> out;
    each(json, [&](const Json &item) {
      Fields f = fields(item, "argument", 3);
      out.push_back({text(f[0]), dtype(f[1]), exprList(f[2])});
    });
    return out;
  }
  Buffer buffer(const Json &json) {
    Fields f = fields(json, "buffer", 11);
    Buffer out;
    out.name = text(f[0]);
    out.dtype = dtype(f[1]);
    out.dims = exprList(f[2]);
    out.kind = static_cast<BufferKind>(integer(f[3], 0, static_cast<int>(BufferKind::Pool)));
    out.index = i32(f[4]);
    out.aliasOffset = expr(f[5]);
    out.device = i32(f[6]);
    out.memorySpace = text(f[7]);
    out.lower = i32(f[8]);
    out.upper = i32(f[9]);
    out.offset = maybe(f[10]);
    return out;
  }
  Function function(const Json &json) {
    Fields f = fields(json, "function", 6);
    Function out;
    out.name = text(f[0]);
    out.inputs = arguments(f[1]);
    out.outputs = arguments(f[2]);
    each(f[3], [&](const Json &item) { out.buffers.push_back(buffer(item)); });
    out.body = block(f[4]);
    out.frameBytes = maybe(f[5]);
    return out;
  }
  Guard guard(const Fields &f, size_t first) {
    return {text(f[first]), expr(f[first + 1]), expr(f[first + 2]), text(f[first + 3])};
  }
  std::shared_ptr<Block> sharedBlock(const Json &json) { return std::make_shared<Block>(block(json)); }
  Block block(const Json &json) {
    Block out;
    each(json, [&](const Json &item) { out.push_back(instruction(item)); });
    return out;
  }
  Instruction instruction(const Json &json) {
    Instruction out;
    if (error.empty() && (!json.is_array() || json.size() < 2))
      fail("expected an instruction");
    if (!error.empty())
      return out;
    static constexpr size_t counts[] = {5, 4, 2, 2, 2, 4, 5, 3, 4};
    auto code = static_cast<size_t>(integer(json[0], 0, std::size(counts) - 1));
    Fields f = fields(json, "instruction", 2 + counts[error.empty() ? code : 0]);
    out.provenance = text(f[1]);
    switch (code) {
    case 0: out.op = Launch{i32(f[2]), i32s(f[3]), exprList(f[4]), exprList(f[5]), expr(f[6])}; break;
    case 1: out.op = Fallback{text(f[2]), attributes(f[3]), i32s(f[4]), i32s(f[5])}; break;
    case 2: out.op = Copy{i32(f[2]), i32(f[3])}; break;
    case 3: out.op = BindSymbols{i32(f[2]), texts(f[3])}; break;
    case 4: out.op = FromDims{i32(f[2]), exprList(f[3])}; break;
    case 5: out.op = guard(f, 2); break;
    case 6: out.op = Call{i32(f[2]), i32s(f[3]), i32s(f[4]), i32(f[5]), callSymbols(f[6])}; break;
    case 7: out.op = If{i32(f[2]), sharedBlock(f[3]), sharedBlock(f[4])}; break;
    default:
      out.op = Loop{i32(f[2]), f[3].is_null() ? std::nullopt : std::optional<SymbolicExpr>(expr(f[3])), text(f[4]),
                    sharedBlock(f[5])};
    }
    return out;
  }
  std::vector<std::pair<std::string, SymbolicExpr>> callSymbols(const Json &json) {
    std::vector<std::pair<std::string, SymbolicExpr>> out;
    each(json, [&](const Json &item) {
      Fields f = fields(item, "symbol", 2);
      out.emplace_back(text(f[0]), expr(f[1]));
    });
    return out;
  }
  std::vector<std::pair<std::string, AttributeExpr>> attributes(const Json &json) {
    std::vector<std::pair<std::string, AttributeExpr>> out;
    each(json, [&](const Json &item) {
      Fields f = fields(item, "attribute", 3);
      std::string name = text(f[0]);
      out.emplace_back(std::move(name), attribute(integer(f[1], 0, 7), f[2]));
    });
    return out;
  }
  AttributeExpr attribute(int64_t kind, const Json &json) {
    using Value = kernels::AttributeValue;
    switch (kind) {
    case 0: return Value(i64(json));
    case 1: return Value(real(json));
    case 2: return Value(text(json));
    case 3: return Value(i64s(json));
    case 4: return Value(reals(json));
    case 5: return Value(texts(json));
    case 6: return expr(json);
    default: return exprList(json);
    }
  }

  std::vector<SymbolicExpr> exprs;
  uint64_t constantEnd = 0;
};

} // namespace

Status decodeProgram(std::span<const uint8_t> cbor, std::span<const uint8_t> constants, Program &program) {
  if (Status status = scanCbor(cbor); !status.ok())
    return status;
  Json json = Json::from_cbor(cbor.begin(), cbor.end(), /*strict=*/true,
                              /*allow_exceptions=*/false);
  if (json.is_discarded())
    return Status::error(StatusCode::BadFile, "program section: expected CBOR");
  Decoder decoder;
  decoder.program(json, constants, program);
  if (!decoder.error.empty())
    return Status::error(StatusCode::BadFile, decoder.error);
  return {};
}

} // namespace bessemer::runtime
