// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Bess/Bess.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bessemer::bess;

#include "dialects/Bess/BessInterfaces.cpp.inc"
#include "dialects/Bess/BessOpsDialect.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Bess/BessOpsAttrs.cpp.inc"

void BessDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Bess/BessOpsAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Bess/BessOps.cpp.inc"
      >();
}
