// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Runtime/CheckProgram.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace bessemer::runtime {

#if defined(__aarch64__)
// What the kernel tells each process: there is no other list under an emulator of user programs.
static void readFeatures(std::vector<std::string> &list) {
  static constexpr std::pair<unsigned long, const char *> first[] = {
      {HWCAP_FP, "fp"},         {HWCAP_ASIMD, "asimd"},     {HWCAP_AES, "aes"},           {HWCAP_PMULL, "pmull"},
      {HWCAP_SHA1, "sha1"},     {HWCAP_SHA2, "sha2"},       {HWCAP_CRC32, "crc32"},       {HWCAP_ATOMICS, "atomics"},
      {HWCAP_FPHP, "fphp"},     {HWCAP_ASIMDHP, "asimdhp"}, {HWCAP_ASIMDRDM, "asimdrdm"}, {HWCAP_JSCVT, "jscvt"},
      {HWCAP_FCMA, "fcma"},     {HWCAP_LRCPC, "lrcpc"},     {HWCAP_SHA3, "sha3"},         {HWCAP_ASIMDDP, "asimddp"},
      {HWCAP_SHA512, "sha512"}, {HWCAP_SVE, "sve"},         {HWCAP_ASIMDFHM, "asimdfhm"}};
  static constexpr std::pair<unsigned long, const char *> second[] = {
      {HWCAP2_SVE2, "sve2"}, {HWCAP2_I8MM, "i8mm"}, {HWCAP2_BF16, "bf16"}};
  for (auto [bit, name] : first)
    if (getauxval(AT_HWCAP) & bit)
      list.push_back(name);
  for (auto [bit, name] : second)
    if (getauxval(AT_HWCAP2) & bit)
      list.push_back(name);
}
#else
// The kernel's list instead of cpuid: it leaves out what the machine has but the
// system does not enable (AVX-512 under some hypervisors).
static void readFeatures(std::vector<std::string> &list) {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("flags"))
      continue;
    std::istringstream words(line.substr(std::min(line.find(':'), line.size() - 1) + 1));
    for (std::string word; words >> word;)
      list.push_back(word);
    break;
  }
}
#endif

const std::vector<std::string> &cpuFeatures() {
  static const auto *features = [] {
    auto *list = new std::vector<std::string>();
    readFeatures(*list);
    std::sort(list->begin(), list->end());
    return list;
  }();
  return *features;
}

/// The compiler may name a feature as LLVM does.
static std::string_view cpuinfoName(std::string_view feature) {
  static constexpr std::pair<std::string_view, std::string_view> names[] = {
      {"sse3", "pni"},
      {"sse4.1", "sse4_1"},
      {"sse4.2", "sse4_2"},
      {"bmi", "bmi1"},
      {"lzcnt", "abm"},
      {"pclmul", "pclmulqdq"},
      {"rdrnd", "rdrand"},
      {"prfchw", "3dnowprefetch"},
      {"sahf", "lahf_lm"},
      {"64bit", "lm"},
      {"sha", "sha_ni"},
      {"avxvnni", "avx_vnni"},
      {"avx512vnni", "avx512_vnni"},
      {"avx512bf16", "avx512_bf16"},
      {"avx512fp16", "avx512_fp16"},
      {"avx512vbmi2", "avx512_vbmi2"},
      {"avx512bitalg", "avx512_bitalg"},
      {"avx512vpopcntdq", "avx512_vpopcntdq"},
      {"neon", "asimd"},
      {"dotprod", "asimddp"},
      {"fullfp16", "asimdhp"},
  };
  for (auto [llvm, cpuinfo] : names)
    if (feature == llvm)
      return cpuinfo;
  return feature;
}

Status checkTarget(const Program &program) {
  if (program.target != "cpu")
    return Status::error(StatusCode::Unsupported, "expected target cpu or cuda, got '" + program.target + "'");
#if defined(__x86_64__)
  std::string host = "x86_64";
#elif defined(__aarch64__)
  std::string host = "aarch64";
#else
  std::string host = "unknown";
#endif
  std::string arch = program.triple.substr(0, program.triple.find('-'));
  if (arch == "arm64")
    arch = "aarch64";
  if (!program.triple.empty() && arch != host)
    return Status::error(StatusCode::Unsupported, "expected code for " + host + ", got " + program.triple);
  std::string missing;
  for (const std::string &feature : program.features)
    if (!std::binary_search(cpuFeatures().begin(), cpuFeatures().end(), cpuinfoName(feature)))
      missing += (missing.empty() ? "" : ", ") + feature;
  if (!missing.empty())
    return Status::error(StatusCode::Unsupported, "expected a CPU with " + missing + ", got one without");
  return {};
}

} // namespace bessemer::runtime
