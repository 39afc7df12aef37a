// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Import/ExternalData.h"

#include "bessemer/Support/MappedFile.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::import;

/// Why `location` is not a path inside the model's directory, or empty.
static std::string refuseLocation(StringRef location) {
  if (location.empty())
    return "the location of the external data is missing";
  if (location.contains('\0'))
    return "the location of the external data has a null character";
  if (llvm::sys::path::is_absolute(location))
    return ("the external file \"" + location + "\" is an absolute path, expected one in the model's directory").str();
  for (StringRef part : llvm::make_range(llvm::sys::path::begin(location), llvm::sys::path::end(location)))
    if (part == "..")
      return ("the external file \"" + location + "\" leaves the model's directory").str();
  return {};
}

/// Finds the file once; gives an error text or an empty string.
static std::string findFile(ImportContext &ctx, StringRef location, ExternalFile &file) {
  auto known = ctx.externalFiles.find(location);
  if (known != ctx.externalFiles.end()) {
    file = known->second;
    return {};
  }
  if (auto host = ctx.options.hostData.find(location.str()); host != ctx.options.hostData.end()) {
    file = {("host:" + location).str(), host->second};
    return {};
  }
  if (!ctx.allowExternal)
    return "external data of a model in memory needs a base directory";
  std::string reason = refuseLocation(location);
  if (!reason.empty())
    return reason;
  SmallString<256> path(ctx.baseDirectory);
  llvm::sys::path::append(path, location);
  file.path = std::string(path);
  std::optional<uint64_t> size = regularFileSize(file.path, reason);
  if (!size)
    return reason;
  file.size = *size;
  SmallString<256> realPath, realBase;
  StringRef base = ctx.baseDirectory.empty() ? StringRef(".") : StringRef(ctx.baseDirectory);
  if (llvm::sys::fs::real_path(path, realPath) || llvm::sys::fs::real_path(base, realBase))
    return "cannot open " + file.path;
  if (!realBase.ends_with("/"))
    realBase += "/";
  if (!StringRef(realPath).starts_with(realBase))
    return ("the external file \"" + location + "\" leads out of the model's directory").str();
  ctx.externalFiles[location] = file;
  return {};
}

FailureOr<bess::SourceAttr> import::importExternalData(ImportContext &ctx, const proto::KeyValues &entries,
                                                       int64_t size, const Twine &what, Location loc) {
  StringRef location;
  int64_t offset = 0, length = size;
  for (const proto::KeyValue &entry : entries) {
    StringRef key = ref(entry.key), value = ref(entry.value);
    if (key == "location")
      location = value;
    if (key != "offset" && key != "length")
      continue;
    int64_t &number = key == "offset" ? offset : length;
    if (value.getAsInteger(10, number) || number < 0) {
      emitError(loc) << what << ": external data: expected a number of bytes as " << key << ", got \"" << value << "\"";
      return failure();
    }
  }
  if (length != size) {
    emitError(loc) << what << ": external data: expected " << size << " bytes, got " << length;
    return failure();
  }
  ExternalFile file;
  std::string reason = findFile(ctx, location, file);
  if (!reason.empty()) {
    emitError(loc) << what << ": " << reason;
    return failure();
  }
  if (uint64_t(offset) > file.size || uint64_t(length) > file.size - uint64_t(offset)) {
    emitError(loc) << what << ": external data: bytes " << offset << " to " << (uint64_t(offset) + uint64_t(length))
                   << " lie outside of " << file.path << ", which has " << file.size;
    return failure();
  }
  return bess::SourceAttr::get(ctx.context, file.path, offset, length, "raw");
}
