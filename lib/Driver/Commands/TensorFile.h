// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tensors in files: TensorProto (`.pb`, as in ONNX's test cases) and NumPy
// (`.npy`), and the comparison of two tensors.
#pragma once

#include "bessemer/Support/DType.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bessemer::commands {

/// A contiguous tensor with its memory, 64-byte aligned.
struct DataTensor {
  std::string name;
  DType dtype = DType::Undefined;
  std::vector<int64_t> shape;
  std::shared_ptr<void> memory;

  int64_t elementCount() const;
  int64_t byteCount() const { return byteSize(dtype, elementCount()); }
  uint8_t *data() const { return static_cast<uint8_t *>(memory.get()); }
  /// Zeroed memory for dtype and shape. False when the size is absurd or there is none.
  bool allocate();
};

/// Any of the two formats, by the file's name. `expected`: the element type that
/// a NumPy file without one of its own (bfloat16, float8 as raw bytes) stands for.
std::optional<DataTensor> readTensorFile(const std::string &path, DType expected, std::string &error);

/// The file of ONNX's layout of a test case: FOLDER/input_3.pb for "input" and 3.
std::string caseFile(const std::string &folder, const char *kind, size_t i);

/// A NumPy file. Types that NumPy lacks: bf16 and float8 as raw bytes (V2, V1),
/// packed ones as one byte an element.
bool writeNpy(const std::string &path, const DataTensor &tensor, std::string &error);

struct Tolerance {
  double relative = 1e-3, absolute = 1e-7;
};

/// Empty when shape and dtype are equal and every element is within
/// absolute + relative * |expected| (NaN equals NaN; bf16: at least its last
/// bit); else a sentence.
std::string compareTensors(const DataTensor &expected, const DataTensor &actual, Tolerance tolerance);

/// "f32[2, 384]".
std::string typeText(DType dtype, const std::vector<int64_t> &shape);

} // namespace bessemer::commands
