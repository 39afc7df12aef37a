// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared memory: one arena for each kernel, swizzled tiles in it, copies from
// global memory to them.
#include "passes/Lower/Gpu/GpuExpander.h"

#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

/// What a kernel may have without asking for it at the launch.
static constexpr int64_t staticSharedBytes = 48 << 10;
static constexpr int64_t accessBytes = 16, passBytes = 128;

// ---- the arena

int64_t GpuExpander::takeShared(int64_t bytes, int64_t alignment) {
  sharedAlignment = std::max(sharedAlignment, alignment);
  int64_t place = llvm::alignTo(sharedTop, alignment);
  sharedTop = place + bytes;
  sharedSize = std::max(sharedSize, sharedTop);
  return place;
}

void GpuExpander::releaseShared(int64_t place) { sharedTop = place; }

void GpuExpander::fenceShared() {
  if (sharedUsed)
    blockBarrier();
  sharedUsed = false;
}

static std::string arenaName(tile::KernelOp kernel) { return (kernel.getSymName() + "_arena").str(); }

Value GpuExpander::sharedBase(int64_t bytes) {
  auto type = LLVM::LLVMPointerType::get(b.getContext(), 3);
  if (!sharedArena) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointAfterValue(warp);
    sharedArena = LLVM::AddressOfOp::create(b, type, arenaName(kernel));
  }
  return moved(sharedArena, bytes);
}

Value GpuExpander::moved(Value pointer, int64_t bytes) {
  if (bytes == 0)
    return pointer;
  return LLVM::GEPOp::create(b, pointer.getType(), b.getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)});
}

/// More than a kernel may have statically is asked for at the launch:
/// `bess.shared` says how much.
void GpuExpander::finishShared(func::FuncOp function) {
  if (!sharedArena)
    return;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(module.getBody());
  bool isDynamic = sharedSize > staticSharedBytes;
  auto array = LLVM::LLVMArrayType::get(b.getI8Type(), isDynamic ? 0 : sharedSize);
  LLVM::GlobalOp::create(b, array, /*isConstant=*/false, isDynamic ? LLVM::Linkage::External : LLVM::Linkage::Internal,
                         arenaName(kernel), Attribute(), sharedAlignment, /*addrSpace=*/3);
  if (!isDynamic)
    return;
  function->setAttr("bess.shared", b.getI64IntegerAttr(sharedSize));
  // ptxas does not know how much a launch will ask for. Left alone it keeps to 64 registers, so that more blocks would
  // fit than the memory has room for, and every ldmatrix waits for the products of the one before.
  constexpr int64_t usualRegisters = 168;
  int64_t threads = function->getAttrOfType<IntegerAttr>("bess.block").getInt();
  int64_t resident = std::min(machine.sharedBytes / sharedSize, machine.registers / (threads * usualRegisters));
  if (copiesWiden)
    resident = 1;
  if (!function->hasAttr("bess.least_resident"))
    function->setAttr("bess.least_resident", b.getI32IntegerAttr(std::max<int64_t>(resident, 1)));
}

// ---- places

Value GpuExpander::threadSum(const ThreadColumns &columns) {
  std::string key;
  llvm::raw_string_ostream text(key);
  for (const std::vector<int64_t> *part : {&columns.lane, &columns.warp}) {
    for (int64_t column : *part)
      text << column << ",";
    text << ";";
  }
  Value &known = threadSums[key];
  if (known)
    return known;
  // Once, at the top: it is the same all over the kernel.
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfterValue(warp);
  Type i32 = b.getI32Type();
  auto constant = [&](int64_t v) { return Value(arith::ConstantOp::create(b, b.getI32IntegerAttr(v))); };
  Value sum;
  for (auto [id, part] : {std::pair(lane, &columns.lane), std::pair(warp, &columns.warp)}) {
    Value number;
    for (size_t bit = 0; bit < part->size();) {
      int64_t column = (*part)[bit];
      size_t run = 1;
      // Bits that go to neighbouring bits go there together.
      while (llvm::isPowerOf2_64(column) && bit + run < part->size() && (*part)[bit + run] == column << run)
        ++run;
      if (column) {
        if (!number)
          number = arith::IndexCastOp::create(b, i32, id);
        Value piece = bit ? b.createOrFold<arith::ShRUIOp>(number, constant(bit)) : number;
        piece = b.createOrFold<arith::AndIOp>(piece, constant((int64_t(1) << run) - 1));
        piece = b.createOrFold<arith::MulIOp>(piece, constant(column));
        sum = sum ? Value(arith::XOrIOp::create(b, sum, piece)) : piece;
      }
      bit += run;
    }
  }
  return known = sum ? sum : constant(0);
}

Value GpuExpander::sharedPlace(Value base, const ThreadColumns &columns, int64_t offset) {
  int64_t reach = 0;
  for (const std::vector<int64_t> *part : {&columns.lane, &columns.warp})
    for (int64_t column : *part)
      reach |= column;
  ThreadColumns traded = columns;
  // What the thread cannot reach is added, as part of the access; the rest is
  // one more column, of a bit that is always set.
  int64_t inReach = offset & reach;
  Value sum = threadSum(columns);
  if (inReach) {
    std::string key =
        std::to_string(inReach) + "^" + std::to_string(reinterpret_cast<uintptr_t>(sum.getAsOpaquePointer()));
    Value &known = threadSums[key];
    if (!known) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointAfterValue(sum);
      known = arith::XOrIOp::create(b, sum, arith::ConstantOp::create(b, b.getI32IntegerAttr(inReach)));
    }
    sum = known;
  }
  Type i8 = b.getI8Type();
  Value place = LLVM::GEPOp::create(b, base.getType(), i8, base, ArrayRef<LLVM::GEPArg>{sum});
  if (int64_t rest = offset & ~reach)
    place = LLVM::GEPOp::create(b, base.getType(), i8, place, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(rest)});
  return place;
}

// ---- tiles

int64_t GpuExpander::SharedTile::place(int64_t row, int64_t column) const {
  int64_t coordinates[] = {row, column};
  TileLayout::Place place = layout.find(coordinates);
  int64_t offset = place.reg * layout.atom().totalOutputSize(); // of the part
  for (auto &[name, value] : place.others)
    if (name == "offset")
      offset += value;
  return offset * elementBytes();
}

GpuExpander::SharedTile GpuExpander::makeSharedTile(int64_t rows, int64_t columns, Type element, int64_t rowStep,
                                                    int64_t groupBytes) {
  SharedTile tile;
  tile.element = element;
  // A width that is no power of two: parts that are, one behind the other.
  int64_t part = columns & -columns, groups = std::max<int64_t>(1, part * tile.elementBytes() / groupBytes);
  int64_t phases = std::min<int64_t>(passBytes / groupBytes, groups);
  TileLayout first = sharedSwizzleLayout(rows, part, std::min(part, groupBytes / tile.elementBytes()),
                                         std::max<int64_t>(rowStep, passBytes / groupBytes / groups), phases);
  tile.layout = TileLayout::create(first.atom(), {1, columns / part}).value_or(first);
  tile.bytes = rows * columns * tile.elementBytes();
  return tile;
}

GpuExpander::ThreadColumns GpuExpander::threadColumns(const SharedTile &tile, const TileLayout &layout) {
  ThreadColumns result;
  const LinearLayout &atom = layout.atom();
  for (auto [name, part] : {std::pair("lane", &result.lane), std::pair("warp", &result.warp)})
    for (unsigned bit = 0; int64_t(1) << bit < atom.inputSize(name); ++bit)
      part->push_back(
          tile.place(atom.basis(name, bit, atom.outputs()[0].name), atom.basis(name, bit, atom.outputs()[1].name)));
  return result;
}

GpuExpander::Registers GpuExpander::readShared(const SharedTile &tile, Value base, const TileLayout &layout,
                                               int64_t row, int64_t column) {
  ThreadColumns columns = threadColumns(tile, layout);
  int64_t width = std::min(contiguousRegisters(layout), accessBytes / tile.elementBytes());
  Registers result;
  for (int64_t reg = 0; reg < layout.registers(); reg += width) {
    std::vector<int64_t> at = layout.locate(reg, {});
    llvm::append_range(
        result, read(sharedPlace(base, columns, tile.place(row + at[0], column + at[1])), tile.element, width, {}));
  }
  return result;
}

// ---- copies from global memory

GpuExpander::SharedCopy GpuExpander::makeSharedCopy(tile::LoadOp load, int64_t rows, int64_t columns, int64_t depthDim,
                                                    int64_t threads, int64_t rowStep, int64_t groupBytes,
                                                    Type element) {
  SharedCopy copy;
  copy.load = load;
  auto type = cast<RankedTensorType>(load.getTile().getType());
  if (element && element != type.getElementType())
    copy.narrow = type.getElementType();
  copy.tile =
      makeSharedTile(rows, columns, element ? element : storageType(type.getElementType()), rowStep, groupBytes);
  copy.depthDim = depthDim;
  int64_t bytes = copy.tile.elementBytes();
  // Steps of the depth are multiples of 16 bytes; where the tile itself begins
  // and how long its rows are, the view says.
  copy.vector = accessWidth(load.getView(), load.getOffsets(), load.getDims(), std::min(columns, accessBytes / bytes));
  copy.asynchronous = copy.vector * bytes >= 4 && machine.architecture >= 80 && !copy.narrow;
  copy.wholeDepth = !type.isDynamicDim(depthDim) && type.getDimSize(depthDim) % copy.tile.layout.shape()[depthDim] == 0;
  copy.layout = copyLayout(rows, columns, copy.vector, threads, /*rowsFirst=*/false);
  return copy;
}

TileLayout GpuExpander::copyLayout(int64_t rows, int64_t columns, int64_t vector, int64_t threads, bool rowsFirst) {
  // The parts of a wide tile go to registers.
  int64_t repeats = columns / (columns & -columns);
  columns /= repeats;
  std::vector<LinearLayout::InputBases> inputs{{"register", {}}, {"lane", {}}, {"warp", {}}};
  int64_t column = 1, row = 1;
  for (; column < vector; column *= 2)
    inputs[0].bases.push_back({0, column});
  auto next = [&]() -> std::vector<int64_t> {
    if (column < columns && !(rowsFirst && row < rows))
      return {0, std::exchange(column, 2 * column)};
    if (row < rows)
      return {std::exchange(row, 2 * row), 0};
    return {0, 0};
  };
  for (int64_t bit = 0; bit < 5; ++bit)
    inputs[1].bases.push_back(next());
  for (int64_t warps = 1; warps < threads / 32; warps *= 2)
    inputs[2].bases.push_back(next());
  while (column < columns || row < rows)
    inputs[0].bases.push_back(next());
  std::pair<std::string, int64_t> outputs[] = {{"row", rows}, {"col", columns}};
  std::optional<LinearLayout> atom = LinearLayout::fromBases(inputs, outputs);
  return atom ? TileLayout::create(std::move(*atom), {1, repeats}).value_or(TileLayout()) : TileLayout();
}

void GpuExpander::eachAccess(const SharedCopy &copy, Value base, Value step,
                             llvm::function_ref<void(Value from, Value to, Value guard)> access) {
  tile::LoadOp load = copy.load;
  auto type = cast<RankedTensorType>(load.getTile().getType());
  ThreadColumns columns = threadColumns(copy.tile, copy.layout);
  Value depth = step ? mul(step, index(copy.tile.layout.shape()[copy.depthDim])) : Value();
  for (int64_t reg = 0; reg < copy.layout.registers(); reg += copy.vector) {
    Registers at = coordinates(copy.layout, reg);
    std::vector<int64_t> inTile = copy.layout.locate(reg, {});
    Value guard;
    for (int64_t d = 0; d < 2; ++d) {
      bool alongDepth = step && d == copy.depthDim;
      if (alongDepth)
        at[d] = add(at[d], depth);
      // Within the tile, and where the tile may be larger than the view,
      // within the view.
      if (alongDepth && !copy.wholeDepth)
        guard = both(guard, below(at[d], type.isDynamicDim(d) ? mapped(tileSizeOperand(load.getTile(), d))
                                                              : index(type.getDimSize(d))));
      if (!alongDepth && type.isDynamicDim(d))
        guard = both(guard, below(at[d], mapped(tileSizeOperand(load.getTile(), d))));
      else if (!alongDepth && type.getDimSize(d) < copy.tile.layout.shape()[d])
        guard = both(guard, below(at[d], index(type.getDimSize(d))));
    }
    if (!load->hasAttr("in_bounds"))
      guard = both(guard, isInView(load.getView(), load.getOffsets(), load.getDims(), at));
    if (load.getCondition())
      guard = both(guard, mapped(load.getCondition()));
    access(pointer(load.getView(), load.getOffsets(), load.getDims(), at),
           sharedPlace(base, columns, copy.tile.place(inTile[0], inTile[1])), guard);
  }
}

void GpuExpander::startCopy(const SharedCopy &copy, Value base, Value step) {
  if (copy.patches)
    return startPatchesCopy(copy, base, step);
  tile::LoadOp load = copy.load;
  Type element = cast<RankedTensorType>(load.getTile().getType()).getElementType();
  int64_t bytes = copy.tile.elementBytes();
  guarded(isOwner(copy.layout), [&] {
    eachAccess(copy, base, step, [&](Value from, Value to, Value guard) {
      if (copy.asynchronous) {
        int64_t size = copy.vector * bytes;
        // Of what is outside nothing is read, and zeros arrive.
        Value read;
        if (guard)
          read = arith::SelectOp::create(b, guard, arith::ConstantOp::create(b, b.getI32IntegerAttr(size)),
                                         zeroOf(b.getI32Type()));
        NVVM::CpAsyncOp::create(b, to, from, size,
                                size == 16 ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA, read);
        return;
      }
      Registers values = this->read(from, element, copy.vector, guard);
      Value whole = values[0];
      if (copy.vector > 1)
        whole = vector::FromElementsOp::create(b, VectorType::get({copy.vector}, copy.tile.element), values);
      LLVM::StoreOp::create(b, whole, to, copy.vector * bytes);
    });
  });
}
