// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The bytes that a weight's source names: a range of a file, mapped when it is
// first asked for, or of memory that the host owns (`host:KEY`).
#pragma once

#include "bessemer/Support/MappedFile.h"

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace bessemer {

class WeightFiles {
public:
  /// The host's memory of the name KEY (without `host:`). It must outlive this.
  void addHost(std::string key, std::string_view bytes);

  /// `length` bytes at `offset`; they live as long as this. On failure nullopt
  /// and `error` is a sentence such as "cannot open w.bin: No such file or
  /// directory" or "expected 64 bytes at offset 128 of w.bin, which has 100".
  /// May be called from several threads.
  std::optional<std::string_view> bytes(std::string_view file, int64_t offset, int64_t length, std::string &error);

private:
  std::mutex mutex;
  std::map<std::string, std::string_view, std::less<>> host;
  std::map<std::string, MappedFile, std::less<>> files;
};

} // namespace bessemer
