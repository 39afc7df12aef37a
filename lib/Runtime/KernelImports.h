// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What compiled kernels may ask of the process that loads them: mathematical
// functions and copies of memory, a closed list. A shared object that wants
// anything else, names a library or runs code when it is loaded is refused
// before the dynamic loader sees it.
#pragma once

#include "bessemer/Runtime/Status.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bessemer::runtime {

struct KernelImports {
  std::vector<std::string> functions; ///< undefined symbols
  std::vector<std::string> libraries; ///< DT_NEEDED
  bool hasInitializers = false;       ///< code that runs when the object is loaded or unloaded
};

/// Reads the dynamic section and the dynamic symbols of a 64-bit little-endian
/// ELF shared object. Every offset is checked; the sentence says what is wrong.
Status readKernelImports(std::span<const uint8_t> elf, KernelImports &imports);

/// Refuses (BadFile) what is not on the list, and what is but is not there.
Status checkKernelImports(std::span<const uint8_t> elf);

} // namespace bessemer::runtime
