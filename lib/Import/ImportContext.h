// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What all parts of one import share.
#pragma once

#include "bessemer/Import/Import.h"
#include "dialects/Onnx/Onnx.h"
#include "lib/Import/Proto/OnnxProto.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

#include <set>

namespace bessemer::import {

/// The size of an external file, found once for all weights in it.
struct ExternalFile {
  std::string path;
  uint64_t size = 0;
};

struct ImportContext {
  mlir::MLIRContext *context;
  mlir::Builder builder;
  std::string fileName;   ///< in locations
  std::string sourceName; ///< in sources of inline weights
  std::string baseDirectory;
  bool allowExternal = true;
  proto::Bytes bytes;
  const ImportOptions &options;

  /// Names of dimensions of the main graph's inputs that are plain symbols;
  /// only an expression of these is taken for an expression.
  std::set<std::string, std::less<>> symbols;
  std::set<std::string, std::less<>> boundNames; ///< of options.bind, seen so far
  llvm::StringMap<ExternalFile> externalFiles;
  /// Of the local function that is being imported: the attributes that its
  /// nodes may refer to. Null outside of functions.
  const std::set<proto::Bytes> *functionAttributes = nullptr;

  ImportContext(mlir::MLIRContext *context, const ImportOptions &options)
      : context(context), builder(context), options(options) {}

  mlir::StringAttr string(proto::Bytes text) {
    return builder.getStringAttr(llvm::StringRef(text.data(), text.size()));
  }
  mlir::ArrayAttr strings(const std::vector<proto::Bytes> &texts) {
    llvm::SmallVector<mlir::Attribute> attrs;
    for (proto::Bytes text : texts)
      attrs.push_back(string(text));
    return builder.getArrayAttr(attrs);
  }
  /// `[[key, value], ...]`: keys may be empty and may repeat.
  mlir::ArrayAttr keyValues(const proto::KeyValues &entries) {
    llvm::SmallVector<mlir::Attribute> attrs;
    for (const proto::KeyValue &entry : entries)
      attrs.push_back(builder.getArrayAttr({string(entry.key), string(entry.value)}));
    return builder.getArrayAttr(attrs);
  }

  /// `name` in the model, as its item `number` (from 1; 0 for none).
  mlir::Location location(llvm::StringRef name, unsigned number = 0) {
    mlir::Location file = mlir::FileLineColLoc::get(context, fileName, number, 0);
    return name.empty() ? file : mlir::NameLoc::get(builder.getStringAttr(name), file);
  }
  mlir::InFlightDiagnostic error(llvm::StringRef name = {}, unsigned number = 0) {
    return mlir::emitError(location(name, number));
  }
};

/// A dictionary that is written key by key; empty texts and lists leave no key.
class DictBuilder {
public:
  explicit DictBuilder(ImportContext &ctx) : ctx(ctx) {}
  DictBuilder &set(llvm::StringRef key, mlir::Attribute value) {
    if (value)
      entries.set(key, value);
    return *this;
  }
  DictBuilder &text(llvm::StringRef key, proto::Bytes value) {
    return value.empty() ? *this : set(key, ctx.string(value));
  }
  DictBuilder &list(llvm::StringRef key, const proto::KeyValues &value) {
    return value.empty() ? *this : set(key, ctx.keyValues(value));
  }
  DictBuilder &array(llvm::StringRef key, llvm::ArrayRef<mlir::Attribute> value) {
    return value.empty() ? *this : set(key, ctx.builder.getArrayAttr(value));
  }
  bool empty() const { return entries.empty(); }
  mlir::DictionaryAttr get() { return entries.getDictionary(ctx.context); }
  /// Null when there is nothing in it.
  mlir::DictionaryAttr getOrNull() { return entries.empty() ? mlir::DictionaryAttr() : get(); }

private:
  ImportContext &ctx;
  mlir::NamedAttrList entries;
};

inline llvm::StringRef ref(proto::Bytes text) { return {text.data(), text.size()}; }

} // namespace bessemer::import
