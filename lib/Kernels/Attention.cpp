// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// attention and rope.
#include "Convert.h"
#include "Loops.h"

#include <cmath>
#include <limits>

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

void runAttention(Context &c) {
  Heads q(c.in(0), c.text("q_layout", "bhsd")), k(c.in(1), c.text("k_layout", "bhsd"));
  Heads v(c.in(2), c.text("v_layout", "bhsd")), y(c.out(), c.text("y_layout", "bhsd"));
  const Tensor *mask = c.optional(3), *valid = c.optional(4);
  bool fits = k.batches == q.batches && v.batches == q.batches && y.batches == q.batches && k.depth == q.depth &&
              v.heads == k.heads && v.length == k.length && y.heads == q.heads && y.length == q.length &&
              y.depth == v.depth && (q.heads == 0 || (k.heads > 0 && q.heads % k.heads == 0));
  if (!fits)
    fail("expected q [B, Hq, S, D], k [B, H, T, D], v [B, H, T, E] and a result [B, Hq, S, E], got " +
         str(c.in(0).shape) + ", " + str(c.in(1).shape) + ", " + str(c.in(2).shape) + " and " + str(c.out().shape));
  double scale = c.real("scale"), softcap = c.real("softcap", 0.0);
  bool causal = c.flag("causal");
  int64_t causalOffset = c.flag("causal_bottom_right") ? k.length - q.length : 0;

  Shape maskStrides(4, 0);
  std::vector<double> added;
  if (mask) {
    maskStrides = broadcastStrides(mask->shape, {q.batches, q.heads, q.length, k.length});
    if (!isFloat(mask->dtype) && mask->dtype != DType::Bool)
      fail("expected a mask of bools or floats, got " + std::string(name(mask->dtype)));
    added = doubles(*mask);
    if (mask->dtype == DType::Bool)
      for (double &value : added)
        value = value != 0 ? 0 : -infinity;
  }
  std::vector<int64_t> ends(static_cast<size_t>(q.batches), k.length);
  if (valid) {
    if (valid->shape != Shape{q.batches})
      fail("expected valid lengths of shape " + str(Shape{q.batches}) + ", got " + str(valid->shape));
    ends = loadIndices(*valid);
  }

  std::vector<double> scores(static_cast<size_t>(k.length)), sums(static_cast<size_t>(v.depth));
  int64_t group = k.heads > 0 ? q.heads / k.heads : 1;
  for (int64_t b = 0; b < q.batches; ++b)
    for (int64_t h = 0; h < q.heads; ++h) {
      std::vector<double> queries = q.head(b, h), keys = k.head(b, h / group), values = v.head(b, h / group);
      for (int64_t i = 0; i < q.length; ++i) {
        // Keys in [0, end) are seen.
        int64_t end = std::clamp<int64_t>(ends[b], 0, k.length);
        if (causal)
          end = std::clamp<int64_t>(i + causalOffset + 1, 0, end);
        double largest = -infinity;
        for (int64_t j = 0; j < end; ++j) {
          double score = 0;
          for (int64_t d = 0; d < q.depth; ++d)
            score += queries[i * q.depth + d] * keys[j * q.depth + d];
          score *= scale;
          if (softcap > 0)
            score = softcap * std::tanh(score / softcap);
          if (mask)
            score += added[b * maskStrides[0] + h * maskStrides[1] + i * maskStrides[2] + j * maskStrides[3]];
          scores[j] = score;
          largest = std::isnan(score) || score > largest ? score : largest;
        }
        std::fill(sums.begin(), sums.end(), 0.0);
        double total = 0;
        for (int64_t j = 0; j < end && largest != -infinity; ++j) {
          double weight = std::exp(scores[j] - largest);
          total += weight;
          for (int64_t d = 0; d < v.depth; ++d)
            sums[d] += weight * values[j * v.depth + d];
        }
        if (total != 0)
          for (double &sum : sums)
            sum /= total;
        storeDoubles(y.tensor, y.offset(b, h, i), v.depth, sums.data());
      }
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
  static const KernelEntry list[] = {{"attention", runAttention}, {"rope", runRope}};
  return list;
}

} // namespace bessemer::kernels
