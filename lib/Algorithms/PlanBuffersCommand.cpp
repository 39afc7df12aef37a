// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/PlanBuffersCommand.h"
#include "bessemer/Algorithms/MemoryPlanChecker.h"
#include "bessemer/Algorithms/MemoryPlanExplain.h"
#include "bessemer/Algorithms/MemoryPlanner.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iostream>
#include <string_view>
#include <thread>
#include <unordered_map>

namespace bessemer {

namespace {

constexpr int exitPlanned = 0, exitNoPlan = 1, exitBadInput = 2;

std::string_view trim(std::string_view text) {
  auto isSpace = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && isSpace(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && isSpace(text.back()))
    text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view line, char separator) {
  std::vector<std::string_view> fields;
  while (true) {
    size_t end = line.find(separator);
    fields.push_back(trim(line.substr(0, end)));
    if (end == std::string_view::npos)
      return fields;
    line.remove_prefix(end + 1);
  }
}

std::optional<int64_t> parseInteger(std::string_view text) {
  int64_t value = 0;
  auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && stop == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// "4-6 9-12", each half-open as lifetimes are; no text is no gap.
std::optional<std::vector<TimeInterval>> parseGaps(std::string_view text) {
  std::vector<TimeInterval> gaps;
  for (std::string_view word : split(text, ' ')) {
    if (word.empty())
      continue;
    size_t dash = word.find('-', 1); // a sign may come first
    if (dash == std::string_view::npos)
      return std::nullopt;
    std::optional<int64_t> lower = parseInteger(word.substr(0, dash)), upper = parseInteger(word.substr(dash + 1));
    if (!lower || !upper)
      return std::nullopt;
    gaps.push_back({*lower, *upper});
  }
  return gaps;
}

struct Table {
  std::vector<std::string> lines; // as read, header first, without line ends
  std::vector<std::string> names;
  std::vector<PlanBuffer> buffers;
};

class Reader {
public:
  Reader(std::string path, std::string &error) : path(std::move(path)), error(error) {}

  bool read(Table &table) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      error = path + ": cannot be read";
      return false;
    }
    std::string line;
    while (std::getline(file, line)) {
      ++lineNumber;
      if (lineNumber == 1 && line.starts_with("\xef\xbb\xbf"))
        line.erase(0, 3); // byte order mark
      std::string_view text = trim(line);
      if (text.empty())
        continue;
      bool ok = table.lines.empty() ? readHeader(text) : readRow(text, table);
      if (!ok)
        return false;
      table.lines.emplace_back(text);
    }
    if (file.bad()) {
      error = path + ": cannot be read";
      return false;
    }
    if (table.lines.empty()) {
      lineNumber = 1;
      return fail("expected the header id,lower,upper,size, got an empty file");
    }
    return true;
  }

private:
  bool fail(const std::string &what) {
    error = path + ":" + std::to_string(lineNumber) + ": " + what;
    return false;
  }

  bool readHeader(std::string_view text) {
    columns = splitHeader(text);
    for (const char *name : {"id", "lower", "upper", "size"})
      if (std::count(columns.begin(), columns.end(), name) != 1)
        return fail("expected one column '" + std::string(name) + "' in the header, got '" + std::string(text) + "'");
    constexpr std::array<std::string_view, 7> known = {"id", "lower", "upper", "size", "alignment", "gaps", "fixed"};
    for (const std::string &name : columns) {
      if (std::find(known.begin(), known.end(), name) == known.end())
        return fail("expected the columns id, lower, upper, size and optionally alignment, gaps and fixed, got '" +
                    name + "'");
      if (std::count(columns.begin(), columns.end(), name) > 1)
        return fail("expected one column '" + name + "', got more");
    }
    return true;
  }

  static std::vector<std::string> splitHeader(std::string_view text) {
    std::vector<std::string> names;
    for (std::string_view field : split(text, ','))
      names.emplace_back(field);
    return names;
  }

  bool readRow(std::string_view text, Table &table) {
    std::vector<std::string_view> fields = split(text, ',');
    if (fields.size() != columns.size())
      return fail("expected " + std::to_string(columns.size()) + " fields, got " + std::to_string(fields.size()));
    PlanBuffer buffer;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (columns[i] == "id") {
        auto [it, fresh] = firstLine.emplace(fields[i], lineNumber);
        if (fields[i].empty())
          return fail("expected an id, got an empty field");
        if (!fresh)
          return fail("expected distinct ids, got '" + std::string(fields[i]) + "' again, first at line " +
                      std::to_string(it->second));
        table.names.emplace_back(fields[i]);
        continue;
      }
      if (columns[i] == "gaps") {
        std::optional<std::vector<TimeInterval>> gaps = parseGaps(fields[i]);
        if (!gaps)
          return fail("expected gaps as in '4-6 9-12', got '" + std::string(fields[i]) + "'");
        buffer.gaps = std::move(*gaps);
        continue;
      }
      if (columns[i] == "fixed" && fields[i].empty())
        continue;
      std::optional<int64_t> value = parseInteger(fields[i]);
      if (!value)
        return fail("expected an integer of 64 bits for '" + columns[i] + "', got '" + std::string(fields[i]) + "'");
      if (columns[i] == "fixed")
        buffer.fixedOffset = value;
      else
        (columns[i] == "lower"   ? buffer.lower
         : columns[i] == "upper" ? buffer.upper
         : columns[i] == "size"  ? buffer.size
                                 : buffer.alignment) = *value;
    }
    if (std::optional<std::string> problem = validateBuffers({&buffer, 1}))
      return fail(problem->substr(problem->find(": ") + 2));
    table.buffers.push_back(std::move(buffer));
    return true;
  }

  std::string path;
  std::string &error;
  size_t lineNumber = 0;
  std::vector<std::string> columns;
  std::unordered_map<std::string, size_t> firstLine;
};

/// The buffers that are live when the most bytes are, where these alone do not fit.
std::string describePeak(const Table &table, const MemoryPlan &plan, int64_t capacity) {
  constexpr size_t named = 4;
  PeakReason peak = explainPeak(table.buffers, plan);
  if (peak.liveBytes <= capacity)
    return "";
  std::string text = ", the bytes live at " + std::to_string(peak.time) + ": ";
  for (size_t i = 0; i < std::min(named, peak.live.size()); ++i)
    text += (i ? ", '" : "'") + table.names[peak.live[i]] + "' of " + std::to_string(table.buffers[peak.live[i]].size);
  return peak.live.size() > named ? text + " and " + std::to_string(peak.live.size() - named) + " more" : text;
}

bool writeTable(const Table &table, const MemoryPlan &plan, std::ostream &out) {
  out << table.lines[0] << ",offset\n";
  for (size_t i = 0; i < table.buffers.size(); ++i)
    out << table.lines[i + 1] << ',' << plan.offsets[i] << '\n';
  out.flush();
  return static_cast<bool>(out);
}

} // namespace

int planBuffersCommand(const std::string &csvPath, int64_t capacity, const std::string &outPath,
                       double timeBudgetSeconds, std::string &errorText) {
  if (capacity < 0) {
    errorText = "expected a capacity of at least 0, got " + std::to_string(capacity);
    return exitBadInput;
  }
  if (!(timeBudgetSeconds > 0)) {
    errorText = "expected a time to search of more than 0 seconds, got " + std::to_string(timeBudgetSeconds);
    return exitBadInput;
  }
  Table table;
  if (!Reader(csvPath, errorText).read(table))
    return exitBadInput;

  MemoryPlannerOptions options;
  options.capacity = capacity;
  options.budget.seconds = timeBudgetSeconds;
  options.budget.threads = std::clamp(std::thread::hardware_concurrency(), 1u, 8u);
  options.maxSearchedBuffers = SIZE_MAX;
  MemoryPlanResult result = planMemory(table.buffers, options);
  switch (result.status) {
  case MemoryPlanResult::Status::Planned: break;
  case MemoryPlanResult::Status::InvalidBuffers: errorText = csvPath + ": " + result.message; return exitBadInput;
  case MemoryPlanResult::Status::Impossible:
  case MemoryPlanResult::Status::NotFound:
    errorText = csvPath + ": " + result.message + describePeak(table, result.plan, capacity);
    return exitNoPlan;
  }
  if (std::optional<std::string> wrong = checkPlan(table.buffers, result.plan, capacity)) {
    errorText = csvPath + ": the planner made a wrong plan: " + *wrong;
    return exitNoPlan;
  }

  bool written;
  if (outPath.empty() || outPath == "-") {
    written = writeTable(table, result.plan, std::cout);
  } else {
    std::ofstream out(outPath, std::ios::binary | std::ios::trunc);
    written = out && writeTable(table, result.plan, out);
  }
  if (!written) {
    errorText = outPath + ": cannot be written";
    return exitBadInput;
  }
  return exitPlanned;
}

} // namespace bessemer
