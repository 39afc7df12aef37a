// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Emulator/Prepare.h"

#include "lib/Emulator/Launch.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/BuiltinOps.h"

#include <algorithm>

using namespace mlir;
using namespace bessemer::emulator;

unsigned bessemer::emulator::laneBytes(Lane lane) {
  switch (lane) {
  case Lane::I1:
  case Lane::I8: return 1;
  case Lane::I16:
  case Lane::F16:
  case Lane::BF16: return 2;
  case Lane::I32:
  case Lane::F32: return 4;
  default: return 8;
  }
}

Preparer::Preparer(LLVM::LLVMFuncOp function, const std::map<std::string, uint32_t> &sharedOffsets)
    : function(function), layout(DataLayout::closest(function)), sharedOffsets(sharedOffsets) {}

bool Preparer::fail(Operation *op, const Twine &what) {
  if (error.empty()) {
    Site site{op->getName().getStringRef().str(), op->getLoc().getAsOpaquePointer()};
    error = "kernel '" + function.getName().str() + "', " + describeSite(site) + ": " + what.str();
  }
  return true;
}

static std::optional<Lane> scalarLane(Type type) {
  if (isa<LLVM::LLVMPointerType>(type))
    return Lane::Ptr;
  if (auto integer = dyn_cast<IntegerType>(type))
    switch (integer.getWidth()) {
    case 1: return Lane::I1;
    case 8: return Lane::I8;
    case 16: return Lane::I16;
    case 32: return Lane::I32;
    case 64: return Lane::I64;
    default: return {};
    }
  if (type.isF16())
    return Lane::F16;
  if (type.isBF16())
    return Lane::BF16;
  if (type.isF32())
    return Lane::F32;
  if (type.isF64())
    return Lane::F64;
  return {};
}

SmallVector<Leaf> Preparer::leaves(Operation *op, Type type) {
  SmallVector<Leaf> result;
  auto walk = [&](auto &self, Type part, uint32_t offset) -> bool {
    if (auto vector = dyn_cast<VectorType>(part)) {
      Type element = vector.getElementType();
      if (vector.isScalable() || vector.getRank() != 1 || element.isInteger(1))
        return part == type && vector.getRank() == 1 && element.isInteger(1) && [&] {
          for (int64_t i = 0; i < vector.getDimSize(0); ++i)
            result.push_back({Lane::I1, static_cast<uint32_t>(i)});
          return true;
        }();
      for (int64_t i = 0; i < vector.getDimSize(0); ++i)
        if (!self(self, element, offset + i * sizeOf(element)))
          return false;
      return true;
    }
    if (auto array = dyn_cast<LLVM::LLVMArrayType>(part)) {
      for (unsigned i = 0; i < array.getNumElements(); ++i)
        if (!self(self, array.getElementType(), offset + i * sizeOf(array.getElementType())))
          return false;
      return true;
    }
    if (auto structure = dyn_cast<LLVM::LLVMStructType>(part)) {
      uint64_t at = 0;
      for (Type field : structure.getBody()) {
        if (!structure.isPacked())
          at = llvm::alignTo(at, alignmentOf(field));
        if (!self(self, field, offset + at))
          return false;
        at += sizeOf(field);
      }
      return true;
    }
    std::optional<Lane> lane = scalarLane(part);
    if (lane)
      result.push_back({*lane, offset});
    return lane.has_value();
  };
  if (!walk(walk, type, 0)) {
    std::string text;
    llvm::raw_string_ostream(text) << type;
    fail(op, "expected values of 1, 8, 16, 32 or 64 bits, got " + text);
    result.clear();
  }
  return result;
}

Slot Preparer::makeSlot(Lane lane) {
  slotLanes.push_back(lane);
  return kernel.slots++;
}

Slot Preparer::constant(Lane lane, uint64_t bits) {
  auto [it, isNew] = constants.try_emplace({lane, bits}, 0);
  if (isNew) {
    it->second = makeSlot(lane);
    kernel.constants.push_back({it->second, lane, bits});
  }
  return it->second;
}

ArrayRef<Slot> Preparer::defineNew(Operation *op, Value value) {
  SmallVector<Slot> made;
  for (const Leaf &leaf : leaves(op, value.getType()))
    made.push_back(makeSlot(leaf.lane));
  return values[value] = std::move(made);
}

Inst &Preparer::emit(Operation *op, Handler run) {
  Inst inst;
  inst.run = run;
  inst.site = kernel.sites.size() - 1;
  kernel.code.push_back(inst);
  return kernel.code.back();
}

uint32_t Preparer::addList(ArrayRef<uint32_t> list) {
  uint32_t at = kernel.lists.size();
  kernel.lists.insert(kernel.lists.end(), list.begin(), list.end());
  return at;
}

uint32_t Preparer::edge(mlir::Block *target, ValueRange passed) {
  SmallVector<std::pair<Slot, Slot>> moves;
  for (auto [from, to] : llvm::zip(passed, target->getArguments()))
    for (auto [a, b] : llvm::zip(values[from], values[to]))
      if (a != b)
        moves.push_back({a, b});
  // All at once: where one writes what a later one reads, by way of copies.
  llvm::DenseSet<Slot> written;
  bool hazard = false;
  for (auto [from, to] : moves) {
    hazard |= written.contains(from);
    written.insert(to);
  }
  SmallVector<uint32_t> list, widths;
  auto add = [&](Slot from, Slot to) {
    list.append({from, to});
    widths.push_back(laneBytes(slotLanes[to]));
  };
  if (hazard) {
    SmallVector<Slot> temporaries;
    for (auto [from, to] : moves) {
      temporaries.push_back(makeSlot(slotLanes[to]));
      add(from, temporaries.back());
    }
    for (auto [move, temporary] : llvm::zip(moves, temporaries))
      add(temporary, move.second);
  } else {
    for (auto [from, to] : moves)
      add(from, to);
  }
  list.append(widths);
  kernel.edges.push_back({blockNumber(target), addList(list), static_cast<uint32_t>(widths.size())});
  return kernel.edges.size() - 1;
}

uint32_t Preparer::sharedOffset(StringRef global) const {
  auto it = sharedOffsets.find(global.str());
  return it == sharedOffsets.end() ? ~0u : it->second;
}

/// Cooper, Harvey and Kennedy, on the reversed graph with one exit behind all
/// blocks without successors.
void Preparer::findPostDominators(Region &region) {
  uint32_t count = kernel.blocks.size(), exit = count;
  std::vector<std::vector<uint32_t>> successors(count), predecessors(count + 1);
  for (mlir::Block &block : region) {
    uint32_t b = blockNumber(&block);
    for (mlir::Block *next : block.getSuccessors())
      successors[b].push_back(blockNumber(next));
    if (successors[b].empty())
      successors[b].push_back(exit);
    for (uint32_t next : successors[b])
      predecessors[next].push_back(b);
  }
  // Postorder of the reversed graph, from the exit.
  std::vector<uint32_t> order, number(count + 1, ~0u);
  std::vector<std::pair<uint32_t, size_t>> stack{{exit, 0}};
  std::vector<bool> seen(count + 1);
  seen[exit] = true;
  while (!stack.empty()) {
    auto &[node, next] = stack.back();
    if (next < predecessors[node].size()) {
      uint32_t to = predecessors[node][next++];
      if (!seen[to]) {
        seen[to] = true;
        stack.push_back({to, 0});
      }
      continue;
    }
    number[node] = order.size();
    order.push_back(node);
    stack.pop_back();
  }
  std::vector<uint32_t> dominator(count + 1, ~0u);
  dominator[exit] = exit;
  auto meet = [&](uint32_t a, uint32_t b) {
    while (a != b) {
      while (number[a] < number[b])
        a = dominator[a];
      while (number[b] < number[a])
        b = dominator[b];
    }
    return a;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = order.size(); i-- > 0;) {
      uint32_t node = order[i];
      if (node == exit)
        continue;
      uint32_t found = ~0u;
      for (uint32_t next : successors[node])
        if (dominator[next] != ~0u)
          found = found == ~0u ? next : meet(found, next);
      if (dominator[node] != found) {
        dominator[node] = found;
        changed = true;
      }
    }
  }
  for (uint32_t b = 0; b < count; ++b)
    kernel.blocks[b].postDominator = dominator[b] < count ? dominator[b] : noBlock;
}

bool Preparer::prepareOp(Operation *op) {
  kernel.sites.push_back({op->getName().getStringRef().str(), op->getLoc().getAsOpaquePointer()});
  for (auto prepare :
       {prepareConstant, prepareArith, prepareCast, prepareMath, prepareAggregate, prepareControl, prepareMemory,
        prepareAsync, prepareMBarrier, prepareTensorCopy, prepareWarp, prepareMatrix, prepareWgmma, prepareInlinePtx})
    if (prepare(*this, op))
      return error.empty();
  fail(op, "expected an op that the emulator knows");
  return false;
}

bool Preparer::run() {
  kernel.info.name = function.getName().str();
  Region &region = function.getBody();
  for (mlir::Block &block : region) {
    blockNumbers[&block] = kernel.blocks.size();
    kernel.blocks.emplace_back();
    for (BlockArgument argument : block.getArguments())
      (void)defineNew(function, argument);
  }
  for (BlockArgument argument : region.front().getArguments()) {
    if (slots(argument).size() != 1)
      return !fail(function, "expected parameters of one word each");
    kernel.parameters.push_back(slot(argument));
    kernel.parameterLanes.push_back(laneOf(slot(argument)));
  }
  kernel.info.parameters = kernel.parameters.size();
  findPostDominators(region);
  // Values of a block are defined before the blocks that it dominates are
  // prepared: blocks in an order in which dominators come first.
  llvm::SmallVector<mlir::Block *> order;
  llvm::DenseSet<mlir::Block *> seen;
  auto visit = [&](auto &self, mlir::Block *block) -> void {
    if (!seen.insert(block).second)
      return;
    for (mlir::Block *next : block->getSuccessors())
      self(self, next);
    order.push_back(block);
  };
  visit(visit, &region.front());
  for (mlir::Block *block : llvm::reverse(order)) {
    kernel.blocks[blockNumber(block)].begin = kernel.code.size();
    for (Operation &op : *block)
      if (!prepareOp(&op))
        return false;
  }
  if (auto required = function->getAttrOfType<DenseI32ArrayAttr>(NVVM::NVVMDialect::getReqntidAttrName())) {
    ArrayRef<int32_t> sizes = required;
    auto at = [&](size_t i) { return i < sizes.size() ? static_cast<uint32_t>(sizes[i]) : 1u; };
    kernel.info.requiredBlock = {at(0), at(1), at(2)};
  }
  return error.empty();
}

const Kernel *Module::Impl::find(const std::string &name) const {
  for (const Kernel &kernel : kernels)
    if (kernel.info.name == name)
      return &kernel;
  return nullptr;
}

Module::Module() : impl(std::make_unique<Impl>()) {}
Module::~Module() = default;

std::vector<KernelInfo> Module::kernels() const {
  std::vector<KernelInfo> result;
  for (const Kernel &kernel : impl->kernels)
    result.push_back(kernel.info);
  return result;
}

std::unique_ptr<Module> Module::prepare(ModuleOp module, std::string &error) {
  std::unique_ptr<Module> result(new Module());
  DataLayout layout(module);
  SmallVector<LLVM::LLVMFuncOp> functions;
  module.walk([&](LLVM::LLVMFuncOp function) {
    if (function->hasAttr(NVVM::NVVMDialect::getKernelFuncAttrName()) && !function.isExternal())
      functions.push_back(function);
  });
  for (LLVM::LLVMFuncOp function : functions) {
    // Shared memory: what the kernel names, one after the other; arrays of no
    // elements are the dynamic part, behind the rest.
    std::map<std::string, uint32_t> offsets;
    uint64_t size = 0, dynamicAlignment = 128;
    SmallVector<std::string> dynamic;
    function.walk([&](LLVM::AddressOfOp op) {
      auto global = SymbolTable::lookupNearestSymbolFrom<LLVM::GlobalOp>(op, op.getGlobalNameAttr());
      if (!global || global.getAddrSpace() != 3 || offsets.count(op.getGlobalName().str()))
        return;
      uint64_t bytes = layout.getTypeSize(global.getGlobalType()).getFixedValue();
      if (bytes == 0) {
        dynamic.push_back(op.getGlobalName().str());
        dynamicAlignment = std::max(dynamicAlignment, global.getAlignment().value_or(0));
        return;
      }
      uint64_t alignment =
          std::max<uint64_t>(global.getAlignment().value_or(0), layout.getTypeABIAlignment(global.getGlobalType()));
      size = llvm::alignTo(size, alignment);
      offsets[op.getGlobalName().str()] = size;
      size += bytes;
    });
    if (!dynamic.empty())
      size = llvm::alignTo(size, dynamicAlignment);
    for (const std::string &name : dynamic)
      offsets[name] = size;
    Preparer preparer(function, offsets);
    preparer.kernel.sharedBytes = size;
    preparer.kernel.info.staticSharedBytes = size;
    if (!preparer.run()) {
      error = preparer.error;
      return nullptr;
    }
    result->impl->kernels.push_back(std::move(preparer.kernel));
  }
  return result;
}
