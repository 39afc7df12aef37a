// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/KernelImports.h"

#include <gtest/gtest.h>

#include <cstring>
#include <elf.h>
#include <fstream>

using namespace bessemer::runtime;

namespace {

/// A shared object of three sections: dynamic, dynamic symbols, strings.
struct Elf {
  std::vector<std::string> functions = {}, libraries = {};
  bool hasInit = false;

  std::vector<uint8_t> bytes() const {
    std::string strings(1, '\0');
    auto text = [&](const std::string &name) {
      size_t at = strings.size();
      strings += name + '\0';
      return at;
    };
    std::vector<Elf64_Sym> symbols(1);
    for (const std::string &name : functions) {
      symbols.emplace_back();
      symbols.back().st_name = static_cast<Elf64_Word>(text(name));
    }
    std::vector<Elf64_Dyn> entries;
    for (const std::string &name : libraries)
      entries.push_back({DT_NEEDED, {text(name)}});
    if (hasInit)
      entries.push_back({DT_INIT, {64}});
    entries.push_back({DT_NULL, {0}});

    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_DYN;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 3;
    std::vector<uint8_t> out(sizeof(header));
    Elf64_Shdr sections[3] = {};
    auto add = [&](int index, Elf64_Word type, const void *data, size_t size) {
      sections[index].sh_type = type;
      sections[index].sh_link = 2;
      sections[index].sh_offset = out.size();
      sections[index].sh_size = size;
      auto *begin = static_cast<const uint8_t *>(data);
      out.insert(out.end(), begin, begin + size);
    };
    add(0, SHT_DYNAMIC, entries.data(), entries.size() * sizeof(Elf64_Dyn));
    add(1, SHT_DYNSYM, symbols.data(), symbols.size() * sizeof(Elf64_Sym));
    add(2, SHT_STRTAB, strings.data(), strings.size());
    header.e_shoff = out.size();
    auto *begin = reinterpret_cast<const uint8_t *>(sections);
    out.insert(out.end(), begin, begin + sizeof(sections));
    std::memcpy(out.data(), &header, sizeof(header));
    return out;
  }
};

std::string refusal(const Elf &elf) { return checkKernelImports(elf.bytes()).message; }

} // namespace

TEST(KernelImportsTest, MathematicalFunctionsAndCopiesAreAllowed) {
  EXPECT_EQ(refusal({.functions = {"sinf", "pow", "memcpy", "fmodf"}}), "");
}

TEST(KernelImportsTest, AnyOtherFunctionIsRefusedByName) {
  EXPECT_NE(refusal({.functions = {"sinf", "system"}}).find("'system'"), std::string::npos);
  EXPECT_NE(refusal({.functions = {"sinff"}}).find("'sinff'"), std::string::npos);
}

TEST(KernelImportsTest, LibrariesAndInitializersAreRefused) {
  EXPECT_NE(refusal({.libraries = {"libevil.so"}}).find("'libevil.so'"), std::string::npos);
  EXPECT_NE(refusal({.hasInit = true}).find("code that runs when they are loaded"), std::string::npos);
}

TEST(KernelImportsTest, EveryTruncationIsRefused) {
  std::vector<uint8_t> whole = Elf{.functions = {"sinf"}}.bytes();
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(checkKernelImports(std::span(whole).first(size)).ok()) << size;
}

TEST(KernelImportsTest, DamagedOffsetsDoNotReadOutside) {
  std::vector<uint8_t> whole = Elf{.functions = {"sinf"}, .libraries = {"libx.so"}}.bytes();
  for (size_t at = 0; at < whole.size(); ++at)
    for (uint8_t value : {0x00, 0x7f, 0x80, 0xff}) {
      std::vector<uint8_t> damaged = whole;
      damaged[at] = value;
      KernelImports imports;
      (void)readKernelImports(damaged, imports); // under ASan: no read outside of the bytes
    }
}

TEST(KernelImportsTest, AProgramOfThisSystemIsRefused) {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(file)), {});
  EXPECT_FALSE(checkKernelImports(bytes).ok());
}
