// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Graphs of one matrix product.
#pragma once

#include "GpuKernel.h"

namespace bessemer::gputest {

inline std::string tensor(const std::vector<std::string> &dims, const std::string &element) {
  std::string shape, names;
  for (const std::string &dim : dims) {
    bool known = dim.find_first_not_of("0123456789") == std::string::npos;
    shape += (known ? dim : "?") + "x";
    names += (names.empty() ? "\"" : ", \"") + dim + "\"";
  }
  bool isStatic = shape.find('?') == std::string::npos;
  return "tensor<" + shape + element + (isStatic ? "" : ", #bess.dims<" + names + ">") + ">";
}

struct Product {
  std::string element;
  int64_t rows, columns, depth;
  bool transposed = false;
  std::string m = {}, k = {}; ///< names of dimensions that are not known; empty: known
  bool transposedA = false;

  std::string dim(const std::string &name, int64_t size) const { return name.empty() ? std::to_string(size) : name; }
  std::string text() const {
    std::string a = transposedA ? tensor({dim(k, depth), dim(m, rows)}, element)
                                : tensor({dim(m, rows), dim(k, depth)}, element),
                y = tensor({dim(m, rows), std::to_string(columns)}, element);
    std::string n = std::to_string(columns), d = dim(k, depth);
    std::string b = transposed ? tensor({n, d}, element) : tensor({d, n}, element);
    return "func.func @main(%a: " + a + ", %b: " + b + ") -> " + y + " {\n  %y = bess.matmul %a, %b" +
           (transposed && transposedA ? " {transpose_a, transpose_b}"
            : transposed              ? " {transpose_b}"
            : transposedA             ? " {transpose_a}"
                                      : "") +
           " : (" + a + ", " + b + ") -> " + y + "\n  return %y : " + y + "\n}\n";
  }
  std::vector<std::vector<int64_t>> shapes() const {
    return {transposedA ? std::vector<int64_t>{depth, rows} : std::vector<int64_t>{rows, depth},
            transposed ? std::vector<int64_t>{columns, depth} : std::vector<int64_t>{depth, columns}};
  }
};

inline double toleranceOf(const std::string &element) {
  return element == "f32" ? 2e-6 : element == "f16" ? 1e-3 : 8e-3;
}

} // namespace bessemer::gputest
