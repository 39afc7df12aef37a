// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An op of `bess` on its kernel, in the declared element types or in f64.
#include "Interpreter.h"

#include "bessemer/Reference/KernelAttributes.h"
#include "dialects/Bess/DTypes.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::reference;

DType reference::oracleDType(DType declared) {
  switch (declared) {
  case DType::F32:
  case DType::F16:
  case DType::BF16: return DType::F64;
  default: return declared;
  }
}

DType Interpreter::heldAs(Type type, bool native) const {
  if (type.isIndex())
    return DType::I64;
  DType declared = bess::getDType(type);
  return options.oracle && !native ? oracleDType(declared) : declared;
}

HostTensor Interpreter::promote(const HostTensor &tensor) {
  if (!options.oracle || tensor.dtype == oracleDType(tensor.dtype))
    return tensor;
  std::string error;
  return convert(tensor, oracleDType(tensor.dtype), error);
}

LogicalResult Interpreter::kernel(Operation *op, StringRef name, const kernels::Attributes &attributes,
                                  ArrayRef<HostTensor> inputs, bool native, Tensors &results, std::string &error) {
  SmallVector<const kernels::TensorRef *> inputRefs;
  for (const HostTensor &input : inputs)
    inputRefs.push_back(input.isValid() ? &input : nullptr);
  SmallVector<HostTensor> outputs;
  bool dataDependent = hasDataDependentShape(op);
  for (Value result : op->getResults()) {
    DType dtype = heldAs(result.getType(), native);
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (dataDependent) {
      outputs.push_back(HostTensor::view(dtype, SmallVector<int64_t>(type ? type.getRank() : 0, -1), nullptr));
      continue;
    }
    SmallVector<int64_t> shape;
    if (type && !frame->symbols.evaluate(type, shape, error))
      return failure();
    outputs.push_back(HostTensor::make(dtype, shape));
    if (!outputs.back().isValid()) {
      error = "expected a result that fits into memory";
      return failure();
    }
  }
  SmallVector<kernels::TensorRef> outputRefs(outputs.begin(), outputs.end());
  auto allocate = [&](size_t i, int64_t bytes) -> void * {
    // A string takes an object, whatever the kernel counted.
    bool isText = outputs[i].dtype == DType::String;
    HostTensor room =
        HostTensor::make(isText ? DType::String : DType::U8, isText ? bytes / int64_t(sizeof(std::string)) : bytes);
    outputs[i].memory = room.memory;
    return room.data;
  };
  kernels::Result done = kernels::runKernel({std::string_view(name), attributes, inputRefs, outputRefs, allocate});
  if (!done.ok()) {
    error = done.error;
    return failure();
  }
  for (auto [output, ref] : llvm::zip(outputs, outputRefs)) {
    static_cast<kernels::TensorRef &>(output) = ref;
    results.push_back(output);
  }
  return success();
}

/// With promoted tensors a result type that the attributes name is promoted too.
static void promoteTypeAttribute(kernels::Attributes &attributes) {
  auto it = attributes.find("to");
  if (it == attributes.end())
    return;
  if (auto *text = std::get_if<std::string>(&it->second))
    *text = name(oracleDType(parseDType(*text)));
}

LogicalResult Interpreter::bessOp(Operation *op, Tensors &results) {
  std::string error;
  if (auto constant = dyn_cast<bess::ConstantOp>(op)) {
    HostTensor tensor = fromElements(constant.getValue());
    if (!tensor.isValid())
      return op->emitError("expected a constant of a known element type");
    results.push_back(promote(tensor));
    return success();
  }
  if (auto weight = dyn_cast<bess::WeightOp>(op)) {
    HostTensor tensor = readWeight(weight, files, error);
    if (!tensor.isValid())
      return op->emitError("cannot read weight ") << weight.getName() << ": " << error;
    results.push_back(promote(tensor));
    return success();
  }

  StringRef name = getKernelName(op);
  if (!kernels::hasKernel(std::string_view(name)))
    return op->emitError("no kernel evaluates this op");
  FailureOr<KernelAttributes> read = getKernelAttributes(op);
  if (failed(read))
    return failure();
  std::optional<kernels::Attributes> attributes =
      read->evaluate([&](std::string_view symbol) { return frame->symbols.lookup(symbol); });
  if (!attributes)
    return op->emitError("expected the symbols of the attributes to have values");
  SmallVector<HostTensor> inputs;
  for (Value operand : getKernelOperands(op))
    inputs.push_back(operand ? frame->values.lookup(operand) : HostTensor());

  if (!options.oracle || !isa<bess::BitcastOp>(op)) {
    kernels::Attributes promoted = *attributes;
    if (options.oracle)
      promoteTypeAttribute(promoted);
    if (succeeded(kernel(op, name, promoted, inputs, /*native=*/false, results, error)))
      return success();
    if (!options.oracle)
      return op->emitError(error);
  }
  // What looks at bits, or has no kernel in f64, runs in its declared types.
  results.clear();
  SmallVector<HostTensor> declared;
  for (auto [operand, input] : llvm::zip(getKernelOperands(op), inputs)) {
    declared.push_back(operand ? convert(input, heldAs(operand.getType(), true), error) : input);
    if (operand && !declared.back().isValid())
      return op->emitError(error);
  }
  Tensors natives;
  std::string nativeError;
  if (failed(kernel(op, name, *attributes, declared, /*native=*/true, natives, nativeError)))
    return op->emitError(error.empty() ? nativeError : error);
  for (const HostTensor &result : natives)
    results.push_back(promote(result));
  return success();
}
