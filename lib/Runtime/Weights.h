// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights in memory. A raw weight at a multiple of 64 bytes in its file is used
// where it is mapped; others are copied. Derived weights are made one after the
// other by functions of the program, sources and temporaries given back as soon
// as nobody needs them, so that the peak is what stays plus one step.
#pragma once

#include "bessemer/Runtime/Model.h"
#include "lib/Runtime/MappedFile.h"

#include <map>
#include <memory>
#include <vector>

namespace bessemer::runtime {

/// The weights section of an artifact; weights without a file lie in it.
struct WeightImage {
  std::shared_ptr<MappedFile> file; ///< what `data` lies in, when mapped
  std::vector<uint8_t> copy;        ///< or this
  const uint8_t *data = nullptr;
  int64_t size = 0;
};

class Executor;

class WeightStore {
public:
  explicit WeightStore(std::shared_ptr<WeightImage> image) : image(std::move(image)) {}

  /// Makes all weights that are not temporary. `model` has everything but these.
  Status load(const std::shared_ptr<const Model> &model);
  void *find(int32_t index) const { return pointers[index]; }
  int64_t bytes() const;

private:
  struct Source {
    const uint8_t *data = nullptr;
    const MappedFile *file = nullptr; ///< when mapped
    int64_t offset = 0;               ///< in it
  };
  Status locate(const Model &model, const Weight &weight, Source &source);
  Status materialize(const std::shared_ptr<const Model> &model, int32_t index);
  Status read(const Model &model, int32_t index);
  Status derive(const std::shared_ptr<const Model> &model, int32_t index);
  void drop(const Program &program, int32_t index);

  std::shared_ptr<WeightImage> image;
  std::map<std::string, std::shared_ptr<MappedFile>> files;
  std::vector<void *> pointers;
  std::vector<MemoryBlock> blocks;
  std::vector<Source> sources; ///< of those used where they are mapped
  std::vector<int32_t> users; ///< derivations that still need it
  /// Weights that one run of a function gives, by function and sources.
  std::map<std::pair<int32_t, std::vector<int32_t>>, std::vector<int32_t>> groups;
};

/// A cheap hash of a weight's bytes: of the length and of the first and last
/// 64 KiB. Finds a wrong, moved or truncated file; not a change in the middle of
/// a large weight. Never 0.
uint64_t weightHash(const uint8_t *data, int64_t bytes);

/// Protobuf varints, one for each element, to elements in memory.
bool decodeVarints(const uint8_t *data, int64_t length, DType dtype, int64_t outBytes,
                   uint8_t *out);

} // namespace bessemer::runtime
