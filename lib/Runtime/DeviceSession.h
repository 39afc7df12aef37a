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
    int64_t room = 0;          ///< bytes that it may grow to where it lies, if it is not the caller's
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
  /// Launches and copies on the device, if they are all that the run has asked for and wait to go out as one list; else
  /// 0.
  size_t onePass() const { return queue.requests() == requestsAtBegin ? queue.listed() : 0; }
  /// Where launches find an edge of the run. No address: it is a part of something larger.
  struct Place {
    DeviceAddress address = 0;
    int64_t capacity = 0; ///< bytes there; 0: the caller's memory
  };
  Place placeOf(const Edge &edge);
  /// Inputs that lie on the device are moved to a place of ours up to this size.
  static constexpr int64_t mostStagedBytes = int64_t{64} << 10;
  const DeviceQueue &listed() const { return queue; }
  const std::vector<const Step *> &lastFaults() const { return lastFaultSteps; }
  /// Changes when graphs name memory of ours that is no longer there.
  uint64_t version() const { return workspaceMoved + queue.version(); }
  struct Moved {
    DeviceAddress to = 0;
    const void *host = nullptr;
    DeviceAddress from = 0; ///< on the device; 0: `host`
    int64_t bytes = 0;
  };
  /// A list once more, of a run with the same places (see DeviceQueue). Then come takeFault, `copyOut` of results, and
  /// `end`. `seesCaller`: there are tensors that the caller has on the device.
  Status repeat(uint64_t list, const std::vector<int64_t> &words, std::span<const int64_t> sizes,
                const std::vector<const Step *> &faults, std::span<const Moved> inputs, bool seesCaller);
  Status copyOut(void *to, DeviceAddress from, int64_t bytes) { return queue.copyOut(to, from, bytes); }
  /// takeFault must come before the next launch.
  bool faultsAreFull() const;

  /// Memory that instructions use between the edges. Mapped again, its bytes are nowhere.
  Status map(std::string_view name, void *host, int64_t bytes, int64_t room = 0);
  void unmap(void *host);

  /// `isConstant`: the bytes are a weight's or a constant's.
  Status toDevice(const void *host, int64_t bytes, DeviceAddress &address, bool *isConstant = nullptr);
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
  Status allocate(std::string_view name, int64_t bytes, int64_t room, MappedRange &range);
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
  uint64_t workspaceMoved = 0;
  std::vector<int64_t> found; ///< faults, of takeFault
  uint64_t requestsAtBegin = 0;
};

} // namespace bessemer::runtime
