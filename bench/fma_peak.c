// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Measures the peak of f32 fused multiply-adds: fixed registers, no memory, as
// many independent chains as hide the latency of the unit (4 cycles x 2 units =
// 8; 12 leave room). Prints one JSON object, GFLOP/s over all threads:
//   {"threads": 2, "avx2": 177.1, "avx512": 210.0}        (avx512 only where
//   the machine has it)
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { Chains = 12, Unroll = 4, Rounds = 15 };

#define REPEAT4(X) X X X X

#define FMA_BLOCK(R)                                                                                                   \
  "vfmadd231ps %%" R "12, %%" R "13, %%" R "0\n vfmadd231ps %%" R "12, %%" R "13, %%" R "1\n"                          \
  "vfmadd231ps %%" R "12, %%" R "13, %%" R "2\n vfmadd231ps %%" R "12, %%" R "13, %%" R "3\n"                          \
  "vfmadd231ps %%" R "12, %%" R "13, %%" R "4\n vfmadd231ps %%" R "12, %%" R "13, %%" R "5\n"                          \
  "vfmadd231ps %%" R "12, %%" R "13, %%" R "6\n vfmadd231ps %%" R "12, %%" R "13, %%" R "7\n"                          \
  "vfmadd231ps %%" R "12, %%" R "13, %%" R "8\n vfmadd231ps %%" R "12, %%" R "13, %%" R "9\n"                          \
  "vfmadd231ps %%" R "12, %%" R "13, %%" R "10\n vfmadd231ps %%" R "12, %%" R "13, %%" R "11\n"

#define CLOBBERS                                                                                                       \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",  \
      "cc"

static void runAvx2(uint64_t iterations) {
  __asm__ volatile("vzeroall\n"
                   "1:\n" REPEAT4(FMA_BLOCK("ymm")) "dec %0\n jnz 1b\n vzeroupper\n"
                   : "+r"(iterations)
                   :
                   : CLOBBERS);
}

static void runAvx512(uint64_t iterations) {
  __asm__ volatile("vzeroall\n"
                   "1:\n" REPEAT4(FMA_BLOCK("zmm")) "dec %0\n jnz 1b\n vzeroupper\n"
                   : "+r"(iterations)
                   :
                   : CLOBBERS);
}

typedef void (*Kernel)(uint64_t);
typedef struct {
  Kernel kernel;
  uint64_t iterations;
  pthread_barrier_t *start;
} Work;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *worker(void *argument) {
  Work *work = argument;
  for (int i = 0; i < Rounds; ++i) {
    pthread_barrier_wait(work->start);
    work->kernel(work->iterations);
    pthread_barrier_wait(work->start);
  }
  return NULL;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/// Median over the rounds, in GFLOP/s of all threads together. Each round takes
/// some ten milliseconds.
static double measure(Kernel kernel, int lanes, int threads) {
  const uint64_t iterations = 600000;
  pthread_barrier_t start;
  pthread_barrier_init(&start, NULL, (unsigned)threads + 1);
  Work work = {kernel, iterations, &start};
  pthread_t *handles = calloc((size_t)threads, sizeof *handles);
  for (int i = 0; i < threads; ++i)
    pthread_create(&handles[i], NULL, worker, &work);
  double seconds[Rounds];
  for (int i = 0; i < Rounds; ++i) {
    pthread_barrier_wait(&start);
    double begin = now();
    pthread_barrier_wait(&start);
    seconds[i] = now() - begin;
  }
  for (int i = 0; i < threads; ++i)
    pthread_join(handles[i], NULL);
  free(handles);
  pthread_barrier_destroy(&start);
  qsort(seconds, Rounds, sizeof *seconds, ascending);
  double flops = 2.0 * lanes * Chains * Unroll * (double)iterations * threads;
  return flops / seconds[Rounds / 2] / 1e9;
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  if (threads < 1 || threads > 1024) {
    fprintf(stderr, "usage: fma_peak [THREADS]\n");
    return 2;
  }
  printf("{\"threads\": %d", threads);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    printf(", \"avx2\": %.1f", measure(runAvx2, 8, threads));
  if (__builtin_cpu_supports("avx512f"))
    printf(", \"avx512\": %.1f", measure(runAvx512, 16, threads));
  printf("}\n");
  return 0;
}
