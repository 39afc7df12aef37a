// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Driver/Provenance.h"

#include "dialects/Bess/Provenance.h"

using namespace mlir;
using namespace bessemer;

std::vector<std::string> bessemer::nodeNames(Location loc) { return bess::nodeNames(loc); }

std::string bessemer::provenanceText(Location loc, size_t limit) {
  std::vector<std::string> names = nodeNames(loc);
  std::string text;
  for (size_t i = 0; i < names.size() && i < limit; ++i)
    text += (i ? ", " : "") + names[i];
  if (names.size() > limit)
    text += " and " + std::to_string(names.size() - limit) + " more";
  return text;
}

std::string bessemer::fileText(Location loc) {
  if (auto file = dyn_cast<FileLineColLoc>(loc)) {
    std::string text = file.getFilename().str();
    if (file.getLine())
      text += ":" + std::to_string(file.getLine()) + ":" + std::to_string(file.getColumn());
    return text;
  }
  if (auto name = dyn_cast<NameLoc>(loc))
    return fileText(name.getChildLoc());
  if (auto call = dyn_cast<CallSiteLoc>(loc))
    return fileText(call.getCallee());
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location part : fused.getLocations())
      if (std::string text = fileText(part); !text.empty())
        return text;
  return "";
}
