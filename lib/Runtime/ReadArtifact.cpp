// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Runtime/Artifact.h"

#include "bessemer/Runtime/CheckProgram.h"
#include "lib/Runtime/ArtifactFormat.h"
#include "lib/Runtime/MappedFile.h"
#include "lib/Runtime/ProgramCodec.h"
#include "lib/Runtime/Weights.h"

#include <algorithm>
#include <new>
#include <span>
#include <vector>

namespace bessemer::runtime {

static Status damaged(const std::string &text) {
  return Status::error(StatusCode::BadFile, "damaged artifact: " + text);
}

/// What no hash covers is padding: zeros, and less than an alignment of them.
static Status checkPadding(const uint8_t *data, size_t bytes, std::vector<std::pair<uint64_t, uint64_t>> covered) {
  std::sort(covered.begin(), covered.end());
  covered.emplace_back(bytes, bytes);
  uint64_t at = 0;
  for (auto [begin, end] : covered) {
    if (begin < at)
      return damaged("expected sections that do not overlap, got one at " + std::to_string(begin) + " before " +
                     std::to_string(at));
    if (begin - at >= weightSectionAlignment)
      return damaged("expected padding of less than " + std::to_string(weightSectionAlignment) + " bytes, got " +
                     std::to_string(begin - at) + " at " + std::to_string(at));
    for (; at < begin; ++at)
      if (data[at] != 0)
        return damaged("expected zeros between sections, got another byte at " + std::to_string(at));
    at = end;
  }
  return {};
}

static constexpr uint64_t alwaysHashed = uint64_t{256} << 20;

static Status readSections(const uint8_t *data, size_t bytes, const ReadOptions &options, Program &program,
                           ArtifactInfo &info) {
  if (bytes < sizeof(artifactMagic) || std::memcmp(data, artifactMagic, sizeof(artifactMagic)) != 0)
    return Status::error(StatusCode::BadFile, "expected a compiled model (.bsm), got something else");
  if (bytes < headerBytes)
    return damaged("expected a header of 64 bytes, got " + std::to_string(bytes));
  ArtifactHeader header;
  std::memcpy(&header, data, sizeof(header));
  info.compilerVersion.assign(header.compiler, strnlen(header.compiler, sizeof(header.compiler)));
  for (char &c : info.compilerVersion)
    if (c < ' ' || c > '~')
      c = '?';
  if (header.version != artifactVersion)
    return Status::error(StatusCode::Unsupported, "expected format version " + std::to_string(artifactVersion) +
                                                      ", got " + std::to_string(header.version) +
                                                      " (written by compiler " + info.compilerVersion +
                                                      "; compile the model again)");
  if (header.sections > maxSections || headerBytes + header.sections * sectionEntryBytes > bytes)
    return damaged("expected at most 16 sections within the file, got " + std::to_string(header.sections));
  size_t tableEnd = headerBytes + header.sections * sectionEntryBytes;
  if (options.checkHashes) {
    std::vector<uint8_t> copy(data, data + tableEnd);
    std::memset(copy.data() + offsetof(ArtifactHeader, hash), 0, sizeof(header.hash));
    if (contentHash(copy.data(), copy.size()) != header.hash)
      return damaged("the header's hash does not match");
  }
  if (header.fileSize != bytes)
    return damaged("expected " + std::to_string(header.fileSize) + " bytes, got " + std::to_string(bytes));

  std::vector<std::pair<uint64_t, uint64_t>> covered = {{0, tableEnd}}; // begin, end
  std::span<const uint8_t> parts[6];
  bool seen[6] = {};
  for (uint32_t s = 0; s < header.sections; ++s) {
    SectionEntry entry;
    std::memcpy(&entry, data + headerBytes + s * sectionEntryBytes, sizeof(entry));
    if (entry.kind < 1 || entry.kind > 5 || entry.reserved != 0 || seen[entry.kind])
      return damaged("expected sections 1 to 5, each once, got " + std::to_string(entry.kind));
    if (entry.offset < tableEnd || entry.offset % sectionAlignment != 0 || entry.offset > bytes ||
        entry.size > bytes - entry.offset)
      return damaged("expected section " + std::to_string(entry.kind) + " within the file, got " +
                     std::to_string(entry.size) + " bytes at " + std::to_string(entry.offset));
    seen[entry.kind] = true;
    covered.emplace_back(entry.offset, entry.offset + entry.size);
    parts[entry.kind] = {data + entry.offset, static_cast<size_t>(entry.size)};
    bool skip = entry.kind == static_cast<uint32_t>(SectionKind::Weights) && entry.size > alwaysHashed &&
                !options.checkLargeWeights;
    SectionHash hash;
    if (options.checkHashes && !skip) {
      hash.add(data + entry.offset, static_cast<size_t>(entry.size));
      if (hash.value != entry.hash)
        return damaged("the hash of section " + std::to_string(entry.kind) + " does not match");
    }
    if (entry.kind == static_cast<uint32_t>(SectionKind::Weights)) {
      info.weightOffset = static_cast<int64_t>(entry.offset);
      info.weightBytes = static_cast<int64_t>(entry.size);
    }
  }
  if (Status status = checkPadding(data, bytes, covered); !status.ok())
    return status;
  if (!seen[1])
    return damaged("it has no program");
  if (Status status = decodeProgram(parts[1], parts[3], program); !status.ok())
    return Status::error(status.code, "damaged artifact: " + status.message);
  program.code.assign(parts[2].begin(), parts[2].end());
  program.cubin.assign(parts[5].begin(), parts[5].end());
  if (Status status = checkProgram(program); !status.ok())
    return Status::error(status.code, "damaged artifact: " + status.message);
  for (const Weight &weight : program.weights)
    if (weight.derivedFunction < 0 && weight.file.empty() &&
        (weight.offset > info.weightBytes || weight.length > info.weightBytes - weight.offset))
      return damaged("weight '" + weight.name + "': expected bytes within the " + std::to_string(info.weightBytes) +
                     " of the weights section");
  return {};
}

Status readArtifact(const uint8_t *data, size_t bytes, const ReadOptions &options, Program &program,
                    ArtifactInfo &info) try {
  program = Program();
  info = ArtifactInfo();
  return readSections(data, bytes, options, program, info);
} catch (const std::bad_alloc &) {
  return Status::error(StatusCode::OutOfMemory, "no memory to read the artifact");
}

static ReadOptions readOptions(const LoadOptions &options) {
  ReadOptions read;
  read.checkLargeWeights = options.checkAllWeights;
  return read;
}

Status Model::load(const void *data, size_t bytes, const LoadOptions &options, std::shared_ptr<Model> &model) {
  auto program = std::make_unique<Program>();
  ArtifactInfo info;
  const auto *begin = static_cast<const uint8_t *>(data);
  if (Status status = readArtifact(begin, bytes, readOptions(options), *program, info); !status.ok())
    return status;
  auto image = std::make_shared<WeightImage>();
  begin += info.weightOffset;
  image->copy.assign(begin, begin + info.weightBytes);
  image->data = image->copy.data();
  image->size = info.weightBytes;
  return create(std::move(program), options, std::move(image), model);
}

Status Model::load(const std::string &path, const LoadOptions &options, std::shared_ptr<Model> &model) {
  std::shared_ptr<MappedFile> file;
  if (Status status = MappedFile::open(path, file); !status.ok())
    return status;
  auto program = std::make_unique<Program>();
  ArtifactInfo info;
  if (Status status =
          readArtifact(file->data(), static_cast<size_t>(file->size()), readOptions(options), *program, info);
      !status.ok())
    return Status::error(status.code, path + ": " + status.message);
  auto image = std::make_shared<WeightImage>();
  image->data = file->data() + info.weightOffset;
  image->size = info.weightBytes;
  image->file = std::move(file);
  LoadOptions here = options;
  if (here.weightFolder.empty())
    if (size_t slash = path.rfind('/'); slash != std::string::npos)
      here.weightFolder = path.substr(0, std::max<size_t>(slash, 1));
  if (Status status = create(std::move(program), here, std::move(image), model); !status.ok())
    return Status::error(status.code, path + ": " + status.message);
  return {};
}

} // namespace bessemer::runtime
