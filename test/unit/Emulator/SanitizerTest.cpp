// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each planted defect is found, and named with the op and the ONNX node.
#include "TestKernel.h"

using namespace bessemer::emulator;
using namespace bessemer::emulator::test;

static const char *sharedGlobal = "llvm.mlir.global internal @s() {addr_space = 3 : i32, alignment = 16 : "
                                  "i64} : !llvm.array<64 x f32>\n"
                                  "#node = loc(\"softmax_7\"(\"model.onnx\":12:3))";

/// The one finding of that kind.
static Finding only(const LaunchResult &result, FindingKind kind) {
  for (const Finding &finding : result.findings)
    if (finding.kind == kind)
      return finding;
  ADD_FAILURE() << "no " << kindName(kind) << " in:\n" << result.text();
  return {};
}

// Thread i writes word i and reads word i + 32, of the other warp.
static std::string exchange(const std::string &between) {
  return kernelText("%out: !llvm.ptr<1>", R"(
  %s = llvm.mlir.addressof @s : !llvm.ptr<3>
  %c32 = llvm.mlir.constant(32 : i32) : i32
  %other = llvm.xor %tid, %c32 : i32
  %mine = llvm.getelementptr %s[%tid] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
  %theirs = llvm.getelementptr %s[%other] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
  %f = llvm.sitofp %tid : i32 to f32
  llvm.store %f, %mine : f32, !llvm.ptr<3>
  )" + between + R"(
  %v = llvm.load %theirs : !llvm.ptr<3> -> f32 loc(#node)
  %p = llvm.getelementptr %out[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  llvm.store %v, %p : f32, !llvm.ptr<1>
  llvm.return)",
                    sharedGlobal);
}

TEST(Sanitizer, RaceBetweenWarps) {
  TestKernel k(exchange(""));
  LaunchResult result = k.launch(1, 64, {k.device.allocate("out", 256)});
  Finding race = only(result, FindingKind::Race);
  EXPECT_NE((race.where + race.other).find("softmax_7"), std::string::npos) << result.text();
  EXPECT_NE((race.where + race.other).find("llvm.store"), std::string::npos) << result.text();
  EXPECT_NE(race.message.find("shared+"), std::string::npos);
  EXPECT_EQ(race.count, 32u);
  TestKernel fine(exchange("nvvm.barrier0"));
  EXPECT_TRUE(fine.launch(1, 64, {fine.device.allocate("out", 256)}).clean());
}

TEST(Sanitizer, ABarrierOfAWarpOrdersItsLanesOnly) {
  TestKernel k(exchange("%all = llvm.mlir.constant(-1 : i32) : i32\n "
                        "nvvm.bar.warp.sync %all : i32"));
  EXPECT_TRUE(k.launch(1, 64, {k.device.allocate("out", 256)}).has(FindingKind::Race));
}

TEST(Sanitizer, RaceBetweenBlocks) {
  TestKernel k(kernelText("%out: !llvm.ptr<1>", R"(
  llvm.store %x, %out : i32, !llvm.ptr<1>
  llvm.return)"));
  Finding race = only(k.launch(2, 1, {k.device.allocate("out", 4)}), FindingKind::Race);
  EXPECT_NE(race.message.find("another block"), std::string::npos) << race.message;
}

TEST(Sanitizer, AtomicsDoNotRace) {
  TestKernel k(kernelText("%out: !llvm.ptr<1>", R"(
  %one = llvm.mlir.constant(1 : i32) : i32
  %old = llvm.atomicrmw add %out, %one monotonic : !llvm.ptr<1>, i32
  llvm.return)"));
  uint64_t out = k.input<uint32_t>("out", {0});
  LaunchResult result = k.launch(3, 64, {out});
  EXPECT_TRUE(result.clean()) << result.text();
  EXPECT_EQ(k.output<uint32_t>(out, 1)[0], 192u);
}

static std::string storeAt(const std::string &offset) {
  return kernelText("%out: !llvm.ptr<1>", R"(
  %c = llvm.mlir.constant()" + offset + R"( : i64) : i64
  %p = llvm.getelementptr %out[%c] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, i8
  %q = llvm.getelementptr %p[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  llvm.store %x, %q : i32, !llvm.ptr<1>
  llvm.return)");
}

TEST(Sanitizer, OutOfBounds) {
  TestKernel k(storeAt("8"));
  Finding finding = only(k.launch(1, 32, {k.device.allocate("result", 128)}), FindingKind::OutOfBounds);
  EXPECT_EQ(finding.count, 2u);
  EXPECT_NE(finding.message.find("behind the end of 'result'"), std::string::npos) << finding.message;
  EXPECT_NE(finding.where.find("llvm.store"), std::string::npos);
  TestKernel before(storeAt("-4"));
  EXPECT_TRUE(before.launch(1, 32, {before.device.allocate("result", 128)}).has(FindingKind::OutOfBounds));
  TestKernel inside(storeAt("0"));
  EXPECT_TRUE(inside.launch(1, 32, {inside.device.allocate("result", 128)}).clean());
}

TEST(Sanitizer, Misaligned) {
  TestKernel k(storeAt("2"));
  LaunchResult result = k.launch(1, 16, {k.device.allocate("result", 128)});
  EXPECT_NE(only(result, FindingKind::Misaligned).message.find("no multiple of 4"), std::string::npos);
}

TEST(Sanitizer, ReadOfWhatNobodyWrote) {
  TestKernel k(kernelText("%in: !llvm.ptr<1>, %out: !llvm.ptr<1>", R"(
  %p = llvm.getelementptr %in[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  %q = llvm.getelementptr %out[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  %v = llvm.load %p : !llvm.ptr<1> -> i32
  llvm.store %v, %q : i32, !llvm.ptr<1>
  llvm.return)"));
  uint64_t in = k.device.allocate("in", 128), out = k.device.allocate("out", 128);
  std::vector<uint32_t> some(30);
  k.device.write(in, some.data(), 120);
  Finding finding = only(k.launch(1, 32, {in, out}), FindingKind::Uninitialized);
  EXPECT_EQ(finding.count, 2u);
  EXPECT_NE(finding.message.find("'in'+120"), std::string::npos) << finding.message;
}

TEST(Sanitizer, SharedMemoryIsNewForEachBlock) {
  TestKernel k(kernelText("%out: !llvm.ptr<1>", R"(
  %s = llvm.mlir.addressof @s : !llvm.ptr<3>
  %zero = llvm.mlir.constant(0 : i32) : i32
  %is_first = llvm.icmp "eq" %cta, %zero : i32
  llvm.cond_br %is_first, ^write, ^read
^write:
  llvm.store %x, %s : i32, !llvm.ptr<3>
  llvm.br ^read
^read:
  %v = llvm.load %s : !llvm.ptr<3> -> i32
  %p = llvm.getelementptr %out[%cta] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  llvm.store %v, %p : i32, !llvm.ptr<1>
  llvm.return)",
                          sharedGlobal));
  EXPECT_EQ(only(k.launch(2, 1, {k.device.allocate("out", 8)}), FindingKind::Uninitialized).count, 1u);
}

TEST(Sanitizer, DivergenceAtABarrier) {
  TestKernel k(kernelText("%n: i32", R"(
  %in = llvm.icmp "slt" %tid, %n : i32
  llvm.cond_br %in, ^wait, ^end
^wait:
  nvvm.barrier0
  llvm.br ^end
^end:
  llvm.return)"));
  Finding lanes = only(k.launch(1, 64, {16}), FindingKind::BarrierDivergence);
  EXPECT_NE(lanes.message.find("0x0000ffff"), std::string::npos) << lanes.message;
  EXPECT_NE(lanes.where.find("nvvm.barrier0"), std::string::npos);
  EXPECT_TRUE(k.launch(1, 64, {64}).clean());
}

TEST(Sanitizer, ABarrierThatIsNeverComplete) {
  TestKernel k(kernelText("%n: i32", R"(
  %c2 = llvm.mlir.constant(2 : i32) : i32
  %c1 = llvm.mlir.constant(1 : i32) : i32
  %c64 = llvm.mlir.constant(64 : i32) : i32
  %c32 = llvm.mlir.constant(32 : i32) : i32
  %low = llvm.icmp "ult" %tid, %c32 : i32
  llvm.cond_br %low, ^one, ^two
^one:
  nvvm.barrier id = %c1 number_of_threads = %c64
  llvm.br ^end
^two:
  nvvm.barrier id = %c2 number_of_threads = %c64
  llvm.br ^end
^end:
  llvm.return)"));
  Finding finding = only(k.launch(1, 64, {0}), FindingKind::BarrierDivergence);
  EXPECT_NE(finding.message.find("never complete"), std::string::npos) << finding.message;
}

TEST(Sanitizer, AShuffleThatNotAllComeTo) {
  TestKernel k(kernelText("%out: !llvm.ptr<1>", R"(
  %all = llvm.mlir.constant(-1 : i32) : i32
  %c1 = llvm.mlir.constant(1 : i32) : i32
  %c31 = llvm.mlir.constant(31 : i32) : i32
  %odd = llvm.and %tid, %c1 : i32
  %is = llvm.icmp "eq" %odd, %c1 : i32
  llvm.cond_br %is, ^swap, ^end
^swap:
  %v = nvvm.shfl.sync bfly %all, %tid, %c1, %c31 : i32 -> i32
  llvm.br ^end
^end:
  llvm.return)"));
  LaunchResult result = k.launch(1, 32, {k.device.allocate("out", 4)});
  EXPECT_TRUE(result.has(FindingKind::BarrierDivergence)) << result.text();
  EXPECT_TRUE(result.has(FindingKind::Uninitialized)) << result.text();
}

// Block 0 stores a number, and a word that says so; block 1 waits for the word and reads the number.
static std::string handOver(const std::string &release, const std::string &acquire, const std::string &giver) {
  return kernelText("%data: !llvm.ptr<1>, %word: !llvm.ptr<1>", R"(
  %one = llvm.mlir.constant(1 : i32) : i32
  %giver = llvm.mlir.constant()" + giver + R"( : i32) : i32
  %block = nvvm.read.ptx.sreg.ctaid.x : i32
  %gives = llvm.icmp "eq" %block, %giver : i32
  llvm.cond_br %gives, ^give, ^wait
^give:
  llvm.store %one, %data : i32, !llvm.ptr<1>
  llvm.store %one, %word )" + release + R"( : i32, !llvm.ptr<1>
  llvm.return
^wait:
  %there = llvm.load %word )" + acquire + R"( : !llvm.ptr<1> -> i32
  %is = llvm.icmp "eq" %there, %one : i32
  llvm.cond_br %is, ^take, ^wait
^take:
  %v = llvm.load %data : !llvm.ptr<1> -> i32
  llvm.return)");
}
static LaunchResult launchHandOver(TestKernel k) {
  uint64_t data = k.device.allocate("data", 4), word = k.device.allocate("word", 4);
  uint32_t zero = 0;
  k.device.write(word, &zero, 4);
  return k.launch(2, 1, {data, word});
}

TEST(Sanitizer, AWordThatIsReleasedAndAcquiredOrdersBlocks) {
  const char *release = "atomic syncscope(\"device\") release {alignment = 4 : i64}",
             *acquire = "atomic syncscope(\"device\") acquire {alignment = 4 : i64}";
  LaunchResult fine = launchHandOver(TestKernel(handOver(release, acquire, "0")));
  EXPECT_TRUE(fine.clean()) << fine.text();
  // Only both of them do, and for the whole device.
  const char *relaxed = "atomic syncscope(\"device\") monotonic {alignment = 4 : i64}",
             *narrow = "atomic syncscope(\"block\") release {alignment = 4 : i64}";
  EXPECT_TRUE(launchHandOver(TestKernel(handOver(relaxed, acquire, "0"))).has(FindingKind::Race));
  EXPECT_TRUE(launchHandOver(TestKernel(handOver(release, relaxed, "0"))).has(FindingKind::Race));
  EXPECT_TRUE(launchHandOver(TestKernel(handOver(narrow, acquire, "0"))).has(FindingKind::Race));
  EXPECT_TRUE(launchHandOver(TestKernel(handOver("", "", "0"))).has(FindingKind::Race));
}

TEST(Sanitizer, AWaitForALaterBlockNeverEnds) {
  const char *release = "atomic syncscope(\"device\") release {alignment = 4 : i64}",
             *acquire = "atomic syncscope(\"device\") acquire {alignment = 4 : i64}";
  Finding wait = only(launchHandOver(TestKernel(handOver(release, acquire, "1"))), FindingKind::Deadlock);
  EXPECT_NE(wait.message.find("no block before it"), std::string::npos) << wait.message;
}
