// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The artifact, `model.bsm`: a program in a file. All numbers little-endian.
//
//   offset  size
//        0     8  "BESSEMER"
//        8     4  format version (artifactVersion)
//       12     4  number of sections, at most 16
//       16     8  hash of the header and the section table, this field as 0
//       24     8  size of the file
//       32    32  version of the compiler that wrote it, padded with zeros
//       64  32*n  section table: kind (4), 0 (4), offset (8), size (8), hash (8)
//
// Sections: 1 program (CBOR), 2 code (an ELF shared object), 3 constants, and 4
// weights when the artifact is self-contained. Each starts at a multiple of 64,
// weights at a multiple of 4096, so that they can be used where they are mapped.
//
// Hashes find damage (contentHash of lib/Runtime/Hash.h, folded over pieces of
// 1 MiB); they are no protection against an enemy, whose code would run anyway.
// All sections are checked at load, but weights above 256 MiB only when asked for;
// what lies between sections is zeros, and is checked, too.
// A weight, in the artifact or in a file of its own, also has a hash of its own
// that is always checked: over all bytes up to 16 MiB, else over samples
// (weightHash), which finds a file that is another one, was moved about or truncated.
#pragma once

#include "bessemer/Runtime/Model.h"
#include "bessemer/Runtime/Program.h"
#include "bessemer/Runtime/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace bessemer::runtime {

constexpr uint32_t artifactVersion = 7;
constexpr const char *compilerVersion = "0.1.0";

struct WriteOptions {
  /// Copies the weights into the artifact; else they stay where they are, known
  /// by absolute path, offset, length and hash.
  bool selfContained = false;
  /// Folder that relative paths of weight files start from; "": the current one.
  std::string weightFolder;
  /// Weights with a "host:KEY" source, to hash or to copy them. One that is not
  /// here is not hashed.
  std::map<std::string, HostWeight, std::less<>> hostWeights;
};

Status writeArtifact(const Program &program, const WriteOptions &options, const std::string &path);
Status writeArtifact(const Program &program, const WriteOptions &options, std::vector<uint8_t> &bytes);

struct ReadOptions {
  /// Off only to look past the hashes in tests and fuzzing.
  bool checkHashes = true;
  /// Check the hash of a weights section of any size.
  bool checkLargeWeights = false;
};

/// What an artifact holds besides the program.
struct ArtifactInfo {
  std::string compilerVersion;
  int64_t weightOffset = 0, weightBytes = 0; ///< the weights section
};

/// Reads and checks (checkProgram, too). Survives any bytes: the status says
/// what is wrong, and nothing larger than the file is allocated.
Status readArtifact(const uint8_t *data, size_t bytes, const ReadOptions &options, Program &program,
                    ArtifactInfo &info);

} // namespace bessemer::runtime
