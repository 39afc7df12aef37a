// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Inputs of a program from files, or made up.
#pragma once

#include "bessemer/Runtime/Program.h"
#include "lib/Driver/Commands/TensorFile.h"

namespace bessemer::commands {

/// Texts NAME=VALUE of `--size`; false and a sentence on any other.
bool parseSizes(const std::vector<std::string> &texts, SymbolicExpr::Values &sizes, std::string &error);

/// Every size is that of a free dimension of the inputs; false and a sentence otherwise.
bool checkSizes(const runtime::Function &entry, const SymbolicExpr::Values &sizes, std::string &error);

/// `files`: NAME=FILE. `sizes`: NAME=VALUE of free dimensions; others are 1.
/// Floats that are made up lie in [-1, 1), integers are 1 (a token that every
/// vocabulary has, and a mask that keeps all). False and a sentence on an
/// unknown name, an unreadable file or a bad size.
bool makeInputs(const runtime::Function &entry, const std::vector<std::string> &files,
                const std::vector<std::string> &sizes, std::vector<DataTensor> &inputs, std::string &error);

} // namespace bessemer::commands
