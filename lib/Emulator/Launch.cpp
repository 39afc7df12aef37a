// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Emulator/Launch.h"

#include "lib/Emulator/Prepare.h"

#include <algorithm>

using namespace bessemer::emulator;

// ---- branches

void Warp::enter(uint32_t target) {
  stack.back().next = target;
  while (stack.back().next == stack.back().reconverge)
    stack.pop_back();
  mask = stack.back().mask;
  at = stack.back().next;
  pc = kernel->blocks[at].begin;
}

void Warp::take(const Edge &edge, uint32_t lanesTaken) {
  mask = lanesTaken;
  const uint32_t *list = kernel->lists.data() + edge.copies;
  for (uint32_t i = 0; i < edge.count; ++i) {
    const uint64_t *from = lanes<uint64_t>(list[2 * i]);
    uint64_t *to = lanes<uint64_t>(list[2 * i + 1]);
    if (mask == ~0u) {
      std::memcpy(to, from, slotBytes);
      continue;
    }
    // Lanes are 1 to 8 bytes wide and the slot does not say which: byte widths
    // come with the list.
    unsigned width = list[2 * edge.count + i];
    for (uint32_t rest = mask; rest; rest &= rest - 1) {
      unsigned lane = __builtin_ctz(rest);
      std::memcpy(reinterpret_cast<uint8_t *>(to) + lane * width,
                  reinterpret_cast<const uint8_t *>(from) + lane * width, width);
    }
  }
}

void Warp::branch(const Edge *const *edges, const uint32_t *masks, unsigned count) {
  if (instructions > limit) {
    block->launch.report(FindingKind::Fault, 0,
                         "warp " + std::to_string(index) + " of block " + block->name() + " ran " +
                             std::to_string(instructions) + " instructions without an end",
                         ~0u);
    block->launch.stop = true;
    state = WarpState::Done;
    return;
  }
  unsigned taken = 0, only = 0;
  for (unsigned i = 0; i < count; ++i)
    if (masks[i]) {
      ++taken;
      only = i;
    }
  if (taken == 1) {
    take(*edges[only], masks[only]);
    return enter(edges[only]->target);
  }
  // The lanes part; they meet at the post-dominator.
  uint32_t meet = kernel->blocks[at].postDominator;
  if (meet == noBlock || meet == stack.back().reconverge)
    stack.pop_back();
  else
    stack.back().next = meet;
  for (unsigned i = 0; i < count; ++i)
    if (masks[i]) {
      take(*edges[i], masks[i]);
      stack.push_back({edges[i]->target, meet, masks[i]});
    }
  enter(stack.back().next);
}

void Warp::leave() {
  exited |= mask;
  for (StackEntry &entry : stack)
    entry.mask &= ~exited;
  std::erase_if(stack, [](const StackEntry &entry) { return entry.mask == 0; });
  if (stack.empty()) {
    state = WarpState::Done;
    return;
  }
  enter(stack.back().next);
}

void Warp::report(FindingKind kind, const Inst &inst, std::string message, uint32_t otherSite) {
  block->launch.report(kind, inst.site,
                       "block " + block->name() + ", warp " + std::to_string(index) + ", " + std::move(message),
                       otherSite);
}

// ---- blocks

std::string BlockRun::name() const {
  return "(" + std::to_string(id.x) + "," + std::to_string(id.y) + "," + std::to_string(id.z) + ")";
}

bool BlockRun::releaseWaits() {
  bool any = false;
  for (Warp &warp : warps)
    if (warp.state == WarpState::AtMBarrier && isComplete(warp, barriers[warp.waitOffset], warp.waitParity)) {
      warp.state = WarpState::Running;
      any = true;
    }
  return any;
}

bool BlockRun::releaseBarriers() {
  uint32_t all = 0;
  for (const Warp &warp : warps)
    all += warp.state == WarpState::Done ? 0 : 32;
  bool any = false;
  for (uint32_t barrier = 0; barrier < 16; ++barrier) {
    std::vector<Warp *> here;
    uint32_t wanted = 0;
    for (Warp &warp : warps)
      if (warp.state == WarpState::AtBarrier && warp.barrier == barrier) {
        here.push_back(&warp);
        wanted = warp.barrierThreads ? warp.barrierThreads : all;
      }
    Arrivals &gone = arrivals[barrier];
    if (here.empty() || here.size() * 32 + gone.threads < wanted)
      continue;
    VectorClock joined(warps.size());
    join(joined, gone.clock);
    OtherClocks others = std::move(gone.others);
    gone = {};
    for (const Warp *warp : here) {
      join(joined, warp->clock);
      join(others, warp->others);
    }
    for (Warp *warp : here) {
      warp->clock = joined;
      warp->others = others;
      ++warp->clock[warp->index];
      warp->state = WarpState::Running;
    }
    any = true;
  }
  return any;
}

void BlockRun::reportDeadlock() {
  for (const Warp &warp : warps)
    if (warp.state == WarpState::AtMBarrier) {
      launch.report(FindingKind::Deadlock, warp.waitSite,
                    "block " + name() + ", warp " + std::to_string(warp.index) +
                        " waits for ever: " + describeWait(*this, warp.waitOffset, warp.waitParity),
                    ~0u);
      return;
    }
  std::string waiting, elsewhere;
  const Warp *first = nullptr;
  for (const Warp &warp : warps) {
    std::string number = std::to_string(warp.index);
    if (warp.state == WarpState::AtBarrier && (!first || warp.barrier == first->barrier)) {
      first = first ? first : &warp;
      waiting += (waiting.empty() ? "" : ", ") + number;
    } else {
      elsewhere += (elsewhere.empty() ? "" : ", ") + number +
                   (warp.state == WarpState::Done ? " (ended)" : " (at another barrier)");
    }
  }
  launch.report(FindingKind::BarrierDivergence, first->barrierSite,
                "block " + name() + ": barrier " + std::to_string(first->barrier) + " is never complete: warps " +
                    waiting + " wait, warps " + elsewhere + " do not come",
                ~0u);
}

void BlockRun::run() {
  while (!launch.stop) {
    bool alive = false;
    for (Warp &warp : warps) {
      const Inst *code = warp.kernel->code.data();
      while (warp.state == WarpState::Running && !launch.stop) {
        const Inst &inst = code[warp.pc++];
        ++warp.instructions;
        inst.run(warp, inst);
      }
      alive |= warp.state != WarpState::Done;
    }
    if (!alive || launch.stop)
      break;
    if (!releaseWaits() && !releaseBarriers() && !launch.stop) {
      reportDeadlock();
      launch.stop = true;
    }
  }
}

// ---- launches

static void writeConstant(uint8_t *slot, Lane lane, uint64_t bits) {
  unsigned bytes = laneBytes(lane);
  for (unsigned i = 0; i < 32; ++i)
    std::memcpy(slot + i * bytes, &bits, bytes);
}

static std::string checkLaunch(const Kernel &kernel, const LaunchConfig &config, size_t arguments) {
  if (arguments != kernel.parameters.size())
    return "expected " + std::to_string(kernel.parameters.size()) + " arguments, got " + std::to_string(arguments);
  uint64_t threads = config.block.count();
  if (threads == 0 || threads > 1024)
    return "expected a block of 1 to 1024 threads, got " + std::to_string(threads);
  Dim3 required = kernel.info.requiredBlock;
  if (required.x && (required.x != config.block.x || required.y != config.block.y || required.z != config.block.z))
    return "expected the block that the kernel requires, " + std::to_string(required.count()) + " threads, got " +
           std::to_string(threads);
  if (uint64_t(kernel.sharedBytes) + config.dynamicSharedBytes > (227 << 10))
    return "expected at most 227 KiB of shared memory, got " +
           std::to_string(kernel.sharedBytes + config.dynamicSharedBytes) + " bytes";
  return "";
}

LaunchResult Module::launch(const std::string &name, const LaunchConfig &config, std::span<const uint64_t> arguments,
                            Device &device) const {
  LaunchResult failure;
  const Kernel *kernel = impl->find(name);
  std::string wrong = kernel ? checkLaunch(*kernel, config, arguments.size()) : "expected a kernel of the module";
  if (!wrong.empty()) {
    failure.findings.push_back({FindingKind::Fault, "launch of '" + name + "': " + wrong, "", "", 1});
    return failure;
  }
  LaunchRun launch{*kernel, config, device.memory(), {}, {}, std::vector<AccessStatistics>(kernel->sites.size()),
                   {},      false};
  for (const TensorMap &map : config.tensorMaps)
    if (std::string bad = checkTensorMap(map); !bad.empty()) {
      failure.findings.push_back({FindingKind::Fault, "launch of '" + name + "': " + bad, "", "", 1});
      return failure;
    }
  for (auto &[base, region] : device.memory().regions)
    region.shadow.clear();

  uint32_t threads = config.block.count(), warps = (threads + 31) / 32;
  std::vector<std::vector<uint8_t>> frames(warps, std::vector<uint8_t>(size_t(kernel->slots) * slotBytes));
  for (std::vector<uint8_t> &frame : frames) {
    for (const Kernel::Constant &constant : kernel->constants)
      writeConstant(frame.data() + size_t(constant.slot) * slotBytes, constant.lane, constant.bits);
    for (size_t i = 0; i < arguments.size(); ++i)
      writeConstant(frame.data() + size_t(kernel->parameters[i]) * slotBytes, kernel->parameterLanes[i], arguments[i]);
  }
  BlockRun block{launch, {}, 0, {}, std::vector<Warp>(warps), {}, {}};
  for (uint64_t number = 0; number < config.grid.count() && !launch.stop; ++number) {
    block.id = {uint32_t(number % config.grid.x), uint32_t(number / config.grid.x % config.grid.y),
                uint32_t(number / config.grid.x / config.grid.y)};
    block.firstAgent = device.memory().agents;
    device.memory().agents += warps;
    block.shared.reset(kernel->sharedBytes + config.dynamicSharedBytes);
    block.barriers.clear();
    for (uint32_t i = 0; i < warps; ++i) {
      Warp &warp = block.warps[i];
      warp = Warp();
      warp.kernel = kernel;
      warp.block = &block;
      warp.frame = frames[i].data();
      warp.index = i;
      warp.limit = config.maxInstructionsPerWarp;
      uint32_t lanes = std::min<uint32_t>(32, threads - 32 * i);
      warp.exited = lanes == 32 ? 0 : ~0u << lanes;
      warp.clock.assign(warps, 0);
      warp.clock[i] = 1;
      warp.local.assign(size_t(kernel->localBytes) * 32, 0);
      warp.stack.push_back({0, noBlock, ~warp.exited});
      warp.enter(0);
    }
    block.run();
    for (const Warp &warp : block.warps)
      launch.result.instructions += warp.instructions;
  }
  for (size_t site = 0; site < launch.statistics.size(); ++site)
    if (launch.statistics[site].accesses) {
      launch.statistics[site].where = describeSite(kernel->sites[site]);
      launch.result.statistics.push_back(std::move(launch.statistics[site]));
    }
  return std::move(launch.result);
}
