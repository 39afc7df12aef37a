// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "bessemer/Runtime/Status.h"

#include <cstdint>
#include <memory>
#include <string>

namespace bessemer::runtime {

/// A file mapped for reading. A file that shrinks while it is mapped is the
/// caller's fault (SIGBUS), as with every program that maps files.
class MappedFile {
public:
  ~MappedFile();
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  static Status open(const std::string &path, std::shared_ptr<MappedFile> &file);

  const uint8_t *data() const { return bytes; }
  int64_t size() const { return length; }
  /// The pages of a range are needed soon.
  void populate(int64_t offset, int64_t length) const;
  /// The pages of a range are not needed soon.
  void forget(int64_t offset, int64_t length) const;
  /// Whether a page of the range that is touched brings those behind it (at first: yes).
  void readAhead(int64_t offset, int64_t length, bool on) const;

private:
  MappedFile() = default;
  void advise(int64_t begin, int64_t end, int advice) const;
  const uint8_t *bytes = nullptr;
  int64_t length = 0;
};

} // namespace bessemer::runtime
