// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A thin C++ layer over the C API: handles that release themselves, and errors
// as exceptions (or as a status, where the name ends in Status). Header only.
//
//   bessemer::Session session = bessemer::Session::load("model.bsm");
//   std::vector<bessemer::Array> y = session.run({bessemer::view(x, {1, 384})});
//   y[0].shape(), y[0].data<float>() ...
//
// With libbessemer.so also, when BESSEMER_WITH_COMPILER is defined:
//
//   bessemer::Session session = bessemer::Session::compile("model.onnx", {{"batch", 1}});
#pragma once

#include "bessemer/runtime.h"
#ifdef BESSEMER_WITH_COMPILER
#include "bessemer/compile.h"
#endif

#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace bessemer {

/// What the C API reports, with its code.
class Error : public std::runtime_error {
public:
  Error(bessemer_status code, const std::string &text) : std::runtime_error(text), code(code) {}
  const bessemer_status code;
};

inline void check(bessemer_status status) {
  if (status != BESSEMER_OK)
    throw Error(status, bessemer_last_error());
}

template <typename T> constexpr bessemer_dtype dtypeOf() {
  if constexpr (std::is_same_v<T, float>)
    return BESSEMER_F32;
  else if constexpr (std::is_same_v<T, double>)
    return BESSEMER_F64;
  else if constexpr (std::is_same_v<T, bool>)
    return BESSEMER_BOOL;
  else if constexpr (std::is_integral_v<T>) {
    constexpr bessemer_dtype types[2][4] = {
        {BESSEMER_U8, BESSEMER_U16, BESSEMER_U32, BESSEMER_U64},
        {BESSEMER_I8, BESSEMER_I16, BESSEMER_I32, BESSEMER_I64}};
    return types[std::is_signed_v<T>][sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3];
  } else
    return BESSEMER_UNDEFINED;
}

/// A tensor in the caller's memory.
inline bessemer_tensor view(bessemer_dtype dtype, void *data, const std::vector<int64_t> &shape) {
  bessemer_tensor tensor{};
  if (shape.size() > BESSEMER_MAX_RANK)
    throw Error(BESSEMER_INVALID_ARGUMENT, "expected a rank of at most 16");
  tensor.dtype = dtype;
  tensor.rank = static_cast<int32_t>(shape.size());
  for (size_t d = 0; d < shape.size(); ++d)
    tensor.shape[d] = shape[d];
  tensor.data = data;
  return tensor;
}
template <typename T> bessemer_tensor view(T *data, const std::vector<int64_t> &shape) {
  return view(dtypeOf<std::remove_const_t<T>>(), const_cast<std::remove_const_t<T> *>(data), shape);
}
template <typename T> bessemer_tensor view(std::vector<T> &data, const std::vector<int64_t> &shape) {
  return view(data.data(), shape);
}

/// A tensor that the runtime made. Movable.
class Array {
public:
  Array() = default;
  Array(Array &&other) noexcept : tensor(std::exchange(other.tensor, bessemer_tensor{})) {}
  Array &operator=(Array &&other) noexcept {
    std::swap(tensor, other.tensor);
    return *this;
  }
  ~Array() { bessemer_tensor_release(&tensor); }

  bessemer_dtype dtype() const { return static_cast<bessemer_dtype>(tensor.dtype); }
  std::vector<int64_t> shape() const { return {tensor.shape, tensor.shape + tensor.rank}; }
  template <typename T> T *data() const { return static_cast<T *>(tensor.data); }

  bessemer_tensor tensor{};
};

/// A program and one context. `clone` gives another context for another thread.
class Session {
public:
  static Session load(const std::string &path, const bessemer_load_options *options = nullptr) {
    bessemer_program *program = nullptr;
    check(bessemer_load_file(path.c_str(), options, &program));
    return Session(program);
  }
  static Session load(const void *data, size_t bytes,
                      const bessemer_load_options *options = nullptr) {
    bessemer_program *program = nullptr;
    check(bessemer_load_memory(data, bytes, options, &program));
    return Session(program);
  }
#ifdef BESSEMER_WITH_COMPILER
  static Session compile(const std::string &path,
                         const std::vector<std::pair<std::string, int64_t>> &dims = {},
                         const bessemer_load_options *options = nullptr) {
    std::vector<bessemer_dim> bound;
    for (const auto &[name, value] : dims)
      bound.push_back({name.c_str(), value, 1});
    bessemer_compile_options compileOptions{};
    compileOptions.struct_size = sizeof(compileOptions);
    compileOptions.dims = bound.data();
    compileOptions.dim_count = bound.size();
    bessemer_compilation *made = nullptr;
    bessemer_status status = bessemer_compile_file(path.c_str(), &compileOptions, &made);
    std::unique_ptr<bessemer_compilation, void (*)(bessemer_compilation *)> holder(
        made, bessemer_compilation_release);
    check(status);
    bessemer_program *program = nullptr;
    check(bessemer_compilation_load(made, options, &program));
    return Session(program);
  }
#endif

  /// Takes the program over.
  explicit Session(bessemer_program *handle) : program(handle, bessemer_program_release) {
    open();
  }
  Session clone() const { return Session(program); }

  std::vector<Array> run(std::vector<bessemer_tensor> inputs) {
    std::vector<Array> outputs(bessemer_output_count(program.get()));
    std::vector<bessemer_tensor> raw(outputs.size());
    check(bessemer_run(context.get(), inputs.data(), inputs.size(), raw.data(), raw.size()));
    for (size_t i = 0; i < raw.size(); ++i)
      outputs[i].tensor = raw[i];
    return outputs;
  }
  /// Into memory of the caller.
  bessemer_status runStatus(const std::vector<bessemer_tensor> &inputs,
                            std::vector<bessemer_tensor> &outputs) {
    return bessemer_run(context.get(), inputs.data(), inputs.size(), outputs.data(),
                        outputs.size());
  }
  std::vector<std::vector<int64_t>> outputShapes(const std::vector<bessemer_tensor> &inputs) {
    std::vector<bessemer_tensor> raw(bessemer_output_count(program.get()));
    check(bessemer_output_shapes(context.get(), inputs.data(), inputs.size(), raw.data(),
                                 raw.size()));
    std::vector<std::vector<int64_t>> shapes;
    for (const bessemer_tensor &tensor : raw)
      shapes.emplace_back(tensor.shape, tensor.shape + tensor.rank);
    return shapes;
  }
  void cancel() { bessemer_cancel(context.get()); }

  bessemer_program *handle() const { return program.get(); }
  bessemer_context *contextHandle() const { return context.get(); }

private:
  explicit Session(std::shared_ptr<bessemer_program> shared) : program(std::move(shared)) {
    open();
  }
  void open() {
    bessemer_context *made = nullptr;
    check(bessemer_context_create(program.get(), &made));
    context.reset(made);
  }

  std::shared_ptr<bessemer_program> program;
  std::unique_ptr<bessemer_context, void (*)(bessemer_context *)> context{
      nullptr, bessemer_context_release};
};

} // namespace bessemer
