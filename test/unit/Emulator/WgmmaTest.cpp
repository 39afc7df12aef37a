// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// wgmma against a product in double: each element type, swizzle and order, with
// operands laid out by lib/Algorithms; and each planted defect.
#include "TestKernel.h"

#include "bessemer/Algorithms/TileLayout.h"
#include "bessemer/Support/WgmmaText.h"

#include <bit>
#include <random>

using namespace bessemer;
using namespace bessemer::emulator;
using namespace bessemer::emulator::test;

namespace {
struct Case {
  std::string type = "bf16";
  int64_t elementBytes = 2, columns = 32;
  int64_t swizzle = 128;
  bool aAlongRows = false, bAlongRows = false, aInRegisters = false;

  int64_t depth() const { return 32 / elementBytes; }
};

/// Small numbers, exact in all types.
double someNumber(int64_t index, int64_t seed) { return ((index * 7 + seed * 3) % 15 - 7) / 2.0; }

uint32_t encode(const std::string &type, double value) {
  uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  if (type == "tf32")
    return bits;
  if (type == "bf16")
    return bits >> 16;
  uint32_t exponent = bits >> 23 & 255, sign = bits >> 31;
  if (type == "f16")
    return value == 0 ? 0 : sign << 15 | (exponent - 112) << 10 | (bits >> 13 & 0x3ff);
  return value == 0 ? 0 : sign << 7 | (exponent - 120) << 3 | (bits >> 20 & 7); // e4m3
}

/// An operand of `rows` x 32 bytes of depth as it lies in shared memory, and its descriptor.
struct Operand {
  std::vector<uint8_t> bytes;
  uint64_t descriptor = 0;
};
Operand makeOperand(const Case &c, int64_t rows, bool alongRows, uint64_t place, int64_t seed) {
  Operand operand;
  int64_t eb = c.elementBytes, depth = c.depth(), width = std::max<int64_t>(c.swizzle, 16) / eb;
  // Atoms of 8 x `width` elements, swizzled: 8 rows of neighbours along k, or 8 steps of
  // k with neighbours along the rows; the others follow each other.
  int64_t across = alongRows ? depth : rows, along = alongRows ? rows : depth;
  int64_t groups = (across + 7) / 8, atomBytes = 8 * width * eb;
  TileLayout atom = c.swizzle ? tmaSwizzleLayout(8, eb, c.swizzle) : sharedSwizzleLayout(8, width, width, 1, 1);
  operand.bytes.resize(groups * ((along + width - 1) / width) * atomBytes);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t k = 0; k < depth; ++k) {
      int64_t outer = alongRows ? k : row, inner = alongRows ? row : k;
      int64_t at[] = {outer % 8, inner % width};
      int64_t offset = atom.find(at).others[0].second * eb;
      offset += (outer / 8 + inner / width * groups) * atomBytes;
      uint32_t bits = encode(c.type, someNumber(row * depth + k, seed));
      std::memcpy(operand.bytes.data() + offset, &bits, eb);
    }
  // Strides between groups of eight, and between atoms along the neighbours.
  uint64_t stride = atomBytes, leading = groups * atomBytes;
  if (!c.swizzle && alongRows)
    std::swap(stride, leading);
  uint64_t mode = c.swizzle == 128 ? 1 : c.swizzle == 64 ? 2 : c.swizzle == 32 ? 3 : 0;
  operand.descriptor = place >> 4 | (leading >> 4) << 16 | (stride >> 4) << 32 | mode << 62;
  return operand;
}

/// The left operand as threads have it in registers, 16 bytes each.
std::vector<uint8_t> makeFragments(const Case &c, int64_t seed) {
  TileLayout layout = mmaOperandALayout();
  std::vector<uint8_t> bytes(128 * 16);
  for (int64_t thread = 0; thread < 128; ++thread)
    for (int64_t reg = 0; reg < 8; ++reg) {
      std::vector<int64_t> at = layout.locate(reg, {{"lane", thread % 32}});
      uint32_t bits = encode(c.type, someNumber((thread / 32 * 16 + at[0]) * c.depth() + at[1], seed));
      std::memcpy(bytes.data() + thread * 16 + reg * 2, &bits, 2);
    }
  return bytes;
}

constexpr uint64_t placeA = 8192, placeB = 16384; // of fragments, of the right operand
const std::string asyncFence = "  nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>, space = "
                               "#nvvm.shared_space<cta>}\n";

struct Text {
  std::string proxyFence = asyncFence, fence = "  nvvm.wgmma.fence.aligned\n",
              commit = "  nvvm.wgmma.commit.group.sync.aligned\n", beforeWait = "";
  bool wait = true, fragmentsBehindFence = false;
  int64_t groupsLeft = 0;
};

/// 128 threads copy 32 KiB to shared memory; a product; each lane stores its sums.
std::string productText(const Case &c, const Text &t, uint64_t a, uint64_t b) {
  std::string sums, wait, names;
  int64_t count = c.columns / 2;
  for (int64_t i = 0; i < count; ++i)
    sums += i ? ", f32" : "f32";
  std::string structure = "!llvm.struct<(" + sums + ")>", text = "  %s = llvm.mlir.addressof @s : !llvm.ptr<3>\n";
  for (int64_t i = 0; i < 16; ++i) {
    std::string n = std::to_string(i);
    text += "  %k" + n + " = llvm.mlir.constant(" + std::to_string(128 * i) + " : i32) : i32\n  %i" + n +
            " = llvm.add %tid, %k" + n + " : i32\n  %f" + n + " = llvm.getelementptr %in[%i" + n +
            "] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, vector<4xi32>\n  %v" + n + " = llvm.load %f" + n +
            " : !llvm.ptr<1> -> vector<4xi32>\n  %t" + n + " = llvm.getelementptr %s[%i" + n +
            "] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, vector<4xi32>\n  llvm.store %v" + n + ", %t" + n +
            " : vector<4xi32>, !llvm.ptr<3>\n";
  }
  text += t.proxyFence + "  nvvm.barrier0\n  %da = llvm.mlir.constant(" + std::to_string(int64_t(a)) +
          " : i64) : i64\n  %db = llvm.mlir.constant(" + std::to_string(int64_t(b)) +
          " : i64) : i64\n  %zero = llvm.mlir.zero : " + structure + "\n";
  std::string fragments;
  if (c.aInRegisters) {
    fragments = "  %kr = llvm.mlir.constant(" + std::to_string(placeA / 16) +
                " : i32) : i32\n  %ir = llvm.add %tid, %kr : i32\n  %fr = llvm.getelementptr %in[%ir] : (!llvm.ptr<1>, "
                "i32) -> !llvm.ptr<1>, vector<4xi32>\n  %vr = llvm.load %fr : !llvm.ptr<1> -> vector<4xi32>\n";
    for (int64_t i = 0; i < 4; ++i) {
      std::string n = std::to_string(i);
      fragments += "  %e" + n + " = llvm.mlir.constant(" + n + " : i32) : i32\n  %r" + n +
                   " = llvm.extractelement %vr[%e" + n + " : i32] : vector<4xi32>\n";
    }
  }
  text += t.fragmentsBehindFence ? t.fence + fragments : fragments + t.fence;
  if (c.aInRegisters) {
    std::string constraints, tied, zeros, numbers;
    for (int64_t i = 0; i < count; ++i) {
      constraints += "=f,";
      tied += "," + std::to_string(i);
      zeros += ", %z";
      numbers += ", f32";
    }
    text += "  %z = llvm.mlir.constant(0.0 : f32) : f32\n  %d = llvm.inline_asm has_side_effects \"" +
            wgmmaFromRegistersText(c.columns, c.type == "bf16", c.bAlongRows) + "\", \"" + constraints + "r,r,r,r,l" +
            tied + "\" %r0, %r1, %r2, %r3, %db" + zeros + " : (i32, i32, i32, i32, i64" + numbers + ") -> " +
            structure + "\n" + t.commit + t.beforeWait;
  } else
    text += "  %d = nvvm.wgmma.mma_async %da, %db, %zero, <m = 64, n = " + std::to_string(c.columns) +
            ", k = " + std::to_string(c.depth()) + ">, D [<f32>, <one>], A [<" + c.type + ">, <one>, <" +
            (c.aAlongRows ? "col" : "row") + ">], B [<" + c.type + ">, <one>, <" + (c.bAlongRows ? "row" : "col") +
            ">] : " + structure + " -> " + structure + "\n" + t.commit + t.beforeWait;
  std::string outputs, inputs, types;
  for (int64_t i = 0; i < count; ++i) {
    std::string n = std::to_string(i);
    text += "  %x" + n + " = llvm.extractvalue %d[" + n + "] : " + structure + "\n";
    outputs += "=f,";
    inputs += (i ? "," : "") + n;
    types += (i ? ", f32" : "f32");
    names += (i ? ", %x" : "%x") + n;
  }
  if (t.wait)
    text += "  %w = llvm.inline_asm has_side_effects \"wgmma.wait_group.sync.aligned " + std::to_string(t.groupsLeft) +
            ";\", \"" + outputs + inputs + ",~{memory}\" " + names + " : (" + types + ") -> " + structure + "\n";
  for (int64_t i = 0; i < count; ++i) {
    std::string n = std::to_string(i), value = t.wait ? "%y" + n : "%x" + n;
    if (t.wait)
      text += "  %y" + n + " = llvm.extractvalue %w[" + n + "] : " + structure + "\n";
    text += "  %q" + n + " = llvm.getelementptr %out[%tid, " + n + "] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, " +
            "!llvm.array<" + std::to_string(count) + " x f32>\n  llvm.store " + value + ", %q" + n +
            " : f32, !llvm.ptr<1>\n";
  }
  return kernelText("%in: !llvm.ptr<1>, %out: !llvm.ptr<1>", text + "  llvm.return",
                    "llvm.mlir.global internal @s() {addr_space = 3 : i32, alignment = 1024 : i64} : "
                    "!llvm.array<32768 x i8>\n");
}

struct Ran {
  LaunchResult result;
  std::string refused;
  std::vector<float> sums;
};
Ran run(const Case &c, const Text &t = {}) {
  Operand a = makeOperand(c, 64, c.aAlongRows, 0, 1), b = makeOperand(c, c.columns, c.bAlongRows, placeB, 2);
  TestKernel k(productText(c, t, a.descriptor, b.descriptor));
  Ran ran;
  ran.refused = k.error;
  if (!k.kernels)
    return ran;
  std::vector<uint8_t> image(32768);
  std::copy(a.bytes.begin(), a.bytes.end(), image.begin());
  std::copy(b.bytes.begin(), b.bytes.end(), image.begin() + placeB);
  if (c.aInRegisters) {
    std::vector<uint8_t> fragments = makeFragments(c, 1);
    std::copy(fragments.begin(), fragments.end(), image.begin() + placeA);
  }
  uint64_t out = k.device.allocate("out", 128 * c.columns / 2 * 4);
  ran.result = k.launch(1, 128, {k.input("in", image), out});
  ran.sums = k.output<float>(out, 128 * c.columns / 2);
  return ran;
}
} // namespace

TEST(Wgmma, EachTypeSwizzleAndOrder) {
  std::vector<Case> cases;
  for (int64_t swizzle : {0, 32, 64, 128}) {
    for (std::string type : {"f16", "bf16"})
      for (bool aAlongRows : {false, true})
        for (bool bAlongRows : {false, true})
          cases.push_back({type, 2, 72, swizzle, aAlongRows, bAlongRows, /*aInRegisters=*/false});
    cases.push_back({"tf32", 4, 24, swizzle});
    cases.push_back({"e4m3", 1, 40, swizzle});
  }
  cases.push_back({"f16", 2, 256, 128, false, true});
  for (std::string type : {"f16", "bf16"})
    for (bool bAlongRows : {false, true})
      cases.push_back({type, 2, 64, 128, false, bAlongRows, /*aInRegisters=*/true});
  for (const Case &c : cases) {
    Ran ran = run(c);
    ASSERT_EQ(ran.refused, "");
    ASSERT_TRUE(ran.result.clean()) << ran.result.text();
    TileLayout layout = wgmmaAccumulatorLayout(c.columns);
    int64_t registers = layout.registers();
    for (int64_t thread = 0; thread < 128; ++thread)
      for (int64_t reg = 0; reg < registers; ++reg) {
        std::vector<int64_t> at = layout.locate(reg, {{"lane", thread % 32}, {"warp", thread / 32}});
        double sum = 0;
        for (int64_t d = 0; d < c.depth(); ++d)
          sum += someNumber(at[0] * c.depth() + d, 1) * someNumber(at[1] * c.depth() + d, 2);
        ASSERT_EQ(ran.sums[thread * registers + reg], sum)
            << c.type << ", swizzle " << c.swizzle << ", at " << at[0] << ", " << at[1] << (c.aAlongRows ? " a" : "")
            << (c.bAlongRows ? " b" : "");
      }
  }
}

TEST(Wgmma, PlantedDefects) {
  Text text;
  text.proxyFence = "";
  EXPECT_TRUE(run({}, text).result.has(FindingKind::Race)) << "operands that a thread wrote, without a proxy fence";
  text = Text();
  text.fence = "";
  EXPECT_TRUE(run({}, text).result.has(FindingKind::Race)) << "no wgmma.fence";
  text = Text();
  text.commit = "";
  EXPECT_TRUE(run({}, text).result.has(FindingKind::Race)) << "no commit";
  text = Text();
  text.wait = false;
  EXPECT_NE(run({}, text).refused.find("not waited for"), std::string::npos) << "no wait";
  text = Text();
  text.beforeWait = "  llvm.store %tid, %s : i32, !llvm.ptr<3>\n";
  EXPECT_TRUE(run({}, text).result.has(FindingKind::Race)) << "an operand is written over while it is in use";
  text = Text();
  text.groupsLeft = 1;
  EXPECT_TRUE(run({}, text).result.has(FindingKind::Race)) << "sums of the group that the wait leaves";
  text = Text();
  text.fragmentsBehindFence = true;
  EXPECT_NE(run({.aInRegisters = true}, text).refused.find("before the wgmma.fence"), std::string::npos);
}
