// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace bessemer {

/// A JSON writer: enough for a report. Commas are its business.
class Json {
public:
  std::string text;

  void open(char bracket) {
    comma();
    text += bracket;
    first = true;
  }
  void close(char bracket) {
    text += bracket;
    first = false;
  }
  Json &key(const char *name) {
    comma();
    text += '"' + std::string(name) + "\": ";
    afterKey = true;
    return *this;
  }
  void value(const std::string &s) {
    comma();
    text += '"';
    for (unsigned char c : s) {
      if (c == '"' || c == '\\') {
        text += '\\';
        text += char(c);
      } else if (c < 0x20) {
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\u%04x", c);
        text += escape;
      } else {
        text += char(c);
      }
    }
    text += '"';
  }
  void value(double number) {
    comma();
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.6g", number);
    text += digits;
  }
  void value(int64_t number) {
    comma();
    text += std::to_string(number);
  }
  void value(const std::vector<std::string> &list) {
    open('[');
    for (const std::string &s : list)
      value(s);
    close(']');
  }

private:
  void comma() {
    if (!afterKey && !first)
      text += ", ";
    first = afterKey = false;
  }
  bool first = true, afterKey = false;
};

} // namespace bessemer
