// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What cannot be reduced is refused with exit code 2.
// RUN: not bessemer-reduce %s --test=true 2>&1 | FileCheck %s --check-prefix=FINE
// FINE: bessemer-reduce: error: expected the command to fail, got a run that does not: true
// RUN: not bessemer-reduce %s --test=false --message=word 2>&1 | FileCheck %s --check-prefix=SILENT
// SILENT: error: expected the command to fail and to say 'word', got a run that does not: false
// RUN: not bessemer-reduce %s --test=/no/such/command 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: cannot run the command: /no/such/command
// RUN: not bessemer-reduce %s --test=false -o %t/none/x.mlir 2>&1 | FileCheck %s --check-prefix=PLACE
// PLACE: error: cannot open output file
// RUN: sh -c 'bessemer-reduce %s --tset=false; echo code $?' 2>&1 | FileCheck %s --check-prefix=CODE
// CODE: code 2
func.func @main() {
  return
}
