// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Tile/Tile.h"

#include "bessemer/Support/KernelFault.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::tile;

#include "dialects/Tile/TileOpsDialect.cpp.inc"
#include "dialects/Tile/TileOpsEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Tile/TileOpsAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Tile/TileOpsTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Tile/TileOps.cpp.inc"

void TileDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Tile/TileOpsAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Tile/TileOpsTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Tile/TileOps.cpp.inc"
      >();
}

mlir::LogicalResult CheckOp::verify() {
  if (!getElementTypeOrSelf(getOk().getType()).isInteger(1))
    return emitOpError() << "expected an i1 or a tile of i1, got " << getOk().getType();
  if (kernelFaultNumber(getWhat().str()) == 0)
    return emitOpError() << "expected one of the kernel faults, got \"" << getWhat() << "\"";
  return mlir::success();
}
