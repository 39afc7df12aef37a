// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which handler takes which op, and from which to which opset version.
#include "passes/Legalize/Handlers.h"

using namespace bessemer;
using namespace bessemer::legalize;
using namespace bessemer::legalize::handlers;

namespace {

struct Row {
  llvm::StringLiteral domain, opType;
  int minVersion, maxVersion;
  Handler handler;
};

constexpr int anyLater = 99;

constexpr Row table[] = {
    {"", "Abs", 1, anyLater, unary<bess::AbsOp>},
    {"", "Acos", 1, anyLater, unary<bess::AcosOp>},
    {"", "Acosh", 1, anyLater, unary<bess::AcoshOp>},
    {"", "Add", 7, anyLater, binary<bess::AddOp>},
    {"", "AffineGrid", 20, anyLater, affineGrid},
    {"", "And", 7, anyLater, binary<bess::AndOp>},
    {"", "ArgMax", 1, anyLater, argReduce},
    {"", "ArgMin", 1, anyLater, argReduce},
    {"", "Asin", 1, anyLater, unary<bess::AsinOp>},
    {"", "Asinh", 1, anyLater, unary<bess::AsinhOp>},
    {"", "Atan", 1, anyLater, unary<bess::AtanOp>},
    {"", "Atanh", 1, anyLater, unary<bess::AtanhOp>},
    {"", "Attention", 23, anyLater, attention},
    {"", "AveragePool", 7, anyLater, averagePool},
    {"", "BatchNormalization", 7, anyLater, batchNormalization},
    {"", "BitCast", 26, anyLater, bitCast},
    {"", "BitShift", 11, anyLater, bitShift},
    {"", "BitwiseAnd", 18, anyLater, binary<bess::BitwiseAndOp>},
    {"", "BitwiseNot", 1, anyLater, unary<bess::BitwiseNotOp>},
    {"", "BitwiseOr", 18, anyLater, binary<bess::BitwiseOrOp>},
    {"", "BitwiseXor", 18, anyLater, binary<bess::BitwiseXorOp>},
    {"", "BlackmanWindow", 17, anyLater, window},
    {"", "Cast", 6, anyLater, cast},
    {"", "CastLike", 15, anyLater, cast},
    {"", "CausalConvWithState", 27, anyLater, causalConvWithState},
    {"", "Ceil", 1, anyLater, unary<bess::CeilOp>},
    {"", "Celu", 12, anyLater, celu},
    {"", "CenterCropPad", 18, anyLater, centerCropPad},
    {"", "Clip", 6, anyLater, clip},
    {"", "Col2Im", 18, anyLater, col2Im},
    {"", "Compress", 9, anyLater, compress},
    {"", "Concat", 4, anyLater, concat},
    {"", "ConcatFromSequence", 11, anyLater, concatFromSequence},
    {"", "Constant", 1, anyLater, constant},
    {"", "ConstantOfShape", 9, anyLater, constantOfShape},
    {"", "Conv", 1, anyLater, conv},
    {"", "ConvInteger", 10, anyLater, convInteger},
    {"", "ConvTranspose", 1, anyLater, convTranspose},
    {"", "Cos", 1, anyLater, unary<bess::CosOp>},
    {"", "Cosh", 1, anyLater, unary<bess::CoshOp>},
    {"", "CumProd", 26, anyLater, cumulate},
    {"", "CumSum", 11, anyLater, cumulate},
    {"", "DFT", 17, anyLater, dft},
    {"", "DeformConv", 19, anyLater, deformConv},
    {"", "DepthToSpace", 1, anyLater, depthToSpace},
    {"", "DequantizeLinear", 10, anyLater, dequantizeLinear},
    {"", "Det", 11, anyLater, det},
    {"", "Div", 7, anyLater, binary<bess::DivOp>},
    {"", "Dropout", 7, anyLater, dropout},
    {"", "DynamicQuantizeLinear", 11, anyLater, dynamicQuantizeLinear},
    {"", "Einsum", 12, anyLater, einsum},
    {"", "Elu", 6, anyLater, elu},
    {"", "Equal", 7, anyLater, binary<bess::EqualOp>},
    {"", "Erf", 1, anyLater, unary<bess::ErfOp>},
    {"", "Exp", 1, anyLater, unary<bess::ExpOp>},
    {"", "Expand", 8, anyLater, expand},
    {"", "EyeLike", 9, anyLater, eyeLike},
    {"", "Flatten", 1, anyLater, flatten},
    {"", "Floor", 1, anyLater, unary<bess::FloorOp>},
    {"", "GRU", 7, anyLater, gru},
    {"", "Gather", 1, anyLater, gather},
    {"", "GatherElements", 11, anyLater, gatherElements},
    {"", "GatherND", 11, anyLater, gatherNd},
    {"", "Gelu", 20, anyLater, gelu},
    {"", "Gemm", 7, anyLater, gemm},
    {"", "GlobalAveragePool", 1, anyLater, globalPool},
    {"", "GlobalLpPool", 2, anyLater, globalPool},
    {"", "GlobalMaxPool", 1, anyLater, globalPool},
    {"", "Greater", 7, anyLater, binary<bess::GreaterOp>},
    {"", "GreaterOrEqual", 12, anyLater, binary<bess::GreaterEqualOp>},
    {"", "GridSample", 16, anyLater, gridSample},
    {"", "GroupNormalization", 18, anyLater, groupNormalization},
    {"", "HammingWindow", 17, anyLater, window},
    {"", "HannWindow", 17, anyLater, window},
    {"", "HardSigmoid", 6, anyLater, hardSigmoid},
    {"", "HardSwish", 14, anyLater, hardSwish},
    {"", "Hardmax", 1, anyLater, hardmax},
    {"", "Identity", 1, anyLater, identity},
    {"", "If", 1, anyLater, ifOp},
    {"", "InstanceNormalization", 6, anyLater, instanceNormalization},
    {"", "IsInf", 10, anyLater, isInf},
    {"", "IsNaN", 9, anyLater, unary<bess::IsNanOp>},
    {"", "LRN", 1, anyLater, lrn},
    {"", "LSTM", 7, anyLater, lstm},
    {"", "LayerNormalization", 1, anyLater, layerNormalization},
    {"", "LeakyRelu", 6, anyLater, leakyRelu},
    {"", "Less", 7, anyLater, binary<bess::LessOp>},
    {"", "LessOrEqual", 12, anyLater, binary<bess::LessEqualOp>},
    {"", "LinearAttention", 27, anyLater, linearAttention},
    {"", "Log", 1, anyLater, unary<bess::LogOp>},
    {"", "LogSoftmax", 1, anyLater, softmax},
    {"", "Loop", 1, anyLater, loop},
    {"", "LpNormalization", 1, anyLater, lpNormalization},
    {"", "LpPool", 2, anyLater, lpPool},
    {"", "MatMul", 1, anyLater, matmul},
    {"", "MatMulInteger", 10, anyLater, matMulInteger},
    {"", "Max", 6, anyLater, variadicMax},
    {"", "MaxPool", 1, anyLater, maxPool},
    {"", "MaxUnpool", 9, anyLater, maxUnpool},
    {"", "Mean", 6, anyLater, mean},
    {"", "MeanVarianceNormalization", 9, anyLater, meanVarianceNormalization},
    {"", "MelWeightMatrix", 17, anyLater, melWeightMatrix},
    {"", "Min", 6, anyLater, variadicMin},
    {"", "Mish", 18, anyLater, mish},
    {"", "Mod", 10, anyLater, mod},
    {"", "Mul", 7, anyLater, binary<bess::MulOp>},
    {"", "Neg", 1, anyLater, unary<bess::NegOp>},
    {"", "NegativeLogLikelihoodLoss", 12, anyLater, negativeLogLikelihoodLoss},
    {"", "NonMaxSuppression", 10, anyLater, nonMaxSuppression},
    {"", "NonZero", 9, anyLater, nonZero},
    {"", "Not", 1, anyLater, unary<bess::NotOp>},
    {"", "OneHot", 9, anyLater, oneHot},
    {"", "Optional", 15, anyLater, optional},
    {"", "OptionalGetElement", 15, anyLater, optionalGetElement},
    {"", "OptionalHasElement", 15, anyLater, optionalHasElement},
    {"", "Or", 7, anyLater, binary<bess::OrOp>},
    {"", "PRelu", 7, anyLater, prelu},
    {"", "Pad", 2, anyLater, pad},
    {"", "Pow", 7, anyLater, binary<bess::PowOp>},
    {"", "QLinearConv", 10, anyLater, qLinearConv},
    {"", "QLinearMatMul", 10, anyLater, qLinearMatMul},
    {"", "QuantizeLinear", 10, anyLater, quantizeLinear},
    {"", "RMSNormalization", 23, anyLater, rmsNormalization},
    {"", "RNN", 7, anyLater, rnn},
    {"", "Range", 11, anyLater, range},
    {"", "Reciprocal", 1, anyLater, unary<bess::ReciprocalOp>},
    {"", "ReduceL1", 1, anyLater, reduce},
    {"", "ReduceL2", 1, anyLater, reduce},
    {"", "ReduceLogSum", 1, anyLater, reduce},
    {"", "ReduceLogSumExp", 1, anyLater, reduce},
    {"", "ReduceMax", 1, anyLater, reduce},
    {"", "ReduceMean", 1, anyLater, reduce},
    {"", "ReduceMin", 1, anyLater, reduce},
    {"", "ReduceProd", 1, anyLater, reduce},
    {"", "ReduceSum", 1, anyLater, reduce},
    {"", "ReduceSumSquare", 1, anyLater, reduce},
    {"", "Relu", 1, anyLater, unary<bess::ReluOp>},
    {"", "Reshape", 5, anyLater, reshape},
    {"", "Resize", 10, anyLater, resize},
    {"", "ReverseSequence", 10, anyLater, reverseSequence},
    {"", "RoiAlign", 10, anyLater, roiAlign},
    {"", "RotaryEmbedding", 23, anyLater, rotaryEmbedding},
    {"", "Round", 1, anyLater, unary<bess::RoundOp>},
    {"", "STFT", 17, anyLater, stft},
    {"", "Scan", 8, anyLater, scan},
    {"", "Scatter", 9, anyLater, scatterElements},
    {"", "ScatterElements", 11, anyLater, scatterElements},
    {"", "ScatterND", 11, anyLater, scatterNd},
    {"", "Selu", 6, anyLater, selu},
    {"", "SequenceAt", 11, anyLater, sequenceAt},
    {"", "SequenceConstruct", 11, anyLater, sequenceConstruct},
    {"", "SequenceEmpty", 11, anyLater, sequenceEmpty},
    {"", "SequenceErase", 11, anyLater, sequenceErase},
    {"", "SequenceInsert", 11, anyLater, sequenceInsert},
    {"", "SequenceLength", 11, anyLater, sequenceLength},
    {"", "SequenceMap", 17, anyLater, sequenceMap},
    {"", "Shape", 1, anyLater, shape},
    {"", "Shrink", 9, anyLater, shrink},
    {"", "Sigmoid", 1, anyLater, unary<bess::SigmoidOp>},
    {"", "Sign", 1, anyLater, unary<bess::SignOp>},
    {"", "SimplifiedLayerNormalization", 1, anyLater, rmsNormalization},
    {"", "Sin", 1, anyLater, unary<bess::SinOp>},
    {"", "Sinh", 1, anyLater, unary<bess::SinhOp>},
    {"", "Size", 1, anyLater, size},
    {"", "Slice", 1, anyLater, slice},
    {"", "Softmax", 1, anyLater, softmax},
    {"", "SoftmaxCrossEntropyLoss", 12, anyLater, softmaxCrossEntropyLoss},
    {"", "Softplus", 1, anyLater, unary<bess::SoftplusOp>},
    {"", "Softsign", 1, anyLater, softsign},
    {"", "SpaceToDepth", 1, anyLater, spaceToDepth},
    {"", "Split", 2, anyLater, split},
    {"", "SplitToSequence", 11, anyLater, splitToSequence},
    {"", "Sqrt", 1, anyLater, unary<bess::SqrtOp>},
    {"", "Squeeze", 1, anyLater, squeeze},
    {"", "Sub", 7, anyLater, binary<bess::SubOp>},
    {"", "Sum", 6, anyLater, sum},
    {"", "SwiGLU", 28, anyLater, swiGlu},
    {"", "Swish", 24, anyLater, swish},
    {"", "Tan", 1, anyLater, unary<bess::TanOp>},
    {"", "Tanh", 1, anyLater, unary<bess::TanhOp>},
    {"", "TensorScatter", 24, anyLater, tensorScatter},
    {"", "ThresholdedRelu", 10, anyLater, thresholdedRelu},
    {"", "Tile", 6, anyLater, tile},
    {"", "TopK", 1, anyLater, topK},
    {"", "Transpose", 1, anyLater, transpose},
    {"", "Trilu", 14, anyLater, trilu},
    {"", "Unique", 11, anyLater, unique},
    {"", "Unsqueeze", 1, anyLater, unsqueeze},
    {"", "Upsample", 9, 9, resize},
    {"", "Where", 9, anyLater, where},
    {"", "Xor", 7, anyLater, binary<bess::XorOp>},
    {"ai.onnx.ml", "ArrayFeatureExtractor", 1, anyLater, arrayFeatureExtractor},
    {"com.microsoft", "BiasGelu", 1, anyLater, biasGelu},
    {"com.microsoft", "DequantizeLinear", 1, anyLater, dequantizeLinear},
    {"com.microsoft", "FastGelu", 1, anyLater, fastGelu},
    {"com.microsoft", "FusedMatMul", 1, anyLater, fusedMatMul},
    {"com.microsoft", "Gelu", 1, anyLater, gelu},
    {"com.microsoft", "GroupQueryAttention", 1, anyLater, groupQueryAttention},
    {"com.microsoft", "LayerNormalization", 1, anyLater, layerNormalization},
    {"com.microsoft", "MatMulNBits", 1, anyLater, matMulNBits},
    {"com.microsoft", "MoE", 1, anyLater, mixtureOfExperts},
    {"com.microsoft", "MultiHeadAttention", 1, anyLater, multiHeadAttention},
    {"com.microsoft", "QuantizeLinear", 1, anyLater, quantizeLinear},
    {"com.microsoft", "QuickGelu", 1, anyLater, quickGelu},
    {"com.microsoft", "RotaryEmbedding", 1, anyLater, contribRotaryEmbedding},
    {"com.microsoft", "SimplifiedLayerNormalization", 1, anyLater, rmsNormalization},
    {"com.microsoft", "SkipLayerNormalization", 1, anyLater, skipLayerNormalization},
    {"com.microsoft", "SkipSimplifiedLayerNormalization", 1, anyLater, skipSimplifiedLayerNormalization},
};

/// Kinds of ops that are left out on purpose, with the reason.
struct Refusal {
  llvm::StringLiteral opType, reason;
};
constexpr Refusal refusals[] = {
    {"RandomNormal", "random numbers are not supported"},
    {"RandomNormalLike", "random numbers are not supported"},
    {"RandomUniform", "random numbers are not supported"},
    {"RandomUniformLike", "random numbers are not supported"},
    {"Bernoulli", "random numbers are not supported"},
    {"Multinomial", "random numbers are not supported"},
    {"StringConcat", "strings are not supported"},
    {"StringNormalizer", "strings are not supported"},
    {"StringSplit", "strings are not supported"},
    {"RegexFullMatch", "strings are not supported"},
    {"TfIdfVectorizer", "text processing is not supported"},
    {"ImageDecoder", "image files are not supported"},
};

} // namespace

Handler legalize::findHandler(llvm::StringRef domain, llvm::StringRef opType, int64_t version, std::string &why) {
  // The table is sorted by domain and op type.
  auto key = std::make_pair(domain, opType);
  const Row *found =
      std::lower_bound(std::begin(table), std::end(table), key, [](const Row &entry, const auto &wanted) {
        return std::make_pair(llvm::StringRef(entry.domain), llvm::StringRef(entry.opType)) < wanted;
      });
  bool known = false;
  for (; found != std::end(table) && found->domain == domain && found->opType == opType; ++found) {
    known = true;
    if (version >= found->minVersion && version <= found->maxVersion)
      return found->handler;
  }
  if (known)
    why = "this version of the op is not supported";
  else
    why = "there is no such op in this compiler";
  if (domain.empty())
    for (const Refusal &refusal : refusals)
      if (refusal.opType == opType)
        why = refusal.reason.str();
  return nullptr;
}
