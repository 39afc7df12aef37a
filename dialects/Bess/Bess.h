// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The `bess` dialect: see BessBase.td for what it is.
#pragma once

#include "bessemer/Algorithms/SymbolicExpr.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace bessemer::bess {

/// On a `bess.matmul` whose right operand the layout phase has put in panels
/// (`bess.pack`): the text of the expression for N.
inline constexpr llvm::StringLiteral packedColumnsName = "bess.packed_columns";

/// The layouts of images: [N, C, spatial..] and [N, spatial.., C].
inline constexpr llvm::StringLiteral channelsFirst = "channels_first", channelsLast = "channels_last";
/// Of an image of rank `rank`: the channel dimension and the first spatial one.
inline int64_t channelDim(llvm::StringRef layout, int64_t rank) { return layout == channelsLast ? rank - 1 : 1; }
inline int64_t spatialDim(llvm::StringRef layout) { return layout == channelsLast ? 1 : 2; }

enum class LoopKind { Parallel, Reduction, Window };

/// An op that computes each element of its result from one element of each
/// operand, after broadcasting.
template <typename ConcreteType> class Elementwise : public mlir::OpTrait::TraitBase<ConcreteType, Elementwise> {};
/// An op that only `lib/Kernels` defines.
template <typename ConcreteType> class Opaque : public mlir::OpTrait::TraitBase<ConcreteType, Opaque> {};

/// One type may stand for the other: equal element types, equal ranks, and no
/// dimension that is a constant in both and differs.
bool compatibleTypes(mlir::Type l, mlir::Type r);
bool compatibleTypes(mlir::TypeRange l, mlir::TypeRange r);

} // namespace bessemer::bess

#include "dialects/Bess/BessInterfaces.h.inc"
#include "dialects/Bess/BessOpsDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Bess/BessOpsAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/Bess/BessOps.h.inc"

namespace bessemer::bess {

// ---- dimensions -----------------------------------------------------------

/// The dimensions of a ranked tensor as expressions: constants, or what its
/// encoding says. A `?` without an encoding gives a fresh, unequal symbol "?".
llvm::SmallVector<SymbolicExpr> getDims(mlir::Type tensor);

/// The tensor type with these dimensions: `?` and an encoding where needed.
mlir::RankedTensorType getTensorType(llvm::ArrayRef<SymbolicExpr> dims, mlir::Type element);

DimsAttr getDimsAttr(mlir::MLIRContext *context, llvm::ArrayRef<SymbolicExpr> dims);
llvm::SmallVector<SymbolicExpr> parseDims(DimsAttr attr);

/// The product of dimensions; 1 of none.
SymbolicExpr product(llvm::ArrayRef<SymbolicExpr> dims);
/// Number of elements.
SymbolicExpr getElementCount(mlir::Type tensor);

/// NumPy broadcasting. Where two dimensions are neither equal nor 1 they are
/// taken to be equal (the caller emits a guard: `mismatches`, when given,
/// collects such pairs). Fails when both are different constants.
mlir::FailureOr<llvm::SmallVector<SymbolicExpr>>
broadcastDims(llvm::ArrayRef<llvm::SmallVector<SymbolicExpr>> shapes,
              llvm::SmallVectorImpl<std::pair<SymbolicExpr, SymbolicExpr>> *mismatches = nullptr);

/// Does running it define symbols that the dimensions of its results use?
bool definesSymbols(mlir::Operation *op);

// ---- creation from what a user wrote ----------------------------------------

/// Creates an op whose result types are inferred, or gives a diagnostic at
/// `loc` when operands and attributes do not fit. (The generated `build`
/// functions abort the process in that case.)
mlir::FailureOr<mlir::Operation *> tryCreate(mlir::OpBuilder &builder, mlir::Location loc, llvm::StringRef name,
                                             mlir::ValueRange operands,
                                             llvm::ArrayRef<mlir::NamedAttribute> attributes = {});

template <typename OpTy>
mlir::FailureOr<OpTy> tryCreate(mlir::OpBuilder &builder, mlir::Location loc, mlir::ValueRange operands,
                                llvm::ArrayRef<mlir::NamedAttribute> attributes = {}) {
  mlir::FailureOr<mlir::Operation *> op = tryCreate(builder, loc, OpTy::getOperationName(), operands, attributes);
  if (mlir::failed(op))
    return mlir::failure();
  return llvm::cast<OpTy>(*op);
}

} // namespace bessemer::bess
