// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What an executor asks of its stream, put off until somebody waits: launches and
// copies on the device gather in a list, which goes out when bytes are
// read back, or written where the list may touch them. A list that comes again is
// recorded as a graph (CUDA graph) and from then on replayed:
//
//   run 1   launches A B C          as they are
//   run 2   the same list           recorded, replayed
//   run 3   the same list           one replay
//
// Lists are the same when all that the device is told is the same: kernels, blocks, addresses. Symbols
// are not among it: they are words in device memory (DeviceLaunch::words), written before
// the list where they differ from the last time. So a step of a decoder, whose past grows, is
// the graph of the step before; see Binder for what keeps addresses and blocks as they are. A tensor map is
// told by value: where its sizes vary, the list is never the same, and goes out launch by launch.
#pragma once

#include "bessemer/Runtime/Device.h"

namespace bessemer::runtime {

/// Does a tensor map of the kernel say anything that its buffer and the kernel do not?
bool hasVaryingMap(const Kernel &kernel);

class DeviceQueue {
public:
  DeviceQueue(Device &device, const std::vector<Kernel> &kernels) : device(device), kernels(kernels) {}
  ~DeviceQueue() { close(); }
  Status open() { return stream ? Status() : device.makeStream(stream); }
  /// Waits, and gives the stream back.
  void close();

  /// `points`: of the kernel's grid. Blocks may be more where the kernel has symbols.
  Status launch(const DeviceLaunch &launch, int64_t points);
  Status copy(DeviceAddress to, DeviceAddress from, int64_t bytes);
  /// At once: nothing in the list touches the memory.
  Status copyAhead(DeviceAddress to, DeviceAddress from, int64_t bytes) { return stream->copy(to, from, bytes); }
  /// `ahead`: nothing in the list touches the memory.
  Status copyIn(DeviceAddress to, const void *from, int64_t bytes, bool ahead);
  Status copyOut(void *to, DeviceAddress from, int64_t bytes);
  Status fill(DeviceAddress to, uint8_t value, int64_t bytes, bool ahead);
  Status wait();
  Status waitForCaller() { return stream->waitForCaller(); }
  /// Gives the list to the device.
  Status flush();
  /// Forgets the list: the run has failed.
  void drop();

  /// What has gone out, lists and copies, but for what came ahead of a list.
  uint64_t requests() const { return asked; }
  /// Launches and copies that wait to go out.
  size_t listed() const { return list.size(); }
  /// The number of the list that went out last, if it is a graph; else 0. What may differ when it is repeated: for each
  /// launch with symbols the points of its grid and the symbols; the bytes of the buffers of one launch after the
  /// other.
  uint64_t lastList() const { return lastNumber; }
  const std::vector<int64_t> &lastListWords() const { return lastWords; }
  const std::vector<int64_t> &lastListSizes() const { return sizes; }
  /// Whether its graph is still there.
  bool canRepeat(uint64_t number) const;
  Status repeat(uint64_t number, const std::vector<int64_t> &words, std::span<const int64_t> sizes);
  /// Changes when graphs name words that are no longer there.
  uint64_t version() const { return wordsMoved; }

  const DeviceCounts &counted() const { return counts; }

  /// From now on each list is timed by events of the device.
  void beginTiming() { isTiming = true; }
  /// Waits; seconds of the lists since.
  Status endTiming(double &seconds);

private:
  Status send();
  /// Calls `ask`, between two events while time is taken.
  template <typename Ask> Status timed(const Ask &ask);
  struct Work {
    DeviceLaunch launch; ///< when `bytes` is 0; but for its two lists, which are parts of `buffers` and `words`
    size_t firstBuffer = 0, buffers = 0;
    size_t firstWord = 0, symbols = 0; ///< the word before the symbols is the number of points
    DeviceAddress to = 0, from = 0;
    int64_t bytes = 0; ///< a copy
  };
  struct KnownList {
    std::vector<uint64_t> key;
    std::unique_ptr<DeviceGraph> graph; ///< from the second time on
    uint64_t lastUse = 0, number = 0;
  };

  DeviceLaunch launchOf(const Work &work) const;
  Status placeWords();
  Status writeWords(const std::vector<int64_t> &values);
  Status makeKey();
  Status issue();
  Status record(KnownList &list);

  Device &device;
  std::unique_ptr<DeviceStream> stream;
  const std::vector<Kernel> &kernels; ///< of the program, for parameters
  // The list, in three pieces that keep their memory from run to run.
  std::vector<Work> list;
  std::vector<DeviceArgument> buffers;
  std::vector<int64_t> words, written;   ///< of the list; on the device
  std::vector<int64_t> lastWords, sizes; ///< of the list that went out last: `words`, and bytes of its buffers
  std::vector<uint64_t> key;
  DeviceAddress wordsAddress = 0;
  size_t wordsCapacity = 0;
  std::vector<KnownList> known;
  uint64_t lastNumber = 0, numbers = 0, wordsMoved = 0;
  bool canRecord = true;
  uint64_t flushes = 0, asked = 0;
  DeviceCounts counts;
  bool isTiming = false;
  std::vector<std::unique_ptr<DeviceEvent>> events; ///< before and after each timed list, used again
  size_t eventsUsed = 0;
};

} // namespace bessemer::runtime
