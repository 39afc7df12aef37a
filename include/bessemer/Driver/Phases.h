// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The phases of the compiler as values: see Phases.def.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace bessemer {

enum class Phase {
#define BESSEMER_PHASE(name, folder, verifier, sentence) name,
#include "bessemer/Driver/Phases.def"
};

struct PhaseInfo {
  Phase phase;
  std::string_view name;
  std::string_view folder;   ///< where its sources are
  std::string_view verifier; ///< the pass that closes it; empty: none
  std::string_view sentence; ///< what it does
};

inline constexpr std::array phaseTable = {
#define BESSEMER_PHASE(name, folder, verifier, sentence) PhaseInfo{Phase::name, #name, folder, verifier, sentence},
#include "bessemer/Driver/Phases.def"
};

constexpr std::optional<Phase> parsePhase(std::string_view name) {
  for (const PhaseInfo &info : phaseTable)
    if (info.name == name)
      return info.phase;
  return std::nullopt;
}

/// "import, legalize, …" for help texts and diagnostics.
inline std::string phaseNames() {
  std::string names;
  for (const PhaseInfo &info : phaseTable)
    names += (names.empty() ? "" : ", ") + std::string(info.name);
  return names;
}

} // namespace bessemer
