// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan for other values of its symbols within the room that it was made for (Plan::room): frames, addresses, steps
// and grids stay as they are, and what depends on the values is evaluated anew, by tables that are made the first time
// other values come. A step of a decoder whose past has grown is this:
//
//   plan     past = 521, room 1023     arena [.., 1023, ..], 124 launches, their slots, 300 integers
//   rebind   past = 522                2 functions' expressions (12 layers are frames of one function), the
//                                      sizes of 40 buffers, 60 integers, shapes of 24 outputs
#pragma once

#include "lib/Runtime/Plan.h"

#include <unordered_map>

namespace bessemer::runtime {

class Rebinding {
public:
  explicit Rebinding(Plan &plan);

  /// Whether the values are all that another binding changes. If not, the plan is as it was.
  bool isPossible() const { return possible; }
  enum class Result : uint8_t {
    Bound,
    DoesNotFit, ///< in the room
    Refused,    ///< by a guard
  };
  /// When they are not bound, the plan must get values that are before it is used. Allocates nothing.
  Result bind(const std::vector<int64_t> &symbols);

private:
  /// All frames of a function whose symbols come from the same expressions of the same caller: one binding.
  struct Scope {
    std::shared_ptr<Binding> binding;
    const PreparedFunction *function = nullptr;
    int32_t caller = -1;         ///< a scope before this one; -1: the plan's symbols
    std::vector<ExprId> sources; ///< of the caller, for each symbol
    std::vector<int64_t> symbols;
    std::vector<uint8_t> defined, varies; ///< by symbol; by expression
    std::vector<ExprId> exprs;            ///< that vary
    std::vector<BufferId> sized, aliases; ///< whose bytes vary
    bool changed = false;
  };
  /// An argument is at least as large as what the callee takes it for.
  struct Fit {
    int32_t inner = 0, outer = 0; ///< scopes
    BufferId innerBuffer = 0, outerBuffer = 0;
  };
  struct Integer {
    uint32_t at = 0; ///< in Plan::integers
    int32_t scope = 0;
    ExprId expr = 0;
  };
  struct StepUse {
    Step *step = nullptr;
    int32_t scope = 0;
  };
  struct GuardUse {
    const PreparedInstruction *instruction = nullptr;
    int32_t scope = 0;
  };

  bool addScope(const Frame &frame);
  void addArguments(const Frame &frame);
  void addSteps(StepList &steps);
  bool anyVaries(const Scope &scope, const std::vector<ExprId> &exprs) const;
  bool evaluate(Scope &scope);
  bool resize(Scope &scope) const;
  bool bindSteps();
  bool bindArguments();
  bool checkGuards() const;

  Plan &plan;
  bool possible = false;
  std::vector<Scope> scopes;                          ///< the plan's own function first, callers before callees
  std::unordered_map<const Frame *, int32_t> scopeOf; ///< while the tables are made
  std::vector<std::pair<Frame *, int32_t>> framesOf;
  std::vector<Fit> fits;
  std::vector<Integer> integers;
  std::vector<StepUse> launches, copies, loops, fallbacks;
  std::vector<GuardUse> guards;
};

} // namespace bessemer::runtime
