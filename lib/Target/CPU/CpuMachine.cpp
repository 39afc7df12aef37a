// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Target/CPU/CpuMachine.h"

#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <unistd.h>

using namespace bessemer;

static void initializeTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeAArch64AsmParser();
  });
}

/// The processor's features by LLVM's tables; nullopt when the name is not known for the triple.
static std::optional<std::vector<std::string>> tableFeatures(const std::string &triple, const std::string &cpu) {
  std::string error;
  llvm::Triple parsed(triple);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(parsed, error);
  if (!target)
    return std::nullopt;
  // An unknown name would be reported on stderr by the constructor; ask a generic one first.
  std::unique_ptr<llvm::MCSubtargetInfo> generic(target->createMCSubtargetInfo(parsed, "", ""));
  if (!generic || !generic->isCPUStringValid(cpu))
    return std::nullopt;
  std::unique_ptr<llvm::MCSubtargetInfo> info(target->createMCSubtargetInfo(parsed, cpu, ""));
  std::vector<std::string> features;
  for (const llvm::SubtargetFeatureKV &feature : info->getAllProcessorFeatures())
    if (info->getFeatureBits().test(feature.Value))
      features.push_back(feature.Key);
  return features;
}

static void setRegisters(MachineInfo &machine) {
  if (llvm::Triple(machine.triple).isAArch64()) {
    machine.vectorBits = 128;
    machine.vectorRegisters = 32;
    machine.fusedMultiplyAdd = true;
    machine.flopsPerCycle = 16;
    return;
  }
  // 512-bit registers pay only where the masked and byte forms are there, too.
  bool wide = machine.hasFeature("avx512f") && machine.hasFeature("avx512vl") && machine.hasFeature("avx512bw") &&
              machine.hasFeature("avx512dq");
  bool avx2 = machine.hasFeature("avx2");
  machine.vectorBits = wide ? 512 : avx2 ? 256 : 128;
  machine.vectorRegisters = wide ? 32 : 16;
  machine.fusedMultiplyAdd = machine.hasFeature("fma");
  machine.flopsPerCycle = 2.0 * machine.vectorBits / 32 * (machine.fusedMultiplyAdd ? 2 : 1);
}

static void setHostCaches(MachineInfo &machine) {
  auto ask = [](int name, int64_t &field) {
    long bytes = sysconf(name);
    if (bytes > 0)
      field = bytes;
  };
  ask(_SC_LEVEL1_DCACHE_SIZE, machine.l1Bytes);
  ask(_SC_LEVEL2_CACHE_SIZE, machine.l2Bytes);
  ask(_SC_LEVEL3_CACHE_SIZE, machine.l3Bytes);
  machine.cores = std::max(1u, std::thread::hardware_concurrency());
}

static MachineInfo describeHost() {
  MachineInfo machine;
  machine.triple = llvm::sys::getDefaultTargetTriple();
  machine.cpu = llvm::sys::getHostCPUName().str();
  // As detected: a guest may lack what its processor's name promises.
  for (const auto &feature : llvm::sys::getHostCPUFeatures())
    if (feature.getValue())
      machine.features.push_back(feature.getKey().str());
  std::sort(machine.features.begin(), machine.features.end());
  setRegisters(machine);
  setHostCaches(machine);
  return machine;
}

std::optional<MachineInfo> cpu::describeCpu(const std::string &name, std::string &error) {
  initializeTargets();
  if (name.empty() || name == "native")
    return describeHost();
  llvm::Triple host(llvm::sys::getDefaultTargetTriple());
  for (const char *arch : {host.isAArch64() ? "aarch64" : "x86_64", host.isAArch64() ? "x86_64" : "aarch64"}) {
    MachineInfo machine;
    machine.triple = host.getArchName() == arch ? host.str() : std::string(arch) + "-unknown-linux-gnu";
    machine.cpu = name == "generic" && std::string_view(arch) == "x86_64" ? "x86-64" : name;
    std::optional<std::vector<std::string>> features = tableFeatures(machine.triple, machine.cpu);
    if (!features)
      continue;
    machine.features = std::move(*features);
    setRegisters(machine);
    return machine;
  }
  error = "expected native, generic or the name of an x86-64 or AArch64 processor, got '" + name + "'";
  return std::nullopt;
}

std::string cpu::featureString(const MachineInfo &machine) {
  std::string text;
  for (const std::string &feature : machine.features)
    text += (text.empty() ? "+" : ",+") + feature;
  // A host's name may promise more than the host has.
  if (machine.cpu == llvm::sys::getHostCPUName())
    for (const auto &feature : llvm::sys::getHostCPUFeatures())
      if (!feature.getValue() && !machine.hasFeature(feature.getKey()))
        text += (text.empty() ? "-" : ",-") + feature.getKey().str();
  return text;
}

std::vector<std::string> cpu::cpuinfoFeatures(const MachineInfo &machine) {
  static constexpr std::pair<const char *, const char *> names[] = {
      // LLVM, /proc/cpuinfo
      {"sse4.2", "sse4_2"},
      {"avx", "avx"},
      {"avx2", "avx2"},
      {"fma", "fma"},
      {"f16c", "f16c"},
      {"bmi", "bmi1"},
      {"bmi2", "bmi2"},
      {"avx512f", "avx512f"},
      {"avx512vl", "avx512vl"},
      {"avx512bw", "avx512bw"},
      {"avx512dq", "avx512dq"},
      {"avx512vnni", "avx512_vnni"},
      {"avx512bf16", "avx512_bf16"},
      {"avx512fp16", "avx512_fp16"},
      {"avxvnni", "avx_vnni"},
      {"fullfp16", "asimdhp"},
      {"dotprod", "asimddp"},
      {"i8mm", "i8mm"},
      {"bf16", "bf16"},
      {"sve", "sve"},
  };
  std::vector<std::string> list;
  for (auto [llvmName, cpuinfo] : names)
    if (machine.hasFeature(llvmName))
      list.push_back(cpuinfo);
  return list;
}
