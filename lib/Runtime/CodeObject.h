// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled kernels in memory: an ELF shared object, loaded without a file.
#pragma once

#include "bessemer/Runtime/Status.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bessemer::runtime {

class CodeObject {
public:
  ~CodeObject();
  CodeObject(const CodeObject &) = delete;
  CodeObject &operator=(const CodeObject &) = delete;

  static Status load(const std::vector<uint8_t> &elf, std::unique_ptr<CodeObject> &code);
  /// Null when there is no such symbol.
  void *find(const std::string &symbol) const;

private:
  CodeObject() = default;
  void *handle = nullptr;
  int fd = -1;
};

} // namespace bessemer::runtime
