// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tensors of one arena, seen by a kernel through windows.
#include "TestKernel.h"

using namespace bessemer::emulator;
using namespace bessemer::emulator::test;

// y[i] = x[i], for the threads that there are.
static const std::string copy = kernelText("%x_: !llvm.ptr<1>, %y_: !llvm.ptr<1>", R"(
  %p = llvm.getelementptr %x_[%x] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  %q = llvm.getelementptr %y_[%x] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  %v = llvm.load %p : !llvm.ptr<1> -> i32
  llvm.store %v, %q : i32, !llvm.ptr<1>
  llvm.return)");

namespace {
/// An arena of three tensors of 64 bytes.
struct Arena : TestKernel {
  Arena() : TestKernel(copy), base(input<int>("arena", std::vector<int>(48, 7))) {}
  uint64_t base;
};
} // namespace

TEST(Windows, BytesAreThoseOfTheArena) {
  Arena k;
  uint64_t x = k.device.openWindow("x", k.base + 64, 64), y = k.device.openWindow("y", k.base + 128, 64);
  std::vector<int> data(16, 42);
  k.device.write(k.base + 64, data.data(), 64);
  EXPECT_TRUE(k.launch(1, 16, {x, y}).clean());
  EXPECT_EQ(k.output<int>(k.base + 128, 16), data);
}

TEST(Windows, TheNextTensorIsOutOfBounds) {
  Arena k;
  uint64_t x = k.device.openWindow("x", k.base, 64), y = k.device.openWindow("y", k.base + 64, 64);
  LaunchResult result = k.launch(1, 17, {x, y});
  ASSERT_TRUE(result.has(FindingKind::OutOfBounds));
  EXPECT_NE(result.text().find("0 bytes behind the end of 'x'"), std::string::npos) << result.text();
  EXPECT_NE(result.text().find("0 bytes behind the end of 'y'"), std::string::npos) << result.text();
  EXPECT_EQ(k.output<int>(k.base + 128, 1)[0], 7); // and was not written
}

TEST(Windows, WhatIsReadOnlyIsNotWritten) {
  Arena k;
  uint64_t x = k.device.openWindow("x", k.base, 64), y = k.device.openWindow("y", k.base + 64, 64, Access::Read);
  LaunchResult result = k.launch(1, 16, {x, y});
  EXPECT_NE(result.text().find("which the kernel may only read"), std::string::npos) << result.text();
}

TEST(Windows, WhatWasForgottenIsNotWritten) {
  Arena k;
  k.device.forget(k.base + 32, 32);
  uint64_t x = k.device.openWindow("x", k.base, 64), y = k.device.openWindow("y", k.base + 64, 64);
  LaunchResult result = k.launch(1, 16, {x, y});
  ASSERT_TRUE(result.has(FindingKind::Uninitialized)) << result.text();
  EXPECT_EQ(result.findings[0].count, 8u);
}

TEST(Windows, AlignmentIsThatOfTheArena) {
  Arena k;
  uint64_t x = k.device.openWindow("x", k.base + 2, 62), y = k.device.openWindow("y", k.base + 64, 64);
  EXPECT_TRUE(k.launch(1, 4, {x, y}).has(FindingKind::Misaligned));
}

TEST(Windows, ClosedOnesLeadNowhere) {
  Arena k;
  uint64_t x = k.device.openWindow("x", k.base, 64);
  k.device.closeWindows();
  EXPECT_TRUE(k.launch(1, 4, {x, k.base}).has(FindingKind::OutOfBounds));
}

// What others may still write, or read, is touched behind griddepcontrol.wait alone; what nobody writes may be read.
TEST(Windows, OnlyConstantsAreReadBeforeTheWait) {
  auto textOf = [](const char *before, const char *behind) {
    return kernelText("%a: !llvm.ptr<1>, %b: !llvm.ptr<1>", std::string(before) + R"(
  nvvm.griddepcontrol wait
  )" + behind + R"(
  llvm.return)");
  };
  const char *load = "%v = llvm.load %a : !llvm.ptr<1> -> i32 loc(\"early\")",
             *store = "llvm.store %tid, %b : i32, !llvm.ptr<1>";
  auto launch = [&](const std::string &text, Access allowed) {
    TestKernel k(text);
    uint64_t data = k.input<uint32_t>("data", std::vector<uint32_t>(32));
    uint64_t x = k.device.openWindow("x", data, 4, allowed), y = k.device.openWindow("y", data + 64, 4);
    return k.launch(1, 1, {x, y});
  };
  LaunchResult early = launch(textOf(load, store), Access::Read);
  ASSERT_TRUE(early.has(FindingKind::Race)) << early.text();
  EXPECT_NE(early.text().find("griddepcontrol.wait"), std::string::npos) << early.text();
  EXPECT_NE(early.text().find("early"), std::string::npos) << early.text();
  EXPECT_TRUE(launch(textOf(load, store), Access::ReadEarly).clean());
  EXPECT_TRUE(launch(textOf("", (std::string(load) + "\n" + store).c_str()), Access::Read).clean());
  EXPECT_TRUE(launch(textOf((std::string(load) + "\n" + store).c_str(), ""), Access::ReadEarly).has(FindingKind::Race));
}
