// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matrix products of a GPU whose schedule was measured (`bessemer tune`), and the candidates that are worth measuring.
//
// A product is known by its sizes, instruction, types, transposes, and what is computed behind it; what was found for
// it is the number of parts of its depth and the schedule of these. The file is JSON, a product a line:
//
//   {"target": "cuda:sm_90a", "products": [
//    {"product": {"batches": 1, "rows": 64, "columns": 4096, "depth": 14336, "instruction": "mma_half",
//                 "element_bytes": 2, "result_bytes": 2, "transpose_a": false, "transpose_b": false,
//                 "epilogue": "none"},
//     "parts": 4, "part_depth": 3584, "schedule": {"instruction": "wgmma_half", "block_rows": 64, ...},
//     "seconds": 1e-05, "model": "blocks of 64 x 128, ...", "model_seconds": 1.1e-05,
//     "device": "what it calls itself", "date": "2026-01-31"}]}
//
//   std::vector<std::string> problems;
//   TunedSchedules tuned = TunedSchedules::parse(text, machine, problems);
//   if (const TunedProduct *found = tuned.find(shape, ProductEpilogue::None))
//     use(found->parts, found->schedule);
//
// An entry that cannot be run, or is not understood, is a sentence in `problems` and left out: the cost model chooses.
#pragma once

#include "bessemer/Algorithms/GpuMatmulSchedule.h"

#include <map>
#include <span>
#include <string_view>

namespace bessemer {

/// What follows a product in its kernel.
enum class ProductEpilogue {
  None,
  Arithmetic, ///< additions, multiplications, comparisons: a bias, a residual, a relu
  Functions   ///< a gelu, a sigmoid, …
};

/// Functions of guarded sums: with 128 of a lane, ptxas spills kilobytes, although they go in pieces. A product whose
/// blocks go beyond its edges has at most so many sums of a lane then.
inline constexpr int64_t guardedSumsWithFunctions = 32;

/// Whether all sizes are known, and the operands are neither float8 nor in groups, so that the product has a name.
bool isNamed(const GpuMatmulShape &shape);
/// The product as canonical JSON in one line, `isNamed` only.
std::string productText(const GpuMatmulShape &shape, ProductEpilogue epilogue);

struct NamedProduct {
  GpuMatmulShape shape;
  ProductEpilogue epilogue = ProductEpilogue::None;
};
/// What `productText` wrote. Nullopt and a sentence otherwise.
std::optional<NamedProduct> parseProduct(std::string_view text, std::string &error);

/// A schedule as JSON: the names of the kernel's attribute `schedule`.
std::string scheduleJson(const GpuMatmulSchedule &schedule);

/// A way to compute a product.
struct GpuProductCandidate {
  int64_t parts = 1, partDepth = 0; ///< of the depth
  GpuMatmulSchedule schedule;       ///< of the product, or of its parts together
  double cycles = 0;                ///< by the model, with the kernel that adds the parts
};
/// At most `count`: first the model's own choice, then the others, cheapest first. Of those that differ in stages, step
/// of depth and the warps of mma.sync alone the cheapest stands for all. Each fits in registers and shared memory.
/// `withParts`: the depth may be cut. Example: of 64 x 2048 x 14336 in bf16 on an H100 it is
/// wgmma with 32 blocks of 64 x 64 in even shares, with 16 of 64 x 128, mma.sync with 32 of 64 x 64, wgmma in 4 parts,
/// …
std::vector<GpuProductCandidate> rankGpuProducts(const NamedProduct &product, const GpuMachine &machine, size_t count,
                                                 bool withParts = true);
/// Nothing when the product can be computed so, else what is wrong.
std::string checkGpuProduct(const NamedProduct &product, const GpuProductCandidate &candidate,
                            const GpuMachine &machine);

struct TunedProduct {
  NamedProduct product;
  int64_t parts = 1, partDepth = 0;
  GpuMatmulSchedule schedule;
  double seconds = 0, modelSeconds = 0; ///< measured; of the model's choice. 0: not measured
  std::string model;                    ///< what the model would have chosen
  std::string device, date;
  /// For `bessemer explain`.
  std::string reason() const;
};

class TunedSchedules {
public:
  static TunedSchedules parse(std::string_view json, const GpuMachine &machine, std::vector<std::string> &problems);
  /// The file.
  std::string json(const std::string &target) const;

  /// In place of what is there for the product.
  void add(const TunedProduct &tuned);
  /// Of this product, or else of the same one with another epilogue, which is nearer to it than a model. Null: nobody
  /// has measured it.
  const TunedProduct *find(const GpuMatmulShape &shape, ProductEpilogue epilogue) const;
  /// The one whose parts together are this product (`partShape`). Null: none.
  const TunedProduct *findParts(const GpuMatmulShape &part) const;
  bool empty() const { return products.empty(); }
  size_t size() const { return products.size(); }

private:
  std::map<std::string, TunedProduct> products; ///< by productText
  std::map<std::string, TunedProduct> parts;    ///< of those in parts, the product that the parts are together
};

} // namespace bessemer
