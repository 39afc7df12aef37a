// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Typed reading of a node's attributes.
#include "dialects/Onnx/Onnx.h"

using namespace mlir;
using namespace bessemer::onnx;

InFlightDiagnostic bessemer::onnx::emitNodeError(NodeOp node) {
  return emitError(node.getLoc()) << node.describe() << ": ";
}

/// What an attribute is, in ONNX's words.
static StringRef kindOf(Attribute attr) {
  return llvm::TypeSwitch<Attribute, StringRef>(attr)
      .Case<IntegerAttr>([](auto) { return "an int"; })
      .Case<FloatAttr>([](auto) { return "a float"; })
      .Case<StringAttr>([](auto) { return "a string"; })
      .Case<DenseI64ArrayAttr>([](auto) { return "ints"; })
      .Case<DenseF32ArrayAttr>([](auto) { return "floats"; })
      .Case<ElementsAttr, DictionaryAttr>([](auto) { return "a tensor"; })
      .Case<TypeAttr>([](auto) { return "a type"; })
      .Default([](Attribute) { return "a list"; });
}

template <typename AttrType, typename Value, typename Convert>
static FailureOr<Value> read(NodeOp node, StringRef name, std::optional<Value> ifAbsent, StringRef expected,
                             Convert convert) {
  Attribute attr = node.getOnnxAttributes().get(name);
  if (!attr) {
    if (ifAbsent)
      return *ifAbsent;
    emitNodeError(node) << "attribute \"" << name << "\" is missing";
    return failure();
  }
  if (auto typed = dyn_cast<AttrType>(attr))
    return convert(typed);
  emitNodeError(node) << "attribute \"" << name << "\": expected " << expected << ", got " << kindOf(attr);
  return failure();
}

FailureOr<int64_t> bessemer::onnx::getInt(NodeOp node, StringRef name, std::optional<int64_t> ifAbsent) {
  return read<IntegerAttr, int64_t>(node, name, ifAbsent, "an int", [](IntegerAttr attr) { return attr.getInt(); });
}

FailureOr<float> bessemer::onnx::getFloat(NodeOp node, StringRef name, std::optional<float> ifAbsent) {
  return read<FloatAttr, float>(node, name, ifAbsent, "a float",
                                [](FloatAttr attr) { return float(attr.getValueAsDouble()); });
}

FailureOr<std::string> bessemer::onnx::getString(NodeOp node, StringRef name, std::optional<StringRef> ifAbsent) {
  std::optional<std::string> fallback;
  if (ifAbsent)
    fallback = ifAbsent->str();
  return read<StringAttr, std::string>(node, name, fallback, "a string", [](StringAttr attr) { return attr.str(); });
}

FailureOr<SmallVector<int64_t>> bessemer::onnx::getInts(NodeOp node, StringRef name,
                                                        std::optional<ArrayRef<int64_t>> ifAbsent) {
  std::optional<SmallVector<int64_t>> fallback;
  if (ifAbsent)
    fallback.emplace(*ifAbsent);
  return read<DenseI64ArrayAttr, SmallVector<int64_t>>(
      node, name, fallback, "ints", [](DenseI64ArrayAttr attr) { return SmallVector<int64_t>(attr.asArrayRef()); });
}

FailureOr<SmallVector<float>> bessemer::onnx::getFloats(NodeOp node, StringRef name,
                                                        std::optional<ArrayRef<float>> ifAbsent) {
  std::optional<SmallVector<float>> fallback;
  if (ifAbsent)
    fallback.emplace(*ifAbsent);
  return read<DenseF32ArrayAttr, SmallVector<float>>(
      node, name, fallback, "floats", [](DenseF32ArrayAttr attr) { return SmallVector<float>(attr.asArrayRef()); });
}

FailureOr<SmallVector<std::string>> bessemer::onnx::getStrings(NodeOp node, StringRef name,
                                                               std::optional<ArrayRef<std::string>> ifAbsent) {
  std::optional<SmallVector<std::string>> fallback;
  if (ifAbsent)
    fallback.emplace(*ifAbsent);
  auto result = read<ArrayAttr, SmallVector<std::string>>(node, name, fallback, "strings", [](ArrayAttr attr) {
    SmallVector<std::string> values;
    for (Attribute element : attr)
      if (auto string = dyn_cast<StringAttr>(element))
        values.push_back(string.str());
    return values;
  });
  return result;
}
