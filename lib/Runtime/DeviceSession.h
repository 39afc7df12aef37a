// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Host memory and what stands for it on a device. The executor works with host
// addresses throughout; a range of host memory that it uses (arena, input, output,
// weight, pooled block) is *mapped* to a range on the device, and for each stretch
// of it there is a note where its bytes are: on the host, on the device, both, or
// nowhere yet. A launch asks for its operands on the device, an instruction that
// runs on the host for its own on the host; what is not there is copied, once.
//
//   arena  host 0x7f00.. 4 KiB  <->  device 0x5000..
//     [0, 1024)     device     written by a launch
//     [1024, 2048)  both       written by a launch, then read by a reference kernel
//     [2048, 4096)  nowhere
//
// Of a program without reference kernels only inputs and outputs are ever copied.
#pragma once

#include "lib/Runtime/DeviceQueue.h"

#include <map>
#include <vector>

namespace bessemer::runtime {

struct Step;
class Model;

/// A range of host memory and its place on the device.
struct MappedRange {
  const char *host = nullptr;
  int64_t bytes = 0;
  DeviceAddress address = 0;
  int64_t capacity = 0;             ///< bytes at `address`; 0: they are the caller's
  std::map<int64_t, uint8_t> where; ///< by the offset at which a stretch begins
};

/// Weights and constants of a model: on the device, never written.
class DeviceImage {
public:
  explicit DeviceImage(std::shared_ptr<Device> device) : device(std::move(device)) {}
  ~DeviceImage();
  Status add(std::string_view name, const void *host, int64_t bytes);
  const MappedRange *find(const void *host, int64_t bytes) const;

private:
  std::shared_ptr<Device> device;
  std::unique_ptr<DeviceStream> stream;
  std::map<const char *, MappedRange> ranges;
};

/// The device side of one executor.
class DeviceSession {
public:
  DeviceSession(std::shared_ptr<Device> device, const DeviceImage &image, const std::vector<Kernel> &kernels);
  ~DeviceSession();

  struct Edge {
    void *host = nullptr;
    int64_t bytes = 0;
    bool isInput = false;
    std::string_view name;
    DeviceAddress address = 0; ///< the caller's memory on the device, that `host` stands for; 0: none
  };
  /// A run begins: these are its inputs and outputs (they may overlap); all else is nowhere.
  Status begin(std::span<const Edge> edges);
  /// It ends: outputs are on the host, or in the caller's memory on the device. Gives the fault that a kernel has
  /// found, if any: the launch and its number.
  Status end(std::span<const Edge> edges);
  struct Fault {
    const Step *step = nullptr;
    int64_t number = 0;
  };
  Status takeFault(Fault &fault);
  /// Whether all that the run has asked for is one list that waits to go out: then the same run is `repeat`.
  bool isOnePass() const { return queue.hasList() && queue.requests() == requestsAtBegin; }
  /// The last run once more, with what its tensors hold now; `done` false: it cannot be, and nothing was
  /// launched. Then come takeFault and `end`.
  Status repeat(bool &done);
  /// takeFault must come before the next launch.
  bool faultsAreFull() const;

  /// Memory that instructions use between the edges. Mapped again, its bytes are nowhere.
  Status map(std::string_view name, void *host, int64_t bytes);
  void unmap(void *host);

  Status toDevice(const void *host, int64_t bytes, DeviceAddress &address);
  Status toHost(const void *host, int64_t bytes);
  Status wroteOnDevice(const void *host, int64_t bytes, DeviceAddress &address);
  void wroteOnHost(const void *host, int64_t bytes);
  Status copy(void *to, const void *from, int64_t bytes);

  /// The caller's memory on the device.
  Status read(DeviceAddress from, void *to, int64_t bytes);
  Status write(DeviceAddress to, const void *from, int64_t bytes);

  /// Fills in blocks, workspace and fault of a launch. `room`: blocks that may be launched so that
  /// other sizes need no other graph, `tasks` at least; workspaceBytes is for all of these sizes.
  Status launch(const Step &step, const Kernel &kernel, DeviceLaunch &launch, int64_t tasks, int64_t room,
                int64_t workspaceBytes);
  const DeviceCounts &counted() const { return queue.counted(); }
  void beginTiming() { queue.beginTiming(); }
  Status endTiming(double &seconds) { return queue.endTiming(seconds); }

private:
  enum : uint8_t { Nowhere = 0, OnHost = 1, OnDevice = 2 };
  MappedRange *find(const void *host, int64_t bytes);
  Status allocate(std::string_view name, int64_t bytes, MappedRange &range);
  void split(MappedRange &range, int64_t offset);
  void set(MappedRange &range, int64_t offset, int64_t bytes, uint8_t where);
  Status missing(const void *host, int64_t bytes) const;
  Status growScratch(std::string_view name, int64_t bytes, MappedRange &range);
  Status takePartials(const Kernel &kernel, DeviceLaunch &launch);

  std::shared_ptr<Device> device;
  const DeviceImage &image;
  DeviceQueue queue;
  bool hostWrote = false;                      ///< an instruction of this run, to memory that the list may touch
  std::map<const char *, MappedRange> ranges;  ///< by host address
  std::vector<const char *> edgeRanges;        ///< of these, the edges' of this run
  std::multimap<int64_t, DeviceAddress> spare; ///< memory of earlier edges, by capacity
  std::map<std::string, DeviceAddress, std::less<>> lastPlaces; ///< of an edge: it gets it again, for the graph's sake
  MappedRange workspace, faults, turns;
  std::vector<const Step *> faultSteps;     ///< launches since the faults were last looked at
  std::vector<const Step *> lastFaultSteps; ///< as they were before
  struct Staged {
    DeviceAddress to = 0, from = 0;
    int64_t bytes = 0;
  };
  std::vector<Staged> staged; ///< inputs of the last run
  uint64_t requestsAtBegin = 0;
};

} // namespace bessemer::runtime
