// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the functions of a program share: kernels, weights, constants.
#include "dialects/Bess/DTypes.h"
#include "lib/Driver/Emit.h"
#include "passes/Lower/TensorMaps.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace bessemer;

static std::vector<int64_t> shapeOf(Type type) { return cast<RankedTensorType>(type).getShape().vec(); }

/// The text of a string attribute as an expression; invalid when there is none.
static SymbolicExpr exprAttr(Operation *op, StringRef name) {
  auto text = op->getAttrOfType<StringAttr>(name);
  if (!text)
    return SymbolicExpr::constant(0);
  return SymbolicExpr::parse(text.str()).value_or(SymbolicExpr::constant(0));
}

static std::string textAttr(Operation *op, StringRef name) {
  auto text = op->getAttrOfType<StringAttr>(name);
  return text ? text.str() : std::string();
}

void ProgramEmitter::collectKernels() {
  for (ModuleOp nested : module.getOps<ModuleOp>()) {
    if (nested.getSymName() != "kernels")
      continue;
    for (auto kernel : nested.getOps<LLVM::LLVMFuncOp>()) {
      if (!kernel->hasAttr("bess.grid"))
        continue;
      kernels[kernel.getSymName()] = program.kernels.size();
      kernelOps[kernel.getSymName()] = kernel;
      runtime::Kernel made;
      made.symbol = kernel.getSymName().str();
      made.kind = textAttr(kernel, "bess.kind");
      made.reason = textAttr(kernel, "bess.reason");
      made.flops = exprAttr(kernel, "bess.flops");
      made.bytes = exprAttr(kernel, "bess.bytes");
      auto number = [&](StringRef name) {
        auto value = kernel->getAttrOfType<IntegerAttr>(name);
        return value ? value.getInt() : 0;
      };
      made.threads = number("bess.block");
      made.outputs = number("bess.outputs");
      made.sharedBytes = number("bess.shared");
      made.takesWorkspace = kernel->hasAttr("bess.takes_workspace");
      made.tensorMaps = readTensorMaps(kernel);
      made.startsEarly = kernel->hasAttr("bess.starts_early");
      made.partialBytes = number("bess.partial");
      program.kernels.push_back(std::move(made));
    }
  }
}

int32_t ProgramEmitter::kernelIndex(StringRef symbol) const {
  auto it = kernels.find(symbol);
  return it == kernels.end() ? -1 : it->second;
}

int32_t ProgramEmitter::functionIndex(StringRef symbol) const {
  auto it = functions.find(symbol);
  return it == functions.end() ? -1 : it->second;
}

int32_t ProgramEmitter::weightIndex(bess::WeightOp op) {
  auto key = std::make_pair(op.getSource().getAsOpaquePointer(), op.getY().getType().getAsOpaquePointer());
  auto [it, isNew] = weights.try_emplace(key, program.weights.size());
  if (isNew) {
    runtime::Weight weight;
    weight.name = op.getName().str();
    weight.dtype = bess::getDType(op.getY().getType());
    weight.shape = shapeOf(op.getY().getType());
    weight.file = op.getSource().getFile().str();
    weight.offset = op.getSource().getOffset();
    weight.length = op.getSource().getLength();
    weight.encoding = op.getSource().getEncoding();
    program.weights.push_back(std::move(weight));
  }
  return it->second;
}

int32_t ProgramEmitter::weightIndexOf(Value value) {
  if (auto weight = value.getDefiningOp<bess::WeightOp>())
    return weightIndex(weight);
  if (auto prepare = value.getDefiningOp<bess::PrepareOp>())
    return preparedIndex(prepare, cast<OpResult>(value).getResultNumber());
  return -1;
}

int32_t ProgramEmitter::preparedIndex(bess::PrepareOp op, unsigned result) {
  std::vector<int32_t> sources;
  for (Value weight : op.getWeights())
    sources.push_back(weightIndexOf(weight));
  auto key = std::make_pair(op.getFunctionAttr().getAsOpaquePointer(), sources);
  if (auto it = prepared.find(key); it != prepared.end())
    return it->second + result;
  int32_t first = program.weights.size();
  std::string name;
  for (int32_t source : sources)
    if (source >= 0)
      name += (name.empty() ? "" : ", ") + program.weights[source].name;
  for (OpResult value : op->getResults()) {
    runtime::Weight weight;
    weight.name = op.getFunction().str() + "(" + name + ")";
    weight.dtype = bess::getDType(value.getType());
    weight.shape = shapeOf(value.getType());
    weight.derivedFunction = functionIndex(op.getFunction());
    weight.derivedResult = value.getResultNumber();
    weight.derivedFrom = sources;
    program.weights.push_back(std::move(weight));
  }
  prepared[key] = first;
  return first + result;
}

/// Elements as they lie in memory; bools one byte each, packed types packed.
static std::vector<uint8_t> elementBytes(DenseElementsAttr value, DType dtype) {
  int64_t count = value.getNumElements();
  unsigned bits = bitWidth(dtype);
  std::vector<uint8_t> bytes(byteSize(dtype, count), 0);
  auto put = [&](int64_t i, const APInt &element) {
    if (bits < 8) {
      bytes[i * bits / 8] |= uint8_t(element.getZExtValue()) << (i * bits % 8);
      return;
    }
    for (unsigned b = 0; b < bits / 8; ++b)
      bytes[i * (bits / 8) + b] =
          uint8_t(element.extractBitsAsZExtValue(std::min(8u, element.getBitWidth() - b * 8), b * 8));
  };
  if (dtype == DType::Bool) {
    int64_t i = 0;
    for (bool element : value.getValues<bool>())
      bytes[i++] = element;
    return bytes;
  }
  if (isComplex(dtype)) {
    int64_t i = 0;
    unsigned half = bits / 2;
    for (const std::complex<APFloat> &element : value.getValues<std::complex<APFloat>>()) {
      APInt pair = element.imag().bitcastToAPInt().zext(bits).shl(half) | element.real().bitcastToAPInt().zext(bits);
      put(i++, pair);
    }
    return bytes;
  }
  // The common case: the attribute has the elements as memory has them.
  if (bits >= 8 && !value.isSplat() && int64_t(value.getRawData().size()) == int64_t(bytes.size())) {
    std::copy(value.getRawData().begin(), value.getRawData().end(), reinterpret_cast<char *>(bytes.data()));
    return bytes;
  }
  int64_t i = 0;
  if (isa<FloatType>(value.getElementType()))
    for (const APFloat &element : value.getValues<APFloat>())
      put(i++, element.bitcastToAPInt());
  else
    for (const APInt &element : value.getValues<APInt>())
      put(i++, element);
  return bytes;
}

int32_t ProgramEmitter::constantIndex(DenseElementsAttr value) {
  auto [it, isNew] = constants.try_emplace(value, program.constants.size());
  if (isNew) {
    DType dtype = bess::getDType(value.getType());
    program.constants.push_back({dtype, shapeOf(value.getType()), elementBytes(value, dtype)});
  }
  return it->second;
}

LogicalResult ProgramEmitter::run() {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main)
    return module.emitError() << "expected a function @main";
  collectKernels();
  SmallVector<func::FuncOp> order = {main};
  for (func::FuncOp function : module.getOps<func::FuncOp>())
    if (function != main && !function.isDeclaration())
      order.push_back(function);
  for (auto [i, function] : llvm::enumerate(order))
    functions[function.getName()] = i;
  program.functions.resize(order.size());
  for (auto [i, function] : llvm::enumerate(order))
    if (failed(FunctionEmitter(*this, function, program.functions[i]).run()))
      return failure();
  if (auto caches = main->getAttrOfType<DictionaryAttr>("bess.caches")) {
    program.cacheCapacity = cast<StringAttr>(caches.get("capacity")).str();
    program.cacheCopied = cast<StringAttr>(caches.get("copied")).str();
    for (Attribute pair : cast<ArrayAttr>(caches.get("pairs"))) {
      ArrayRef<int64_t> numbers = cast<DenseI64ArrayAttr>(pair).asArrayRef();
      program.caches.push_back({int32_t(numbers[0]), int32_t(numbers[1]), int32_t(numbers[2])});
    }
  }
  // Weights that only make others are freed when those are made.
  for (auto [i, weight] : llvm::enumerate(program.weights))
    weight.temporary = !readAtRunTime.count(i);
  return success();
}

LogicalResult bessemer::emitProgram(ModuleOp module, runtime::Program &program) {
  return ProgramEmitter(module, program).run();
}
