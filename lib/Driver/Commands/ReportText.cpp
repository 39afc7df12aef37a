// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The report for people.
#include "lib/Driver/Commands/Commands.h"

#include <cstdio>

using namespace bessemer;

namespace {

std::string bytesText(int64_t bytes) {
  static constexpr const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = double(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units)) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
  return text;
}

std::string padded(std::string text, size_t width) {
  if (text.size() < width)
    text.append(width - text.size(), ' ');
  return text;
}

std::string joined(const std::vector<std::string> &names, size_t limit) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < limit; ++i)
    text += (i ? ", " : "") + (names[i].empty() ? "?" : names[i]);
  if (names.size() > limit)
    text += " and " + std::to_string(names.size() - limit) + " more";
  return text;
}

void addPhases(const Report &report, std::string &text) {
  text += "phases\n";
  for (const Report::PhaseRecord &phase : report.phases) {
    char line[64];
    std::snprintf(line, sizeof line, "  %-9s %7.3f s %7lld ops  ", phase.name.c_str(), phase.seconds,
                  (long long)phase.operations);
    text += line;
    for (size_t i = 0; i < phase.counts.size() && i < 6; ++i)
      text += (i ? ", " : "") + std::to_string(phase.counts[i].second) + " " + phase.counts[i].first;
    text += "\n";
  }
}

void addKernels(const Report &report, std::string &text) {
  if (report.kernels.empty())
    return;
  text += "\nkernels (" + std::to_string(report.kernels.size()) + ")\n";
  for (const Report::KernelRecord &kernel : report.kernels) {
    text += "  " + padded(kernel.name, 24) + " " + padded(kernel.kind, 10);
    if (kernel.launches)
      text +=
          " launched " + std::to_string(kernel.launches) + "x, " + kernel.flops + " flop, " + kernel.bytes + " bytes\n";
    else
      text += " makes weights when the program is loaded\n";
    if (!kernel.reason.empty())
      text += "    why: " + kernel.reason + "\n";
    if (!kernel.nodes.empty())
      text += "    nodes: " + joined(kernel.nodes, 4) + "\n";
  }
}

void addFallbacks(const Report &report, std::string &text) {
  if (report.fallbacks.empty())
    return;
  size_t nodes = 0;
  for (const Report::FallbackRecord &fallback : report.fallbacks)
    nodes += fallback.nodes.size();
  text += "\non the reference kernels: no compiled kernel (" + std::to_string(nodes) + " ops)\n";
  for (const Report::FallbackRecord &fallback : report.fallbacks)
    text += "  " + std::to_string(fallback.nodes.size()) + " x " + padded(fallback.op, 16) + " " + fallback.type +
            "  nodes: " + joined(fallback.nodes, 3) + "\n";
}

void addNearMisses(const Report &report, std::string &text) {
  if (report.nearMisses.empty())
    return;
  text += "\nnearly recognized (" + std::to_string(report.nearMisses.size()) + ")\n";
  for (const Report::NearMissRecord &miss : report.nearMisses)
    text += "  " + padded(miss.pattern, 12) + " " + miss.nodes + ": " + miss.reason + "\n";
}

} // namespace

std::string commands::reportText(const Report &report) {
  std::string text = report.model + " for " + report.target + " (" + report.cpu + ")\n\n";
  addPhases(report, text);
  if (!report.unsupported.empty()) {
    text += "\nunsupported (" + std::to_string(report.unsupported.size()) + ")\n";
    for (const std::string &line : report.unsupported)
      text += "  " + line + "\n";
  }
  addKernels(report, text);
  addFallbacks(report, text);
  addNearMisses(report, text);
  text += "\nmemory\n";
  text += "  weights         " + bytesText(report.weightBytes) + "\n";
  text += "  made at load    " + bytesText(report.derivedWeightBytes) + "\n";
  text += "  constants       " + bytesText(report.constantBytes) + "\n";
  text += "  code            " + bytesText(report.codeBytes) + "\n";
  text += "  arena           " + report.arena + " bytes\n";
  if (report.liveBytes >= 0)
    text += "  live at most    " + std::to_string(report.liveBytes) + " bytes\n";
  for (const std::string &order : report.orders)
    text += "  order           " + order + "\n";
  if (report.memory) {
    const Report::MemoryRecord &memory = *report.memory;
    text += "  limit           " + std::to_string(memory.limit) + " bytes\n";
    if (memory.known) {
      text += "  smallest limit  " + std::to_string(memory.minimumBytes) + " bytes\n";
      text += "  takes           " + std::to_string(memory.totalBytes) + " bytes: weights that stay " +
              std::to_string(memory.residentBytes) + ", room to read into " + std::to_string(memory.areaBytes) + "\n";
      text += "  workspaces      " + std::to_string(memory.workspaceBytes) + " bytes of all threads\n";
      for (const std::string &split : memory.splits)
        text += "  in pieces       " + split + "\n";
      for (const std::string &again : memory.recomputed)
        text += "  computed again  " + again + "\n";
      char seconds[32];
      std::snprintf(seconds, sizeof seconds, "%.1f", memory.streamSeconds * 1000);
      text += "  streamed        " + std::to_string(memory.streamedBytes) + " bytes in each run, " +
              std::to_string(memory.streamedWeights) + " weights; about " + seconds + " ms of memory traffic\n";
    }
    for (const std::string &reason : memory.reasons)
      text += "    " + reason + "\n";
  }
  text += "  compiler's peak " + bytesText(report.peakResidentBytes) + "\n";
  text += "\nfunctions " + std::to_string(report.functions) + ", calls " + std::to_string(report.calls) + "\n";
  return text;
}
