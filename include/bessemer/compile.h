/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The C API of the compiler: an ONNX model in, a program out, to run at once or
 * to write as an artifact. Link libbessemer.so.
 *
 *   bessemer_compilation *made = NULL;
 *   bessemer_compile_options options = {sizeof(options)};
 *   bessemer_dim batch = {"batch", 1, 1};
 *   options.dims = &batch;
 *   options.dim_count = 1;
 *   if (bessemer_compile_file("model.onnx", &options, &made))
 *     puts(bessemer_last_error());
 *   else
 *     bessemer_compilation_load(made, NULL, &program);     // see runtime.h
 *   bessemer_compilation_release(made);
 *
 * The rules of runtime.h hold here, too. Compilations are independent of each
 * other: any number of threads may compile at the same time.
 */
#ifndef BESSEMER_COMPILE_H
#define BESSEMER_COMPILE_H

#include "bessemer/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bessemer_compilation bessemer_compilation;

/* A named dimension: bound to a value (exact != 0) or bounded by it. */
typedef struct bessemer_dim {
  const char *name;
  int64_t value;
  int32_t exact;
} bessemer_dim;

typedef struct bessemer_compile_options {
  size_t struct_size;
  const char *target; /* NULL: "cpu" */
  const char *cpu;    /* LLVM's name of the processor; NULL: "native", this machine's */
  const bessemer_dim *dims;
  size_t dim_count;
  /* What may be done to numbers, as with `bessemer compile --numerics`: "default",
   * "strict", "fast" or a list of switches. NULL: "default". */
  const char *numerics;
  int32_t threads; /* that the program will run with; 0: all physical cores */
  /* Non-zero: no code is made, every op runs on the plain kernels. */
  int32_t no_kernels;
  /* Where relative external weights of a model in memory are; NULL: the current folder. */
  const char *directory;
  /* External data by name (the "location" of its TensorProto): it is read from
   * here instead of from a file, now for what must be folded, and again when the
   * program is loaded. "model" is no such name: it is that of the bytes of a model in
   * memory, for bessemer_load_file of an artifact that does not hold its weights. */
  const bessemer_host_weight *host_weights;
  size_t host_weight_count;
  /* Called as each phase begins; a result other than 0 ends the compilation with
   * BESSEMER_CANCELLED. May be NULL. */
  int (*progress)(void *user, const char *phase);
  void *progress_user;
  /* Bytes that the arena of a run, the workspaces of its threads and the weights in memory
   * may take together; 0: no limit. Where the sizes are known, kernels are computed in
   * pieces or again if that is what it takes; the report says so. */
  int64_t memory_limit;
  /* Of a GPU as the target ("cuda:sm_80", "cuda:sm_90a"). Non-zero: ops that it has no
   * code for run on the host; without it they are an error. */
  int32_t allow_fallback;
  /* Non-zero: kernels run in an emulator when the program is loaded from the
   * compilation; no GPU is needed, and nothing can be written as an artifact. */
  int32_t emulate;
  /* Non-zero, with emulate: look for races, reads of what nobody wrote, and the like. */
  int32_t sanitize;
  int32_t reserved;
  /* Of a GPU: a file of measured schedules of matrix products (`bessemer tune`); NULL: those that the compiler has of
   * its own; "none": its cost model alone. */
  const char *tuned;
} bessemer_compile_options;

/* Compiles. `options` may be NULL. On BESSEMER_BAD_FILE and BESSEMER_UNSUPPORTED
 * `*compilation` is set as well, if at all possible, to ask what the matter is;
 * otherwise it is NULL. Release it in either case. */
BESSEMER_API bessemer_status bessemer_compile_file(const char *path, const bessemer_compile_options *options,
                                                   bessemer_compilation **compilation);
/* The same for a serialized ModelProto in memory. The bytes must stay until the
 * program has been loaded or written (and until the program is released, when
 * it is loaded): inline weights are used where they are. */
BESSEMER_API bessemer_status bessemer_compile_memory(const void *model, size_t bytes,
                                                     const bessemer_compile_options *options,
                                                     bessemer_compilation **compilation);
BESSEMER_API void bessemer_compilation_release(bessemer_compilation *compilation);

/* All errors and warnings, one a line. Valid as long as the compilation. */
BESSEMER_API const char *bessemer_compilation_diagnostics(const bessemer_compilation *compilation);
/* What was decided and why, as JSON: phases, kernels with their reasons, fallbacks,
 * unsupported nodes, memory. The same as `bessemer compile --report`. */
BESSEMER_API const char *bessemer_compilation_report(const bessemer_compilation *compilation);

/* What the emulator has found wrong with the kernels in all runs so far, a paragraph each;
 * "" when there is nothing. Valid until the next call. */
BESSEMER_API const char *bessemer_compilation_findings(bessemer_compilation *compilation);

/* Makes the program ready to run in this process. The sources of its weights
 * are those of the compilation; host weights need not be named again. */
BESSEMER_API bessemer_status bessemer_compilation_load(bessemer_compilation *compilation,
                                                       const bessemer_load_options *options,
                                                       bessemer_program **program);
/* Writes an artifact, with the weights in it (self_contained != 0) or left where
 * they are. */
BESSEMER_API bessemer_status bessemer_compilation_write(bessemer_compilation *compilation, const char *path,
                                                        int self_contained);
/* The same to memory that bessemer_free gives back. */
BESSEMER_API bessemer_status bessemer_compilation_write_memory(bessemer_compilation *compilation, int self_contained,
                                                               void **data, size_t *bytes);
BESSEMER_API void bessemer_free(void *memory);

/* Which nodes of a model can be compiled? For hosts that cut a graph and keep
 * the rest. Compiles nothing. `*json` is for bessemer_free:
 *   {"nodes": 12, "unsupported": [{"index": 3, "name": "NonMaxSuppression_7",
 *    "op": "NonMaxSuppression", "reason": "..."}]}
 * with positions in GraphProto.node. BESSEMER_OK also when some are not. */
BESSEMER_API bessemer_status bessemer_supported_nodes(const void *model, size_t bytes,
                                                      const bessemer_compile_options *options, char **json);

/* Result types of a custom op, of which runtime.h has the kernel. Inputs have
 * dtype and shape (-1: not known when compiling) and no data; the function sets
 * dtype, rank and shape of the outputs. A dimension that is not known but equal
 * to dimension d of input i is written as BESSEMER_SAME_AS(i, d), one that only the
 * kernel can tell as -1. Returns NULL or a sentence, as the kernel does. An op that
 * is registered is taken by name ("com.example.MyOp"; "ai.onnx.Relu" for one of
 * ONNX's own), also where the compiler could compute it itself. */
#define BESSEMER_SAME_AS(input, dim) (-2 - ((int64_t)(input) * BESSEMER_MAX_RANK + (dim)))
typedef const char *(*bessemer_op_infer)(void *user, const char *attributes, const bessemer_tensor *inputs,
                                         size_t input_count, bessemer_tensor *outputs, size_t output_count);
BESSEMER_API bessemer_status bessemer_register_op_types(const char *name, bessemer_op_infer infer, void *user);

#ifdef __cplusplus
}
#endif

#endif /* BESSEMER_COMPILE_H */
