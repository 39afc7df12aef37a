// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Inputs for a function that nobody has recorded inputs for.
#include "bessemer/Reference/CheckNumerics.h"

#include "dialects/Bess/DTypes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <random>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::reference;

/// The smallest extent that elements of `value` index, as far as a few ops that
/// only move or convert them show. Null when they are no indices.
static std::optional<SymbolicExpr> indexedExtent(Value value, int depth = 12) {
  if (depth == 0)
    return std::nullopt;
  std::optional<SymbolicExpr> result;
  auto take = [&](std::optional<SymbolicExpr> extent) {
    if (extent && (!result || SymbolicExpr::knownLessEqual(*extent, *result)))
      result = extent;
  };
  for (OpOperand &use : value.getUses()) {
    Operation *op = use.getOwner();
    auto extentOf = [&](unsigned operand, int64_t axis) {
      SmallVector<SymbolicExpr> dims = bess::getDims(op->getOperand(operand).getType());
      return axis >= 0 && axis < static_cast<int64_t>(dims.size()) ? std::optional(dims[axis]) : std::nullopt;
    };
    bool second = use.getOperandNumber() == 1;
    if (auto gather = dyn_cast<bess::GatherOp>(op); gather && second)
      take(extentOf(0, gather.getAxis()));
    else if (auto gather = dyn_cast<bess::GatherElementsOp>(op); gather && second)
      take(extentOf(0, gather.getAxis()));
    else if (auto scatter = dyn_cast<bess::ScatterElementsOp>(op); scatter && second)
      take(extentOf(0, scatter.getAxis()));
    else if (isa<bess::GatherNdOp, bess::ScatterNdOp>(op) && second)
      for (const SymbolicExpr &dim : bess::getDims(op->getOperand(0).getType()))
        take(dim);
    else if (isa<bess::CastOp, bess::ReshapeOp, bess::TransposeOp, bess::BroadcastOp, bess::SliceOp, bess::ConcatOp,
                 bess::RepeatOp, bess::ReverseOp>(op))
      take(indexedExtent(op->getResult(0), depth - 1));
    else if (auto call = dyn_cast<func::CallOp>(op)) {
      auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr());
      if (callee && !callee.isExternal())
        take(indexedExtent(callee.getArgument(use.getOperandNumber()), depth - 1));
    } else if (auto fusion = dyn_cast<bess::FusionOp>(op)) {
      take(indexedExtent(fusion.getBody().getArgument(use.getOperandNumber()), depth - 1));
    }
  }
  return result;
}

/// Small extents for all symbols of the arguments, then what the guards demand.
static void chooseSymbols(func::FuncOp function, SymbolicExpr::Values &symbols, int64_t factor) {
  static constexpr int64_t extents[] = {2, 3, 5, 4, 7, 6};
  const SymbolicExpr::Values given = symbols;
  size_t next = 0;
  for (Type type : function.getArgumentTypes())
    for (auto [i, dim] : llvm::enumerate(bess::getDims(type)))
      for (const std::string &name : dim.symbols()) {
        // The first of several dimensions is a batch, of which 2 are enough.
        bool isBatch = i == 0 && cast<RankedTensorType>(type).getRank() > 1;
        int64_t extent = (isBatch ? 1 : factor) * extents[next % std::size(extents)];
        next += symbols.try_emplace(name, extent).second;
      }
  auto set = [&](const SymbolicExpr &symbol, int64_t value) {
    std::optional<std::string_view> name = symbol.isSymbol();
    if (!name || given.count(std::string(*name)) || !symbols.count(std::string(*name)) || value < 0)
      return false;
    symbols[std::string(*name)] = value;
    return true;
  };
  for (int round = 0; round < 4; ++round)
    function.walk([&](bess::GuardOp guard) {
      std::optional<SymbolicExpr> lhs = SymbolicExpr::parse(guard.getLhs()), rhs = SymbolicExpr::parse(guard.getRhs());
      std::optional<int64_t> left = lhs ? lhs->evaluate(symbols) : std::nullopt,
                             right = rhs ? rhs->evaluate(symbols) : std::nullopt;
      if (!left || !right)
        return;
      if (guard.getRelation() == "eq" && *left != *right) {
        if (!set(*lhs, *right))
          (void)set(*rhs, *left);
      } else if (guard.getRelation() != "eq" && *left > *right) {
        if (!set(*rhs, *left + 1))
          (void)set(*lhs, std::max<int64_t>(*right - 1, 0));
      }
    });
}

static void fill(HostTensor &tensor, std::mt19937_64 &random, std::optional<int64_t> extent) {
  int64_t count = tensor.elementCount();
  if (isFloat(tensor.dtype)) {
    HostTensor wide = HostTensor::make(DType::F64, tensor.shape);
    std::uniform_real_distribution<double> uniform(-1, 1);
    for (int64_t i = 0; i < count; ++i)
      wide.as<double>()[i] = uniform(random);
    std::string error;
    tensor = convert(wide, tensor.dtype, error);
    return;
  }
  if (tensor.dtype == DType::String || isComplex(tensor.dtype))
    return;
  HostTensor wide = HostTensor::make(DType::I64, tensor.shape);
  std::uniform_int_distribution<int64_t> uniform(0, extent ? std::max<int64_t>(*extent - 1, 0) : 1);
  for (int64_t i = 0; i < count; ++i)
    wide.as<int64_t>()[i] = uniform(random);
  std::string error;
  tensor = convert(wide, tensor.dtype, error);
}

FailureOr<SmallVector<HostTensor>> reference::makeRandomInputs(Operation *op, SymbolicExpr::Values symbols,
                                                               uint64_t seed, int64_t factor) {
  auto function = dyn_cast<func::FuncOp>(op);
  if (!function || function.isExternal())
    return op->emitError("expected a function with a body");
  chooseSymbols(function, symbols, factor);
  std::mt19937_64 random(seed);
  SmallVector<HostTensor> inputs;
  for (BlockArgument argument : function.getArguments()) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    DType dtype = type ? bess::getDType(type) : DType::Undefined;
    if (dtype == DType::Undefined)
      return function.emitError("expected arguments that are tensors, got ") << argument.getType();
    SmallVector<int64_t> shape;
    for (const SymbolicExpr &dim : bess::getDims(type)) {
      std::optional<int64_t> extent = dim.evaluate(symbols);
      if (!extent || *extent < 0)
        return function.emitError("expected dimension ") << dim.str() << " to have a value";
      shape.push_back(*extent);
    }
    HostTensor tensor = HostTensor::make(dtype, shape);
    if (!tensor.isValid())
      return function.emitError("expected arguments that fit into memory");
    std::optional<SymbolicExpr> indexed = indexedExtent(argument);
    fill(tensor, random, indexed ? indexed->evaluate(symbols) : std::nullopt);
    inputs.push_back(tensor);
  }
  return inputs;
}
