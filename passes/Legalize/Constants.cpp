// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is known of the elements of a value, and folding while legalizing.
#include "bessemer/Reference/ConstantFold.h"
#include "passes/Legalize/Node.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

DenseElementsAttr legalize::elementsOf(Attribute attribute, Legalizer &legalizer) {
  if (auto dense = dyn_cast_or_null<DenseElementsAttr>(attribute))
    return isa<onnx::StringType>(dense.getElementType()) ? DenseElementsAttr() : dense;
  auto pair = dyn_cast_or_null<DictionaryAttr>(attribute);
  auto source = pair ? dyn_cast_or_null<bess::SourceAttr>(pair.get("source")) : bess::SourceAttr();
  auto type = pair ? dyn_cast_or_null<TypeAttr>(pair.get("type")) : TypeAttr();
  auto tensor = type ? dyn_cast<RankedTensorType>(type.getValue()) : RankedTensorType();
  if (!source || !tensor)
    return {};
  // A weight for a moment, to read it as every other is read.
  auto weight =
      bess::WeightOp::create(legalizer.b, legalizer.b.getUnknownLoc(), tensor, legalizer.b.getStringAttr(""), source);
  DenseElementsAttr elements = reference::getConstant(weight, legalizer.files);
  weight->erase();
  return elements;
}

DenseElementsAttr Legalizer::constant(Value value) {
  if (auto op = value.getDefiningOp<bess::ConstantOp>())
    return dyn_cast<DenseElementsAttr>(op.getValue());
  if (!value.getDefiningOp<bess::WeightOp>())
    return {};
  auto it = readWeights.find(value);
  if (it == readWeights.end())
    it = readWeights.try_emplace(value, reference::getConstant(value, files)).first;
  return it->second;
}

std::optional<Dims> Legalizer::contents(Value value) {
  if (auto it = knownContents.find(value); it != knownContents.end())
    return it->second;
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.hasStaticShape() || type.getNumElements() > 64 || !isa<IntegerType>(type.getElementType()))
    return std::nullopt;
  DenseElementsAttr known = constant(value);
  if (!known)
    return std::nullopt;
  bool isUnsigned = type.getElementType().isUnsignedInteger() || type.getElementType().isInteger(1);
  Dims elements;
  for (const APInt &element : known.getValues<APInt>())
    elements.push_back(isUnsigned ? int64_t(element.getZExtValue()) : element.getSExtValue());
  knownContents[value] = elements;
  return elements;
}

/// Only constants of the IR: weights stay what they are, so that repeated
/// layers differ in their weights alone.
DenseElementsAttr legalize::foldConstant(Operation *op, Legalizer &legalizer) {
  if (op->getNumOperands() == 0)
    return {};
  // A constant that is only stretched stays small as it is.
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  if (isa<bess::BroadcastOp, bess::RepeatOp>(op) && (!type.hasStaticShape() || type.getNumElements() > 64))
    return {};
  for (Value operand : op->getOperands())
    if (!operand.getDefiningOp<bess::ConstantOp>())
      return {};
  SmallVector<DenseElementsAttr> results;
  if (failed(reference::constantFold(op, legalizer.files, results)) || results.size() != 1)
    return {};
  return results[0];
}
