// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Nodes of an op that the host computes.
#pragma once

#include "bessemer/Kernels/CustomOpTypes.h"
#include "passes/Legalize/Node.h"

namespace bessemer::legalize {

/// The host's op of this domain (empty: ai.onnx) and type, or null.
const kernels::CustomOpInfer *findCustomOp(const Legalizer &legalizer, llvm::StringRef domain, llvm::StringRef opType);

/// The node as `bess.custom`, with the result types that the host gives.
void customOp(Node &n, const kernels::CustomOpInfer &infer);

} // namespace bessemer::legalize
