// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/KernelImports.h"

#include <algorithm>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <optional>

namespace bessemer::runtime {

namespace {

/// For float (`sinf`) and double (`sin`): what the code generator calls for operations that the instruction set lacks.
constexpr std::string_view mathFunctions[] = {
    "acos", "acosh", "asin",      "asinh", "atan",   "atan2", "atanh", "cbrt", "ceil",      "copysign", "cos",
    "cosh", "erf",   "erfc",      "exp",   "exp10",  "exp2",  "expm1", "fabs", "fdim",      "floor",    "fma",
    "fmax", "fmin",  "fmod",      "ldexp", "log",    "log10", "log1p", "log2", "nearbyint", "pow",      "remainder",
    "rint", "round", "roundeven", "sin",   "sincos", "sinh",  "sqrt",  "tan",  "tanh",      "trunc"};

constexpr std::string_view otherFunctions[] = {
    "memcpy", "memmove", "memset", "memcmp", "bcmp",
    // Conversions of narrow floats, powers and divisions of wide integers, of the compiler's own library.
    "__extendhfsf2", "__extendhfdf2", "__truncsfhf2", "__truncdfhf2", "__truncsfbf2", "__truncdfbf2", "__gnu_h2f_ieee",
    "__gnu_f2h_ieee", "__powisf2", "__powidf2", "__divti3", "__modti3", "__udivti3", "__umodti3", "__multi3",
    "__fixunssfdi", "__fixunsdfdi", "__floatundisf", "__floatundidf"};

bool isAllowed(std::string_view name) {
  auto in = [](auto &list, std::string_view wanted) {
    return std::find(std::begin(list), std::end(list), wanted) != std::end(list);
  };
  return in(otherFunctions, name) || in(mathFunctions, name) ||
         (name.ends_with('f') && in(mathFunctions, name.substr(0, name.size() - 1)));
}

Status malformed(const std::string &what) {
  return Status::error(StatusCode::BadFile, "the compiled kernels are no well-formed ELF shared object: " + what);
}

/// Copies of structures out of bytes that nobody has checked.
class Bytes {
public:
  explicit Bytes(std::span<const uint8_t> bytes) : bytes(bytes) {}

  template <class T> bool read(uint64_t offset, T &out) const {
    if (offset > bytes.size() || sizeof(T) > bytes.size() - offset)
      return false;
    std::memcpy(&out, bytes.data() + offset, sizeof(T));
    return true;
  }
  std::optional<std::span<const uint8_t>> section(const Elf64_Shdr &header) const {
    if (header.sh_type == SHT_NOBITS || header.sh_offset > bytes.size() ||
        header.sh_size > bytes.size() - header.sh_offset)
      return std::nullopt;
    return bytes.subspan(header.sh_offset, header.sh_size);
  }

private:
  std::span<const uint8_t> bytes;
};

std::optional<std::string> textAt(std::span<const uint8_t> strings, uint64_t offset) {
  if (offset >= strings.size())
    return std::nullopt;
  const uint8_t *begin = strings.data() + offset, *end = strings.data() + strings.size();
  const uint8_t *zero = std::find(begin, end, 0);
  return zero == end ? std::nullopt : std::optional(std::string(begin, zero));
}

} // namespace

Status readKernelImports(std::span<const uint8_t> elf, KernelImports &imports) {
  Bytes file(elf);
  Elf64_Ehdr header;
  if (!file.read(0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_DYN)
    return malformed("expected a 64-bit little-endian shared object");
  if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum == 0)
    return malformed("expected section headers");
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  for (size_t i = 0; i < sections.size(); ++i)
    if (!file.read(header.e_shoff + i * sizeof(Elf64_Shdr), sections[i]))
      return malformed("section header " + std::to_string(i) + " lies outside of the file");

  bool isDynamic = false;
  for (const Elf64_Shdr &section : sections) {
    if (section.sh_type == SHT_INIT_ARRAY || section.sh_type == SHT_FINI_ARRAY || section.sh_type == SHT_PREINIT_ARRAY)
      imports.hasInitializers |= section.sh_size > 0;
    if (section.sh_type != SHT_DYNSYM && section.sh_type != SHT_DYNAMIC)
      continue;
    auto bytes = file.section(section);
    auto strings = section.sh_link < sections.size() ? file.section(sections[section.sh_link]) : std::nullopt;
    if (!bytes || !strings)
      return malformed("a dynamic section lies outside of the file");
    Bytes content(*bytes);
    if (section.sh_type == SHT_DYNSYM) {
      Elf64_Sym symbol;
      for (uint64_t at = sizeof(symbol); content.read(at, symbol); at += sizeof(symbol)) {
        if (symbol.st_shndx != SHN_UNDEF)
          continue;
        auto name = textAt(*strings, symbol.st_name);
        if (!name)
          return malformed("the name of a symbol lies outside of its section");
        imports.functions.push_back(std::move(*name));
      }
      continue;
    }
    isDynamic = true;
    Elf64_Dyn entry;
    for (uint64_t at = 0; content.read(at, entry) && entry.d_tag != DT_NULL; at += sizeof(entry)) {
      imports.hasInitializers |= entry.d_tag == DT_INIT || entry.d_tag == DT_FINI;
      if (entry.d_tag != DT_NEEDED)
        continue;
      auto name = textAt(*strings, entry.d_un.d_val);
      if (!name)
        return malformed("the name of a library lies outside of its section");
      imports.libraries.push_back(std::move(*name));
    }
  }
  return isDynamic ? Status() : malformed("expected a dynamic section");
}

Status checkKernelImports(std::span<const uint8_t> elf) {
  KernelImports imports;
  if (Status status = readKernelImports(elf, imports); !status.ok())
    return status;
  auto refused = [](const std::string &text) {
    return Status::error(StatusCode::BadFile, "the compiled kernels are refused: " + text);
  };
  if (!imports.libraries.empty())
    return refused("expected no library that they depend on, got '" + imports.libraries.front() + "'");
  if (imports.hasInitializers)
    return refused("expected no code that runs when they are loaded");
  // Made visible once: kernels call it without naming it as a dependency.
  static void *const libm = dlopen("libm.so.6", RTLD_NOW | RTLD_GLOBAL);
  (void)libm;
  for (const std::string &name : imports.functions) {
    if (!isAllowed(name))
      return refused("expected calls of mathematical functions and of copies of memory only, got '" + name + "'");
    if (!dlsym(RTLD_DEFAULT, name.c_str()))
      return refused("they call '" + name + "', which this system does not have");
  }
  return {};
}

} // namespace bessemer::runtime
