// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Support/MappedFile.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

using namespace bessemer;

static std::string failureText(const std::string &path, int code) {
  return "cannot open " + path + ": " + std::generic_category().message(code);
}

/// A file descriptor and the size behind it.
struct OpenFile {
  int descriptor = -1;
  uint64_t size = 0;
  ~OpenFile() {
    if (descriptor >= 0)
      close(descriptor);
  }
};

static bool openRegular(const std::string &path, OpenFile &file, std::string &error) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  file.descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info;
  if (file.descriptor < 0 || fstat(file.descriptor, &info) != 0) {
    error = failureText(path, errno);
    return false;
  }
  if (!S_ISREG(info.st_mode)) {
    error = "cannot open " + path + ": expected a regular file";
    return false;
  }
  file.size = static_cast<uint64_t>(info.st_size);
  return true;
}

std::optional<MappedFile> MappedFile::open(const std::string &path, std::string &error) {
  OpenFile file;
  if (!openRegular(path, file, error))
    return std::nullopt;
  MappedFile mapped;
  if (file.size == 0)
    return mapped;
  void *base = mmap(nullptr, file.size, PROT_READ, MAP_PRIVATE, file.descriptor, 0);
  if (base == MAP_FAILED) {
    error = failureText(path, errno);
    return std::nullopt;
  }
  mapped.base = base;
  mapped.bytes = file.size;
  return mapped;
}

MappedFile::~MappedFile() {
  if (base)
    munmap(base, bytes);
}

std::optional<uint64_t> bessemer::regularFileSize(const std::string &path, std::string &error) {
  OpenFile file;
  if (!openRegular(path, file, error))
    return std::nullopt;
  return file.size;
}
