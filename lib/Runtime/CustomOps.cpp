// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/CustomOps.h"

#include "bessemer/Runtime/CApi.h"

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

static kernels::Result call(bessemer_op_kernel kernel, void *user,
                            const kernels::KernelCall &call) {
  std::vector<bessemer_tensor> inputs(call.inputs.size()), outputs(call.outputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    if (call.inputs[i]) // an absent operand is all zeros
      toC(*call.inputs[i], inputs[i]);
  for (size_t o = 0; o < outputs.size(); ++o) {
    if (!call.outputs[o].data && call.outputs[o].elementCount() != 0)
      return {"expected a result of a known shape for a custom op"};
    toC(call.outputs[o], outputs[o]);
  }
  const char *text = kernel(user, attributesJson(call.attributes).c_str(), inputs.data(),
                            inputs.size(), outputs.data(), outputs.size());
  return {text ? text : ""};
}

} // namespace bessemer::runtime

using namespace bessemer::runtime;

extern "C" bessemer_status bessemer_register_op(const char *name, bessemer_op_kernel kernel,
                                                void *user) {
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
