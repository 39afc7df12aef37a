/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Loads an artifact and runs it once on ones (zeros for integers), free dimensions being 1: what a host in C needs,
 * and nothing of the compiler.
 *
 *   cc -I include examples/run_model.c -o run_model -L build/lib -lbessemer-runtime -Wl,-rpath,$PWD/build/lib
 *   ./run_model model.bsm
 */
#include "bessemer/runtime.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_ARGUMENTS 64

static size_t element_bytes(int32_t dtype) {
  switch (dtype) {
  case BESSEMER_F64:
  case BESSEMER_I64:
  case BESSEMER_U64:
  case BESSEMER_COMPLEX64: return 8;
  case BESSEMER_F32:
  case BESSEMER_I32:
  case BESSEMER_U32: return 4;
  case BESSEMER_F16:
  case BESSEMER_BF16:
  case BESSEMER_I16:
  case BESSEMER_U16: return 2;
  case BESSEMER_COMPLEX128: return 16;
  default: return 1;
  }
}

/* An input as the program wants it, on memory that the caller frees. */
static int make_input(const bessemer_program *program, size_t index, bessemer_tensor *tensor) {
  bessemer_argument argument;
  size_t count = 1, i;
  int32_t d;
  if (bessemer_input(program, index, &argument))
    return 0;
  tensor->dtype = argument.dtype;
  tensor->rank = argument.rank;
  for (d = 0; d < argument.rank; ++d) {
    tensor->shape[d] = argument.shape[d] < 0 ? 1 : argument.shape[d];
    count *= (size_t)tensor->shape[d];
  }
  tensor->data = calloc(count ? count : 1, element_bytes(argument.dtype));
  if (!tensor->data)
    return 0;
  if (argument.dtype == BESSEMER_F32)
    for (i = 0; i < count; ++i)
      ((float *)tensor->data)[i] = 1.0f;
  return 1;
}

static void print_output(const char *name, const bessemer_tensor *tensor) {
  size_t count = 1, i;
  int32_t d;
  printf("%s: [", name);
  for (d = 0; d < tensor->rank; ++d) {
    printf(d ? ", %lld" : "%lld", (long long)tensor->shape[d]);
    count *= (size_t)tensor->shape[d];
  }
  printf("]");
  for (i = 0; i < count && i < 8 && tensor->dtype == BESSEMER_F32; ++i)
    printf(" %g", ((const float *)tensor->data)[i]);
  printf("\n");
}

int main(int argc, char **argv) {
  bessemer_tensor inputs[MAX_ARGUMENTS] = {{0}}, outputs[MAX_ARGUMENTS] = {{0}};
  bessemer_program *program = NULL;
  bessemer_context *context = NULL;
  size_t input_count, output_count, i;
  int good;
  if (argc != 2) {
    fprintf(stderr, "usage: run_model MODEL.bsm\n");
    return 2;
  }
  if (bessemer_load_file(argv[1], NULL, &program)) {
    fprintf(stderr, "%s\n", bessemer_last_error());
    return 2;
  }
  input_count = bessemer_input_count(program);
  output_count = bessemer_output_count(program);
  good = input_count <= MAX_ARGUMENTS && output_count <= MAX_ARGUMENTS;
  for (i = 0; good && i < input_count; ++i)
    good = make_input(program, i, &inputs[i]);
  if (good && !bessemer_context_create(program, &context) &&
      !bessemer_run(context, inputs, input_count, outputs, output_count)) {
    for (i = 0; i < output_count; ++i) {
      bessemer_argument argument;
      if (!bessemer_output(program, i, &argument))
        print_output(argument.name, &outputs[i]);
      bessemer_tensor_release(&outputs[i]);
    }
  } else {
    fprintf(stderr, "%s\n", bessemer_last_error());
    good = 0;
  }
  for (i = 0; i < input_count && i < MAX_ARGUMENTS; ++i)
    free(inputs[i].data);
  bessemer_context_release(context);
  bessemer_program_release(program);
  return good ? 0 : 1;
}
