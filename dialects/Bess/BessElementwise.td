// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementwise ops.
#ifndef BESSEMER_BESS_ELEMENTWISE
#define BESSEMER_BESS_ELEMENTWISE
include "dialects/Bess/BessBase.td"

def Bess_AbsOp : Bess_Unary<"abs", "|x|">;
def Bess_NegOp : Bess_Unary<"neg", "-x">;
def Bess_ExpOp : Bess_Unary<"exp", "e^x">;
def Bess_LogOp : Bess_Unary<"log", "natural logarithm of x">;
def Bess_SqrtOp : Bess_Unary<"sqrt", "square root of x">;
def Bess_RsqrtOp : Bess_Unary<"rsqrt", "1 / sqrt(x)">;
def Bess_ReciprocalOp : Bess_Unary<"reciprocal", "1 / x">;
def Bess_SinOp : Bess_Unary<"sin", "sin(x)">;
def Bess_CosOp : Bess_Unary<"cos", "cos(x)">;
def Bess_TanOp : Bess_Unary<"tan", "tan(x)">;
def Bess_AsinOp : Bess_Unary<"asin", "asin(x)">;
def Bess_AcosOp : Bess_Unary<"acos", "acos(x)">;
def Bess_AtanOp : Bess_Unary<"atan", "atan(x)">;
def Bess_SinhOp : Bess_Unary<"sinh", "sinh(x)">;
def Bess_CoshOp : Bess_Unary<"cosh", "cosh(x)">;
def Bess_TanhOp : Bess_Unary<"tanh", "tanh(x)">;
def Bess_AsinhOp : Bess_Unary<"asinh", "asinh(x)">;
def Bess_AcoshOp : Bess_Unary<"acosh", "acosh(x)">;
def Bess_AtanhOp : Bess_Unary<"atanh", "atanh(x)">;
def Bess_ErfOp : Bess_Unary<"erf", "error function of x">;
def Bess_SigmoidOp : Bess_Unary<"sigmoid", "1 / (1 + e^-x)">;
def Bess_SoftplusOp : Bess_Unary<"softplus", "log(1 + e^x), without overflow">;
def Bess_FloorOp : Bess_Unary<"floor", "largest integer not above x">;
def Bess_CeilOp : Bess_Unary<"ceil", "smallest integer not below x">;
def Bess_RoundOp : Bess_Unary<"round", "nearest integer, halves to even">;
def Bess_SignOp : Bess_Unary<"sign", "-1, 0 or 1; NaN stays NaN">;
def Bess_ReluOp : Bess_Unary<"relu", "max(x, 0)">;
def Bess_NotOp : Bess_Unary<"not", "logical negation of a bool">;
def Bess_BitwiseNotOp : Bess_Unary<"bitwise_not", "~x">;
def Bess_IsNanOp : Bess_Predicate<"is_nan", "x is NaN">;
def Bess_IsInfOp : Bess_Predicate<"is_inf", "x is infinite, of a wanted sign"> {
  let arguments = (ins Bess_Tensor:$x, DefaultValuedAttr<BoolAttr, "true">:$detect_negative,
                       DefaultValuedAttr<BoolAttr, "true">:$detect_positive);
}
def Bess_GeluOp : Bess_Unary<"gelu", "x * Phi(x), Phi the normal distribution"> {
  let description = [{
    `approximate = "none"`: x/2 (1 + erf(x/sqrt 2)); `"tanh"`:
    x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))); `"sigmoid"`: x sigmoid(1.702 x).
  }];
  let arguments = (ins Bess_Tensor:$x, DefaultValuedStrAttr<StrAttr, "none">:$approximate);
}

def Bess_AddOp : Bess_Binary<"add", "a + b">;
def Bess_SubOp : Bess_Binary<"sub", "a - b">;
def Bess_MulOp : Bess_Binary<"mul", "a * b">;
def Bess_DivOp : Bess_Binary<"div", "a / b; integers truncate towards zero">;
def Bess_ModOp : Bess_Binary<"mod", "remainder"> {
  let description = [{`fmod = false`: the sign of the divisor (Python's %); `fmod = true`: the sign of the dividend (C's fmod).}];
  let arguments = (ins Bess_Tensor:$a, Bess_Tensor:$b, DefaultValuedAttr<BoolAttr, "false">:$fmod);
}
def Bess_PowOp : Bess_Binary<"pow", "a to the power b"> {
  let description = "The result has a's element type; b may have another.";
}
def Bess_MinOp : Bess_Binary<"min", "the smaller; NaN wins">;
def Bess_MaxOp : Bess_Binary<"max", "the larger; NaN wins">;
def Bess_AndOp : Bess_Binary<"and", "logical and of bools">;
def Bess_OrOp : Bess_Binary<"or", "logical or of bools">;
def Bess_XorOp : Bess_Binary<"xor", "logical exclusive or of bools">;
def Bess_BitwiseAndOp : Bess_Binary<"bitwise_and", "a & b">;
def Bess_BitwiseOrOp : Bess_Binary<"bitwise_or", "a | b">;
def Bess_BitwiseXorOp : Bess_Binary<"bitwise_xor", "a ^ b">;
def Bess_ShiftLeftOp : Bess_Binary<"shift_left", "a << b">;
def Bess_ShiftRightOp : Bess_Binary<"shift_right", "a >> b, logical (operands are unsigned)">;
def Bess_EqualOp : Bess_Compare<"equal", "a == b">;
def Bess_NotEqualOp : Bess_Compare<"not_equal", "a != b">;
def Bess_LessOp : Bess_Compare<"less", "a < b">;
def Bess_LessEqualOp : Bess_Compare<"less_equal", "a <= b">;
def Bess_GreaterOp : Bess_Compare<"greater", "a > b">;
def Bess_GreaterEqualOp : Bess_Compare<"greater_equal", "a >= b">;

def Bess_WhereOp : Bess_PureOp<"where", [BessElementwise, DeclareOpInterfaceMethods<StructuredOp>]> {
  let summary = "cond ? a : b, elementwise with broadcasting";
  let arguments = (ins Bess_Tensor:$cond, Bess_Tensor:$a, Bess_Tensor:$b);
  let results = (outs Bess_Tensor:$y);
}
def Bess_CastOp : Bess_PureOp<"cast", [BessElementwise, DeclareOpInterfaceMethods<StructuredOp>]> {
  let summary = "convert to element type `to`";
  let description = [{
    As ONNX Cast: float to integer truncates towards zero; to bool is `x != 0`;
    `saturate` counts for float8 only; `round_mode` ("up", "down", "nearest") for float8e8m0 only.
  }];
  let arguments = (ins Bess_Tensor:$x, TypeAttr:$to, DefaultValuedAttr<BoolAttr, "true">:$saturate,
                       DefaultValuedStrAttr<StrAttr, "up">:$round_mode);
  let results = (outs Bess_Tensor:$y);
}
def Bess_BitcastOp : Bess_PureOp<"bitcast", [BessElementwise, DeclareOpInterfaceMethods<StructuredOp>]> {
  let summary = "the same bits as element type `to` of the same width";
  let arguments = (ins Bess_Tensor:$x, TypeAttr:$to);
  let results = (outs Bess_Tensor:$y);
}
def Bess_QuantizeOp : Bess_PureOp<"quantize", [BessElementwise]> {
  let summary = "saturate(round_half_even(x / scale) + zero_point)";
  let description = [{
    `scale` and `zero_point` (may be absent: 0) are scalars, vectors along `axis`, or, with `block_size` > 0, blocked along `axis`.
    `to` is the result's element type (integer or float8).
  }];
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$scale, Optional<Bess_Tensor>:$zero_point, TypeAttr:$to,
                       DefaultValuedAttr<I64Attr, "1">:$axis, DefaultValuedAttr<I64Attr, "0">:$block_size,
                       DefaultValuedAttr<BoolAttr, "true">:$saturate);
  let results = (outs Bess_Tensor:$y);
}
def Bess_DequantizeOp : Bess_PureOp<"dequantize", [BessElementwise]> {
  let summary = "(x - zero_point) * scale";
  let description = "As `bess.quantize`; the result has element type `to`.";
  let arguments = (ins Bess_Tensor:$x, Bess_Tensor:$scale, Optional<Bess_Tensor>:$zero_point, TypeAttr:$to,
                       DefaultValuedAttr<I64Attr, "1">:$axis, DefaultValuedAttr<I64Attr, "0">:$block_size);
  let results = (outs Bess_Tensor:$y);
}
#endif
