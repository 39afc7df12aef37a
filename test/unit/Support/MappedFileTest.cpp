// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Support/MappedFile.h"

#include <cstdio>
#include <filesystem>
#include <gtest/gtest.h>
#include <sys/stat.h>

using namespace bessemer;

namespace {

class MappedFileTest : public testing::Test {
protected:
  void SetUp() override {
    directory = std::filesystem::temp_directory_path() / ("bessemer-mapped-file-" + std::to_string(getpid()));
    std::filesystem::create_directory(directory);
  }
  void TearDown() override { std::filesystem::remove_all(directory); }
  std::string write(const char *name, std::string_view content) {
    std::string path = directory / name;
    FILE *file = fopen(path.c_str(), "wb");
    fwrite(content.data(), 1, content.size(), file);
    fclose(file);
    return path;
  }
  std::filesystem::path directory;
  std::string error;
};

TEST_F(MappedFileTest, ShowsTheBytesOfAFile) {
  auto file = MappedFile::open(write("a", "hello"), error);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->view(), "hello");
}

TEST_F(MappedFileTest, AnEmptyFileIsAnEmptyView) {
  auto file = MappedFile::open(write("a", ""), error);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->size(), 0u);
}

TEST_F(MappedFileTest, MovesItsMapping) {
  auto file = MappedFile::open(write("a", "hello"), error);
  ASSERT_TRUE(file);
  MappedFile other = std::move(*file);
  EXPECT_EQ(other.view(), "hello");
  EXPECT_EQ(file->size(), 0u);
}

TEST_F(MappedFileTest, SizesAndOffsetsHave64Bits) {
  std::string path = write("sparse", "");
  constexpr uint64_t size = (uint64_t(5) << 30) + 1;
  std::filesystem::resize_file(path, size);
  auto file = MappedFile::open(path, error);
  ASSERT_TRUE(file) << error;
  EXPECT_EQ(file->size(), size);
  EXPECT_EQ(file->data()[size - 1], 0);
  EXPECT_EQ(regularFileSize(path, error), size);
}

TEST_F(MappedFileTest, AMissingFileGivesTheReason) {
  EXPECT_FALSE(MappedFile::open("/nowhere/at all", error));
  EXPECT_EQ(error, "cannot open /nowhere/at all: No such file or directory");
}

TEST_F(MappedFileTest, OnlyRegularFilesAreMapped) {
  EXPECT_FALSE(MappedFile::open(directory, error));
  EXPECT_EQ(error, "cannot open " + directory.string() + ": expected a regular file");
  std::string fifo = directory / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_FALSE(regularFileSize(fifo, error)); // and does not wait for a writer
}

} // namespace
