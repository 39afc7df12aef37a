// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The `tile` dialect: kernels as tile programs. See TileOps.td.
#pragma once

#include "dialects/Bess/Bess.h"

#include "dialects/Tile/TileOpsDialect.h.inc"
#include "dialects/Tile/TileOpsEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Tile/TileOpsAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Tile/TileOpsTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/Tile/TileOps.h.inc"
