// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Caches that a run appends to: how far apart their rows are, and whether what is
// appended to must be copied.
#include "lib/Runtime/Executor.h"

namespace bessemer::runtime {

namespace {

constexpr int64_t anyCapacity = -1;

/// Places along `axis` that the strides leave room for; anyCapacity when only one row
/// runs along it, nullopt for other strides than those of a part of a larger tensor.
std::optional<int64_t> capacityOf(const std::vector<int64_t> &shape, const std::vector<int64_t> &strides, size_t axis) {
  if (strides.size() != shape.size())
    return std::nullopt;
  int64_t inner = 1, capacity = anyCapacity;
  for (size_t d = shape.size(); --d > axis;) {
    if (shape[d] != 1 && strides[d] != inner)
      return std::nullopt;
    inner *= shape[d];
  }
  if (inner == 0 || (shape[axis] > 1 && strides[axis] != inner))
    return std::nullopt;
  int64_t step = 0;
  for (size_t d = axis; d-- > 0;) {
    if (shape[d] == 1)
      continue;
    if (capacity == anyCapacity) {
      if (strides[d] <= 0 || strides[d] % inner != 0)
        return std::nullopt;
      capacity = strides[d] / inner;
      step = strides[d];
    } else if (strides[d] != step) {
      return std::nullopt;
    }
    step *= shape[d];
  }
  return capacity;
}

bool hasOneRow(const std::vector<int64_t> &shape, size_t axis) {
  for (size_t d = 0; d < axis; ++d)
    if (shape[d] != 1)
      return false;
  return true;
}

} // namespace

const AppendedCache *Executor::cacheOfInput(size_t input) const {
  for (const AppendedCache &cache : model->program().caches)
    if (static_cast<size_t>(cache.input) == input)
      return &cache;
  return nullptr;
}

const AppendedCache *Executor::cacheOfOutput(size_t output) const {
  for (const AppendedCache &cache : model->program().caches)
    if (static_cast<size_t>(cache.output) == output)
      return &cache;
  return nullptr;
}

Status Executor::findCaches(std::span<const Tensor> inputs, std::span<const Tensor> outputs, CacheUse &use) const {
  use = {};
  const std::vector<AppendedCache> &caches = model->program().caches;
  const Function &entry = model->entry();
  if (caches.empty() || outputs.size() != entry.outputs.size())
    return {};
  bool first = true, stays = true;
  for (const AppendedCache &cache : caches) {
    const Tensor &past = inputs[cache.input], &present = outputs[cache.output];
    auto axis = static_cast<size_t>(cache.axis);
    auto failed = [&](const std::string &text) {
      return Status::error(StatusCode::BadInput, "output '" + entry.outputs[cache.output].name + "': " + text);
    };
    if (past.shape.size() != entry.inputs[cache.input].dims.size())
      return {}; // what is wrong is said where shapes are bound
    std::vector<int64_t> shape = past.shape;
    shape[axis] = 2; // of the present only the strides are looked at
    int64_t capacity = anyCapacity;
    bool strided = present.data && !present.strides.empty();
    if (strided) {
      std::optional<int64_t> found = capacityOf(shape, present.strides, axis);
      if (!found)
        return failed("expected the strides of a part of a larger tensor, which has more room along dimension " +
                      std::to_string(axis));
      capacity = *found;
    }
    bool oneRow = hasOneRow(past.shape, axis);
    if (!oneRow) {
      if (!first && capacity != use.capacity)
        return failed("expected the capacity of the other caches, " +
                      (use.capacity < 0 ? std::string("none") : std::to_string(use.capacity)) + ", got " +
                      (capacity < 0 ? std::string("none") : std::to_string(capacity)));
      use.capacity = capacity;
      first = false;
    }
    if (past.shape[axis] == 0)
      continue; // nothing to copy
    std::optional<int64_t> own = past.strides.empty() ? std::optional(oneRow ? anyCapacity : past.shape[axis])
                                                      : capacityOf(past.shape, past.strides, axis);
    // Without strides the output's rows are as long as it is.
    int64_t room = capacity;
    if (!strided && !oneRow)
      room = present.shape.size() == past.shape.size() ? present.shape[axis] : 0;
    stays &= present.data && past.data == present.data && own == room;
  }
  use.copied = !stays;
  return {};
}

Status Executor::bindCaches(const CacheUse &use, std::vector<int64_t> &symbols,
                            const std::vector<uint8_t> &defined) const {
  const Program &program = model->program();
  if (program.caches.empty())
    return {};
  const PreparedFunction &entry = *model->prepared().functions.front();
  const AppendedCache &first = program.caches.front();
  auto length = evaluate(entry.exprs[entry.outputDims[first.output][first.axis]], symbols, defined);
  std::string prefix = "output '" + model->entry().outputs[first.output].name + "': ";
  if (!length)
    return Status::error(StatusCode::Failed, prefix + "expected the shapes of the inputs to give its length");
  if (use.capacity >= 0 && use.capacity < *length)
    return Status::error(StatusCode::BadInput, prefix + "expected room for " + std::to_string(*length) +
                                                   " along dimension " + std::to_string(first.axis) + ", got " +
                                                   std::to_string(use.capacity));
  symbols[entry.symbolIds.find(program.cacheCapacity)->second] = use.capacity < 0 ? *length : use.capacity;
  symbols[entry.symbolIds.find(program.cacheCopied)->second] = use.copied;
  return {};
}

} // namespace bessemer::runtime
