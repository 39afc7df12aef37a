// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every kernel on operands and attributes at random: it gives an answer or an
// error, and nothing else (the sanitizers' build looks at the memory).
#include "TestSupport.h"

namespace bessemer::kernels {
namespace {

class Random {
public:
  explicit Random(uint32_t seed) : state(seed) {}
  int64_t below(int64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int64_t>((state >> 33) % static_cast<uint64_t>(n));
  }
  template <class T, size_t N> T oneOf(const T (&list)[N]) { return list[below(N)]; }

private:
  uint64_t state;
};

constexpr DType dtypes[] = {DType::F32,  DType::F32,      DType::F32,    DType::F64,       DType::F16,
                            DType::BF16, DType::I64,      DType::I64,    DType::I32,       DType::I8,
                            DType::U8,   DType::U64,      DType::Bool,   DType::Bool,      DType::I4,
                            DType::U2,   DType::F8E4M3FN, DType::F4E2M1, DType::Complex64, DType::String};
constexpr int64_t extents[] = {0, 1, 1, 2, 2, 2, 3, 3, 4, 5};

Shape randomShape(Random &random) {
  static constexpr int64_t ranks[] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 5};
  Shape shape(static_cast<size_t>(random.oneOf(ranks)));
  for (int64_t &extent : shape)
    extent = random.oneOf(extents);
  return shape;
}

Value randomValue(Random &random, const Shape &shape, DType dtype) {
  Value value(dtype, shape);
  bool small = random.below(4) > 0; // small integers are better indices
  for (size_t i = 0; i < value.bytes.size(); ++i)
    value.bytes[i] = static_cast<unsigned char>(small ? 0 : random.below(256));
  if (small && dtype == DType::I64)
    for (int64_t i = 0; i < value.count(); ++i)
      reinterpret_cast<int64_t *>(value.bytes.data())[i] = random.below(6) - 2;
  if (small && dtype == DType::F32)
    for (int64_t i = 0; i < value.count(); ++i)
      reinterpret_cast<float *>(value.bytes.data())[i] = static_cast<float>(random.below(9) - 4) / 2;
  for (std::string &text : value.strings)
    text = std::string(static_cast<size_t>(random.below(3)), 'a');
  return value;
}

Attributes randomAttributes(Random &random) {
  static constexpr const char *integers[] = {"axis",
                                             "keepdims",
                                             "groups",
                                             "offset_groups",
                                             "block_size",
                                             "block",
                                             "transpose_a",
                                             "transpose_b",
                                             "exclusive",
                                             "reverse",
                                             "largest",
                                             "batch_dims",
                                             "fmod",
                                             "causal",
                                             "rotary",
                                             "interleaved",
                                             "frame_step",
                                             "frame_length",
                                             "size",
                                             "batch_axis",
                                             "time_axis",
                                             "output_height",
                                             "output_width",
                                             "sampling_ratio",
                                             "length",
                                             "inverse",
                                             "onesided",
                                             "count_include_pad",
                                             "p",
                                             "upper",
                                             "k",
                                             "circular",
                                             "linear_before_reset",
                                             "antialias",
                                             "exclude_outside",
                                             "align_corners",
                                             "column_major",
                                             "sorted"};
  static constexpr const char *lists[] = {"axes",    "permutation", "offsets", "steps",  "low",
                                          "strides", "dilations",   "pads",    "window", "ceil_pads"};
  static constexpr const char *reals[] = {
      "epsilon", "scale", "softcap", "alpha", "beta", "bias", "spatial_scale", "clip", "extrapolation_value"};
  static constexpr int64_t numbers[] = {0, 0, 1, 1, 1, 2, 2, 3, -1, -1, -2, 4, 1000, INT64_MAX, INT64_MIN};
  static constexpr const char *kinds[] = {"sum",         "mean", "prod",    "max", "min",     "l2",
                                          "log_sum_exp", "and",  "average", "lp",  "nonsense"};
  static constexpr const char *modes[] = {"constant", "reflect", "edge", "wrap", "nearest",
                                          "linear",   "cubic",   "avg",  "max"};
  static constexpr const char *reductions[] = {"none", "add", "mul", "max", "min"};
  static constexpr const char *coordinates[] = {"half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize",
                                                "half_pixel_symmetric"};
  static constexpr const char *directions[] = {"forward", "reverse", "bidirectional"};
  static constexpr const char *paddings[] = {"zeros", "border", "reflection"};
  Attributes result{{"layout", std::string("panels")}};
  for (const char *name : integers)
    if (random.below(3))
      result[name] = random.oneOf(numbers);
  int64_t length = random.below(5);
  for (const char *name : lists)
    if (random.below(4)) {
      List list(static_cast<size_t>(std::string_view(name) == "pads" ? 2 * length : length));
      for (int64_t &entry : list)
        entry = random.below(12) == 0 ? random.oneOf(numbers) : random.below(3);
      result[name] = list;
    }
  if (random.below(2)) // what transpose wants
    for (int64_t i = 0; i < length && result.count("permutation"); ++i)
      if (auto *list = std::get_if<List>(&result["permutation"]); list && i < static_cast<int64_t>(list->size()))
        (*list)[i] = length - 1 - i;
  for (const char *name : reals)
    if (random.below(4))
      result[name] = static_cast<double>(random.below(5)) / 2 - 0.5;
  result["kind"] = std::string(random.oneOf(kinds));
  result["mode"] = std::string(random.oneOf(modes));
  result["reduction"] = std::string(random.oneOf(reductions));
  result["coordinate_transformation_mode"] = std::string(random.oneOf(coordinates));
  result["direction"] = std::string(random.oneOf(directions));
  result["padding_mode"] = std::string(random.oneOf(paddings));
  return result;
}

TEST(Robustness, EveryKernelAnswersOrRefuses) {
  Random random(7);
  std::map<std::string_view, int> answered;
  for (std::string_view op : kernelNames())
    for (int trial = 0; trial < 400; ++trial) {
      Attributes attributes = randomAttributes(random);
      Operands operands;
      Shape shape = randomShape(random);
      DType dtype = random.oneOf(dtypes);
      for (int64_t i = 0, n = 1 + random.below(5); i < n; ++i) {
        if (random.below(3) == 0)
          shape = randomShape(random);
        if (random.below(3) == 0)
          dtype = random.oneOf(dtypes);
        operands.push_back(random.below(12) == 0 ? Value() : randomValue(random, shape, dtype));
      }
      Shape resultShape = random.below(3) ? operands[0].shape : randomShape(random);
      DType resultType =
          random.below(3) && operands[0].dtype != DType::Undefined ? operands[0].dtype : random.oneOf(dtypes);
      attributes["to"] = std::string(name(resultType));
      // What an error says about the shape is what the next attempt gives.
      for (int attempt = 0; attempt < 2; ++attempt) {
        std::vector<Value> results{Value(resultType, resultShape)};
        for (int64_t i = random.below(4); i > 0; --i)
          results.push_back(Value(DType::I64, resultShape));
        std::string error = runInto(op, attributes, operands, results);
        answered[op] += error.empty();
        size_t begin = error.find("result of shape [");
        if (begin == std::string::npos)
          break;
        resultShape.clear();
        int64_t total = 1;
        for (const char *at = error.c_str() + begin + 17; *at && *at != ']';) {
          char *end;
          resultShape.push_back(std::strtoll(at, &end, 10));
          total = std::min<int64_t>(total * std::max<int64_t>(resultShape.back(), 1), 1 << 20);
          at = *end == ',' ? end + 2 : end;
        }
        if (total > 1 << 16 || std::any_of(resultShape.begin(), resultShape.end(), [](int64_t e) { return e < 0; }))
          break;
      }
    }
  // The generator is worth something only when most kernels get through.
  int silent = 0;
  for (std::string_view op : kernelNames())
    silent += answered[op] == 0;
  EXPECT_LT(silent, 30);
}

} // namespace
} // namespace bessemer::kernels
