// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A library that stands for the CUDA driver's. It
// refuses what the real one refuses (no context, unknown memory, copies out of
// range, a kernel that was not loaded) and does nothing before it must: what is
// asked of a stream runs when somebody waits for it. Its "device" addresses are no
// addresses of the host.
#pragma once

#include "test/unit/Runtime/TestPrograms.h"

#include <dlfcn.h>

namespace bessemer::runtime::test {

inline const char *fakeSource() {
  return R"(
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
typedef uint64_t P;
enum { OK = 0, BAD = 1, NO_MEMORY = 2, NOT_READY = 3, NO_CONTEXT = 201, NOT_FOUND = 500 };
static const P tag = (P)1 << 62;
struct block { P at; size_t bytes; } blocks[256];
static int initialized, streams, loaded;
static _Thread_local int current;
int fake_copies_in, fake_copies_out, fake_launches, fake_live, fake_memory_left = 1 << 20;
static char *host(P at, size_t bytes) {
  for (int i = 0; i < 256; ++i)
    if (blocks[i].at && at >= blocks[i].at && at + bytes <= blocks[i].at + blocks[i].bytes) return (char *)(at ^ tag);
  return 0;
}
struct work { int kind; char *to; const char *from; size_t bytes; int owned, kernel; unsigned grid, block; uint64_t words[16]; };
static struct work queue[4096];
static int queued, done; // launches
// A stream that captures puts its work there instead. A graph is what it captured; to run it is to ask for all of it again.
struct graph { int count; struct work work[64]; } graphs[16];
static struct graph *capturing;
int fake_graphs, fake_replays;
static int put(struct work w) {
  if (!capturing) { queue[queued++] = w; return OK; }
  if (w.owned && w.kind == 0) return 900; // memory that is not pinned
  capturing->work[capturing->count++] = w; return OK; }
#define NEED if (!initialized) return NOT_READY; if (!current) return NO_CONTEXT;
int cuInit(unsigned f) { initialized = 1; return f ? BAD : OK; }
int cuGetErrorString(int e, const char **text) { *text = e == NO_MEMORY ? "out of memory" : "refused"; return OK; }
int cuDeviceGetCount(int *n) { *n = 1; return initialized ? OK : NOT_READY; }
int cuDeviceGet(int *d, int i) { *d = 0; return initialized && i == 0 ? OK : BAD; }
int cuDeviceGetName(char *t, int n, int d) { strncpy(t, "fake", n); return OK; }
int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 16 ? 2 : a == 75 ? 8 : 0; return OK; }
int cuDevicePrimaryCtxRetain(void **c, int d) { *c = &initialized; return initialized ? OK : NOT_READY; }
int cuDevicePrimaryCtxRelease_v2(int d) { return OK; }
int cuCtxSetCurrent(void *c) { current = c == &initialized; return current ? OK : BAD; }
int cuModuleLoadData(void **m, const void *data) { NEED loaded = !strncmp(data, "ptx", 3); *m = &loaded; return loaded ? OK : BAD; }
int cuModuleUnload(void *m) { NEED loaded = 0; return OK; }
static const char *names[] = {"add", "scale", "row_sum", "iota", "less", "count_positive", "positives"};
int cuModuleGetFunction(void **f, void *m, const char *name) { NEED
  if (m != &loaded || !loaded) return BAD;
  for (intptr_t i = 0; i < 7; ++i) if (!strcmp(names[i], name)) { *f = (void *)(i + 1); return OK; }
  return NOT_FOUND; }
int cuFuncSetAttribute(void *f, int a, int v) { NEED return OK; }
int cuMemAlloc_v2(P *at, size_t bytes) { NEED
  if (!bytes) return BAD;
  if ((int)bytes > fake_memory_left) return NO_MEMORY;
  for (int i = 0; i < 256; ++i) if (!blocks[i].at) {
    blocks[i].at = (P)malloc(bytes) ^ tag; blocks[i].bytes = bytes; *at = blocks[i].at; ++fake_live; return OK; }
  return NO_MEMORY; }
int cuStreamSynchronize(void *s);
int cuMemFree_v2(P at) { NEED
  if (queued) cuStreamSynchronize(&streams); // the driver waits for all that may use the memory
  for (int i = 0; i < 256; ++i) if (blocks[i].at == at) { free((void *)(at ^ tag)); blocks[i].at = 0; --fake_live; return OK; }
  return BAD; }
int cuMemAllocHost_v2(void **at, size_t bytes) { NEED *at = malloc(bytes); ++fake_live; return OK; }
int cuMemFreeHost(void *at) { NEED free(at); --fake_live; return OK; }
// An event is the number of launches before it, and each takes 1 ms.
int fake_events;
int cuEventCreate(void **e, unsigned f) { NEED *e = calloc(1, 8); ++fake_events; return f ? BAD : OK; }
int cuEventDestroy_v2(void *e) { NEED free(e); --fake_events; return OK; }
int cuEventRecord(void *e, void *s) { NEED
  if (s != &streams || capturing) return BAD;
  int n = 0;
  for (int i = 0; i < queued; ++i) n += queue[i].kind == 2;
  *(int *)e = done + n; return OK; }
int cuEventElapsedTime(float *ms, void *a, void *b) { NEED
  if (*(int *)b > done) return 600; // not there yet
  *ms = *(int *)b - *(int *)a; return OK; }
int cuStreamCreate(void **s, unsigned f) { NEED *s = &streams; ++streams; return OK; }
int cuStreamDestroy_v2(void *s) { NEED --streams; return OK; }
int cuMemcpyHtoDAsync_v2(P to, const void *from, size_t bytes, void *s) { NEED
  char *at = host(to, bytes);
  if (!at || s != &streams) return BAD;
  char *own = malloc(bytes); memcpy(own, from, bytes); // as the driver does with memory that is not pinned
  ++fake_copies_in; return put((struct work){0, at, own, bytes, 1}); }
int cuMemcpyDtoHAsync_v2(void *to, P from, size_t bytes, void *s) { NEED
  char *at = host(from, bytes);
  if (!at || s != &streams) return BAD;
  if (capturing) return 900;
  ++fake_copies_out; return put((struct work){0, to, at, bytes}); }
int cuMemcpyDtoDAsync_v2(P to, P from, size_t bytes, void *s) { NEED
  char *a = host(to, bytes), *b = host(from, bytes);
  if (!a || !b || s != &streams) return BAD;
  return put((struct work){0, a, b, bytes}); }
int cuMemsetD8Async(P to, unsigned char v, size_t bytes, void *s) { NEED
  char *at = host(to, bytes);
  if (!at || s != &streams) return BAD;
  return put((struct work){1, at, 0, bytes, v}); }
uint64_t fake_map[16];
int fake_maps;
int cuTensorMapEncodeTiled(void *map, int type, unsigned rank, void *address, const uint64_t *sizes, const uint64_t *strides,
                           const unsigned *box, const unsigned *steps, int interleave, int swizzle, int promote, int fill) {
  if ((uintptr_t)map % 64 || (uintptr_t)address % 16 || rank != 2 || interleave || steps[0] != 1 || steps[1] != 1) return BAD;
  uint64_t words[16] = {(uint64_t)address, type, sizes[0], sizes[1], strides[0], box[0], box[1], swizzle, promote, fill};
  memcpy(map, words, 128); return OK; }
int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                   void *s, void **params, void **extra) { NEED
  static const int counts[] = {3, 3, 6};
  intptr_t kernel = (intptr_t)f - 1;
  if (!loaded || s != &streams || !gx || !bx || gy * gz * by * bz != 1 || kernel < 0 || kernel > 2) return BAD;
  struct work w = {2};
  w.kernel = kernel; w.grid = gx; w.block = bx;
  for (int i = 0; i < counts[kernel]; ++i) w.words[i] = *(uint64_t *)params[i];
  if (kernel == 0 && fake_maps) memcpy(fake_map, params[counts[kernel]], 128);
  ++fake_launches; return put(w); }
int fake_early;
struct attribute { int id, pad; int value[16]; };
struct config { unsigned g[3], b[3], shared; void *stream; struct attribute *list; unsigned count; };
int cuLaunchKernelEx(const struct config *c, void *f, void **params, void **extra) {
  if (c->count != 1 || c->list->id != 6 || c->list->value[0] != 1) return BAD;
  ++fake_early;
  return cuLaunchKernel(f, c->g[0], c->g[1], c->g[2], c->b[0], c->b[1], c->b[2], c->shared, c->stream, params, extra); }
int cuStreamBeginCapture_v2(void *s, int mode) { NEED
  if (s != &streams || capturing || mode != 1) return BAD;
  capturing = &graphs[fake_graphs++]; return OK; }
int cuStreamEndCapture(void *s, void **g) { NEED
  if (!capturing) return BAD;
  *g = capturing; capturing = 0; return OK; }
int cuGraphInstantiateWithFlags(void **e, void *g, unsigned long long f) { NEED *e = g; return f ? BAD : OK; }
int cuGraphDestroy(void *g) { NEED return OK; }
int cuGraphExecDestroy(void *e) { NEED return OK; }
int cuGraphLaunch(void *e, void *s) { NEED
  if (s != &streams || capturing) return BAD;
  struct graph *g = e;
  for (int i = 0; i < g->count; ++i) put(g->work[i]);
  ++fake_replays; return OK; }
static int launch(struct work *w) {
  uint64_t *p = w->words;
  float *x = (float *)host(p[0], 4), *y = (float *)host(p[1], 4);
  if (!x || !y) return BAD;
  if (w->kernel == 0) { float *z = (float *)host(p[2], 4); if (!z) return BAD; for (unsigned i = 0; i < w->grid; ++i) z[i] = x[i] + y[i]; return OK; }
  int64_t *words = (int64_t *)host(p[2], 16); // how many blocks have work, and the symbol
  if (!words) return BAD;
  if (w->kernel == 1) for (unsigned i = 0; i < w->grid && i < words[0]; ++i) y[i] = x[i] * (float)words[1];
  if (w->kernel == 2) { // one task after the other: the grid is smaller than the number of rows
    int64_t n = words[1]; int64_t *fault = (int64_t *)host(p[5], 8);
    if (!fault || !host(p[3], p[4] * w->grid)) return BAD;
    for (unsigned r = 0; r < 3; ++r) { y[r] = 0; for (int64_t j = 0; j < n; ++j) y[r] += x[r * n + j]; }
    if (y[0] > 1e6f) *fault = 1; }
  return OK;
}
int fake_legacy_waits;
int cuStreamSynchronize(void *s) { NEED
  if (capturing) return 900;
  if (s == (void *)1) { ++fake_legacy_waits; return OK; } // the legacy default stream
  if (s != &streams) return BAD;
  int result = OK;
  for (int i = 0; i < queued; ++i) {
    struct work *w = &queue[i];
    if (w->kind == 0) { memmove(w->to, w->from, w->bytes); if (w->owned) free((void *)w->from); }
    if (w->kind == 1) memset(w->to, w->owned, w->bytes);
    if (w->kind == 2) ++done;
    if (w->kind == 2 && launch(w)) result = 700;
  }
  queued = 0;
  return result; }
int cuEventSynchronize(void *e) { return cuStreamSynchronize(&streams); }
)";
}

inline std::string buildDriver(const std::string &name, const std::string &options) {
  std::string c = folder() + "/" + name + ".c", so = folder() + "/lib" + name + ".so";
  writeFile(c, fakeSource(), std::char_traits<char>::length(fakeSource()));
  EXPECT_EQ(std::system(("cc -shared -fPIC -O1 " + options + " -o " + so + " " + c).c_str()), 0);
  return so;
}

inline const std::string &fakeDriver() {
  static const std::string path = buildDriver("fake_cuda", "");
  return path;
}

/// A counter of the fake driver; the same library as the one that the device has open.
inline int &counter(const char *name) {
  static void *library = dlopen(fakeDriver().c_str(), RTLD_NOW | RTLD_LOCAL);
  return *static_cast<int *>(dlsym(library, name));
}

/// y = 2 * (x + w), and its row sums, for three rows; w is a constant.
inline Program deviceProgram(const SymbolicExpr &n = sym("n")) {
  Program program = emptyProgram();
  program.target = "cuda:sm_80";
  program.code = {'p', 't', 'x'};
  for (Kernel &kernel : program.kernels) {
    kernel.threads = 32;
    kernel.outputs = 1;
  }
  program.kernels[RowSum].takesWorkspace = true;
  Function &f = program.functions[0];
  Constant w;
  w.dtype = DType::F32;
  w.shape = {3, 2};
  w.bytes.resize(24);
  program.constants.push_back(w);
  BufferId x = addInput(f, "x", {3, n});
  BufferId y = addOutput(f, "y", {3, n});
  BufferId sums = addOutput(f, "sums", {3});
  BufferId t = addBuffer(f, BufferKind::Arena, 0, {3, n});
  BufferId copy = addBuffer(f, BufferKind::Arena, 0, {3, n});
  f.buffers[t].lower = f.buffers[copy].lower = 0;
  f.buffers[t].upper = f.buffers[copy].upper = 4;
  f.body.push_back(launch(Add, {x, x, t}, {}, n * 3));
  f.body.push_back(instruction(Copy{t, copy}));
  f.body.push_back(launch(Scale, {copy, y}, {2}, n * 3));
  f.body.push_back(launch(RowSum, {y, sums}, {n}, 3, 64));
  return program;
}

/// y = 4 * x and its row sums: all launches have symbols.
inline Program growingProgram() {
  Program program = deviceProgram();
  SymbolicExpr n = sym("n");
  Function &f = program.functions[0];
  BufferId x = 0, y = 1, t = 3; // in deviceProgram's order
  f.body[0] = launch(Scale, {x, t}, {2}, n * 3);
  f.body[1] = launch(Scale, {t, y}, {2}, n * 3);
  f.body.erase(f.body.begin() + 2);
  return program;
}

class CudaDriver : public testing::Test {
protected:
  void SetUp() override {
    Status status = openCudaDevice(device, fakeDriver());
    ASSERT_TRUE(status.ok()) << status.message;
    options.device = device;
  }
  std::shared_ptr<Device> device;
  LoadOptions options;
};

} // namespace bessemer::runtime::test
