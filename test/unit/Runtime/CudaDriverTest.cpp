// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The CUDA driver's calls, against a library made here that stands for it. It
// refuses what the real one refuses (no context, unknown memory, copies out of
// range, a kernel that was not loaded) and does nothing before it must: what is
// asked of a stream runs when somebody waits for it. Its "device" addresses are no
// addresses of the host.
#include "bessemer/Runtime/TimePrograms.h"
#include "test/unit/Runtime/TestPrograms.h"

#include <dlfcn.h>
#include <numeric>

using namespace bessemer;
using namespace bessemer::runtime;
using namespace bessemer::runtime::test;

namespace {

const char *fakeSource() {
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

std::string buildDriver(const std::string &name, const std::string &options) {
  std::string c = folder() + "/" + name + ".c", so = folder() + "/lib" + name + ".so";
  writeFile(c, fakeSource(), std::char_traits<char>::length(fakeSource()));
  EXPECT_EQ(std::system(("cc -shared -fPIC -O1 " + options + " -o " + so + " " + c).c_str()), 0);
  return so;
}

const std::string &fakeDriver() {
  static const std::string path = buildDriver("fake_cuda", "");
  return path;
}

/// A counter of the fake driver; the same library as the one that the device has open.
int &counter(const char *name) {
  static void *library = dlopen(fakeDriver().c_str(), RTLD_NOW | RTLD_LOCAL);
  return *static_cast<int *>(dlsym(library, name));
}

/// y = 2 * (x + w), and its row sums, for three rows; w is a constant.
Program deviceProgram(const SymbolicExpr &n = sym("n")) {
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

// Kernels that wait themselves are launched while the one before may run; others are not.
TEST_F(CudaDriver, KernelsThatWaitStartEarly) {
  Program program = deviceProgram();
  program.kernels[Scale].startsEarly = true;
  Context context(makeModel(program, 1, options));
  std::vector<float> x(12, 1.0f);
  std::vector<Tensor> inputs{tensor(x, {3, 4})}, outputs(2);
  int early = counter("fake_early"), launches = counter("fake_launches");
  Status status = context.run(inputs, outputs);
  ASSERT_TRUE(status.ok()) << status.message;
  EXPECT_EQ(counter("fake_early") - early, 1);
  EXPECT_EQ(counter("fake_launches") - launches, 3);
  EXPECT_EQ(values(outputs[0])[11], 4);
}

TEST_F(CudaDriver, CopiesAtTheEdgesOnly) {
  {
    Context context(makeModel(deviceProgram(), 1, options));
    for (int64_t n : {2, 5, 2}) {
      int in = counter("fake_copies_in"), out = counter("fake_copies_out"), launches = counter("fake_launches");
      std::vector<float> x(3 * n);
      std::iota(x.begin(), x.end(), 1.0f);
      std::vector<Tensor> inputs{tensor(x, {3, n})}, outputs(2);
      Status status = context.run(inputs, outputs);
      ASSERT_TRUE(status.ok()) << status.message;
      std::vector<float> y = values(outputs[0]), sums = values(outputs[1]);
      for (int64_t r = 0; r < 3; ++r) {
        float sum = 0;
        for (int64_t j = 0; j < n; ++j) {
          EXPECT_EQ(y[r * n + j], 4 * x[r * n + j]);
          sum += y[r * n + j];
        }
        EXPECT_EQ(sums[r], sum);
      }
      EXPECT_EQ(counter("fake_copies_in") - in, 2);   // the input, and the symbols
      EXPECT_EQ(counter("fake_copies_out") - out, 3); // two outputs, and what the kernels have found
      EXPECT_EQ(counter("fake_launches") - launches, 3);
    }
  }
  options.device.reset();
  device.reset();
  EXPECT_EQ(counter("fake_live"), 0) << "device memory that nobody gave back";
}

/// y = 4 * x and its row sums: all launches have symbols.
Program growingProgram() {
  Program program = deviceProgram();
  SymbolicExpr n = sym("n");
  Function &f = program.functions[0];
  BufferId x = 0, y = 1, t = 3; // in deviceProgram's order
  f.body[0] = launch(Scale, {x, t}, {2}, n * 3);
  f.body[1] = launch(Scale, {t, y}, {2}, n * 3);
  f.body.erase(f.body.begin() + 2);
  return program;
}

// A decoder's past: the symbol's value goes to device memory, the launches stay the graph that they are.
TEST_F(CudaDriver, AGrowingSizeIsOneGraph) {
  Context context(makeModel(growingProgram(), 1, options));
  int graphs = counter("fake_graphs"), replays = counter("fake_replays"), launches = 0;
  for (int64_t n = 5; n <= 13; ++n) {
    if (n == 8) // 5 as it is; 6 makes room for 8, and is seen for the first time; 7 is recorded
      launches = counter("fake_launches");
    std::vector<float> x(3 * n);
    std::iota(x.begin(), x.end(), 1.0f);
    std::vector<Tensor> inputs{tensor(x, {3, n})}, outputs(2);
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    std::vector<float> y = values(outputs[0]), sums = values(outputs[1]);
    for (int64_t i = 0; i < 3 * n; ++i)
      EXPECT_EQ(y[i], 4 * x[i]) << "n = " << n;
    EXPECT_EQ(sums[2], 4 * n * (2 * n + 1 + 3 * n) / 2) << "n = " << n;
    if (n == 8) {
      EXPECT_EQ(counter("fake_launches"), launches);
    }
  }
  // One up to 8, one up to 16.
  EXPECT_EQ(counter("fake_graphs") - graphs, 2);
  EXPECT_EQ(counter("fake_replays") - replays, 2 + 4);
  EXPECT_EQ(context.deviceCounts().replays, 2 + 4);
  EXPECT_EQ(context.deviceCounts().launches, 3 * 3);
}

TEST(Cuda, ADriverWithoutGraphs) {
  LoadOptions options;
  ASSERT_TRUE(openCudaDevice(options.device, buildDriver("old_cuda", "-DcuGraphInstantiateWithFlags=none")).ok());
  Context context(makeModel(growingProgram(), 1, options));
  for (int round = 0; round < 3; ++round) {
    std::vector<float> x(6, 1.0f);
    std::vector<Tensor> inputs{tensor(x, {3, 2})}, outputs(2);
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(values(outputs[1]), std::vector<float>(3, 8.0f));
  }
  EXPECT_EQ(context.deviceCounts().launches, 3 * 3);
}

// What was recorded for other memory is not replayed: a tensor that does not fit where the last one lay.
TEST_F(CudaDriver, GraphsFollowTheMemory) {
  Context context(makeModel(growingProgram(), 1, options));
  for (int64_t n : {4, 4, 4, 400, 400, 4, 4, 400}) {
    std::vector<float> x(3 * n, 1.0f);
    std::vector<Tensor> inputs{tensor(x, {3, n})}, outputs(2);
    Status status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(values(outputs[0]), std::vector<float>(3 * n, 4.0f));
    EXPECT_EQ(values(outputs[1]), std::vector<float>(3, 4.0f * n));
  }
  EXPECT_GT(context.deviceCounts().replays, 1);
}

// Memory of the device is read and written where it is: what comes out of one run goes into the next.
TEST_F(CudaDriver, TensorsOnTheDeviceAreNotCopied) {
  {
    Context context(makeModel(growingProgram(), 1, options));
    std::vector<float> x = {1, 2, 3, 4, 5, 6}, y(6);
    Tensor on{DType::F32, {3, 2}};
    on.onDevice = true;
    Status status = context.writeTensor(on, x.data(), 24);
    ASSERT_TRUE(status.ok()) << status.message;
    int in = counter("fake_copies_in"), out = counter("fake_copies_out"), waits = counter("fake_legacy_waits");
    std::vector<Tensor> outputs(2);
    outputs[0].onDevice = outputs[1].onDevice = true;
    for (int round = 0; round < 3; ++round) {
      std::vector<Tensor> inputs{on};
      outputs[0].data = outputs[1].data = nullptr;
      outputs[0].capacity = outputs[1].capacity = -1;
      status = context.run(inputs, outputs);
      ASSERT_TRUE(status.ok()) << status.message;
      EXPECT_EQ(outputs[0].shape, (std::vector<int64_t>{3, 2}));
      on = outputs[0];
    }
    EXPECT_EQ(counter("fake_copies_in") - in, 1) << "the symbols, once";
    EXPECT_EQ(counter("fake_copies_out") - out, 3) << "what the kernels have found, in each run";
    EXPECT_EQ(counter("fake_legacy_waits") - waits, 6) << "in each run; for results in memory that was given back";
    status = context.readTensor(on, y.data(), 24);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(y, (std::vector<float>{64, 128, 192, 256, 320, 384}));
    // In place: the input is donated.
    std::vector<Tensor> inputs{on};
    outputs[0] = on;
    status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    status = context.readTensor(on, y.data(), 24);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(y[5], 4 * 384);
    // One of each kind; and what a run refuses.
    outputs = std::vector<Tensor>(2);
    status = context.run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(values(outputs[0])[5], 16 * 384);
    inputs[0].strides = {1, 3};
    outputs = std::vector<Tensor>(2);
    status = context.run(inputs, outputs);
    EXPECT_NE(status.message.find("contiguous tensor on the device"), std::string::npos) << status.message;
    status = context.readTensor(on, y.data(), 20);
    EXPECT_NE(status.message.find("of 20 bytes, got one of 24"), std::string::npos) << status.message;
  }
  options.device.reset();
  device.reset();
  EXPECT_EQ(counter("fake_live"), 0) << "device memory that nobody gave back";
}

// The parameters behind the others: what the driver has encoded, from the buffer's address and sizes.
TEST_F(CudaDriver, TensorMapsAreMadeAtEachLaunch) {
  Program program = deviceProgram();
  program.kernels[Add].tensorMaps = {
      {.buffer = 0, .elementBytes = 4, .swizzleBytes = 32, .dims = {3, 4}, .box = {2, 8}}};
  counter("fake_maps") = 1;
  Context context(makeModel(program, 1, options));
  std::vector<float> x(12, 1.0f);
  std::vector<Tensor> inputs{tensor(x, {3, 4})}, outputs(2);
  Status status = context.run(inputs, outputs);
  counter("fake_maps") = 0;
  ASSERT_TRUE(status.ok()) << status.message;
  const auto *words = reinterpret_cast<const uint64_t *>(&counter("fake_map"));
  EXPECT_NE(words[0], 0u);
  EXPECT_EQ(std::vector<uint64_t>(words + 1, words + 10), (std::vector<uint64_t>{2, 4, 3, 16, 8, 2, 1, 2, 0}));
  // Rows of three elements are no multiple of 16 bytes.
  program.kernels[Add].tensorMaps[0].dims = {4, 3};
  Context refused(makeModel(std::move(program), 1, options));
  std::vector<Tensor> again(2);
  status = refused.run(inputs, again);
  EXPECT_NE(status.message.find("multiple of 16 below 2^40 as the stride"), std::string::npos) << status.message;
}

// Three launches, each of which takes 1 ms on the fake device, whether one by one or as a graph; the copies do not
// count.
TEST_F(CudaDriver, TimeIsTheDevices) {
  counter("fake_memory_left") = 8 << 20;
  {
    Context context(makeModel(deviceProgram(), 1, options));
    for (int round = 0; round < 4; ++round) {
      std::vector<float> x(15, 1.0f);
      std::vector<Tensor> inputs{tensor(x, {3, 5})}, outputs(2);
      double seconds = 0;
      Status status = context.runTimed(inputs, outputs, seconds);
      ASSERT_TRUE(status.ok()) << status.message;
      EXPECT_NEAR(seconds, 3e-3, 1e-8);
      EXPECT_EQ(values(outputs[0]), std::vector<float>(15, 4.0f));
      status = context.run(inputs, outputs); // not timed: the next one counts its own launches alone
      ASSERT_TRUE(status.ok()) << status.message;
    }
    EXPECT_GT(context.deviceCounts().replays, 0);
  }
  options.device.reset();
  device.reset();
  EXPECT_EQ(counter("fake_live"), 0) << "memory that nobody gave back";
  EXPECT_EQ(counter("fake_events"), 0) << "events that nobody gave back";
  counter("fake_memory_left") = 1 << 20;
}

TEST_F(CudaDriver, ProgramsAreTimedAgainstEachOther) {
  counter("fake_memory_left") = 8 << 20;
  Program longer = deviceProgram(5), wrong = deviceProgram(5);
  longer.functions[0].body.push_back(launch(Add, {0, 0, 3}, {}, 15)); // one that nobody reads
  wrong.functions[0].body[2] = launch(Scale, {4, 1}, {3}, 15);
  auto model = [&](Program program) { return makeModel(std::move(program), 1, options); };
  std::vector<std::shared_ptr<const Model>> models{model(deviceProgram(5)), model(longer), model(wrong)};
  std::vector<ProgramTiming> timings;
  Status status = timePrograms(models, 3, timings);
  ASSERT_TRUE(status.ok()) << status.message;
  ASSERT_EQ(timings.size(), 3u);
  for (const ProgramTiming &timing : timings) {
    EXPECT_EQ(timing.error, "");
    EXPECT_EQ(timing.low, timing.seconds);
    EXPECT_EQ(timing.high, timing.seconds);
  }
  EXPECT_NEAR(timings[0].seconds, 3e-3, 1e-8);
  EXPECT_NEAR(timings[1].seconds, 4e-3, 1e-8);
  EXPECT_EQ(timings[0].difference, 0);
  EXPECT_EQ(timings[1].difference, 0);
  EXPECT_GT(timings[2].difference, 0.5) << "half as much again";
  // Other shapes, and shapes that are free.
  models[1] = model(deviceProgram(4));
  EXPECT_NE(timePrograms(models, 3, timings).message.find("the same inputs"), std::string::npos);
  models[1] = model(deviceProgram());
  EXPECT_NE(timePrograms(models, 3, timings).message.find("'x': expected f32, f16 or bf16 and a constant shape"),
            std::string::npos);
  counter("fake_memory_left") = 1 << 20;
}

TEST_F(CudaDriver, AnInputMayBeTheOutput) {
  Context context(makeModel(deviceProgram(), 1, options));
  std::vector<float> x = {1, 2, 3, 4, 5, 6};
  std::vector<Tensor> inputs{tensor(x, {3, 2})}, outputs(2);
  outputs[0] = tensor(x, {3, 2});
  Status status = context.run(inputs, outputs);
  ASSERT_TRUE(status.ok()) << status.message;
  EXPECT_EQ(x, (std::vector<float>{4, 8, 12, 16, 20, 24}));
}

TEST_F(CudaDriver, AFaultInTheDataNamesItsNode) {
  Program program = deviceProgram();
  program.functions[0].body.back().provenance = "the_sum";
  Context context(makeModel(std::move(program), 1, options));
  std::vector<float> x = {1e6f, 2, 3, 4, 5, 6};
  for (int round = 0; round < 2; ++round) {
    std::vector<Tensor> inputs{tensor(x, {3, 2})}, outputs(2);
    Status status = context.run(inputs, outputs);
    EXPECT_EQ(status.ok(), round == 1) << status.message;
    if (round == 0) {
      EXPECT_NE(status.message.find("the_sum: expected indices inside"), std::string::npos) << status.message;
    }
    x[0] = 1;
  }
}

TEST_F(CudaDriver, MemoryThatIsNotThere) {
  Context context(makeModel(deviceProgram(), 1, options));
  std::vector<float> x(3 << 20);
  std::vector<Tensor> inputs{tensor(x, {3, 1 << 20})}, outputs(2);
  Status status = context.run(inputs, outputs);
  EXPECT_EQ(status.code, StatusCode::OutOfMemory);
  EXPECT_NE(status.message.find("device memory"), std::string::npos) << status.message;
}

TEST_F(CudaDriver, CodeThatTheDriverRefuses) {
  Program program = deviceProgram();
  program.code = {'e', 'l', 'f'};
  std::shared_ptr<Model> model;
  Status status = Model::create(std::move(program), options, model);
  EXPECT_NE(status.message.find("cuda:sm_80 on fake (sm_80)"), std::string::npos) << status.message;
}

TEST(Cuda, NoDriver) {
  std::shared_ptr<Device> device;
  Status status = openCudaDevice(device, folder() + "/libnone.so");
  EXPECT_EQ(status.code, StatusCode::Unsupported);
  EXPECT_NE(status.message.find("run with --emulate"), std::string::npos) << status.message;
}

} // namespace
