// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How the runtime says that something went wrong: a code for programs and a
// sentence for people. Nothing in the runtime throws on bad input.
#pragma once

#include <string>
#include <utility>

namespace bessemer::runtime {

/// The numbers are those of `bessemer_status` in bessemer/runtime.h.
enum class StatusCode : int {
  Ok = 0,
  InvalidArgument = 1, ///< a null handle, an unknown name, a wrong count
  BadFile = 2,         ///< unreadable or damaged artifact or weight file
  Unsupported = 3,     ///< version, target, instruction set or op not supported here
  BadInput = 4,        ///< dtype, rank, dimension or guard does not hold
  OutOfMemory = 5,
  Cancelled = 6,
  Failed = 7, ///< the program itself failed: a kernel's error, a guard in it
};

struct [[nodiscard]] Status {
  StatusCode code = StatusCode::Ok;
  std::string message;

  bool ok() const { return code == StatusCode::Ok; }
  static Status error(StatusCode code, std::string message) { return {code, std::move(message)}; }
};

} // namespace bessemer::runtime
