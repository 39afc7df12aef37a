// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Types, tensors, attributes and annotations as messages of onnx.proto: the
// inverse of TypeImport, TensorImport and AttributeImport.
#pragma once

#include "dialects/Onnx/Onnx.h"
#include "lib/Import/MessageWriter.h"

namespace bessemer::import {

using mlir::ArrayAttr;
using mlir::Attribute;
using mlir::DictionaryAttr;
using mlir::StringAttr;

inline llvm::StringRef getText(DictionaryAttr dict, llvm::StringRef key) {
  auto text = dict ? dict.getAs<StringAttr>(key) : StringAttr();
  return text ? text.getValue() : llvm::StringRef();
}
inline ArrayAttr getList(DictionaryAttr dict, llvm::StringRef key) {
  return dict ? dict.getAs<ArrayAttr>(key) : ArrayAttr();
}
inline std::optional<int64_t> getNumber(DictionaryAttr dict, llvm::StringRef key) {
  auto number = dict ? dict.getAs<mlir::IntegerAttr>(key) : mlir::IntegerAttr();
  return number ? std::optional(number.getInt()) : std::nullopt;
}
inline DictionaryAttr getDict(DictionaryAttr dict, llvm::StringRef key) {
  return dict ? dict.getAs<DictionaryAttr>(key) : DictionaryAttr();
}

/// Repeated StringStringEntryProto from `[[key, value], ...]`; null is none.
void addKeyValues(Message &out, unsigned field, Attribute entries);
/// Repeated strings; null is none.
void addStrings(Message &out, unsigned field, ArrayAttr strings);

/// TypeProto; nullopt for `!onnx.unknown` and types that ONNX does not have.
std::optional<Message> exportType(mlir::Type type);
/// TypeProto from TypeImport's typeDetails, or from a type attribute.
std::optional<Message> exportTypeDetails(Attribute details);
/// ValueInfoProto from valueInfoDetails.
Message exportValueInfo(DictionaryAttr details);
Message exportValueInfo(llvm::StringRef name, mlir::Type type);

/// TensorProto. `details` as TensorImport gives them.
Message exportTensor(mlir::ElementsAttr elements, DictionaryAttr details, llvm::StringRef name);
Message exportTensor(bess::SourceAttr source, mlir::RankedTensorType type, DictionaryAttr details,
                     llvm::StringRef name);

/// AttributeProto of everything but graphs and references.
mlir::FailureOr<Message> exportAttribute(llvm::StringRef name, Attribute value, DictionaryAttr details,
                                         mlir::Location loc);

void addDeviceConfigurations(Message &node, ArrayAttr configurations);

} // namespace bessemer::import
