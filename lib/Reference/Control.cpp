// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Control flow.
#include "Interpreter.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::reference;

LogicalResult Interpreter::ifOp(scf::IfOp op, Tensors &results) {
  std::optional<int64_t> condition = integer(op.getCondition());
  if (!condition)
    return op.emitError("expected a scalar condition");
  Region &region = *condition ? op.getThenRegion() : op.getElseRegion();
  return region.empty() ? success() : block(region.front(), {}, results);
}

LogicalResult Interpreter::forOp(scf::ForOp op, Tensors &results) {
  std::optional<int64_t> lower = integer(op.getLowerBound()), upper = integer(op.getUpperBound()),
                         step = integer(op.getStep());
  if (!lower || !upper || !step || *step < 1)
    return op.emitError("expected scalar bounds and a positive step");
  for (Value init : op.getInitArgs())
    results.push_back(frame->values.lookup(init));
  int64_t count = 0;
  for (int64_t i = *lower; i < *upper; i += *step) {
    if (++count > options.maxIterations)
      return op.emitError("expected at most ") << options.maxIterations << " iterations";
    HostTensor index = HostTensor::make(heldAs(op.getInductionVar().getType()), {});
    if (index.dtype == DType::I32)
      *index.as<int32_t>() = static_cast<int32_t>(i);
    else
      *index.as<int64_t>() = i;
    Tensors arguments = {index}, yielded;
    arguments.append(results);
    if (failed(block(*op.getBody(), arguments, yielded)))
      return failure();
    results = std::move(yielded);
  }
  return success();
}

LogicalResult Interpreter::whileOp(scf::WhileOp op, Tensors &results) {
  Tensors carried;
  for (Value init : op.getInits())
    carried.push_back(frame->values.lookup(init));
  for (int64_t i = 0; i <= options.maxIterations; ++i) {
    Tensors yielded;
    if (failed(block(*op.getBeforeBody(), carried, yielded)))
      return failure();
    const HostTensor condition = yielded.front();
    yielded.erase(yielded.begin());
    if (condition.dtype != DType::Bool)
      return op.emitError("expected a condition of i1");
    if (!*condition.as<uint8_t>()) {
      results = std::move(yielded);
      return success();
    }
    carried.clear();
    if (failed(block(*op.getAfterBody(), yielded, carried)))
      return failure();
  }
  return op.emitError("expected at most ") << options.maxIterations << " iterations";
}
