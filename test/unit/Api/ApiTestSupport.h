// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "bessemer/compile.hpp"
#include "test/unit/Api/OnnxModel.h"

#include <gtest/gtest.h>

namespace bs = bessemer::api;

/// y = Relu(x W) with x [n, rows of W]; W(i, j) = i - j when it is inline.
inline onnxtest::Graph denseGraph(int64_t in, int64_t out, const onnxtest::Message &weight) {
  onnxtest::Graph graph;
  graph.nodes = {onnxtest::node("project", "MatMul", {"x", "W"}, {"h"}), onnxtest::node("clip", "Relu", {"h"}, {"y"})};
  graph.inputs = {onnxtest::value("x", {"n", std::to_string(in)})};
  graph.outputs = {onnxtest::value("y", {"n", std::to_string(out)})};
  graph.weights = {weight};
  return graph;
}

inline std::vector<float> denseWeight(int64_t in, int64_t out) {
  std::vector<float> w;
  for (int64_t i = 0; i < in; ++i)
    for (int64_t j = 0; j < out; ++j)
      w.push_back(float((i * 7 + j * 3) % 11) - 5);
  return w;
}

inline std::vector<float> ramp(size_t count) {
  std::vector<float> x;
  for (size_t i = 0; i < count; ++i)
    x.push_back(float(i % 13) / 4 - 1);
  return x;
}

inline std::vector<float> denseAnswer(const std::vector<float> &x, const std::vector<float> &w, int64_t in,
                                      int64_t out) {
  std::vector<float> y;
  for (size_t r = 0; r < x.size() / size_t(in); ++r)
    for (int64_t j = 0; j < out; ++j) {
      double sum = 0;
      for (int64_t i = 0; i < in; ++i)
        sum += double(x[r * in + i]) * w[i * out + j];
      y.push_back(float(std::max(sum, 0.0)));
    }
  return y;
}

inline void expectNear(const bs::Tensor &tensor, const std::vector<float> &wanted) {
  ASSERT_EQ(size_t(tensor.elements()), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i)
    ASSERT_NEAR(tensor.data<float>()[i], wanted[i], 1e-4 + 1e-4 * std::abs(wanted[i])) << "element " << i;
}

/// The status of a call that throws, BESSEMER_OK when it does not.
template <typename Call> bessemer_status statusOf(Call call, std::string *text = nullptr) {
  try {
    call();
    return BESSEMER_OK;
  } catch (const bs::Error &error) {
    if (text)
      *text = error.what();
    return error.status();
  }
}

inline std::vector<bs::Tensor> one(bs::Tensor tensor) {
  std::vector<bs::Tensor> list;
  list.push_back(std::move(tensor));
  return list;
}
