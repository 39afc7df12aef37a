// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Import/MessageWriter.h"

#include <cstring>

using namespace bessemer::import;
using llvm::StringRef;

void Message::append(StringRef text) {
  if (parts.empty() || parts.back().source.length)
    parts.emplace_back();
  parts.back().text += text;
  total += text.size();
}

void Message::number(uint64_t value) {
  char buffer[10];
  size_t length = 0;
  do {
    buffer[length] = char((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>= 7;
    ++length;
  } while (value);
  append({buffer, length});
}

void Message::key(unsigned field, unsigned wireType) { number(field << 3 | wireType); }

Message &Message::varint(unsigned field, int64_t value) {
  key(field, 0);
  number(static_cast<uint64_t>(value));
  return *this;
}

Message &Message::fixed32(unsigned field, float value) {
  key(field, 5);
  char buffer[4];
  std::memcpy(buffer, &value, 4);
  append({buffer, 4});
  return *this;
}

Message &Message::bytes(unsigned field, StringRef value) {
  key(field, 2);
  number(value.size());
  append(value);
  return *this;
}

Message &Message::message(unsigned field, Message &&child) {
  key(field, 2);
  number(child.total);
  for (Piece &piece : child.parts) {
    append(piece.text);
    if (piece.source.length) {
      total += uint64_t(piece.source.length);
      parts.back().source = std::move(piece.source);
    }
  }
  return *this;
}

Message &Message::range(unsigned field, SourceRange source) {
  key(field, 2);
  number(uint64_t(source.length));
  total += uint64_t(source.length);
  if (source.length)
    parts.back().source = std::move(source);
  return *this;
}

Message &Message::packed(unsigned field, llvm::ArrayRef<int64_t> values) {
  Message block;
  for (int64_t value : values)
    block.number(static_cast<uint64_t>(value));
  return message(field, std::move(block));
}
