// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Caches that a run appends to (past -> present): kernels take the present with
// a capacity along its axis that the caller chooses when it runs the program, so
// that past and present may be one buffer and nothing of the past moves.
#include "passes/Plan/Passes.h"

#include "dialects/Tile/GroupBlocks.h"
#include "dialects/Tile/Tile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/MapVector.h"

namespace bessemer::plan {
#define GEN_PASS_DEF_APPENDINPLACE
#include "passes/Plan/Passes.h.inc"
} // namespace bessemer::plan

using namespace mlir;
using namespace bessemer;

namespace {

/// What result `result` of a kernel that joins tensors begins with: the number of an input; -1 where it is not one with
/// another behind it.
int64_t pastView(tile::KernelOp kernel, unsigned result) {
  Value view = kernel.getView(kernel.getViews() - kernel.getOutputs() + result);
  llvm::SetVector<Value> sources;
  kernel.getBody().walk([&](tile::StoreOp store) {
    if (store.getView() != view)
      return;
    auto load = store.getTile().getDefiningOp<tile::LoadOp>();
    sources.insert(load ? load.getView() : Value());
  });
  if (sources.size() != 2 || sources.contains(Value()))
    return -1;
  return cast<BlockArgument>(sources[0]).getArgNumber();
}

/// What the result of a launch appends to; null: nothing.
Value pastOfLaunch(OpResult result, SymbolTable &table) {
  auto launch = cast<bess::LaunchOp>(result.getOwner());
  auto kernel = table.lookup<tile::KernelOp>(launch.getKernel());
  int64_t number = kernel && kernel.getKind() == "concat" ? pastView(kernel, result.getResultNumber()) : -1;
  Value past = number < 0 ? Value() : launch.getInputs()[number];
  return past && llvm::count(launch.getInputs(), past) == 1 ? past : Value();
}

/// All values that must change together when one of them gets a capacity:
/// through calls, the same layer of every depth.
struct CacheGroup {
  llvm::SetVector<Value> presents, pasts;
  llvm::SetVector<Operation *> appends;
};

class GroupFinder {
public:
  GroupFinder(ModuleOp module, SymbolTable &table) : table(table), main(table.lookup<func::FuncOp>("main")) {
    module.walk([&](func::CallOp call) { calls[table.lookup(call.getCallee())].push_back(call); });
  }

  /// False when something uses the cache in a way that asks for contiguous memory.
  bool addPresent(Value value, CacheGroup &group) {
    if (!group.presents.insert(value))
      return true;
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
      if (!function || function == main)
        return false;
      for (func::CallOp call : calls[function])
        if (!addPresent(call.getOperand(argument.getArgNumber()), group))
          return false;
    } else if (auto launch = value.getDefiningOp<bess::LaunchOp>()) {
      Value past = pastOfLaunch(cast<OpResult>(value), table);
      if (!past || !addPast(past, group))
        return false;
      group.appends.insert(launch);
      // Keys and values that one kernel appends stay where they are together.
      if (!llvm::all_of(launch->getResults(), [&](Value other) { return addPresent(other, group); }))
        return false;
    } else if (auto call = value.getDefiningOp<func::CallOp>()) {
      auto callee = table.lookup<func::FuncOp>(call.getCallee());
      unsigned k = cast<OpResult>(value).getResultNumber();
      if (!callee || callee.isDeclaration() || !addPresent(callee.front().getTerminator()->getOperand(k), group))
        return false;
    } else {
      return false;
    }
    return llvm::all_of(value.getUses(), [&](OpOperand &use) { return addUse(use, group); });
  }

private:
  bool addUse(OpOperand &use, CacheGroup &group) {
    unsigned number = use.getOperandNumber();
    if (isa<bess::LaunchOp>(use.getOwner()))
      return true; // whether its kernel can is asked later
    if (auto call = dyn_cast<func::CallOp>(use.getOwner())) {
      auto callee = table.lookup<func::FuncOp>(call.getCallee());
      return callee && !callee.isDeclaration() && addPresent(callee.getArgument(number), group);
    }
    if (!isa<func::ReturnOp>(use.getOwner()))
      return false;
    auto function = cast<func::FuncOp>(use.getOwner()->getParentOp());
    // Returned twice, one of them would be a copy.
    if (function == main)
      return llvm::count(use.getOwner()->getOperands(), use.get()) == 1;
    return llvm::all_of(calls[function], [&](func::CallOp call) { return addPresent(call.getResult(number), group); });
  }

  /// What is appended to must come from the caller, and nothing else may read it:
  /// it would find the present there.
  bool addPast(Value value, CacheGroup &group) {
    if (!group.pasts.insert(value))
      return true;
    auto argument = dyn_cast<BlockArgument>(value);
    auto function = argument ? dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp()) : func::FuncOp();
    if (!function || !value.hasOneUse())
      return false;
    return function == main || llvm::all_of(calls[function], [&](func::CallOp call) {
             return addPast(call.getOperand(argument.getArgNumber()), group);
           });
  }

  SymbolTable &table;
  func::FuncOp main;
  llvm::DenseMap<Operation *, SmallVector<func::CallOp>> calls;
};

/// The argument that result `k` of a function appends to, or -1.
int64_t pastOf(func::FuncOp function, unsigned k, SymbolTable &table) {
  Value value = function.front().getTerminator()->getOperand(k), past;
  if (value.getDefiningOp<bess::LaunchOp>()) {
    past = pastOfLaunch(cast<OpResult>(value), table);
  } else if (auto call = value.getDefiningOp<func::CallOp>()) {
    auto callee = table.lookup<func::FuncOp>(call.getCallee());
    int64_t argument =
        callee && !callee.isDeclaration() ? pastOf(callee, cast<OpResult>(value).getResultNumber(), table) : -1;
    if (argument >= 0)
      past = call.getOperand(argument);
  }
  auto argument = dyn_cast_or_null<BlockArgument>(past);
  return argument && argument.getOwner() == &function.front() ? int64_t(argument.getArgNumber()) : -1;
}

/// The one dimension in which the types differ; -1: none or several.
int64_t axisOf(Type past, Type present) {
  auto a = bess::getDims(past), b = bess::getDims(present);
  int64_t axis = -1;
  for (size_t d = 0; d < a.size() && a.size() == b.size(); ++d)
    if (!(a[d] == b[d])) {
      if (axis >= 0)
        return -1;
      axis = d;
    }
  return axis;
}

struct AppendInPlace : plan::impl::AppendInPlaceBase<AppendInPlace> {
  void runOnOperation() override {
    SymbolTable table(getOperation());
    auto main = table.lookup<func::FuncOp>("main");
    if (!main || main.isDeclaration())
      return;
    std::set<std::string> bound;
    for (Type type : main.getArgumentTypes())
      for (const SymbolicExpr &dim : bess::getDims(type))
        if (auto name = dim.isSymbol())
          bound.insert(std::string(*name));
    auto unused = [&](std::string name) {
      while (bound.count(name))
        name += "_";
      return name;
    };
    capacity = SymbolicExpr::symbol(unused("cache.capacity"));
    copied = SymbolicExpr::symbol(unused("cache.copied"));

    GroupFinder finder(getOperation(), table);
    CacheGroup all;
    llvm::MapVector<unsigned, std::pair<int64_t, int64_t>> pairs; // by result: argument and axis
    llvm::DenseSet<Value> refused;
    for (auto [o, value] : llvm::enumerate(main.front().getTerminator()->getOperands())) {
      int64_t input = pastOf(main, o, table);
      int64_t axis = input < 0 ? -1 : axisOf(main.getArgument(input).getType(), value.getType());
      if (axis < 0 || refused.contains(value))
        continue;
      SymbolicExpr extent = bess::getDims(value.getType())[axis];
      if (!all.presents.contains(value)) {
        CacheGroup group;
        if (!finder.addPresent(value, group) || !fits(group, axis, extent, bound, table)) {
          refused.insert(group.presents.begin(), group.presents.end());
          continue;
        }
        all.presents.insert(group.presents.begin(), group.presents.end());
        all.appends.insert(group.appends.begin(), group.appends.end());
        length = extent;
      }
      pairs[o] = {input, axis};
    }
    if (pairs.empty())
      return;
    rewrite(all, table);
    OpBuilder b(&getContext());
    SmallVector<Attribute> list;
    for (auto &[output, pair] : pairs)
      list.push_back(b.getDenseI64ArrayAttr({pair.first, output, pair.second}));
    main->setAttr("bess.caches", b.getDictionaryAttr({b.getNamedAttr("capacity", b.getStringAttr(*capacity.isSymbol())),
                                                      b.getNamedAttr("copied", b.getStringAttr(*copied.isSymbol())),
                                                      b.getNamedAttr("pairs", b.getArrayAttr(list))}));
    for (auto kernel : llvm::make_early_inc_range(getOperation().getOps<tile::KernelOp>()))
      if (replaced.contains(kernel) && SymbolTable::symbolKnownUseEmpty(kernel, getOperation()))
        kernel.erase();
    replaced.clear();
    axes.clear();
    made.clear();
    length.reset();
  }

private:
  /// All caches of a program share one capacity, so they must be of one length, which
  /// the shapes of the inputs tell; and every kernel must see the axis.
  bool fits(const CacheGroup &group, int64_t axis, const SymbolicExpr &extent, const std::set<std::string> &bound,
            SymbolTable &table) {
    if (length && !(*length == extent))
      return false;
    for (const std::string &symbol : extent.symbols())
      if (!bound.count(symbol))
        return false;
    for (Value present : group.presents) {
      auto dims = bess::getDims(present.getType());
      if (axis >= int64_t(dims.size()) || !(dims[axis] == extent) || !innerOf(dims, axis))
        return false;
      axes[present] = axis;
      for (OpOperand &use : present.getUses())
        if (auto launch = dyn_cast<bess::LaunchOp>(use.getOwner()))
          if (group.appends.contains(launch) || !canStride(launch, use.getOperandNumber(), present, table))
            return false;
      if (auto launch = present.getDefiningOp<bess::LaunchOp>())
        if (unsigned number = cast<OpResult>(present).getResultNumber();
            !canStride(launch, launch.getInputs().size() + number, present, table) ||
            !copiesApart(launch, number, table))
          return false;
    }
    return true;
  }

  static std::optional<int64_t> innerOf(ArrayRef<SymbolicExpr> dims, int64_t axis) {
    return bess::product(dims.drop_front(axis + 1)).isConstant();
  }

  /// How many of the view's dimensions lie outside of the cache's axis; -1: the axis is
  /// joined with them.
  int64_t outerDims(bess::LaunchOp launch, tile::ViewType view, Value present) {
    SymbolicExpr::Substitution values;
    auto arguments = bess::parseDims(launch->getAttrOfType<bess::DimsAttr>("symbol_args"));
    for (auto [i, argument] : llvm::enumerate(arguments))
      values["s" + std::to_string(i)] = argument;
    auto dims = bess::getDims(present.getType());
    SymbolicExpr outer = bess::product(ArrayRef<SymbolicExpr>(dims).take_front(axes.lookup(present))), seen = 1;
    auto extents = bess::parseDims(view.getDims());
    for (size_t p = 0; p <= extents.size(); ++p) {
      if (seen == outer)
        return p;
      if (p < extents.size())
        seen *= extents[p].substitute(values);
    }
    return -1;
  }

  bool canStride(bess::LaunchOp launch, unsigned number, Value present, SymbolTable &table) {
    auto kernel = table.lookup<tile::KernelOp>(launch.getKernel());
    if (!kernel || !launch->hasAttr("symbol_args"))
      return false;
    // The copy engine brings its operands, from rows without gaps (passes/Lower/Gpu/Wgmma.cpp).
    if (kernel.getSchedule().contains(tile::groupBlocksName))
      return false;
    Value view = kernel.getView(number);
    return outerDims(launch, cast<tile::ViewType>(view.getType()), present) >= 0 &&
           llvm::all_of(view.getUsers(),
                        [](Operation *user) { return isa<tile::LoadOp, tile::LoadScalarOp, tile::StoreOp>(user); });
  }

  /// Does nothing but loads and stores touch what the kernel copies of the past?
  static bool copiesApart(bess::LaunchOp launch, unsigned result, SymbolTable &table) {
    auto kernel = table.lookup<tile::KernelOp>(launch.getKernel());
    return llvm::all_of(kernel.getView(pastView(kernel, result)).getUsers(), [](Operation *user) {
      auto load = dyn_cast<tile::LoadOp>(user);
      return load && llvm::all_of(load.getTile().getUsers(), llvm::IsaPred<tile::StoreOp>);
    });
  }

  void rewrite(const CacheGroup &group, SymbolTable &table) {
    SmallVector<bess::LaunchOp> launches;
    getOperation().walk([&](bess::LaunchOp launch) {
      if (llvm::any_of(launch->getOperands(), [&](Value v) { return group.presents.contains(v); }) ||
          llvm::any_of(launch->getResults(), [&](Value v) { return group.presents.contains(v); }))
        launches.push_back(launch);
    });
    OpBuilder b(&getContext());
    for (bess::LaunchOp launch : launches) {
      SmallVector<Value> tensors(launch.getInputs());
      llvm::append_range(tensors, launch->getResults());
      auto kernel = table.lookup<tile::KernelOp>(launch.getKernel());
      SmallVector<int64_t> outer(tensors.size(), -1), inner(tensors.size(), 0);
      for (auto [i, tensor] : llvm::enumerate(tensors))
        if (group.presents.contains(tensor)) {
          outer[i] = outerDims(launch, cast<tile::ViewType>(kernel.getView(i).getType()), tensor);
          inner[i] = *innerOf(bess::getDims(tensor.getType()), axes.lookup(tensor));
        }
      bool appends = group.appends.contains(launch);
      launch.setKernel(strided(kernel, outer, inner, appends, table));
      auto symbols = bess::parseDims(launch->getAttrOfType<bess::DimsAttr>("symbol_args"));
      symbols.push_back(capacity);
      if (appends)
        symbols.push_back(copied);
      launch->setAttr("symbol_args", bess::getDimsAttr(&getContext(), symbols));
    }
  }

  /// The kernel with a capacity in the strides of some views: `outer` dimensions of view
  /// i step over `inner` elements for each place of the capacity.
  StringRef strided(tile::KernelOp kernel, ArrayRef<int64_t> outer, ArrayRef<int64_t> inner, bool appends,
                    SymbolTable &table) {
    auto key = std::make_pair(kernel.getOperation(), SmallVector<int64_t>(outer));
    for (auto &[known, clone] : made)
      if (known == key)
        return clone.getSymName();
    replaced.insert(kernel);
    auto clone = cast<tile::KernelOp>(kernel->clone());
    clone.setSymName((kernel.getSymName() + "_cache").str());
    table.insert(clone, std::next(kernel->getIterator()));
    made.emplace_back(key, clone);
    int64_t symbols = kernel.getSymbols(), added = appends ? 2 : 1;
    Block &body = clone.getBody().front();
    for (int64_t i = 0; i < added; ++i)
      body.insertArgument(clone.getViews() + symbols + i, IndexType::get(&getContext()), clone.getLoc());
    clone.setSymbols(symbols + added);
    SymbolicExpr room = SymbolicExpr::symbol("s" + std::to_string(symbols));
    SmallVector<Attribute> all(outer.size(), UnitAttr::get(&getContext()));
    for (auto [i, split] : llvm::enumerate(outer)) {
      if (split < 0)
        continue;
      auto type = cast<tile::ViewType>(clone.getView(i).getType());
      auto dims = bess::parseDims(type.getDims());
      SmallVector<SymbolicExpr> strides(dims.size());
      SymbolicExpr stride = 1;
      for (int64_t d = dims.size() - 1; d >= 0; --d) {
        if (d == split - 1)
          stride = room * inner[i];
        strides[d] = stride;
        stride *= dims[d];
      }
      all[i] = bess::getDimsAttr(&getContext(), strides);
    }
    clone->setAttr("bess.strides", ArrayAttr::get(&getContext(), all));
    if (appends)
      copyOnDemand(clone);
    return clone.getSymName();
  }

  /// The past is copied when it does not lie there already.
  void copyOnDemand(tile::KernelOp kernel) {
    ImplicitLocOpBuilder b(kernel.getLoc(), &getContext());
    Value wanted = kernel.getSymbolArgument(kernel.getSymbols() - 1);
    SmallVector<tile::LoadOp> loads;
    SmallVector<int64_t> pasts;
    for (unsigned result = 0; result < kernel.getOutputs(); ++result) {
      pasts.push_back(pastView(kernel, result));
      for (Operation *user : kernel.getView(pasts.back()).getUsers())
        loads.push_back(cast<tile::LoadOp>(user));
    }
    for (tile::LoadOp load : loads) {
      SmallVector<Operation *> stores(load.getTile().getUsers());
      Operation *last = stores.front();
      for (Operation *store : stores)
        last = last->isBeforeInBlock(store) ? store : last;
      b.setInsertionPoint(last);
      Value zero = arith::ConstantIndexOp::create(b, 0);
      auto branch = scf::IfOp::create(b, arith::CmpIOp::create(b, arith::CmpIPredicate::ne, wanted, zero),
                                      /*withElseRegion=*/false);
      load->moveBefore(branch.thenBlock()->getTerminator());
      for (Operation *store : stores)
        store->moveBefore(branch.thenBlock()->getTerminator());
    }
    // Read and written: what is new, and the past where it is copied.
    auto bytes = [&](unsigned i) {
      auto view = cast<tile::ViewType>(kernel.getView(i).getType());
      return bess::product(bess::parseDims(view.getDims())) *
             ((view.getElementType().getIntOrFloatBitWidth() + 7) / 8 * 2);
    };
    SymbolicExpr flag = SymbolicExpr::symbol("s" + std::to_string(kernel.getSymbols() - 1));
    SymbolicExpr all = 0;
    for (auto [result, past] : llvm::enumerate(pasts))
      all += flag * bytes(past) + bytes(kernel.getViews() - kernel.getOutputs() + result) - bytes(past);
    kernel.setBytes(all.str());
    kernel.setReason((kernel.getReason() + "; appends in place when the caller donates the past").str());
  }

  SymbolicExpr capacity, copied;
  std::optional<SymbolicExpr> length; ///< of the caches along their axis
  llvm::DenseMap<Value, int64_t> axes;
  llvm::DenseSet<Operation *> replaced;
  std::vector<std::pair<std::pair<Operation *, SmallVector<int64_t>>, tile::KernelOp>> made;
};

} // namespace
