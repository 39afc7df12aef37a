// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A run on a device that was one list of launches, which is a graph by now. A run
// on tensors in the same places is this list again; where sizes have grown within the room of the plan, with
// other words and other windows:
//
//   shapes -> symbols -> Rebinding -> words, sizes; inputs to their places; one replay; results from theirs
//
// Nothing is placed, walked or looked up for it. Executor::repeatRun says what must be as it was; whatever is not makes
// the run one like any other. A few of them are kept: sequences may take turns. Between runs nothing lives in memory
// that is ours, so their places may be the same.
#pragma once

#include "lib/Runtime/DeviceSession.h"
#include "lib/Runtime/Plan.h"

namespace bessemer::runtime {

/// How a run finds the caches that it appends to (Program::caches).
struct CacheUse {
  int64_t capacity = -1; ///< places along the axis; -1: outputs are contiguous
  bool copied = true;    ///< false: what is appended to lies in the outputs already
  bool operator==(const CacheUse &) const = default;
};

struct RepeatableRun {
  /// An input or an output.
  struct Edge {
    bool onDevice = false;
    bool isEmpty = false;
    DeviceAddress address = 0; ///< the caller's memory on the device, which launches use; 0: moved to or from `place`
    DeviceAddress place = 0;
    int64_t room = 0;             ///< bytes there that are nobody else's
    int32_t cache = -1;           ///< of Program::caches
    std::vector<int64_t> strides; ///< as they were given
    // Outputs, of the run in progress:
    std::vector<int64_t> shape;
    int64_t bytes = 0; ///< from the first to the last
  };
  struct Listed {
    const Step *step = nullptr;
    int64_t tasks = 0; ///< must be as many: blocks of a launch without symbols, bytes of a copy, none
  };
  /// Bytes of a launch's buffer that follow from shapes.
  struct Size {
    size_t at = 0; ///< in `sizes` of the list
    const Frame *frame = nullptr;
    BufferId buffer = 0;
    int32_t span = -1; ///< of `spans`: it is a cache whose rows lie apart
  };

  Plan *plan = nullptr;     ///< null: there is none
  std::vector<int64_t> key; ///< of the plan, when it was recorded
  uint64_t list = 0;        ///< DeviceQueue::lastList
  uint64_t version = 0;     ///< DeviceSession::version
  uint64_t lastUse = 0;
  std::vector<int64_t> words, sizes;    ///< of the list, see DeviceQueue
  std::vector<const Step *> faultSteps; ///< in the order of their faults
  CacheUse caches;
  std::vector<Edge> inputs, outputs;
  std::vector<const Step *> launches; ///< with symbols: their words, in this order
  std::vector<Listed> same;           ///< the others, and copies
  std::vector<Size> varying;
  /// By cache: which span its past and its present are part of.
  std::vector<std::pair<int32_t, int32_t>> spanOf;
  std::vector<int64_t> spans;
  bool hasVaryingMaps = false;             ///< tensor maps in the graph, of these values alone
  bool seesCaller = false;                 ///< there are tensors that the caller has on the device
  std::vector<DeviceSession::Moved> moved; ///< of the run in progress
};

} // namespace bessemer::runtime
