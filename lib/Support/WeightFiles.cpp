// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Support/WeightFiles.h"

using namespace bessemer;

void WeightFiles::addHost(std::string key, std::string_view bytes) {
  std::lock_guard lock(mutex);
  host[std::move(key)] = bytes;
}

std::optional<std::string_view> WeightFiles::bytes(std::string_view file, int64_t offset, int64_t length,
                                                   std::string &error) {
  constexpr std::string_view hostPrefix = "host:";
  std::lock_guard lock(mutex);
  std::string_view whole;
  if (file.starts_with(hostPrefix)) {
    auto it = host.find(file.substr(hostPrefix.size()));
    if (it == host.end()) {
      error = "expected the host to give the weights of " + std::string(file);
      return std::nullopt;
    }
    whole = it->second;
  } else {
    auto it = files.find(file);
    if (it == files.end()) {
      std::optional<MappedFile> mapped = MappedFile::open(std::string(file), error);
      if (!mapped)
        return std::nullopt;
      it = files.emplace(std::string(file), std::move(*mapped)).first;
    }
    whole = it->second.view();
  }
  // In this order nothing overflows.
  if (offset < 0 || length < 0 || static_cast<uint64_t>(offset) > whole.size() ||
      static_cast<uint64_t>(length) > whole.size() - static_cast<uint64_t>(offset)) {
    error = "expected " + std::to_string(length) + " bytes at offset " + std::to_string(offset) + " of " +
            std::string(file) + ", which has " + std::to_string(whole.size());
    return std::nullopt;
  }
  return whole.substr(static_cast<size_t>(offset), static_cast<size_t>(length));
}
