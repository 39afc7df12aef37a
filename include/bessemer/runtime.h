/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The C API of the runtime: load a compiled model and run it. Link
 * libbessemer-runtime.so, or libbessemer.so, which has the compiler as well.
 *
 *   bessemer_program *program = NULL;
 *   bessemer_context *context = NULL;
 *   bessemer_tensor x = {0}, y = {0};
 *   if (bessemer_load_file("model.bsm", NULL, &program) ||
 *       bessemer_context_create(program, &context))
 *     return puts(bessemer_last_error());
 *   x.dtype = BESSEMER_F32; x.rank = 2; x.shape[0] = 1; x.shape[1] = 384; x.data = numbers;
 *   if (bessemer_run(context, &x, 1, &y, 1))      // y.data is NULL: made by the runtime
 *     return puts(bessemer_last_error());
 *   ... y.shape, y.data ...
 *   bessemer_tensor_release(&y);
 *   bessemer_context_release(context);
 *   bessemer_program_release(program);
 *
 * Threads: a program may be used by any number of threads at a time; a context
 * by one at a time, but for bessemer_cancel. Nothing here throws or ends the
 * process; every failure returns a status and leaves a sentence for
 * bessemer_last_error. Strings are UTF-8. A struct with a `struct_size` must be
 * zeroed and have it set to its sizeof, so that later versions can grow it.
 */
#ifndef BESSEMER_RUNTIME_H
#define BESSEMER_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BESSEMER_API __attribute__((visibility("default")))
#define BESSEMER_MAX_RANK 16

typedef enum bessemer_status {
  BESSEMER_OK = 0,
  BESSEMER_INVALID_ARGUMENT = 1, /* a null handle, an unknown name, a wrong count */
  BESSEMER_BAD_FILE = 2,         /* unreadable or damaged artifact, model or weight file */
  BESSEMER_UNSUPPORTED = 3,      /* version, target, instruction set, or an op */
  BESSEMER_BAD_INPUT = 4,        /* dtype, rank, dimension or guard does not hold */
  BESSEMER_OUT_OF_MEMORY = 5,
  BESSEMER_CANCELLED = 6,
  BESSEMER_FAILED = 7 /* the program itself failed while it ran */
} bessemer_status;

/* Element types: the numbers of ONNX's TensorProto.DataType. */
typedef enum bessemer_dtype {
  BESSEMER_UNDEFINED = 0,
  BESSEMER_F32 = 1,
  BESSEMER_U8 = 2,
  BESSEMER_I8 = 3,
  BESSEMER_U16 = 4,
  BESSEMER_I16 = 5,
  BESSEMER_I32 = 6,
  BESSEMER_I64 = 7,
  BESSEMER_STRING = 8,
  BESSEMER_BOOL = 9, /* one byte, 0 or 1 */
  BESSEMER_F16 = 10,
  BESSEMER_F64 = 11,
  BESSEMER_U32 = 12,
  BESSEMER_U64 = 13,
  BESSEMER_COMPLEX64 = 14,
  BESSEMER_COMPLEX128 = 15,
  BESSEMER_BF16 = 16,
  BESSEMER_F8E4M3FN = 17,
  BESSEMER_F8E4M3FNUZ = 18,
  BESSEMER_F8E5M2 = 19,
  BESSEMER_F8E5M2FNUZ = 20,
  BESSEMER_U4 = 21, /* packed in pairs, the first element in the low half */
  BESSEMER_I4 = 22,
  BESSEMER_F4E2M1 = 23,
  BESSEMER_F8E8M0 = 24,
  BESSEMER_U2 = 25,
  BESSEMER_I2 = 26
} bessemer_dtype;

typedef struct bessemer_program bessemer_program;
typedef struct bessemer_context bessemer_context;

/* Where `data` of a tensor is. */
typedef enum bessemer_place {
  BESSEMER_ON_HOST = 0,
  /* The program's GPU: `data` is a device address. Nothing is copied. An input is contiguous (but for caches),
   * an output's shape follows from the shapes of the inputs. A run sees what was written before by work
   * that CUDA's legacy default stream waits for (DLPack: stream 1); when it returns, all
   * outputs are there. */
  BESSEMER_ON_DEVICE = 1
} bessemer_place;

/* A tensor in the caller's memory. */
typedef struct bessemer_tensor {
  int32_t dtype; /* bessemer_dtype */
  int32_t rank;
  int64_t shape[BESSEMER_MAX_RANK];
  int64_t strides[BESSEMER_MAX_RANK]; /* in elements; read when has_strides */
  int32_t has_strides;                /* inputs, and outputs of bessemer_cache; 0: contiguous, row-major */
  int32_t place;                      /* bessemer_place; of an output without `data`: where it is made */
  void *data;
  int64_t capacity; /* outputs: bytes at `data`; 0: exactly what `shape` takes */
  void *owner;      /* outputs made by the runtime: see bessemer_tensor_release */
} bessemer_tensor;

/* ---- errors ---------------------------------------------------------------- */

/* What went wrong in the last call of this thread that failed; "" before the
 * first. Valid until the next call of this thread that fails. */
BESSEMER_API const char *bessemer_last_error(void);
/* "ok", "bad input", ... */
BESSEMER_API const char *bessemer_status_name(bessemer_status status);
/* "0.1.0" */
BESSEMER_API const char *bessemer_version(void);

/* ---- what the host may bring along ----------------------------------------- */

/* Memory of arenas, weights, workspaces and outputs. Called from any thread;
 * `allocate` returns NULL when there is none. Zeroed: the C library. */
typedef struct bessemer_allocator {
  void *(*allocate)(void *user, size_t bytes, size_t alignment);
  void (*release)(void *user, void *memory, size_t bytes);
  void *user;
} bessemer_allocator;

/* The host's threads. `parallel` calls body(argument, i) once for each i in
 * [0, tasks), tasks <= threads, and returns when all are done. Zeroed: threads
 * of the runtime's own, shared by all programs of the process. */
typedef struct bessemer_thread_pool {
  int32_t threads;
  void (*parallel)(void *user, int tasks, void (*body)(void *argument, int task), void *argument);
  void *user;
} bessemer_thread_pool;

/* Bytes that the host owns and keeps as they are until the program is released:
 * the source of weights that were compiled as "host:KEY". */
typedef struct bessemer_host_weight {
  const char *key;
  const void *data;
  int64_t bytes;
} bessemer_host_weight;

typedef struct bessemer_load_options {
  size_t struct_size;
  int32_t threads; /* with the caller's; 0: one for each physical core */
  /* Non-zero: hash the weights of a self-contained artifact whole, whatever their
   * size. Otherwise above 256 MiB only samples of each weight are looked at. */
  int32_t check_all_weights;
  bessemer_thread_pool thread_pool;
  bessemer_allocator allocator;
  const bessemer_host_weight *host_weights;
  size_t host_weight_count;
  const char *weight_folder; /* where relative weight files are; NULL: beside the artifact */
  /* Bytes that the arena of a context and the weights in memory may take together; 0:
   * no limit but the program's own. Weights that do not fit are read again in
   * each run. A shape for which nothing fits gives BESSEMER_BAD_INPUT and a sentence
   * with the smallest limit and what makes it so. */
  int64_t memory_limit;
  /* Bytes that tensors whose size only the data tells (NonZero, what a loop collects)
   * may take at a time in a run; 0: 4 GiB. A run that needs more fails with
   * BESSEMER_OUT_OF_MEMORY. */
  int64_t pool_limit;
} bessemer_load_options;

/* ---- programs -------------------------------------------------------------- */

/* Loads an artifact: checks it, maps or reads its weights, prepares them.
 * `options` may be NULL. */
BESSEMER_API bessemer_status bessemer_load_file(const char *path, const bessemer_load_options *options,
                                                bessemer_program **program);
/* The same from memory, which is not needed after the call. */
BESSEMER_API bessemer_status bessemer_load_memory(const void *data, size_t bytes, const bessemer_load_options *options,
                                                  bessemer_program **program);
/* Contexts and tensors that came from it stay valid. NULL is fine. */
BESSEMER_API void bessemer_program_release(bessemer_program *program);

typedef struct bessemer_argument {
  const char *name; /* valid as long as the program */
  int32_t dtype;
  int32_t rank;
  int64_t shape[BESSEMER_MAX_RANK]; /* -1: not a constant */
  /* "seq", "past + 1", "384": the dimension as an expression of named symbols */
  const char *dims[BESSEMER_MAX_RANK];
} bessemer_argument;

BESSEMER_API size_t bessemer_input_count(const bessemer_program *program);
BESSEMER_API size_t bessemer_output_count(const bessemer_program *program);
BESSEMER_API bessemer_status bessemer_input(const bessemer_program *program, size_t index, bessemer_argument *argument);
BESSEMER_API bessemer_status bessemer_output(const bessemer_program *program, size_t index,
                                             bessemer_argument *argument);
/* The position of a name, or -1. */
BESSEMER_API int64_t bessemer_find_input(const bessemer_program *program, const char *name);
BESSEMER_API int64_t bessemer_find_output(const bessemer_program *program, const char *name);
/* A cache that a run appends to: output number `output` is input number `input`
 * with new elements behind it along dimension `axis` (past and present of a
 * decoder). Both may lie in one buffer with room for more along that dimension:
 * when the two tensors have the same `data` and the strides of the whole buffer
 * (has_strides), a run writes the new elements and moves nothing of the old ones.
 * With such an output and any other input the run copies, and is right as well.
 * The caches of one run have the same room. */
typedef struct bessemer_cache {
  size_t input;
  size_t output;
  int32_t axis;
  int32_t reserved;
} bessemer_cache;

BESSEMER_API size_t bessemer_cache_count(const bessemer_program *program);
BESSEMER_API bessemer_status bessemer_cache_at(const bessemer_program *program, size_t index, bessemer_cache *cache);

/* Bytes of weights that the program holds in memory (those mapped from a file
 * are not counted). */
BESSEMER_API int64_t bessemer_weight_bytes(const bessemer_program *program);

/* ---- running --------------------------------------------------------------- */

BESSEMER_API bessemer_status bessemer_context_create(const bessemer_program *program, bessemer_context **context);
/* Outputs that the runtime made stay valid. NULL is fine. */
BESSEMER_API void bessemer_context_release(bessemer_context *context);

/* Sets dtype, rank and shape of each output for the shapes of the inputs (their
 * data is not looked at). -1: a dimension that only the data tells. */
BESSEMER_API bessemer_status bessemer_output_shapes(bessemer_context *context, const bessemer_tensor *inputs,
                                                    size_t input_count, bessemer_tensor *outputs, size_t output_count);
/* Bytes of intermediate values that such a run takes. */
BESSEMER_API bessemer_status bessemer_arena_bytes(bessemer_context *context, const bessemer_tensor *inputs,
                                                  size_t input_count, int64_t *bytes);

/* Runs the model on inputs and outputs in the program's order. An output whose
 * `data` is NULL is made by the runtime, and the caller releases it; else it is
 * written there. dtype, rank and shape of the outputs are set on success.
 * An output may lie on the memory of an input of the same size: that input is
 * donated to it. The result is right in any case; it costs no copy when the
 * program reads the input before it writes the output. An output that is longer
 * than its input may share a buffer with it as bessemer_cache says.
 * The first run of a shape plans its memory; later ones allocate nothing, unless
 * a size depends on the data or the runtime makes the outputs. On a device, a shape that
 * grows up to the next power of two is not planned again. */
BESSEMER_API bessemer_status bessemer_run(bessemer_context *context, const bessemer_tensor *inputs, size_t input_count,
                                          bessemer_tensor *outputs, size_t output_count);
/* Copies a contiguous tensor on the device to `bytes` bytes of the host's memory, or from there. Any tensor of this
 * program's device, from any context of it. */
BESSEMER_API bessemer_status bessemer_read_tensor(bessemer_context *context, const bessemer_tensor *tensor, void *data,
                                                  int64_t bytes);
BESSEMER_API bessemer_status bessemer_write_tensor(bessemer_context *context, bessemer_tensor *tensor, const void *data,
                                                   int64_t bytes);
/* Frees memory that the runtime made for an output, and zeroes data and owner.
 * Does nothing for other tensors. */
BESSEMER_API void bessemer_tensor_release(bessemer_tensor *tensor);

/* From any thread: the run in progress, or the next one, ends between two
 * instructions with BESSEMER_CANCELLED. */
BESSEMER_API void bessemer_cancel(bessemer_context *context);

/* What was asked of the device since the context was made, as a JSON object: {"copies_in", "copies_out",
 * "symbol_copies", "launches" (one by one), "graphs" (recorded), "replays", "plans" (made for shapes, also without a
 * device), "repeats" (runs that were nothing but a replay)}. A list of launches that comes again is recorded as a
 * (CUDA) graph and replayed; a symbol that varies makes neither another list nor, up to the next power of two, another
 * plan. Valid until the next call with this context. */
BESSEMER_API const char *bessemer_device_counts_json(bessemer_context *context);

/* One of the programs of bessemer_time_programs. */
typedef struct bessemer_timing {
  double seconds;    /* of a run, the median; 0 when it failed */
  double low, high;  /* the fastest run and the slowest */
  double difference; /* largest |y - y0| over the root mean square of y0, y0: outputs of the first program */
  char error[232];   /* why it failed; empty when it ran */
} bessemer_timing;

/* Times programs that compute the same against each other: `rounds` runs of each (1 to 1000), by turns, with the same
 * random inputs. Time is the device's own, from the first kernel of a run to the end of the last one; of a program
 * without a device, that of the run. All inputs and outputs are f32, f16 or bf16 and have constant shapes. */
BESSEMER_API bessemer_status bessemer_time_programs(const bessemer_program *const *programs, size_t count,
                                                    int32_t rounds, bessemer_timing *timings);
/* What the program's device calls itself ("NVIDIA H100 80GB HBM3"); "" when it runs on the host. Valid as long as the
 * program. */
BESSEMER_API const char *bessemer_device_name(const bessemer_program *program);

/* Times every instruction from now on (on != 0). */
BESSEMER_API void bessemer_set_profiling(bessemer_context *context, int on);
/* A JSON array, the most expensive first: [{"name", "kind", "provenance", "runs",
 * "seconds", "flops", "bytes"}]. Valid until the next call with this context. */
BESSEMER_API const char *bessemer_profile_json(bessemer_context *context);
BESSEMER_API void bessemer_clear_profile(bessemer_context *context);

/* ---- custom ops ------------------------------------------------------------ */

/* Computes an op of the host's. `attributes` is a JSON object. An input that the
 * node leaves out is all zeros. The outputs have their shapes, and memory. An output
 * with a dimension that the compiler did not know (-1) has no memory yet (`data` is
 * NULL): the kernel is called twice then, first to set these dimensions of all such
 * outputs (it must leave `data` alone), then with memory for them. Returns NULL, or a sentence that says what is wrong
 * and that stays valid until the thread's next call of it. Must not throw. */
typedef const char *(*bessemer_op_kernel)(void *user, const char *attributes, const bessemer_tensor *inputs,
                                          size_t input_count, bessemer_tensor *outputs, size_t output_count);
/* For the programs that are loaded afterwards; the op is known by its domain and
 * type ("com.example.MyOp"). A NULL kernel removes it. compile.h has the
 * counterpart that the compiler needs. */
BESSEMER_API bessemer_status bessemer_register_op(const char *name, bessemer_op_kernel kernel, void *user);

#ifdef __cplusplus
}
#endif

#endif /* BESSEMER_RUNTIME_H */
