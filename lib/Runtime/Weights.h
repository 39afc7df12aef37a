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
#include <mutex>
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

/// Weights that are made in one go: the results of a derivation, or one weight
/// that cannot be used where it is mapped. Under a memory limit each context decides for
/// itself which units it holds.
struct WeightUnit {
  std::vector<int32_t> members; ///< weights
  std::vector<int64_t> offsets; ///< of the members in the unit's memory
  int64_t bytes = 0;
};

class WeightStore {
public:
  explicit WeightStore(std::shared_ptr<WeightImage> image);
  ~WeightStore();

  /// Makes all weights that are not temporary, but for units of 64 KiB and more
  /// under a memory limit. `model` has everything but these.
  Status load(const std::shared_ptr<const Model> &model);
  void *find(int32_t index) const { return pointers[index]; }
  int64_t bytes() const;

  /// Under a memory limit: what `load` has left out.
  const std::vector<WeightUnit> &units() const { return unitList; }
  /// The unit of a weight, or -1.
  int32_t unitOf(int32_t weight) const { return unitList.empty() ? -1 : unitNumbers[weight]; }
  /// Makes the unit in `memory`. One thread at a time: others wait.
  Status produce(const Model &model, int32_t unit, void *memory);
  /// Gives the pages of mapped weights back; they are read again when touched.
  void forgetMapped(const Program &program) const;

private:
  struct Source {
    const uint8_t *data = nullptr;
    const MappedFile *file = nullptr; ///< when mapped
    int64_t offset = 0;               ///< in it
  };
  Status locate(const Model &model, const Weight &weight, Source &source);
  Status materialize(const std::shared_ptr<const Model> &model, int32_t index);
  Status read(const Model &model, int32_t index);
  /// `given`: where its members go; null: to memory of their own.
  Status derive(const std::shared_ptr<const Model> &model, int32_t index, const WeightUnit *unit, void *given);
  Status findUnits(const Model &model);
  void findKernelOnly(const Program &program);
  bool usableWhereMapped(const Weight &weight, int32_t index, const uint8_t *data) const;
  void drop(const Program &program, int32_t index);
  void populateMapped(const Program &program) const;
  /// Memory for a derived weight of so many bytes; null: there is none.
  void *place(const Model &model, int32_t index, int64_t bytes);

  std::shared_ptr<WeightImage> image;
  std::map<std::string, std::shared_ptr<MappedFile>> files;
  std::vector<void *> pointers;
  std::vector<MemoryBlock> blocks;
  /// Derived weights that stay, one behind the other: a few huge pages instead of
  /// thousands of small ones, each of which costs a walk through the page tables
  /// whenever a run comes by; and a kernel that prefetches beyond its own weight
  /// prefetches the next kernel's. Not under a memory limit.
  MemoryBlock arena;
  int64_t arenaUsed = 0;
  std::vector<Source> sources;     ///< of those used where they are mapped
  std::vector<int32_t> users;      ///< derivations that still need it
  std::vector<uint8_t> kernelOnly; ///< weights that nothing but compiled kernels reads
  /// Weights that one run of a function gives, by function and sources.
  std::map<std::pair<int32_t, std::vector<int32_t>>, std::vector<int32_t>> groups;

  std::vector<WeightUnit> unitList;
  std::vector<int32_t> unitNumbers; ///< by weight
  std::mutex producing;
  std::unique_ptr<Executor> producer;   ///< keeps the plans of the derivations
  std::vector<int32_t> *made = nullptr; ///< while a unit is produced: what to drop after it
};

/// Hash of a weight's length and bytes; above 16 MiB of the first and last 64 KiB
/// and of 64 places between, so that a model of hundreds of GB is not read through:
/// that finds a wrong, moved or truncated file and other training, not a flipped
/// bit between the places. Never 0. `file`: where the bytes are mapped from, at
/// `offset`; the places then come without what lies behind them (a system may read megabytes ahead for each).
uint64_t weightHash(const uint8_t *data, int64_t bytes, const MappedFile *file = nullptr, int64_t offset = 0);

/// Protobuf varints, one for each element, to elements in memory.
bool decodeVarints(const uint8_t *data, int64_t length, DType dtype, int64_t outBytes, uint8_t *out);

} // namespace bessemer::runtime
