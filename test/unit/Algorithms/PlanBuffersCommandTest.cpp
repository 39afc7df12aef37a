// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/PlanBuffersCommand.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace bessemer;

namespace {

class PlanBuffersCommand : public ::testing::Test {
protected:
  void SetUp() override {
    folder =
        std::filesystem::temp_directory_path() / ("bessemer-plan-" + std::to_string(reinterpret_cast<uintptr_t>(this)) +
                                                  ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  int run(const std::string &text, int64_t capacity) {
    in = (folder / "in.csv").string();
    out = (folder / "out.csv").string();
    std::ofstream(in, std::ios::binary) << text;
    error.clear();
    int code = planBuffersCommand(in, capacity, out, 10, error);
    // Errors start with the path.
    if (error.starts_with(in))
      error.erase(0, in.size());
    return code;
  }

  std::string written() {
    std::stringstream text;
    text << std::ifstream(out).rdbuf();
    return text.str();
  }

  std::filesystem::path folder;
  std::string in, out, error;
};

TEST_F(PlanBuffersCommand, AddsOffsets) {
  EXPECT_EQ(run("id,lower,upper,size\na,0,2,4\nb,2,4,4\n", 4), 0) << error;
  EXPECT_EQ(written(), "id,lower,upper,size,offset\na,0,2,4,0\nb,2,4,4,0\n");
}

TEST_F(PlanBuffersCommand, ReadsOtherColumnOrdersAndLineEnds) {
  EXPECT_EQ(run("size,id,upper,lower\r\n4,a,2,0\r\n\r\n4,b,4,2", 4), 0) << error;
  EXPECT_EQ(written(), "size,id,upper,lower,offset\n4,a,2,0,0\n4,b,4,2,0\n");
}

TEST_F(PlanBuffersCommand, ReadsAlignmentsGapsAndFixedOffsets) {
  EXPECT_EQ(run("id,lower,upper,size,alignment\na,0,2,3,4\nb,0,2,3,4\n", 7), 0) << error;
  EXPECT_EQ(run("id,lower,upper,size,alignment\na,0,2,3,4\nb,0,2,3,4\n", 6), 1);
  EXPECT_EQ(run("id,lower,upper,size,gaps\na,-2,9,4,-1-3 5-7\nb,0,3,4,\n", 4), 0) << error;
  EXPECT_EQ(run("id,lower,upper,size,gaps\na,-2,9,4,-1-3 5-7\nb,0,4,4,\n", 4), 1);
  EXPECT_EQ(run("id,lower,upper,size,fixed\na,0,2,3,\nb,0,2,3,1\n", 7), 0) << error;
  EXPECT_EQ(written(), "id,lower,upper,size,fixed,offset\na,0,2,3,,4\nb,0,2,3,1,1\n");
}

TEST_F(PlanBuffersCommand, SaysWhenThereIsNoPlan) {
  EXPECT_EQ(run("id,lower,upper,size\na,0,2,3\nb,1,4,5\n", 7), 1);
  EXPECT_EQ(error, ": no plan fits 7 bytes: at least 8 are needed, the bytes live at 1: 'b' of 5, 'a' of 3");
  // Known only from the search: all that is live together takes 7.
  EXPECT_EQ(run("id,lower,upper,size,alignment\na,0,2,3,4\nb,0,2,3,4\n", 6), 1);
  EXPECT_EQ(error, ": no plan fits 6 bytes: at least 7 are needed");
}

TEST_F(PlanBuffersCommand, RefusesBadInput) {
  const std::string header = "id,lower,upper,size\n";
  EXPECT_EQ(run("", 7), 2);
  EXPECT_EQ(error, ":1: expected the header id,lower,upper,size, got an empty file");
  EXPECT_EQ(run("id,lower,size\n", 7), 2);
  EXPECT_EQ(error, ":1: expected one column 'upper' in the header, got 'id,lower,size'");
  EXPECT_EQ(run(header + "a,0,1\n", 7), 2);
  EXPECT_EQ(error, ":2: expected 4 fields, got 3");
  EXPECT_EQ(run(header + "a,0,1,x\n", 7), 2);
  EXPECT_EQ(error, ":2: expected an integer of 64 bits for 'size', got 'x'");
  EXPECT_EQ(run(header + "a,0,1,1\nb,2,2,1\n", 7), 2);
  EXPECT_EQ(error, ":3: expected lower < upper, got 2 and 2");
  EXPECT_EQ(run(header + "a,0,1,1\na,2,3,1\n", 7), 2);
  EXPECT_EQ(error, ":3: expected distinct ids, got 'a' again, first at line 2");
  EXPECT_EQ(run(header + "a,0,1,99999999999999999999\n", 7), 2);
  EXPECT_EQ(run(header + "a,0,1,-1\n", 7), 2);
  EXPECT_EQ(run(header + "a,-9223372036854775808,1,1\n", 7), 2);
  EXPECT_EQ(run("id,lower,upper,size,hint\n", 7), 2);
  EXPECT_EQ(error,
            ":1: expected the columns id, lower, upper, size and optionally alignment, gaps and fixed, got 'hint'");
  EXPECT_EQ(run("id,lower,upper,size,size\n", 7), 2);
  EXPECT_EQ(run("id,lower,upper,size,gaps\na,0,9,1,3\n", 7), 2);
  EXPECT_EQ(error, ":2: expected gaps as in '4-6 9-12', got '3'");
  EXPECT_EQ(run("id,lower,upper,size,gaps\na,0,9,1,3-12\n", 7), 2);
  EXPECT_EQ(error, ":2: expected gaps sorted, disjoint and inside the lifetime, got [3, 12)");
  EXPECT_EQ(run(header, -1), 2);
  EXPECT_EQ(planBuffersCommand(in, 7, out, std::nan(""), error), 2);
  EXPECT_EQ(planBuffersCommand(in, 7, out, -1, error), 2);
  EXPECT_EQ(planBuffersCommand((folder / "absent.csv").string(), 1, out, 1, error), 2);
  in = (folder / "in.csv").string();
  EXPECT_EQ(planBuffersCommand(in, 1, (folder / "no" / "dir.csv").string(), 1, error), 2);
}

} // namespace
