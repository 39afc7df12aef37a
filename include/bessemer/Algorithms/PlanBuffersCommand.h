// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `bessemer plan-buffers F.csv --capacity=N -o OUT.csv`: plans buffers that
// stand in a CSV file.

#ifndef BESSEMER_ALGORITHMS_PLANBUFFERSCOMMAND_H
#define BESSEMER_ALGORITHMS_PLANBUFFERSCOMMAND_H

#include <cstdint>
#include <string>

namespace bessemer {

/// Reads `csvPath` (header `id,lower,upper,size` in any order of columns, and
/// optionally `alignment`, `gaps` ("4-6 9-12": others may use the bytes then) and
/// `fixed` (the one offset allowed, or nothing); half-open times, integers), looks for a plan
/// within `capacity` bytes and writes the rows with a column `offset` added to
/// `outPath` ("-" or empty: standard output).
///
/// Returns 0 with a checked plan; 1 when there is none, or none was found in
/// `timeBudgetSeconds` (`errorText` says which); 2 on bad input or when a file
/// cannot be read or written (`errorText` names file and line).
int planBuffersCommand(const std::string &csvPath, int64_t capacity, const std::string &outPath,
                       double timeBudgetSeconds, std::string &errorText);

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_PLANBUFFERSCOMMAND_H
