// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Bess/Views.h"
#include "dialects/Tile/AttentionShape.h"
#include "dialects/Tile/ProductShape.h"
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Layout/Passes.h"

#include "llvm/ADT/MapVector.h"

#include <cmath>

namespace bessemer {
#define GEN_PASS_DEF_MERGEPRODUCTS
#include "passes/Layout/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

namespace {
/// A product with constant weights whose result is read as heads, in slices of them as well.
struct Part {
  MatmulOp matmul;
  Value bias;      ///< that is added; null: none
  ReshapeOp heads; ///< [.., heads, depth]
  int64_t columns = 0, depth = 0;

  /// Is it one product with `other`?
  bool matches(Part other) {
    MatmulOp a = matmul, b = other.matmul;
    return a.getA() == b.getA() && a->getBlock() == b->getBlock() && a.getTransposeA() == b.getTransposeA() &&
           a.getTransposeB() == b.getTransposeB() && a.getTo() == b.getTo() &&
           getElementTypeOrSelf(a.getB().getType()) == getElementTypeOrSelf(b.getB().getType()) &&
           !bias == !other.bias && depth == other.depth &&
           ArrayRef(getDims(heads.getType())).take_front(2) == ArrayRef(getDims(other.heads.getType())).take_front(2);
  }
};

/// Attention reads slices of heads where they lie, and so does what appends them to a cache.
bool readsSlice(OpOperand &use, Value heads) {
  if (auto attention = dyn_cast<AttentionOp>(use.getOwner())) {
    StringRef layouts[] = {attention.getQLayout(), attention.getKLayout(), attention.getVLayout()};
    unsigned number = use.getOperandNumber();
    std::optional<tile::GpuAttention> known = tile::GpuAttention::of(attention);
    // Query heads that are rows of a block have a view of their own.
    bool isOneRow = getElementCount(heads.getType()) == product(ArrayRef(getDims(heads.getType())).take_back(2));
    return number < 3 && layouts[number] == "bshd" && known && (number != 0 || !known->folded || isOneRow);
  }
  auto transpose = dyn_cast<TransposeOp>(use.getOwner());
  if (!transpose || !transpose->hasOneUse())
    return false;
  auto concat = dyn_cast<ConcatOp>(*transpose->getUsers().begin());
  auto permutation = transpose.getPermutation();
  return concat && int64_t(concat.getAxis()) + 2 == int64_t(permutation.size()) &&
         permutation.back() + 1 == int64_t(permutation.size());
}

std::optional<Part> partOf(MatmulOp matmul) {
  auto weight = cast<RankedTensorType>(matmul.getB().getType());
  if (weight.getRank() != 2 || !weight.hasStaticShape() || !matmul.getB().hasOneUse() ||
      matmul->hasAttr(packedColumnsName) || !isKnownAtLoad(matmul.getB()) || matmul.getA() == matmul.getB() ||
      !matmul->hasOneUse())
    return std::nullopt;
  Part part{matmul, {}, {}, weight.getDimSize(matmul.getTransposeB() ? 0 : 1), 0};
  Value y = matmul.getY();
  if (auto add = dyn_cast<AddOp>(*y.getUsers().begin())) {
    part.bias = add.getA() == y ? add.getB() : add.getA();
    auto type = cast<RankedTensorType>(part.bias.getType());
    if (type.getRank() != 1 || type.getDimSize(0) != part.columns || !part.bias.hasOneUse() ||
        !isKnownAtLoad(part.bias) || add.getType() != y.getType() || !add->hasOneUse())
      return std::nullopt;
    y = add.getResult();
  }
  part.heads = dyn_cast<ReshapeOp>(*y.getUsers().begin());
  if (!part.heads || !part.heads->hasOneUse())
    return std::nullopt;
  auto dims = getDims(part.heads.getType());
  std::optional<int64_t> depth = dims.back().isConstant(), count;
  if (dims.size() == 4)
    count = dims[2].isConstant();
  if (!depth || !count || *depth * *count != part.columns || !readsSlice(*part.heads->use_begin(), part.heads))
    return std::nullopt;
  part.depth = *depth;
  return part;
}

struct MergeProducts : bessemer::impl::MergeProductsBase<MergeProducts> {
  void runOnOperation() override {
    std::optional<GpuMachine> machine = tile::getGpuMachine(getOperation());
    if (!machine)
      return;
    llvm::MapVector<Value, SmallVector<SmallVector<Part>>> groups;
    getOperation().walk([&](MatmulOp matmul) {
      std::optional<Part> part = partOf(matmul);
      if (!part)
        return;
      auto &ofOperand = groups[matmul.getA()];
      auto known = llvm::find_if(ofOperand, [&](SmallVector<Part> &group) { return part->matches(group.front()); });
      (known == ofOperand.end() ? ofOperand.emplace_back() : *known).push_back(*part);
    });
    for (auto &[operand, ofOperand] : groups)
      for (SmallVector<Part> &group : ofOperand)
        if (group.size() > 1)
          merge(group, *machine);
  }

  static double cyclesOf(MatmulOp matmul, int64_t columns, const GpuMachine &machine) {
    std::optional<tile::ProductOp> product = tile::ProductOp::of(matmul);
    std::optional<tile::ProductSizes> sizes = tile::productSizes(*product, /*packed=*/false);
    if (!sizes)
      return 0;
    sizes->columns = columns;
    std::optional<GpuMatmulShape> shape = tile::gpuMatmulShape(*product, *sizes, machine);
    return shape && shape->rows ? chooseDepthParts(*shape, machine).cycles : 0;
  }

  /// What `value` is computed from at load comes before `op`.
  static void hoist(Value value, Operation *op) {
    Operation *source = value.getDefiningOp();
    if (!source || source->getBlock() != op->getBlock() || source->isBeforeInBlock(op))
      return;
    for (Value operand : source->getOperands())
      hoist(operand, op);
    source->moveBefore(op);
  }

  static void merge(MutableArrayRef<Part> parts, const GpuMachine &machine) {
    MatmulOp first = parts.front().matmul;
    int64_t columns = 0;
    double apart = 0;
    SmallVector<Value> weights, biases;
    SmallVector<Location> locations;
    for (Part &part : parts) {
      columns += part.columns;
      apart += cyclesOf(part.matmul, part.columns, machine);
      weights.push_back(part.matmul.getB());
      if (part.bias)
        biases.push_back(part.bias);
      for (Operation *op = part.matmul; op != part.heads; op = *op->getUsers().begin())
        locations.push_back(op->getLoc());
    }
    double together = cyclesOf(first, columns, machine);
    if (together > apart)
      return;
    for (ArrayRef<Value> values : {ArrayRef(weights), ArrayRef(biases)})
      for (Value value : values)
        hoist(value, first);
    OpBuilder builder(first);
    Location loc = builder.getFusedLoc(locations);
    auto join = [&](ArrayRef<Value> values, SmallVector<int64_t> shape, int64_t axis) -> Value {
      shape[axis] = columns;
      auto type = RankedTensorType::get(shape, getElementTypeOrSelf(values.front().getType()));
      return ConcatOp::create(builder, loc, type, values, axis);
    };
    auto weightType = cast<RankedTensorType>(first.getB().getType());
    Value right = join(weights, SmallVector<int64_t>(weightType.getShape()), first.getTransposeB() ? 0 : 1);
    auto product = MatmulOp::create(builder, loc, first.getA(), right, first.getTransposeA(), first.getTransposeB(),
                                    first.getToAttr());
    std::string reason = std::to_string(parts.size()) + " products of one left operand";
    if (apart > 0)
      reason += ": " + std::to_string(std::lround(together)) + " cycles expected, " +
                std::to_string(std::lround(apart)) + " apart";
    product->setAttr("bess.reason", builder.getStringAttr(reason));
    Value y = product.getY();
    if (!biases.empty())
      y = AddOp::create(builder, loc, y, join(biases, {0}, 0));
    // [batch, rows, heads of all, depth]
    int64_t depth = parts.front().depth, head = 0;
    auto dims = getDims(parts.front().heads.getType());
    dims[2] = columns / depth;
    Value all = ReshapeOp::create(builder, loc, getTensorType(dims, getElementTypeOrSelf(y.getType())), y);
    for (Part &part : parts) {
      SmallVector<SymbolicExpr> offsets(dims.size(), SymbolicExpr(0));
      offsets[2] = head;
      head += part.columns / depth;
      Value slice = SliceOp::create(builder, part.heads.getLoc(), part.heads.getType(), all,
                                    getDimsAttr(builder.getContext(), offsets), SmallVector<int64_t>(dims.size(), 1));
      part.heads.replaceAllUsesWith(slice);
    }
    for (Part &part : parts) {
      part.heads.erase();
      if (part.bias)
        part.matmul->getUsers().begin()->erase();
      part.matmul.erase();
    }
  }
};
} // namespace
