// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Bess/Bess.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace bessemer::bess;

#define GET_OP_CLASSES
#include "dialects/Bess/BessOps.cpp.inc"

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }
