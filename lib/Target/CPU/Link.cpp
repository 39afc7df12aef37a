// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// lld as a library. It reads and writes files: a folder of its own for each
// link.
#include "lib/Target/CPU/Codegen.h"

#include "lld/Common/Driver.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Triple.h"

#include <deque>
#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace bessemer;

namespace {
/// A file that is gone with the object.
class TemporaryFile {
public:
  explicit TemporaryFile(llvm::StringRef suffix) {
    error = llvm::sys::fs::createTemporaryFile("bessemer-kernels", suffix, path);
  }
  ~TemporaryFile() {
    if (!error)
      llvm::sys::fs::remove(path);
  }
  TemporaryFile(const TemporaryFile &) = delete;
  llvm::SmallString<128> path;
  std::error_code error;
};
} // namespace

ObjectCode cpu::linkShared(const std::vector<ObjectCode> &objects, const MachineInfo &machine) {
  TemporaryFile output("so");
  if (output.error)
    return {{}, "cannot make a temporary file: " + output.error.message()};
  std::deque<TemporaryFile> inputs;
  for (const ObjectCode &object : objects) {
    if (!object.ok())
      return object;
    TemporaryFile &input = inputs.emplace_back("o");
    if (input.error)
      return {{}, "cannot make a temporary file: " + input.error.message()};
    std::error_code error;
    llvm::raw_fd_ostream file(input.path, error);
    file.write(reinterpret_cast<const char *>(object.bytes.data()), object.bytes.size());
    file.close();
    if (error || file.has_error())
      return {{}, "cannot write '" + input.path.str().str() + "'"};
  }
  bool isAArch64 = llvm::Triple(machine.triple).isAArch64();
  std::vector<const char *> arguments = {"ld.lld",
                                         "-m",
                                         isAArch64 ? "aarch64linux" : "elf_x86_64",
                                         "-shared",
                                         "--hash-style=gnu",
                                         "--build-id=none",
                                         "-z",
                                         "relro",
                                         "-z",
                                         "now",
                                         "--no-rosegment",
                                         "--gc-sections",
                                         "--threads=1",
                                         "-s",
                                         "-o",
                                         output.path.c_str()};
  for (TemporaryFile &input : inputs)
    arguments.push_back(input.path.c_str());
  std::string text;
  llvm::raw_string_ostream stream(text);
  // lld keeps global state.
  static std::mutex mutex;
  static bool usable = true;
  std::lock_guard lock(mutex);
  if (!usable)
    return {{}, "the linker failed before and cannot run again in this process"};
  lld::Result result = lld::lldMain(arguments, stream, stream, {{lld::Gnu, &lld::elf::link}});
  usable = result.canRunAgain;
  if (result.retCode)
    return {{}, "the linker refused the kernels: " + text};
  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> linked = llvm::MemoryBuffer::getFile(output.path);
  if (!linked)
    return {{}, "cannot read '" + output.path.str().str() + "': " + linked.getError().message()};
  llvm::StringRef bytes = (*linked)->getBuffer();
  return {std::vector<uint8_t>(bytes.begin(), bytes.end()), ""};
}
