// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// While one lives that is on, floating-point operations of this thread take and give zero
// instead of a denormal number. A processor handles those in microcode, a
// hundred times slower, and networks with gates (hard swish, sigmoid) make them
// in masses: half of the time of a text detector went there.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bessemer::runtime {

class FlushDenormals {
public:
  explicit FlushDenormals(bool on) : on(on), saved(on ? read() : 0) {
    if (on)
      write(saved | flags);
  }
  ~FlushDenormals() {
    if (on)
      write(saved);
  }
  FlushDenormals(const FlushDenormals &) = delete;
  FlushDenormals &operator=(const FlushDenormals &) = delete;

private:
#if defined(__x86_64__)
  static constexpr uint64_t flags = 0x8040; // MXCSR: flush to zero, denormals are zero
  static uint64_t read() { return _mm_getcsr(); }
  static void write(uint64_t value) { _mm_setcsr(static_cast<unsigned>(value)); }
#elif defined(__aarch64__)
  static constexpr uint64_t flags = uint64_t{1} << 24; // FPCR.FZ
  static uint64_t read() {
    uint64_t value;
    asm volatile("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void write(uint64_t value) { asm volatile("msr fpcr, %0" : : "r"(value)); }
#else
  static constexpr uint64_t flags = 0;
  static uint64_t read() { return 0; }
  static void write(uint64_t) {}
#endif

  bool on;
  uint64_t saved;
};

} // namespace bessemer::runtime
