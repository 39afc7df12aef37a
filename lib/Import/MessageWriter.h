// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A protobuf message that is being written. The bytes of weights are not in
// it: it has ranges of files, which are copied when the message is streamed
// out. (A message starts with its length, so it must be complete, weights
// apart, before its first byte is written.)
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdint>
#include <string>
#include <vector>

namespace bessemer::import {

/// Bytes of a file, or of the host's buffer when `file` is `host:model`.
struct SourceRange {
  std::string file;
  int64_t offset = 0, length = 0;
};

class Message {
public:
  Message &varint(unsigned field, int64_t value);
  Message &fixed32(unsigned field, float value);
  Message &bytes(unsigned field, llvm::StringRef value);
  /// As `bytes`, nothing when the text is empty.
  Message &text(unsigned field, llvm::StringRef value) { return value.empty() ? *this : bytes(field, value); }
  Message &message(unsigned field, Message &&child);
  Message &range(unsigned field, SourceRange source);
  /// A packed block of varints.
  Message &packed(unsigned field, llvm::ArrayRef<int64_t> values);

  uint64_t size() const { return total; }

  struct Piece {
    std::string text;
    SourceRange source; ///< after the text; length 0 for none
  };
  const std::vector<Piece> &pieces() const { return parts; }

private:
  void key(unsigned field, unsigned wireType);
  void number(uint64_t value);
  void append(llvm::StringRef text);

  std::vector<Piece> parts;
  uint64_t total = 0;
};

} // namespace bessemer::import
