// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/CodeObject.h"

#include "lib/Runtime/KernelImports.h"

#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

namespace bessemer::runtime {

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

CodeObject::~CodeObject() {
  if (handle)
    dlclose(handle);
  if (fd >= 0)
    close(fd);
}

void *CodeObject::find(const std::string &symbol) const { return dlsym(handle, symbol.c_str()); }

Status CodeObject::load(const std::vector<uint8_t> &elf, std::unique_ptr<CodeObject> &code) {
  auto failed = [](const std::string &text) {
    return Status::error(StatusCode::BadFile, "cannot load the compiled kernels: " + text);
  };
  if (Status status = checkKernelImports(elf); !status.ok())
    return status;
  std::unique_ptr<CodeObject> made(new CodeObject());
  // Kernels older than 6.3 refuse MFD_EXEC, hardened ones ask for it.
  made->fd = memfd_create("bessemer-kernels", MFD_CLOEXEC | MFD_EXEC);
  if (made->fd < 0)
    made->fd = memfd_create("bessemer-kernels", MFD_CLOEXEC);
  if (made->fd < 0)
    return failed(std::string("memfd_create: ") + std::strerror(errno));
  for (size_t done = 0; done < elf.size();) {
    ssize_t written = write(made->fd, elf.data() + done, elf.size() - done);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return failed(std::string("write: ") + std::strerror(errno));
    done += static_cast<size_t>(written);
  }
  // The descriptor stays open as long as the code is loaded: the dynamic loader
  // knows libraries by path, and a number used again would give the old one.
  std::string path = "/proc/self/fd/" + std::to_string(made->fd);
  made->handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!made->handle) {
    const char *text = dlerror();
    return failed(text ? text : "dlopen failed");
  }
  code = std::move(made);
  return {};
}

} // namespace bessemer::runtime
