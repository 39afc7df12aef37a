// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tile.convert: a tile is read in one layout and written in another; each of the
// three means, each width of elements.
#include "GpuKernel.h"

#include "bessemer/Algorithms/LayoutConversion.h"

using namespace bessemer;
using namespace bessemer::gputest;

namespace {
/// 32 x 64 elements: a row in neighbouring lanes; one column in a lane; sums of
/// mma.sync in two warps; an operand of it, in the same rows.
const std::string rowsOfLanes = "[8, 1] x {register = [[0, 1], [0, 2]], lane = [[0, 4], [0, 8], [0, 16], [0, 32], [1, "
                                "0]], warp = [[2, 0]]} -> {row = 4, col = 64}";
const std::string columnsOfLanes = "[1, 1] x {register = [[1, 0], [2, 0], [4, 0], [8, 0], [16, 0]], lane = [[0, 1], "
                                   "[0, 2], [0, 4], [0, 8], [0, 16]], warp = [[0, 32]]} -> {row = 32, col = 64}";
const std::string sums = "[1, 8] x {register = [[0, 1], [8, 0]], lane = [[0, 2], [0, 4], [1, 0], [2, 0], [4, 0]], warp "
                         "= [[16, 0]]} -> {row = 32, col = 8}";
const std::string operand = "[1, 4] x {register = [[0, 1], [8, 0], [0, 8]], lane = [[0, 2], [0, 4], [1, 0], [2, 0], "
                            "[4, 0]], warp = [[16, 0]]} -> {row = 32, col = 16}";
/// The rows of a warp stay its own, but lie across its lanes.
const std::string across = "[1, 1] x {register = [[4, 0], [8, 0], [0, 8], [0, 16], [0, 32]], lane = [[0, 1], [0, 2], "
                           "[0, 4], [1, 0], [2, 0]], warp = [[16, 0]]} -> {row = 32, col = 64}";
/// Pairs of lanes hold copies.
const std::string copies = "[1, 1] x {register = [[0, 1], [0, 2], [0, 4], [0, 8], [0, 16], [0, 32]], lane = [[0, 0], "
                           "[1, 0], [2, 0], [4, 0], [8, 0]], warp = [[16, 0]]} -> {row = 32, col = 64}";

using Kind = LayoutConversion::Kind;
struct Conversion {
  std::string name, from, to;
  std::optional<Kind> kind; ///< none: which is cheaper depends on the element
};
} // namespace

class Conversions : public testing::TestWithParam<std::tuple<Conversion, std::string>> {};
INSTANTIATE_TEST_SUITE_P(
    Gpu, Conversions,
    testing::Combine(testing::Values(Conversion{"rename", sums, operand, Kind::Registers},
                                     Conversion{"shuffle", sums, across, Kind::Shuffles},
                                     Conversion{"share", sums, rowsOfLanes, Kind::Shared},
                                     Conversion{"transpose", rowsOfLanes, columnsOfLanes, Kind::Shared},
                                     Conversion{"copies", sums, copies, {}}, Conversion{"original", copies, sums, {}}),
                     testing::Values("f16", "f32", "i64", "i8")),
    [](const auto &info) { return std::get<0>(info.param).name + "_" + std::get<1>(info.param); });

TEST_P(Conversions, KeepElements) {
  auto [conversion, element] = GetParam();
  std::string view = "!tile.view<<\"32\", \"64\">, " + element + ">",
              tile = "tensor<32x64x" + element + ", #tile.layout<\"";
  std::string from = tile + conversion.from + "\">>", to = tile + conversion.to + "\">>";
  GpuTileKernel kernel("tile.kernel @copy grid <\"1\"> views 2 outputs 1 symbols 0 kind \"test\" reason \"\" schedule "
                       "{warps = 2 : i64} {\n"
                       "^bb0(%x: " +
                       view + ", %y: " + view +
                       ", %g: index):\n  %z = arith.constant 0 : index\n"
                       "  %0 = tile.load %x[%z, %z] dims [0, 1] {in_bounds} : " +
                       view + " -> " + from +
                       "\n"
                       "  %1 = tile.convert %0 : " +
                       from + " -> " + to +
                       "\n"
                       "  tile.store %1, %y[%z, %z] dims [0, 1] {in_bounds} : " +
                       to + ", " + view + "\n  tile.return\n}\n");
  size_t bytes = 32 * 64 * std::stoul(element.substr(1)) / 8;
  std::vector<uint8_t> x(bytes);
  std::mt19937 random(7);
  for (uint8_t &byte : x)
    byte = uint8_t(random());
  EXPECT_EQ(kernel.run("copy", x, bytes), x);
  for (const emulator::AccessStatistics &access : kernel.launched.statistics)
    if (access.shared)
      EXPECT_EQ(access.transactions, access.ideal) << access.where;
  // The plan that the kernel was made by.
  std::optional<LayoutConversion> plan =
      planConversion(*TileLayout::parse(conversion.from), *TileLayout::parse(conversion.to), 8 * bytes / 2048);
  ASSERT_TRUE(plan);
  if (conversion.kind)
    EXPECT_EQ(int(plan->kind), int(*conversion.kind)) << plan->reason;
  kernel.assembles();
}
