// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The C API of the runtime (runtime.h) for C++17: handles that release themselves, exceptions
// instead of status codes. Header only; link libbessemer-runtime.so or libbessemer.so.
//
//   namespace bs = bessemer::api;
//   bs::Program program = bs::Program::load("model.bsm");
//   bs::Context context(program);
//   std::vector<bs::Tensor> inputs;
//   inputs.push_back(bs::Tensor::view(numbers.data(), {1, 384}));      // the caller's memory
//   std::vector<bs::Tensor> outputs = context.run(inputs);             // the runtime's memory
//   const float *y = outputs[0].data<float>();
//
// Threads: as in runtime.h, one context for each.
#ifndef BESSEMER_RUNTIME_HPP
#define BESSEMER_RUNTIME_HPP

#include "bessemer/runtime.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace bessemer::api {

/// What every failing call throws: what() is the library's sentence.
class Error : public std::runtime_error {
public:
  Error(bessemer_status status, const std::string &text) : std::runtime_error(text), code(status) {}
  bessemer_status status() const { return code; }

private:
  bessemer_status code;
};

inline void check(bessemer_status status) {
  if (status != BESSEMER_OK)
    throw Error(status, bessemer_last_error());
}

using Shape = std::vector<int64_t>;

/// The element type of a C++ type; f16, bf16 and smaller ones have no C++ type, see Tensor::view.
template <typename T> constexpr bessemer_dtype dtypeOf() {
  using U = std::remove_cv_t<T>;
  if constexpr (std::is_same_v<U, float>)
    return BESSEMER_F32;
  else if constexpr (std::is_same_v<U, double>)
    return BESSEMER_F64;
  else if constexpr (std::is_same_v<U, bool>)
    return BESSEMER_BOOL;
  else if constexpr (std::is_integral_v<U> && sizeof(U) == 1)
    return std::is_signed_v<U> ? BESSEMER_I8 : BESSEMER_U8;
  else if constexpr (std::is_integral_v<U> && sizeof(U) == 2)
    return std::is_signed_v<U> ? BESSEMER_I16 : BESSEMER_U16;
  else if constexpr (std::is_integral_v<U> && sizeof(U) == 4)
    return std::is_signed_v<U> ? BESSEMER_I32 : BESSEMER_U32;
  else if constexpr (std::is_integral_v<U> && sizeof(U) == 8)
    return std::is_signed_v<U> ? BESSEMER_I64 : BESSEMER_U64;
  else
    static_assert(!sizeof(U), "expected a type that ONNX has");
}

/// A view of the caller's memory, or an output that the runtime made and that goes with this object.
class Tensor {
public:
  /// An output that the runtime shall make.
  Tensor() = default;
  /// `shape` of elements at `data`, contiguous unless `strides` (in elements) says otherwise.
  static Tensor view(bessemer_dtype dtype, void *data, const Shape &shape, const Shape &strides = {}) {
    if (shape.size() > BESSEMER_MAX_RANK || (!strides.empty() && strides.size() != shape.size()))
      throw Error(BESSEMER_INVALID_ARGUMENT, "expected a rank of at most 16 and a stride for each dimension");
    Tensor tensor;
    tensor.raw.dtype = dtype;
    tensor.raw.rank = int32_t(shape.size());
    std::copy(shape.begin(), shape.end(), tensor.raw.shape);
    tensor.raw.has_strides = !strides.empty();
    std::copy(strides.begin(), strides.end(), tensor.raw.strides);
    tensor.raw.data = data;
    return tensor;
  }
  /// Inputs are never written, so that what is const may be one; as an output it needs a T that is not const.
  template <typename T> static Tensor view(T *data, const Shape &shape, const Shape &strides = {}) {
    return view(dtypeOf<T>(), const_cast<std::remove_const_t<T> *>(data), shape, strides);
  }
  /// Only a shape, for Context::outputShapes and arenaBytes.
  static Tensor ofShape(const Shape &shape) { return view(BESSEMER_UNDEFINED, nullptr, shape); }

  Tensor(Tensor &&other) noexcept : raw(std::exchange(other.raw, {})) {}
  Tensor &operator=(Tensor &&other) noexcept {
    std::swap(raw, other.raw);
    return *this;
  }
  ~Tensor() { bessemer_tensor_release(&raw); }

  bessemer_dtype dtype() const { return bessemer_dtype(raw.dtype); }
  Shape shape() const { return {raw.shape, raw.shape + raw.rank}; }
  int64_t elements() const {
    int64_t count = 1;
    for (int32_t d = 0; d < raw.rank; ++d)
      count *= raw.shape[d];
    return count;
  }
  void *data() const { return raw.data; }
  template <typename T> T *data() const {
    if (raw.dtype != dtypeOf<T>())
      throw Error(BESSEMER_INVALID_ARGUMENT, "expected elements of type number " + std::to_string(int(dtypeOf<T>())) +
                                                 ", got " + std::to_string(raw.dtype));
    return static_cast<T *>(raw.data);
  }

  bessemer_tensor raw{};
};

struct LoadOptions {
  int threads = 0;                               ///< with the caller's; 0: one for each physical core
  bool checkAllWeights = false;                  ///< hash weights of more than 256 MiB whole, too
  std::string weightFolder;                      ///< of relative weight files; empty: beside the artifact
  bessemer_allocator allocator{};                ///< zeroed: the C library
  bessemer_thread_pool threadPool{};             ///< zeroed: the runtime's own threads
  std::vector<bessemer_host_weight> hostWeights; ///< their bytes must outlive the program
  int64_t memoryLimit = 0;                       ///< bytes of an arena and the weights in memory; 0: none
  int64_t poolLimit = 0;                         ///< bytes of tensors whose size only the data tells; 0: 4 GiB

  bessemer_load_options c() const {
    bessemer_load_options options{};
    options.struct_size = sizeof(options);
    options.threads = threads;
    options.check_all_weights = checkAllWeights;
    options.allocator = allocator;
    options.thread_pool = threadPool;
    options.host_weights = hostWeights.data();
    options.host_weight_count = hostWeights.size();
    options.memory_limit = memoryLimit;
    options.pool_limit = poolLimit;
    options.weight_folder = weightFolder.empty() ? nullptr : weightFolder.c_str();
    return options;
  }
};

/// Copies share the program.
class Program {
public:
  static Program load(const std::string &path, const LoadOptions &options = {}) {
    bessemer_load_options c = options.c();
    bessemer_program *handle = nullptr;
    check(bessemer_load_file(path.c_str(), &c, &handle));
    return Program(handle);
  }
  /// The bytes are not needed after the call.
  static Program load(const void *data, size_t bytes, const LoadOptions &options = {}) {
    bessemer_load_options c = options.c();
    bessemer_program *handle = nullptr;
    check(bessemer_load_memory(data, bytes, &c, &handle));
    return Program(handle);
  }
  /// Takes the handle over.
  explicit Program(bessemer_program *handle) : program(handle, bessemer_program_release) {}

  bessemer_program *handle() const { return program.get(); }
  size_t inputCount() const { return bessemer_input_count(handle()); }
  size_t outputCount() const { return bessemer_output_count(handle()); }
  bessemer_argument input(size_t index) const {
    bessemer_argument argument;
    check(bessemer_input(handle(), index, &argument));
    return argument;
  }
  bessemer_argument output(size_t index) const {
    bessemer_argument argument;
    check(bessemer_output(handle(), index, &argument));
    return argument;
  }
  /// Throws when there is no such name.
  size_t findInput(const std::string &name) const {
    return found(bessemer_find_input(handle(), name.c_str()), "input", name);
  }
  size_t findOutput(const std::string &name) const {
    return found(bessemer_find_output(handle(), name.c_str()), "output", name);
  }
  int64_t weightBytes() const { return bessemer_weight_bytes(handle()); }
  /// What a run appends to: see bessemer_cache.
  std::vector<bessemer_cache> caches() const {
    std::vector<bessemer_cache> list(bessemer_cache_count(handle()));
    for (size_t i = 0; i < list.size(); ++i)
      check(bessemer_cache_at(handle(), i, &list[i]));
    return list;
  }

private:
  static size_t found(int64_t position, const char *what, const std::string &name) {
    if (position < 0)
      throw Error(BESSEMER_INVALID_ARGUMENT,
                  std::string("expected an ") + what + " of the program, got '" + name + "'");
    return size_t(position);
  }
  std::shared_ptr<bessemer_program> program;
};

/// One thread's state of a program; the program may go before it.
class Context {
public:
  explicit Context(const Program &program)
      : outputCount(program.outputCount()), context(nullptr, bessemer_context_release) {
    bessemer_context *handle = nullptr;
    check(bessemer_context_create(program.handle(), &handle));
    context.reset(handle);
  }
  bessemer_context *handle() const { return context.get(); }

  /// All outputs made by the runtime.
  std::vector<Tensor> run(const std::vector<Tensor> &inputs) {
    std::vector<Tensor> outputs(outputCount);
    run(inputs, outputs);
    return outputs;
  }
  /// Into what `outputs` shows; what shows nothing is made by the runtime.
  void run(const std::vector<Tensor> &inputs, std::vector<Tensor> &outputs) {
    std::vector<bessemer_tensor> in = raws(inputs), out = raws(outputs);
    check(bessemer_run(handle(), in.data(), in.size(), out.data(), out.size()));
    for (size_t i = 0; i < out.size(); ++i)
      outputs[i].raw = out[i];
  }
  /// Types and shapes of the outputs for these inputs, whose data is not looked at; -1: only the data tells.
  std::vector<bessemer_tensor> outputShapes(const std::vector<Tensor> &inputs) {
    std::vector<bessemer_tensor> in = raws(inputs), out(outputCount);
    check(bessemer_output_shapes(handle(), in.data(), in.size(), out.data(), out.size()));
    return out;
  }
  int64_t arenaBytes(const std::vector<Tensor> &inputs) {
    std::vector<bessemer_tensor> in = raws(inputs);
    int64_t bytes = 0;
    check(bessemer_arena_bytes(handle(), in.data(), in.size(), &bytes));
    return bytes;
  }
  /// From any thread; the run in progress throws an Error with BESSEMER_CANCELLED.
  void cancel() { bessemer_cancel(handle()); }
  void setProfiling(bool on) { bessemer_set_profiling(handle(), on); }
  std::string profileJson() { return bessemer_profile_json(handle()); }

private:
  static std::vector<bessemer_tensor> raws(const std::vector<Tensor> &tensors) {
    std::vector<bessemer_tensor> raw;
    for (const Tensor &tensor : tensors)
      raw.push_back(tensor.raw);
    return raw;
  }
  size_t outputCount;
  std::unique_ptr<bessemer_context, void (*)(bessemer_context *)> context;
};

/// See bessemer_register_op.
inline void registerOp(const std::string &name, bessemer_op_kernel kernel, void *user = nullptr) {
  check(bessemer_register_op(name.c_str(), kernel, user));
}

} // namespace bessemer::api

#endif // BESSEMER_RUNTIME_HPP
