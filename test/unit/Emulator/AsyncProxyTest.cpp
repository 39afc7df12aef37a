// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mbarrier and the copy engine: what they move, and each planted defect.
#include "TestKernel.h"

#include <numeric>

using namespace bessemer;
using namespace bessemer::emulator;
using namespace bessemer::emulator::test;

namespace {
const char *globals = "llvm.mlir.global internal @s() {addr_space = 3 : i32, alignment = 1024 : i64} : "
                      "!llvm.array<8192 x i8>\n"
                      "llvm.mlir.global internal @bar() {addr_space = 3 : i32, alignment = 8 : i64} : "
                      "!llvm.array<2 x i64>\n";
const std::string constants = R"(
  %s = llvm.mlir.addressof @s : !llvm.ptr<3>
  %bar = llvm.mlir.addressof @bar : !llvm.ptr<3>
  %c0 = llvm.mlir.constant(0 : i32) : i32
  %c1 = llvm.mlir.constant(1 : i32) : i32
  %c32 = llvm.mlir.constant(32 : i32) : i32
  %ticks = llvm.mlir.constant(10000000 : i32) : i32
  %isFirst = llvm.icmp "eq" %tid, %c0 : i32
)";

/// Code of one branch, by thread 0.
std::string ifFirst(const std::string &name, const std::string &body) {
  return "  llvm.cond_br %isFirst, ^" + name + ", ^" + name + "_end\n^" + name + ":\n" + body + "  llvm.br ^" + name +
         "_end\n^" + name + "_end:\n";
}
} // namespace

// ---- mbarrier: warp 1 writes a word and arrives, warp 0 waits and reads it.
static std::string handOver(const std::string &wait, const std::string &arrive, const std::string &afterInit) {
  return kernelText("%out: !llvm.ptr<1>",
                    constants + ifFirst("init", "  nvvm.mbarrier.init %bar, %c32 : !llvm.ptr<3>, i32\n") + afterInit +
                        R"(
  %isSecond = llvm.icmp "uge" %tid, %c32 : i32
  llvm.cond_br %isSecond, ^write, ^read
^write:
  %w = llvm.sub %tid, %c32 : i32
  %pw = llvm.getelementptr %s[%w] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
  llvm.store %tid, %pw : i32, !llvm.ptr<3>
  )" + arrive + R"(
  llvm.br ^end
^read:
  )" + wait + R"(
  %pr = llvm.getelementptr %s[%tid] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
  %v = llvm.load %pr : !llvm.ptr<3> -> i32
  %po = llvm.getelementptr %out[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  llvm.store %v, %po : i32, !llvm.ptr<1>
  llvm.br ^end
^end:
  llvm.return)",
                    globals);
}
static const std::string arrival = "nvvm.mbarrier.arrive %bar : !llvm.ptr<3>";
static std::string waitFor(const std::string &parity) {
  return "nvvm.mbarrier.try_wait.parity %bar, " + parity + ", %ticks : !llvm.ptr<3>, i32, i32";
}

TEST(MBarrier, OrdersWhoArrivesBeforeWhoWaits) {
  TestKernel k(handOver(waitFor("%c0"), arrival, "nvvm.barrier0\n"));
  uint64_t out = k.device.allocate("out", 128);
  LaunchResult result = k.launch(1, 64, {out});
  EXPECT_TRUE(result.clean()) << result.text();
  std::vector<uint32_t> wanted(32);
  std::iota(wanted.begin(), wanted.end(), 32);
  EXPECT_EQ(k.output<uint32_t>(out, 32), wanted);
}

TEST(MBarrier, PlantedDefects) {
  auto run = [](const std::string &text) {
    TestKernel k(text);
    return k.launch(1, 64, {k.device.allocate("out", 128)});
  };
  EXPECT_TRUE(run(handOver("", arrival, "nvvm.barrier0\n")).has(FindingKind::Race)) << "no wait";
  EXPECT_TRUE(run(handOver(waitFor("%c1"), arrival, "nvvm.barrier0\n")).has(FindingKind::Race)) << "the phase before";
  LaunchResult stuck = run(handOver(waitFor("%c0"), "", "nvvm.barrier0\n"));
  ASSERT_TRUE(stuck.has(FindingKind::Deadlock)) << stuck.text();
  EXPECT_NE(stuck.text().find("expects 32 more arrivals of 32 and 0 more bytes"), std::string::npos) << stuck.text();
  LaunchResult early = run(handOver(waitFor("%c0"), arrival, ""));
  EXPECT_TRUE(early.has(FindingKind::Race)) << "used before anything orders its initialization: " << early.text();
  LaunchResult often = run(handOver(waitFor("%c0"), arrival + "\n  " + arrival + "\n  " + arrival, "nvvm.barrier0\n"));
  EXPECT_TRUE(often.clean()) << "phases may go on: " << often.text();
}

// ---- TMA: thread 0 loads a box, all wait, the box goes to global memory as it lies.
namespace {
struct LoadTest {
  TensorMap map;
  int32_t x = 0, y = 0;
  int64_t announced = 0;
  std::string fence = "nvvm.fence.mbarrier.init", wait = waitFor("%c0");
};

std::string loadText(const LoadTest &test) {
  int64_t words = test.map.boxBytes() / 4;
  std::string text = constants + "  %bytes = llvm.mlir.constant(" + std::to_string(test.announced) +
                     " : i32) : i32\n  %cx = llvm.mlir.constant(" + std::to_string(test.x) +
                     " : i32) : i32\n  %cy = llvm.mlir.constant(" + std::to_string(test.y) + " : i32) : i32\n" +
                     ifFirst("init", "  nvvm.mbarrier.init %bar, %c1 : !llvm.ptr<3>, i32\n  " + test.fence + R"(
  nvvm.mbarrier.arrive.expect_tx %bar, %bytes : !llvm.ptr<3>, i32
  %cluster = llvm.addrspacecast %s : !llvm.ptr<3> to !llvm.ptr<7>
  nvvm.cp.async.bulk.tensor.shared.cluster.global %cluster, %map, %bar, box[%cx, %cy] : !llvm.ptr<7>, !llvm.ptr
)") + "  nvvm.barrier0\n  " +
                     test.wait + "\n";
  for (int64_t word = 0; word < words; word += 64) {
    std::string n = std::to_string(word);
    text += "  %k" + n + " = llvm.mlir.constant(" + n + " : i32) : i32\n  %i" + n + " = llvm.add %tid, %k" + n +
            " : i32\n  %f" + n + " = llvm.getelementptr %s[%i" + n + "] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32\n" +
            "  %v" + n + " = llvm.load %f" + n + " : !llvm.ptr<3> -> i32\n  %t" + n + " = llvm.getelementptr %out[%i" +
            n + "] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32\n  llvm.store %v" + n + ", %t" + n +
            " : i32, !llvm.ptr<1>\n";
  }
  return kernelText("%out: !llvm.ptr<1>, %map: !llvm.ptr", text + "  llvm.return", globals);
}

constexpr int64_t rows = 20, columns = 72;
/// A tensor of rows x columns, two bytes each.
TensorMap mapOf(uint64_t address, uint32_t swizzle) {
  TensorMap map;
  map.address = address;
  map.elementBytes = 2;
  map.rank = 2;
  map.sizes = {columns, rows};
  map.strides = {columns * 2};
  map.box = {swizzle ? swizzle / 2 : 64, 16};
  map.swizzleBytes = swizzle;
  return map;
}

struct Loaded {
  LaunchResult result;
  std::vector<uint16_t> source, box;
};
Loaded load(LoadTest test, uint32_t swizzle, int64_t more = 0) {
  test.map = mapOf(0, swizzle);
  test.announced = test.map.boxBytes() + more;
  TestKernel k(loadText(test));
  Loaded loaded;
  loaded.source.resize(rows * columns);
  std::iota(loaded.source.begin(), loaded.source.end(), uint16_t(1));
  test.map.address = k.input("tensor", loaded.source);
  uint64_t out = k.device.allocate("out", test.map.boxBytes());
  EXPECT_TRUE(k.kernels) << k.error;
  if (!k.kernels)
    return loaded;
  LaunchConfig config;
  config.block = {64};
  config.tensorMaps = {test.map};
  loaded.result = k.kernels->launch("k", config, std::vector<uint64_t>{out, tensorMapArgument(0)}, k.device);
  loaded.box = k.output<uint16_t>(out, test.map.boxBytes() / 2);
  return loaded;
}
} // namespace

TEST(TensorCopy, LoadsBoxesWithEachSwizzleAndZerosOutside) {
  for (uint32_t swizzle : {0, 32, 64, 128})
    for (auto [x, y] : {std::pair(0, 0), std::pair(16, 8), std::pair(-8, 12)}) {
      LoadTest test;
      test.x = x;
      test.y = y;
      Loaded loaded = load(test, swizzle);
      ASSERT_TRUE(loaded.result.clean()) << loaded.result.text();
      TensorMap map = mapOf(0, swizzle);
      for (int64_t row = 0; row < map.box[1]; ++row)
        for (int64_t column = 0; column < map.box[0]; ++column) {
          int64_t r = row + y, c = column + x;
          bool inside = r >= 0 && r < rows && c >= 0 && c < columns;
          uint64_t place = swizzledPlace((row * map.box[0] + column) * 2, swizzle);
          ASSERT_EQ(loaded.box[place / 2], inside ? loaded.source[r * columns + c] : 0)
              << "swizzle " << swizzle << " at " << row << ", " << column;
        }
    }
}

TEST(TensorCopy, PlantedDefects) {
  LoadTest test;
  test.wait = "";
  LaunchResult result = load(test, 128).result;
  EXPECT_TRUE(result.has(FindingKind::Race)) << "no wait: " << result.text();
  test.wait = waitFor("%c1");
  result = load(test, 128).result;
  EXPECT_TRUE(result.has(FindingKind::Race)) << "the phase before: " << result.text();
  test = LoadTest();
  test.fence = "";
  result = load(test, 128).result;
  EXPECT_TRUE(result.has(FindingKind::Race)) << "no fence behind the initialization: " << result.text();
  result = load(LoadTest(), 128, 64).result;
  ASSERT_TRUE(result.has(FindingKind::Deadlock)) << "too many bytes announced: " << result.text();
  EXPECT_NE(result.text().find("64 more bytes"), std::string::npos) << result.text();
  result = load(LoadTest(), 128, -64).result;
  ASSERT_TRUE(result.has(FindingKind::Fault)) << "too few bytes announced: " << result.text();
  EXPECT_NE(result.text().find("64 bytes more than expect_tx has announced"), std::string::npos) << result.text();
}

// ---- TMA: 64 threads write a box of 16 x 32 words, thread 0 stores it.
static std::string storeText(const std::string &fence, const std::string &wait) {
  std::string text = constants;
  for (int word = 0; word < 512; word += 64) {
    std::string n = std::to_string(word);
    text += "  %k" + n + " = llvm.mlir.constant(" + n + " : i32) : i32\n  %i" + n + " = llvm.add %tid, %k" + n +
            " : i32\n  %f" + n + " = llvm.getelementptr %s[%i" + n + "] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32\n" +
            "  llvm.store %i" + n + ", %f" + n + " : i32, !llvm.ptr<3>\n";
  }
  text += fence + "  nvvm.barrier0\n  %c8 = llvm.mlir.constant(8 : i32) : i32\n" +
          ifFirst("store", "  nvvm.cp.async.bulk.tensor.global.shared.cta %map, %s, box[%c8, %c1] : !llvm.ptr, "
                           "!llvm.ptr<3>\n  nvvm.cp.async.bulk.commit.group\n" +
                               wait);
  return kernelText("%map: !llvm.ptr", text + "  llvm.return", globals);
}

TEST(TensorCopy, StoresWhatIsInsideOfTheTensor) {
  auto run = [](const std::string &fence, const std::string &wait, std::vector<uint32_t> &tensor) {
    TestKernel k(storeText(fence, wait));
    EXPECT_TRUE(k.kernels) << k.error;
    TensorMap map;
    map.address = k.input("tensor", std::vector<uint32_t>(10 * 36, 7));
    map.elementBytes = 4;
    map.rank = 2;
    map.sizes = {36, 10};
    map.strides = {36 * 4};
    map.box = {32, 16};
    LaunchConfig config;
    config.block = {64};
    config.tensorMaps = {map};
    LaunchResult result = k.kernels->launch("k", config, std::vector<uint64_t>{tensorMapArgument(0)}, k.device);
    tensor = k.output<uint32_t>(map.address, 10 * 36);
    return result;
  };
  const std::string fence = "  nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>, space = "
                            "#nvvm.shared_space<cta>}\n",
                    wait = "  nvvm.cp.async.bulk.wait_group 0\n";
  std::vector<uint32_t> tensor;
  LaunchResult result = run(fence, wait, tensor);
  EXPECT_TRUE(result.clean()) << result.text();
  for (uint32_t row = 0; row < 10; ++row)
    for (uint32_t column = 0; column < 36; ++column)
      ASSERT_EQ(tensor[row * 36 + column], row >= 1 && column >= 8 ? (row - 1) * 32 + column - 8 : 7u);
  result = run("", wait, tensor);
  EXPECT_TRUE(result.has(FindingKind::Race)) << "no fence: " << result.text();
  (void)run(fence, "", tensor);
  EXPECT_EQ(tensor[36 + 8], 7u) << "nobody waited, so it has not been stored yet";
}
