// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A file mapped into memory for reading. Sizes and offsets are 64-bit; pages
// are loaded when they are touched, so that mapping a file of any size costs
// nothing. Nothing throws.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace bessemer {

class MappedFile {
public:
  MappedFile() = default;
  MappedFile(MappedFile &&other) noexcept { *this = std::move(other); }
  MappedFile &operator=(MappedFile &&other) noexcept {
    std::swap(base, other.base);
    std::swap(bytes, other.bytes);
    return *this;
  }
  ~MappedFile();

  /// Maps a whole regular file. On failure returns nullopt and sets `error` to
  /// a text such as "cannot open m.onnx: No such file or directory". An empty
  /// file gives an empty view. The file must not be cut while it is mapped.
  static std::optional<MappedFile> open(const std::string &path, std::string &error);

  const char *data() const { return static_cast<const char *>(base); }
  uint64_t size() const { return bytes; }
  std::string_view view() const { return {data(), static_cast<size_t>(bytes)}; }

private:
  void *base = nullptr;
  uint64_t bytes = 0;
};

/// The size of a regular file without opening it for reading its bytes; errors as in MappedFile::open.
std::optional<uint64_t> regularFileSize(const std::string &path, std::string &error);

} // namespace bessemer
