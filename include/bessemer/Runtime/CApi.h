// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What stands behind the handles of bessemer/runtime.h: for those who implement
// the rest of the C API (lib/Driver), not for its users.
#pragma once

#include "bessemer/Runtime/Context.h"
#include "bessemer/runtime.h"

#include <deque>
#include <string>
#include <vector>

struct bessemer_program {
  std::shared_ptr<const bessemer::runtime::Model> model;
  std::deque<std::string> texts; ///< of dimensions
  std::vector<bessemer_argument> inputs, outputs;
  std::string deviceName;
};

struct bessemer_context {
  explicit bessemer_context(std::shared_ptr<const bessemer::runtime::Model> model) : context(std::move(model)) {}
  bessemer::runtime::Context context;
  std::string profile, deviceCounts;
};

namespace bessemer::runtime {

/// Keeps the message for bessemer_last_error and returns the code.
bessemer_status reportStatus(const Status &status);

/// Runs `body`, which returns a Status, and lets no exception out.
template <typename Body> bessemer_status guarded(Body body) {
  try {
    return reportStatus(body());
  } catch (const std::bad_alloc &) {
    return reportStatus(Status::error(StatusCode::OutOfMemory, "no memory"));
  } catch (const std::exception &error) {
    return reportStatus(Status::error(StatusCode::Failed, error.what()));
  }
}

/// `options` may be null. Adds the registered custom ops.
Status convertOptions(const bessemer_load_options *options, LoadOptions &converted);

/// A handle for a model; refuses arguments of a rank above BESSEMER_MAX_RANK.
Status makeProgram(std::shared_ptr<const Model> model, bessemer_program **program);

Tensor fromC(const bessemer_tensor &tensor);
void toC(const kernels::TensorRef &tensor, bessemer_tensor &out);

/// A JSON object, as custom ops get their attributes.
std::string attributesJson(const kernels::Attributes &attributes);

} // namespace bessemer::runtime
