// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Bess/Infer.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::bess::infer;

bool bess::compatibleTypes(Type l, Type r) {
  if (l == r)
    return true;
  auto left = dyn_cast<RankedTensorType>(l), right = dyn_cast<RankedTensorType>(r);
  if (!left || !right || left.getElementType() != right.getElementType() || left.getRank() != right.getRank())
    return false;
  for (auto [a, b] : llvm::zip(left.getShape(), right.getShape()))
    if (!ShapedType::isDynamic(a) && !ShapedType::isDynamic(b) && a != b)
      return false;
  return true;
}

bool bess::compatibleTypes(TypeRange l, TypeRange r) {
  return l.size() == r.size() &&
         llvm::all_of(llvm::zip(l, r), [](auto pair) { return compatibleTypes(std::get<0>(pair), std::get<1>(pair)); });
}

LogicalResult infer::unify(OptLoc loc, SymbolicExpr &a, const SymbolicExpr &b, StringRef what) {
  if (a == b)
    return success();
  if (a.isConstant() && b.isConstant())
    return emitOptionalError(loc, "expected ", what, " to be equal, got ", a.str(), " and ", b.str());
  if (b.isConstant() || (!a.isConstant() && b.str().size() < a.str().size()))
    a = b;
  return success();
}

LogicalResult infer::checkRank(OptLoc loc, Value value, StringRef what, size_t rank) {
  size_t got = cast<ShapedType>(value.getType()).getRank();
  if (got != rank)
    return emitOptionalError(loc, "expected ", what, " of rank ", rank, ", got rank ", got);
  return success();
}

LogicalResult infer::checkAxis(OptLoc loc, int64_t axis, size_t rank) {
  if (axis < 0 || axis >= static_cast<int64_t>(rank))
    return emitOptionalError(loc, "expected an axis in [0, ", rank, "), got ", axis);
  return success();
}

LogicalResult infer::checkAxes(OptLoc loc, ArrayRef<int64_t> axes, size_t rank) {
  llvm::SmallDenseSet<int64_t> seen;
  for (int64_t axis : axes) {
    if (failed(checkAxis(loc, axis, rank)))
      return failure();
    if (!seen.insert(axis).second)
      return emitOptionalError(loc, "expected each axis once, got axis ", axis, " twice");
  }
  return success();
}

LogicalResult infer::checkSameElement(OptLoc loc, Value a, Value b, StringRef whatA, StringRef whatB) {
  if (elementOf(a) != elementOf(b))
    return emitOptionalError(loc, "expected ", whatA, " and ", whatB, " of one element type, got ", elementOf(a),
                             " and ", elementOf(b));
  return success();
}

LogicalResult infer::checkOneOf(OptLoc loc, StringRef what, StringRef value, ArrayRef<StringRef> allowed) {
  if (llvm::is_contained(allowed, value))
    return success();
  return emitOptionalError(loc, "expected ", what, " to be one of ", llvm::join(allowed, ", "), ", got \"", value,
                           "\"");
}

FailureOr<Dims> infer::broadcast(OptLoc loc, ValueRange values) {
  SmallVector<Dims> shapes;
  for (Value value : values)
    shapes.push_back(dimsOf(value));
  FailureOr<Dims> dims = broadcastDims(shapes);
  if (succeeded(dims))
    return dims;
  if (loc) {
    InFlightDiagnostic error = emitError(*loc) << "expected shapes that broadcast, got ";
    llvm::interleave(values, [&](Value value) { error << value.getType(); }, [&] { error << " and "; });
  }
  return failure();
}

LogicalResult infer::checkBroadcastTo(OptLoc loc, Value value, ArrayRef<SymbolicExpr> dims, StringRef what) {
  Dims from = dimsOf(value);
  if (from.size() > dims.size())
    return emitOptionalError(loc, "expected ", what, " of rank at most ", dims.size(), ", got rank ", from.size());
  for (auto [dim, target] : llvm::zip(from, dims.take_back(from.size())))
    if (dim.isConstant() && target.isConstant() && dim != target && *dim.isConstant() != 1)
      return emitOptionalError(loc, "expected ", what, " to broadcast to extent ", target.str(), ", got ", dim.str());
  return success();
}

SymbolicExpr infer::windowCount(const SymbolicExpr &extent, const SymbolicExpr &window, int64_t stride,
                                int64_t dilation, int64_t low, int64_t high) {
  SymbolicExpr span = (window - 1) * dilation + 1;
  return SymbolicExpr::floorDiv(extent + low + high - span, stride) + 1;
}

FailureOr<Operation *> bess::tryCreate(OpBuilder &builder, Location loc, StringRef name, ValueRange operands,
                                       ArrayRef<NamedAttribute> attributes) {
  OperationState state(loc, name);
  state.addOperands(operands);
  state.addAttributes(attributes);
  std::optional<RegisteredOperationName> info = state.name.getRegisteredInfo();
  auto *inference = info ? info->getInterface<InferTypeOpInterface>() : nullptr;
  if (!inference)
    return emitError(loc) << "expected an op with inferred result types, got " << name;
  DictionaryAttr dictionary = state.attributes.getDictionary(builder.getContext());
  // The properties live in the operation state only while it is typed; a
  // detached operation is the one place that has them without knowing the op.
  Operation *probe =
      Operation::create(loc, state.name, TypeRange{}, operands, dictionary, OpaqueProperties(nullptr), BlockRange(), 0);
  SmallVector<Type> types;
  LogicalResult inferred =
      inference->inferReturnTypes(builder.getContext(), loc, operands, probe->getDiscardableAttrDictionary(),
                                  probe->getPropertiesStorage(), RegionRange(), types);
  probe->erase();
  if (failed(inferred))
    return failure();
  state.addTypes(types);
  return builder.create(state);
}
