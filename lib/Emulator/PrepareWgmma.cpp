// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// wgmma: products of a warpgroup whose operands lie in shared memory, named by
// descriptors (PTX ISA, "Shared Memory Matrix Layout" and "Matrix Descriptor Format").
// Each of the four warps computes its 16 of the 64 rows.
//
// The sums are there when they were waited for. LLVM knows nothing of that, so what
// reads them must come out of the wait: only another product, a branch, and the waits
// of the table (bessemer/Support/InlinePtx.def) may use them; all else is refused. A wait
// that leaves a group on its way may not hand on the sums of that group.
//
// The left operand may be in registers (bessemer/Support/WgmmaText.h); they must have
// their values before the wgmma.fence.
#include "lib/Emulator/Lanes.h"
#include "lib/Emulator/Launch.h"

#include "bessemer/Support/WgmmaText.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::emulator;

namespace {
constexpr uint32_t chunkBytes = 16, stepBytes = 32, coreRows = 8;

/// The fields of a descriptor, in bytes.
struct Descriptor {
  uint64_t start = 0, leading = 0, stride = 0;
  uint32_t swizzle = 0, baseOffset = 0;

  explicit Descriptor(uint64_t bits) {
    constexpr uint32_t swizzles[] = {0, 128, 64, 32};
    start = (bits & 0x3fff) << 4;
    leading = (bits >> 16 & 0x3fff) << 4;
    stride = (bits >> 32 & 0x3fff) << 4;
    baseOffset = bits >> 49 & 7;
    swizzle = swizzles[bits >> 62];
  }
  /// Of 16 bytes along k: row `row`, group `group` of the step.
  uint64_t alongDepth(uint32_t row, uint32_t group) const {
    uint64_t pitch = swizzle ? swizzle : chunkBytes;
    return swizzledPlace(
        start + row / coreRows * stride + row % coreRows * pitch + group * (swizzle ? chunkBytes : leading), swizzle);
  }
  /// Of 16 bytes along m or n: group `group` of eight rows, at depth `k`.
  uint64_t alongRows(uint32_t group, uint32_t k) const {
    if (!swizzle)
      return start + group * stride + k % coreRows * chunkBytes + k / coreRows * leading;
    uint32_t width = swizzle / chunkBytes;
    return swizzledPlace(start + group % width * chunkBytes + group / width * leading + k % coreRows * swizzle +
                             k / coreRows * stride,
                         swizzle);
  }
};

/// fn(host place or null, row, k) of each 16 bytes of the operand, after their checks.
template <class F> void eachChunk(Warp &warp, const MatrixRead &read, F &&fn) {
  Descriptor descriptor(read.descriptor);
  Inst inst;
  inst.site = read.site;
  MemoryAccess access;
  access.space = Space::Shared;
  access.bytes = access.alignment = chunkBytes;
  access.quiet = access.asyncProxy = true;
  uint32_t perChunk = chunkBytes / read.elementBytes, depth = stepBytes / read.elementBytes;
  uint64_t addresses[32];
  std::pair<uint32_t, uint32_t> places[32];
  std::array<uint8_t *, 32> host;
  unsigned count = 0;
  auto flush = [&] {
    if (count)
      access.resolve(warp, inst, count == 32 ? ~0u : (1u << count) - 1, addresses, host);
    for (unsigned i = 0; i < count; ++i)
      fn(host[i], places[i].first, places[i].second);
    count = 0;
  };
  auto add = [&](uint64_t address, uint32_t row, uint32_t k) {
    addresses[count] = address;
    places[count++] = {row, k};
    if (count == 32)
      flush();
  };
  if (read.isDepthMajor)
    for (uint32_t row = read.first; row < read.first + read.rows; ++row)
      for (uint32_t k = 0; k < depth; k += perChunk)
        add(descriptor.alongDepth(row, k / perChunk), row, k);
  else
    for (uint32_t row = read.first; row < read.first + read.rows; row += perChunk)
      for (uint32_t k = 0; k < depth; ++k)
        add(descriptor.alongRows(row / perChunk, k), row, k);
  flush();
}

void checkAgain(Warp &warp, const Product &product) {
  for (const MatrixRead *read : {&product.a, &product.b})
    eachChunk(warp, *read, [](uint8_t *, uint32_t, uint32_t) {});
}

using Types = NVVM::WGMMATypes;
constexpr uint32_t bytesOf(Types type) {
  return type == Types::tf32 ? 4 : type == Types::e4m3 || type == Types::e5m2 ? 1 : 2;
}

template <Types T> float valueAt(const uint8_t *bytes, uint32_t index) {
  if constexpr (T == Types::tf32) {
    uint32_t bits;
    std::memcpy(&bits, bytes + 4 * index, 4);
    return std::bit_cast<float>(bits & 0xffffe000);
  } else if constexpr (T == Types::e5m2 || T == Types::e4m3) {
    return float8ToFloat<T == Types::e4m3>(bytes[index]);
  } else {
    uint16_t bits;
    std::memcpy(&bits, bytes + 2 * index, 2);
    return T == Types::f16 ? halfToFloat(bits) : bfloatToFloat(bits);
  }
}

// ---- mma_async. a, b: descriptors; list: slots of the sums before and after, then four of a left operand in
// registers; imm: n, then flags.
enum : int64_t {
  aAlongRows = 1 << 16,
  bAlongRows = 1 << 17,
  keepSums = 1 << 18,
  negateA = 1 << 19,
  negateB = 1 << 20,
  aInRegisters = 1 << 21
};

template <Types T> void runProduct(Warp &warp, const Inst &inst) {
  if (warp.mask != ~0u)
    warp.report(FindingKind::BarrierDivergence, inst, "expected all lanes to come");
  if (!warp.productsFenced)
    warp.report(FindingKind::Race, inst, "the sums were in use, and no wgmma.fence came since");
  constexpr uint32_t depth = stepBytes / bytesOf(T);
  uint32_t columns = inst.imm & 0xffff;
  const uint32_t *before = warp.kernel->lists.data() + inst.list, *after = before + inst.count;
  Product product;
  product.firstSum = inst.list + inst.count;
  product.sums = inst.count;
  if (!(inst.imm & aInRegisters))
    product.a = {
        warp.lanes<uint64_t>(inst.a)[0], warp.index % 4 * 16, 16, bytesOf(T), !(inst.imm & aAlongRows), inst.site};
  product.b = {warp.lanes<uint64_t>(inst.b)[0], 0, columns, bytesOf(T), !(inst.imm & bAlongRows), inst.site};
  for (const MatrixRead *read : {&product.a, &product.b})
    if (Descriptor(read->descriptor).baseOffset)
      warp.report(FindingKind::Fault, inst, "expected a descriptor whose pattern begins at a multiple of its size");
  float a[16][depth], b[depth][256];
  auto fill = [&](const MatrixRead &read, auto &&put) {
    eachChunk(warp, read, [&](const uint8_t *host, uint32_t row, uint32_t k) {
      for (uint32_t i = 0; i < chunkBytes / bytesOf(T); ++i)
        put(read.isDepthMajor ? row : row + i, read.isDepthMajor ? k + i : k, host ? valueAt<T>(host, i) : 0);
    });
  };
  fill(product.a, [&](uint32_t row, uint32_t k, float value) {
    a[row - product.a.first][k] = inst.imm & negateA ? -value : value;
  });
  fill(product.b, [&](uint32_t row, uint32_t k, float value) { b[k][row] = inst.imm & negateB ? -value : value; });
  if constexpr (depth == 16)
    if (inst.imm & aInRegisters)
      for (uint32_t word = 0; word < 4; ++word)
        for (uint32_t lane = 0; lane < 32; ++lane)
          for (uint32_t i = 0; i < 2; ++i)
            a[word % 2 * 8 + lane / 4][word / 2 * 8 + lane % 4 * 2 + i] =
                valueAt<T>(reinterpret_cast<const uint8_t *>(warp.lanes<uint32_t>(after[inst.count + word]) + lane), i);
  double sums[256];
  for (uint32_t row = 0; row < 16; ++row) {
    std::fill_n(sums, columns, 0.0);
    for (uint32_t k = 0; k < depth; ++k) {
      double left = a[row][k];
      for (uint32_t column = 0; column < columns; ++column)
        sums[column] += left * b[k][column];
    }
    for (uint32_t column = 0; column < columns; ++column) {
      uint32_t reg = column / 8 * 4 + row / 8 * 2 + column % 2, lane = row % 8 * 4 + column % 8 / 2;
      float old = inst.imm & keepSums ? warp.lanes<float>(before[reg])[lane] : 0;
      warp.lanes<float>(after[reg])[lane] = static_cast<float>(old + sums[column]);
    }
  }
  warp.productOpen.push_back(product);
}

void runFence(Warp &warp, const Inst &) { warp.productsFenced = true; }

void runCommit(Warp &warp, const Inst &) {
  warp.productGroups.push_back(std::move(warp.productOpen));
  warp.productOpen.clear();
}

void waitFor(Warp &warp, size_t left) {
  for (; warp.productGroups.size() > left; warp.productGroups.pop_front())
    for (const Product &product : warp.productGroups.front())
      checkAgain(warp, product);
}
void runWait(Warp &warp, const Inst &inst) { waitFor(warp, static_cast<size_t>(inst.imm)); }

/// Also hands the sums on. list: from, to; imm: groups left.
void runWaitForSums(Warp &warp, const Inst &inst) {
  if (!warp.productOpen.empty())
    warp.report(FindingKind::Race, inst, "the sums of a product that no wgmma.commit_group has put into a group");
  waitFor(warp, static_cast<size_t>(inst.imm));
  warp.productsFenced = false;
  const uint32_t *list = warp.kernel->lists.data() + inst.list;
  for (const std::vector<Product> &group : warp.productGroups)
    for (const Product &product : group)
      if (product.sums && inst.count &&
          std::find(list, list + inst.count, warp.kernel->lists[product.firstSum]) != list + inst.count) {
        warp.report(FindingKind::Race, inst, "hands sums on whose group it leaves on its way");
        break;
      }
  for (uint32_t i = 0; i < inst.count; ++i)
    std::memcpy(warp.lanes<float>(list[inst.count + i]), warp.lanes<float>(list[i]), 32 * sizeof(float));
}

/// How many groups a wait of the table leaves; nullopt: it is none.
std::optional<int64_t> groupsLeftBySumsWait(Operation *op) {
  auto assembly = dyn_cast<LLVM::InlineAsmOp>(op);
  StringRef text = assembly ? assembly.getAsmString() : StringRef();
#define BESSEMER_PTX_F32(NAME, TEXT, VALUE)
#define BESSEMER_PTX_WAIT_FOR_SUMS(NAME, TEXT, LEFT)                                                                   \
  if (text == TEXT)                                                                                                    \
    return LEFT;
#include "bessemer/Support/InlinePtx.def"
  return std::nullopt;
}

/// wgmma with its left operand in registers (WgmmaText.h): four words, the descriptor, the sums.
struct FromRegisters {
  static constexpr unsigned words = 4;
  LLVM::InlineAsmOp op;
  int64_t columns = 0;
  bool isBrain = false, alongRows = false;

  static std::optional<FromRegisters> of(Operation *op) {
    auto assembly = dyn_cast<LLVM::InlineAsmOp>(op);
    if (!assembly || !assembly.getAsmString().contains("wgmma.mma_async"))
      return std::nullopt;
    FromRegisters found{assembly};
    found.columns = 2 * (int64_t(op->getNumOperands()) - words - 1);
    for (bool brain : {false, true})
      for (bool along : {false, true})
        if (wgmmaFromRegistersText(found.columns, brain, along) == assembly.getAsmString()) {
          found.isBrain = brain;
          found.alongRows = along;
          return found;
        }
    return std::nullopt;
  }
};

/// The first op that reads the sums and may not.
Operation *findReader(Value sums, DenseSet<Value> &seen) {
  if (!seen.insert(sums).second)
    return nullptr;
  for (OpOperand &use : sums.getUses()) {
    Operation *user = use.getOwner();
    if (isa<NVVM::WgmmaMmaAsyncOp>(user) || groupsLeftBySumsWait(user) ||
        (FromRegisters::of(user) && use.getOperandNumber() > FromRegisters::words))
      continue;
    Operation *found = user;
    if (auto branch = dyn_cast<BranchOpInterface>(user)) {
      std::optional<BlockArgument> target = branch.getSuccessorBlockArgument(use.getOperandNumber());
      found = target ? findReader(*target, seen) : user;
    } else if (auto extract = dyn_cast<LLVM::ExtractValueOp>(user)) {
      found = findReader(extract.getRes(), seen);
    }
    if (found)
      return found;
  }
  return nullptr;
}

bool emitProduct(Preparer &p, NVVM::WgmmaMmaAsyncOp op) {
  auto shape = op.getShape();
  Handler run = nullptr;
  switch (op.getTypeA()) {
  case Types::f16: run = runProduct<Types::f16>; break;
  case Types::bf16: run = runProduct<Types::bf16>; break;
  case Types::tf32: run = runProduct<Types::tf32>; break;
  case Types::e4m3: run = runProduct<Types::e4m3>; break;
  case Types::e5m2: run = runProduct<Types::e5m2>; break;
  default: break;
  }
  if (!run || op.getTypeA() != op.getTypeB() || op.getTypeD() != Types::f32)
    return p.fail(op, "expected operands of f16, bf16, tf32, e4m3 or e5m2, both the same, and sums of f32");
  uint32_t depth = stepBytes / bytesOf(op.getTypeA());
  if (shape.getM() != 64 || shape.getK() != depth || shape.getN() < 8 || shape.getN() > 256 || shape.getN() % 8)
    return p.fail(op, "expected m64 n8 to n256 k" + Twine(depth));
  bool aRows = op.getLayoutA() == NVVM::MMALayout::col, bRows = op.getLayoutB() == NVVM::MMALayout::row;
  if ((aRows || bRows) && depth != 16)
    return p.fail(op, "expected operands whose neighbours are along k, as all that are not of 16 bits");
  DenseSet<Value> seen;
  if (Operation *reader = findReader(op.getResults(), seen))
    return p.fail(reader, "reads sums of a wgmma.mma_async that were not waited for: expected them from the wait "
                          "that hands them on (bessemer/Support/InlinePtx.def)");
  SmallVector<uint32_t> list(p.slots(op.getInouts()));
  uint32_t count = list.size();
  if (count != shape.getN() / 2)
    return p.fail(op, "expected " + Twine(shape.getN() / 2) + " sums of a lane, got " + Twine(count));
  llvm::append_range(list, p.defineNew(op, op.getResults()));
  Inst &inst = p.emit(op, run);
  inst.a = p.slot(op.getDescriptorA());
  inst.b = p.slot(op.getDescriptorB());
  inst.list = p.addList(list);
  inst.count = count;
  inst.imm = shape.getN() | (aRows ? aAlongRows : 0) | (bRows ? bAlongRows : 0) |
             (op.getScaleD() == NVVM::WGMMAScaleOut::one ? keepSums : 0) |
             (op.getScaleA() == NVVM::WGMMAScaleIn::neg ? negateA : 0) |
             (op.getScaleB() == NVVM::WGMMAScaleIn::neg ? negateB : 0);
  return true;
}

/// Whether a value is computed between the last fence before `op`, or the begin of its block, and `op`.
bool isBehindFence(Value value, Operation *op) {
  Operation *source = value.getDefiningOp();
  for (Operation *o = op->getPrevNode(); source && o; o = o->getPrevNode()) {
    if (isa<NVVM::WgmmaFenceAlignedOp>(o))
      return false;
    if (o == source)
      return true;
  }
  return false;
}

bool emitProductFromRegisters(Preparer &p, const FromRegisters &product) {
  LLVM::InlineAsmOp op = product.op;
  if (product.columns < 8 || product.columns > 256 || product.columns % 8 || op->getNumResults() != 1)
    return p.fail(op, "expected m64 n8 to n256 k16");
  DenseSet<Value> seen;
  if (Operation *reader = findReader(op.getRes(), seen))
    return p.fail(reader, "reads sums of a wgmma.mma_async that were not waited for: expected them from the wait "
                          "that hands them on (bessemer/Support/InlinePtx.def)");
  SmallVector<uint32_t> list, words;
  for (auto [i, operand] : llvm::enumerate(op.getOperands())) {
    if (i < FromRegisters::words && isBehindFence(operand, op))
      return p.fail(op, "expected a left operand that has its value before the wgmma.fence");
    Lane lane = i < FromRegisters::words ? Lane::I32 : i == FromRegisters::words ? Lane::I64 : Lane::F32;
    if (p.slots(operand).size() != 1 || p.laneOf(p.slot(operand)) != lane)
      return p.fail(op, "expected four words of i32, a descriptor of i64 and sums of f32");
    if (i != FromRegisters::words)
      (i < FromRegisters::words ? words : list).push_back(p.slot(operand));
  }
  uint32_t count = list.size();
  llvm::append_range(list, p.defineNew(op, op.getRes()));
  if (list.size() != 2 * count)
    return p.fail(op, "expected as many results as sums");
  llvm::append_range(list, words);
  Inst &inst = p.emit(op, product.isBrain ? runProduct<Types::bf16> : runProduct<Types::f16>);
  inst.b = p.slot(op.getOperands()[FromRegisters::words]);
  inst.list = p.addList(list);
  inst.count = count;
  inst.imm = product.columns | keepSums | aInRegisters | (product.alongRows ? bAlongRows : 0);
  return true;
}
} // namespace

bool emulator::prepareWgmma(Preparer &p, Operation *op) {
  if (std::optional<FromRegisters> product = FromRegisters::of(op))
    return emitProductFromRegisters(p, *product);
  if (std::optional<int64_t> left = groupsLeftBySumsWait(op)) {
    SmallVector<uint32_t> list;
    for (Value value : op->getOperands())
      llvm::append_range(list, p.slots(value));
    uint32_t count = list.size();
    for (Value result : op->getResults())
      llvm::append_range(list, p.defineNew(op, result));
    if (list.size() != 2 * count)
      return p.fail(op, "expected as many results as sums");
    Inst &inst = p.emit(op, runWaitForSums);
    inst.imm = *left;
    inst.list = p.addList(list);
    inst.count = count;
    return true;
  }
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<NVVM::WgmmaMmaAsyncOp>([&](NVVM::WgmmaMmaAsyncOp product) { return emitProduct(p, product); })
      .Case<NVVM::WgmmaFenceAlignedOp>([&](auto) {
        p.emit(op, runFence);
        return true;
      })
      .Case<NVVM::WgmmaGroupSyncAlignedOp>([&](auto) {
        p.emit(op, runCommit);
        return true;
      })
      .Case<NVVM::WgmmaWaitGroupSyncOp>([&](NVVM::WgmmaWaitGroupSyncOp wait) {
        p.emit(op, runWait).imm = wait.getGroup();
        return true;
      })
      .Default([](Operation *) { return false; });
}
