// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Driver/Compiler.h"
#include "lib/Driver/Json.h"

using namespace bessemer;

std::string bessemer::reportJson(const Report &report) {
  Json json;
  json.open('{');
  json.key("model").value(report.model);
  json.key("target").value(report.target);
  json.key("cpu").value(report.cpu);
  json.key("phases").open('[');
  for (const Report::PhaseRecord &phase : report.phases) {
    json.open('{');
    json.key("name").value(phase.name);
    json.key("seconds").value(phase.seconds);
    json.key("operations").value(phase.operations);
    json.key("counts").open('{');
    for (const auto &[name, count] : phase.counts)
      json.key(name.c_str()).value(int64_t(count));
    json.close('}');
    json.close('}');
  }
  json.close(']');
  json.key("kernels").open('[');
  for (const Report::KernelRecord &kernel : report.kernels) {
    json.open('{');
    json.key("name").value(kernel.name);
    json.key("kind").value(kernel.kind);
    json.key("reason").value(kernel.reason);
    json.key("nodes").value(kernel.nodes);
    json.key("launches").value(int64_t(kernel.launches));
    json.key("flops").value(kernel.flops);
    json.key("bytes").value(kernel.bytes);
    json.close('}');
  }
  json.close(']');
  json.key("fallbacks").open('[');
  for (const Report::FallbackRecord &fallback : report.fallbacks) {
    json.open('{');
    json.key("op").value(fallback.op);
    json.key("type").value(fallback.type);
    json.key("nodes").value(fallback.nodes);
    json.close('}');
  }
  json.close(']');
  json.key("near_misses").open('[');
  for (const Report::NearMissRecord &miss : report.nearMisses) {
    json.open('{');
    json.key("pattern").value(miss.pattern);
    json.key("nodes").value(miss.nodes);
    json.key("reason").value(miss.reason);
    json.close('}');
  }
  json.close(']');
  json.key("unsupported").value(report.unsupported);
  json.key("arena_bytes").value(report.arena);
  json.key("weight_bytes").value(report.weightBytes);
  json.key("derived_weight_bytes").value(report.derivedWeightBytes);
  json.key("constant_bytes").value(report.constantBytes);
  json.key("code_bytes").value(report.codeBytes);
  json.key("live_bytes").value(report.liveBytes);
  json.key("orders").value(report.orders);
  if (report.memory) {
    const Report::MemoryRecord &memory = *report.memory;
    json.key("memory").open('{');
    json.key("limit").value(memory.limit);
    json.key("known").value(int64_t(memory.known));
    json.key("total_bytes").value(memory.totalBytes);
    json.key("minimum_bytes").value(memory.minimumBytes);
    json.key("resident_bytes").value(memory.residentBytes);
    json.key("area_bytes").value(memory.areaBytes);
    json.key("streamed_bytes").value(memory.streamedBytes);
    json.key("streamed_weights").value(memory.streamedWeights);
    json.key("reads_ahead").value(int64_t(memory.readsAhead));
    json.key("workspace_bytes").value(memory.workspaceBytes);
    json.key("pieces").value(memory.pieces);
    json.key("splits").value(memory.splits);
    json.key("recomputed").value(memory.recomputed);
    json.key("choices").open('[');
    for (auto [pieces, minimum] : memory.choices) {
      json.open('{');
      json.key("pieces").value(pieces);
      json.key("minimum_bytes").value(minimum);
      json.close('}');
    }
    json.close(']');
    json.key("reasons").value(memory.reasons);
    json.close('}');
  }
  json.key("functions").value(report.functions);
  json.key("calls").value(report.calls);
  json.key("compiler_peak_bytes").value(report.peakResidentBytes);
  json.close('}');
  return json.text + "\n";
}
