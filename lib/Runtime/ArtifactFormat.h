// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layout of an artifact's header, shared by reader and writer; see Artifact.h.
#pragma once

#include "lib/Runtime/Hash.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace bessemer::runtime {

constexpr char artifactMagic[8] = {'B', 'E', 'S', 'S', 'E', 'M', 'E', 'R'};
constexpr size_t headerBytes = 64, sectionEntryBytes = 32, maxSections = 16;
constexpr size_t sectionAlignment = 64, weightSectionAlignment = 4096;

enum class SectionKind : uint32_t { Program = 1, Code = 2, Constants = 3, Weights = 4, DeviceCode = 5 };

struct ArtifactHeader {
  char magic[8];
  uint32_t version;
  uint32_t sections;
  uint64_t hash;
  uint64_t fileSize;
  char compiler[32];
};
static_assert(sizeof(ArtifactHeader) == headerBytes);

struct SectionEntry {
  uint32_t kind;
  uint32_t reserved;
  uint64_t offset, size, hash;
};
static_assert(sizeof(SectionEntry) == sectionEntryBytes);

/// contentHash, folded over pieces so that a writer can stream.
class SectionHash {
public:
  static constexpr size_t piece = size_t{1} << 20;
  void add(const uint8_t *data, size_t bytes) {
    for (size_t at = 0; at < bytes; at += piece)
      value = contentHash(data + at, std::min(piece, bytes - at), value);
  }
  uint64_t value = 0;
};

} // namespace bessemer::runtime
