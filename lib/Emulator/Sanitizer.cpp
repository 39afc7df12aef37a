// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Emulator/Sanitizer.h"

#include <algorithm>
#include <array>

using namespace bessemer::emulator;

void bessemer::emulator::join(VectorClock &to, const VectorClock &from) {
  to.resize(std::max(to.size(), from.size()));
  for (size_t i = 0; i < from.size(); ++i)
    to[i] = std::max(to[i], from[i]);
}

void bessemer::emulator::join(OtherClocks &to, const OtherClocks &from) {
  for (const auto &[firstAgent, clock] : from)
    join(to[firstAgent], clock);
}

/// Has what `stamp` marks happened before `by`?
static bool isOrdered(const Stamp &stamp, const Accessor &by) {
  if (stamp.agent == 0)
    return true;
  if (stamp.agent == by.agent)
    return stamp.lane == by.lane || stamp.tick < (*by.clock)[by.agent - by.firstAgent];
  auto knows = [&](uint32_t firstAgent, const VectorClock &clock) {
    uint32_t warp = stamp.agent - firstAgent;
    return stamp.agent >= firstAgent && warp < clock.size() && clock[warp] >= stamp.tick;
  };
  if (knows(by.firstAgent, *by.clock))
    return true;
  auto other = by.others->upper_bound(stamp.agent);
  return other != by.others->begin() && knows(std::prev(other)->first, std::prev(other)->second);
}

void Shadow::touch(Cell &cell, const Accessor &by, bool isWrite, Conflict &conflict) {
  auto check = [&](const Stamp &stamp, bool wasWrite) {
    if (conflict.found || isOrdered(stamp, by) || (stamp.atomic && by.atomic))
      return;
    conflict = {true, wasWrite, stamp};
  };
  check(cell.write, true);
  Stamp now{by.agent, (*by.clock)[by.agent - by.firstAgent], by.site, by.lane, by.atomic};
  if (isWrite) {
    check(cell.read, false);
    check(cell.otherRead, false);
    cell.write = now;
    return;
  }
  if (cell.read.agent == now.agent) {
    if (cell.read.tick == now.tick && cell.read.lane != now.lane)
      now.lane = severalLanes;
    cell.read = now;
    return;
  }
  if (cell.read.agent)
    cell.otherRead = cell.read;
  cell.read = now;
}

Conflict Shadow::access(uint64_t offset, uint32_t bytes, const Accessor &by, bool isWrite) {
  Conflict conflict;
  bool narrow = offset % 4 || bytes % 4;
  for (uint64_t end = offset + bytes; offset < end;) {
    uint64_t number = offset / pageBytes;
    if (number >= pages.size())
      pages.resize(number + 1);
    std::unique_ptr<Page> &page = pages[number];
    if (!page)
      page = std::make_unique<Page>();
    if (page->epoch != epoch) {
      page->epoch = epoch;
      page->bytewise = narrow;
      page->cells.assign(narrow ? pageBytes : pageBytes / 4, Cell());
    } else if (narrow && !page->bytewise) {
      std::vector<Cell> cells(pageBytes);
      for (size_t i = 0; i < cells.size(); ++i)
        cells[i] = page->cells[i / 4];
      page->cells = std::move(cells);
      page->bytewise = true;
    }
    uint64_t within = offset % pageBytes, stretch = std::min(end - offset, pageBytes - within);
    uint64_t granule = page->bytewise ? 1 : 4;
    for (uint64_t i = 0; i < stretch; i += granule)
      touch(page->cells[(within + i) / granule], by, isWrite, conflict);
    offset += stretch;
  }
  return conflict;
}

Cost bessemer::emulator::globalCost(const uint64_t *addresses, unsigned count, uint32_t bytes) {
  std::array<uint64_t, 32> sorted;
  std::copy(addresses, addresses + count, sorted.begin());
  if (!std::is_sorted(sorted.begin(), sorted.begin() + count))
    std::sort(sorted.begin(), sorted.begin() + count);
  Cost cost;
  uint64_t lastSector = ~uint64_t(0), covered = 0, useful = 0;
  for (unsigned i = 0; i < count; ++i) {
    uint64_t from = std::max(sorted[i], covered), to = sorted[i] + bytes;
    if (to > from)
      useful += to - from;
    covered = std::max(covered, to);
    for (uint64_t sector = sorted[i] / 32; sector <= (to - 1) / 32; ++sector)
      if (sector != lastSector && (lastSector == ~uint64_t(0) || sector > lastSector)) {
        ++cost.transactions;
        lastSector = sector;
      }
  }
  cost.ideal = static_cast<uint32_t>((useful + 31) / 32);
  return cost;
}

Cost bessemer::emulator::sharedCost(const uint64_t *addresses, unsigned count, uint32_t bytes) {
  uint32_t words = std::max<uint32_t>(1, bytes / 4);
  unsigned lanesOfPhase = std::max<unsigned>(1, 32 / words);
  Cost cost;
  for (unsigned first = 0; first < count; first += lanesOfPhase) {
    std::array<std::array<uint64_t, 32>, 32> seen;
    std::array<uint8_t, 32> used{};
    unsigned passes = 1;
    for (unsigned lane = first; lane < std::min(count, first + lanesOfPhase); ++lane)
      for (uint32_t word = 0; word < words; ++word) {
        uint64_t number = addresses[lane] / 4 + word;
        auto &bank = seen[number % 32];
        uint8_t &n = used[number % 32];
        if (std::find(bank.begin(), bank.begin() + n, number) == bank.begin() + n && n < 32)
          bank[n++] = number;
        passes = std::max<unsigned>(passes, n);
      }
    cost.transactions += passes;
    ++cost.ideal;
  }
  return cost;
}
