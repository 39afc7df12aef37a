// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What `bessemer tune` measures: programs of one product each, and what becomes of the times.
//
// A program computes the same product several times, y0 = x w0, y1 = x w1, …, with a right operand of its own each
// time: together they are twice the L2 cache (at most 64), so that each comes from memory as the weights of a model do.
// The left operand is one and the same, as what the kernel before has left in the cache.
#pragma once

#include "bessemer/Algorithms/TunedSchedules.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace bessemer::commands {

using TuneJson = nlohmann::ordered_json;

/// "64,4096,14336" (rows, columns, depth), then any of f16, bf16, f32, ta, tb, batches=N, bias, gelu. Nullopt and a
/// sentence otherwise.
std::optional<NamedProduct> parseProductOption(const std::string &text, const GpuMachine &machine, std::string &error);

/// How often a program computes the product.
int64_t tuneCopies(const GpuMatmulShape &shape, const GpuMachine &machine);

/// The program's module, in the onnx dialect. Empty and a sentence for a product that no model of ours has.
std::string tuneModule(const NamedProduct &product, int64_t copies, std::string &error);

/// The largest difference of two right answers, as ProgramTiming measures it.
double tuneTolerance(const GpuMatmulShape &shape);

/// Folds results into `tuned`: of each product the fastest candidate, of those within 1 % of each other the one that
/// the model ranks higher. A candidate that failed or gave another answer than the first one is a sentence in
/// `problems`. `results` is the manifest of a pack, with "device", "date" and, of each candidate, "seconds",
/// "difference", "error":
///
///   {"target": "cuda:sm_90a", "device": "what it calls itself", "date": "2026-01-31", "products": [
///     {"product": {"rows": 64, ...}, "copies": 3, "tolerance": 0.15, "candidates": [
///       {"program": "0.bsm", "parts": 1, "schedule": {...}, "text": "blocks of ...", "expected_seconds": 1e-5,
///        "seconds": 1e-05, "difference": 0.0, "error": ""}]}]}
///
/// Seconds are of the whole program, `copies` products. Returns a line for each product.
std::vector<std::string> foldTuneResults(const TuneJson &results, const GpuMachine &machine, TunedSchedules &tuned,
                                         std::vector<std::string> &problems);

} // namespace bessemer::commands
