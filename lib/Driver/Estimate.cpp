// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Driver/Estimate.h"

#include "lib/Runtime/FrameLayout.h"

#include <algorithm>

using namespace bessemer;
using namespace bessemer::runtime;

namespace {

class Estimator {
public:
  Estimator(const Program &program, double flopsPerSecond, double bytesPerSecond, ProgramEstimate &out)
      : program(program), flopsPerSecond(flopsPerSecond), bytesPerSecond(bytesPerSecond), out(out) {}

  void bindEntry(const SymbolicExpr::Values &given) {
    for (const Argument &input : program.functions.front().inputs)
      for (const SymbolicExpr &dim : input.dims)
        for (const std::string &symbol : dim.symbols())
          out.sizes[symbol] = 1;
    for (const Guard &guard : program.entryGuards)
      if (auto name = guard.lhs.isSymbol(); name && guard.relation == "le")
        if (auto bound = guard.rhs.isConstant(); bound && out.sizes.count(std::string(*name)))
          out.sizes[std::string(*name)] = *bound;
    for (const auto &[name, value] : given)
      out.sizes[name] = value;
  }

  void count(const Block &block, const SymbolicExpr::Values &values, double times) {
    for (const Instruction &instruction : block) {
      if (auto *launch = std::get_if<Launch>(&instruction.op)) {
        countLaunch(*launch, values, times);
      } else if (auto *call = std::get_if<Call>(&instruction.op)) {
        SymbolicExpr::Values inner;
        for (const auto &[name, expr] : call->symbols)
          if (auto value = evaluate(expr, values))
            inner[name] = *value;
        count(program.functions[call->function].body, inner, times);
      } else if (auto *branch = std::get_if<If>(&instruction.op)) {
        // One of the two runs; which, only the data tells.
        out.wholeRun = false;
        count(*branch->thenBlock, values, times);
      } else if (auto *loop = std::get_if<Loop>(&instruction.op)) {
        auto trips = loop->tripCount ? evaluate(*loop->tripCount, values) : std::nullopt;
        out.wholeRun &= trips && loop->condition < 0;
        count(*loop->body, values, times * double(std::max<int64_t>(trips.value_or(1), 0)));
      }
    }
  }

  std::optional<int64_t> arena() const {
    const Function &entry = program.functions.front();
    if (entry.frameBytes)
      return entry.frameBytes;
    std::vector<FrameItem> items;
    for (const Buffer &buffer : entry.buffers) {
      if (buffer.kind != BufferKind::Arena)
        continue;
      int64_t elements = 1;
      for (const SymbolicExpr &dim : buffer.dims) {
        auto extent = evaluate(dim, out.sizes);
        if (!extent || *extent < 0 || (*extent > 0 && elements > (int64_t(1) << 50) / *extent))
          return std::nullopt;
        elements *= *extent;
      }
      FrameItem item;
      item.bytes = byteSize(buffer.dtype, elements);
      item.lower = buffer.lower;
      item.upper = buffer.upper;
      items.push_back(item);
    }
    int64_t bytes = 0;
    return layOutFrame(items, bytes).ok() ? std::optional<int64_t>(bytes) : std::nullopt;
  }

private:
  static std::optional<int64_t> evaluate(const SymbolicExpr &expr, const SymbolicExpr::Values &values) {
    return expr.evaluate([&](std::string_view name) -> std::optional<int64_t> {
      auto it = values.find(name);
      return it == values.end() ? std::nullopt : std::optional<int64_t>(it->second);
    });
  }

  void countLaunch(const Launch &launch, const SymbolicExpr::Values &values, double times) {
    const Kernel &kernel = program.kernels[launch.kernel];
    SymbolicExpr::Values arguments;
    for (size_t i = 0; i < launch.symbols.size(); ++i)
      if (auto value = evaluate(launch.symbols[i], values))
        arguments["s" + std::to_string(i)] = *value;
    KernelEstimate &estimate = out.kernels[launch.kernel];
    auto flops = evaluate(kernel.flops, arguments), bytes = evaluate(kernel.bytes, arguments);
    out.wholeRun &= flops && bytes;
    double f = double(flops.value_or(0)) * times, b = double(bytes.value_or(0)) * times;
    estimate.launches += times;
    estimate.flops += f;
    estimate.bytes += b;
    if (flopsPerSecond <= 0 || bytesPerSecond <= 0)
      return;
    estimate.computeSeconds += f / flopsPerSecond;
    estimate.memorySeconds += b / bytesPerSecond;
    estimate.leastSeconds += std::max(f / flopsPerSecond, b / bytesPerSecond);
  }

  const Program &program;
  double flopsPerSecond, bytesPerSecond;
  ProgramEstimate &out;
};

} // namespace

ProgramEstimate bessemer::estimateProgram(const Program &program, const SymbolicExpr::Values &sizes,
                                          double flopsPerSecond, double bytesPerSecond) {
  ProgramEstimate estimate;
  estimate.kernels.resize(program.kernels.size());
  Estimator estimator(program, flopsPerSecond, bytesPerSecond, estimate);
  estimator.bindEntry(sizes);
  SymbolicExpr::Values values = estimate.sizes;
  if (!program.caches.empty()) {
    // As a decoder that appends in place.
    const AppendedCache &cache = program.caches.front();
    values[program.cacheCapacity] =
        program.functions.front().outputs[cache.output].dims[cache.axis].evaluate(values).value_or(1);
    values[program.cacheCopied] = 0;
  }
  estimator.count(program.functions.front().body, values, 1);
  estimate.arenaBytes = estimator.arena();
  return estimate;
}
