// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/FillReport.h"

#include "bessemer/Driver/Provenance.h"
#include "dialects/Bess/Bess.h"
#include "lib/Driver/ProgramMemory.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <map>
#include <set>

using namespace mlir;
using namespace bessemer;

void bessemer::recordPhase(ModuleOp module, const PhaseInfo &phase, double seconds, Report &report) {
  Report::PhaseRecord record;
  record.name = std::string(phase.name);
  record.seconds = seconds;
  llvm::StringMap<int> counts;
  // Inside of kernels other levels begin; they are no ops of the graph.
  module->walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op->getParentOp() == module && !isa<func::FuncOp>(op))
      return WalkResult::skip();
    if (op == module || isa<func::FuncOp, func::ReturnOp>(op))
      return WalkResult::advance();
    ++record.operations;
    if (auto opType = op->getAttrOfType<StringAttr>("op_type"))
      ++counts[opType.getValue()];
    else
      ++counts[op->getName().getStringRef()];
    return WalkResult::advance();
  });
  for (auto &entry : counts)
    record.counts.emplace_back(entry.getKey().str(), entry.getValue());
  std::sort(record.counts.begin(), record.counts.end(), [](const auto &a, const auto &b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  report.phases.push_back(std::move(record));
}

namespace {

class ProgramReport {
public:
  ProgramReport(const runtime::Program &program, Report &report) : program(program), report(report) {}

  void countBlock(const runtime::Block &block) {
    for (const runtime::Instruction &instruction : block) {
      if (auto *launch = std::get_if<runtime::Launch>(&instruction.op))
        countLaunch(*launch, instruction.provenance);
      if (auto *branch = std::get_if<runtime::If>(&instruction.op)) {
        countBlock(*branch->thenBlock);
        countBlock(*branch->elseBlock);
      }
      if (auto *loop = std::get_if<runtime::Loop>(&instruction.op))
        countBlock(*loop->body);
      if (std::holds_alternative<runtime::Call>(instruction.op))
        ++report.calls;
    }
  }

  void countLaunch(const runtime::Launch &launch, const std::string &provenance) {
    Report::KernelRecord &record = report.kernels[launch.kernel];
    ++record.launches;
    if (record.nodes.size() < 8 && llvm::find(record.nodes, provenance) == record.nodes.end())
      record.nodes.push_back(provenance);
    SymbolicExpr::Substitution arguments;
    for (auto [i, symbol] : llvm::enumerate(launch.symbols))
      arguments["s" + std::to_string(i)] = symbol;
    const runtime::Kernel &kernel = program.kernels[launch.kernel];
    flops[launch.kernel] += kernel.flops.substitute(arguments);
    bytes[launch.kernel] += kernel.bytes.substitute(arguments);
  }

  void run() {
    for (const runtime::Kernel &kernel : program.kernels)
      report.kernels.push_back({kernel.symbol, kernel.kind, kernel.reason, {}, 0, "", ""});
    // Functions that make weights run once, when the program is loaded.
    std::set<int32_t> atLoad;
    for (const runtime::Weight &weight : program.weights)
      atLoad.insert(weight.derivedFunction);
    for (auto [i, function] : llvm::enumerate(program.functions))
      if (!atLoad.count(i))
        countBlock(function.body);
    for (auto [i, record] : llvm::enumerate(report.kernels)) {
      record.flops = flops[i].str();
      record.bytes = bytes[i].str();
    }
    report.functions = program.functions.size() - llvm::count_if(atLoad, [](int32_t i) { return i >= 0; });
    for (const runtime::Weight &weight : program.weights)
      (weight.derivedFunction >= 0 ? report.derivedWeightBytes : report.weightBytes) += weightBytes(weight);
    for (const runtime::Constant &constant : program.constants)
      report.constantBytes += constant.bytes.size();
    const runtime::Function &entry = program.functions.front();
    report.arena = entry.frameBytes ? std::to_string(*entry.frameBytes) : arenaExpression(entry);
  }

private:
  static int64_t weightBytes(const runtime::Weight &weight) {
    int64_t count = 1;
    for (int64_t extent : weight.shape)
      count *= extent;
    return byteSize(weight.dtype, count);
  }

  /// An upper bound: all buffers at once. The runtime plans when it sees the shapes.
  static std::string arenaExpression(const runtime::Function &entry) {
    SymbolicExpr sum = 0;
    for (const runtime::Buffer &buffer : entry.buffers) {
      if (buffer.kind != runtime::BufferKind::Arena)
        continue;
      SymbolicExpr bytes = bitWidth(buffer.dtype) / 8;
      for (const SymbolicExpr &dim : buffer.dims)
        bytes *= dim;
      sum += bytes;
    }
    return "at most " + sum.str();
  }

  const runtime::Program &program;
  Report &report;
  std::map<int32_t, SymbolicExpr> flops, bytes;
};

} // namespace

void bessemer::forEachFallback(ModuleOp module, llvm::function_ref<void(Operation *)> fn) {
  module.walk([&](Operation *op) {
    if (!isa<bess::BessDialect>(op->getDialect()) || op->getNumResults() == 0 || op->hasAttr("bess.view"))
      return;
    if (isa<bess::WeightOp, bess::ConstantOp, bess::PrepareOp, bess::LaunchOp, bess::FromDimsOp, bess::ReshapeOp>(op))
      return;
    auto function = op->getParentOfType<func::FuncOp>();
    if (!function || !function->hasAttr("bess.prepare"))
      fn(op);
  });
}

void bessemer::fillReport(ModuleOp module, const runtime::Program &program, Report &report) {
  ProgramReport(program, report).run();
  std::map<std::pair<std::string, std::string>, Report::FallbackRecord> fallbacks;
  forEachFallback(module, [&](Operation *op) {
    std::string type;
    llvm::raw_string_ostream(type) << op->getResult(0).getType();
    auto custom = dyn_cast<bess::CustomOp>(op);
    std::string name = custom ? custom.getOpType().str() : op->getName().stripDialect().str();
    Report::FallbackRecord &record = fallbacks[{name, type}];
    record.op = name;
    record.type = type;
    record.nodes.push_back(provenanceText(op->getLoc(), 2));
  });
  for (auto &[key, record] : fallbacks)
    report.fallbacks.push_back(std::move(record));
  for (func::FuncOp function : module.getOps<func::FuncOp>())
    if (auto order = function->getAttrOfType<StringAttr>("bess.order"))
      report.orders.push_back(function.getName().str() + ": " + order.str());
}

/// What the passes of fuse have noted on the functions.
static std::vector<std::string> notes(ModuleOp module, StringRef name) {
  std::vector<std::string> texts;
  for (func::FuncOp function : module.getOps<func::FuncOp>())
    if (auto list = function->getAttrOfType<ArrayAttr>(name))
      for (Attribute text : list)
        texts.push_back(cast<StringAttr>(text).str());
  return texts;
}

std::string bessemer::fillMemoryReport(ModuleOp module, const runtime::Program &program, const CompileOptions &options,
                                       ArrayRef<MemoryChoice> choices, Report &report) {
  ProgramMemory memory = describeMemory(program, options.threads);
  if (memory.known)
    report.liveBytes = largestLiveSum(memory.boxes);
  if (program.memoryLimit <= 0)
    return "";
  Report::MemoryRecord record;
  record.limit = program.memoryLimit;
  record.known = memory.known;
  if (!memory.known) {
    record.reasons.push_back("sizes are free: what stays and what is streamed is decided when a run binds them");
    report.memory = std::move(record);
    return "";
  }
  StreamPlan plan = planMemoryLimit(memory, program.memoryLimit);
  record.minimumBytes = plan.minimumBytes;
  record.workspaceBytes = memory.workspaceBytes;
  for (const MemoryChoice &choice : choices) {
    record.choices.emplace_back(choice.pieces, choice.plan.minimumBytes);
    record.minimumBytes = std::min(record.minimumBytes, choice.plan.minimumBytes);
    if (choice.memory.launches == memory.launches && choice.memory.arenaBytes == memory.arenaBytes)
      record.pieces = choice.pieces;
  }
  record.splits = notes(module, "bess.splits");
  record.recomputed = notes(module, "bess.recomputed");
  if (!choices.empty() && !(record.splits.empty() && record.recomputed.empty()))
    record.reasons.push_back("in pieces, or computed again: " + std::to_string(memory.launches) +
                             " kernels are launched instead of " + std::to_string(choices[0].memory.launches) +
                             ", with them at least " + std::to_string(plan.minimumBytes) + " bytes, without " +
                             std::to_string(choices[0].plan.minimumBytes));
  if (plan.fits) {
    record.totalBytes = plan.totalBytes;
    record.residentBytes = plan.residentBytes + memory.smallWeightBytes;
    record.areaBytes = plan.areaBytes;
    record.streamedBytes = plan.streamedBytes;
    record.readsAhead = plan.readsAhead;
    std::set<int> streamed;
    for (const StreamRequest &request : plan.requests)
      streamed.insert(request.unit);
    record.streamedWeights = streamed.size();
    // Once out of the file's pages and once into place.
    record.streamSeconds = 2.0 * double(plan.streamedBytes) / (options.machine.memoryGBs * 1e9);
    size_t named = 0;
    for (int unit : streamed)
      if (named < 8 && ++named)
        record.reasons.push_back("streamed: " + memory.unitNames[unit] + ", " + std::to_string(memory.unitBytes[unit]) +
                                 " bytes");
    if (streamed.size() > named)
      record.reasons.push_back("and " + std::to_string(streamed.size() - named) + " more");
    if (!streamed.empty())
      record.reasons.push_back(plan.readsAhead ? "each is read while the one before it is in use"
                                               : "each is read when it is needed: there is no room to read ahead");
  }
  report.memory = std::move(record);
  return plan.fits ? "" : limitTooSmall(memory, plan, program.memoryLimit);
}
