// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One caller's state of a model: arena, workspaces, and for each shape that was
// seen a plan with all addresses, sizes and grids worked out. A context serves
// one thread at a time; different contexts of one model run at the same time.
//
//   Tensor x{DType::F32, {2, 384}, data};
//   std::vector<Tensor> outputs(1);            // data null: made by the runtime
//   Status status = context.run({&x, 1}, outputs);
//
// The first run of a shape evaluates every expression and plans the frames;
// later runs of it patch pointers and call kernels, and allocate nothing unless
// a buffer's size depends on data. Where the program's shapes are constant a context does
// that, and takes its memory, when it is made.
#pragma once

#include "bessemer/Runtime/Device.h"
#include "bessemer/Runtime/Model.h"

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bessemer::runtime {

struct Tensor {
  DType dtype = DType::Undefined;
  std::vector<int64_t> shape;
  void *data = nullptr;
  /// In elements; empty: contiguous. Inputs: others are copied first. Outputs: only those of
  /// Program::caches, as parts of a larger buffer.
  std::vector<int64_t> strides;
  /// Outputs only. `capacity` is the size of `data` in bytes, -1: as large as
  /// the shape says. With `data` null the runtime makes the memory, and `owned`
  /// holds it.
  int64_t capacity = -1;
  std::shared_ptr<void> owned = {};
  /// `data` is an address of the model's device (Device::allocate, or of what else lies there). Outputs with `data`
  /// null are made there. Inputs must be contiguous, but for caches; what is written to them is done when `run` is
  /// called, see DeviceStream::waitForCaller. No copy is made. An output whose shape only the data tells is an error.
  bool onDevice = false;
};

/// What one instruction cost, over all runs since profiling began.
struct ProfileEntry {
  std::string name; ///< of the kernel; of the op for a fallback
  std::string kind; ///< of the kernel ("matmul"), "fallback", "copy", …
  std::string provenance;
  int64_t runs = 0;
  double seconds = 0;          ///< of all runs
  double flops = 0, bytes = 0; ///< of all runs
};

class Executor; // lib/Runtime/Executor.h

class Context {
public:
  explicit Context(std::shared_ptr<const Model> model);
  ~Context();
  Context(Context &&) noexcept;

  const Model &model() const;

  /// Runs the entry. Inputs are in its order. Outputs: `data` set by the caller
  /// (with the shape that results, see outputShapes, or `capacity` bytes), or
  /// null; dtype and shape are set on return.
  ///
  /// An output may lie on an input of the same size: that input is donated. The
  /// result is right in any case, and no copy is made when the program allows.
  /// An output of Program::caches may be one buffer with its input, see runtime.h.
  Status run(std::span<const Tensor> inputs, std::span<Tensor> outputs);

  /// The same, and the seconds that the device took for what was launched, by its own events, from its first work to
  /// its last; copies from and to the host do not count. Without a device it is the time of the run.
  Status runTimed(std::span<const Tensor> inputs, std::span<Tensor> outputs, double &seconds);

  /// Shapes of the outputs for shapes of the inputs; -1 where only the data tells.
  Status outputShapes(std::span<const std::vector<int64_t>> inputs, std::vector<std::vector<int64_t>> &outputs);

  /// Bytes of arena that a run with these input shapes takes.
  Status arenaBytes(std::span<const std::vector<int64_t>> inputs, int64_t &bytes);

  /// Makes the run in progress (from any thread), or the next one, stop between
  /// two instructions with StatusCode::Cancelled. Cleared by that.
  void cancel();

  /// Copies a contiguous tensor on the device, whole, to the host or from there; one without memory gets some.
  Status readTensor(const Tensor &tensor, void *data, int64_t bytes);
  Status writeTensor(Tensor &tensor, const void *data, int64_t bytes);

  /// What was asked of the device; zeros without one.
  DeviceCounts deviceCounts() const;

  void setProfiling(bool on);
  std::vector<ProfileEntry> profile() const;
  void clearProfile();

private:
  std::unique_ptr<Executor> executor;
};

} // namespace bessemer::runtime
