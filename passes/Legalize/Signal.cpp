// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Fourier transforms, windows, and the mel weight matrix.
#include "passes/Legalize/Handlers.h"

#include <cmath>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

void handlers::dft(Node &n) {
  Value x = n.in(0);
  if (!n.rankAtLeast(x, 2, "an operand"))
    return;
  int64_t rank = n.rank(x), axis = n.version < 20 ? n.i("axis", 1) : -2;
  if (n.version >= 20 && n.has(2)) {
    Ints given = n.needInts(n.in(2), "axis");
    if (n.failed() || given.size() != 1)
      return n.fail("expected one axis");
    axis = given[0];
  }
  axis = n.axis(axis, rank);
  if (n.failed() || axis == rank - 1)
    return n.fail("expected a signal axis");
  bool inverse = n.i("inverse", 0) != 0, onesided = n.i("onesided", 0) != 0;
  SymbolicExpr length = n.dim(x, axis);
  int64_t given = 0;
  if (n.has(1)) {
    Ints known = n.needInts(n.in(1), "dft_length");
    if (n.failed() || known.size() != 1 || known[0] < 1)
      return n.fail("expected a positive dft_length");
    length = given = known[0];
  } else if (inverse && onesided) {
    length = (length - 1) * 2;
    given = length.isConstant().value_or(0);
    if (!given)
      return n.fail("expected a constant length of an inverse one-sided transform");
  }
  Dims dims = n.dims(x);
  dims[axis] = onesided && !inverse ? SymbolicExpr::floorDiv(length, 2) + 1 : length;
  dims.back() = inverse && onesided ? 1 : 2;
  n.out(0, n.make<bess::DftOp>(
               {x}, n.attrs().i("axis", axis).flag("inverse", inverse).flag("onesided", onesided).i("length", given),
               n.tensor(dims, n.elt(x))));
}

void handlers::stft(Node &n) {
  Value signal = n.in(0), window = n.in(2);
  if (!n.rankAtLeast(signal, 2, "a signal"))
    return;
  if (n.rank(signal) == 2)
    signal = n.unsqueeze(signal, {2});
  Ints step = n.needInts(n.in(1), "frame_step");
  if (n.failed() || step.size() != 1 || step[0] < 1)
    return n.fail("expected a positive frame_step");
  std::optional<int64_t> length;
  if (n.has(3)) {
    Ints known = n.needInts(n.in(3), "frame_length");
    if (n.failed() || known.size() != 1)
      return n.fail("expected one frame_length");
    length = known[0];
  } else {
    length = window ? n.staticDim(window, 0) : n.staticDim(signal, 1);
  }
  if (!length || *length < 1)
    return n.fail("expected a constant frame length");
  bool onesided = n.i("onesided", 1) != 0;
  SymbolicExpr frames = SymbolicExpr::floorDiv(n.dim(signal, 1) - *length, step[0]) + 1;
  Dims dims = {n.dim(signal, 0), frames, onesided ? *length / 2 + 1 : *length, 2};
  n.out(0,
        n.make<bess::StftOp>({signal, window},
                             n.attrs().i("frame_step", step[0]).i("frame_length", *length).flag("onesided", onesided),
                             n.tensor(dims, n.elt(signal))));
}

void handlers::window(Node &n) {
  Value sizeOperand = n.in(0);
  Dims size = n.elements(sizeOperand, "window");
  if (n.failed() || size.size() != 1)
    return n.fail("expected one size");
  Type to = n.onnxType(n.i("output_datatype", 1)), f64 = n.b.getF64Type(), i64 = n.b.getI64Type();
  SymbolicExpr span = n.i("periodic", 1) ? size[0] : size[0] - 1;
  Value index = n.cast(n.iota(size, 0, i64), f64);
  Value whole = n.max(n.cast(n.fromDims(span, ArrayRef<int64_t>(), i64), f64), n.scalar(1, f64));
  Value angle = n.div(n.mul(index, n.scalar(2 * M_PI, f64)), whole);
  auto term = [&](double factor, double multiple) {
    return n.mul(n.make<bess::CosOp>({n.mul(angle, n.scalar(multiple, f64))}), n.scalar(factor, f64));
  };
  StringRef op = n.op.getOpType();
  Value y;
  if (op == "HannWindow")
    y = n.add(n.scalar(0.5, f64), term(-0.5, 1));
  else if (op == "HammingWindow") // coefficients of the ONNX function body
    y = n.add(n.scalar(25.0 / 46, f64), term(-21.0 / 46, 1));
  else
    y = n.add(n.add(n.scalar(0.42, f64), term(-0.5, 1)), term(0.08, 2));
  n.out(0, n.cast(y, to));
}

/// As the reference of ONNX does it, operand by operand: all five are small.
void handlers::melWeightMatrix(Node &n) {
  Type to = n.onnxType(n.i("output_datatype", 1));
  auto bins = n.constInts(n.in(0)), dft = n.constInts(n.in(1)), rate = n.constInts(n.in(2));
  auto low = n.constFloats(n.in(3)), high = n.constFloats(n.in(4));
  auto isOne = [](auto &values) { return values && values->size() == 1; };
  if (!isOne(bins) || !isOne(dft) || !isOne(rate) || !isOne(low) || !isOne(high))
    return n.fail("expected constant operands of one element");
  int64_t columns = (*bins)[0], rows = (*dft)[0] / 2 + 1;
  if (columns < 1 || columns > 4096 || rows < 1 || rows > 65536 || (*rate)[0] < 1)
    return n.fail("expected positive sizes");
  auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  double lowMel = mel((*low)[0]), step = (mel((*high)[0]) - lowMel) / double(columns + 2);
  Ints edges;
  for (int64_t i = 0; i < columns + 2; ++i) {
    double hertz = 700 * (std::pow(10, (double(i) * step + lowMel) / 2595) - 1);
    double edge = std::floor(double((*dft)[0] + 1) * hertz / double((*rate)[0]));
    if (!(std::abs(edge) < 1e15))
      return n.fail("expected frequencies of at least 0 hertz and of finite size");
    edges.push_back(int64_t(edge));
  }
  SmallVector<double> values(rows * columns, 0);
  auto put = [&](int64_t row, int64_t column, double value) {
    if (row >= 0 && row < rows)
      values[row * columns + column] = value;
  };
  for (int64_t i = 0; i < columns; ++i) {
    int64_t left = edges[i], center = edges[i + 1], right = edges[i + 2];
    if (center == left)
      put(center, i, 1);
    else
      for (int64_t j = std::max<int64_t>(left, 0); j <= std::min(center, rows - 1); ++j)
        put(j, i, double(j - left) / double(center - left));
    for (int64_t j = std::max<int64_t>(center, 0); right > center && j < std::min(right, rows); ++j)
      put(j, i, double(right - j) / double(right - center));
  }
  if (!isa<FloatType>(to))
    return n.fail("expected a float type");
  n.out(0, n.reshape(n.floatVector(values, to), {SymbolicExpr(rows), columns}));
}
