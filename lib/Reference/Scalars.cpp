// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The few ops of arith and tensor that stand between tensors and control flow.
#include "Interpreter.h"

#include "dialects/Bess/DTypes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::reference;

/// The kernel that does the same as an op of arith; null when there is none.
static StringRef kernelOfArith(Operation *op) {
  bool isBool = op->getNumOperands() > 0 && op->getOperand(0).getType().isInteger(1);
  if (auto compare = dyn_cast<arith::CmpIOp>(op))
    switch (compare.getPredicate()) {
    case arith::CmpIPredicate::eq: return "equal";
    case arith::CmpIPredicate::ne: return "not_equal";
    case arith::CmpIPredicate::slt: return "less";
    case arith::CmpIPredicate::sle: return "less_equal";
    case arith::CmpIPredicate::sgt: return "greater";
    case arith::CmpIPredicate::sge: return "greater_equal";
    default: return {};
    }
  return llvm::TypeSwitch<Operation *, StringRef>(op)
      .Case<arith::AddIOp, arith::AddFOp>([](auto) { return "add"; })
      .Case<arith::SubIOp, arith::SubFOp>([](auto) { return "sub"; })
      .Case<arith::MulIOp, arith::MulFOp>([](auto) { return "mul"; })
      .Case<arith::DivSIOp, arith::DivFOp>([](auto) { return "div"; })
      .Case<arith::MaxSIOp, arith::MaximumFOp>([](auto) { return "max"; })
      .Case<arith::MinSIOp, arith::MinimumFOp>([](auto) { return "min"; })
      .Case<arith::AndIOp>([&](auto) { return isBool ? "and" : "bitwise_and"; })
      .Case<arith::OrIOp>([&](auto) { return isBool ? "or" : "bitwise_or"; })
      .Case<arith::XOrIOp>([&](auto) { return isBool ? "xor" : "bitwise_xor"; })
      .Case<arith::SelectOp>([](auto) { return "where"; })
      .Case<arith::IndexCastOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp, arith::SIToFPOp, arith::FPToSIOp,
            arith::ExtFOp, arith::TruncFOp>([](auto) { return "cast"; })
      .Default([](auto) { return StringRef(); });
}

static HostTensor extract(const HostTensor &tensor, ArrayRef<int64_t> indices) {
  int64_t flat = 0;
  for (auto [extent, index] : llvm::zip(tensor.shape, indices)) {
    if (index < 0 || index >= extent)
      return {};
    flat = flat * extent + index;
  }
  if (isPacked(tensor.dtype) || tensor.dtype == DType::String)
    return {};
  HostTensor element = HostTensor::make(tensor.dtype, {});
  size_t size = bitWidth(tensor.dtype) / 8;
  std::memcpy(element.data, tensor.as<char>() + flat * size, size);
  return element;
}

LogicalResult Interpreter::scalar(Operation *op, Tensors &results) {
  SmallVector<HostTensor> inputs;
  for (Value operand : op->getOperands())
    inputs.push_back(frame->values.lookup(operand));

  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    HostTensor tensor;
    if (auto elements = dyn_cast<ElementsAttr>(constant.getValue())) {
      tensor = fromElements(elements);
    } else if (auto integer = dyn_cast<IntegerAttr>(constant.getValue())) {
      Type type = integer.getType().isIndex() ? IntegerType::get(op->getContext(), 64) : integer.getType();
      tensor = fromElements(DenseElementsAttr::get(RankedTensorType::get({}, type),
                                                   integer.getValue().sextOrTrunc(type.getIntOrFloatBitWidth())));
    } else if (auto number = dyn_cast<FloatAttr>(constant.getValue())) {
      tensor = fromElements(DenseElementsAttr::get(RankedTensorType::get({}, number.getType()), number.getValue()));
    }
    if (!tensor.isValid())
      return op->emitError("cannot be evaluated");
    results.push_back(promote(tensor));
    return success();
  }
  if (isa<tensor::ExtractOp>(op)) {
    SmallVector<int64_t> indices;
    for (Value index : op->getOperands().drop_front())
      indices.push_back(integer(index).value_or(-1));
    HostTensor element = extract(inputs[0], indices);
    if (!element.isValid())
      return op->emitError("expected indices within the tensor");
    results.push_back(element);
    return success();
  }
  if (isa<tensor::DimOp>(op)) {
    std::optional<int64_t> index = integer(op->getOperand(1));
    if (!index || *index < 0 || *index >= static_cast<int64_t>(inputs[0].shape.size()))
      return op->emitError("expected the index of a dimension");
    HostTensor extent = HostTensor::make(DType::I64, {});
    *extent.as<int64_t>() = inputs[0].shape[*index];
    results.push_back(extent);
    return success();
  }
  if (isa<tensor::FromElementsOp>(op)) {
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    HostTensor tensor = HostTensor::make(heldAs(type), type.getShape());
    size_t size = bitWidth(tensor.dtype) / 8;
    for (auto [i, input] : llvm::enumerate(inputs))
      std::memcpy(tensor.as<char>() + i * size, input.data, size);
    results.push_back(tensor);
    return success();
  }
  if (isa<tensor::CastOp>(op)) {
    results.push_back(inputs[0]);
    return success();
  }
  StringRef name = kernelOfArith(op);
  if (name.empty())
    return op->emitError("cannot be evaluated");
  std::string error;
  kernels::Attributes attributes;
  if (name == "cast")
    attributes["to"] = std::string(bessemer::name(heldAs(op->getResult(0).getType())));
  if (failed(kernel(op, name, attributes, inputs, /*native=*/false, results, error)))
    return op->emitError(error);
  return success();
}
