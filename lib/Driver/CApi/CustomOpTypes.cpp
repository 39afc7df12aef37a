// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/CApi/CustomOpTypes.h"

#include "bessemer/Runtime/CApi.h"
#include "bessemer/compile.h"

#include <mutex>

using namespace bessemer;
using runtime::Status;
using runtime::StatusCode;

static_assert(BESSEMER_SAME_AS(2, 3) == kernels::sameAs(2, 3));

namespace {
struct Registry {
  std::mutex mutex;
  kernels::CustomOps ops;
};
Registry &registry() {
  static auto *made = new Registry();
  return *made;
}
} // namespace

kernels::CustomOps bessemer::registeredOpTypes() {
  std::lock_guard<std::mutex> lock(registry().mutex);
  return registry().ops;
}

static std::string infer(bessemer_op_infer function, void *user, const kernels::Attributes &attributes,
                         std::span<const kernels::CustomOpType> inputs, std::span<kernels::CustomOpType> outputs) {
  std::vector<bessemer_tensor> in(inputs.size()), out(outputs.size());
  for (size_t i = 0; i < in.size(); ++i) {
    if (inputs[i].shape.size() > BESSEMER_MAX_RANK)
      return "operand " + std::to_string(i) + ": expected a rank of at most 16, got " +
             std::to_string(inputs[i].shape.size());
    in[i].dtype = int32_t(inputs[i].dtype);
    in[i].rank = int32_t(inputs[i].shape.size());
    std::copy(inputs[i].shape.begin(), inputs[i].shape.end(), in[i].shape);
  }
  if (const char *text =
          function(user, runtime::attributesJson(attributes).c_str(), in.data(), in.size(), out.data(), out.size()))
    return *text ? text : "the host gives no reason";
  for (size_t o = 0; o < out.size(); ++o) {
    if (out[o].rank < 0 || out[o].rank > BESSEMER_MAX_RANK)
      return "result " + std::to_string(o) + ": expected a rank in [0, 16], got " + std::to_string(out[o].rank);
    if (out[o].dtype <= BESSEMER_UNDEFINED || out[o].dtype > BESSEMER_I2)
      return "result " + std::to_string(o) + ": expected an element type, got number " + std::to_string(out[o].dtype);
    outputs[o].dtype = DType(out[o].dtype);
    outputs[o].shape.assign(out[o].shape, out[o].shape + out[o].rank);
  }
  return "";
}

bessemer_status bessemer_register_op_types(const char *name, bessemer_op_infer function, void *user) {
  return runtime::guarded([&]() -> Status {
    std::string_view text = name ? name : "";
    // Without a domain no node could ever have this name.
    if (text.find('.') == std::string_view::npos || text.front() == '.' || text.back() == '.')
      return Status::error(StatusCode::InvalidArgument,
                           "expected an op with its domain, such as \"com.example.MyOp\", got \"" + std::string(text) +
                               "\"");
    std::lock_guard<std::mutex> lock(registry().mutex);
    if (!function) {
      registry().ops.erase(std::string(text));
      return {};
    }
    registry().ops[std::string(text)] = [function, user](const kernels::Attributes &attributes,
                                                         std::span<const kernels::CustomOpType> inputs,
                                                         std::span<kernels::CustomOpType> outputs) {
      return infer(function, user, attributes, inputs, outputs);
    };
    return {};
  });
}
