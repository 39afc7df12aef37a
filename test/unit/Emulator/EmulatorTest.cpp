// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What kernels compute: arithmetic, branches, shared memory, shuffles,
// cp.async.
#include "TestKernel.h"

#include <numeric>

using namespace bessemer::emulator;
using namespace bessemer::emulator::test;

static std::vector<float> ramp(size_t count) {
  std::vector<float> data(count);
  std::iota(data.begin(), data.end(), 1.f);
  return data;
}

TEST(Emulator, VectorAddWithATail) {
  TestKernel k(kernelText("%a: !llvm.ptr<1>, %b: !llvm.ptr<1>, %c: !llvm.ptr<1>, %n: i32", R"(
  %in = llvm.icmp "slt" %x, %n : i32
  llvm.cond_br %in, ^work, ^end
^work:
  %pa = llvm.getelementptr %a[%x] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  %pb = llvm.getelementptr %b[%x] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  %pc = llvm.getelementptr %c[%x] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  %va = llvm.load %pa : !llvm.ptr<1> -> f32
  %vb = llvm.load %pb : !llvm.ptr<1> -> f32
  %s = llvm.fadd %va, %vb : f32
  llvm.store %s, %pc : f32, !llvm.ptr<1>
  llvm.br ^end
^end:
  llvm.return)"));
  const uint32_t n = 1000;
  uint64_t a = k.input("a", ramp(n)), b = k.input("b", ramp(n)), c = k.device.allocate("c", n * 4);
  LaunchResult result = k.launch(4, 256, {a, b, c, n});
  EXPECT_TRUE(result.clean()) << result.text();
  EXPECT_EQ(result.statisticsText(), "");
  std::vector<float> sums = k.output<float>(c, n);
  for (uint32_t i = 0; i < n; ++i)
    ASSERT_EQ(sums[i], 2 * (i + 1.f));
}

// Each lane runs its own number of turns, and they meet again behind the loop.
TEST(Emulator, LanesPartInALoopAndMeetBehindIt) {
  TestKernel k(kernelText("%out: !llvm.ptr<1>", R"(
  %zero = llvm.mlir.constant(0 : i32) : i32
  %one = llvm.mlir.constant(1 : i32) : i32
  %all = llvm.mlir.constant(-1 : i32) : i32
  %three = llvm.mlir.constant(3 : i32) : i32
  llvm.br ^head(%zero, %zero : i32, i32)
^head(%i: i32, %sum: i32):
  %more = llvm.icmp "slt" %i, %x : i32
  llvm.cond_br %more, ^body, ^behind
^body:
  %odd = llvm.and %i, %one : i32
  %is = llvm.icmp "eq" %odd, %one : i32
  llvm.cond_br %is, ^add(%i : i32), ^add(%three : i32)
^add(%v: i32):
  %next = llvm.add %sum, %v : i32
  %up = llvm.add %i, %one : i32
  llvm.br ^head(%up, %next : i32, i32)
^behind:
  %yes = llvm.mlir.constant(true) : i1
  %who = nvvm.vote.sync ballot %all, %yes -> i32
  %p = llvm.getelementptr %out[%x, 0] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, !llvm.array<2 x i32>
  %q = llvm.getelementptr %out[%x, 1] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, !llvm.array<2 x i32>
  llvm.store %sum, %p : i32, !llvm.ptr<1>
  llvm.store %who, %q : i32, !llvm.ptr<1>
  llvm.return)"));
  uint64_t out = k.device.allocate("out", 64 * 8);
  LaunchResult result = k.launch(2, 32, {out});
  EXPECT_TRUE(result.clean()) << result.text();
  std::vector<uint32_t> values = k.output<uint32_t>(out, 128);
  for (uint32_t x = 0; x < 64; ++x) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < x; ++i)
      sum += i % 2 ? i : 3;
    ASSERT_EQ(values[2 * x], sum) << x;
    ASSERT_EQ(values[2 * x + 1], ~0u);
  }
}

// Values that change places along an edge are moved all at once.
TEST(Emulator, BlockArgumentsSwap) {
  TestKernel k(kernelText("%out: !llvm.ptr<1>", R"(
  %zero = llvm.mlir.constant(0 : i32) : i32
  %one = llvm.mlir.constant(1 : i32) : i32
  %three = llvm.mlir.constant(3 : i32) : i32
  llvm.br ^head(%zero, %x, %three : i32, i32, i32)
^head(%i: i32, %a: i32, %b: i32):
  %up = llvm.add %i, %one : i32
  %more = llvm.icmp "slt" %up, %three : i32
  llvm.cond_br %more, ^head(%up, %b, %a : i32, i32, i32), ^end
^end:
  %p = llvm.getelementptr %out[%x] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  %d = llvm.sub %a, %b : i32
  llvm.store %d, %p : i32, !llvm.ptr<1>
  llvm.return)"));
  uint64_t out = k.device.allocate("out", 32 * 4);
  EXPECT_TRUE(k.launch(1, 32, {out}).clean());
  std::vector<int32_t> values = k.output<int32_t>(out, 32);
  for (int x = 0; x < 32; ++x)
    ASSERT_EQ(values[x], x - 3);
}

static const char *reduction(const char *barrier) {
  static std::string text;
  text = kernelText("%in: !llvm.ptr<1>, %out: !llvm.ptr<1>", std::string(R"(
  %s = llvm.mlir.addressof @s : !llvm.ptr<3>
  %one = llvm.mlir.constant(1 : i32) : i32
  %zero = llvm.mlir.constant(0 : i32) : i32
  %half = llvm.lshr %ntid, %one : i32
  %pi = llvm.getelementptr %in[%x] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  %v = llvm.load %pi : !llvm.ptr<1> -> f32
  %mine = llvm.getelementptr %s[%tid] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
  llvm.store %v, %mine : f32, !llvm.ptr<3>
  nvvm.barrier0
  llvm.br ^head(%half : i32)
^head(%d: i32):
  %more = llvm.icmp "ne" %d, %zero : i32
  llvm.cond_br %more, ^turn, ^end
^turn:
  %in_half = llvm.icmp "ult" %tid, %d : i32
  llvm.cond_br %in_half, ^add, ^meet
^add:
  %far = llvm.add %tid, %d : i32
  %theirs = llvm.getelementptr %s[%far] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
  %a = llvm.load %mine : !llvm.ptr<3> -> f32
  %b = llvm.load %theirs : !llvm.ptr<3> -> f32
  %sum = llvm.fadd %a, %b : f32
  llvm.store %sum, %mine : f32, !llvm.ptr<3>
  llvm.br ^meet
^meet:
  )") + barrier + R"(
  %next = llvm.lshr %d, %one : i32
  llvm.br ^head(%next : i32)
^end:
  %is_first = llvm.icmp "eq" %tid, %zero : i32
  llvm.cond_br %is_first, ^write, ^done
^write:
  %r = llvm.load %s : !llvm.ptr<3> -> f32
  %po = llvm.getelementptr %out[%cta] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  llvm.store %r, %po : f32, !llvm.ptr<1>
  llvm.br ^done
^done:
  llvm.return)",
                    "llvm.mlir.global internal @s() {addr_space = 3 : i32} : "
                    "!llvm.array<256 x f32>");
  return text.c_str();
}

TEST(Emulator, ReductionInSharedMemory) {
  TestKernel k(reduction("nvvm.barrier0"));
  uint64_t in = k.input("in", ramp(512)), out = k.device.allocate("out", 8);
  LaunchResult result = k.launch(2, 256, {in, out});
  EXPECT_TRUE(result.clean()) << result.text();
  std::vector<float> sums = k.output<float>(out, 2);
  EXPECT_EQ(sums[0], 256 * 257 / 2);
  EXPECT_EQ(sums[1], 512 * 513 / 2 - 256 * 257 / 2);
}

TEST(Emulator, AMissingBarrierIsARace) {
  TestKernel k(reduction(""));
  uint64_t in = k.input("in", ramp(256)), out = k.device.allocate("out", 4);
  LaunchResult result = k.launch(1, 256, {in, out});
  EXPECT_TRUE(result.has(FindingKind::Race)) << result.text();
  EXPECT_NE(result.findings[0].where.find("llvm."), std::string::npos);
  EXPECT_NE(result.findings[0].other.find("llvm.store"), std::string::npos) << result.text();
}

/// 32 x 32 words through shared memory, whose rows are `pitch` words apart.
static std::string transposition(int pitch) {
  std::string p = std::to_string(pitch);
  return kernelText("%in: !llvm.ptr<1>, %out: !llvm.ptr<1>",
                    R"(
  %s = llvm.mlir.addressof @s : !llvm.ptr<3>
  %c5 = llvm.mlir.constant(5 : i32) : i32
  %c31 = llvm.mlir.constant(31 : i32) : i32
  %row = llvm.lshr %tid, %c5 : i32
  %col = llvm.and %tid, %c31 : i32
  %pi = llvm.getelementptr %in[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  %v = llvm.load %pi : !llvm.ptr<1> -> f32
  %to = llvm.getelementptr %s[0, %row, %col] : (!llvm.ptr<3>, i32, i32) -> !llvm.ptr<3>, !llvm.array<32 x array<)" +
                        p + R"( x f32>>
  llvm.store %v, %to : f32, !llvm.ptr<3>
  nvvm.barrier0
  %from = llvm.getelementptr %s[0, %col, %row] : (!llvm.ptr<3>, i32, i32) -> !llvm.ptr<3>, !llvm.array<32 x array<)" +
                        p + R"( x f32>>
  %w = llvm.load %from : !llvm.ptr<3> -> f32
  %po = llvm.getelementptr %out[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  llvm.store %w, %po : f32, !llvm.ptr<1>
  llvm.return)",
                    "llvm.mlir.global internal @s() {addr_space = 3 : i32} : "
                    "!llvm.array<32 x array<" +
                        p + " x f32>>");
}

TEST(Emulator, TranspositionCountsBankConflicts) {
  for (int pitch : {32, 33}) {
    TestKernel k(transposition(pitch));
    uint64_t in = k.input("in", ramp(1024)), out = k.device.allocate("out", 4096);
    LaunchResult result = k.launch(1, 1024, {in, out});
    EXPECT_TRUE(result.clean()) << result.text();
    std::vector<float> values = k.output<float>(out, 1024);
    for (int i = 0; i < 1024; ++i)
      ASSERT_EQ(values[i], (i % 32) * 32 + i / 32 + 1);
    uint64_t worst = 0;
    for (const AccessStatistics &access : result.statistics)
      worst = std::max(worst, access.transactions / access.accesses);
    EXPECT_EQ(worst,
              pitch == 32 ? 32 : 4); // 4: the sectors of a row in global memory
    EXPECT_EQ(result.statisticsText().empty(), pitch == 33) << result.statisticsText();
  }
}

TEST(Emulator, UncoalescedLoadsAreCounted) {
  TestKernel k(kernelText("%in: !llvm.ptr<1>, %out: !llvm.ptr<1>", R"(
  %c8 = llvm.mlir.constant(8 : i32) : i32
  %far = llvm.mul %x, %c8 : i32
  %pi = llvm.getelementptr %in[%far] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  %v = llvm.load %pi : !llvm.ptr<1> -> f32
  %po = llvm.getelementptr %out[%x] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  llvm.store %v, %po : f32, !llvm.ptr<1>
  llvm.return)"));
  uint64_t in = k.input("in", ramp(256)), out = k.device.allocate("out", 128);
  LaunchResult result = k.launch(1, 32, {in, out});
  EXPECT_TRUE(result.clean()) << result.text();
  ASSERT_EQ(result.statistics.size(), 2u);
  EXPECT_EQ(result.statistics[0].transactions, 32u);
  EXPECT_EQ(result.statistics[0].ideal, 4u);
  EXPECT_NE(result.statisticsText().find("llvm.load"), std::string::npos);
}

TEST(Emulator, Shuffles) {
  TestKernel k(kernelText("%out: !llvm.ptr<1>", R"(
  %all = llvm.mlir.constant(-1 : i32) : i32
  %c31 = llvm.mlir.constant(31 : i32) : i32
  %c0 = llvm.mlir.constant(0 : i32) : i32
  %c3 = llvm.mlir.constant(3 : i32) : i32
  %c5 = llvm.mlir.constant(5 : i32) : i32
  %seg = llvm.mlir.constant(6175 : i32) : i32
  %b = nvvm.shfl.sync bfly %all, %tid, %c5, %c31 : i32 -> i32
  %u = nvvm.shfl.sync up %all, %tid, %c3, %c0 : i32 -> i32
  %d = nvvm.shfl.sync down %all, %tid, %c3, %c31 : i32 -> i32
  %i = nvvm.shfl.sync idx %all, %tid, %c3, %seg : i32 -> i32
  %w0 = llvm.mlir.undef : vector<4xi32>
  %k0 = llvm.mlir.constant(0 : i32) : i32
  %k1 = llvm.mlir.constant(1 : i32) : i32
  %k2 = llvm.mlir.constant(2 : i32) : i32
  %k3 = llvm.mlir.constant(3 : i32) : i32
  %w1 = llvm.insertelement %b, %w0[%k0 : i32] : vector<4xi32>
  %w2 = llvm.insertelement %u, %w1[%k1 : i32] : vector<4xi32>
  %w3 = llvm.insertelement %d, %w2[%k2 : i32] : vector<4xi32>
  %w4 = llvm.insertelement %i, %w3[%k3 : i32] : vector<4xi32>
  %p = llvm.getelementptr %out[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, vector<4xi32>
  llvm.store %w4, %p : vector<4xi32>, !llvm.ptr<1>
  llvm.return)"));
  uint64_t out = k.device.allocate("out", 512);
  LaunchResult result = k.launch(1, 32, {out});
  EXPECT_TRUE(result.clean()) << result.text();
  std::vector<int32_t> values = k.output<int32_t>(out, 128);
  for (int l = 0; l < 32; ++l) {
    EXPECT_EQ(values[4 * l], l ^ 5);
    EXPECT_EQ(values[4 * l + 1], l < 3 ? l : l - 3);
    EXPECT_EQ(values[4 * l + 2], l + 3 > 31 ? l : l + 3);
    EXPECT_EQ(values[4 * l + 3],
              l / 8 * 8 + 3); // segments of 8: mask 24, clamp 31
  }
}

/// A cp.async of 16 bytes a thread, a commit, `wait` and the value doubled.
static std::string asyncCopy(const std::string &wait) {
  return kernelText("%in: !llvm.ptr<1>, %out: !llvm.ptr<1>", R"(
  %s = llvm.mlir.addressof @s : !llvm.ptr<3>
  %from = llvm.getelementptr %in[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, vector<4xf32>
  %to = llvm.getelementptr %s[%tid] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, vector<4xf32>
  nvvm.cp.async.shared.global %to, %from, 16, cache = cg : !llvm.ptr<3>, !llvm.ptr<1>
  nvvm.cp.async.commit.group
  )" + wait + R"(
  %v = llvm.load %to : !llvm.ptr<3> -> vector<4xf32>
  %w = llvm.fadd %v, %v : vector<4xf32>
  %po = llvm.getelementptr %out[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, vector<4xf32>
  llvm.store %w, %po : vector<4xf32>, !llvm.ptr<1>
  llvm.return)",
                    "llvm.mlir.global internal @s() {addr_space = 3 : i32, "
                    "alignment = 16 : i64} : !llvm.array<256 x f32>");
}

TEST(Emulator, AsyncCopiesArriveWhenWaitedFor) {
  TestKernel k(asyncCopy("nvvm.cp.async.wait.group 0"));
  uint64_t in = k.input("in", ramp(256)), out = k.device.allocate("out", 1024);
  LaunchResult result = k.launch(1, 64, {in, out});
  EXPECT_TRUE(result.clean()) << result.text();
  EXPECT_EQ(result.statisticsText(), "");
  std::vector<float> values = k.output<float>(out, 256);
  for (int i = 0; i < 256; ++i)
    ASSERT_EQ(values[i], 2 * (i + 1.f));
}

TEST(Emulator, AnAsyncCopyThatNobodyWaitedForIsARace) {
  for (const char *wait : {"", "nvvm.cp.async.wait.group 1"}) {
    TestKernel k(asyncCopy(wait));
    uint64_t in = k.input("in", ramp(256)), out = k.device.allocate("out", 1024);
    LaunchResult result = k.launch(1, 64, {in, out});
    ASSERT_TRUE(result.has(FindingKind::Race));
    EXPECT_NE(result.text().find("cp.async"), std::string::npos);
  }
}

TEST(Emulator, RefusesWhatItDoesNotKnow) {
  TestKernel unknown(kernelText("%a: !llvm.ptr<1>", "  nvvm.cluster.arrive\n  llvm.return"));
  EXPECT_FALSE(unknown.kernels);
  EXPECT_NE(unknown.error.find("nvvm.cluster.arrive"), std::string::npos) << unknown.error;
  TestKernel ptx(kernelText("%a: f32", "  %b = nvvm.inline_ptx \"foo.f32 $0, $1;\" ro(%a "
                                       ": f32) -> f32\n  llvm.return"));
  EXPECT_NE(ptx.error.find("foo.f32"), std::string::npos) << ptx.error;
}

TEST(Emulator, AHangIsAFault) {
  TestKernel k(kernelText("%a: i32", "  llvm.br ^again\n^again:\n  llvm.br ^again"));
  ASSERT_TRUE(k.kernels) << k.error;
  LaunchConfig config;
  config.block = {32};
  config.maxInstructionsPerWarp = 1000;
  LaunchResult result = k.kernels->launch("k", config, std::vector<uint64_t>{1}, k.device);
  EXPECT_TRUE(result.has(FindingKind::Fault)) << result.text();
}

TEST(Emulator, ALaunchThatDoesNotFitIsAFault) {
  TestKernel k(kernelText("%a: i32", "  llvm.return"));
  EXPECT_TRUE(k.launch(1, 2000, {1}).has(FindingKind::Fault));
  EXPECT_TRUE(k.launch(1, 32, {}).has(FindingKind::Fault));
  EXPECT_TRUE(k.launch(1, 32, {1}, 1 << 20).has(FindingKind::Fault));
}
