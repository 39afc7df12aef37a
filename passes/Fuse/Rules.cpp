// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Fuse/Rules.h"

#include "dialects/Bess/DTypes.h"
#include "dialects/Bess/Views.h"
#include "dialects/Tile/AttentionShape.h"
#include "dialects/Tile/ProductShape.h"
#include "dialects/Tile/TargetSchedule.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

static SymbolicExpr one() { return SymbolicExpr::constant(1); }

static bool hasKnownDims(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor &&
         llvm::none_of(getDims(tensor), [](const SymbolicExpr &dim) { return dim == SymbolicExpr::symbol("?"); });
}

bool fuse::isComputable(Type type) { return hasKnownDims(type) && bessemer::isComputable(getDType(type)); }

/// Numbers of any width: those that programs do not compute with are moved and converted.
static bool isMovable(Type type) {
  if (!hasKnownDims(type))
    return false;
  DType element = getDType(type);
  return bessemer::isComputable(element) || bessemer::isFloat(element) || bessemer::isInteger(element);
}

static bool isFloatTensor(Type type) { return isa<FloatType>(getElementTypeOrSelf(type)); }

static bool allComputable(Operation *op) {
  return llvm::all_of(op->getOperandTypes(), fuse::isComputable) &&
         llvm::all_of(op->getResultTypes(), fuse::isComputable);
}

bool fuse::isElementwiseOp(Operation *op) {
  if (!op || !allComputable(op))
    return false;
  bool isFloat = op->getNumOperands() && isFloatTensor(op->getOperand(0).getType());
  // Integer division traps where the reference gives an error text: not here.
  if (isa<DivOp>(op))
    return isFloat;
  // Of pow, only what a product or a square root can say: the exponent is known.
  if (auto pow = dyn_cast<PowOp>(op)) {
    auto exponent = pow.getB().getDefiningOp<ConstantOp>();
    auto splat = exponent ? dyn_cast<SplatElementsAttr>(exponent.getValue()) : SplatElementsAttr();
    if (!splat || !isFloat || !isa<FloatType>(splat.getElementType()))
      return false;
    double value = splat.getSplatValue<APFloat>().convertToDouble();
    return value == 2 || value == 3 || value == 0.5 || value == -0.5 || value == -1 || value == 1;
  }
  // Float to integer is defined by the reference for every value; the machine's
  // conversion only for those that fit.
  if (auto cast = dyn_cast<CastOp>(op))
    return !(isFloat && cast.getTo().isIntOrIndex() && !cast.getTo().isInteger(1));
  return isa<AbsOp, NegOp, ExpOp, LogOp, SqrtOp, RsqrtOp, ReciprocalOp, TanhOp, ErfOp, SigmoidOp, SoftplusOp, SinOp,
             CosOp, FloorOp, CeilOp, RoundOp, SignOp, ReluOp, NotOp, IsNanOp, GeluOp, AddOp, SubOp, MulOp, MinOp, MaxOp,
             AndOp, OrOp, XorOp, BitwiseAndOp, BitwiseOrOp, BitwiseXorOp, BitwiseNotOp, EqualOp, NotEqualOp, LessOp,
             LessEqualOp, GreaterOp, GreaterEqualOp, WhereOp>(op) &&
         !(isa<ExpOp, LogOp, SqrtOp, TanhOp, ErfOp, SigmoidOp, GeluOp>(op) && !isFloat);
}

bool fuse::isRowOp(Operation *op) {
  if (!op)
    return false;
  if (isElementwiseOp(op))
    return true;
  if (!allComputable(op) || op->getNumResults() != 1)
    return false;
  auto result = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  int64_t rank = result.getRank();
  auto rankOf = [](Value v) { return cast<RankedTensorType>(v.getType()).getRank(); };
  if (auto reduce = dyn_cast<ReduceOp>(op)) {
    static const llvm::StringRef kinds[] = {"sum", "mean", "max", "min", "sum_square", "l1", "l2", "prod"};
    bool known = llvm::is_contained(kinds, reduce.getKind());
    bool isFloat = isFloatTensor(reduce.getX().getType());
    if (!known || !reduce.getKeepdims() || reduce.getAxes().size() != 1 ||
        (!isFloat && reduce.getKind() != "sum" && reduce.getKind() != "max" && reduce.getKind() != "min"))
      return false;
    // Along the last axis, or along the one before it, a row then.
    int64_t axis = reduce.getAxes()[0];
    return axis == rank - 1 || axis == rank - 2;
  }
  if (auto softmax = dyn_cast<SoftmaxOp>(op))
    return rank > 0 && int64_t(softmax.getAxis()) == rank - 1 && isFloatTensor(result);
  if (auto norm = dyn_cast<LayerNormOp>(op))
    return rank > 0 && int64_t(norm.getAxis()) == rank - 1 && isFloatTensor(result);
  if (auto norm = dyn_cast<RmsNormOp>(op))
    return rank > 0 && int64_t(norm.getAxis()) == rank - 1 && isFloatTensor(result);
  if (isa<PadOp, BroadcastOp, IotaOp, TransposeOp, RepeatOp, RangeOp>(op))
    return rank > 0;
  if (isa<TriluOp>(op))
    return rank >= 2;
  if (auto gather = dyn_cast<GatherOp>(op))
    return rank > 0 && int64_t(gather.getAxis()) < rankOf(gather.getX()) - 1;
  if (isa<SliceOp>(op))
    return rank > 0;
  return false;
}

bool fuse::canPull(Operation *op, unsigned operand) {
  if (isElementwiseOp(op) || isa<SoftmaxOp, LayerNormOp, RmsNormOp, BroadcastOp, ReduceOp, TriluOp>(op))
    return true;
  // The row must stay a row.
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    auto permutation = transpose.getPermutation();
    return permutation.back() == static_cast<int64_t>(permutation.size()) - 1;
  }
  if (auto slice = dyn_cast<SliceOp>(op)) {
    auto from = getDims(slice.getX().getType()), to = getDims(slice.getY().getType());
    return !from.empty() && from.back() == to.back() && slice.getSteps().back() == 1;
  }
  return false;
}

bool fuse::isCheap(Operation *op) {
  return isa<AbsOp, NegOp, AddOp, SubOp, MulOp, MinOp, MaxOp, ReluOp, AndOp, OrOp, XorOp, NotOp, EqualOp, NotEqualOp,
             LessOp, LessEqualOp, GreaterOp, GreaterEqualOp, WhereOp, CastOp, BroadcastOp, IotaOp, TransposeOp,
             SliceOp>(op);
}

/// All of `dims` but the last are 1.
static bool isVector(ArrayRef<SymbolicExpr> dims) {
  return llvm::all_of(dims.drop_back(dims.empty() ? 0 : 1), [](const SymbolicExpr &d) { return d == one(); });
}

bool fuse::isMatmulEpilogueOperand(Type operand, Type result) {
  auto dims = getDims(operand), to = getDims(result);
  if (dims == to)
    return true;
  return dims.empty() ||
         (isVector(dims) && dims.size() <= to.size() && (dims.back() == to.back() || dims.back() == one()));
}

bool fuse::isConvEpilogueOperand(Type operand, Type result) {
  auto dims = getDims(operand), to = getDims(result);
  if (dims == to)
    return true;
  // A scalar, or one value for each channel: [C, 1, 1] or [1, C, 1, 1].
  size_t offset = to.size() - dims.size();
  for (auto [i, dim] : llvm::enumerate(dims))
    if (!(dim == one()) && !(offset + i == 1 && dim == to[1]))
      return false;
  return dims.size() <= to.size();
}

bool fuse::isForGpu(Operation *op) {
  auto module = op->getParentOfType<ModuleOp>();
  return module && tile::getGpuMachine(module);
}

bool fuse::isTileableAnchor(Operation *op) {
  bool isForGpu = fuse::isForGpu(op);
  // Products on a GPU read float8 as it lies.
  bool readsFloat8 = isForGpu && isa<MatmulOp, MatmulPartsOp>(op);
  auto isFloat8Operand = [&](Type type) {
    return readsFloat8 && hasKnownDims(type) && tile::isProductFloat8(getElementTypeOrSelf(type));
  };
  auto isKnown = [&](Type type) { return isComputable(type) || isFloat8Operand(type); };
  if (!llvm::all_of(op->getOperandTypes(), isKnown) || !llvm::all_of(op->getResultTypes(), isComputable))
    return false;
  auto floating = [](Type type) {
    Type element = getElementTypeOrSelf(type);
    return element.isF32() || element.isF16() || element.isBF16();
  };
  auto multiplied = [&](Type type) { return floating(type) || isFloat8Operand(type); };
  if (auto matmul = dyn_cast<MatmulOp>(op))
    return llvm::all_of(op->getOperandTypes(), multiplied) && floating(matmul.getY().getType()) &&
           (!matmul.getTransposeA() || isForGpu);
  if (isa<MatmulPartsOp>(op))
    return llvm::all_of(op->getOperandTypes(), multiplied);
  if (auto grouped = dyn_cast<GroupedMatmulOp>(op))
    return floating(grouped.getX().getType());
  if (isa<SumPartsOp>(op))
    return floating(op->getResult(0).getType()) && cast<RankedTensorType>(op->getResult(0).getType()).getRank() > 0;
  if (auto attention = dyn_cast<AttentionOp>(op)) {
    Value operands[] = {attention.getQ(), attention.getK(), attention.getV()};
    if (!attention.getValid())
      return llvm::all_of(operands, [&](Value v) { return floating(v.getType()); });
    // A number of valid keys: the program for a GPU knows it, for operands of one type.
    Type element = getElementTypeOrSelf(operands[0].getType());
    auto isUsual = [&](Value v) {
      std::optional<int64_t> depth = getDims(v.getType()).back().isConstant();
      return floating(v.getType()) && getElementTypeOrSelf(v.getType()) == element && depth && *depth <= 256;
    };
    return isForGpu && llvm::all_of(operands, isUsual);
  }
  if (isa<AttentionPartsOp>(op))
    return tile::GpuAttention::of(op).has_value();
  if (isa<CombinePartsOp>(op))
    return floating(op->getResult(0).getType());
  if (auto conv = dyn_cast<ConvOp>(op))
    return llvm::all_of(op->getOperandTypes(), floating) && floating(conv.getY().getType());
  if (isa<WinogradInputOp, WinogradOutputOp>(op))
    return getElementTypeOrSelf(op->getOperand(0).getType()).isF32() &&
           getElementTypeOrSelf(op->getResult(0).getType()).isF32();
  if (auto concat = dyn_cast<ConcatOp>(op))
    return cast<RankedTensorType>(concat.getY().getType()).getRank() > 0 && !isContiguousConcat(concat);
  if (auto rope = dyn_cast<RopeOp>(op))
    return floating(rope.getX().getType()) && cast<RankedTensorType>(rope.getX().getType()).getRank() == 4 &&
           !rope.getInterleaved();
  if (isa<CumulateOp, TopKOp, ScatterElementsOp, ScatterNdOp, MaxUnpoolOp>(op))
    return cast<RankedTensorType>(op->getResult(0).getType()).getRank() > 0;
  if (isa<LstmOp, GruOp, RnnOp>(op)) {
    auto weights = cast<RankedTensorType>(op->getOperand(1).getType());
    return floating(weights) && weights.hasStaticShape();
  }
  if (auto pool = dyn_cast<PoolOp>(op))
    return floating(pool.getX().getType()) && pool.getKind() != "lp";
  return false;
}

bool fuse::isPointOp(Operation *op) {
  if (op->getNumResults() != 1)
    return false;
  if (isa<CastOp, BitcastOp, QuantizeOp, DequantizeOp, WhereOp, BroadcastOp, TransposeOp, SliceOp, ConcatOp, PadOp,
          RepeatOp, ReverseOp, TriluOp, GatherOp, GatherElementsOp, GatherNdOp, OneHotOp, ReverseSequenceOp,
          TensorScatterOp>(op))
    return llvm::all_of(op->getOperandTypes(), isMovable) && llvm::all_of(op->getResultTypes(), isMovable);
  if (!allComputable(op))
    return false;
  return op->hasTrait<Elementwise>() ||
         isa<RangeOp, IotaOp, ReduceOp, ArgReduceOp, MatmulOp, ConvOp, ConvTransposeOp, Col2ImOp, PoolOp,
             MaxPoolIndicesOp, LrnOp, ResizeOp, GridSampleOp, RoiAlignOp, DeformConvOp, DftOp, StftOp, DetOp>(op);
}
