// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Measures the peak of f32 fused multiply-adds: fixed registers, no memory, as
// many independent chains as hide the latency of the unit (4 cycles x 2 units =
// 8; 12 leave room). Prints one JSON object, GFLOP/s over all threads:
//   {"threads": 2, "avx2": 177.1, "avx512": 210.0}        (avx512 only where
//   the machine has it)
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { Chains = 12, Unroll = 4, Rounds = 60 };

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
  double begin, end;
} Span;
typedef struct {
  Kernel kernel;
  uint64_t iterations;
  int threads;
  pthread_barrier_t ready;
  Span *spans; ///< [thread][round]
} Work;
typedef struct {
  Work *work;
  int number;
} Worker;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/// Each thread on a processor of its own, where there are enough: the system may leave two on one for long.
static void pin(int number, int threads) {
  cpu_set_t allowed, own;
  if (sched_getaffinity(0, sizeof allowed, &allowed) || CPU_COUNT(&allowed) < threads)
    return;
  int cpu = 0;
  for (int left = number; !CPU_ISSET(cpu, &allowed) || left-- > 0;)
    ++cpu;
  CPU_ZERO(&own);
  CPU_SET(cpu, &own);
  pthread_setaffinity_np(pthread_self(), sizeof own, &own);
}

static void *run(void *argument) {
  Worker *worker = argument;
  Work *work = worker->work;
  if (worker->number > 0)
    pin(worker->number, work->threads);
  for (int i = 0; i < Rounds; ++i) {
    pthread_barrier_wait(&work->ready);
    Span *span = &work->spans[worker->number * Rounds + i];
    span->begin = now();
    work->kernel(work->iterations);
    span->end = now();
  }
  return NULL;
}

/// GFLOP/s of all threads together. A round lasts from the first thread's start to the last one's end, so threads that
/// do not run at the same time count as slow; the best round is the one that the machine's other load disturbed least.
/// Rounds take one to three milliseconds: shorter than a time slice. The caller's thread is one of them: another would
/// wait for a core.
static double measure(Kernel kernel, int lanes, int threads) {
  Work work = {.kernel = kernel, .iterations = 150000, .threads = threads};
  pthread_barrier_init(&work.ready, NULL, (unsigned)threads);
  work.spans = calloc((size_t)threads * Rounds, sizeof *work.spans);
  pthread_t *handles = calloc((size_t)threads, sizeof *handles);
  Worker *workers = calloc((size_t)threads, sizeof *workers);
  for (int i = threads - 1; i >= 0; --i) {
    workers[i] = (Worker){&work, i};
    if (i > 0 && pthread_create(&handles[i], NULL, run, &workers[i])) {
      fprintf(stderr, "fma_peak: %d threads could not be started\n", threads);
      exit(1);
    }
  }
  cpu_set_t before;
  sched_getaffinity(0, sizeof before, &before);
  pin(0, threads); // last, for threads inherit it
  run(&workers[0]);
  sched_setaffinity(0, sizeof before, &before);
  for (int i = 1; i < threads; ++i)
    pthread_join(handles[i], NULL);
  double best = 0, flops = 2.0 * lanes * Chains * Unroll * (double)work.iterations * threads;
  for (int round = 0; round < Rounds; ++round) {
    double first = work.spans[round].begin, last = work.spans[round].end;
    for (int i = 1; i < threads; ++i) {
      Span span = work.spans[i * Rounds + round];
      first = span.begin < first ? span.begin : first;
      last = span.end > last ? span.end : last;
    }
    double rate = flops / (last - first) / 1e9;
    best = rate > best ? rate : best;
  }
  pthread_barrier_destroy(&work.ready);
  free(work.spans);
  free(handles);
  free(workers);
  return best;
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
