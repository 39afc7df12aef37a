// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Independent chains of multiply-adds in vectors of the compiler's own kind, one
// copy for each width; and a sum over more memory than the caches hold.
#include "lib/Driver/Commands/PeakMeasure.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace bessemer::commands {

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Operations of `rounds` rounds on 12 accumulators: enough to hide the latency
/// of two units, and few enough for 16 registers.
template <int bytes> struct Chains {
  typedef float Vector __attribute__((vector_size(bytes)));
  static constexpr int count = 12;
  static constexpr double flopsPerRound = 2.0 * count * (bytes / 4);

  __attribute__((always_inline)) static inline float run(int64_t rounds) {
    Vector sums[count], factor, addend;
    for (int i = 0; i < bytes / 4; ++i) {
      factor[i] = 0.999f;
      addend[i] = 0.001f;
    }
    for (int c = 0; c < count; ++c)
      sums[c] = addend * float(c);
    for (int64_t r = 0; r < rounds; ++r)
#pragma clang loop unroll(full)
      for (int c = 0; c < count; ++c) {
#pragma clang fp contract(fast)
        sums[c] = sums[c] * factor + addend;
      }
    float total = 0;
    for (int c = 0; c < count; ++c)
      total += sums[c][0];
    return total;
  }
};

#if defined(__x86_64__)
__attribute__((target("avx512f"), noinline)) static float chains512(int64_t rounds) { return Chains<64>::run(rounds); }
__attribute__((target("avx2,fma"), noinline)) static float chains256(int64_t rounds) { return Chains<32>::run(rounds); }
#endif
__attribute__((noinline)) static float chains128(int64_t rounds) { return Chains<16>::run(rounds); }

static double measureFlops() {
  float (*chains)(int64_t) = chains128;
  double perRound = Chains<16>::flopsPerRound;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) {
    chains = chains512;
    perRound = Chains<64>::flopsPerRound;
  } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    chains = chains256;
    perRound = Chains<32>::flopsPerRound;
  }
#endif
  constexpr int64_t rounds = 1 << 20;
  double best = 1e9;
  volatile float sink = 0;
  for (int i = 0; i < 10; ++i) {
    double start = now();
    sink = sink + chains(rounds);
    best = std::min(best, now() - start);
  }
  return perRound * double(rounds) / best;
}

static double measureBytes() {
  constexpr size_t bytes = 128 << 20;
  std::unique_ptr<uint64_t[]> data(new uint64_t[bytes / 8]);
  std::memset(data.get(), 1, bytes);
  double best = 1e9;
  volatile uint64_t sink = 0;
  for (int i = 0; i < 4; ++i) {
    double start = now();
    uint64_t sums[8] = {};
    for (size_t w = 0; w < bytes / 8; w += 8)
      for (int k = 0; k < 8; ++k)
        sums[k] += data[w + k];
    sink = sink + sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
    best = std::min(best, now() - start);
  }
  return double(bytes) / best;
}

MachinePeak measurePeak(int threads) {
  if (threads <= 0)
    threads = int(std::max(1u, std::thread::hardware_concurrency()));
  std::vector<MachinePeak> each(threads);
  auto onAll = [&](auto measure) {
    std::vector<std::thread> running;
    for (int t = 0; t < threads; ++t)
      running.emplace_back([&, t] { measure(each[t]); });
    for (std::thread &thread : running)
      thread.join();
  };
  onAll([](MachinePeak &peak) { peak.flops = measureFlops(); });
  onAll([](MachinePeak &peak) { peak.bytes = measureBytes(); });
  MachinePeak sum;
  for (const MachinePeak &peak : each) {
    sum.flops += peak.flops;
    sum.bytes += peak.bytes;
  }
  return sum;
}

} // namespace bessemer::commands
