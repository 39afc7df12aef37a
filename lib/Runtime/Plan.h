// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan: a function bound to one tuple of symbol values. Static calls are laid
// out flat, every address is a slot that is patched when a base (the arena, an
// input, an output) moves, and every static launch has its integers and its
// grid ready. What is dynamic is evaluated by the executor as it comes by.
#pragma once

#include "bessemer/Algorithms/StreamPlanner.h"
#include "bessemer/Runtime/Memory.h"
#include "bessemer/Runtime/Model.h"
#include "lib/Runtime/Prepare.h"

#include <map>
#include <memory>
#include <vector>

namespace bessemer::runtime {

using KernelFunction = void (*)(void *const *buffers, const int64_t *symbols, int64_t begin, int64_t end,
                                void *workspace);

/// What a function's symbols give: shared by all calls with the same values.
struct Binding {
  const PreparedFunction *function = nullptr;
  std::vector<int64_t> symbols; ///< bound on entry
  std::vector<int64_t> values;  ///< by expression; only where `known`
  std::vector<uint8_t> known;
  std::vector<int64_t> bytes;   ///< by buffer; -1: dynamic or not a size
  std::vector<int64_t> offsets; ///< by buffer: in the frame (Arena), in the root (Alias)
  int64_t frameBytes = 0;
  int64_t innerFrame = -1; ///< offset for the frames of calls that name none
  /// The same at the sizes that memory and grids are made for, or null: these are its own. Offsets and
  /// frameBytes are its.
  std::shared_ptr<const Binding> room;
};

/// Memory of a buffer whose size only the data tells.
struct DynamicStorage {
  MemoryBlock block;
  std::vector<int64_t> shape;
};

/// The state of one activation of a function in a plan.
struct Frame {
  std::shared_ptr<const Binding> binding;
  const PreparedFunction *function = nullptr;
  const Frame *caller = nullptr; ///< null: the plan's own function
  const PreparedInstruction *call = nullptr;
  std::vector<int64_t> symbols;
  std::vector<uint8_t> defined;
  uint32_t firstSlot = 0;              ///< Plan::slots[firstSlot + buffer] is its address
  std::vector<DynamicStorage> storage; ///< by buffer; empty when there is none
};

struct Step;
using StepList = std::vector<Step>;
struct Plan;
class Rebinding;

/// An operand of a fallback kernel, ready but for its address and, when dynamic,
/// its shape.
struct FallbackState {
  bool ready = false; ///< made by an earlier run
  kernels::Attributes attributes;
  std::vector<kernels::TensorRef> inputs, outputs;
  std::vector<const kernels::TensorRef *> inputPointers;
};

/// Plans of the callee of a dynamic call, by symbol values; the newest last.
struct CallState {
  std::vector<std::unique_ptr<Plan>> plans;
};

struct Step {
  const PreparedInstruction *instruction = nullptr;
  Frame *frame = nullptr;
  bool dynamic = false;
  KernelFunction kernel = nullptr;
  uint32_t firstSlot = 0;              ///< Launch: its arguments in Plan::slots. Copy: destination, source
  uint32_t firstInteger = 0;           ///< Launch, FromDims: in Plan::integers
  int64_t tasks = 0;                   ///< Launch: product of the grid. Copy: bytes. Loop: trip count
  int64_t workspace = 0;               ///< Launch
  int64_t room = 0, roomWorkspace = 0; ///< Launch: tasks and workspace at the binding's room; at least as much
  std::unique_ptr<FallbackState> fallback;
  std::unique_ptr<CallState> call;
  std::unique_ptr<StepList> blocks[2];
};

/// Where something lies: `offset` from a base. Base 0 is absolute.
struct Address {
  int32_t base = -1; ///< -1: not known before the run
  int64_t offset = 0;
  int64_t bytes = 0; ///< from there on
};

/// A guard that holds for the values of the plan, so that no step is needed for it.
struct PlanGuard {
  const PreparedInstruction *instruction = nullptr;
  const Frame *frame = nullptr;
};

struct Plan {
  Plan();
  ~Plan();
  static constexpr int32_t absoluteBase = 0, arenaBase = 1, firstInputBase = 2;

  const PreparedFunction *function = nullptr;
  std::vector<int64_t> key;  ///< symbol values
  std::vector<int64_t> room; ///< of the same symbols: what memory and grids are made for
  std::shared_ptr<const Binding> binding;
  std::vector<std::unique_ptr<Frame>> frames; ///< the function's own first
  StepList steps;
  std::vector<PlanGuard> guards;
  std::unique_ptr<Rebinding> rebinding; ///< made when other values come, see rebind
  bool isFixed = false;                 ///< it cannot be bound to others
  std::vector<void *> slots;
  std::vector<int64_t> integers;
  int64_t arenaBytes = 0;
  int64_t workspaceBytes = 0;       ///< the largest of the static launches
  std::vector<int64_t> outputBytes; ///< -1: dynamic
  bool hasDynamicStorage = false;
  uint64_t lastUse = 0;

  struct Patch {
    uint32_t slot;
    int64_t offset;
  };
  std::vector<std::vector<Patch>> patches; ///< by base
  std::vector<void *> bases;               ///< as patched last

  // Under a memory limit: the weights that the context holds, each a base.
  std::vector<int32_t> weights; ///< by base, from firstWeightBase on
  /// By top-level step: the units (see WeightStore) that it reads.
  std::vector<std::vector<int32_t>> unitUses;
  std::unique_ptr<StreamPlan> streams; ///< made when the plan is first run
  std::vector<int32_t> streamUnits;    ///< the units that `streams` numbers

  int32_t firstWeightBase() const { return firstOutputBase() + static_cast<int32_t>(function->source->outputs.size()); }

  int32_t firstOutputBase() const { return firstInputBase + static_cast<int32_t>(function->source->inputs.size()); }
  void setBase(int32_t base, void *memory) {
    if (bases[base] == memory)
      return;
    bases[base] = memory;
    for (const Patch &patch : patches[base])
      slots[patch.slot] = static_cast<char *>(memory) + patch.offset;
  }
};

/// Bindings that the plans of one context share while they are made.
class Binder {
public:
  explicit Binder(const Model &model) : model(model) {}

  /// The plan of a function for values of its symbols that are bound on entry. `room`: values for which
  /// offsets in the frame and grids are made, so that they are the same for all values up to these.
  Status makePlan(const PreparedFunction &function, const std::vector<int64_t> &symbols,
                  const std::vector<int64_t> &room, std::unique_ptr<Plan> &plan);
  Status bind(const PreparedFunction &function, const std::vector<int64_t> &symbols, const std::vector<int64_t> &room,
              std::shared_ptr<const Binding> &binding);
  const Model &modelOf() const { return model; }

private:
  Status layOut(Binding &binding);
  static void takeLayout(Binding &binding, std::shared_ptr<const Binding> room);
  static void layOutAliases(const Program &program, Binding &binding);

  const Model &model;
  std::map<std::pair<int32_t, std::vector<int64_t>>, std::weak_ptr<const Binding>> bindings;
};

/// Text of a dimension list with the values that are known: "[2, seq=?]".
std::string shapeText(const std::vector<int64_t> &shape);

/// Bytes of a tensor with these dimensions; -1: not known, or not a size.
int64_t argumentBytes(const Binding &binding, DType dtype, const std::vector<ExprId> &dims);
/// Tasks of a launch; false when they are not known, or no number.
bool gridOf(const Binding &binding, const PreparedInstruction &launch, int64_t &tasks);

/// By symbol of a call's callee that is bound on entry: the caller's expression for it; -1: there is none.
std::vector<ExprId> calleeSources(const PreparedInstruction &call, const PreparedFunction &callee,
                                  const PreparedFunction &caller);
/// Symbol values of a call's callee, in its order; false when one is not known.
bool calleeSymbols(const PreparedInstruction &call, const PreparedFunction &callee, const std::vector<int64_t> &values,
                   const std::vector<uint8_t> &known, const PreparedFunction &caller, std::vector<int64_t> &symbols);

} // namespace bessemer::runtime
