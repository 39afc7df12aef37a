// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Makes a module smaller as long as a command fails on it in the same way.
//
// An edit has many places: the results of an op become arguments of the function (what fed it is dead then),
// a result becomes an operand of its type, the function returns one value less, a function goes. The places of an
// edit are tried all at once, then in halves, quarters, ... down to one by one; what keeps the failure stays. A graph
// of n nodes with one bad node takes about 2 log n runs of the command.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>

namespace bessemer {

struct ReduceOptions {
  std::string command; ///< for /bin/sh; `{}` stands for the file, else it comes last
  std::string message; ///< that the output (stdout or stderr) must hold; empty: any
  unsigned timeoutSeconds = 60;
};

/// False and a sentence when the command cannot be run, or does not fail on the module as it is. A failure is
/// an exit code other than 0 or a signal; it must stay the same one.
bool reduceModule(mlir::OwningOpRef<mlir::ModuleOp> &module, const ReduceOptions &options, std::string &error);

} // namespace bessemer
