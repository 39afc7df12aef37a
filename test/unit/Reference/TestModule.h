// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Modules from text, tensors from lists, and the diagnostics of a run.
#pragma once

#include "bessemer/Reference/Evaluator.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <cstring>

namespace bessemer::reference {

struct TestModule {
  explicit TestModule(llvm::StringRef text) {
    context.loadDialect<bess::BessDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect, mlir::scf::SCFDialect,
                        mlir::tensor::TensorDialect>();
    context.getDiagEngine().registerHandler([this](mlir::Diagnostic &diagnostic) {
      diagnostics += diagnostic.str() + "\n";
      return mlir::success();
    });
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module) << diagnostics;
  }

  /// Results of `main`; empty when the evaluation failed.
  llvm::SmallVector<HostTensor> run(llvm::ArrayRef<HostTensor> inputs, bool oracle = false) {
    Evaluator::Options options;
    options.oracle = oracle;
    Evaluator evaluator(*module, files, options);
    mlir::FailureOr<llvm::SmallVector<HostTensor>> results = evaluator.run("main", inputs);
    symbols = evaluator.symbols();
    return mlir::succeeded(results) ? *results : llvm::SmallVector<HostTensor>();
  }

  mlir::MLIRContext context;
  WeightFiles files;
  std::string diagnostics;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  SymbolicExpr::Values symbols;
};

template <class T> HostTensor makeTensor(DType dtype, llvm::ArrayRef<int64_t> shape, std::vector<T> values) {
  HostTensor tensor = HostTensor::make(dtype, shape);
  EXPECT_EQ(tensor.elementCount(), static_cast<int64_t>(values.size()));
  std::memcpy(tensor.data, values.data(), values.size() * sizeof(T));
  return tensor;
}
inline HostTensor floats(llvm::ArrayRef<int64_t> shape, std::vector<float> values) {
  return makeTensor(DType::F32, shape, std::move(values));
}
inline HostTensor integers(llvm::ArrayRef<int64_t> shape, std::vector<int64_t> values) {
  return makeTensor(DType::I64, shape, std::move(values));
}

template <class T> std::vector<T> values(const HostTensor &tensor) {
  return std::vector<T>(tensor.as<T>(), tensor.as<T>() + tensor.elementCount());
}

} // namespace bessemer::reference
