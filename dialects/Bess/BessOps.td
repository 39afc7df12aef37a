// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef BESSEMER_BESS_OPS
#define BESSEMER_BESS_OPS
include "dialects/Bess/BessBase.td"
include "dialects/Bess/BessElementwise.td"
include "dialects/Bess/BessStructure.td"
include "dialects/Bess/BessCompute.td"
#endif
