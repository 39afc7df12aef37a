/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * run_artifact MODEL.bsm DIR: inputs from DIR/input_N.bin, outputs to DIR/output_N.bin. A file is dtype, rank and
 * shape as int64, then the elements. Built for another machine and run under its emulator (test_neon.py); it sees
 * nothing of the project but the C API.
 */
#include "bessemer/runtime.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_ARGUMENTS 32

static int read_tensor(const char *folder, size_t index, bessemer_tensor *tensor) {
  char path[4096];
  int64_t head[2];
  long begin, end;
  FILE *file;
  snprintf(path, sizeof path, "%s/input_%zu.bin", folder, index);
  file = fopen(path, "rb");
  if (!file || fread(head, sizeof head, 1, file) != 1 || head[1] < 0 || head[1] > BESSEMER_MAX_RANK)
    return 0;
  tensor->dtype = (int32_t)head[0];
  tensor->rank = (int32_t)head[1];
  if (head[1] && fread(tensor->shape, sizeof(int64_t), (size_t)head[1], file) != (size_t)head[1])
    return 0;
  begin = ftell(file);
  fseek(file, 0, SEEK_END);
  end = ftell(file);
  fseek(file, begin, SEEK_SET);
  tensor->data = malloc((size_t)(end - begin) + 1);
  if (!tensor->data || fread(tensor->data, 1, (size_t)(end - begin), file) != (size_t)(end - begin))
    return 0;
  return fclose(file) == 0;
}

/* The types that test_neon.py knows. */
static size_t element_bytes(int32_t dtype) { return dtype == BESSEMER_I64 ? 8 : dtype == BESSEMER_BOOL ? 1 : 4; }

static int write_tensor(const char *folder, size_t index, const bessemer_tensor *tensor) {
  char path[4096];
  int64_t head[2] = {tensor->dtype, tensor->rank};
  size_t bytes = element_bytes(tensor->dtype);
  int32_t d;
  FILE *file;
  for (d = 0; d < tensor->rank; ++d)
    bytes *= (size_t)tensor->shape[d];
  snprintf(path, sizeof path, "%s/output_%zu.bin", folder, index);
  file = fopen(path, "wb");
  return file && fwrite(head, sizeof head, 1, file) == 1 &&
         fwrite(tensor->shape, sizeof(int64_t), (size_t)tensor->rank, file) == (size_t)tensor->rank &&
         fwrite(tensor->data, 1, bytes, file) == bytes && fclose(file) == 0;
}

int main(int argc, char **argv) {
  bessemer_tensor inputs[MAX_ARGUMENTS] = {{0}}, outputs[MAX_ARGUMENTS] = {{0}};
  bessemer_load_options options = {sizeof(options)};
  bessemer_program *program = NULL;
  bessemer_context *context = NULL;
  size_t i;
  options.threads = 2;
  if (argc != 3)
    return 2;
  if (bessemer_load_file(argv[1], &options, &program) || bessemer_context_create(program, &context)) {
    fprintf(stderr, "%s\n", bessemer_last_error());
    return 2;
  }
  for (i = 0; i < bessemer_input_count(program); ++i)
    if (!read_tensor(argv[2], i, &inputs[i])) {
      fprintf(stderr, "cannot read input %zu\n", i);
      return 2;
    }
  if (bessemer_run(context, inputs, bessemer_input_count(program), outputs, bessemer_output_count(program))) {
    fprintf(stderr, "%s\n", bessemer_last_error());
    return 1;
  }
  for (i = 0; i < bessemer_output_count(program); ++i)
    if (!write_tensor(argv[2], i, &outputs[i])) {
      fprintf(stderr, "cannot write output %zu\n", i);
      return 2;
    }
  return 0;
}
