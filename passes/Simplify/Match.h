// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The small matchers that patterns of this phase are made of.
#pragma once

#include "passes/Simplify/Passes.h"

#include "dialects/Bess/Bess.h"
#include "mlir/IR/PatternMatch.h"

namespace bessemer::simplify {

using Dims = llvm::SmallVector<SymbolicExpr>;

inline mlir::RankedTensorType typeOf(mlir::Value value) { return llvm::cast<mlir::RankedTensorType>(value.getType()); }
inline int64_t rankOf(mlir::Value value) { return typeOf(value).getRank(); }
inline Dims dimsOf(mlir::Value value) { return bess::getDims(value.getType()); }

/// The operand of `value`'s op when that is an OpTy with one operand; else null.
template <class OpTy> mlir::Value operandOf(mlir::Value value) {
  auto op = value ? value.getDefiningOp<OpTy>() : OpTy();
  return op && op->getNumOperands() == 1 ? op->getOperand(0) : mlir::Value();
}

class Matcher {
public:
  explicit Matcher(const SimplifyContext &context)
      : files(context.files ? context.files : std::make_shared<WeightFiles>()), nearMisses(context.nearMisses) {}

  /// The one value of all elements of a constant or small weight (also behind
  /// reshapes, broadcasts and casts).
  std::optional<double> splat(mlir::Value value);
  bool isSplat(mlir::Value value, double wanted);

  /// `value` as constant * factor * factor ...: multiplications, divisions by
  /// constants and negations are looked through, except into `stop`.
  struct Product {
    double constant = 1;
    llvm::SmallVector<mlir::Value> factors;
  };
  Product product(mlir::Value value, mlir::Value stop = {});

  /// x when the value is x to the power `exponent` (2 or 3), as pow or mul.
  mlir::Value powerOf(mlir::Value value, int exponent);

  /// a op b, one of which is a splat: the other one and the constant.
  template <class OpTy> std::optional<std::pair<mlir::Value, double>> withConstant(mlir::Value value) {
    auto op = value ? value.getDefiningOp<OpTy>() : OpTy();
    if (!op)
      return std::nullopt;
    if (std::optional<double> constant = splat(op.getB()))
      return std::pair(op.getA(), *constant);
    if (std::optional<double> constant = splat(op.getA()))
      return std::pair(op.getB(), *constant);
    return std::nullopt;
  }

  /// Keeps a near miss, once.
  void note(mlir::Operation *op, llvm::StringRef pattern, llvm::Twine reason);
  /// The same, as the failure of a pattern.
  mlir::LogicalResult miss(mlir::Operation *op, llvm::StringRef pattern, llvm::Twine reason) {
    note(op, pattern, reason);
    return mlir::failure();
  }

  WeightFiles &weights() { return *files; }

private:
  void flatten(mlir::Value value, mlir::Value stop, int depth, Product &product);

  std::shared_ptr<WeightFiles> files;
  std::shared_ptr<std::vector<NearMiss>> nearMisses;
};

/// |a - b| <= tolerance * |b|: constants pass through f16 and through sqrt.
bool isClose(double a, double b, double tolerance = 1e-3);

/// What `value` was before casts from one float type to another.
mlir::Value stripFloatCasts(mlir::Value value);

/// The locations of all ops between `root` and `leaves`, so that the op which
/// replaces them knows where it is from.
mlir::Location locationOf(mlir::Operation *root, mlir::ValueRange leaves);

/// Does `scale` broadcast along the dimensions of x from `axis` on only?
bool isTrailing(mlir::Value scale, mlir::Value x, int64_t axis);

/// Replaces `op`'s one result, whose type stays as it was; fails and erases
/// `replacement` when its type is not compatible with that.
mlir::LogicalResult replaceKeepingType(mlir::PatternRewriter &rewriter, mlir::Operation *op,
                                       mlir::Operation *replacement);

/// A pattern that has a Matcher.
template <class OpTy> struct MatchPattern : mlir::OpRewritePattern<OpTy> {
  MatchPattern(mlir::MLIRContext *context, Matcher &matcher, mlir::PatternBenefit benefit = 1)
      : mlir::OpRewritePattern<OpTy>(context, benefit), matcher(matcher) {}
  Matcher &matcher;
};

void addElementwisePatterns(mlir::RewritePatternSet &patterns, Matcher &matcher);
void addMovePatterns(mlir::RewritePatternSet &patterns, Matcher &matcher);
void addMatmulPatterns(mlir::RewritePatternSet &patterns, Matcher &matcher);
void addConvPatterns(mlir::RewritePatternSet &patterns, Matcher &matcher);
void addAttentionLayoutPatterns(mlir::RewritePatternSet &patterns, Matcher &matcher);

void addNormPatterns(mlir::RewritePatternSet &patterns, Matcher &matcher);
void addGeluPatterns(mlir::RewritePatternSet &patterns, Matcher &matcher);
void addSoftmaxPatterns(mlir::RewritePatternSet &patterns, Matcher &matcher);
void addRopePatterns(mlir::RewritePatternSet &patterns, Matcher &matcher);
void addAttentionPatterns(mlir::RewritePatternSet &patterns, Matcher &matcher);

} // namespace bessemer::simplify
