// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/Weights.h"

#include "lib/Runtime/Executor.h"
#include "lib/Runtime/Hash.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <unistd.h>

namespace bessemer::runtime {

uint64_t weightHash(const uint8_t *data, int64_t bytes, const MappedFile *file, int64_t offset) {
  constexpr int64_t whole = 16 << 20, edge = 64 << 10, probes = 64, probe = 4 << 10;
  auto add = [&](int64_t at, int64_t count, uint64_t hash) {
    return contentHash(data + at, static_cast<size_t>(count), hash);
  };
  auto hash = static_cast<uint64_t>(bytes);
  if (bytes <= whole) {
    hash = add(0, bytes, hash);
  } else {
    if (file)
      file->readAhead(offset, bytes, false);
    hash = add(0, edge, hash);
    int64_t step = (bytes - 2 * edge) / (probes + 1);
    for (int64_t p = 1; p <= probes; ++p)
      hash = add(edge + p * step, probe, hash);
    hash = add(bytes - edge, edge, hash);
    if (file)
      file->readAhead(offset, bytes, true);
  }
  return hash ? hash : 1;
}

bool decodeVarints(const uint8_t *data, int64_t length, DType dtype, int64_t outBytes, uint8_t *out) {
  int64_t size = std::max<int64_t>(bitWidth(dtype) / 8, 1);
  const uint8_t *end = data + length;
  for (int64_t at = 0; at < outBytes; at += size) {
    uint64_t value = 0;
    int shift = 0;
    do {
      if (data == end || shift > 63)
        return false;
      value |= static_cast<uint64_t>(*data & 0x7f) << shift;
      shift += 7;
    } while (*data++ & 0x80);
    std::memcpy(out + at, &value, static_cast<size_t>(size));
  }
  return data == end;
}

static Status failed(const Weight &weight, const std::string &text, StatusCode code = StatusCode::BadFile) {
  return Status::error(code, "weight '" + weight.name + "': " + text);
}

static int64_t weightBytes(const Weight &weight) {
  return checkedByteSize(static_cast<uint8_t>(weight.dtype), weight.shape.data(), weight.shape.size());
}

int64_t WeightStore::bytes() const {
  int64_t sum = arena.size();
  for (const MemoryBlock &block : blocks)
    sum += block.size();
  return sum;
}

WeightStore::WeightStore(std::shared_ptr<WeightImage> image) : image(std::move(image)) {}
WeightStore::~WeightStore() = default;

Status WeightStore::locate(const Model &model, const Weight &weight, Source &source) {
  constexpr std::string_view host = "host:";
  const LoadOptions &options = model.loadOptions();
  int64_t available = 0;
  if (weight.file.empty()) {
    if (!image)
      return failed(weight, "expected a file, got none");
    source = {image->data, image->file.get(), 0};
    if (source.file)
      source.offset = image->data - image->file->data();
    available = image->size;
  } else if (weight.file.starts_with(host)) {
    auto it = options.hostWeights.find(std::string_view(weight.file).substr(host.size()));
    if (it == options.hostWeights.end())
      return failed(weight, "expected a host weight with key '" + weight.file.substr(host.size()) + "', got none",
                    StatusCode::InvalidArgument);
    source.data = static_cast<const uint8_t *>(it->second.data);
    available = it->second.bytes;
  } else {
    std::string path = weight.file;
    if (path[0] != '/' && !options.weightFolder.empty())
      path = options.weightFolder + "/" + path;
    std::shared_ptr<MappedFile> &file = files[path];
    if (!file) {
      Status status = MappedFile::open(path, file);
      // The model and its artifact may have moved together: the hash tells.
      size_t slash = path.rfind('/');
      if (!status.ok() && weight.file[0] == '/' && !options.weightFolder.empty() &&
          MappedFile::open(options.weightFolder + path.substr(slash), file).ok())
        status = {};
      if (!status.ok())
        return failed(weight, status.message);
    }
    source = {file->data(), file.get(), 0};
    available = file->size();
  }
  if (weight.offset > available || weight.length > available - weight.offset || (weight.length > 0 && !source.data))
    return failed(weight, "expected " + std::to_string(weight.length) + " bytes at " + std::to_string(weight.offset) +
                              " of '" + weight.file + "', got a source of " + std::to_string(available));
  source.data += weight.offset;
  source.offset += weight.offset;
  if (weight.rangeHash != 0 && weightHash(source.data, weight.length, source.file, source.offset) != weight.rangeHash)
    return failed(weight, "the bytes in '" + weight.file + "' are not those that the program was compiled with");
  return {};
}

/// Which weights do only launches read (and copies)?
void WeightStore::findKernelOnly(const Program &program) {
  kernelOnly.assign(program.weights.size(), 1);
  for (const Function &function : program.functions) {
    auto spoil = [&](BufferId id) {
      while (id >= 0 && function.buffers[id].kind == BufferKind::Alias)
        id = function.buffers[id].index;
      if (id >= 0 && function.buffers[id].kind == BufferKind::Weight)
        kernelOnly[function.buffers[id].index] = 0;
    };
    std::function<void(const Block &)> visit = [&](const Block &block) {
      for (const Instruction &instruction : block) {
        if (auto *fallback = std::get_if<Fallback>(&instruction.op)) {
          std::for_each(fallback->inputs.begin(), fallback->inputs.end(), spoil);
        } else if (auto *call = std::get_if<Call>(&instruction.op)) {
          std::for_each(call->arguments.begin(), call->arguments.end(), spoil);
        } else if (auto *bind = std::get_if<BindSymbols>(&instruction.op)) {
          spoil(bind->buffer);
        } else if (auto *branch = std::get_if<If>(&instruction.op)) {
          visit(*branch->thenBlock);
          visit(*branch->elseBlock);
        } else if (auto *loop = std::get_if<Loop>(&instruction.op)) {
          visit(*loop->body);
        }
      }
    };
    visit(function.body);
  }
}

/// Where a file puts a weight is the exporter's choice: behind an odd number of
/// bytes, more often than not. Compiled kernels read it there all the same, as views
/// start anywhere, and the machines that we make code for read any address; a
/// large one is worth more than the cache lines that its rows straddle. C++
/// kernels want whole elements.
bool WeightStore::usableWhereMapped(const Weight &weight, int32_t index, const uint8_t *data) const {
  if (weight.encoding != "raw")
    return false;
  auto address = reinterpret_cast<uintptr_t>(data);
  constexpr int64_t large = 1 << 20;
  size_t element = std::max<size_t>(bitWidth(weight.dtype) / 8, 1);
#if defined(__x86_64__) || defined(__aarch64__)
  if (kernelOnly[index] && weight.length >= large && !weight.temporary)
    return true;
#endif
  // What only feeds a derivation need not start on a cache line.
  size_t align = weight.temporary || weight.length >= large ? element : memoryAlignment;
  return address % align == 0;
}

Status WeightStore::read(const Model &model, int32_t index) {
  const Weight &weight = model.program().weights[index];
  Source source;
  if (Status status = locate(model, weight, source); !status.ok())
    return status;
  int64_t size = weightBytes(weight);
  if (usableWhereMapped(weight, index, source.data)) {
    pointers[index] = const_cast<uint8_t *>(source.data);
    sources[index] = source;
    if (made)
      made->push_back(index);
    return {};
  }
  if (made)
    made->push_back(index);
  blocks[index] = MemoryBlock::make(model.loadOptions().allocator, size);
  if (!blocks[index].data())
    return failed(weight, "no memory for " + std::to_string(size) + " bytes", StatusCode::OutOfMemory);
  auto *out = static_cast<uint8_t *>(blocks[index].data());
  if (weight.encoding == "raw") {
    if (size > 0)
      std::memcpy(out, source.data, static_cast<size_t>(size));
  } else if (!decodeVarints(source.data, weight.length, weight.dtype, size, out)) {
    return failed(weight, "expected " + std::to_string(size) + " bytes as varints");
  }
  if (source.file)
    source.file->forget(source.offset, weight.length);
  pointers[index] = out;
  return {};
}

static int64_t arenaBytes(int64_t bytes) {
  constexpr int64_t align = memoryAlignment;
  return (bytes + align - 1) / align * align;
}

/// Larger weights have huge pages of their own.
static bool belongsInArena(const Weight &weight, int64_t bytes) {
  constexpr int64_t limit = int64_t{4} << 20;
  return !weight.temporary && weight.derivedFunction >= 0 && bytes >= 0 && bytes < limit;
}

void *WeightStore::place(const Model &model, int32_t index, int64_t bytes) {
  if (belongsInArena(model.program().weights[index], bytes) && arenaBytes(bytes) <= arena.size() - arenaUsed) {
    void *memory = static_cast<uint8_t *>(arena.data()) + arenaUsed;
    arenaUsed += arenaBytes(bytes);
    return memory;
  }
  blocks[index] = MemoryBlock::make(model.loadOptions().allocator, bytes);
  return blocks[index].data();
}

Status WeightStore::derive(const std::shared_ptr<const Model> &model, int32_t index, const WeightUnit *unit,
                           void *given) {
  const Program &program = model->program();
  const Weight &weight = program.weights[index];
  const Function &function = program.functions[weight.derivedFunction];
  const PreparedFunction &prepared = *model->prepared().functions[weight.derivedFunction];
  std::vector<void *> inputs, outputs(function.outputs.size(), nullptr);
  std::vector<int64_t> symbols(prepared.symbols.size(), 0);
  std::vector<uint8_t> defined(prepared.symbols.size(), 0);
  for (size_t i = 0; i < weight.derivedFrom.size(); ++i) {
    const Weight &from = program.weights[weight.derivedFrom[i]];
    if (Status status = materialize(model, weight.derivedFrom[i]); !status.ok())
      return status;
    inputs.push_back(pointers[weight.derivedFrom[i]]);
    const Argument &argument = function.inputs[i];
    for (size_t d = 0; d < std::min(argument.dims.size(), from.shape.size()); ++d)
      if (auto name = argument.dims[d].isSymbol()) {
        SymbolId id = prepared.symbolIds.find(*name)->second;
        symbols[id] = from.shape[d];
        defined[id] = 1;
      }
  }
  auto matches = [&](const Weight &have, const Argument &argument, const std::vector<ExprId> &dims) {
    bool same = have.dtype == argument.dtype && have.shape.size() == dims.size();
    for (size_t d = 0; same && d < dims.size(); ++d)
      same = evaluate(prepared.exprs[dims[d]], symbols, defined) == have.shape[d];
    return same;
  };
  for (size_t i = 0; i < inputs.size(); ++i)
    if (!matches(program.weights[weight.derivedFrom[i]], function.inputs[i], prepared.inputDims[i]))
      return failed(weight, "source '" + program.weights[weight.derivedFrom[i]].name + "' is not what function '" +
                                function.name + "' expects");

  // All results of the function that somebody wants come from this one run.
  const std::vector<int32_t> &group = groups[{weight.derivedFunction, weight.derivedFrom}];
  for (size_t m = 0; m < group.size(); ++m) {
    int32_t member = group[m];
    const Weight &result = program.weights[member];
    if (!matches(result, function.outputs[result.derivedResult], prepared.outputDims[result.derivedResult]))
      return failed(result, "its shape is not that of a result of function '" + function.name + "'");
    if (unit) {
      outputs[result.derivedResult] = static_cast<char *>(given) + unit->offsets[m];
      continue;
    }
    if (made)
      made->push_back(member);
    pointers[member] = place(*model, member, weightBytes(result));
    if (!pointers[member])
      return failed(result, "no memory for " + std::to_string(weightBytes(result)) + " bytes", StatusCode::OutOfMemory);
    outputs[result.derivedResult] = pointers[member];
  }
  std::vector<MemoryBlock> unwanted;
  for (size_t o = 0; o < outputs.size(); ++o) {
    if (outputs[o])
      continue;
    std::vector<int64_t> shape;
    for (ExprId dim : prepared.outputDims[o])
      shape.push_back(evaluate(prepared.exprs[dim], symbols, defined).value_or(-1));
    int64_t size = checkedByteSize(static_cast<uint8_t>(function.outputs[o].dtype), shape.data(), shape.size());
    unwanted.push_back(MemoryBlock::make(model->loadOptions().allocator, size));
    outputs[o] = unwanted.back().data();
    if (!outputs[o])
      return failed(weight, "no memory for results of function '" + function.name + "'", StatusCode::OutOfMemory);
  }
  symbols.resize(prepared.boundSymbols);
  if (!std::all_of(defined.begin(), defined.begin() + prepared.boundSymbols, [](uint8_t d) { return d; }))
    return failed(weight, "expected the shapes of its sources to give all symbols of function '" + function.name + "'");
  std::unique_ptr<Executor> once;
  if (!made)
    once = std::make_unique<Executor>(model, /*limited=*/false);
  else if (!producer)
    producer = std::make_unique<Executor>(model, /*limited=*/false);
  Executor &executor = made ? *producer : *once;
  if (Status status = executor.runFunction(weight.derivedFunction, inputs, outputs, symbols); !status.ok())
    return failed(weight, status.message, status.code);
  if (made)
    return {};
  for (int32_t from : weight.derivedFrom)
    users[from] -= static_cast<int32_t>(group.size());
  for (int32_t from : weight.derivedFrom)
    drop(program, from);
  return {};
}

void WeightStore::drop(const Program &program, int32_t index) {
  const Weight &weight = program.weights[index];
  if (!weight.temporary || users[index] > 0 || !pointers[index])
    return;
  pointers[index] = nullptr;
  blocks[index].reset();
  // Its mapped pages need not stay either; the file is still there.
  if (sources[index].file)
    sources[index].file->forget(sources[index].offset, weight.length);
}

Status WeightStore::materialize(const std::shared_ptr<const Model> &model, int32_t index) {
  if (pointers[index])
    return {};
  const auto *cancel = model->loadOptions().cancel;
  if (cancel && cancel->load(std::memory_order_relaxed))
    return Status::error(StatusCode::Cancelled, "loading was cancelled");
  if (model->program().weights[index].derivedFunction >= 0)
    return derive(model, index, nullptr, nullptr);
  return read(*model, index);
}

/// Groups what a context may load by itself. Weights that can be used where they
/// are mapped cost no memory of ours, and small ones are not worth the trouble.
Status WeightStore::findUnits(const Model &model) {
  constexpr int64_t smallest = 64 << 10;
  const std::vector<Weight> &weights = model.program().weights;
  unitNumbers.assign(weights.size(), -1);
  for (size_t w = 0; w < weights.size(); ++w) {
    if (weights[w].temporary || unitNumbers[w] >= 0)
      continue;
    WeightUnit unit;
    unit.members = {static_cast<int32_t>(w)};
    if (weights[w].derivedFunction >= 0) {
      unit.members = groups[{weights[w].derivedFunction, weights[w].derivedFrom}];
      // A result that only makes other weights is made with the rest.
    } else {
      Source source;
      if (Status status = locate(model, weights[w], source); !status.ok())
        return status;
      if (usableWhereMapped(weights[w], static_cast<int32_t>(w), source.data))
        continue;
    }
    bool known = true;
    for (int32_t member : unit.members) {
      constexpr int64_t align = memoryAlignment;
      unit.bytes = (unit.bytes + align - 1) / align * align;
      unit.offsets.push_back(unit.bytes);
      int64_t bytes = weightBytes(weights[member]);
      known &= bytes >= 0 && !__builtin_add_overflow(unit.bytes, bytes, &unit.bytes);
    }
    if (!known || unit.bytes < smallest)
      continue;
    for (int32_t member : unit.members)
      unitNumbers[member] = static_cast<int32_t>(unitList.size());
    unitList.push_back(std::move(unit));
  }
  return {};
}

Status WeightStore::produce(const Model &model, int32_t number, void *memory) {
  std::lock_guard<std::mutex> lock(producing);
  const WeightUnit &unit = unitList[number];
  // Not an owner: the model owns us, and the executor that we keep.
  std::shared_ptr<const Model> unowned(std::shared_ptr<void>(), &model);
  std::vector<int32_t> touched;
  made = &touched;
  int32_t first = unit.members.front();
  Status status;
  if (model.program().weights[first].derivedFunction >= 0) {
    status = derive(unowned, first, &unit, memory);
  } else {
    const Weight &weight = model.program().weights[first];
    Source source;
    status = locate(model, weight, source);
    if (status.ok() && weight.encoding == "raw")
      std::memcpy(memory, source.data, static_cast<size_t>(unit.bytes));
    else if (status.ok() &&
             !decodeVarints(source.data, weight.length, weight.dtype, unit.bytes, static_cast<uint8_t *>(memory)))
      status = failed(weight, "expected " + std::to_string(unit.bytes) + " bytes as varints");
    if (status.ok() && source.file)
      source.file->forget(source.offset, weight.length);
  }
  made = nullptr;
  for (int32_t index : touched) {
    const Weight &weight = model.program().weights[index];
    if (sources[index].file)
      sources[index].file->forget(sources[index].offset, weight.length);
    // One that is used where it is mapped stays where it is.
    if (blocks[index].data() || weight.temporary || unitNumbers[index] >= 0) {
      pointers[index] = nullptr;
      blocks[index].reset();
      sources[index] = {};
    }
  }
  return status;
}

void WeightStore::forgetMapped(const Program &program) const {
  constexpr int64_t worthwhile = 1 << 20;
  for (size_t w = 0; w < sources.size(); ++w)
    if (sources[w].file && pointers[w] && program.weights[w].length >= worthwhile)
      sources[w].file->forget(sources[w].offset, program.weights[w].length);
}

/// Weights that are used where they are mapped come in now, not page by page in the first
/// run; not what would fill a good part of the machine's memory.
void WeightStore::populateMapped(const Program &program) const {
  int64_t all = 0;
  for (size_t w = 0; w < sources.size(); ++w)
    all += sources[w].file && pointers[w] ? program.weights[w].length : 0;
  if (all > int64_t{sysconf(_SC_PHYS_PAGES)} / 8 * sysconf(_SC_PAGESIZE))
    return;
  for (size_t w = 0; w < sources.size(); ++w)
    if (sources[w].file && pointers[w])
      sources[w].file->populate(sources[w].offset, program.weights[w].length);
}

Status WeightStore::load(const std::shared_ptr<const Model> &model) {
  const std::vector<Weight> &weights = model->program().weights;
  pointers.assign(weights.size(), nullptr);
  blocks.resize(weights.size());
  sources.assign(weights.size(), {});
  users.assign(weights.size(), 0);
  for (size_t w = 0; w < weights.size(); ++w) {
    if (weights[w].derivedFunction < 0)
      continue;
    groups[{weights[w].derivedFunction, weights[w].derivedFrom}].push_back(static_cast<int32_t>(w));
    for (int32_t from : weights[w].derivedFrom)
      ++users[from];
  }
  for (const auto &[key, members] : groups) {
    std::vector<uint8_t> taken(model->program().functions[key.first].outputs.size(), 0);
    for (int32_t member : members)
      if (taken[weights[member].derivedResult]++)
        return failed(weights[member], "expected one weight for each result of a derivation");
  }
  findKernelOnly(model->program());
  if (model->memoryLimit() > 0) {
    if (Status status = findUnits(*model); !status.ok())
      return status;
  } else {
    int64_t together = 0;
    for (const Weight &weight : weights)
      if (int64_t bytes = weightBytes(weight); belongsInArena(weight, bytes))
        together += arenaBytes(bytes);
    if (together > 0)
      arena = MemoryBlock::make(model->loadOptions().allocator, together); // else each for itself
  }
  for (size_t w = 0; w < weights.size(); ++w) {
    if (weights[w].temporary || unitOf(static_cast<int32_t>(w)) >= 0)
      continue;
    if (Status status = materialize(model, static_cast<int32_t>(w)); !status.ok())
      return status;
  }
  // What only temporaries left behind: a function may give one nobody reads.
  for (size_t w = 0; w < weights.size(); ++w)
    if (weights[w].temporary) {
      pointers[w] = nullptr;
      blocks[w].reset();
    }
  if (unitList.empty())
    groups.clear();
  if (model->memoryLimit() == 0)
    populateMapped(model->program());
  return {};
}

} // namespace bessemer::runtime
