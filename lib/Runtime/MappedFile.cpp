// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/MappedFile.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bessemer::runtime {

MappedFile::~MappedFile() {
  if (bytes)
    munmap(const_cast<uint8_t *>(bytes), static_cast<size_t>(length));
}

Status MappedFile::open(const std::string &path, std::shared_ptr<MappedFile> &file) {
  auto failed = [&](const std::string &text) {
    return Status::error(StatusCode::BadFile, "cannot read '" + path + "': " + text);
  };
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return failed(std::strerror(errno));
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return failed("expected a regular file");
  }
  std::shared_ptr<MappedFile> made(new MappedFile());
  made->length = info.st_size;
  if (info.st_size > 0) {
    void *memory = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
    if (memory == MAP_FAILED) {
      std::string text = std::strerror(errno);
      close(fd);
      return failed(text);
    }
    made->bytes = static_cast<const uint8_t *>(memory);
  }
  close(fd);
  file = std::move(made);
  return {};
}

void MappedFile::populate(int64_t offset, int64_t count) const {
#ifdef MADV_POPULATE_READ
  int64_t page = sysconf(_SC_PAGESIZE);
  advise(offset / page * page, std::min(offset + count, length), MADV_POPULATE_READ); // since Linux 5.14
#endif
}

void MappedFile::forget(int64_t offset, int64_t count) const {
  int64_t page = sysconf(_SC_PAGESIZE);
  int64_t begin = (offset + page - 1) / page * page, end = (offset + count) / page * page;
  advise(begin, end, MADV_DONTNEED);
}

void MappedFile::readAhead(int64_t offset, int64_t count, bool on) const {
  int64_t page = sysconf(_SC_PAGESIZE);
  advise(offset / page * page, offset + count, on ? MADV_NORMAL : MADV_RANDOM);
}

void MappedFile::advise(int64_t begin, int64_t end, int advice) const {
  if (begin < end && bytes)
    (void)madvise(const_cast<uint8_t *>(bytes) + begin, static_cast<size_t>(end - begin), advice); // may be refused
}

} // namespace bessemer::runtime
