// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Result types of the composite ops.
#include "dialects/Bess/Infer.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::bess::infer;

using Types = SmallVectorImpl<Type>;

LogicalResult SoftmaxOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  types.push_back(adaptor.getX().getType());
  return checkAxis(loc, adaptor.getAxis(), dimsOf(adaptor.getX()).size());
}

LogicalResult LayerNormOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims dims = dimsOf(adaptor.getX());
  if (failed(checkAxis(loc, adaptor.getAxis(), dims.size())) ||
      failed(checkBroadcastTo(loc, adaptor.getScale(), dims, "scale")) ||
      (adaptor.getBias() && failed(checkBroadcastTo(loc, adaptor.getBias(), dims, "bias"))))
    return failure();
  types.push_back(adaptor.getX().getType());
  return success();
}

LogicalResult RmsNormOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims dims = dimsOf(adaptor.getX());
  if (failed(checkAxis(loc, adaptor.getAxis(), dims.size())) ||
      failed(checkBroadcastTo(loc, adaptor.getScale(), dims, "scale")))
    return failure();
  types.push_back(adaptor.getX().getType());
  return success();
}

/// Of attention, also in parts: the dimensions of the result.
template <class Adaptor> static FailureOr<Dims> attentionDims(OptLoc loc, Adaptor adaptor) {
  // Dimensions of an operand in the order B, H, S, D.
  auto canonical = [&](Value value, StringRef layout, StringRef what) -> FailureOr<Dims> {
    if (failed(checkRank(loc, value, what, 4)) || failed(checkOneOf(loc, "layout", layout, {"bhsd", "bshd"})))
      return failure();
    Dims dims = dimsOf(value);
    if (layout == "bshd")
      std::swap(dims[1], dims[2]);
    return dims;
  };
  FailureOr<Dims> q = canonical(adaptor.getQ(), adaptor.getQLayout(), "q");
  FailureOr<Dims> k = canonical(adaptor.getK(), adaptor.getKLayout(), "k");
  FailureOr<Dims> v = canonical(adaptor.getV(), adaptor.getVLayout(), "v");
  if (failed(q) || failed(k) || failed(v))
    return failure();
  SymbolicExpr batch = (*q)[0], heads = (*k)[1], keys = (*k)[2], depth = (*q)[3];
  if (failed(unify(loc, batch, (*k)[0], "batch dimensions of q and k")) ||
      failed(unify(loc, batch, (*v)[0], "batch dimensions of q and v")) ||
      failed(unify(loc, heads, (*v)[1], "heads of k and v")) ||
      failed(unify(loc, keys, (*v)[2], "lengths of k and v")) ||
      failed(unify(loc, depth, (*k)[3], "head sizes of q and k")))
    return failure();
  std::optional<int64_t> queryHeads = (*q)[1].isConstant(), keyHeads = heads.isConstant();
  if (queryHeads && keyHeads && (*keyHeads == 0 || *queryHeads % *keyHeads))
    return emitOptionalError(loc, "expected heads of q to be a multiple of those of k, got ", *queryHeads, " and ",
                             *keyHeads);
  if (Value mask = adaptor.getMask()) {
    if (failed(checkBroadcastTo(loc, mask, {batch, (*q)[1], (*q)[2], keys}, "mask")))
      return failure();
    if (!elementOf(mask).isInteger(1) && !isa<FloatType>(elementOf(mask)))
      return emitOptionalError(loc, "expected a mask of i1 or float, got ", elementOf(mask));
  }
  if (Value valid = adaptor.getValid()) {
    if (failed(checkRank(loc, valid, "valid lengths", 1)))
      return failure();
    if (!elementOf(valid).isInteger(64) && !elementOf(valid).isInteger(32))
      return emitOptionalError(loc, "expected valid lengths of i64 or i32, got ", elementOf(valid));
    if (failed(unify(loc, batch, dimsOf(valid)[0], "batch dimensions of q and valid")))
      return failure();
  }
  if (failed(checkOneOf(loc, "layout", adaptor.getYLayout(), {"bhsd", "bshd"})))
    return failure();
  Dims result = {batch, (*q)[1], (*q)[2], (*v)[3]};
  if (adaptor.getYLayout() == "bshd")
    std::swap(result[1], result[2]);
  return result;
}

LogicalResult AttentionOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  FailureOr<Dims> dims = attentionDims(loc, adaptor);
  if (failed(dims))
    return failure();
  types.push_back(getTensorType(*dims, elementOf(adaptor.getQ())));
  return success();
}

LogicalResult AttentionPartsOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  for (auto [count, what] : {std::pair<uint64_t, StringRef>{adaptor.getParts(), "parts"}, {adaptor.getUnit(), "unit"}})
    if (static_cast<int64_t>(count) < 1)
      return emitOptionalError(loc, "expected a positive number as `", what, "`, got ", static_cast<int64_t>(count));
  for (Value operand : {adaptor.getQ(), adaptor.getK(), adaptor.getV()})
    if (!isa<FloatType>(elementOf(operand)))
      return emitOptionalError(loc, "expected q, k and v of floats, got ", operand.getType());
  FailureOr<Dims> dims = attentionDims(loc, adaptor);
  if (failed(dims))
    return failure();
  Type f32 = Float32Type::get(adaptor.getQ().getContext());
  SymbolicExpr parts = static_cast<int64_t>(adaptor.getParts());
  // parts for S = 1 (and 0), 1 for more.
  if (SymbolicExpr queries = (*dims)[adaptor.getYLayout() == "bshd" ? 1 : 2]; adaptor.getOfOneQuery())
    parts = SymbolicExpr(1) + (parts - 1) * SymbolicExpr::min(SymbolicExpr::max(SymbolicExpr(2) - queries, 0), 1);
  dims->insert(dims->begin(), parts);
  types.push_back(getTensorType(*dims, f32));
  dims->pop_back();
  types.append(2, getTensorType(*dims, f32));
  return success();
}

LogicalResult CombinePartsOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims dims = dimsOf(adaptor.getY());
  for (Value operand : {adaptor.getY(), adaptor.getLargest(), adaptor.getSum()})
    if (!elementOf(operand).isF32())
      return emitOptionalError(loc, "expected parts in f32, got ", operand.getType());
  if (dims.size() < 2 || (!dims.front().isConstant() && !adaptor.getMostParts()))
    return emitOptionalError(loc, "expected parts [P, .., D], P known or `most_parts`, got ", adaptor.getY().getType());
  for (Value operand : {adaptor.getLargest(), adaptor.getSum()}) {
    Dims own = dimsOf(operand);
    if (own.size() + 1 != dims.size())
      return emitOptionalError(loc, "expected a number for each row of ", adaptor.getY().getType(), ", got ",
                               operand.getType());
    for (auto [x, y] : llvm::zip(own, dims))
      if (failed(unify(loc, x, y, "dimensions of the parts")))
        return failure();
  }
  if (!isa<FloatType>(adaptor.getTo()))
    return emitOptionalError(loc, "expected a float type as `to`, got ", adaptor.getTo());
  dims.erase(dims.begin());
  types.push_back(getTensorType(dims, adaptor.getTo()));
  return success();
}

LogicalResult RopeOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  if (failed(checkRank(loc, adaptor.getX(), "an operand", 4)))
    return failure();
  Dims dims = dimsOf(adaptor.getX());
  int64_t rotary = adaptor.getRotary();
  std::optional<int64_t> depth = dims[3].isConstant();
  if (rotary < 0 || rotary % 2 || (depth && rotary > *depth))
    return emitOptionalError(loc, "expected an even `rotary` of at most ", dims[3].str(), ", got ", rotary);
  dims[3] = rotary / 2;
  if (failed(checkBroadcastTo(loc, adaptor.getCos(), dims, "cos")) ||
      failed(checkBroadcastTo(loc, adaptor.getSin(), dims, "sin")))
    return failure();
  types.push_back(adaptor.getX().getType());
  return success();
}

/// x [S, B, I], w [D, gates*H, I], r [D, gates*H, H], bias [D, 2*gates*H].
static LogicalResult inferRecurrent(OptLoc loc, Value x, Value w, Value r, Value bias, Value lengths,
                                    ArrayRef<Value> states, StringRef direction, int64_t gates, bool cell,
                                    DictionaryAttr attributes, Types &types) {
  // The layout phase puts w and r in panels, a gate of a direction after the
  // other: [D * gates, ceil(H / block), depth, block]; H is then in this attribute.
  if (auto packed = attributes ? attributes.getAs<StringAttr>(packedColumnsName) : StringAttr()) {
    if (failed(checkRank(loc, x, "x", 3)))
      return failure();
    Dims xs = dimsOf(x);
    Dims state = {direction == "bidirectional" ? 2 : 1, xs[1],
                  SymbolicExpr::parse(packed.getValue()).value_or(SymbolicExpr::invalid())};
    types.push_back(getTensorType({xs[0], state[0], state[1], state[2]}, elementOf(x)));
    types.append(cell ? 2 : 1, getTensorType(state, elementOf(x)));
    return success();
  }
  if (failed(checkRank(loc, x, "x", 3)) || failed(checkRank(loc, w, "w", 3)) || failed(checkRank(loc, r, "r", 3)) ||
      failed(checkOneOf(loc, "direction", direction, {"forward", "reverse", "bidirectional"})))
    return failure();
  Dims xs = dimsOf(x), ws = dimsOf(w), rs = dimsOf(r);
  SymbolicExpr directions = direction == "bidirectional" ? 2 : 1, hidden = rs[2];
  SymbolicExpr wide = hidden * gates;
  if (failed(unify(loc, ws[0], directions, "directions of w")) ||
      failed(unify(loc, rs[0], directions, "directions of r")) ||
      failed(unify(loc, ws[2], xs[2], "input sizes of w and x")) ||
      failed(unify(loc, ws[1], wide, "gates of w and hidden size")) ||
      failed(unify(loc, rs[1], wide, "gates of r and hidden size")))
    return failure();
  if (bias) {
    if (failed(checkRank(loc, bias, "bias", 2)))
      return failure();
    SymbolicExpr both = wide * 2;
    if (failed(unify(loc, both, dimsOf(bias)[1], "bias and gates")))
      return failure();
  }
  if (lengths) {
    if (failed(checkRank(loc, lengths, "lengths", 1)))
      return failure();
    if (!elementOf(lengths).isInteger(32) && !elementOf(lengths).isInteger(64))
      return emitOptionalError(loc, "expected lengths of i32 or i64, got ", elementOf(lengths));
  }
  Dims state = {directions, xs[1], hidden};
  for (Value initial : states) {
    if (!initial)
      continue;
    if (failed(checkRank(loc, initial, "an initial state", 3)))
      return failure();
    for (auto [a, b] : llvm::zip(state, dimsOf(initial)))
      if (failed(unify(loc, a, b, "dimensions of the state")))
        return failure();
  }
  Type element = elementOf(x);
  types.push_back(getTensorType({xs[0], state[0], state[1], state[2]}, element));
  types.append(cell ? 2 : 1, getTensorType(state, element));
  return success();
}

LogicalResult LstmOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor a, Types &types) {
  return inferRecurrent(loc, a.getX(), a.getW(), a.getR(), a.getBias(), a.getLengths(),
                        {a.getInitialH(), a.getInitialC()}, a.getDirection(), 4, true, a.getAttributes(), types);
}

LogicalResult GruOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor a, Types &types) {
  return inferRecurrent(loc, a.getX(), a.getW(), a.getR(), a.getBias(), a.getLengths(), {a.getInitialH()},
                        a.getDirection(), 3, false, a.getAttributes(), types);
}

LogicalResult RnnOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor a, Types &types) {
  return inferRecurrent(loc, a.getX(), a.getW(), a.getR(), a.getBias(), a.getLengths(), {a.getInitialH()},
                        a.getDirection(), 1, false, a.getAttributes(), types);
}
