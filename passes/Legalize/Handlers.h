// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The handlers, by the file that has them. Registry.cpp says which op each is for.
#pragma once

#include "passes/Legalize/Node.h"

namespace bessemer::legalize::handlers {

template <typename OpTy> void unary(Node &n) { n.out(0, n.make<OpTy>({n.in(0)})); }
template <typename OpTy> void binary(Node &n) { n.out(0, n.make<OpTy>({n.in(0), n.in(1)})); }

// Elementwise
void where(Node &n);
void mod(Node &n);
void bitShift(Node &n);
void isInf(Node &n);
void gelu(Node &n);
void sum(Node &n);
void variadicMax(Node &n);
void variadicMin(Node &n);
void mean(Node &n);
void clip(Node &n);
void leakyRelu(Node &n);
void prelu(Node &n);
void thresholdedRelu(Node &n);
void elu(Node &n);
void celu(Node &n);
void selu(Node &n);
void hardSigmoid(Node &n);
void hardSwish(Node &n);
void softsign(Node &n);
void mish(Node &n);
void shrink(Node &n);
void swish(Node &n);
void swiGlu(Node &n);
void cast(Node &n);
void bitCast(Node &n);
void identity(Node &n);
void dropout(Node &n);

// Reduce
void reduce(Node &n);
void argReduce(Node &n);
void topK(Node &n);
void cumulate(Node &n);

// Matmul
void matmul(Node &n);
void gemm(Node &n);
void einsum(Node &n);
Value generalMatmul(Node &n, Value x, Value y, Type to = {});

// Conv
void conv(Node &n);
void convTranspose(Node &n);
void deformConv(Node &n);
void maxPool(Node &n);
void averagePool(Node &n);
void lpPool(Node &n);
void globalPool(Node &n);
void maxUnpool(Node &n);
void col2Im(Node &n);
Value convOf(Node &n, Value x, Value w, Value bias, Type to = {});

// Move
void shape(Node &n);
void size(Node &n);
void constant(Node &n);
void constantOfShape(Node &n);
void reshape(Node &n);
void flatten(Node &n);
void squeeze(Node &n);
void unsqueeze(Node &n);
void transpose(Node &n);
void expand(Node &n);
void tile(Node &n);
void concat(Node &n);
void split(Node &n);
void pad(Node &n);
void centerCropPad(Node &n);
void depthToSpace(Node &n);
void spaceToDepth(Node &n);
void range(Node &n);
void eyeLike(Node &n);
void trilu(Node &n);
llvm::SmallVector<Value> splitInto(Node &n, Value x, int64_t axis, llvm::ArrayRef<SymbolicExpr> sizes);

// Slice
void slice(Node &n);

// Index
void gather(Node &n);
void gatherElements(Node &n);
void gatherNd(Node &n);
void scatterElements(Node &n);
void scatterNd(Node &n);
void tensorScatter(Node &n);
void oneHot(Node &n);
void nonZero(Node &n);
void unique(Node &n);
void compress(Node &n);
void nonMaxSuppression(Node &n);
void reverseSequence(Node &n);
void arrayFeatureExtractor(Node &n);

// Normalize
void batchNormalization(Node &n);
void instanceNormalization(Node &n);
void groupNormalization(Node &n);
void layerNormalization(Node &n);
void rmsNormalization(Node &n);
void lrn(Node &n);
void lpNormalization(Node &n);
void meanVarianceNormalization(Node &n);
void softmax(Node &n);
void hardmax(Node &n);

// Recurrent
void lstm(Node &n);
void gru(Node &n);
void rnn(Node &n);

// Resize
void resize(Node &n);

// Quantize
void quantizeLinear(Node &n);
void dequantizeLinear(Node &n);
void dynamicQuantizeLinear(Node &n);
void matMulInteger(Node &n);
void convInteger(Node &n);
void qLinearMatMul(Node &n);
void qLinearConv(Node &n);

// ControlFlow, Loop
void ifOp(Node &n);
void loop(Node &n);
void scan(Node &n);

// Image
void gridSample(Node &n);
void affineGrid(Node &n);
void roiAlign(Node &n);
void det(Node &n);

// Signal
void dft(Node &n);
void stft(Node &n);
void window(Node &n);
void melWeightMatrix(Node &n);

// Loss
void negativeLogLikelihoodLoss(Node &n);
void softmaxCrossEntropyLoss(Node &n);

// Attention
void attention(Node &n);
void rotaryEmbedding(Node &n);
void linearAttention(Node &n);
void causalConvWithState(Node &n);

// Sequence
void sequenceConstruct(Node &n);
void sequenceEmpty(Node &n);
void sequenceInsert(Node &n);
void sequenceErase(Node &n);
void sequenceAt(Node &n);
void sequenceLength(Node &n);
void splitToSequence(Node &n);
void concatFromSequence(Node &n);
void sequenceMap(Node &n);
void optional(Node &n);
void optionalHasElement(Node &n);
void optionalGetElement(Node &n);

// Contrib
void skipLayerNormalization(Node &n);
void skipSimplifiedLayerNormalization(Node &n);
void biasGelu(Node &n);
void fastGelu(Node &n);
void quickGelu(Node &n);
void fusedMatMul(Node &n);
void contribRotaryEmbedding(Node &n);
void groupQueryAttention(Node &n);
void multiHeadAttention(Node &n);
void matMulNBits(Node &n);
void mixtureOfExperts(Node &n);

} // namespace bessemer::legalize::handlers
