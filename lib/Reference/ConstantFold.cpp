// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Reference/ConstantFold.h"

#include "bessemer/Reference/HostTensor.h"
#include "bessemer/Reference/KernelAttributes.h"
#include "dialects/Bess/DTypes.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::reference;

/// Bytes of a tensor of static shape; nullopt when it has none or is huge.
static std::optional<int64_t> bytesOf(RankedTensorType type) {
  DType dtype = bess::getDType(type);
  if (!type.hasStaticShape() || dtype == DType::Undefined)
    return std::nullopt;
  int64_t count = 1;
  for (int64_t extent : type.getShape())
    if (__builtin_mul_overflow(count, extent, &count))
      return std::nullopt;
  if (count > (int64_t(1) << 40))
    return std::nullopt;
  return dtype == DType::String ? count * 16 : byteSize(dtype, count);
}

DenseElementsAttr reference::getConstant(Value value, WeightFiles &files, int64_t limit) {
  if (auto constant = value.getDefiningOp<bess::ConstantOp>())
    return dyn_cast<DenseElementsAttr>(constant.getValue());
  auto weight = value.getDefiningOp<bess::WeightOp>();
  if (!weight)
    return {};
  auto type = cast<RankedTensorType>(value.getType());
  std::optional<int64_t> bytes = bytesOf(type);
  if (!bytes || *bytes > limit)
    return {};
  std::string error;
  HostTensor tensor = readWeight(weight, files, error);
  return toElements(tensor, type.getElementType());
}

LogicalResult reference::constantFold(Operation *op, ArrayRef<DenseElementsAttr> operands,
                                      SmallVectorImpl<DenseElementsAttr> &results, int64_t limit) {
  StringRef name = getKernelName(op);
  if (name.empty() || op->getNumResults() == 0 || !kernels::hasKernel(std::string_view(name)))
    return failure();
  FailureOr<KernelAttributes> attributes = getKernelAttributes(op);
  if (failed(attributes) || !attributes->isConstant())
    return failure();

  SmallVector<HostTensor> inputs;
  for (DenseElementsAttr operand : operands) {
    inputs.push_back(fromElements(operand));
    if (operand && !inputs.back().isValid())
      return failure();
  }
  SmallVector<const kernels::TensorRef *> inputRefs;
  for (const HostTensor &input : inputs)
    inputRefs.push_back(input.isValid() ? &input : nullptr);

  SmallVector<HostTensor> outputs(op->getNumResults());
  SmallVector<kernels::TensorRef> outputRefs;
  bool dataDependent = hasDataDependentShape(op);
  for (auto [result, output] : llvm::zip(op->getResults(), outputs)) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (!type)
      return failure();
    if (dataDependent) {
      output = HostTensor::view(bess::getDType(type), SmallVector<int64_t>(type.getRank(), -1), nullptr);
    } else {
      std::optional<int64_t> bytes = bytesOf(type);
      if (!bytes || *bytes > limit)
        return failure();
      output = HostTensor::make(bess::getDType(type), type.getShape());
    }
    outputRefs.push_back(output);
  }
  auto allocate = [&](size_t i, int64_t bytes) -> void * {
    if (bytes > limit || outputs[i].dtype == DType::String)
      return nullptr;
    outputs[i].memory = HostTensor::make(DType::U8, bytes).memory;
    return outputs[i].memory.get();
  };
  kernels::KernelCall call{std::string_view(name), attributes->constants, inputRefs, outputRefs, allocate};
  if (!kernels::runKernel(call).ok())
    return failure();

  for (auto [result, output, ref] : llvm::zip(op->getResults(), outputs, outputRefs)) {
    static_cast<kernels::TensorRef &>(output) = ref;
    DenseElementsAttr elements = toElements(output, cast<RankedTensorType>(result.getType()).getElementType());
    if (!elements)
      return failure();
    results.push_back(elements);
  }
  return success();
}

LogicalResult reference::constantFold(Operation *op, WeightFiles &files, SmallVectorImpl<DenseElementsAttr> &results,
                                      int64_t limit) {
  if (auto dims = dyn_cast<bess::FromDimsOp>(op)) {
    SmallVector<int64_t> values;
    for (const SymbolicExpr &expr : bess::parseDims(dims.getDims())) {
      if (!expr.isConstant())
        return failure();
      values.push_back(*expr.isConstant());
    }
    auto type = cast<RankedTensorType>(dims.getY().getType());
    SmallVector<APInt> bits;
    for (int64_t value : values)
      bits.push_back(APInt(type.getElementTypeBitWidth(), value, /*isSigned=*/true,
                           /*implicitTrunc=*/true));
    results.push_back(DenseElementsAttr::get(type, bits));
    return success();
  }
  SmallVector<DenseElementsAttr> operands;
  for (Value operand : getKernelOperands(op)) {
    DenseElementsAttr elements = operand ? getConstant(operand, files, limit) : DenseElementsAttr();
    if (operand && !elements)
      return failure();
    operands.push_back(elements);
  }
  return constantFold(op, operands, results, limit);
}
