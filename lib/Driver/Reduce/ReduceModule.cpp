// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Driver/Reduce.h"
#include "lib/Driver/Reduce/Edits.h"

#include "mlir/IR/Verifier.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"

using namespace mlir;
using namespace bessemer;

namespace {

class Reducer {
public:
  Reducer(const ReduceOptions &options) : options(options) {}

  bool run(OwningOpRef<ModuleOp> &module, std::string &error) {
    std::optional<int> code = test(*module, error);
    if (!error.empty())
      return false;
    if (!code) {
      error = "expected the command to fail" +
              (options.message.empty() ? "" : " and to say '" + options.message + "'") +
              ", got a run that does not: " + options.command;
      return false;
    }
    wanted = *code;
    // Until no edit finds anything: each makes room for the others.
    for (bool changed = true; changed;) {
      changed = false;
      for (reduce::Edit edit : reduce::allEdits())
        changed |= tryEdit(module, edit);
    }
    return true;
  }

private:
  static unsigned countPlaces(ModuleOp module, reduce::Edit edit) {
    unsigned count = 0;
    edit(module, [&] {
      ++count;
      return false;
    });
    return count;
  }

  /// True when the module became smaller.
  bool tryEdit(OwningOpRef<ModuleOp> &module, reduce::Edit edit) {
    bool changed = false;
    unsigned chunk = countPlaces(*module, edit);
    while (chunk) {
      // A success renumbers the places: from the same number on.
      for (unsigned first = 0; first < countPlaces(*module, edit);) {
        OwningOpRef<ModuleOp> smaller = module->clone();
        unsigned place = 0;
        edit(*smaller, [&] {
          unsigned at = place++;
          return at >= first && at < first + chunk;
        });
        reduce::eraseDead(*smaller);
        if (isSmaller(*smaller, *module) && fails(*smaller)) {
          module = std::move(smaller);
          changed = true;
        } else {
          first += chunk;
        }
      }
      chunk /= 2;
    }
    return changed;
  }

  /// By text: each edit must pay, or it could be made for ever.
  static bool isSmaller(ModuleOp smaller, ModuleOp module) {
    if (failed(verifyQuietly(smaller)))
      return false;
    auto size = [](ModuleOp op) {
      std::string text;
      llvm::raw_string_ostream(text) << op;
      // Ops and lines before letters: an argument's type is no gain.
      return std::pair(llvm::count(text, '\n'), text.size());
    };
    return size(smaller) < size(module);
  }

  static LogicalResult verifyQuietly(ModuleOp module) {
    ScopedDiagnosticHandler quiet(module.getContext(), [](Diagnostic &) { return success(); });
    return verify(module);
  }

  bool fails(ModuleOp module) {
    std::string ignored;
    return test(module, ignored) == wanted;
  }

  /// The exit code of a run that fails as asked; nullopt for one that does not.
  std::optional<int> test(ModuleOp module, std::string &error) {
    llvm::SmallString<128> input, output;
    int fd;
    if (auto code = llvm::sys::fs::createTemporaryFile("bessemer-reduce", "mlir", fd, input)) {
      error = "cannot write a temporary file: " + code.message();
      return std::nullopt;
    }
    llvm::FileRemover removeInput(input);
    {
      llvm::raw_fd_ostream os(fd, /*shouldClose=*/true);
      os << module << "\n";
    }
    if (auto code = llvm::sys::fs::createTemporaryFile("bessemer-reduce", "txt", output)) {
      error = "cannot write a temporary file: " + code.message();
      return std::nullopt;
    }
    llvm::FileRemover removeOutput(output);
    std::string command = options.command;
    size_t at = command.find("{}");
    if (at == std::string::npos)
      command += " \"$0\"";
    for (; at != std::string::npos; at = command.find("{}", at))
      command.replace(at, 2, "\"$0\"");
    StringRef arguments[] = {"/bin/sh", "-c", command, input};
    std::optional<StringRef> redirects[] = {StringRef(""), StringRef(output), StringRef(output)};
    std::string reason;
    bool notStarted = false;
    int code = llvm::sys::ExecuteAndWait("/bin/sh", arguments, std::nullopt, redirects, options.timeoutSeconds, 0,
                                         &reason, &notStarted);
    if (notStarted) {
      error = "cannot run /bin/sh: " + reason;
      return std::nullopt;
    }
    // -1 stands for 126 and 127 of the shell: no such command. -2 with this text is the time limit; a signal counts.
    if (code == -1) {
      error = "cannot run the command: " + options.command;
      return std::nullopt;
    }
    if (code == 0 || StringRef(reason).contains("timed out"))
      return std::nullopt;
    if (!options.message.empty()) {
      auto text = llvm::MemoryBuffer::getFile(output);
      if (!text || !(*text)->getBuffer().contains(options.message))
        return std::nullopt;
    }
    return code;
  }

  const ReduceOptions &options;
  int wanted = 0;
};

} // namespace

bool bessemer::reduceModule(OwningOpRef<ModuleOp> &module, const ReduceOptions &options, std::string &error) {
  return Reducer(options).run(module, error);
}
