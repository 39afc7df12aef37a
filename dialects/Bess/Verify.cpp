// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers of the ops whose result types are given and not inferred.
#include "dialects/Bess/Infer.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::bess::infer;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

static LogicalResult checkElement(Operation *op, Value x, Value y) {
  if (elementOf(x) != elementOf(y))
    return op->emitOpError("expected operand and result of one element type, got ")
           << elementOf(x) << " and " << elementOf(y);
  return success();
}

static LogicalResult checkSameRank(Operation *op, Value x, Value y) {
  if (typeOf(x).getRank() != typeOf(y).getRank())
    return op->emitOpError("expected operand and result of one rank, got ")
           << typeOf(x).getRank() << " and " << typeOf(y).getRank();
  return success();
}

static LogicalResult checkExpr(Operation *op, StringRef text, StringRef what) {
  std::string error;
  if (!SymbolicExpr::parse(text, &error))
    return op->emitOpError("bad expression for ") << what << ": " << error;
  return success();
}

LogicalResult WeightOp::verify() {
  RankedTensorType type = typeOf(getY());
  if (!type.hasStaticShape())
    return emitOpError("expected a static shape, got ") << type;
  SourceAttr source = getSource();
  if (!llvm::is_contained({"raw", "varint", "float16_varint"}, source.getEncoding()))
    return emitOpError("expected encoding raw, varint or float16_varint, got \"") << source.getEncoding() << "\"";
  if (source.getOffset() < 0 || source.getLength() < 0)
    return emitOpError("expected a range of bytes, got offset ")
           << source.getOffset() << " and length " << source.getLength();
  return success();
}

LogicalResult BindSymbolsOp::verify() {
  RankedTensorType type = typeOf(getX());
  if (!type.getElementType().isInteger(64) && !type.getElementType().isInteger(32))
    return emitOpError("expected an operand of i64 or i32, got ") << type.getElementType();
  if (type.hasStaticShape() && type.getNumElements() != static_cast<int64_t>(getSymbols().size()))
    return emitOpError("expected a symbol for each of ")
           << type.getNumElements() << " elements, got " << getSymbols().size();
  return success();
}

LogicalResult FromDimsOp::verify() {
  RankedTensorType type = typeOf(getY());
  if (!type.getElementType().isInteger(64) && !type.getElementType().isInteger(32))
    return emitOpError("expected a result of i64 or i32, got ") << type.getElementType();
  if (!type.hasStaticShape() || type.getNumElements() != static_cast<int64_t>(getDims().getExprs().size()))
    return emitOpError("expected a result of ") << getDims().getExprs().size() << " elements, got " << type;
  return success();
}

LogicalResult GuardOp::verify() {
  if (!llvm::is_contained({"eq", "le", "lt"}, getRelation()))
    return emitOpError("expected relation eq, le or lt, got \"") << getRelation() << "\"";
  return success(succeeded(checkExpr(*this, getLhs(), "the left side")) &&
                 succeeded(checkExpr(*this, getRhs(), "the right side")));
}

LogicalResult FusionOp::verify() {
  Block &block = getBody().front();
  if (block.getArgumentTypes() != getInputs().getTypes())
    return emitOpError("expected the region's arguments to have the operands' types");
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield)
    return emitOpError("expected the region to end in bess.yield");
  if (!compatibleTypes(yield.getValues().getTypes(), getOutputs().getTypes()))
    return emitOpError("expected bess.yield to have the types of the results");
  return success();
}

LogicalResult ReshapeOp::verify() {
  if (failed(checkElement(*this, getX(), getY())))
    return failure();
  SymbolicExpr from = getElementCount(getX().getType()), to = getElementCount(getY().getType());
  if (from.isConstant() && to.isConstant() && from != to)
    return emitOpError("expected as many elements as the operand has, ") << from.str() << ", got " << to.str();
  return success();
}

LogicalResult BroadcastOp::verify() {
  if (failed(checkElement(*this, getX(), getY())))
    return failure();
  Dims dims = dimsOf(getY());
  return checkBroadcastTo(getLoc(), getX(), dims, "the operand");
}

LogicalResult SliceOp::verify() {
  if (failed(checkElement(*this, getX(), getY())) || failed(checkSameRank(*this, getX(), getY())))
    return failure();
  Dims from = dimsOf(getX()), to = dimsOf(getY());
  Dims offsets = parseDims(getOffsets());
  if (offsets.size() != from.size() || getSteps().size() != from.size())
    return emitOpError("expected ") << from.size() << " offsets and steps, got " << offsets.size() << " and "
                                    << getSteps().size();
  for (auto [dim, count, offset, step] : llvm::zip(from, to, offsets, getSteps())) {
    if (step == 0)
      return emitOpError("expected a step other than 0");
    SymbolicExpr last = offset + (count - 1) * step;
    if (count.isConstant() == 0)
      continue;
    // What is known: the first and the last element that are read.
    for (const SymbolicExpr &index : {offset, last})
      if ((index.isConstant() && *index.isConstant() < 0) ||
          (index.isConstant() && dim.isConstant() && *index.isConstant() >= *dim.isConstant()))
        return emitOpError("expected indices in [0, ") << dim.str() << "), got " << index.str();
  }
  return success();
}

LogicalResult PadOp::verify() {
  if (failed(checkElement(*this, getX(), getY())) || failed(checkSameRank(*this, getX(), getY())))
    return failure();
  if (getLow().getExprs().size() != static_cast<size_t>(typeOf(getX()).getRank()))
    return emitOpError("expected ") << typeOf(getX()).getRank() << " low amounts, got " << getLow().getExprs().size();
  if (Value value = getValue()) {
    SymbolicExpr count = getElementCount(value.getType());
    if (elementOf(value) != elementOf(getX()) || (count.isConstant() && *count.isConstant() != 1))
      return emitOpError("expected a scalar value of the operand's element type, got ") << value.getType();
  }
  return checkOneOf(getLoc(), "mode", getMode(), {"constant", "reflect", "edge", "wrap"});
}

LogicalResult RepeatOp::verify() {
  if (failed(checkElement(*this, getX(), getY())) || failed(checkSameRank(*this, getX(), getY())))
    return failure();
  for (auto [from, to] : llvm::zip(typeOf(getX()).getShape(), typeOf(getY()).getShape()))
    if (!ShapedType::isDynamic(from) && !ShapedType::isDynamic(to) && (from == 0 ? to != 0 : to % from != 0))
      return emitOpError("expected a multiple of extent ") << from << ", got " << to;
  return success();
}

LogicalResult RangeOp::verify() {
  if (failed(checkElement(*this, getStart(), getY())) || failed(checkElement(*this, getDelta(), getY())))
    return failure();
  return checkRank(getLoc(), getY(), "a result", 1);
}

LogicalResult IotaOp::verify() { return checkAxis(getLoc(), getAxis(), typeOf(getY()).getRank()); }

LogicalResult TopKOp::verify() {
  if (failed(checkElement(*this, getX(), getValues())) || failed(checkSameRank(*this, getX(), getValues())) ||
      failed(checkSameRank(*this, getX(), getIndices())) ||
      failed(checkAxis(getLoc(), getAxis(), typeOf(getX()).getRank())))
    return failure();
  if (!elementOf(getIndices()).isInteger(64))
    return emitOpError("expected indices of i64, got ") << elementOf(getIndices());
  int64_t have = typeOf(getX()).getDimSize(getAxis()), k = typeOf(getValues()).getDimSize(getAxis());
  if (!ShapedType::isDynamic(have) && !ShapedType::isDynamic(k) && k > have)
    return emitOpError("expected k of at most ") << have << ", got " << k;
  return success();
}

LogicalResult OneHotOp::verify() {
  SymbolicExpr count = getElementCount(getValues().getType());
  if (count.isConstant() && *count.isConstant() != 2)
    return emitOpError("expected 2 values, got ") << count.str();
  int64_t rank = typeOf(getIndices()).getRank() + 1;
  if (failed(checkElement(*this, getValues(), getY())) || failed(checkRank(getLoc(), getY(), "a result", rank)))
    return failure();
  return checkAxis(getLoc(), getAxis(), rank);
}

LogicalResult CustomOp::verify() {
  if (getOpType().empty())
    return emitOpError("expected the op's domain and type, got an empty text");
  int64_t count = int64_t(getInputs().size() + getAbsent().size());
  for (int64_t position : getAbsent())
    if (position < 0 || position >= count)
      return emitOpError("expected absent operands in [0, ") << count << "), got " << position;
  return success();
}

bool bessemer::bess::definesSymbols(Operation *op) {
  if (auto custom = dyn_cast<CustomOp>(op))
    return custom.getDefines() && !custom.getDefines()->empty();
  return isa<NonZeroOp, UniqueOp, CompressOp, NonMaxSuppressionOp>(op);
}

LogicalResult NonZeroOp::verify() {
  if (!elementOf(getY()).isInteger(64))
    return emitOpError("expected a result of i64, got ") << elementOf(getY());
  return checkRank(getLoc(), getY(), "a result", 2);
}

LogicalResult CompressOp::verify() {
  if (!elementOf(getCondition()).isInteger(1))
    return emitOpError("expected a condition of i1, got ") << elementOf(getCondition());
  if (failed(checkElement(*this, getX(), getY())) || failed(checkRank(getLoc(), getCondition(), "a condition", 1)))
    return failure();
  if (!getAxis())
    return checkRank(getLoc(), getY(), "a result", 1);
  if (failed(checkSameRank(*this, getX(), getY())))
    return failure();
  return checkAxis(getLoc(), *getAxis(), typeOf(getX()).getRank());
}

LogicalResult NonMaxSuppressionOp::verify() {
  if (!elementOf(getY()).isInteger(64))
    return emitOpError("expected a result of i64, got ") << elementOf(getY());
  return success(succeeded(checkRank(getLoc(), getBoxes(), "boxes", 3)) &&
                 succeeded(checkRank(getLoc(), getScores(), "scores", 3)) &&
                 succeeded(checkRank(getLoc(), getY(), "a result", 2)));
}

LogicalResult ResizeOp::verify() {
  if (failed(checkElement(*this, getX(), getY())) || failed(checkSameRank(*this, getX(), getY())) ||
      failed(checkAxes(getLoc(), getAxes(), typeOf(getX()).getRank())))
    return failure();
  size_t count = getAxes().size();
  if (!getScales().empty() && getScales().size() != count)
    return emitOpError("expected ") << count << " scales, got " << getScales().size();
  if (!getRoi().empty() && getRoi().size() != 2 * count)
    return emitOpError("expected ") << 2 * count << " entries of roi, got " << getRoi().size();
  return checkOneOf(getLoc(), "mode", getMode(), {"nearest", "linear", "cubic"});
}

static LogicalResult checkWindowSizes(Operation *op, Value x, ArrayRef<int64_t> strides, ArrayRef<int64_t> dilations,
                                      ArrayRef<int64_t> pads) {
  int64_t spatial = typeOf(x).getRank() - 2;
  if (spatial < 0)
    return op->emitOpError("expected an operand of rank at least 2, got ") << x.getType();
  size_t count = spatial;
  if (strides.size() != count || dilations.size() != count || pads.size() != 2 * count)
    return op->emitOpError("expected ") << count << " strides and dilations and " << 2 * count << " pads, got "
                                        << strides.size() << ", " << dilations.size() << " and " << pads.size();
  if (llvm::any_of(strides, [](int64_t v) { return v < 1; }) ||
      llvm::any_of(dilations, [](int64_t v) { return v < 1; }))
    return op->emitOpError("expected positive strides and dilations");
  return success();
}

LogicalResult ConvTransposeOp::verify() {
  if (failed(checkWindowSizes(*this, getX(), getStrides(), getDilations(), getPads())) ||
      failed(checkSameRank(*this, getX(), getW())) || failed(checkSameRank(*this, getX(), getY())) ||
      failed(checkElement(*this, getX(), getY())))
    return failure();
  if (static_cast<int64_t>(getGroups()) < 1)
    return emitOpError("expected at least 1 group, got ") << static_cast<int64_t>(getGroups());
  SymbolicExpr channels = dimsOf(getX())[1], inputs = dimsOf(getW())[0];
  return unify(getLoc(), channels, inputs, "channels of operand and weights");
}

LogicalResult MaxPoolIndicesOp::verify() {
  if (failed(checkWindowSizes(*this, getX(), getStrides(), getDilations(), getPads())) ||
      failed(checkSameRank(*this, getX(), getY())))
    return failure();
  if (!elementOf(getY()).isInteger(64))
    return emitOpError("expected a result of i64, got ") << elementOf(getY());
  return success();
}
