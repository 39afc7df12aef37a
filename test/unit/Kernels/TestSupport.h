// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tensors for tests, and one-line calls of kernels.
#pragma once

#include "bessemer/Kernels/Kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <initializer_list>

namespace bessemer::kernels {

using Shape = std::vector<int64_t>;
using List = std::vector<int64_t>;

/// A tensor that owns its elements.
struct Value {
  DType dtype = DType::Undefined;
  Shape shape;
  std::vector<unsigned char> bytes;
  std::vector<std::string> strings;

  Value() = default;
  Value(DType dtype, Shape shape) : dtype(dtype), shape(std::move(shape)) {
    int64_t n = count();
    if (dtype == DType::String)
      strings.resize(n);
    else
      bytes.resize(static_cast<size_t>(byteSize(dtype, n)) + 1); // never empty
  }
  Value(DType dtype, Shape shape, const std::vector<double> &numbers) : Value(dtype, std::move(shape)) {
    EXPECT_EQ(static_cast<int64_t>(numbers.size()), count());
    for (size_t i = 0; i < numbers.size(); ++i)
      visit([&]<class T>(T *to) { to[i] = static_cast<T>(numbers[i]); });
  }
  static Value raw(DType dtype, Shape shape, const std::vector<unsigned char> &bits) {
    Value value(dtype, std::move(shape));
    std::memcpy(value.bytes.data(), bits.data(), bits.size());
    return value;
  }
  static Value text(Shape shape, std::vector<std::string> strings) {
    Value value(DType::String, std::move(shape));
    value.strings = std::move(strings);
    return value;
  }

  int64_t count() const {
    int64_t n = 1;
    for (int64_t extent : shape)
      n *= extent;
    return n;
  }
  TensorRef ref() {
    return {dtype, shape, {}, dtype == DType::String ? static_cast<void *>(strings.data()) : bytes.data()};
  }
  std::vector<double> numbers() const {
    std::vector<double> result;
    for (int64_t i = 0; i < count(); ++i)
      const_cast<Value *>(this)->visit([&](auto *from) { result.push_back(static_cast<double>(from[i])); });
    return result;
  }

private:
  template <class F> void visit(F f) {
    switch (dtype) {
    case DType::F32: return f(reinterpret_cast<float *>(bytes.data()));
    case DType::F64: return f(reinterpret_cast<double *>(bytes.data()));
    case DType::I8: return f(reinterpret_cast<int8_t *>(bytes.data()));
    case DType::I16: return f(reinterpret_cast<int16_t *>(bytes.data()));
    case DType::I32: return f(reinterpret_cast<int32_t *>(bytes.data()));
    case DType::I64: return f(reinterpret_cast<int64_t *>(bytes.data()));
    case DType::U8:
    case DType::Bool: return f(bytes.data());
    case DType::U16: return f(reinterpret_cast<uint16_t *>(bytes.data()));
    case DType::U32: return f(reinterpret_cast<uint32_t *>(bytes.data()));
    case DType::U64: return f(reinterpret_cast<uint64_t *>(bytes.data()));
    default: FAIL() << "a type that tests write as raw bytes";
    }
  }
};

inline Value f32(Shape shape, const std::vector<double> &numbers) { return {DType::F32, std::move(shape), numbers}; }
inline Value f64(Shape shape, const std::vector<double> &numbers) { return {DType::F64, std::move(shape), numbers}; }
inline Value i64(Shape shape, const std::vector<double> &numbers) { return {DType::I64, std::move(shape), numbers}; }
inline Value i32(Shape shape, const std::vector<double> &numbers) { return {DType::I32, std::move(shape), numbers}; }
inline Value bools(Shape shape, const std::vector<double> &numbers) { return {DType::Bool, std::move(shape), numbers}; }

/// Operands; a null dtype is an absent one.
using Operands = std::vector<Value>;

/// Runs a kernel on `results`, whose dtypes and shapes are set (-1: the kernel says).
inline std::string runInto(std::string_view op, const Attributes &attributes, Operands operands,
                           std::vector<Value> &results) {
  std::vector<TensorRef> inputRefs, outputRefs;
  for (Value &operand : operands)
    inputRefs.push_back(operand.ref());
  std::vector<const TensorRef *> inputs;
  for (size_t i = 0; i < operands.size(); ++i)
    inputs.push_back(operands[i].dtype == DType::Undefined ? nullptr : &inputRefs[i]);
  for (Value &result : results) {
    outputRefs.push_back(result.ref());
    if (std::find(result.shape.begin(), result.shape.end(), -1) != result.shape.end())
      outputRefs.back().data = nullptr;
  }
  auto allocate = [&](size_t i, int64_t bytes) -> void * {
    if (results[i].dtype == DType::String) {
      results[i].strings.resize(static_cast<size_t>(bytes) / sizeof(std::string));
      return results[i].strings.data();
    }
    results[i].bytes.resize(static_cast<size_t>(bytes) + 1);
    return results[i].bytes.data();
  };
  Result result = runKernel({op, attributes, inputs, outputRefs, allocate});
  for (size_t i = 0; i < results.size(); ++i)
    results[i].shape = outputRefs[i].shape;
  return result.error;
}

inline Value run(std::string_view op, const Attributes &attributes, Operands operands, DType dtype, Shape shape) {
  std::vector<Value> results;
  // A shape with -1 has no elements yet.
  Value result;
  if (std::find(shape.begin(), shape.end(), -1) != shape.end())
    result.dtype = dtype, result.shape = shape;
  else
    result = Value(dtype, shape);
  results.push_back(std::move(result));
  EXPECT_EQ(runInto(op, attributes, std::move(operands), results), "");
  return results[0];
}

/// Like run(); the result has the first operand's type.
inline std::vector<double> numbersOf(std::string_view op, const Attributes &attributes, Operands operands,
                                     Shape shape) {
  DType dtype = operands[0].dtype;
  return run(op, attributes, std::move(operands), dtype, std::move(shape)).numbers();
}

/// What the kernel says against the call.
inline std::string errorOf(std::string_view op, const Attributes &attributes, Operands operands, DType dtype,
                           Shape shape) {
  std::vector<Value> results{Value(dtype, std::move(shape))};
  return runInto(op, attributes, std::move(operands), results);
}

inline void expectNear(const std::vector<double> &got, const std::vector<double> &wanted, double tolerance = 1e-6) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i)
    if (std::isnan(wanted[i]))
      EXPECT_TRUE(std::isnan(got[i])) << "at " << i << ", got " << got[i];
    else if (std::isinf(wanted[i]))
      EXPECT_EQ(got[i], wanted[i]) << "at " << i;
    else
      EXPECT_NEAR(got[i], wanted[i], tolerance) << "at " << i;
}

using Numbers = std::vector<double>;

} // namespace bessemer::kernels
