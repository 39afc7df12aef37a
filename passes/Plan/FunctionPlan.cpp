// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which storage holds each value.
#include "passes/Plan/FunctionPlan.h"

#include "dialects/Bess/DTypes.h"
#include "dialects/Bess/Views.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::plan;

StringRef plan::name(StorageKind kind) {
  switch (kind) {
  case StorageKind::Input: return "input";
  case StorageKind::Output: return "output";
  case StorageKind::Weight: return "weight";
  case StorageKind::Constant: return "constant";
  case StorageKind::Arena: return "arena";
  case StorageKind::Pool: return "pool";
  }
  return "";
}

SymbolicExpr plan::tensorBytes(Type type) {
  unsigned bits = bitWidth(bess::getDType(type));
  if (!bits)
    return SymbolicExpr::invalid();
  SymbolicExpr count = bess::getElementCount(type);
  return bits % 8 == 0 ? count * (bits / 8) : SymbolicExpr::ceilDiv(count * bits, 8);
}

bool plan::definesSizes(Operation *op) { return bess::definesSymbols(op); }

bool FunctionPlan::knownAtEntry(const SymbolicExpr &expr) const {
  return llvm::none_of(expr.symbols(), [&](const std::string &symbol) { return lateSymbols.count(symbol); });
}

int FunctionPlan::newStorage(StorageKind kind, Type type, int64_t index) {
  Storage storage;
  storage.kind = kind;
  storage.index = index;
  storage.bytes = tensorBytes(type);
  if (kind == StorageKind::Arena && !knownAtEntry(storage.bytes))
    storage.kind = StorageKind::Pool;
  storages.push_back(storage);
  return storages.size() - 1;
}

/// Symbols that ops of the function define: bound data, counts, loop counters.
static void collectLateSymbols(func::FuncOp function, std::set<std::string> &late) {
  function.walk([&](Operation *op) {
    if (auto bind = dyn_cast<bess::BindSymbolsOp>(op))
      for (Attribute symbol : bind.getSymbols())
        late.insert(cast<StringAttr>(symbol).str());
    if (definesSizes(op)) {
      std::set<std::string> known;
      for (Type type : op->getOperandTypes())
        for (const SymbolicExpr &dim : bess::getDims(type))
          for (std::string &symbol : dim.symbols())
            known.insert(symbol);
      for (Type type : op->getResultTypes())
        for (const SymbolicExpr &dim : bess::getDims(type))
          for (const std::string &symbol : dim.symbols())
            if (!known.count(symbol))
              late.insert(symbol);
    }
    if (auto counter = op->getAttrOfType<StringAttr>("bess.counter"))
      late.insert(counter.str());
  });
}

LogicalResult FunctionPlan::build(SymbolTableCollection &symbols) {
  collectLateSymbols(function, lateSymbols);
  number();
  for (BlockArgument argument : function.getArguments())
    setPlace(argument, {newStorage(StorageKind::Input, argument.getType(), argument.getArgNumber()), 0});
  if (failed(assignBlock(function.front(), symbols)))
    return failure();
  dropAbsorbed();
  placeOutputs();
  computeLifetimes();
  return success();
}

LogicalResult FunctionPlan::assignBlock(Block &block, SymbolTableCollection &symbols) {
  for (Operation &op : block) {
    for (Value result : op.getResults()) {
      if (!isa<TensorType>(result.getType()))
        continue;
      if (!isa<RankedTensorType>(result.getType()) || !tensorBytes(result.getType()).isValid())
        return op.emitOpError() << "expected tensors of known rank and of a fixed element size, got "
                                << result.getType();
    }
    if (failed(assignOp(op, symbols)))
      return failure();
  }
  return success();
}

void FunctionPlan::assignResult(OpResult result) {
  if (!isa<TensorType>(result.getType()))
    return;
  if (auto call = dyn_cast<func::CallOp>(result.getOwner())) {
    Operation *callee = SymbolTable::lookupNearestSymbolFrom(call, call.getCalleeAttr());
    auto it = calleeOverwrites.find(callee);
    int64_t argument = it == calleeOverwrites.end() ? -1 : it->second[result.getResultNumber()];
    if (argument >= 0 && isOurs(places.lookup(call.getOperand(argument)))) {
      setPlace(result, places.lookup(call.getOperand(argument)));
      return;
    }
  }
  if (int operand = inPlaceOperand(result); operand >= 0) {
    setPlace(result, places.lookup(result.getOwner()->getOperand(operand)));
    return;
  }
  // What an op makes whose sizes only running it tells lies in the pool.
  StorageKind kind = definesSizes(result.getOwner()) ? StorageKind::Pool : StorageKind::Arena;
  setPlace(result, {newStorage(kind, result.getType()), 0});
}

LogicalResult FunctionPlan::assignOp(Operation &op, SymbolTableCollection &symbols) {
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return assignFor(loop, symbols);
  if (auto loop = dyn_cast<scf::WhileOp>(op))
    return assignWhile(loop, symbols);
  if (auto reshape = dyn_cast<bess::ReshapeOp>(op)) {
    setPlace(reshape.getResult(), places.lookup(reshape.getX()));
    return success();
  }
  if (auto slice = dyn_cast<bess::SliceOp>(op)) {
    std::optional<SymbolicExpr> offset = bess::contiguousOffset(slice);
    if (offset && knownAtEntry(*offset)) {
      Place whole = places.lookup(slice.getX());
      setPlace(slice.getResult(), {whole.storage, whole.offset + *offset});
      return success();
    }
  }
  if (auto concat = dyn_cast<bess::ConcatOp>(op); concat && bess::isContiguousConcat(concat)) {
    assignConcat(concat);
    return success();
  }
  if (isa<bess::WeightOp, bess::PrepareOp, bess::ConstantOp>(op)) {
    StorageKind kind = isa<bess::ConstantOp>(op) ? StorageKind::Constant : StorageKind::Weight;
    for (OpResult result : op.getResults())
      setPlace(result, {newStorage(kind, result.getType(), result.getResultNumber()), 0});
    return success();
  }
  for (OpResult result : op.getResults())
    assignResult(result);
  if (auto call = dyn_cast<func::CallOp>(op)) {
    Operation *callee = symbols.lookupNearestSymbolFrom(call, call.getCalleeAttr());
    auto it = calleeFrames.find(callee);
    if (!callee || it == calleeFrames.end())
      return op.emitOpError() << "expected a function that is planned before its callers, got @" << call.getCallee();
    if (it->second > 0) {
      storages.push_back({StorageKind::Arena, 0, SymbolicExpr(it->second)});
      callFrames[&op] = storages.size() - 1;
    }
  }
  for (Region &region : op.getRegions())
    for (Block &block : region)
      if (!isa<bess::FusionOp>(op) && failed(assignBlock(block, symbols)))
        return failure();
  return success();
}

LogicalResult FunctionPlan::assignFor(scf::ForOp loop, SymbolTableCollection &symbols) {
  SmallVector<Place> slots;
  for (auto [argument, result] : llvm::zip(loop.getRegionIterArgs(), loop.getResults())) {
    Place place;
    if (isa<TensorType>(argument.getType()))
      place = {newStorage(StorageKind::Arena, argument.getType()), 0};
    setPlace(argument, place);
    setPlace(result, place);
    pinned.insert(place.storage);
    slots.push_back(place);
  }
  carried[loop] = slots;
  if (failed(assignBlock(*loop.getBody(), symbols)))
    return failure();
  addTemporaries(loop.getBody()->getTerminator(), slots);
  return success();
}

LogicalResult FunctionPlan::assignWhile(scf::WhileOp loop, SymbolTableCollection &symbols) {
  SmallVector<Place> slots;
  for (BlockArgument argument : loop.getBeforeArguments()) {
    Place place;
    if (isa<TensorType>(argument.getType()))
      place = {newStorage(StorageKind::Arena, argument.getType()), 0};
    setPlace(argument, place);
    pinned.insert(place.storage);
    slots.push_back(place);
  }
  carried[loop] = slots;
  if (failed(assignBlock(*loop.getBeforeBody(), symbols)))
    return failure();
  // What the condition forwards stays where it is: the body reads it there, and
  // so does what follows the loop.
  for (auto [value, argument, result] :
       llvm::zip(loop.getConditionOp().getArgs(), loop.getAfterArguments(), loop.getResults())) {
    Place place = places.lookup(value);
    setPlace(argument, place);
    setPlace(result, place);
  }
  if (failed(assignBlock(*loop.getAfterBody(), symbols)))
    return failure();
  addTemporaries(loop.getAfterBody()->getTerminator(), slots);
  return success();
}

/// A yielded value that lies in another carried slot goes through a temporary:
/// all slots are written at once.
void FunctionPlan::addTemporaries(Operation *yield, ArrayRef<Place> targets) {
  SmallVector<Place> temporary(yield->getNumOperands());
  for (auto [i, value] : llvm::enumerate(yield->getOperands())) {
    Place place = places.lookup(value);
    if (place.storage < 0 || place.storage == targets[i].storage)
      continue;
    if (llvm::any_of(targets, [&](const Place &slot) { return slot.storage == place.storage; }))
      temporary[i] = {newStorage(StorageKind::Arena, value.getType()), 0};
    pinned.insert(temporary[i].storage);
  }
  temporaries[yield] = temporary;
}

void FunctionPlan::setPlace(Value value, Place place) {
  places[value] = place;
  if (place.storage >= 0)
    valuesIn[place.storage].push_back(value);
}

/// The operands are made in the result's memory where they can be: those that
/// lie alone in a storage of their own. The others are copied there.
void FunctionPlan::assignConcat(bess::ConcatOp concat) {
  if (joinInPlace(concat))
    return;
  assignResult(concat->getResult(0));
  int whole = places.lookup(concat.getY()).storage;
  viewConcats.insert(concat);
  SymbolicExpr offset = 0;
  for (Value x : concat.getXs()) {
    // Where sizes are known only later, all are copied.
    if (storages[whole].kind != StorageKind::Arena || !knownAtEntry(offset))
      return;
    Place place = places.lookup(x);
    SymbolicExpr bytes = tensorBytes(x.getType());
    // A storage of several blocks (an if's result, a loop's) could be written again.
    bool alone = place.storage >= 0 && place.storage != whole && storages[place.storage].kind == StorageKind::Arena &&
                 place.offset == SymbolicExpr(0) && storages[place.storage].bytes == bytes &&
                 !pinned.contains(place.storage) && x.getParentBlock() == concat->getBlock();
    if (alone) {
      SmallVector<Value> values = std::move(valuesIn[place.storage]);
      valuesIn.erase(place.storage);
      for (Value value : values)
        setPlace(value, {whole, places.lookup(value).offset + offset});
      absorbed.insert(place.storage);
    }
    offset += bytes;
  }
}

/// Operands that lie one behind the other already: pieces that were written over the
/// pieces they were made of.
bool FunctionPlan::joinInPlace(bess::ConcatOp concat) {
  Place first = places.lookup(concat.getXs().front());
  if (!isOurs(first))
    return false;
  SymbolicExpr offset = first.offset;
  for (Value x : concat.getXs()) {
    Place place = places.lookup(x);
    if (place.storage != first.storage || !(place.offset == offset) || !x.getDefiningOp() ||
        x.getParentBlock() != concat->getBlock())
      return false;
    offset += tensorBytes(x.getType());
  }
  viewConcats.insert(concat);
  setPlace(concat.getY(), first);
  return true;
}

/// Gives the storages that nothing lies in any more back.
void FunctionPlan::dropAbsorbed() {
  if (absorbed.empty())
    return;
  std::vector<int> number(storages.size(), -1);
  std::vector<Storage> kept;
  for (auto [i, storage] : llvm::enumerate(storages))
    if (!absorbed.contains(i)) {
      number[i] = kept.size();
      kept.push_back(storage);
    }
  storages = std::move(kept);
  auto renumber = [&](int &storage) { storage = storage < 0 ? storage : number[storage]; };
  for (auto &[value, place] : places)
    renumber(place.storage);
  for (auto *lists : {&carried, &temporaries})
    for (auto &[op, slots] : *lists)
      for (Place &slot : slots)
        renumber(slot.storage);
  for (auto &[call, storage] : callFrames)
    renumber(storage);
}

/// Bytes of a storage, in constants; `end` is behind the last.
struct FunctionPlan::Range {
  int64_t begin = 0, end = 0;
  bool meets(const Range &other) const { return begin < other.end && other.begin < end; }
};

std::optional<FunctionPlan::Range> FunctionPlan::rangeOf(Value value) const {
  std::optional<int64_t> begin = places.lookup(value).offset.isConstant();
  std::optional<int64_t> bytes = tensorBytes(value.getType()).isConstant();
  if (!begin || !bytes)
    return std::nullopt;
  return Range{*begin, *begin + *bytes};
}

/// Is `value`, which lies at `range`, read at those of its bytes that `op` has `written`, by then or later?
bool FunctionPlan::isReadFrom(Value value, const Range &range, const Range &written, Operation *op,
                              Value operand) const {
  if (!range.meets(written))
    return false;
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    // A view reads nothing: who reads it does.
    if (auto reshape = dyn_cast<bess::ReshapeOp>(user); reshape && user->getBlock() == op->getBlock() && user != op)
      return isReadFrom(reshape.getY(), range, written, op, operand);
    if (auto slice = dyn_cast<bess::SliceOp>(user); slice && user->getBlock() == op->getBlock()) {
      std::optional<SymbolicExpr> offset = bess::contiguousOffset(slice);
      std::optional<int64_t> at = offset ? offset->isConstant() : std::nullopt;
      std::optional<int64_t> bytes = tensorBytes(slice.getY().getType()).isConstant();
      if (at && bytes)
        return isReadFrom(slice.getY(), {range.begin + *at, range.begin + *at + *bytes}, written, op, operand);
    }
    Operation *ancestor = op->getBlock()->findAncestorOpInBlock(*user);
    if (ancestor == op)
      return value != operand; // another view of the same bytes: the kernel reads them there, too
    return !ancestor || !ancestor->isBeforeInBlock(op);
  });
}

bool FunctionPlan::diesAt(Value value, Operation *op) const {
  // The use must be in the block of the definition, so that no loop runs it twice.
  if (value.getParentBlock() != op->getBlock())
    return false;
  auto it = valuesIn.find(places.lookup(value).storage);
  if (it == valuesIn.end())
    return false;
  std::optional<Range> written = rangeOf(value);
  for (Value other : it->second) {
    if (other.getParentBlock() != op->getBlock())
      return false;
    // Where sizes are free, everything in the storage meets everything.
    std::optional<Range> range = written ? rangeOf(other) : std::nullopt;
    Range all{0, INT64_MAX};
    if (isReadFrom(other, range ? *range : all, range ? *written : all, op, value))
      return false;
  }
  return true;
}

/// May what lies there be written over, once nobody reads it?
bool FunctionPlan::isOurs(const Place &place) const {
  if (place.storage < 0 || pinned.contains(place.storage))
    return false;
  const Storage &storage = storages[place.storage];
  return storage.kind == StorageKind::Arena || (storage.kind == StorageKind::Input && givenUp.contains(storage.index));
}

int FunctionPlan::inPlaceOperand(OpResult result) const {
  auto launch = dyn_cast<bess::LaunchOp>(result.getOwner());
  if (!launch)
    return -1;
  // Set by the phase that wrote the kernel: the operand that result i may take over.
  auto candidates = launch->getAttrOfType<DenseI64ArrayAttr>("in_place");
  if (!candidates || result.getResultNumber() >= candidates.size())
    return -1;
  int64_t operand = candidates[result.getResultNumber()];
  if (operand < 0 || operand >= int64_t(launch->getNumOperands()))
    return -1;
  Value value = launch->getOperand(operand);
  Place place = places.lookup(value);
  if (!isOurs(place) || !(tensorBytes(value.getType()) == tensorBytes(result.getType())))
    return -1;
  // All of a storage, or a part that is known.
  bool whole = place.offset == SymbolicExpr(0) && storages[place.storage].bytes == tensorBytes(result.getType());
  if (!whole && !rangeOf(value))
    return -1;
  if (llvm::count(launch->getOperands(), value) > 1 || !diesAt(value, launch))
    return -1;
  return operand;
}

SmallVector<int64_t> FunctionPlan::overwrites() {
  SmallVector<int64_t> arguments;
  for (Value value : function.front().getTerminator()->getOperands()) {
    Place place = places.lookup(value);
    bool over = place.storage >= 0 && storages[place.storage].kind == StorageKind::Input && value.getDefiningOp() &&
                givenUp.contains(storages[place.storage].index) && place.offset == SymbolicExpr(0) &&
                storages[place.storage].bytes == tensorBytes(value.getType());
    int64_t argument = over ? storages[place.storage].index : -1;
    // Two results cannot both have it.
    arguments.push_back(llvm::is_contained(arguments, argument) ? -1 : argument);
  }
  return arguments;
}

/// What the function returns is made in the memory of the result where it can be.
void FunctionPlan::placeOutputs() {
  Operation *terminator = function.front().getTerminator();
  for (auto [i, value] : llvm::enumerate(terminator->getOperands())) {
    Place place = places.lookup(value);
    if (place.storage < 0)
      continue;
    Storage &storage = storages[place.storage];
    bool whole = place.offset == SymbolicExpr(0) && storage.bytes == tensorBytes(value.getType());
    if ((storage.kind != StorageKind::Arena && storage.kind != StorageKind::Pool) || !whole)
      continue;
    storage.kind = StorageKind::Output;
    storage.index = i;
  }
}
