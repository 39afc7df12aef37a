// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The `onnx` dialect: an ONNX model as it is in the file. See OnnxOps.td.
#pragma once

#include "dialects/Bess/Bess.h"

#include "dialects/Onnx/OnnxOpsDialect.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Onnx/OnnxOpsTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOps.h.inc"
