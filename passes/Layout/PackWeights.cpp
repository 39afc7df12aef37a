// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Layout/Passes.h"

#include "llvm/Support/MathExtras.h"

namespace bessemer {
#define GEN_PASS_DEF_PACKWEIGHTS
#include "passes/Layout/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

namespace {
struct PackWeights : bessemer::impl::PackWeightsBase<PackWeights> {
  void runOnOperation() override {
    int64_t columns = tile::getCpuSchedule(getOperation()).panelColumns();
    // A GPU's product reads rows of 16 bytes as they are.
    bool isGpu = tile::getGpuMachine(getOperation()).has_value();
    if (!isGpu) {
      getOperation().walk([&](MatmulOp matmul) { pack(matmul, matmul.getTransposeB(), columns); });
      getOperation().walk([&](GroupedMatmulOp grouped) { pack(grouped, grouped.getTransposeB(), columns); });
    }
    SmallVector<ConvOp> convs;
    getOperation().walk([&](ConvOp conv) { convs.push_back(conv); });
    for (ConvOp conv : convs)
      if (!isGpu || !multiply(conv))
        pack(conv, columns, isGpu);
    getOperation().walk([&](Operation *op) {
      if (isa<LstmOp, GruOp, RnnOp>(op))
        packRecurrent(op, columns);
    });
  }

  /// w and r [D, gates * H, depth], each gate of a direction in panels of its own.
  static void packRecurrent(Operation *op, int64_t columns) {
    std::optional<int64_t> hidden = getDims(op->getResult(1).getType()).back().isConstant();
    if (!hidden || *hidden < 1 || op->hasAttr(packedColumnsName) || op->getOperand(1) == op->getOperand(2))
      return;
    for (unsigned i : {1u, 2u})
      if (!isFloat(op->getOperand(i)) || !isKnownAtLoad(op->getOperand(i)) ||
          !cast<RankedTensorType>(op->getOperand(i).getType()).hasStaticShape())
        return;
    for (unsigned i : {1u, 2u}) {
      Value weight = op->getOperand(i);
      auto type = cast<RankedTensorType>(weight.getType());
      int64_t gates = type.getDimSize(0) * type.getDimSize(1) / *hidden;
      OpBuilder builder(op->getContext());
      builder.setInsertionPointAfterValue(weight);
      auto apart = RankedTensorType::get({gates, *hidden, type.getDimSize(2)}, type.getElementType());
      op->setOperand(
          i, panelsOf(ReshapeOp::create(builder, weight.getLoc(), apart, weight), columns, /*transposed=*/true));
    }
    op->setAttr(packedColumnsName, StringAttr::get(op->getContext(), std::to_string(*hidden)));
  }

  /// The weight [.., K, N] (or [.., N, K]) in panels of `columns`.
  static Value panelsOf(Value weight, int64_t columns, bool transposed) {
    for (Operation *user : weight.getUsers())
      if (auto other = dyn_cast<PackOp>(user);
          other && static_cast<int64_t>(other.getBlock()) == columns && other.getTransposed() == transposed)
        return other.getY();
    auto dims = getDims(weight.getType());
    SymbolicExpr depth = dims[dims.size() - (transposed ? 1 : 2)], width = dims[dims.size() - (transposed ? 2 : 1)];
    dims.pop_back_n(2);
    dims.append({SymbolicExpr::ceilDiv(width, columns), depth, SymbolicExpr(columns)});
    // Beside the weight's own place, so that two readers can share it.
    OpBuilder builder(weight.getContext());
    builder.setInsertionPointAfterValue(weight);
    return PackOp::create(builder, weight.getLoc(), getTensorType(dims, getElementTypeOrSelf(weight.getType())), weight,
                          "panels", columns, transposed);
  }

  static bool isFloat(Value value) {
    Type element = getElementTypeOrSelf(value.getType());
    return element.isF32() || element.isF16() || element.isBF16();
  }

  /// The second operand of a product.
  static void pack(Operation *product, bool transposed, int64_t columns) {
    Value left = product->getOperand(0), weight = product->getOperand(1);
    auto dims = getDims(weight.getType());
    if (dims.size() < 2 || product->hasAttr(packedColumnsName) || !isFloat(weight) || !isFloat(left) ||
        !isKnownAtLoad(weight) || left == weight)
      return;
    SymbolicExpr width = dims[dims.size() - (transposed ? 2 : 1)];
    product->setOperand(1, panelsOf(weight, columns, transposed));
    product->setAttr(packedColumnsName, StringAttr::get(product->getContext(), width.str()));
  }

  /// A 1x1 convolution with stride 1 and nothing around the image is a product of the image and the weights.
  static bool multiply(ConvOp conv) {
    Value weight = conv.getW();
    auto type = cast<RankedTensorType>(weight.getType());
    auto all = [](ArrayRef<int64_t> values, int64_t wanted) {
      return llvm::all_of(values, [&](int64_t v) { return v == wanted; });
    };
    Type element = getElementTypeOrSelf(conv.getY().getType());
    if (conv.getLayout() != channelsLast || conv.getWeightShape() || !type.hasStaticShape() || !isFloat(weight) ||
        static_cast<int64_t>(conv.getGroups()) != 1 || !all(type.getShape().drop_front(2), 1) ||
        !all(conv.getStrides(), 1) || !all(conv.getPads(), 0) || type.getElementType() != element ||
        getElementTypeOrSelf(conv.getX().getType()) != element)
      return false;
    OpBuilder builder(conv);
    Location loc = conv.getLoc();
    Value rows;
    {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointAfterValue(weight);
      rows = ReshapeOp::create(builder, weight.getLoc(),
                               RankedTensorType::get({type.getDimSize(0), type.getDimSize(1)}, element), weight);
    }
    auto product =
        MatmulOp::create(builder, loc, conv.getX(), rows, /*transpose_a=*/false, /*transpose_b=*/true, TypeAttr());
    product->setAttr("bess.reason", builder.getStringAttr("a 1x1 convolution: a matrix product of the image"));
    Value result = product.getY();
    if (conv.getBias())
      result = AddOp::create(builder, loc, result, conv.getBias());
    conv.replaceAllUsesWith(result);
    conv.erase();
    return true;
  }

  /// For a GPU, [groups, 1, window * C/groups, channels]: rows of all output channels of a group, of whole accesses
  /// of 16 bytes when the loader can pad them.
  static void pack(ConvOp conv, int64_t columns, bool isGpu) {
    Value weight = conv.getW();
    auto type = cast<RankedTensorType>(weight.getType());
    bool known = isKnownAtLoad(weight);
    if (conv.getLayout() != channelsLast || conv.getWeightShape() || !type.hasStaticShape() || !isFloat(weight) ||
        !(known || isGpu))
      return;
    SmallVector<int64_t> shape(type.getShape());
    int64_t groups = conv.getGroups(), perGroup = shape[0] / groups, channels = shape[1], taps = 1;
    for (int64_t extent : ArrayRef<int64_t>(shape).drop_front(2))
      taps *= extent;
    OpBuilder builder(weight.getContext());
    builder.setInsertionPointAfterValue(weight);
    auto reshape = [&](Value value, ArrayRef<int64_t> to) -> Value {
      auto wanted = RankedTensorType::get(to, type.getElementType());
      return value.getType() == wanted ? value : ReshapeOp::create(builder, weight.getLoc(), wanted, value).getY();
    };
    auto transpose = [&](Value value, ArrayRef<int64_t> permutation) -> Value {
      return TransposeOp::create(builder, weight.getLoc(), value, permutation);
    };
    Value packed;
    if (groups > 1 && channels == 1 && perGroup == 1) {
      packed = transpose(reshape(weight, {groups, taps}), {1, 0});
    } else if (isGpu && !known) {
      packed = transpose(reshape(weight, {groups, perGroup, channels, taps}), {0, 3, 2, 1});
      packed = reshape(packed, {groups, 1, taps * channels, perGroup});
    } else {
      if (isGpu)
        columns = llvm::alignTo(perGroup, 16 * 8 / type.getElementTypeBitWidth());
      else
        columns = std::min<int64_t>(columns, llvm::PowerOf2Ceil(perGroup));
      Value rows = weight;
      if (taps > 1)
        rows = transpose(reshape(weight, {groups, perGroup, channels, taps}), {0, 1, 3, 2});
      rows = reshape(rows, {groups, perGroup, taps * channels});
      packed = panelsOf(rows, columns, /*transposed=*/true);
    }
    conv.getWMutable().set(packed);
    conv.setWeightShape(shape);
  }
};
} // namespace
