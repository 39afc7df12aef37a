// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The CUDA driver, opened when a program for a GPU is loaded. Its few functions
// are declared here as the driver's manual has them ("CUDA Driver API"): neither its
// header nor its library is needed to build.
#include "bessemer/Runtime/Device.h"
#include "bessemer/Runtime/Program.h"

#include <algorithm>
#include <dlfcn.h>
#include <map>
#include <mutex>
#include <unordered_map>

namespace bessemer::runtime {

namespace {

using Result = int;
using DeviceNumber = int;
using ContextHandle = void *;
using ModuleHandle = void *;
using FunctionHandle = void *;
using StreamHandle = void *;
using GraphHandle = void *;
using ExecutableHandle = void *;
using EventHandle = void *;

/// Functions of the driver, by the names that its library exports.
/// CUlaunchAttribute: a number of the driver's and a value of 64 bytes, aligned as a pointer.
struct alignas(8) LaunchAttribute {
  alignas(8) int id;
  alignas(8) int value[16];
};
constexpr int programmaticStreamSerialization = 6;
/// CUlaunchConfig.
struct LaunchConfig {
  unsigned gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes;
  StreamHandle stream;
  LaunchAttribute *attributes;
  unsigned attributeCount;
};

struct Driver {
  void *library = nullptr;
  Result (*init)(unsigned) = nullptr;
  Result (*getErrorString)(Result, const char **) = nullptr;
  Result (*deviceGetCount)(int *) = nullptr;
  Result (*deviceGet)(DeviceNumber *, int) = nullptr;
  Result (*deviceGetName)(char *, int, DeviceNumber) = nullptr;
  Result (*deviceGetAttribute)(int *, int, DeviceNumber) = nullptr;
  Result (*primaryContextRetain)(ContextHandle *, DeviceNumber) = nullptr;
  Result (*primaryContextRelease)(DeviceNumber) = nullptr;
  Result (*contextSetCurrent)(ContextHandle) = nullptr;
  Result (*moduleLoadData)(ModuleHandle *, const void *) = nullptr;
  Result (*moduleUnload)(ModuleHandle) = nullptr;
  Result (*moduleGetFunction)(FunctionHandle *, ModuleHandle, const char *) = nullptr;
  Result (*functionSetAttribute)(FunctionHandle, int, int) = nullptr;
  Result (*memoryAllocate)(DeviceAddress *, size_t) = nullptr;
  Result (*memoryFree)(DeviceAddress) = nullptr;
  Result (*copyIn)(DeviceAddress, const void *, size_t, StreamHandle) = nullptr;
  Result (*copyOut)(void *, DeviceAddress, size_t, StreamHandle) = nullptr;
  Result (*copy)(DeviceAddress, DeviceAddress, size_t, StreamHandle) = nullptr;
  Result (*fill)(DeviceAddress, unsigned char, size_t, StreamHandle) = nullptr;
  Result (*hostAllocate)(void **, size_t) = nullptr;
  Result (*hostFree)(void *) = nullptr;
  Result (*streamCreate)(StreamHandle *, unsigned) = nullptr;
  Result (*streamDestroy)(StreamHandle) = nullptr;
  Result (*streamSynchronize)(StreamHandle) = nullptr;
  Result (*launchKernel)(FunctionHandle, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                         StreamHandle, void **, void **) = nullptr;
  Result (*eventCreate)(EventHandle *, unsigned) = nullptr;
  Result (*eventDestroy)(EventHandle) = nullptr;
  Result (*eventRecord)(EventHandle, StreamHandle) = nullptr;
  Result (*eventSynchronize)(EventHandle) = nullptr;
  Result (*eventElapsedTime)(float *, EventHandle, EventHandle) = nullptr;
  /// Graphs; null with drivers before 11.4.
  Result (*beginCapture)(StreamHandle, int) = nullptr;
  Result (*endCapture)(StreamHandle, GraphHandle *) = nullptr;
  Result (*graphInstantiate)(ExecutableHandle *, GraphHandle, unsigned long long) = nullptr;
  Result (*graphDestroy)(GraphHandle) = nullptr;
  Result (*graphLaunch)(ExecutableHandle, StreamHandle) = nullptr;
  Result (*executableDestroy)(ExecutableHandle) = nullptr;
  /// The same with attributes, from 11.8 on; null: kernels start when the one before is done.
  Result (*launchKernelEx)(const LaunchConfig *, FunctionHandle, void **, void **) = nullptr;
  /// Of drivers from 12.0 on; asked for when a kernel needs it.
  Result (*encodeTiled)(void *, int, unsigned, void *, const uint64_t *, const uint64_t *, const unsigned *,
                        const unsigned *, int, int, int, int) = nullptr;

  ~Driver() {
    if (library)
      dlclose(library);
  }

  Status open(const std::string &path) {
    library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      const char *why = dlerror();
      return Status::error(StatusCode::Unsupported, "expected an NVIDIA driver, got none (" +
                                                        std::string(why ? why : path) +
                                                        "); without a GPU, run with --emulate");
    }
    std::string missing;
    auto find = [&](auto &function, const char *symbol) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, symbol));
      if (!function)
        missing += (missing.empty() ? "" : ", ") + std::string(symbol);
    };
    find(init, "cuInit");
    find(getErrorString, "cuGetErrorString");
    find(deviceGetCount, "cuDeviceGetCount");
    find(deviceGet, "cuDeviceGet");
    find(deviceGetName, "cuDeviceGetName");
    find(deviceGetAttribute, "cuDeviceGetAttribute");
    find(primaryContextRetain, "cuDevicePrimaryCtxRetain");
    find(primaryContextRelease, "cuDevicePrimaryCtxRelease_v2");
    find(contextSetCurrent, "cuCtxSetCurrent");
    find(moduleLoadData, "cuModuleLoadData");
    find(moduleUnload, "cuModuleUnload");
    find(moduleGetFunction, "cuModuleGetFunction");
    find(functionSetAttribute, "cuFuncSetAttribute");
    find(memoryAllocate, "cuMemAlloc_v2");
    find(memoryFree, "cuMemFree_v2");
    find(copyIn, "cuMemcpyHtoDAsync_v2");
    find(copyOut, "cuMemcpyDtoHAsync_v2");
    find(copy, "cuMemcpyDtoDAsync_v2");
    find(fill, "cuMemsetD8Async");
    find(hostAllocate, "cuMemAllocHost_v2");
    find(hostFree, "cuMemFreeHost");
    find(streamCreate, "cuStreamCreate");
    find(streamDestroy, "cuStreamDestroy_v2");
    find(streamSynchronize, "cuStreamSynchronize");
    find(launchKernel, "cuLaunchKernel");
    find(eventCreate, "cuEventCreate");
    find(eventDestroy, "cuEventDestroy_v2");
    find(eventRecord, "cuEventRecord");
    find(eventSynchronize, "cuEventSynchronize");
    find(eventElapsedTime, "cuEventElapsedTime");
    auto findOptional = [&](auto &function, const char *symbol) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, symbol));
    };
    findOptional(launchKernelEx, "cuLaunchKernelEx");
    findOptional(beginCapture, "cuStreamBeginCapture_v2");
    findOptional(endCapture, "cuStreamEndCapture");
    findOptional(graphInstantiate, "cuGraphInstantiateWithFlags");
    findOptional(graphDestroy, "cuGraphDestroy");
    findOptional(graphLaunch, "cuGraphLaunch");
    findOptional(executableDestroy, "cuGraphExecDestroy");
    findOptional(encodeTiled, "cuTensorMapEncodeTiled");
    return missing.empty() ? Status()
                           : Status::error(StatusCode::Unsupported,
                                           "expected a driver with " + missing + " in '" + path + "', got one without");
  }

  Status check(Result result, const std::string &what) const {
    if (result == 0)
      return {};
    const char *text = nullptr;
    if (getErrorString(result, &text) != 0 || !text)
      text = "an unknown error";
    constexpr Result outOfMemory = 2;
    return Status::error(result == outOfMemory ? StatusCode::OutOfMemory : StatusCode::Failed,
                         what + ": " + text + " (CUDA error " + std::to_string(result) + ")");
  }
};

// Numbers of the driver's enumerations.
constexpr int attributeMultiprocessors = 16, attributeMajor = 75, attributeMinor = 76;
constexpr int functionMaxDynamicShared = 8;
constexpr unsigned streamNonBlocking = 1;
const StreamHandle legacyStream = reinterpret_cast<StreamHandle>(1); // CU_STREAM_LEGACY
constexpr int captureThreadLocal = 1; ///< other threads may go on with calls that a capture forbids
constexpr int64_t sharedWithoutAsking = 48 << 10;
/// What 25 to 50 GB/s of a PCIe bus take 80 to 160 us for.
constexpr size_t occupyBytes = 4 << 20;

/// CUtensorMap.
struct alignas(64) EncodedMap {
  uint64_t words[16];
};

Status encode(const Driver &driver, const TensorMap &map, EncodedMap &encoded) {
  // The driver's numbers: types by their size alone, as zeros are zeros in all; the swizzles; no interleaving; the
  // L2 cache reads 128 bytes at a time; zeros outside.
  constexpr int typeOfBytes[] = {-1, 0, 1, -1, 2, -1, -1, -1, 4}, noInterleave = 0, promote128 = 2, fillZero = 0;
  int swizzle = map.swizzleBytes == 128 ? 3 : map.swizzleBytes == 64 ? 2 : map.swizzleBytes == 32 ? 1 : 0;
  constexpr unsigned everyElement[] = {1, 1, 1, 1, 1};
  if (!driver.encodeTiled)
    return Status::error(StatusCode::Unsupported,
                         "expected a driver with cuTensorMapEncodeTiled (CUDA 12.0), got one without");
  return driver.check(driver.encodeTiled(&encoded, typeOfBytes[map.elementBytes], map.rank,
                                         reinterpret_cast<void *>(map.address), map.sizes.data(), map.strides.data(),
                                         map.box.data(), everyElement, noInterleave, swizzle, promote128, fillZero),
                      "cuTensorMapEncodeTiled");
}

class CudaDevice;

class CudaStream : public DeviceStream {
public:
  CudaStream(CudaDevice &device, StreamHandle handle) : device(device), handle(handle) {}
  ~CudaStream() override;
  Status copyIn(DeviceAddress to, const void *from, int64_t bytes) override;
  Status copyOut(void *to, DeviceAddress from, int64_t bytes) override;
  Status copy(DeviceAddress to, DeviceAddress from, int64_t bytes) override;
  Status fill(DeviceAddress to, uint8_t value, int64_t bytes) override;
  Status launch(const DeviceLaunch &launch) override;
  Status beginRecording() override;
  Status endRecording(std::unique_ptr<DeviceGraph> &graph) override;
  Status replay(DeviceGraph &graph, std::span<const int64_t> sizes) override;
  Status wait() override;
  Status waitForCaller() override;
  Status occupy() override;
  Status recordEvent(std::unique_ptr<DeviceEvent> &event) override;
  Status secondsBetween(DeviceEvent &from, DeviceEvent &to, double &seconds) override;

private:
  CudaDevice &device;
  StreamHandle handle;
  // Of `occupy`, from the first time on.
  DeviceAddress occupyFrom = 0;
  void *occupyTo = nullptr;
};

class CudaEvent : public DeviceEvent {
public:
  CudaEvent(CudaDevice &device, EventHandle handle) : device(device), handle(handle) {}
  ~CudaEvent() override;
  CudaDevice &device;
  EventHandle handle;
};

class CudaGraph : public DeviceGraph {
public:
  CudaGraph(CudaDevice &device, ExecutableHandle handle) : device(device), handle(handle) {}
  ~CudaGraph() override;
  CudaDevice &device;
  ExecutableHandle handle;
};

class CudaDevice : public Device {
public:
  ~CudaDevice() override {
    if (!context)
      return;
    (void)enter();
    freeSpares();
    if (code)
      (void)driver.moduleUnload(code);
    (void)driver.primaryContextRelease(number);
  }

  Status open(const std::string &path) {
    if (Status status = driver.open(path); !status.ok())
      return status;
    int count = 0;
    if (Status status = driver.check(driver.init(0), "cuInit"); !status.ok())
      return status;
    if (Status status = driver.check(driver.deviceGetCount(&count), "cuDeviceGetCount"); !status.ok())
      return status;
    if (count == 0)
      return Status::error(StatusCode::Unsupported, "expected an NVIDIA GPU, got none; run with --emulate");
    char text[256] = {};
    for (Status status : {driver.check(driver.deviceGet(&number, 0), "cuDeviceGet"),
                          driver.check(driver.deviceGetName(text, sizeof(text) - 1, number), "cuDeviceGetName"),
                          attribute(attributeMultiprocessors, multiprocessors), attribute(attributeMajor, major),
                          attribute(attributeMinor, minor),
                          driver.check(driver.primaryContextRetain(&context, number), "cuDevicePrimaryCtxRetain")})
      if (!status.ok())
        return status;
    title = text;
    return {};
  }

  std::string name() const override { return title; }
  int64_t blocksAtOnce() const override { return int64_t{4} * multiprocessors; }

  Status load(const Program &program) override {
    if (Status status = enter(); !status.ok())
      return status;
    kernels = &program.kernels;
    if (program.kernels.empty())
      return {};
    // The driver assembles PTX itself, also for a GPU that the cubin is not for.
    Result result = 1;
    std::string ptx(program.code.begin(), program.code.end()); // ends with a zero
    if (!program.cubin.empty() && program.target.ends_with(architecture()))
      result = driver.moduleLoadData(&code, program.cubin.data());
    if (result != 0)
      result = driver.moduleLoadData(&code, ptx.c_str());
    if (Status status =
            driver.check(result, "the kernels for " + program.target + " on " + title + " (" + architecture() + ")");
        !status.ok())
      return status;
    for (const Kernel &kernel : program.kernels) {
      FunctionHandle function = nullptr;
      if (Status status = driver.check(driver.moduleGetFunction(&function, code, kernel.symbol.c_str()), kernel.symbol);
          !status.ok())
        return status;
      if (kernel.sharedBytes > sharedWithoutAsking)
        if (Status status = driver.check(
                driver.functionSetAttribute(function, functionMaxDynamicShared, static_cast<int>(kernel.sharedBytes)),
                kernel.symbol);
            !status.ok())
          return status;
      functions.push_back(function);
    }
    return {};
  }

  Status allocate(std::string_view what, int64_t bytes, DeviceAddress &address) override {
    if (Status status = enter(); !status.ok())
      return status;
    bytes = std::max<int64_t>(bytes, 1);
    if (takeSpare(bytes, address)) {
      // Whoever gave it back may have asked a stream for work on it that is not done.
      return driver.check(driver.streamSynchronize(legacyStream), "what the legacy default stream waits for");
    }
    Result result = driver.memoryAllocate(&address, static_cast<size_t>(bytes));
    if (result != 0) {
      freeSpares();
      result = driver.memoryAllocate(&address, static_cast<size_t>(bytes));
    }
    if (Status status =
            driver.check(result, std::to_string(bytes) + " bytes of device memory for '" + std::string(what) + "'");
        !status.ok())
      return status;
    std::lock_guard lock(mutex);
    sizes.emplace(address, bytes);
    return {};
  }
  void release(DeviceAddress address) override {
    {
      std::lock_guard lock(mutex);
      auto size = sizes.find(address);
      if (size != sizes.end() && spareBytes + size->second <= mostSpareBytes) {
        spareBytes += size->second;
        spare.emplace(size->second, address);
        return;
      }
      sizes.erase(address);
    }
    if (enter().ok())
      (void)driver.memoryFree(address);
  }
  Status makeStream(std::unique_ptr<DeviceStream> &stream) override {
    StreamHandle handle = nullptr;
    if (Status status = enter(); !status.ok())
      return status;
    if (Status status = driver.check(driver.streamCreate(&handle, streamNonBlocking), "cuStreamCreate"); !status.ok())
      return status;
    stream = std::make_unique<CudaStream>(*this, handle);
    return {};
  }

  /// The context belongs to a thread; each call sets it.
  Status enter() { return driver.check(driver.contextSetCurrent(context), "cuCtxSetCurrent"); }
  std::string architecture() const {
    return "sm_" + std::to_string(major) + std::to_string(minor) + (major >= 9 ? "a" : "");
  }

  Driver driver;
  const std::vector<Kernel> *kernels = nullptr;
  std::vector<FunctionHandle> functions;

private:
  bool takeSpare(int64_t bytes, DeviceAddress &address) {
    std::lock_guard lock(mutex);
    auto found = spare.find(bytes);
    if (found == spare.end())
      return false;
    address = found->second;
    spareBytes -= bytes;
    spare.erase(found);
    return true;
  }
  void freeSpares() {
    std::lock_guard lock(mutex);
    for (const auto &[bytes, address] : spare) {
      (void)driver.memoryFree(address);
      sizes.erase(address);
    }
    spare.clear();
    spareBytes = 0;
  }
  Status attribute(int which, int &value) {
    return driver.check(driver.deviceGetAttribute(&value, which, number), "cuDeviceGetAttribute");
  }

  std::string title;
  DeviceNumber number = 0;
  int multiprocessors = 1, major = 0, minor = 0;
  ContextHandle context = nullptr;
  ModuleHandle code = nullptr;

  // Memory that was given back, by its size: the results of a run are as large as those of the run before, and
  // cuMemAlloc and cuMemFree take longer than a small model.
  static constexpr int64_t mostSpareBytes = int64_t{256} << 20;
  std::mutex mutex;
  std::unordered_map<DeviceAddress, int64_t> sizes;
  std::multimap<int64_t, DeviceAddress> spare;
  int64_t spareBytes = 0;
};

CudaStream::~CudaStream() {
  if (!device.enter().ok())
    return;
  if (occupyTo) {
    (void)device.driver.streamSynchronize(handle);
    (void)device.driver.hostFree(occupyTo);
  }
  if (occupyFrom)
    (void)device.driver.memoryFree(occupyFrom);
  (void)device.driver.streamDestroy(handle);
}

Status CudaStream::copyIn(DeviceAddress to, const void *from, int64_t bytes) {
  if (Status status = device.enter(); !status.ok())
    return status;
  // Of memory that is not pinned the driver takes a copy before it returns.
  return device.driver.check(device.driver.copyIn(to, from, static_cast<size_t>(bytes), handle), "copy to the device");
}

Status CudaStream::copyOut(void *to, DeviceAddress from, int64_t bytes) {
  if (Status status = device.enter(); !status.ok())
    return status;
  if (Status status = device.driver.check(device.driver.copyOut(to, from, static_cast<size_t>(bytes), handle),
                                          "copy from the device");
      !status.ok())
    return status;
  return wait();
}

Status CudaStream::copy(DeviceAddress to, DeviceAddress from, int64_t bytes) {
  if (Status status = device.enter(); !status.ok())
    return status;
  return device.driver.check(device.driver.copy(to, from, static_cast<size_t>(bytes), handle), "copy on the device");
}

Status CudaStream::fill(DeviceAddress to, uint8_t value, int64_t bytes) {
  if (Status status = device.enter(); !status.ok())
    return status;
  return device.driver.check(device.driver.fill(to, value, static_cast<size_t>(bytes), handle), "cuMemsetD8Async");
}

Status CudaStream::launch(const DeviceLaunch &launch) {
  if (Status status = device.enter(); !status.ok())
    return status;
  const Kernel &kernel = (*device.kernels)[launch.kernel];
  std::vector<uint64_t> words;
  addDeviceParameters(launch, kernel, words);
  std::vector<void *> pointers;
  for (uint64_t &word : words)
    pointers.push_back(&word);
  std::vector<TensorMap> maps;
  if (Status status = makeTensorMaps(launch, kernel, maps); !status.ok())
    return status;
  // The driver copies parameters before it returns.
  std::vector<EncodedMap> encoded(maps.size());
  for (size_t i = 0; i < maps.size(); ++i) {
    if (Status status = encode(device.driver, maps[i], encoded[i]); !status.ok())
      return status;
    pointers.push_back(&encoded[i]);
  }
  LaunchAttribute early{programmaticStreamSerialization, {}};
  early.value[0] = 1;
  LaunchConfig config{static_cast<unsigned>(launch.blocks),
                      1,
                      1,
                      static_cast<unsigned>(kernel.threads),
                      1,
                      1,
                      static_cast<unsigned>(kernel.sharedBytes),
                      handle,
                      &early,
                      1};
  FunctionHandle function = device.functions[launch.kernel];
  Result result = kernel.startsEarly && device.driver.launchKernelEx
                      ? device.driver.launchKernelEx(&config, function, pointers.data(), nullptr)
                      : device.driver.launchKernel(function, config.gridX, 1, 1, config.blockX, 1, 1,
                                                   config.sharedBytes, handle, pointers.data(), nullptr);
  return device.driver.check(result, "launch of " + kernel.symbol);
}

CudaGraph::~CudaGraph() {
  if (device.enter().ok())
    (void)device.driver.executableDestroy(handle);
}

CudaEvent::~CudaEvent() {
  if (device.enter().ok())
    (void)device.driver.eventDestroy(handle);
}

/// A copy to pinned memory: a kernel would have to be compiled, and a fill leaves lines of the cache to be written
/// back.
Status CudaStream::occupy() {
  const Driver &driver = device.driver;
  if (Status status = device.enter(); !status.ok())
    return status;
  if (!occupyFrom)
    if (Status status = driver.check(driver.memoryAllocate(&occupyFrom, occupyBytes), "cuMemAlloc"); !status.ok())
      return status;
  if (!occupyTo)
    if (Status status = driver.check(driver.hostAllocate(&occupyTo, occupyBytes), "cuMemAllocHost"); !status.ok())
      return status;
  return driver.check(driver.copyOut(occupyTo, occupyFrom, occupyBytes, handle), "copy from the device");
}

Status CudaStream::recordEvent(std::unique_ptr<DeviceEvent> &event) {
  if (Status status = device.enter(); !status.ok())
    return status;
  if (!event) {
    EventHandle made = nullptr;
    if (Status status = device.driver.check(device.driver.eventCreate(&made, 0), "cuEventCreate"); !status.ok())
      return status;
    event = std::make_unique<CudaEvent>(device, made);
  }
  return device.driver.check(device.driver.eventRecord(static_cast<CudaEvent &>(*event).handle, handle),
                             "cuEventRecord");
}

Status CudaStream::secondsBetween(DeviceEvent &from, DeviceEvent &to, double &seconds) {
  const Driver &driver = device.driver;
  float milliseconds = 0;
  if (Status status = device.enter(); !status.ok())
    return status;
  EventHandle first = static_cast<CudaEvent &>(from).handle, last = static_cast<CudaEvent &>(to).handle;
  if (Status status = driver.check(driver.eventSynchronize(last), "a kernel"); !status.ok())
    return status;
  Status status = driver.check(driver.eventElapsedTime(&milliseconds, first, last), "cuEventElapsedTime");
  seconds = static_cast<double>(milliseconds) / 1e3;
  return status;
}

Status CudaStream::beginRecording() {
  const Driver &driver = device.driver;
  if (!driver.beginCapture || !driver.endCapture || !driver.graphInstantiate || !driver.graphDestroy ||
      !driver.graphLaunch || !driver.executableDestroy)
    return Status::error(StatusCode::Unsupported, "expected a driver with graphs (CUDA 11.4), got one without");
  if (Status status = device.enter(); !status.ok())
    return status;
  return driver.check(driver.beginCapture(handle, captureThreadLocal), "cuStreamBeginCapture");
}

Status CudaStream::endRecording(std::unique_ptr<DeviceGraph> &graph) {
  const Driver &driver = device.driver;
  GraphHandle captured = nullptr;
  ExecutableHandle executable = nullptr;
  if (Status status = device.enter(); !status.ok())
    return status;
  if (Status status = driver.check(driver.endCapture(handle, &captured), "cuStreamEndCapture"); !status.ok())
    return status;
  Status status = driver.check(driver.graphInstantiate(&executable, captured, 0), "cuGraphInstantiate");
  (void)driver.graphDestroy(captured);
  if (status.ok())
    graph = std::make_unique<CudaGraph>(device, executable);
  return status;
}

Status CudaStream::replay(DeviceGraph &graph, std::span<const int64_t>) {
  if (Status status = device.enter(); !status.ok())
    return status;
  return device.driver.check(device.driver.graphLaunch(static_cast<CudaGraph &>(graph).handle, handle),
                             "cuGraphLaunch");
}

Status CudaStream::wait() {
  if (Status status = device.enter(); !status.ok())
    return status;
  return device.driver.check(device.driver.streamSynchronize(handle), "a kernel");
}

Status CudaStream::waitForCaller() {
  if (Status status = device.enter(); !status.ok())
    return status;
  return device.driver.check(device.driver.streamSynchronize(legacyStream), "what the legacy default stream waits for");
}

} // namespace

Status openCudaDevice(std::shared_ptr<Device> &device, const std::string &library) {
  auto made = std::make_shared<CudaDevice>();
  if (Status status = made->open(library.empty() ? "libcuda.so.1" : library); !status.ok())
    return status;
  device = std::move(made);
  return {};
}

} // namespace bessemer::runtime
