// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/Commands/Commands.h"

#include <cstdio>

using namespace bessemer;

namespace {

/// A JSON writer: enough for a report.
class Json {
public:
  std::string text;

  void open(char bracket) {
    comma();
    text += bracket;
    first = true;
  }
  void close(char bracket) {
    text += bracket;
    first = false;
  }
  Json &key(const char *name) {
    comma();
    text += '"' + std::string(name) + "\": ";
    afterKey = true;
    return *this;
  }
  void value(const std::string &s) {
    comma();
    text += '"';
    for (unsigned char c : s) {
      if (c == '"' || c == '\\') {
        text += '\\';
        text += char(c);
      } else if (c < 0x20) {
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\u%04x", c);
        text += escape;
      } else {
        text += char(c);
      }
    }
    text += '"';
  }
  void value(double number) {
    comma();
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.6g", number);
    text += digits;
  }
  void value(int64_t number) {
    comma();
    text += std::to_string(number);
  }
  void value(const std::vector<std::string> &list) {
    open('[');
    for (const std::string &s : list)
      value(s);
    close(']');
  }

private:
  void comma() {
    if (!afterKey && !first)
      text += ", ";
    first = afterKey = false;
  }
  bool first = true, afterKey = false;
};

} // namespace

std::string commands::reportJson(const Report &report) {
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
  json.key("unsupported").value(report.unsupported);
  json.key("arena_bytes").value(report.arena);
  json.key("weight_bytes").value(report.weightBytes);
  json.key("derived_weight_bytes").value(report.derivedWeightBytes);
  json.key("constant_bytes").value(report.constantBytes);
  json.key("code_bytes").value(report.codeBytes);
  json.key("functions").value(report.functions);
  json.key("calls").value(report.calls);
  json.key("compiler_peak_bytes").value(report.peakResidentBytes);
  json.close('}');
  return json.text + "\n";
}
