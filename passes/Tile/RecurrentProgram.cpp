// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// LSTM, GRU and RNN. A point of the grid is a direction and a few rows of the
// batch; the loop over time is inside. A step multiplies the input and the last
// state by the panels of each gate, and the gates are applied while the last of
// these sums is in registers:
//
//   store h0, c0 of the rows
//   for s in [0, length):  t = s, or length - 1 - s backwards
//     gate g = activation(x[t] W_g + y[t before] R_g + biases)
//     y[t] = h,  y_c = c
//   y_h = y[last]
//
// The last state is read where it was written, in y. With lengths, each row of
// the batch has a point of its own.
#include "passes/Tile/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

namespace {
/// Rows of the batch that share what is read of the weights.
constexpr int64_t batchRows = 8;

struct Activation {
  std::string name;
  double alpha = 0, beta = 0;
};

class RecurrentWriter {
public:
  RecurrentWriter(ProgramBuilder &p, Operation *op) : p(p), b(p.b), op(op) {}

  tile::KernelOp write() {
    readOp();
    auto x = getDims(op->getOperand(0).getType()), state = getDims(op->getResult(1).getType());
    std::optional<int64_t> knownHidden = state[2].isConstant(), knownInput = x[2].isConstant(),
                           knownDirections = state[0].isConstant();
    Type element = getElementTypeOrSelf(op->getOperand(0).getType());
    if (!knownHidden || !knownInput || !knownDirections || !computeType(element).isF32() ||
        !readActivations(*knownDirections))
      return {};
    hidden = *knownHidden, input = *knownInput, directions = *knownDirections;
    length = x[0];
    SymbolicExpr batch = x[1];
    std::optional<int64_t> knownBatch = batch.isConstant();
    int64_t block = lengths ? 1 : knownBatch ? std::min(*knownBatch, batchRows) : batchRows;
    if (block < 1)
      return {};
    packed = op->hasAttr(packedColumnsName);

    SmallVector<SmallVector<SymbolicExpr>> views;
    int64_t panel = p.schedule.panelColumns();
    for (BlockArgument argument : p.fusion.getBody().front().getArguments()) {
      auto dims = getDims(argument.getType());
      if (argument == w || argument == r) {
        int64_t depth = argument == w ? input : hidden;
        if (packed)
          dims = {SymbolicExpr(directions * gates), SymbolicExpr((hidden + panel - 1) / panel), SymbolicExpr(depth),
                  SymbolicExpr(panel)};
        else
          dims = {SymbolicExpr(directions * gates), SymbolicExpr(hidden), SymbolicExpr(depth)};
      } else if (argument == bias) {
        dims = {SymbolicExpr(directions), SymbolicExpr(2 * gates), SymbolicExpr(hidden)};
      } else if (argument == peephole) {
        dims = {SymbolicExpr(directions), SymbolicExpr(3), SymbolicExpr(hidden)};
      }
      views.push_back(dims);
    }
    for (Value result : op->getResults())
      views.push_back(getDims(result.getType()));
    p.begin(views, {SymbolicExpr(directions), SymbolicExpr::ceilDiv(batch, block)});
    firstOutput = p.fusion.getInputs().size();

    firstRow = p.mul(p.gridId(1), p.index(block));
    rows = knownBatch && *knownBatch % block == 0
               ? Extent::of(block)
               : Extent{-1, p.minimum(p.index(block), p.sub(p.indexOf(batch), firstRow))};
    if (block == 1)
      rows = Extent::of(1);
    shape = {rows, Extent::of(hidden)};
    bool differ = directions == 2 && !sameInBothDirections();
    if (!differ) {
      emitDirection(0);
      return p.finish(flops(batch));
    }
    Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, p.gridId(0), p.index(0));
    auto branch = scf::IfOp::create(b, isFirst, /*withElseRegion=*/true);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      emitDirection(0);
      b.setInsertionPointToStart(branch.elseBlock());
      emitDirection(1);
    }
    return p.finish(flops(batch));
  }

private:
  void readOp() {
    auto common = [&](auto o) {
      w = o.getW(), r = o.getR(), bias = o.getBias(), lengths = o.getLengths(), initialH = o.getInitialH();
      direction = o.getDirection().str();
      clip = o.getClip().convertToDouble();
      for (Attribute name : o.getActivations())
        names.push_back(cast<StringAttr>(name).str());
      if (o.getActivationAlpha())
        alphas.assign(o.getActivationAlpha()->begin(), o.getActivationAlpha()->end());
      if (o.getActivationBeta())
        betas.assign(o.getActivationBeta()->begin(), o.getActivationBeta()->end());
    };
    if (auto lstm = dyn_cast<LstmOp>(op)) {
      common(lstm);
      gates = 4, perDirection = 3;
      initialC = lstm.getInitialC(), peephole = lstm.getPeephole();
      coupled = lstm.getInputForget();
    } else if (auto gru = dyn_cast<GruOp>(op)) {
      common(gru);
      gates = 3, perDirection = 2;
      linearFirst = gru.getLinearBeforeReset();
    } else {
      common(cast<RnnOp>(op));
      gates = 1, perDirection = 1;
    }
  }

  /// alpha and beta are consumed in order by the functions that take them.
  bool readActivations(int64_t count) {
    struct Known {
      StringRef name;
      int parameters;
      double alpha, beta;
    };
    static const Known known[] = {
        {"relu", 0, 0, 0},     {"tanh", 0, 0, 0},         {"sigmoid", 0, 0, 0},         {"softsign", 0, 0, 0},
        {"softplus", 0, 0, 0}, {"leakyrelu", 1, 0.01, 0}, {"thresholdedrelu", 1, 1, 0}, {"elu", 1, 1, 0},
        {"affine", 2, 1, 0},   {"scaledtanh", 2, 1, 1},   {"hardsigmoid", 2, 0.2, 0.5}};
    size_t nextAlpha = 0, nextBeta = 0;
    for (const std::string &name : names) {
      const Known *found = llvm::find_if(known, [&](const Known &k) { return k.name == name; });
      if (found == std::end(known))
        return false;
      Activation activation{name, found->alpha, found->beta};
      if (found->parameters >= 1 && nextAlpha < alphas.size())
        activation.alpha = alphas[nextAlpha++];
      if (found->parameters >= 2 && nextBeta < betas.size())
        activation.beta = betas[nextBeta++];
      activations.push_back(activation);
    }
    return int64_t(activations.size()) == count * perDirection;
  }

  bool sameInBothDirections() const {
    for (int64_t i = 0; i < perDirection; ++i) {
      const Activation &l = activations[i], &r = activations[i + perDirection];
      if (l.name != r.name || l.alpha != r.alpha || l.beta != r.beta)
        return false;
    }
    return true;
  }

  SymbolicExpr flops(const SymbolicExpr &batch) const {
    return length * batch * (2 * directions * gates * hidden * (input + hidden));
  }

  // ---- the program

  Value out(unsigned i) { return p.view(firstOutput + i); }
  Value view(Value operand) { return p.view(cast<BlockArgument>(operand).getArgNumber()); }
  Value f32(double value) { return p.constant(value, b.getF32Type(), shape); }

  /// [rows, hidden] of a state [D, B, H].
  Value loadState(Value from) { return p.load(from, {p.gridId(0), firstRow, p.index(0)}, {1, 2}, shape, true); }
  void storeState(Value tile, unsigned result) {
    p.store(tile, out(result), {p.gridId(0), firstRow, p.index(0)}, {1, 2}, true);
  }
  Value stateAt(Value t) { return p.load(out(0), {t, p.gridId(0), firstRow, p.index(0)}, {2, 3}, shape, true); }

  void emitDirection(int64_t number) {
    first = number * perDirection;
    if (!packed)
      for (int64_t g = 0; g < gates; ++g)
        for (auto [weights, depth] : {std::pair{w, input}, {r, hidden}})
          ownPanels[{weights, g}] = makePanels(weights, g, depth);
    Value zero = p.index(0), one = p.index(1), steps = p.indexOf(length);
    if (lengths)
      steps = clampedLength(steps);
    if (gates == 4)
      storeState(initialC ? loadState(view(initialC)) : f32(0), 2);
    // Of a row without steps, what it began with.
    Value none = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, steps, zero);
    auto branch = scf::IfOp::create(b, none, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    storeState(initialH ? loadState(view(initialH)) : f32(0), 1);
    b.setInsertionPointToStart(branch.elseBlock());
    step(timeOf(zero, steps), {});
    auto loop = scf::ForOp::create(b, one, steps, one);
    {
      OpBuilder::InsertionGuard inLoop(b);
      b.setInsertionPointToStart(loop.getBody());
      Value s = loop.getInductionVar();
      step(timeOf(s, steps), timeOf(p.sub(s, one), steps));
    }
    storeState(stateAt(timeOf(p.sub(steps, one), steps)), 1);
    b.setInsertionPointAfter(branch);
    if (!lengths)
      return;
    auto rest = scf::ForOp::create(b, steps, p.indexOf(length), one);
    b.setInsertionPointToStart(rest.getBody());
    p.store(f32(0), out(0), {rest.getInductionVar(), p.gridId(0), firstRow, zero}, {2, 3}, true);
  }

  /// The length of this row of the batch; one outside of the sequence stops the run.
  Value clampedLength(Value most) {
    Type stored = computeType(getElementTypeOrSelf(lengths.getType()));
    Value raw = tile::LoadScalarOp::create(b, stored, view(lengths), ValueRange{firstRow});
    Value given = arith::IndexCastOp::create(b, b.getIndexType(), raw);
    Value ok = arith::CmpIOp::create(b, arith::CmpIPredicate::ule, given, most);
    tile::CheckOp::create(b, ok, "length");
    return arith::SelectOp::create(b, ok, given, p.index(0));
  }

  Value timeOf(Value s, Value steps) {
    if (direction == "forward")
      return s;
    Value back = p.sub(p.sub(steps, p.index(1)), s);
    if (direction == "reverse")
      return back;
    Value isSecond = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, p.gridId(0), p.index(1));
    return arith::SelectOp::create(b, isSecond, back, s);
  }

  Value gateNumber(int64_t g) { return p.add(p.mul(p.gridId(0), p.index(gates)), p.index(g)); }

  /// Of weights that only the run knows: once, before the first step.
  Value makePanels(Value weights, int64_t g, int64_t depth) {
    int64_t width = p.schedule.panelColumns();
    Value zero = p.index(0);
    Value plain =
        p.loadStored(view(weights), {gateNumber(g), zero, zero}, {1, 2}, {Extent::of(hidden), Extent::of(depth)}, true);
    auto type =
        RankedTensorType::get({(hidden + width - 1) / width, depth, width}, getElementTypeOrSelf(plain.getType()));
    return tile::PanelsOp::create(b, type, plain, width, /*transposed=*/true);
  }

  /// a [rows, depth] times the weights of gate g.
  Value product(Value a, Value weights, int64_t g, int64_t depth) {
    int64_t width = p.schedule.panelColumns();
    Value zero = p.index(0), panels = ownPanels.lookup({weights, g});
    if (!panels)
      panels = p.loadStored(view(weights), {gateNumber(g), zero, zero, zero}, {1, 2, 3},
                            {Extent::of((hidden + width - 1) / width), Extent::of(depth), Extent::of(width)}, true);
    return tile::DotOp::create(b, tileType(shape, b.getF32Type()), a, panels, /*transpose_b=*/false);
  }

  Value plus(Value x, Value y) { return !x ? y : !y ? x : Value(arith::AddFOp::create(b, x, y)); }
  Value times(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value parameter(Value from, int64_t index) {
    Value one = p.load(view(from), {p.gridId(0), p.index(index), p.index(0)}, {1, 2},
                       {Extent::of(1), Extent::of(hidden)}, true);
    return p.broadcast(one, shape);
  }
  Value inputBias(int64_t g) { return bias ? parameter(bias, g) : Value(); }
  Value stateBias(int64_t g) { return bias ? parameter(bias, gates + g) : Value(); }

  Value activate(int64_t which, Value x) {
    const Activation &f = activations[first + which];
    if (clip > 0)
      x = arith::MaximumFOp::create(b, arith::MinimumFOp::create(b, x, f32(clip)), f32(-clip));
    auto compare = [&](arith::CmpFPredicate predicate, double value) -> Value {
      return arith::CmpFOp::create(b, predicate, x, f32(value));
    };
    Value zero = f32(0), one = f32(1);
    if (f.name == "relu")
      return arith::MaximumFOp::create(b, x, zero);
    if (f.name == "tanh")
      return math::TanhOp::create(b, x);
    if (f.name == "sigmoid")
      return p.sigmoid(x, shape);
    if (f.name == "softsign")
      return arith::DivFOp::create(b, x, plus(one, math::AbsFOp::create(b, x)));
    if (f.name == "softplus") {
      Value e = math::ExpOp::create(b, arith::NegFOp::create(b, math::AbsFOp::create(b, x)));
      return plus(arith::MaximumFOp::create(b, x, zero), math::Log1pOp::create(b, e));
    }
    if (f.name == "leakyrelu")
      return arith::SelectOp::create(b, compare(arith::CmpFPredicate::OGE, 0), x, times(x, f32(f.alpha)));
    if (f.name == "thresholdedrelu")
      return arith::SelectOp::create(b, compare(arith::CmpFPredicate::OGE, f.alpha), x, zero);
    if (f.name == "elu") {
      Value negative = times(f32(f.alpha), math::ExpM1Op::create(b, x));
      return arith::SelectOp::create(b, compare(arith::CmpFPredicate::OGE, 0), x, negative);
    }
    if (f.name == "affine")
      return plus(times(x, f32(f.alpha)), f32(f.beta));
    if (f.name == "scaledtanh")
      return times(f32(f.alpha), math::TanhOp::create(b, times(x, f32(f.beta))));
    Value linear = plus(times(x, f32(f.alpha)), f32(f.beta));
    return arith::MaximumFOp::create(b, arith::MinimumFOp::create(b, linear, one), zero);
  }

  /// `before`: the time of the step before; null: the first step.
  void step(Value t, Value before) {
    Value zero = p.index(0);
    Value x = p.loadStored(view(op->getOperand(0)), {t, firstRow, zero}, {1, 2}, {rows, Extent::of(input)}, true);
    // The state as it is stored, for products, and as programs compute, for gates.
    Value stored, h;
    if (before) {
      stored = p.loadStored(out(0), {before, p.gridId(0), firstRow, zero}, {2, 3}, shape, true);
      h = stateAt(before);
    } else if (initialH) {
      stored = p.loadStored(view(initialH), {p.gridId(0), firstRow, zero}, {1, 2}, shape, true);
      h = loadState(view(initialH));
    }
    auto fromInput = [&](int64_t g) { return plus(product(x, w, g, input), inputBias(g)); };
    auto fromState = [&](int64_t g) { return plus(stored ? product(stored, r, g, hidden) : Value(), stateBias(g)); };
    auto gate = [&](int64_t g) { return plus(fromInput(g), fromState(g)); };
    Value next;
    if (gates == 1) {
      next = activate(0, gate(0));
    } else if (gates == 3) {
      Value z = activate(0, gate(0)), reset = activate(0, gate(1)), recurrent;
      if (linearFirst) {
        Value state = fromState(2);
        recurrent = state ? times(reset, state) : Value();
      } else {
        recurrent = plus(h ? product(times(reset, h), r, 2, hidden) : Value(), stateBias(2));
      }
      Value candidate = activate(1, plus(fromInput(2), recurrent));
      next = times(arith::SubFOp::create(b, f32(1), z), candidate);
      if (h)
        next = plus(next, times(z, h));
    } else {
      Value cell = loadState(out(2));
      auto peep = [&](int64_t i, Value c) { return peephole ? times(parameter(peephole, i), c) : Value(); };
      Value in = activate(0, plus(gate(0), peep(0, cell)));
      Value forget = coupled ? Value(arith::SubFOp::create(b, f32(1), in)) : activate(0, plus(gate(2), peep(2, cell)));
      Value candidate = activate(1, gate(3));
      Value nextCell = plus(times(forget, cell), times(in, candidate));
      Value output = activate(0, plus(gate(1), peep(1, nextCell)));
      next = times(output, activate(2, nextCell));
      p.store(next, out(0), {t, p.gridId(0), firstRow, zero}, {2, 3}, true);
      // After h: what is not kept is computed again, from the old cell.
      storeState(nextCell, 2);
      return;
    }
    p.store(next, out(0), {t, p.gridId(0), firstRow, zero}, {2, 3}, true);
  }

  ProgramBuilder &p;
  ImplicitLocOpBuilder &b;
  Operation *op;
  Value w, r, bias, lengths, initialH, initialC, peephole;
  std::string direction;
  std::vector<std::string> names;
  SmallVector<double> alphas, betas;
  SmallVector<Activation> activations;
  double clip = 0;
  bool coupled = false, linearFirst = false, packed = false;
  int64_t gates = 0, perDirection = 0, hidden = 0, input = 0, directions = 0, first = 0;
  unsigned firstOutput = 0;
  SymbolicExpr length;
  DenseMap<std::pair<Value, int64_t>, Value> ownPanels;
  Value firstRow;
  Extent rows;
  SmallVector<Extent> shape;
};
} // namespace

tile::KernelOp tilegen::writeRecurrentProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  if (body.getOperations().size() != 2 || !isa<LstmOp, GruOp, RnnOp>(body.front()) ||
      p.fusion.getNumResults() != body.front().getNumResults())
    return {};
  return RecurrentWriter(p, &body.front()).write();
}
