// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/CustomOps.h"

#include "bessemer/Runtime/CApi.h"
#include "bessemer/Runtime/Memory.h"

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>

namespace bessemer::runtime {

namespace {
struct Registry {
  std::mutex mutex;
  std::map<std::string, CustomKernel, std::less<>> kernels;
};
Registry &registry() {
  static auto *made = new Registry();
  return *made;
}
} // namespace

std::map<std::string, CustomKernel, std::less<>> registeredKernels() {
  std::lock_guard<std::mutex> lock(registry().mutex);
  return registry().kernels;
}

std::string attributesJson(const kernels::Attributes &attributes) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto &[name, value] : attributes)
    std::visit([&](const auto &v) { json[name] = v; }, value);
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

static kernels::Result call(bessemer_op_kernel kernel, void *user, const kernels::KernelCall &call) {
  std::vector<bessemer_tensor> inputs(call.inputs.size()), outputs(call.outputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    if (call.inputs[i]) // an absent operand is all zeros
      toC(*call.inputs[i], inputs[i]);
  bool anyOpen = false; // a size that only the kernel knows
  for (size_t o = 0; o < outputs.size(); ++o) {
    toC(call.outputs[o], outputs[o]);
    const std::vector<int64_t> &shape = call.outputs[o].shape;
    anyOpen |= std::find(shape.begin(), shape.end(), -1) != shape.end();
  }
  std::string attributes = attributesJson(call.attributes);
  auto run = [&] {
    const char *text = kernel(user, attributes.c_str(), inputs.data(), inputs.size(), outputs.data(), outputs.size());
    return text ? std::string(*text ? text : "the kernel of the custom op gives no reason") : std::string();
  };
  if (!anyOpen)
    return {run()};
  if (std::string error = run(); !error.empty())
    return {error};
  for (size_t o = 0; o < outputs.size(); ++o) {
    kernels::TensorRef &to = call.outputs[o];
    if (to.data)
      continue;
    for (size_t d = 0; d < to.shape.size(); ++d) {
      int64_t extent = outputs[o].shape[d];
      if (extent < 0 || outputs[o].rank != int32_t(to.shape.size()) || (to.shape[d] >= 0 && to.shape[d] != extent))
        return {"result " + std::to_string(o) + ": expected the kernel to set dimension " + std::to_string(d) +
                (to.shape[d] >= 0 ? " to " + std::to_string(to.shape[d]) : "") + ", got " + std::to_string(extent)};
      to.shape[d] = extent;
    }
    int64_t bytes = checkedByteSize(static_cast<uint8_t>(to.dtype), to.shape.data(), to.shape.size());
    to.data = bytes < 0 ? nullptr : call.allocate(o, bytes);
    if (!to.data && bytes != 0)
      return {"result " + std::to_string(o) + ": no memory for the shape that the kernel gave"};
    outputs[o].data = to.data;
  }
  return {run()};
}

} // namespace bessemer::runtime

using namespace bessemer::runtime;

extern "C" bessemer_status bessemer_register_op(const char *name, bessemer_op_kernel kernel, void *user) {
  return guarded([&]() -> Status {
    if (!name || !*name)
      return Status::error(StatusCode::InvalidArgument, "expected the name of an op, got none");
    std::lock_guard<std::mutex> lock(registry().mutex);
    if (!kernel)
      registry().kernels.erase(name);
    else
      registry().kernels[name] = [kernel, user](const bessemer::kernels::KernelCall &arguments) {
        return call(kernel, user, arguments);
      };
    return {};
  });
}
