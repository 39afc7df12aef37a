// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Legalize/Handlers.h"
using namespace bessemer::legalize;
#define S(x) void handlers::x(Node &n) { n.fail("not supported yet"); }
S(sequenceConstruct) S(sequenceEmpty) S(sequenceInsert) S(sequenceErase) S(sequenceAt) S(sequenceLength) S(splitToSequence) S(concatFromSequence) S(sequenceMap) S(optional) S(optionalHasElement) S(optionalGetElement)
S(skipLayerNormalization) S(skipSimplifiedLayerNormalization) S(biasGelu) S(fastGelu) S(quickGelu) S(fusedMatMul) S(contribRotaryEmbedding) S(groupQueryAttention) S(multiHeadAttention) S(matMulNBits)
