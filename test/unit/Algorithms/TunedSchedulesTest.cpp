// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/TunedSchedules.h"

#include <gtest/gtest.h>

#include <set>

using namespace bessemer;

namespace {
NamedProduct productOf(int64_t rows, int64_t columns, int64_t depth, ProductEpilogue epilogue = ProductEpilogue::None) {
  NamedProduct product;
  product.shape.rows = rows, product.shape.columns = columns, product.shape.depth = depth;
  product.shape.resultBytes = 2;
  product.shape.bulkOperands = copyEngineFits(product.shape);
  product.epilogue = epilogue;
  return product;
}

TunedProduct tunedOf(const NamedProduct &product, const GpuProductCandidate &candidate) {
  TunedProduct tuned;
  tuned.product = product;
  tuned.parts = candidate.parts, tuned.partDepth = candidate.partDepth;
  tuned.schedule = candidate.schedule;
  tuned.seconds = 1.5e-5, tuned.modelSeconds = 2e-5;
  tuned.model = "blocks of 1 x 1";
  tuned.device = "a device", tuned.date = "2026-11-27";
  return tuned;
}

/// The first candidate in parts.
GpuProductCandidate inParts(const NamedProduct &product, const GpuMachine &machine) {
  for (const GpuProductCandidate &candidate : rankGpuProducts(product, machine, 100))
    if (candidate.parts > 1)
      return candidate;
  ADD_FAILURE() << "no candidate in parts";
  return {};
}

std::string fileOf(const std::string &entry) { return "{\"target\": \"t\", \"products\": [" + entry + "]}"; }

std::string replaced(std::string text, const std::string &what, const std::string &by) {
  size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what << " in " << text;
  return text.replace(at, what.size(), by);
}
} // namespace

TEST(TunedSchedules, CandidatesFitAndAreRanked) {
  for (int64_t architecture : {80, 90})
    for (MatmulInstruction instruction :
         {MatmulInstruction::MmaHalf, MatmulInstruction::MmaTf32, MatmulInstruction::Fma})
      for (auto [m, n, k] :
           {std::array<int64_t, 3>{1, 6144, 4096}, {64, 4096, 14336}, {4096, 4096, 4096}, {70, 72, 200}})
        for (ProductEpilogue epilogue : {ProductEpilogue::None, ProductEpilogue::Functions}) {
          GpuMachine machine = gpuMachineOf(architecture);
          NamedProduct product = productOf(m, n, k, epilogue);
          product.shape.instruction = instruction;
          product.shape.elementBytes = product.shape.resultBytes = instruction == MatmulInstruction::MmaHalf ? 2 : 4;
          product.shape.bulkOperands = copyEngineFits(product.shape);
          std::vector<GpuProductCandidate> ranked = rankGpuProducts(product, machine, 8);
          ASSERT_FALSE(ranked.empty());
          EXPECT_LE(ranked.size(), 8u);
          std::set<std::string> different;
          for (size_t i = 0; i < ranked.size(); ++i) {
            EXPECT_EQ(checkGpuProduct(product, ranked[i], machine), "");
            different.insert(std::to_string(ranked[i].parts) + scheduleText(ranked[i].schedule));
            if (i > 1)
              EXPECT_GE(ranked[i].cycles, ranked[i - 1].cycles);
          }
          EXPECT_EQ(different.size(), ranked.size());
        }
}

TEST(TunedSchedules, TheModelsChoiceComesFirst) {
  GpuMachine machine = gpuMachineOf(90);
  for (NamedProduct product : {productOf(64, 4096, 14336), productOf(4096, 4096, 4096), productOf(100, 768, 3072)}) {
    GpuDepthParts parts = chooseDepthParts(product.shape, machine);
    GpuMatmulShape shape = parts.parts > 1 ? partShape(product.shape, parts.parts, parts.partDepth) : product.shape;
    GpuProductCandidate first = rankGpuProducts(product, machine, 3).front();
    EXPECT_EQ(first.parts, parts.parts);
    EXPECT_EQ(scheduleText(first.schedule), scheduleText(*chooseGpuMatmulSchedule(shape, machine)));
    EXPECT_DOUBLE_EQ(first.cycles, parts.cycles);
    for (const GpuProductCandidate &candidate : rankGpuProducts(product, machine, 20, /*withParts=*/false))
      EXPECT_EQ(candidate.parts, 1);
  }
}

TEST(TunedSchedules, AFileComesBack) {
  GpuMachine machine = gpuMachineOf(90);
  TunedSchedules tuned;
  NamedProduct whole = productOf(4096, 4096, 4096), cut = productOf(64, 4096, 14336);
  GpuProductCandidate parts = inParts(cut, machine), other = rankGpuProducts(whole, machine, 8).back();
  tuned.add(tunedOf(whole, other));
  tuned.add(tunedOf(cut, parts));
  std::vector<std::string> problems;
  TunedSchedules read = TunedSchedules::parse(tuned.json("cuda:sm_90a"), machine, problems);
  EXPECT_EQ(problems, std::vector<std::string>());
  EXPECT_EQ(read.json("cuda:sm_90a"), tuned.json("cuda:sm_90a"));
  ASSERT_EQ(read.size(), 2u);
  const TunedProduct *found = read.find(whole.shape, ProductEpilogue::None);
  ASSERT_TRUE(found);
  EXPECT_EQ(scheduleText(found->schedule), scheduleText(other.schedule));
  EXPECT_EQ(found->reason(),
            "tuned: " + scheduleText(other.schedule) +
                ": 15.00 us measured on a device, 2026-11-27; the model would choose blocks of 1 x 1: " + "20.00 us");
  // The parts together are a product of their own.
  const TunedProduct *ofParts = read.findParts(partShape(cut.shape, parts.parts, parts.partDepth));
  ASSERT_TRUE(ofParts);
  EXPECT_EQ(ofParts->parts, parts.parts);
  EXPECT_EQ(read.findParts(partShape(cut.shape, parts.parts + 1, parts.partDepth)), nullptr);
}

TEST(TunedSchedules, AProductIsFoundByItsKey) {
  GpuMachine machine = gpuMachineOf(90);
  TunedSchedules tuned;
  NamedProduct product = productOf(256, 512, 1024, ProductEpilogue::Arithmetic);
  tuned.add(tunedOf(product, rankGpuProducts(product, machine, 1, false).front()));
  EXPECT_TRUE(tuned.find(product.shape, ProductEpilogue::Arithmetic));
  EXPECT_TRUE(tuned.find(product.shape, ProductEpilogue::Functions)) << "another epilogue of the same product";
  auto isMissing = [&](auto change) {
    GpuMatmulShape shape = product.shape;
    change(shape);
    return tuned.find(shape, ProductEpilogue::Arithmetic) == nullptr;
  };
  EXPECT_TRUE(isMissing([](GpuMatmulShape &s) { s.rows = 255; }));
  EXPECT_TRUE(isMissing([](GpuMatmulShape &s) { s.rows = std::nullopt; }));
  EXPECT_TRUE(isMissing([](GpuMatmulShape &s) { s.batches = 2; }));
  EXPECT_TRUE(isMissing([](GpuMatmulShape &s) { s.transposedA = true; }));
  EXPECT_TRUE(isMissing([](GpuMatmulShape &s) { s.transposedB = true; }));
  EXPECT_TRUE(isMissing([](GpuMatmulShape &s) { s.resultBytes = 4; }));
  EXPECT_TRUE(isMissing([](GpuMatmulShape &s) { s.instruction = MatmulInstruction::Fma; }));
  std::string error;
  std::optional<NamedProduct> read = parseProduct(productText(product.shape, product.epilogue), error);
  ASSERT_TRUE(read) << error;
  EXPECT_EQ(productText(read->shape, read->epilogue), productText(product.shape, product.epilogue));
  EXPECT_EQ(read->shape.bulkOperands, product.shape.bulkOperands);
}

// An entry that is of no use is a sentence, and the others are read.
TEST(TunedSchedules, BrokenFiles) {
  GpuMachine machine = gpuMachineOf(90);
  NamedProduct product = productOf(4096, 4096, 4096), cut = productOf(64, 4096, 14336);
  auto entryOf = [](const TunedProduct &tuned) {
    TunedSchedules one;
    one.add(tuned);
    std::string text = one.json("t");
    size_t begin = text.find("[") + 1;
    return text.substr(begin, text.rfind("]") - begin);
  };
  std::string good = entryOf(tunedOf(product, rankGpuProducts(product, machine, 1, false).front())),
              parts = entryOf(tunedOf(cut, inParts(cut, machine)));
  const std::pair<std::string, std::string> broken[] = {
      {replaced(good, "\"stages\":3", "\"stages\":30"), "entry 0: expected 2 to 8 stages, got 30"},
      {replaced(good, "\"stages\":3", "\"stages\":8"), "bytes of shared memory"},
      {replaced(good, "\"stages\":3", "\"stages\":-3"), "expected an integer of 0 or more as 'stages' of a schedule"},
      {replaced(good, "\"stages\":3", "\"stages\":1e99"), "expected an integer of 0 or more as 'stages' of a schedule"},
      {replaced(good, "\"stages\":3", "\"steps\":3"), "expected 'stages' in a schedule"},
      {replaced(good, "\"stages\":3", "\"stages\":3,\"steps\":3"), "unknown entry 'steps' of a schedule"},
      {replaced(good, "\"rows\":4096", "\"rows\":\"many\""), "expected an integer of 0 or more as 'rows' of a product"},
      {replaced(good, "\"rows\":4096,", ""), "expected 'rows' in a product"},
      {replaced(good, "\"instruction\":\"wgmma_half\"", "\"instruction\":\"wgmma\""), "expected an instruction"},
      {replaced(good, "\"instruction\":\"wgmma_half\"", "\"instruction\":\"wgmma_tf32\""), "of the instruction's type"},
      {replaced(good, "\"columns\":4096", "\"columns\":4097"), "expected operands that the copy engine can bring"},
      {replaced(good, "\"epilogue\":\"none\"", "\"epilogue\":\"some\""), "expected none, arithmetic or functions"},
      {replaced(good, "\"parts\":1", "\"parts\":0"), "expected parts of whole steps"},
      {replaced(parts, "\"part_depth\":", "\"part_depth\":1"), "expected parts of whole steps"},
      {"17", "expected an object as an entry"},
      {"{\"product\": {}, \"schedule\": [], \"parts\": 1}", "expected 'batches' in a product"},
  };
  for (const auto &[entry, expected] : broken) {
    std::vector<std::string> problems;
    TunedSchedules read = TunedSchedules::parse(fileOf(entry + "," + parts), machine, problems);
    ASSERT_EQ(problems.size(), 1u) << entry;
    EXPECT_NE(problems.front().find(expected), std::string::npos) << problems.front();
    EXPECT_EQ(read.size(), 1u);
    EXPECT_TRUE(read.find(cut.shape, ProductEpilogue::None));
  }
  for (const char *text : {"", "{", "[]", "{\"products\": 3}", "null"}) {
    std::vector<std::string> problems;
    EXPECT_TRUE(TunedSchedules::parse(text, machine, problems).empty());
    EXPECT_EQ(problems, std::vector<std::string>{"expected a JSON object with a list of 'products'"});
  }
  // For another machine.
  std::vector<std::string> problems;
  EXPECT_TRUE(TunedSchedules::parse(fileOf(good), gpuMachineOf(80), problems).empty());
  EXPECT_EQ(problems, std::vector<std::string>{"entry 0: expected a machine with wgmma, sm_90a"});
}
