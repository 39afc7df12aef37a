// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bits of the float formats that C++ has no type for, to and from double:
// f16, bf16, the float8 family, float4. Every value of them is exact in a
// double, so one rounding (to nearest, ties to even) is all that ever happens.
//
// Sources: IEEE 754 (f16), OCP 8-bit floating point specification 1.0 (e4m3fn,
// e5m2), OCP Microscaling formats 1.0 (e2m1, e8m0), arXiv:2206.02915 (the fnuz
// formats), ONNX Cast for what saturation means.
#pragma once

#include "bessemer/Support/DType.h"

namespace bessemer::kernels {

/// How a value that is no power of two becomes a float8e8m0.
enum class ScaleRounding { Up, Down, Nearest };

/// The value of `bits` (the low bits count) in a format narrower than 32 bits;
/// NaN for types that are not such formats.
double decodeFloat(DType type, uint32_t bits);

/// The nearest value of a format narrower than 32 bits, as bits. `saturate`
/// counts for float8 only: with it, too large values become the largest finite
/// one, without it infinity or NaN. float4 always saturates, f16 and bf16 never.
uint32_t encodeFloat(DType type, double value, bool saturate = true, ScaleRounding rounding = ScaleRounding::Up);

} // namespace bessemer::kernels
