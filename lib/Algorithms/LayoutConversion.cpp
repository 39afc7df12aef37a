// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/LayoutConversion.h"

#include "lib/Algorithms/BitMatrix.h"
#include "lib/Algorithms/ConversionParts.h"

#include <cstdio>

namespace bessemer {

using namespace conversion;

namespace {
std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

void price(LayoutConversion &plan, unsigned elementBits, const ConversionCosts &costs) {
  double perPart = 0;
  int64_t shuffles = 0, selects = 0;
  int64_t count = static_cast<int64_t>(plan.parts.size());
  if (plan.kind == LayoutConversion::Kind::Shared) {
    auto bytes = [&](const SharedSide &side) {
      return double(side.accesses.size()) * plan.shared.vector * elementBits / 8 * 32;
    };
    // An access of less than four bytes still takes a pass.
    double passes = std::max(bytes(plan.shared.stores) / 128, double(plan.shared.stores.accesses.size())) +
                    std::max(bytes(plan.shared.loads) / 128, double(plan.shared.loads.accesses.size()));
    plan.cycles =
        passes * count * costs.sharedPass + (plan.shared.perWarp ? costs.perWarpLatency : costs.sharedLatency);
    plan.reason = "through shared memory, " + std::to_string(plan.shared.vector * elementBits / 8) +
                  " bytes an access: " + number(plan.cycles) + " cycles";
    return;
  }
  int64_t pieces = elementBits == 64 ? 2 : 1; // 32-bit words of a word
  for (const WarpExchange::Round &round : plan.exchange.rounds)
    shuffles += round.moves ? pieces : 0;
  selects =
      pieces * plan.exchange.words() * static_cast<int64_t>(plan.exchange.before.size() + plan.exchange.after.size());
  perPart = shuffles * costs.shuffle + selects * costs.select;
  plan.cycles = perPart * count;
  plan.reason = shuffles || selects
                    ? std::to_string(shuffles * count) + " shuffles and " + std::to_string(selects * count) +
                          " selects: " + number(plan.cycles) + " cycles"
                    : "registers renamed";
}

std::optional<LayoutConversion> plan(const TileLayout &from, const TileLayout &to, unsigned elementBits,
                                     const ConversionCosts &costs, bool sharedOnly, std::string *error) {
  std::optional<Problem> problem = makeProblem(from, to, elementBits, error);
  if (!problem)
    return std::nullopt;
  LayoutConversion shared, exchange;
  for (LayoutConversion *plan : {&shared, &exchange}) {
    plan->parts = problem->parts;
    plan->targetRegisters = to.registers();
  }
  std::optional<WarpExchange> lanes = planExchange(*problem);
  if (lanes && !sharedOnly) {
    exchange.exchange = std::move(*lanes);
    bool moves = !exchange.exchange.before.empty() || !exchange.exchange.after.empty();
    for (const WarpExchange::Round &round : exchange.exchange.rounds)
      moves |= round.moves;
    exchange.kind = moves ? LayoutConversion::Kind::Shuffles : LayoutConversion::Kind::Registers;
    price(exchange, elementBits, costs);
    if (!moves)
      return exchange;
  }
  shared.kind = LayoutConversion::Kind::Shared;
  shared.shared = planShared(*problem, lanes.has_value());
  price(shared, elementBits, costs);
  if (!lanes || sharedOnly)
    return shared;
  bool cheaper = exchange.cycles <= shared.cycles;
  LayoutConversion &best = cheaper ? exchange : shared, &other = cheaper ? shared : exchange;
  best.reason += "; " + other.reason;
  return std::move(best);
}
} // namespace

bool WarpExchange::lanesStay() const {
  for (size_t bit = 0; bit < laneColumns.size(); ++bit)
    if (laneColumns[bit] != uint32_t(1) << bit)
      return false;
  return true;
}

std::optional<LayoutConversion> planConversion(const TileLayout &from, const TileLayout &to, unsigned elementBits,
                                               const ConversionCosts &costs, std::string *error) {
  return plan(from, to, elementBits, costs, /*sharedOnly=*/false, error);
}

std::optional<LayoutConversion> planSharedConversion(const TileLayout &from, const TileLayout &to, unsigned elementBits,
                                                     const ConversionCosts &costs, std::string *error) {
  return plan(from, to, elementBits, costs, /*sharedOnly=*/true, error);
}

} // namespace bessemer
