/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The one source of libbessemer-runtime.so: all else comes from the static
 * library. It also holds the header to C. */
#include "bessemer/runtime.h"

/* The number of a tensor's bytes is part of the ABI. */
typedef char bessemerTensorSize[sizeof(bessemer_tensor) == 8 + 2 * 8 * BESSEMER_MAX_RANK + 8 + 24 ? 1 : -1];
