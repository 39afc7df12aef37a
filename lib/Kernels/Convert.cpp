// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Convert.h"

#include "bessemer/Kernels/FloatFormat.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bessemer::kernels {
namespace {

[[noreturn]] void noNumber(DType dtype) { fail("expected numbers, got elements of type " + std::string(name(dtype))); }

/// Calls `visit` with a null pointer of the C++ type that holds `dtype`.
/// Returns false for formats that need decoding.
template <class F> bool dispatchNative(DType dtype, F visit) {
  switch (dtype) {
  case DType::F32: visit(static_cast<float *>(nullptr)); return true;
  case DType::F64: visit(static_cast<double *>(nullptr)); return true;
  case DType::I8: visit(static_cast<int8_t *>(nullptr)); return true;
  case DType::I16: visit(static_cast<int16_t *>(nullptr)); return true;
  case DType::I32: visit(static_cast<int32_t *>(nullptr)); return true;
  case DType::I64: visit(static_cast<int64_t *>(nullptr)); return true;
  case DType::U8: visit(static_cast<uint8_t *>(nullptr)); return true;
  case DType::U16: visit(static_cast<uint16_t *>(nullptr)); return true;
  case DType::U32: visit(static_cast<uint32_t *>(nullptr)); return true;
  case DType::U64: visit(static_cast<uint64_t *>(nullptr)); return true;
  default: return false;
  }
}

int64_t decodeNarrowInt(DType dtype, uint8_t bits) {
  switch (dtype) {
  case DType::Bool: return bits != 0;
  case DType::U4: return bits & 15;
  case DType::U2: return bits & 3;
  case DType::I4: return ((bits & 15) ^ 8) - 8;
  case DType::I2: return ((bits & 3) ^ 2) - 2;
  default: noNumber(dtype);
  }
}

uint8_t encodeNarrowInt(DType dtype, int64_t value) {
  switch (dtype) {
  case DType::Bool: return value != 0;
  case DType::U4:
  case DType::I4: return value & 15;
  case DType::U2:
  case DType::I2: return value & 3;
  default: noNumber(dtype);
  }
}

} // namespace

void loadDoubles(const Tensor &tensor, int64_t offset, int64_t count, double *to) {
  DType dtype = tensor.dtype;
  if (dispatchNative(dtype, [&]<class T>(T *) {
        const T *from = tensor.as<T>() + offset;
        for (int64_t i = 0; i < count; ++i)
          to[i] = static_cast<double>(from[i]);
      }))
    return;
  if (dtype == DType::F16 || dtype == DType::BF16) {
    const uint16_t *from = tensor.as<uint16_t>() + offset;
    for (int64_t i = 0; i < count; ++i)
      to[i] = decodeFloat(dtype, from[i]);
    return;
  }
  if (!isNumber(dtype))
    noNumber(dtype);
  const uint8_t *from = tensor.as<uint8_t>() + offset;
  for (int64_t i = 0; i < count; ++i)
    to[i] = isFloat(dtype) ? decodeFloat(dtype, from[i]) : static_cast<double>(decodeNarrowInt(dtype, from[i]));
}

void storeDoubles(const Tensor &tensor, int64_t offset, int64_t count, const double *from) {
  DType dtype = tensor.dtype;
  if (dtype == DType::F32) {
    for (int64_t i = 0; i < count; ++i)
      tensor.as<float>()[offset + i] = static_cast<float>(from[i]);
  } else if (dtype == DType::F64) {
    std::copy(from, from + count, tensor.as<double>() + offset);
  } else if (dtype == DType::F16 || dtype == DType::BF16) {
    for (int64_t i = 0; i < count; ++i)
      tensor.as<uint16_t>()[offset + i] = static_cast<uint16_t>(encodeFloat(dtype, from[i]));
  } else if (isFloat(dtype)) {
    for (int64_t i = 0; i < count; ++i)
      tensor.as<uint8_t>()[offset + i] = static_cast<uint8_t>(encodeFloat(dtype, from[i]));
  } else if (dtype == DType::Bool) {
    for (int64_t i = 0; i < count; ++i)
      tensor.as<uint8_t>()[offset + i] = from[i] != 0;
  } else {
    for (int64_t i = 0; i < count; ++i) {
      int64_t value = truncateToInt(from[i], dtype);
      storeInts(tensor, offset + i, 1, &value);
    }
  }
}

void loadInts(const Tensor &tensor, int64_t offset, int64_t count, int64_t *to) {
  DType dtype = tensor.dtype;
  if (isFloat(dtype)) {
    for (int64_t i = 0; i < count; ++i) {
      double value;
      loadDoubles(tensor, offset + i, 1, &value);
      to[i] = truncateToInt(value, DType::I64);
    }
    return;
  }
  if (dispatchNative(dtype, [&]<class T>(T *) {
        if constexpr (std::is_integral_v<T>)
          for (int64_t i = 0; i < count; ++i)
            to[i] = static_cast<int64_t>(tensor.as<T>()[offset + i]);
      }))
    return;
  if (!isNumber(dtype))
    noNumber(dtype);
  for (int64_t i = 0; i < count; ++i)
    to[i] = decodeNarrowInt(dtype, tensor.as<uint8_t>()[offset + i]);
}

void storeInts(const Tensor &tensor, int64_t offset, int64_t count, const int64_t *from) {
  DType dtype = tensor.dtype;
  if (isFloat(dtype)) {
    for (int64_t i = 0; i < count; ++i) {
      double value = intToDouble(from[i], false, dtype);
      storeDoubles(tensor, offset + i, 1, &value);
    }
    return;
  }
  if (dispatchNative(dtype, [&]<class T>(T *) {
        if constexpr (std::is_integral_v<T>)
          for (int64_t i = 0; i < count; ++i)
            tensor.as<T>()[offset + i] = static_cast<T>(from[i]);
      }))
    return;
  if (!isNumber(dtype))
    noNumber(dtype);
  for (int64_t i = 0; i < count; ++i)
    tensor.as<uint8_t>()[offset + i] = encodeNarrowInt(dtype, from[i]);
}

std::vector<double> doubles(const Tensor &tensor) {
  std::vector<double> values(tensor.count());
  loadDoubles(tensor, 0, tensor.count(), values.data());
  return values;
}

std::vector<int64_t> ints(const Tensor &tensor) {
  std::vector<int64_t> values(tensor.count());
  loadInts(tensor, 0, tensor.count(), values.data());
  return values;
}

std::vector<int64_t> loadIndices(const Tensor &indices) {
  if (!isInteger(indices.dtype))
    fail("expected integer indices, got " + std::string(name(indices.dtype)));
  return ints(indices);
}

double scalarDouble(const Tensor &tensor) {
  if (tensor.count() != 1)
    fail("expected a scalar, got shape " + str(tensor.shape));
  double value;
  loadDoubles(tensor, 0, 1, &value);
  return value;
}

int64_t scalarInt(const Tensor &tensor) {
  if (tensor.count() != 1)
    fail("expected a scalar, got shape " + str(tensor.shape));
  int64_t value;
  loadInts(tensor, 0, 1, &value);
  return value;
}

int64_t truncateToInt(double value, DType target) {
  if (std::isnan(value))
    return 0;
  if (target == DType::U64 && value >= 0x1p63)
    return value >= 0x1p64 ? -1 : static_cast<int64_t>(static_cast<uint64_t>(value));
  if (value >= 0x1p63)
    return std::numeric_limits<int64_t>::max();
  if (value < -0x1p63)
    return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(value);
}

double intToDouble(int64_t value, bool isUnsigned, DType target) {
  bool negative = !isUnsigned && value < 0;
  uint64_t magnitude = negative ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  // Round to odd: the 53 bits kept still say on which side of a tie we are.
  constexpr uint64_t dropped = 0x7FF;
  if (target != DType::F64 && magnitude > (uint64_t{1} << 53))
    magnitude = (magnitude & ~dropped) | (magnitude & dropped ? dropped + 1 : 0);
  double result = static_cast<double>(magnitude);
  return negative ? -result : result;
}

int64_t lowestInt(DType dtype) {
  if (!isSignedInteger(dtype))
    return 0;
  return static_cast<int64_t>(~uint64_t{0} << (bitWidth(dtype) - 1));
}

int64_t largestInt(DType dtype) {
  if (dtype == DType::Bool)
    return 1;
  if (dtype == DType::U64)
    return -1;
  unsigned bits = bitWidth(dtype) - (isSignedInteger(dtype) ? 1 : 0);
  return static_cast<int64_t>((uint64_t{1} << bits) - 1);
}

} // namespace bessemer::kernels
