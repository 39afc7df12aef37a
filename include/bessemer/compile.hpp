// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The C API of the compiler (compile.h) for C++17. Header only; link libbessemer.so.
//
//   namespace bs = bessemer::api;
//   bs::CompileOptions options;
//   options.dims = {{"batch", 1, 1}};
//   bs::Compilation made = bs::Compilation::ofFile("model.onnx", options);   // throws with the diagnostics
//   made.write("model.bsm", /*selfContained=*/true);
//   bs::Program program = made.load();
#ifndef BESSEMER_COMPILE_HPP
#define BESSEMER_COMPILE_HPP

#include "bessemer/compile.h"
#include "bessemer/runtime.hpp"

#include <functional>

namespace bessemer::api {

struct CompileOptions {
  std::string target = "cpu", cpu = "native", numerics = "default";
  std::vector<bessemer_dim> dims; ///< {"batch", 1, 1} binds, {"seq", 4096, 0} bounds; names must outlive the call
  int threads = 0;
  std::string directory = ".";                     ///< of external weights of a model in memory
  std::vector<bessemer_host_weight> hostWeights;   ///< external data by location; bytes must outlive the program
  int64_t memoryLimit = 0;                         ///< see bessemer_compile_options; 0: none
  std::function<bool(const char *phase)> progress; ///< false ends the compilation; must not throw
};

class Compilation {
public:
  static Compilation ofFile(const std::string &path, const CompileOptions &options = {}) {
    return make(options, [&](const bessemer_compile_options *c, bessemer_compilation **out) {
      return bessemer_compile_file(path.c_str(), c, out);
    });
  }
  /// The bytes must stay as long as the program that is loaded from it.
  static Compilation ofMemory(const void *model, size_t bytes, const CompileOptions &options = {}) {
    return make(options, [&](const bessemer_compile_options *c, bessemer_compilation **out) {
      return bessemer_compile_memory(model, bytes, c, out);
    });
  }

  bessemer_compilation *handle() const { return compilation.get(); }
  std::string diagnostics() const { return bessemer_compilation_diagnostics(handle()); }
  std::string reportJson() const { return bessemer_compilation_report(handle()); }
  /// What the emulator has found in the runs so far.
  std::string findings() const { return bessemer_compilation_findings(handle()); }
  Program load(const LoadOptions &options = {}) const {
    bessemer_load_options c = options.c();
    bessemer_program *program = nullptr;
    check(bessemer_compilation_load(handle(), &c, &program));
    return Program(program);
  }
  void write(const std::string &path, bool selfContained) const {
    check(bessemer_compilation_write(handle(), path.c_str(), selfContained));
  }
  std::vector<uint8_t> write(bool selfContained) const {
    void *data = nullptr;
    size_t bytes = 0;
    check(bessemer_compilation_write_memory(handle(), selfContained, &data, &bytes));
    std::unique_ptr<void, void (*)(void *)> owner(data, bessemer_free);
    auto *begin = static_cast<const uint8_t *>(data);
    return {begin, begin + bytes};
  }

private:
  explicit Compilation(bessemer_compilation *handle) : compilation(handle, bessemer_compilation_release) {}

  template <typename Call> static Compilation make(const CompileOptions &options, Call call) {
    bessemer_compile_options c{};
    c.struct_size = sizeof(c);
    c.target = options.target.c_str();
    c.cpu = options.cpu.c_str();
    c.numerics = options.numerics.c_str();
    c.dims = options.dims.data();
    c.dim_count = options.dims.size();
    c.memory_limit = options.memoryLimit;
    c.threads = options.threads;
    c.directory = options.directory.c_str();
    c.host_weights = options.hostWeights.data();
    c.host_weight_count = options.hostWeights.size();
    if (options.progress) {
      c.progress = [](void *user, const char *phase) {
        return (*static_cast<const std::function<bool(const char *)> *>(user))(phase) ? 0 : 1;
      };
      c.progress_user = const_cast<void *>(static_cast<const void *>(&options.progress));
    }
    bessemer_compilation *handle = nullptr;
    bessemer_status status = call(&c, &handle);
    Compilation made(handle); // released also when this throws
    check(status);
    return made;
  }
  std::unique_ptr<bessemer_compilation, void (*)(bessemer_compilation *)> compilation;
};

/// The answer of bessemer_supported_nodes: JSON.
inline std::string supportedNodes(const void *model, size_t bytes) {
  char *json = nullptr;
  check(bessemer_supported_nodes(model, bytes, nullptr, &json));
  std::unique_ptr<char, void (*)(void *)> owner(json, bessemer_free);
  return json;
}

/// See bessemer_register_op_types.
inline void registerOpTypes(const std::string &name, bessemer_op_infer infer, void *user = nullptr) {
  check(bessemer_register_op_types(name.c_str(), infer, user));
}

} // namespace bessemer::api

#endif // BESSEMER_COMPILE_HPP
