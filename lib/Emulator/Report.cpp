// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Emulator/Launch.h"

#include "mlir/IR/Location.h"

using namespace mlir;
using namespace bessemer::emulator;

const char *bessemer::emulator::kindName(FindingKind kind) {
  switch (kind) {
  case FindingKind::Race: return "race";
  case FindingKind::OutOfBounds: return "out of bounds";
  case FindingKind::Misaligned: return "misaligned";
  case FindingKind::Uninitialized: return "uninitialized read";
  case FindingKind::BarrierDivergence: return "barrier divergence";
  case FindingKind::Deadlock: return "deadlock";
  case FindingKind::Fault: return "fault";
  }
  return "";
}

std::string bessemer::emulator::describeSite(const Site &site) {
  if (!site.location)
    return site.op;
  std::string text = site.op;
  SmallVector<StringRef> names;
  StringRef file, tileOp;
  unsigned line = 0, column = 0;
  Location(Location::getFromOpaquePointer(site.location))->walk([&](Location inner) {
    if (auto named = dyn_cast<NameLoc>(inner);
        named && !named.getName().empty() && !llvm::is_contained(names, named.getName().getValue()))
      names.push_back(named.getName().getValue());
    // What the lowering of tile programs leaves behind (bessemer-lower-tile-to-gpu).
    if (auto fused = dyn_cast<FusedLoc>(inner); fused && tileOp.empty())
      if (auto name = dyn_cast_or_null<StringAttr>(fused.getMetadata()); name && name.getValue().starts_with("tile."))
        tileOp = name.getValue();
    if (auto at = dyn_cast<FileLineColLoc>(inner); at && file.empty()) {
      file = at.getFilename().getValue();
      line = at.getLine();
      column = at.getColumn();
    }
    return WalkResult::advance();
  });
  if (!tileOp.empty())
    text += " of " + tileOp.str();
  if (!file.empty())
    text += " at " + file.str() + (line ? ":" + std::to_string(line) + ":" + std::to_string(column) : "");
  for (size_t i = 0; i < names.size(); ++i)
    text += (i ? ", \"" : " (from \"") + names[i].str() + "\"";
  return names.empty() ? text : text + ")";
}

void LaunchRun::report(FindingKind kind, uint32_t site, std::string message, uint32_t otherSite) {
  auto [it, isNew] = known.try_emplace({kind, site, otherSite}, result.findings.size());
  if (!isNew) {
    ++result.findings[it->second].count;
    return;
  }
  std::string other = otherSite < kernel.sites.size() ? describeSite(kernel.sites[otherSite]) : "";
  result.findings.push_back({kind, std::move(message), describeSite(kernel.sites[site]), std::move(other), 1});
}

bool LaunchResult::has(FindingKind kind) const {
  return llvm::any_of(findings, [&](const Finding &finding) { return finding.kind == kind; });
}

std::string LaunchResult::text() const {
  std::string text;
  for (const Finding &finding : findings) {
    text += std::string(kindName(finding.kind)) + ": " + finding.message;
    if (finding.count > 1)
      text += " (" + std::to_string(finding.count) + " times)";
    text += "\n";
    if (!finding.where.empty())
      text += "  in " + finding.where + "\n";
    if (!finding.other.empty())
      text += "  the other is " + finding.other + "\n";
  }
  return text;
}

std::string LaunchResult::statisticsText() const {
  std::string text;
  for (const AccessStatistics &access : statistics)
    if (access.transactions > access.ideal)
      text += access.where + ": " + std::to_string(access.transactions) +
              (access.shared ? " passes over the banks, " : " sectors, ") + std::to_string(access.ideal) +
              " would do\n";
  return text;
}
