// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/ProgramCodec.h"

namespace bessemer::runtime {

Status scanCbor(std::span<const uint8_t> bytes, int maxDepth) {
  auto bad = [](const std::string &text, size_t at) {
    return Status::error(StatusCode::BadFile, "program section: " + text + " at byte " + std::to_string(at));
  };
  std::vector<uint64_t> left{1}; // values that each open level still wants
  size_t at = 0;
  while (!left.empty()) {
    if (left.back() == 0) {
      left.pop_back();
      continue;
    }
    --left.back();
    if (at >= bytes.size())
      return bad("expected a value, got the end", at);
    uint8_t head = bytes[at++];
    unsigned major = head >> 5, minor = head & 31;
    uint64_t value = minor;
    if (minor >= 24) {
      if (minor > 27)
        return bad("expected a definite length", at - 1);
      size_t size = size_t{1} << (minor - 24);
      if (size > bytes.size() - at)
        return bad("expected a number, got the end", at);
      value = 0;
      for (size_t i = 0; i < size; ++i)
        value = value << 8 | bytes[at++];
    }
    switch (major) {
    case 0: // integers
    case 1: break;
    case 2: // byte and text strings
    case 3:
      if (value > bytes.size() - at)
        return bad("expected a string within the section", at);
      at += value;
      break;
    case 4: // arrays and maps: every value takes a byte at least
    case 5:
      if (value > bytes.size() - at)
        return bad("expected an array within the section", at);
      if (static_cast<int>(left.size()) > maxDepth)
        return bad("expected at most " + std::to_string(maxDepth) + " levels", at);
      left.push_back(major == 5 ? 2 * value : value);
      break;
    case 6: return bad("expected no tag", at - 1);
    default: // false, true, null and floats were read above
      break;
    }
  }
  if (at != bytes.size())
    return bad("expected the end", at);
  return {};
}

} // namespace bessemer::runtime
