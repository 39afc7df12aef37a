// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elements that no machine computes in: float8, float4, integers of 2 and 4
// bits. A program holds each as an i8: the bits of a float (what moves it needs
// no more), the value of an integer. Casts and quantization convert.
//
// Those of less than a byte lie packed in memory, the first in the low bits. A
// program sees such a tensor as its bytes: a view of i8 with one dimension.
#pragma once

#include "passes/Tile/ProgramBuilder.h"

namespace bessemer::tilegen {

/// float8 and float4.
bool isNarrowFloat(mlir::Type element);
/// How many elements of the type share a byte in memory; 1 for all that take a byte or more.
int64_t elementsPerByte(mlir::Type element);

/// The value of float8 or float4 bits (a tile of i8), as `to`: f32 or f64.
mlir::Value decodeNarrowFloat(ProgramBuilder &p, mlir::Value bits, mlir::Type format, mlir::FloatType to,
                              llvm::ArrayRef<Extent> extents);
/// The nearest value of the format, as bits, of a tile of f32 or f64. What `saturate` and `roundMode` mean is said by
/// bess.cast.
mlir::Value encodeNarrowFloat(ProgramBuilder &p, mlir::Value x, mlir::Type format, bool saturate,
                              llvm::StringRef roundMode, llvm::ArrayRef<Extent> extents);

/// The low bits of a tile of i8 as a value of `graph`, an integer of less than 8 bits; others stay as they are.
mlir::Value wrapNarrowInteger(ProgramBuilder &p, mlir::Value x, mlir::Type graph, llvm::ArrayRef<Extent> extents);

} // namespace bessemer::tilegen
