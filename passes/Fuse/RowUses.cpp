// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Fuse/RowUses.h"

#include "dialects/Bess/DTypes.h"
#include "dialects/Bess/Views.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::fuse;

static constexpr int64_t wholeOperand = -1;

int64_t fuse::rowDim(Type type) {
  auto dims = bess::getDims(type);
  for (auto [d, dim] : llvm::enumerate(dims)) {
    std::optional<int64_t> extent = dim.isConstant();
    if (!extent || *extent < 1)
      return -1;
    if (*extent > 1)
      return d;
  }
  return -1;
}

RankedTensorType fuse::withExtent(Type type, int64_t dim, int64_t extent) {
  auto dims = bess::getDims(type);
  dims[dim] = extent;
  return bess::getTensorType(dims, cast<RankedTensorType>(type).getElementType());
}

namespace {

using Rows = std::optional<SmallVector<int64_t>>;

int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }
bool isOne(Value value, int64_t dim) { return bess::getDims(value.getType())[dim] == SymbolicExpr(1); }

/// Along which dimension of each operand rows of the result run: read off the op's loops.
Rows structuredRows(bess::StructuredOp op, int64_t dim) {
  auto maps = op.getIndexingMaps();
  auto loop = dyn_cast<AffineDimExpr>(maps.back().getResult(dim));
  if (!loop || op.getLoopKinds()[loop.getPosition()] != bess::LoopKind::Parallel)
    return std::nullopt;
  SmallVector<int64_t> rows;
  for (AffineMap map : ArrayRef(maps).drop_back()) {
    rows.push_back(wholeOperand);
    for (auto [d, expr] : llvm::enumerate(map.getResults())) {
      if (!expr.isFunctionOfDim(loop.getPosition()))
        continue;
      if (expr != loop || rows.back() != wholeOperand)
        return std::nullopt;
      rows.back() = d;
    }
  }
  return rows;
}

/// A right operand in panels has no rows of its own.
Rows matmulRows(bess::MatmulOp op, int64_t dim) {
  if (!op->hasAttr(bess::packedColumnsName))
    return structuredRows(op, dim);
  int64_t rank = rankOf(op.getY()), own = rankOf(op.getA());
  if (dim > rank - 2 || dim < rank - own || op.getTransposeA())
    return std::nullopt;
  return SmallVector<int64_t>{dim - (rank - own), wholeOperand};
}

/// Operands that stretch to the result's shape, aligned at the right.
Rows broadcastRows(Operation *op, int64_t dim) {
  int64_t rank = rankOf(op->getResult(0));
  SmallVector<int64_t> rows;
  for (Value operand : op->getOperands()) {
    int64_t d = dim - (rank - rankOf(operand));
    rows.push_back(d < 0 || isOne(operand, d) ? wholeOperand : d);
  }
  return rows;
}

/// The first operand row by row, the others whole; the op goes along the dimensions from `axis` on.
Rows rowsBefore(Operation *op, int64_t axis, int64_t dim) {
  if (dim >= axis)
    return std::nullopt;
  SmallVector<int64_t> rows(op->getNumOperands(), wholeOperand);
  rows[0] = dim;
  return rows;
}

Rows attentionRows(bess::AttentionOp op, int64_t dim) {
  auto sequence = [](StringRef layout) { return layout == "bshd" ? 1 : 2; };
  bool queries = dim == sequence(op.getYLayout());
  if (op.getValid() || (dim != 0 && !queries) || (queries && op.getCausal()))
    return std::nullopt;
  SmallVector<int64_t> rows = {queries ? sequence(op.getQLayout()) : 0, queries ? wholeOperand : 0,
                               queries ? wholeOperand : 0};
  if (op.getMask()) {
    // It broadcasts to [B, H, S, T].
    int64_t d = (queries ? 2 : 0) - (4 - rankOf(op.getMask()));
    rows.push_back(d < 0 || isOne(op.getMask(), d) ? wholeOperand : d);
  }
  return rows;
}

Rows operandRows(Operation *op, int64_t dim) {
  return llvm::TypeSwitch<Operation *, Rows>(op)
      .Case<bess::MatmulOp>([&](auto matmul) { return matmulRows(matmul, dim); })
      .Case<bess::ConvOp, bess::PoolOp>([&](auto image) {
        // Rows of an image need neighbours; only whole images can be taken apart.
        return dim == 0 ? structuredRows(image, dim) : Rows();
      })
      .Case<bess::StructuredOp>([&](auto structured) { return structuredRows(structured, dim); })
      .Case<bess::LayerNormOp>([&](auto norm) { return rowsBefore(op, norm.getAxis(), dim); })
      .Case<bess::RmsNormOp>([&](auto norm) { return rowsBefore(op, norm.getAxis(), dim); })
      .Case<bess::SoftmaxOp>([&](auto softmax) { return rowsBefore(op, softmax.getAxis(), dim); })
      .Case<bess::AttentionOp>([&](auto attention) { return attentionRows(attention, dim); })
      .Case<bess::RopeOp, bess::BroadcastOp>([&](auto) { return broadcastRows(op, dim); })
      .Case<bess::TransposeOp>(
          [&](auto transpose) { return Rows(SmallVector<int64_t>{transpose.getPermutation()[dim]}); })
      .Case<bess::GatherOp>([&](auto gather) {
        bool byIndex = gather.getAxis() == 0 && dim < rankOf(gather.getIndices());
        return byIndex ? Rows(SmallVector<int64_t>{wholeOperand, dim}) : Rows();
      })
      .Case<bess::SliceOp>([&](auto slice) {
        auto whole = bess::getDims(slice.getX().getType()), part = bess::getDims(slice.getY().getType());
        bool all = whole[dim] == part[dim] && slice.getSteps()[dim] == 1;
        return all ? Rows(SmallVector<int64_t>{dim}) : Rows();
      })
      .Case<bess::ReshapeOp>([&](auto reshape) {
        int64_t d = rowDim(reshape.getX().getType());
        bool same = d >= 0 && dim == rowDim(reshape.getY().getType()) &&
                    bess::getDims(reshape.getX().getType())[d] == bess::getDims(reshape.getY().getType())[dim];
        return same ? Rows(SmallVector<int64_t>{d}) : Rows();
      })
      .Default([](Operation *) { return Rows(); });
}

/// May it be computed whole for each piece? What has no rows is small, or a constant.
bool isCheap(Operation *op) {
  return op->hasTrait<bess::Elementwise>() || isa<bess::ConstantOp, bess::ReshapeOp, bess::SliceOp>(op);
}

bool hasSizes(Operation *op) {
  return !isa<bess::SliceOp>(op) &&
         llvm::any_of(op->getAttrs(), [](NamedAttribute attr) { return isa<bess::DimsAttr>(attr.getValue()); });
}

} // namespace

std::optional<RowUses> fuse::rowUsesOf(bess::FusionOp fusion) {
  Block &body = fusion.getBody().front();
  llvm::DenseMap<Value, int64_t> wanted;
  auto want = [&](Value value, int64_t dim) {
    auto [it, isNew] = wanted.try_emplace(value, dim);
    return isNew || it->second == dim;
  };
  RowUses uses;
  for (Value value : body.getTerminator()->getOperands()) {
    int64_t dim = rowDim(value.getType());
    std::optional<int64_t> rows = dim < 0 ? std::nullopt : bess::getDims(value.getType())[dim].isConstant();
    if (!rows || (uses.rows && uses.rows != *rows) || !want(value, dim))
      return std::nullopt;
    uses.rows = *rows;
  }
  for (Operation &op : llvm::reverse(body.without_terminator())) {
    if (op.getNumResults() != 1 || !wanted.count(op.getResult(0)))
      return std::nullopt;
    int64_t dim = wanted.lookup(op.getResult(0));
    Rows rows;
    if (dim == wholeOperand && isCheap(&op))
      rows = SmallVector<int64_t>(op.getNumOperands(), wholeOperand);
    else if (dim != wholeOperand && !isa<bess::ConstantOp>(op) && !hasSizes(&op))
      rows = operandRows(&op, dim);
    if (!rows)
      return std::nullopt;
    for (auto [operand, row] : llvm::zip(op.getOperands(), *rows))
      if (!want(operand, row))
        return std::nullopt;
  }
  for (BlockArgument argument : body.getArguments()) {
    auto it = wanted.find(argument);
    int64_t dim = it == wanted.end() ? wholeOperand : it->second;
    if (dim != wholeOperand && dim != rowDim(argument.getType()))
      return std::nullopt; // rows that are no range of bytes would have to be copied
    uses.operands.push_back(dim);
  }
  for (auto [value, dim] : wanted)
    if (dim != wholeOperand)
      uses.values[value] = dim;
  return uses;
}

// ---- a block --------------------------------------------------------------------

Value BlockLives::rootOf(Value value) const {
  while (Value viewed = bess::viewedBy(value.getDefiningOp()))
    value = viewed;
  return value;
}

int BlockLives::numberOf(Value value) const {
  auto it = numbers.find(rootOf(value));
  return it == numbers.end() ? -1 : it->second;
}

/// Is the value its root in another shape, with the same rows?
bool BlockLives::keepsRows(Value value, int64_t rows) const {
  while (true) {
    int64_t dim = rowDim(value.getType());
    if (dim < 0 || !(bess::getDims(value.getType())[dim] == SymbolicExpr(rows)))
      return false;
    Value viewed = bess::viewedBy(value.getDefiningOp());
    if (!viewed)
      return true;
    if (!isa<bess::ReshapeOp>(value.getDefiningOp()))
      return false;
    value = viewed;
  }
}

static int64_t bytesOf(Type type) {
  if (!isa<RankedTensorType>(type))
    return 0;
  return ((bess::getElementCount(type) * bitWidth(bess::getDType(type))).isConstant().value_or(0) + 7) / 8;
}

BlockLives::BlockLives(Block &block, const llvm::DenseMap<Operation *, int64_t> &frames,
                       SymbolTableCollection &symbols) {
  llvm::DenseSet<Value> returned;
  if (isa<func::ReturnOp>(block.getTerminator()))
    for (Value value : block.getTerminator()->getOperands())
      returned.insert(rootOf(value));
  auto function = dyn_cast<func::FuncOp>(block.getParentOp());
  for (BlockArgument argument : block.getArguments())
    if (function && function.getArgAttr(argument.getArgNumber(), "bess.weight"))
      loadTime.insert(argument);
  auto number = [&](Value value) {
    auto [it, isNew] = numbers.try_emplace(value, problem.values.size());
    if (isNew) {
      bool ours = value.getDefiningOp() && value.getParentBlock() == &block && !returned.contains(value) &&
                  !loadTime.contains(value);
      problem.values.push_back({bytesOf(value.getType()), ours});
    }
    return it->second;
  };
  for (Operation &op : block.without_terminator()) {
    bool leaf = isa<bess::WeightOp, bess::ConstantOp, bess::PrepareOp, arith::ConstantOp>(op);
    if (leaf || (op.getNumOperands() && isMemoryEffectFree(&op) && !op.getNumRegions() &&
                 llvm::all_of(op.getOperands(), [&](Value v) { return loadTime.contains(v); }))) {
      loadTime.insert(op.result_begin(), op.result_end());
      continue;
    }
    if (bess::viewedBy(&op))
      continue;
    SplitOperation operation;
    if (auto fusion = dyn_cast<bess::FusionOp>(op))
      if (std::optional<RowUses> found = rowUsesOf(fusion)) {
        operation.rows = found->rows;
        uses[&op] = std::move(*found);
      }
    auto add = [&](Value value, bool byRows) {
      if (isa<RankedTensorType>(value.getType()))
        operation.reads.push_back({number(rootOf(value)), byRows});
    };
    for (auto [i, operand] : llvm::enumerate(op.getOperands()))
      add(operand, operation.rows && uses[&op].operands[i] != wholeOperand && keepsRows(operand, operation.rows));
    if (!isa<bess::FusionOp>(op))
      for (Region &region : op.getRegions())
        region.walk([&](Operation *inner) {
          for (Value operand : inner->getOperands())
            if (!region.isAncestor(operand.getParentRegion()))
              add(operand, false);
        });
    for (Value result : op.getResults())
      if (isa<RankedTensorType>(result.getType()))
        operation.writes.push_back(number(result));
    if (auto call = dyn_cast<func::CallOp>(op))
      operation.extraBytes = frames.lookup(symbols.lookupNearestSymbolFrom(call, call.getCalleeAttr()));
    problem.operations.push_back(std::move(operation));
    operations.push_back(&op);
  }
  for (Value value : block.getTerminator()->getOperands())
    if (isa<RankedTensorType>(value.getType()))
      problem.liveOut.push_back(number(rootOf(value)));
}
