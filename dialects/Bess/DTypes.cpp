// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Bess/DTypes.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"

using namespace mlir;
using namespace bessemer;

static DType integerDType(IntegerType type) {
  bool isUnsigned = type.isUnsigned();
  switch (type.getWidth()) {
  case 1: return DType::Bool;
  case 2: return isUnsigned ? DType::U2 : DType::I2;
  case 4: return isUnsigned ? DType::U4 : DType::I4;
  case 8: return isUnsigned ? DType::U8 : DType::I8;
  case 16: return isUnsigned ? DType::U16 : DType::I16;
  case 32: return isUnsigned ? DType::U32 : DType::I32;
  case 64: return isUnsigned ? DType::U64 : DType::I64;
  default: return DType::Undefined;
  }
}

DType bess::getDType(Type type) {
  if (auto shaped = dyn_cast<ShapedType>(type))
    type = shaped.getElementType();
  if (auto integer = dyn_cast<IntegerType>(type))
    return integerDType(integer);
  if (auto complex = dyn_cast<ComplexType>(type)) {
    if (complex.getElementType().isF32())
      return DType::Complex64;
    return complex.getElementType().isF64() ? DType::Complex128 : DType::Undefined;
  }
  // The dialect of onnx stands above this one; its string type goes by its name.
  if (type.getDialect().getNamespace() == "onnx")
    return type.getAbstractType().getName() == "onnx.string" ? DType::String : DType::Undefined;
  return llvm::TypeSwitch<Type, DType>(type)
      .Case<Float32Type>([](auto) { return DType::F32; })
      .Case<Float64Type>([](auto) { return DType::F64; })
      .Case<Float16Type>([](auto) { return DType::F16; })
      .Case<BFloat16Type>([](auto) { return DType::BF16; })
      .Case<Float8E4M3FNType>([](auto) { return DType::F8E4M3FN; })
      .Case<Float8E4M3FNUZType>([](auto) { return DType::F8E4M3FNUZ; })
      .Case<Float8E5M2Type>([](auto) { return DType::F8E5M2; })
      .Case<Float8E5M2FNUZType>([](auto) { return DType::F8E5M2FNUZ; })
      .Case<Float8E8M0FNUType>([](auto) { return DType::F8E8M0; })
      .Case<Float4E2M1FNType>([](auto) { return DType::F4E2M1; })
      .Default([](auto) { return DType::Undefined; });
}

Type bess::getElementType(MLIRContext *context, DType dtype) {
  auto integer = [&](unsigned width, bool isUnsigned = false) -> Type {
    return IntegerType::get(context, width, isUnsigned ? IntegerType::Unsigned : IntegerType::Signless);
  };
  switch (dtype) {
  case DType::Undefined:
  case DType::String: return {};
  case DType::Bool: return integer(1);
  case DType::I2: return integer(2);
  case DType::I4: return integer(4);
  case DType::I8: return integer(8);
  case DType::I16: return integer(16);
  case DType::I32: return integer(32);
  case DType::I64: return integer(64);
  case DType::U2: return integer(2, true);
  case DType::U4: return integer(4, true);
  case DType::U8: return integer(8, true);
  case DType::U16: return integer(16, true);
  case DType::U32: return integer(32, true);
  case DType::U64: return integer(64, true);
  case DType::F16: return Float16Type::get(context);
  case DType::BF16: return BFloat16Type::get(context);
  case DType::F32: return Float32Type::get(context);
  case DType::F64: return Float64Type::get(context);
  case DType::F8E4M3FN: return Float8E4M3FNType::get(context);
  case DType::F8E4M3FNUZ: return Float8E4M3FNUZType::get(context);
  case DType::F8E5M2: return Float8E5M2Type::get(context);
  case DType::F8E5M2FNUZ: return Float8E5M2FNUZType::get(context);
  case DType::F8E8M0: return Float8E8M0FNUType::get(context);
  case DType::F4E2M1: return Float4E2M1FNType::get(context);
  case DType::Complex64: return ComplexType::get(Float32Type::get(context));
  case DType::Complex128: return ComplexType::get(Float64Type::get(context));
  }
  return {};
}
