// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// lstm, gru, rnn: ONNX's equations, layout 0.
#include "Convert.h"
#include "Panels.h"

#include <algorithm>
#include <cmath>

namespace bessemer::kernels {
namespace {

struct Activation {
  double (*function)(double x, double alpha, double beta) = nullptr;
  double alpha = 0, beta = 0;
};

struct NamedActivation {
  std::string_view name;
  int parameters; ///< how many of alpha, beta it takes
  Activation activation;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

const NamedActivation activations[] = {
    {"relu", 0, {[](double x, double, double) { return std::fmax(x, 0); }, 0, 0}},
    {"tanh", 0, {[](double x, double, double) { return std::tanh(x); }, 0, 0}},
    {"sigmoid", 0, {[](double x, double, double) { return sigmoid(x); }, 0, 0}},
    {"softsign", 0, {[](double x, double, double) { return x / (1 + std::fabs(x)); }, 0, 0}},
    {"softplus",
     0,
     {[](double x, double, double) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }, 0, 0}},
    {"leakyrelu", 1, {[](double x, double a, double) { return x >= 0 ? x : a * x; }, 0.01, 0}},
    {"thresholdedrelu", 1, {[](double x, double a, double) { return x >= a ? x : 0; }, 1, 0}},
    {"elu", 1, {[](double x, double a, double) { return x >= 0 ? x : a * std::expm1(x); }, 1, 0}},
    {"affine", 2, {[](double x, double a, double b) { return a * x + b; }, 1, 0}},
    {"scaledtanh", 2, {[](double x, double a, double b) { return a * std::tanh(b * x); }, 1, 1}},
    {"hardsigmoid", 2, {[](double x, double a, double b) { return std::clamp(a * x + b, 0.0, 1.0); }, 0.2, 0.5}},
};

/// `perDirection` activations for each direction. alpha and beta are consumed
/// in order by the functions that take them.
std::vector<Activation> readActivations(Context &c, size_t directions, const std::vector<std::string> &defaults) {
  std::vector<std::string> names = c.texts("activations");
  if (names.empty())
    for (size_t d = 0; d < directions; ++d)
      names.insert(names.end(), defaults.begin(), defaults.end());
  if (names.size() != directions * defaults.size())
    fail("expected " + std::to_string(directions * defaults.size()) + " activations, got " +
         std::to_string(names.size()));
  std::vector<double> alphas = c.reals("activation_alpha"), betas = c.reals("activation_beta");
  size_t nextAlpha = 0, nextBeta = 0;
  std::vector<Activation> result;
  for (const std::string &name : names) {
    const auto *found = std::find_if(std::begin(activations), std::end(activations),
                                     [&](const NamedActivation &entry) { return entry.name == name; });
    if (found == std::end(activations))
      fail("expected an activation function, got '" + name + "'");
    Activation activation = found->activation;
    if (found->parameters >= 1 && nextAlpha < alphas.size())
      activation.alpha = alphas[nextAlpha++];
    if (found->parameters >= 2 && nextBeta < betas.size())
      activation.beta = betas[nextBeta++];
    result.push_back(activation);
  }
  return result;
}

/// What the three ops have in common.
struct Recurrence {
  int64_t length, batch, input, hidden, gates, directions;
  std::vector<double> x, w, r, bias, initialH, y;
  std::vector<int64_t> lengths;
  std::vector<Activation> functions;
  size_t perDirection;
  double clip;
  bool reverseFirst;

  Recurrence(Context &c, int64_t gateCount, const std::vector<std::string> &defaults)
      : gates(gateCount), perDirection(defaults.size()) {
    const Tensor &xs = c.in(0);
    Buffer memory[2];
    Tensor ws = gateRows(c, 1, memory[0]), rs = gateRows(c, 2, memory[1]);
    if (xs.rank() != 3 || ws.rank() != 3 || rs.rank() != 3)
      fail("expected x, w and r of rank 3, got " + str(xs.shape) + ", " + str(ws.shape) + " and " + str(rs.shape));
    length = xs.shape[0], batch = xs.shape[1], input = xs.shape[2], hidden = rs.shape[2], directions = ws.shape[0];
    std::string direction = c.text("direction", "forward");
    if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
      fail("expected direction to be forward, reverse or bidirectional, got '" + direction + "'");
    reverseFirst = direction == "reverse";
    Shape wShape{direction == "bidirectional" ? 2 : 1, gates * hidden, input}, rShape = wShape;
    rShape[2] = hidden;
    if (ws.shape != wShape || rs.shape != rShape)
      fail("expected w " + str(wShape) + " and r " + str(rShape) + ", got " + str(ws.shape) + " and " + str(rs.shape));
    x = doubles(xs), w = doubles(ws), r = doubles(rs);
    bias = load(c, 3, {directions, 2 * gates * hidden});
    initialH = load(c, 5, {directions, batch, hidden});
    lengths.assign(static_cast<size_t>(batch), length);
    if (const Tensor *given = c.optional(4)) {
      if (given->shape != Shape{batch})
        fail("expected lengths of shape " + str(Shape{batch}) + ", got " + str(given->shape));
      lengths = loadIndices(*given);
      for (int64_t entry : lengths)
        if (entry < 0 || entry > length)
          fail("expected lengths in [0, " + str(length) + "], got " + str(entry));
    }
    functions = readActivations(c, static_cast<size_t>(directions), defaults);
    clip = c.real("clip", 0.0);
    y.assign(static_cast<size_t>(length * directions * batch * hidden), 0.0);
  }

  /// w or r [D, gates * H, depth]. In panels each gate of a direction is a matrix [depth, H] of its own.
  Tensor gateRows(Context &c, size_t i, Buffer &memory) const {
    if (!c.has(packedColumns) || c.in(i).rank() != 4)
      return c.in(i);
    int64_t columns = c.expression(packedColumns);
    Tensor rows = unpackPanels(c.in(i), columns, /*transposed=*/true, memory);
    rows.shape = {rows.shape[0] / gates, gates * columns, rows.shape[2]};
    return rows;
  }

  /// An optional operand; zeros when absent.
  static std::vector<double> load(Context &c, size_t i, const Shape &shape) {
    const Tensor *tensor = c.optional(i);
    if (!tensor)
      return std::vector<double>(static_cast<size_t>(product(shape)));
    if (tensor->shape != shape)
      fail("expected operand " + std::to_string(i) + " of shape " + str(shape) + ", got " + str(tensor->shape));
    return doubles(*tensor);
  }

  double activate(int64_t direction, size_t which, double value) const {
    if (clip > 0)
      value = std::clamp(value, -clip, clip);
    const Activation &f = functions[static_cast<size_t>(direction) * perDirection + which];
    return f.function(value, f.alpha, f.beta);
  }

  /// Row `row` of r (a gate's row for a hidden unit) times a state.
  double recur(int64_t direction, int64_t row, const double *state) const {
    const double *weights = r.data() + (direction * gates * hidden + row) * hidden;
    double sum = 0;
    for (int64_t k = 0; k < hidden; ++k)
      sum += weights[k] * state[k];
    return sum;
  }
  double inputBias(int64_t d, int64_t row) const { return bias[d * 2 * gates * hidden + row]; }
  double stateBias(int64_t d, int64_t row) const { return bias[(d * 2 + 1) * gates * hidden + row]; }

  /// Calls `step(direction, batch, fromInput, h)`, which updates h in place;
  /// fromInput[gate · hidden + unit] is x · w^T + input bias.
  template <class Step> void run(std::vector<double> &state, Step step) {
    state = initialH;
    std::vector<double> fromInput(static_cast<size_t>(gates * hidden));
    for (int64_t d = 0; d < directions; ++d)
      for (int64_t b = 0; b < batch; ++b) {
        double *h = state.data() + (d * batch + b) * hidden;
        bool reverse = d == 1 || reverseFirst;
        for (int64_t s = 0; s < lengths[b]; ++s) {
          int64_t t = reverse ? lengths[b] - 1 - s : s;
          const double *at = x.data() + (t * batch + b) * input;
          for (int64_t row = 0; row < gates * hidden; ++row) {
            const double *weights = w.data() + (d * gates * hidden + row) * input;
            double sum = inputBias(d, row);
            for (int64_t k = 0; k < input; ++k)
              sum += weights[k] * at[k];
            fromInput[row] = sum;
          }
          step(d, b, fromInput, h);
          std::copy(h, h + hidden, y.data() + ((t * directions + d) * batch + b) * hidden);
        }
      }
  }

  void store(Context &c, const std::vector<double> &state) const {
    storeDoubles(c.out(0, {length, directions, batch, hidden}), 0, static_cast<int64_t>(y.size()), y.data());
    storeDoubles(c.out(1, {directions, batch, hidden}), 0, static_cast<int64_t>(state.size()), state.data());
  }
};

void runRnn(Context &c) {
  Recurrence net(c, 1, {"tanh"});
  std::vector<double> state, next(static_cast<size_t>(net.hidden));
  net.run(state, [&](int64_t d, int64_t, const std::vector<double> &fromInput, double *h) {
    for (int64_t k = 0; k < net.hidden; ++k)
      next[k] = net.activate(d, 0, fromInput[k] + net.recur(d, k, h) + net.stateBias(d, k));
    std::copy(next.begin(), next.end(), h);
  });
  net.store(c, state);
}

void runGru(Context &c) {
  Recurrence net(c, 3, {"sigmoid", "tanh"});
  bool linearFirst = c.flag("linear_before_reset");
  int64_t n = net.hidden;
  std::vector<double> state, z(static_cast<size_t>(n)), reset(z), gated(z), next(z);
  net.run(state, [&](int64_t d, int64_t, const std::vector<double> &fromInput, double *h) {
    for (int64_t k = 0; k < n; ++k) {
      z[k] = net.activate(d, 0, fromInput[k] + net.recur(d, k, h) + net.stateBias(d, k));
      reset[k] = net.activate(d, 0, fromInput[n + k] + net.recur(d, n + k, h) + net.stateBias(d, n + k));
      gated[k] = reset[k] * h[k];
    }
    for (int64_t k = 0; k < n; ++k) {
      int64_t row = 2 * n + k;
      double recurrent = linearFirst ? reset[k] * (net.recur(d, row, h) + net.stateBias(d, row))
                                     : net.recur(d, row, gated.data()) + net.stateBias(d, row);
      double candidate = net.activate(d, 1, fromInput[row] + recurrent);
      next[k] = (1 - z[k]) * candidate + z[k] * h[k];
    }
    std::copy(next.begin(), next.end(), h);
  });
  net.store(c, state);
}

void runLstm(Context &c) {
  Recurrence net(c, 4, {"sigmoid", "tanh", "tanh"});
  int64_t n = net.hidden;
  std::vector<double> cells = Recurrence::load(c, 6, {net.directions, net.batch, n});
  std::vector<double> peephole = Recurrence::load(c, 7, {net.directions, 3 * n}); // i, o, f
  bool coupled = c.flag("input_forget");
  std::vector<double> state, next(static_cast<size_t>(n));
  net.run(state, [&](int64_t d, int64_t b, const std::vector<double> &fromInput, double *h) {
    double *cell = cells.data() + (d * net.batch + b) * n;
    const double *p = peephole.data() + d * 3 * n;
    auto gate = [&](int64_t g, int64_t k) {
      int64_t row = g * n + k;
      return fromInput[row] + net.recur(d, row, h) + net.stateBias(d, row);
    };
    for (int64_t k = 0; k < n; ++k) {
      double in = net.activate(d, 0, gate(0, k) + p[k] * cell[k]);
      double forget = coupled ? 1 - in : net.activate(d, 0, gate(2, k) + p[2 * n + k] * cell[k]);
      double candidate = net.activate(d, 1, gate(3, k));
      double outBefore = gate(1, k);
      cell[k] = forget * cell[k] + in * candidate;
      double out = net.activate(d, 0, outBefore + p[n + k] * cell[k]);
      next[k] = out * net.activate(d, 2, cell[k]);
    }
    std::copy(next.begin(), next.end(), h);
  });
  net.store(c, state);
  storeDoubles(c.out(2, {net.directions, net.batch, n}), 0, static_cast<int64_t>(cells.size()), cells.data());
}

} // namespace

std::span<const KernelEntry> recurrentKernels() {
  static const KernelEntry list[] = {{"lstm", runLstm}, {"gru", runGru}, {"rnn", runRnn}};
  return list;
}

} // namespace bessemer::kernels
