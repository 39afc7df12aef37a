// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Runtime/Artifact.h"

#include "bessemer/Runtime/CheckProgram.h"
#include "lib/Runtime/ArtifactFormat.h"
#include "lib/Runtime/MappedFile.h"
#include "lib/Runtime/ProgramCodec.h"
#include "lib/Runtime/Weights.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>
#include <new>
#include <vector>

namespace bessemer::runtime {

namespace {

/// Where the bytes go: a file or memory.
class Sink {
public:
  explicit Sink(std::FILE *file) : file(file) {}
  explicit Sink(std::vector<uint8_t> *memory) : memory(memory) {}

  void write(const void *data, size_t bytes) {
    if (memory)
      memory->insert(memory->end(), static_cast<const uint8_t *>(data), static_cast<const uint8_t *>(data) + bytes);
    else if (bytes > 0 && std::fwrite(data, 1, bytes, file) != bytes)
      good = false;
    at += bytes;
  }
  void pad(size_t alignment) {
    static constexpr uint8_t zeros[weightSectionAlignment] = {};
    write(zeros, (alignment - at % alignment) % alignment);
  }
  /// Overwrites the beginning.
  void rewrite(const std::vector<uint8_t> &head) {
    if (memory) {
      std::copy(head.begin(), head.end(), memory->begin());
    } else {
      good =
          good && std::fseek(file, 0, SEEK_SET) == 0 && std::fwrite(head.data(), 1, head.size(), file) == head.size();
    }
  }

  uint64_t at = 0;
  bool good = true;

private:
  std::FILE *file = nullptr;
  std::vector<uint8_t> *memory = nullptr;
};

/// The bytes of weights, from files and from the host.
class WeightSources {
public:
  explicit WeightSources(const WriteOptions &options) : options(options) {}

  std::string pathOf(const Weight &weight) const {
    std::filesystem::path path = weight.file;
    if (path.is_relative() && !options.weightFolder.empty())
      path = std::filesystem::path(options.weightFolder) / path;
    std::error_code ignored;
    std::filesystem::path full = std::filesystem::absolute(path, ignored);
    return (full.empty() ? path : full).lexically_normal().string();
  }

  /// `data` stays null for a weight of the host that is not at hand.
  Status find(const Weight &weight, const uint8_t *&data) {
    data = nullptr;
    int64_t available = 0;
    if (weight.file.starts_with("host:")) {
      auto it = options.hostWeights.find(std::string_view(weight.file).substr(5));
      if (it == options.hostWeights.end())
        return {};
      data = static_cast<const uint8_t *>(it->second.data);
      available = it->second.bytes;
    } else {
      std::shared_ptr<MappedFile> &file = files[pathOf(weight)];
      if (!file)
        if (Status status = MappedFile::open(pathOf(weight), file); !status.ok())
          return Status::error(status.code, "weight '" + weight.name + "': " + status.message);
      data = file->data();
      available = file->size();
    }
    if (weight.offset > available || weight.length > available - weight.offset)
      return Status::error(StatusCode::BadFile,
                           "weight '" + weight.name + "': expected " + std::to_string(weight.length) + " bytes at " +
                               std::to_string(weight.offset) + ", got " + std::to_string(available) + " in all");
    if (data)
      data += weight.offset;
    return {};
  }

  /// Null for a weight of the host.
  const MappedFile *fileOf(const Weight &weight) const {
    auto it = files.find(pathOf(weight));
    return it == files.end() ? nullptr : it->second.get();
  }
  /// Its pages need not stay in memory.
  void forget(const Weight &weight) {
    if (const MappedFile *file = fileOf(weight))
      file->forget(weight.offset, weight.length);
  }

private:
  const WriteOptions &options;
  std::map<std::string, std::shared_ptr<MappedFile>> files;
};

Status write(const Program &original, const WriteOptions &options, Sink &sink) {
  if (Status status = checkProgram(original); !status.ok())
    return Status::error(StatusCode::InvalidArgument, "cannot write the program: " + status.message);
  // All but the code, which goes into a section of its own: the weights change.
  Program program;
  program.target = original.target;
  program.triple = original.triple;
  program.features = original.features;
  program.kernels = original.kernels;
  program.constants = original.constants;
  program.weights = original.weights;
  program.functions = original.functions;
  program.entryGuards = original.entryGuards;
  program.caches = original.caches;
  program.cacheCapacity = original.cacheCapacity;
  program.cacheCopied = original.cacheCopied;
  program.memoryLimit = original.memoryLimit;
  program.flushDenormals = original.flushDenormals;

  WeightSources sources(options);
  std::vector<std::pair<const uint8_t *, int64_t>> pieces; // of the weights section
  std::map<std::tuple<std::string, int64_t, int64_t>, int64_t> placed;
  int64_t weightBytes = 0;
  for (Weight &weight : program.weights) {
    if (weight.derivedFunction >= 0)
      continue;
    if (weight.file.empty())
      return Status::error(StatusCode::InvalidArgument, "weight '" + weight.name + "': expected a source, got none");
    const uint8_t *data = nullptr;
    if (Status status = sources.find(weight, data); !status.ok())
      return status;
    if (data || weight.length == 0)
      weight.rangeHash = weightHash(data, weight.length, sources.fileOf(weight), weight.offset);
    if (!options.selfContained) {
      sources.forget(weight);
      if (!weight.file.starts_with("host:"))
        weight.file = sources.pathOf(weight);
      continue;
    }
    if (!data && weight.length > 0)
      return Status::error(StatusCode::InvalidArgument,
                           "weight '" + weight.name + "': expected its bytes for '" + weight.file + "', got none");
    auto [it, isNew] = placed.try_emplace({weight.file, weight.offset, weight.length}, weightBytes);
    if (isNew) {
      pieces.emplace_back(data, weight.length);
      int64_t align = sectionAlignment;
      weightBytes += (weight.length + align - 1) / align * align;
    }
    weight.file.clear();
    weight.offset = it->second;
  }

  std::vector<uint8_t> cbor, constants;
  if (Status status = encodeProgram(program, cbor, constants); !status.ok())
    return status;
  std::vector<SectionEntry> table;
  size_t count = 3 + (weightBytes > 0) + !original.cubin.empty();
  std::vector<uint8_t> head(headerBytes + count * sectionEntryBytes);
  sink.write(head.data(), head.size());
  auto section = [&](SectionKind kind, const std::vector<uint8_t> &bytes) {
    sink.pad(sectionAlignment);
    SectionHash hash;
    hash.add(bytes.data(), bytes.size());
    table.push_back({static_cast<uint32_t>(kind), 0, sink.at, bytes.size(), hash.value});
    sink.write(bytes.data(), bytes.size());
  };
  section(SectionKind::Program, cbor);
  section(SectionKind::Code, original.code);
  section(SectionKind::Constants, constants);
  if (!original.cubin.empty())
    section(SectionKind::DeviceCode, original.cubin);
  if (weightBytes > 0) {
    sink.pad(weightSectionAlignment);
    table.push_back({static_cast<uint32_t>(SectionKind::Weights), 0, sink.at, static_cast<uint64_t>(weightBytes), 0});
    SectionHash hash;
    std::vector<uint8_t> piece; // of the section, as the hash cuts it
    auto put = [&](const uint8_t *data, size_t bytes) {
      while (bytes > 0) {
        size_t part = std::min(bytes, SectionHash::piece - piece.size());
        piece.insert(piece.end(), data, data + part);
        data += part;
        bytes -= part;
        if (piece.size() == SectionHash::piece) {
          hash.add(piece.data(), piece.size());
          sink.write(piece.data(), piece.size());
          piece.clear();
        }
      }
    };
    static constexpr uint8_t zeros[sectionAlignment] = {};
    for (auto [data, bytes] : pieces) {
      put(data, static_cast<size_t>(bytes));
      put(zeros, (sectionAlignment - static_cast<size_t>(bytes) % sectionAlignment) % sectionAlignment);
    }
    hash.add(piece.data(), piece.size());
    sink.write(piece.data(), piece.size());
    table.back().hash = hash.value;
  }

  ArtifactHeader header{};
  std::memcpy(header.magic, artifactMagic, sizeof(header.magic));
  header.version = artifactVersion;
  header.sections = static_cast<uint32_t>(table.size());
  header.fileSize = sink.at;
  std::strncpy(header.compiler, compilerVersion, sizeof(header.compiler) - 1);
  std::memcpy(head.data(), &header, sizeof(header));
  std::memcpy(head.data() + headerBytes, table.data(), table.size() * sectionEntryBytes);
  header.hash = contentHash(head.data(), head.size());
  std::memcpy(head.data(), &header, sizeof(header));
  sink.rewrite(head);
  return {};
}

} // namespace

Status writeArtifact(const Program &program, const WriteOptions &options, std::vector<uint8_t> &bytes) try {
  bytes.clear();
  Sink sink(&bytes);
  return write(program, options, sink);
} catch (const std::bad_alloc &) {
  return Status::error(StatusCode::OutOfMemory, "no memory to write the artifact");
}

Status writeArtifact(const Program &program, const WriteOptions &options, const std::string &path) try {
  // Written beside the target and moved there: never half an artifact, and a
  // model that is mapped from the old one stays whole.
  std::string part = path + ".part";
  std::FILE *file = std::fopen(part.c_str(), "wb");
  if (!file)
    return Status::error(StatusCode::BadFile, "cannot write '" + part + "': " + std::strerror(errno));
  Sink sink(file);
  Status status = write(program, options, sink);
  bool good = std::fclose(file) == 0 && sink.good;
  if (status.ok() && (!good || std::rename(part.c_str(), path.c_str()) != 0))
    status = Status::error(StatusCode::BadFile, "cannot write '" + path + "': " + std::strerror(errno));
  if (!status.ok())
    std::remove(part.c_str());
  return status;
} catch (const std::bad_alloc &) {
  return Status::error(StatusCode::OutOfMemory, "no memory to write the artifact");
}

} // namespace bessemer::runtime
