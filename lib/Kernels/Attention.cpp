// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// attention, also in parts, and rope.
#include "Convert.h"
#include "Loops.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace bessemer::kernels {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A [B, H, S, D] view of an operand that may be stored as [B, S, H, D].
struct Heads {
  const Tensor &tensor;
  int64_t batches, heads, length, depth;
  bool lengthFirst;

  Heads(const Tensor &t, const std::string &layout) : tensor(t), lengthFirst(layout == "bshd") {
    if (t.rank() != 4 || !isFloat(t.dtype))
      fail("expected floats of rank 4, got " + std::string(name(t.dtype)) + " of shape " + str(t.shape));
    if (layout != "bshd" && layout != "bhsd")
      fail("expected a layout bhsd or bshd, got '" + layout + "'");
    batches = t.shape[0];
    heads = t.shape[lengthFirst ? 2 : 1];
    length = t.shape[lengthFirst ? 1 : 2];
    depth = t.shape[3];
  }
  int64_t offset(int64_t b, int64_t h, int64_t s) const {
    return (lengthFirst ? (b * length + s) * heads + h : (b * heads + h) * length + s) * depth;
  }
  std::vector<double> head(int64_t b, int64_t h) const {
    std::vector<double> values(static_cast<size_t>(length * depth));
    for (int64_t s = 0; s < length; ++s)
      loadDoubles(tensor, offset(b, h, s), depth, values.data() + s * depth);
    return values;
  }
};

/// The operands of attention, also in parts.
class AttentionOperands {
public:
  explicit AttentionOperands(Context &c)
      : q(c.in(0), c.text("q_layout", "bhsd")), k(c.in(1), c.text("k_layout", "bhsd")),
        v(c.in(2), c.text("v_layout", "bhsd")), scale(c.real("scale")), softcap(c.real("softcap", 0.0)),
        causal(c.flag("causal")) {
    const Tensor *mask = c.optional(3), *valid = c.optional(4);
    bool fits = k.batches == q.batches && v.batches == q.batches && k.depth == q.depth && v.heads == k.heads &&
                v.length == k.length && (q.heads == 0 || (k.heads > 0 && q.heads % k.heads == 0));
    if (!fits)
      fail("expected q [B, Hq, S, D], k [B, H, T, D] and v [B, H, T, E], got " + str(c.in(0).shape) + ", " +
           str(c.in(1).shape) + " and " + str(c.in(2).shape));
    causalOffset = c.flag("causal_bottom_right") ? k.length - q.length : 0;
    maskStrides.assign(4, 0);
    if (mask) {
      maskStrides = broadcastStrides(mask->shape, {q.batches, q.heads, q.length, k.length});
      if (!isFloat(mask->dtype) && mask->dtype != DType::Bool)
        fail("expected a mask of bools or floats, got " + std::string(name(mask->dtype)));
      added = doubles(*mask);
      if (mask->dtype == DType::Bool)
        for (double &value : added)
          value = value != 0 ? 0 : -infinity;
    }
    ends.assign(static_cast<size_t>(q.batches), k.length);
    if (valid) {
      if (valid->shape != Shape{q.batches})
        fail("expected valid lengths of shape " + str(Shape{q.batches}) + ", got " + str(valid->shape));
      ends = loadIndices(*valid);
      for (int64_t &end : ends)
        end = std::clamp<int64_t>(end, 0, k.length);
    }
    scores.resize(static_cast<size_t>(k.length));
    sums.resize(static_cast<size_t>(v.depth));
  }

  void expectResult(const Heads &y) {
    if (y.batches != q.batches || y.heads != q.heads || y.length != q.length || y.depth != v.depth)
      fail("expected a result [B, Hq, S, E] of " + str(q.tensor.shape) + " and " + str(v.tensor.shape) + ", got " +
           str(y.tensor.shape));
  }

  /// fn(b, h, i) for each query; keys and values of its head are at hand.
  template <class Fn> void forEachQuery(Fn fn) {
    int64_t group = k.heads > 0 ? q.heads / k.heads : 1;
    for (int64_t b = 0; b < q.batches; ++b)
      for (int64_t h = 0; h < q.heads; ++h) {
        queries = q.head(b, h), keys = k.head(b, h / group), values = v.head(b, h / group);
        for (int64_t i = 0; i < q.length; ++i)
          fn(b, h, i);
      }
  }

  /// Of a query the keys [first, end) that it sees: the largest score (-infinity: none is seen), the weights
  /// e^(score - largest) and `sums`, of the values by their weights.
  void see(int64_t b, int64_t h, int64_t i, int64_t first, int64_t end) {
    if (causal)
      end = std::min(end, i + causalOffset + 1);
    largest = -infinity;
    for (int64_t j = first; j < end; ++j) {
      double score = 0;
      for (int64_t d = 0; d < q.depth; ++d)
        score += queries[i * q.depth + d] * keys[j * q.depth + d];
      score *= scale;
      if (softcap > 0)
        score = softcap * std::tanh(score / softcap);
      if (!added.empty())
        score += added[b * maskStrides[0] + h * maskStrides[1] + i * maskStrides[2] + j * maskStrides[3]];
      scores[j] = score;
      largest = std::isnan(score) || score > largest ? score : largest;
    }
    std::fill(sums.begin(), sums.end(), 0.0);
    total = 0;
    for (int64_t j = first; j < end && largest != -infinity; ++j) {
      double weight = std::exp(scores[j] - largest);
      total += weight;
      for (int64_t d = 0; d < v.depth; ++d)
        sums[d] += weight * values[j * v.depth + d];
    }
  }

  Heads q, k, v;
  std::vector<int64_t> ends; ///< of the keys, for each batch
  double largest = 0, total = 0;
  std::vector<double> sums;

private:
  double scale, softcap;
  bool causal;
  int64_t causalOffset = 0;
  Shape maskStrides;
  std::vector<double> added, queries, keys, values, scores;
};

void runAttention(Context &c) {
  AttentionOperands a(c);
  Heads y(c.out(), c.text("y_layout", "bhsd"));
  a.expectResult(y);
  a.forEachQuery([&](int64_t b, int64_t h, int64_t i) {
    a.see(b, h, i, 0, a.ends[b]);
    if (a.total != 0)
      for (double &sum : a.sums)
        sum /= a.total;
    storeDoubles(y.tensor, y.offset(b, h, i), a.v.depth, a.sums.data());
  });
}

void runAttentionParts(Context &c) {
  AttentionOperands a(c);
  int64_t parts = c.integer("parts"), unit = c.integer("unit");
  if (parts < 1 || unit < 1)
    fail("expected positive parts and unit, got " + std::to_string(parts) + " and " + std::to_string(unit));
  if (c.flag("of_one_query") && a.q.length > 1)
    parts = 1;
  bool lengthFirst = c.text("y_layout", "bhsd") == "bshd";
  Shape shape{parts, a.q.batches, a.q.heads, a.q.length};
  if (lengthFirst)
    std::swap(shape[2], shape[3]);
  Tensor &largest = c.out(1, shape), &sum = c.out(2, shape);
  shape.push_back(a.v.depth);
  Tensor &y = c.out(0, shape);
  a.forEachQuery([&](int64_t b, int64_t h, int64_t i) {
    int64_t length = ((a.ends[b] + parts - 1) / parts + unit - 1) / unit * unit;
    for (int64_t part = 0; part < parts; ++part) {
      a.see(b, h, i, part * length, std::min(a.ends[b], (part + 1) * length));
      int64_t at = (part * shape[1] + b) * shape[2] * shape[3] + (lengthFirst ? i * a.q.heads + h : h * a.q.length + i);
      double log2 = a.largest == -infinity ? -std::numeric_limits<float>::max() : std::numbers::log2e * a.largest;
      storeDoubles(largest, at, 1, &log2);
      storeDoubles(sum, at, 1, &a.total);
      storeDoubles(y, at * a.v.depth, a.v.depth, a.sums.data());
    }
  });
}

void runCombineParts(Context &c) {
  const Tensor &y = c.in(0), &largest = c.in(1), &sum = c.in(2);
  Shape rows = largest.shape;
  rows.push_back(y.rank() ? y.shape.back() : 0);
  if (y.rank() < 2 || y.shape != rows || sum.shape != largest.shape)
    fail("expected parts [P, .., D] with a largest and a sum [P, ..], got shapes " + str(y.shape) + ", " +
         str(largest.shape) + " and " + str(sum.shape));
  int64_t parts = y.shape.front(), depth = y.shape.back();
  Tensor &result = c.out(0, Shape(y.shape.begin() + 1, y.shape.end()));
  std::vector<double> ys = doubles(y), most = doubles(largest), sums = doubles(sum), row(static_cast<size_t>(depth));
  int64_t count = parts ? static_cast<int64_t>(most.size()) / parts : 0;
  for (int64_t i = 0; i < count; ++i) {
    double whole = most[i], total = 0;
    for (int64_t p = 1; p < parts; ++p) {
      double own = most[p * count + i];
      whole = std::isnan(own) || own > whole ? own : whole;
    }
    std::fill(row.begin(), row.end(), 0.0);
    for (int64_t p = 0; p < parts; ++p) {
      double weight = std::exp2(most[p * count + i] - whole);
      total += weight * sums[p * count + i];
      for (int64_t d = 0; d < depth; ++d)
        row[d] += weight * ys[(p * count + i) * depth + d];
    }
    if (total != 0)
      for (double &value : row)
        value /= total;
    storeDoubles(result, i * depth, depth, row.data());
  }
}

void runRope(Context &c) {
  const Tensor &x = c.in(0), &cosine = c.in(1), &sine = c.in(2);
  Tensor &y = c.out(0, x.shape);
  if (x.rank() != 4 || !isFloat(x.dtype))
    fail("expected floats of rank 4, got shape " + str(x.shape));
  expectSameType(x, y);
  int64_t depth = x.shape[3], rotary = c.integer("rotary");
  if (rotary < 0 || rotary > depth || rotary % 2 != 0)
    fail("expected an even rotary extent of at most " + str(depth) + ", got " + str(rotary));
  bool interleaved = c.flag("interleaved");
  int64_t half = rotary / 2;
  Shape angles{x.shape[0], x.shape[1], x.shape[2], half};
  Shape cosineStrides = broadcastStrides(cosine.shape, angles), sineStrides = broadcastStrides(sine.shape, angles);
  std::vector<double> cosines = doubles(cosine), sines = doubles(sine), row(static_cast<size_t>(depth));
  int64_t at = 0;
  forEachIndex({x.shape[0], x.shape[1], x.shape[2]}, [&](const Shape &index) {
    loadDoubles(x, at, depth, row.data());
    int64_t cosineAt = dot(index, cosineStrides), sineAt = dot(index, sineStrides);
    for (int64_t i = 0; i < half; ++i) {
      double &first = row[interleaved ? 2 * i : i], &second = row[interleaved ? 2 * i + 1 : i + half];
      double co = cosines[cosineAt + i * cosineStrides[3]], si = sines[sineAt + i * sineStrides[3]];
      double rotated = first * co - second * si;
      second = first * si + second * co;
      first = rotated;
    }
    storeDoubles(y, at, depth, row.data());
    at += depth;
  });
}

} // namespace

std::span<const KernelEntry> attentionKernels() {
  static const KernelEntry list[] = {{"attention", runAttention},
                                     {"attention_parts", runAttentionParts},
                                     {"combine_parts", runCombineParts},
                                     {"rope", runRope}};
  return list;
}

} // namespace bessemer::kernels
