// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a handler sees of the node it legalizes. Handlers read as straight
// lines: once `fail` has been called, or an op could not be made, every
// further call gives null and does nothing.
//
//   void leakyRelu(Node &n) {
//     Value x = n.in(0);
//     Value slope = n.mul(x, n.like(x, n.f("alpha", 0.01)));
//     n.out(0, n.where(n.less(x, n.like(x, 0)), slope, x));
//   }
#pragma once

#include "passes/Legalize/Legalizer.h"

namespace bessemer::legalize {

using mlir::Attribute;
using mlir::Location;
using mlir::Operation;
using mlir::RankedTensorType;
using mlir::Type;
using mlir::Value;

using Ints = llvm::SmallVector<int64_t>;

/// Attributes of an op to be made.
class Attrs {
public:
  explicit Attrs(mlir::MLIRContext *context) : b(context) {}
  Attrs &i(llvm::StringRef name, int64_t value) { return set(name, b.getI64IntegerAttr(value)); }
  Attrs &f(llvm::StringRef name, double value) { return set(name, b.getF64FloatAttr(value)); }
  Attrs &s(llvm::StringRef name, llvm::StringRef value) { return set(name, b.getStringAttr(value)); }
  Attrs &flag(llvm::StringRef name, bool value) { return set(name, b.getBoolAttr(value)); }
  Attrs &unit(llvm::StringRef name, bool value) { return value ? set(name, b.getUnitAttr()) : *this; }
  Attrs &ints(llvm::StringRef name, llvm::ArrayRef<int64_t> value) { return set(name, b.getDenseI64ArrayAttr(value)); }
  Attrs &floats(llvm::StringRef name, llvm::ArrayRef<double> value) { return set(name, b.getDenseF64ArrayAttr(value)); }
  Attrs &strings(llvm::StringRef name, llvm::ArrayRef<std::string> value);
  Attrs &type(llvm::StringRef name, Type value) { return set(name, mlir::TypeAttr::get(value)); }
  Attrs &dims(llvm::StringRef name, llvm::ArrayRef<SymbolicExpr> value) {
    return set(name, bess::getDimsAttr(b.getContext(), value));
  }
  Attrs &set(llvm::StringRef name, Attribute value) {
    list.set(name, value);
    return *this;
  }
  const mlir::NamedAttrList &get() const { return list; }

private:
  mlir::Builder b;
  mlir::NamedAttrList list;
};

class Node {
public:
  Node(Legalizer &legalizer, onnx::NodeOp op, llvm::StringRef domain, Scope &scope, llvm::ArrayRef<Entry> operands)
      : lz(legalizer), b(legalizer.b), op(op), loc(op.getLoc()), domain(domain), version(op.getVersion()), scope(scope),
        operands(operands), results(op->getNumResults()), given(op->getNumResults(), false) {}

  // ---- failing ----
  void fail(const llvm::Twine &what) {
    if (text.empty())
      text = what.str();
  }
  bool failed() const { return !text.empty(); }
  llvm::StringRef failure() const { return text; }

  // ---- operands and results ----
  size_t inputCount() const { return operands.size(); }
  /// Null when absent; a sequence where a tensor is expected fails.
  Value in(size_t i);
  bool has(size_t i) const { return i < operands.size() && operands[i].kind != Entry::Kind::Absent; }
  const Entry &entry(size_t i) const { return operands[i]; }
  llvm::SmallVector<Value> allInputs();
  /// Does anybody look at output i?
  bool wants(size_t i);
  void out(size_t i, Value value) {
    if (value)
      out(i, Entry::ofTensor(value));
  }
  void out(size_t i, Entry entry) {
    if (i < results.size()) {
      results[i] = std::move(entry);
      given[i] = true;
    }
  }
  /// The results cannot be made because of a failure that has been reported.
  void poison() {
    for (size_t i = 0; i < results.size(); ++i)
      out(i, Entry::poison());
  }
  bool isGiven(size_t i) const { return given[i]; }
  /// The node is an If whose branches give tensors of different rank: what
  /// follows it has to be legalized once for each branch.
  bool branchesDiffer = false;
  llvm::ArrayRef<Entry> outputs() const { return results; }

  // ---- attributes of the node ----
  /// Null when absent; references to a function's attributes are resolved.
  Attribute attr(llvm::StringRef name);
  bool hasAttr(llvm::StringRef name) { return bool(attr(name)); }
  int64_t i(llvm::StringRef name, int64_t fallback = 0);
  double f(llvm::StringRef name, double fallback = 0);
  std::string s(llvm::StringRef name, llvm::StringRef fallback = "");
  Ints ints(llvm::StringRef name, llvm::ArrayRef<int64_t> fallback = {});
  llvm::SmallVector<double> floats(llvm::StringRef name, llvm::ArrayRef<double> fallback = {});
  llvm::SmallVector<std::string> strings(llvm::StringRef name);
  /// The element type with this number in TensorProto.DataType; fails when there is none.
  Type onnxType(int64_t number);

  // ---- what is known of a value ----
  Type elt(Value v) { return v ? llvm::cast<RankedTensorType>(v.getType()).getElementType() : Type(b.getF32Type()); }
  bool isFloat(Value v) { return llvm::isa<mlir::FloatType>(elt(v)); }
  bool isBool(Value v) { return elt(v).isInteger(1); }
  int64_t rank(Value v) { return v ? llvm::cast<RankedTensorType>(v.getType()).getRank() : 0; }
  Dims dims(Value v) { return v ? bess::getDims(v.getType()) : Dims(); }
  SymbolicExpr dim(Value v, int64_t i);
  std::optional<int64_t> staticDim(Value v, int64_t i) { return dim(v, i).isConstant(); }
  /// Constant extents, or failure with a text that names what needs them.
  std::optional<Ints> staticDims(Value v, llvm::StringRef why);
  SymbolicExpr count(llvm::ArrayRef<SymbolicExpr> dims);
  /// `axis` in [-rank, rank) made non-negative; fails otherwise.
  int64_t axis(int64_t axis, int64_t rank);
  Ints axes(llvm::ArrayRef<int64_t> axes, int64_t rank);

  std::optional<Dims> contents(Value v) { return v ? lz.contents(v) : std::nullopt; }
  /// Elements of an integer tensor, through `bess.bind_symbols` when only the data tells.
  Dims elements(Value v, llvm::StringRef hint);
  std::optional<Ints> constInts(Value v);
  std::optional<llvm::SmallVector<double>> constFloats(Value v);
  /// As above, and fails: "expected a constant `what`".
  Ints needInts(Value v, llvm::StringRef what);
  bool rankIs(Value v, int64_t rank, llvm::StringRef what);
  bool rankAtLeast(Value v, int64_t rank, llvm::StringRef what);
  bool guardEqual(const SymbolicExpr &a, const SymbolicExpr &b, llvm::StringRef message);

  // ---- making ops ----
  Attrs attrs() { return Attrs(b.getContext()); }
  /// Makes the op; result types are inferred when `types` is empty. Null in
  /// `operands` stands for an absent optional operand.
  Operation *makeOp(llvm::StringRef name, llvm::ArrayRef<Value> operands, const Attrs &attrs,
                    llvm::ArrayRef<Type> types = {});
  template <typename OpTy> Value make(llvm::ArrayRef<Value> operands) { return make<OpTy>(operands, attrs()); }
  template <typename OpTy> Value make(llvm::ArrayRef<Value> operands, const Attrs &attrs, Type type = {}) {
    Operation *made = type ? makeOp(OpTy::getOperationName(), operands, attrs, type)
                           : makeOp(OpTy::getOperationName(), operands, attrs);
    return made ? made->getResult(0) : Value();
  }

  Value add(Value x, Value y) { return make<bess::AddOp>({x, y}); }
  Value sub(Value x, Value y) { return make<bess::SubOp>({x, y}); }
  Value mul(Value x, Value y) { return make<bess::MulOp>({x, y}); }
  Value div(Value x, Value y) { return make<bess::DivOp>({x, y}); }
  Value min(Value x, Value y) { return make<bess::MinOp>({x, y}); }
  Value max(Value x, Value y) { return make<bess::MaxOp>({x, y}); }
  Value pow(Value x, Value y) { return make<bess::PowOp>({x, y}); }
  Value neg(Value x) { return make<bess::NegOp>({x}); }
  Value exp(Value x) { return make<bess::ExpOp>({x}); }
  Value sqrt(Value x) { return make<bess::SqrtOp>({x}); }
  Value sigmoid(Value x) { return make<bess::SigmoidOp>({x}); }
  Value less(Value x, Value y) { return make<bess::LessOp>({x, y}); }
  Value greater(Value x, Value y) { return make<bess::GreaterOp>({x, y}); }
  Value equal(Value x, Value y) { return make<bess::EqualOp>({x, y}); }
  Value logicalAnd(Value x, Value y) { return make<bess::AndOp>({x, y}); }
  Value where(Value c, Value x, Value y) { return make<bess::WhereOp>({c, x, y}); }
  /// Cast, or the value itself when it has the type already.
  Value cast(Value x, Type to);
  Value matmul(Value x, Value y, bool transposeA = false, bool transposeB = false, Type to = {});
  Value reduce(Value x, llvm::StringRef kind, llvm::ArrayRef<int64_t> axes, bool keepdims);
  Value softmax(Value x, int64_t axis, bool log = false);
  /// Fails when the element counts cannot be equal.
  Value reshape(Value x, llvm::ArrayRef<SymbolicExpr> dims);
  Value broadcast(Value x, llvm::ArrayRef<SymbolicExpr> dims);
  Value transpose(Value x, llvm::ArrayRef<int64_t> permutation);
  Value concat(llvm::ArrayRef<Value> xs, int64_t axis);
  Value slice(Value x, llvm::ArrayRef<SymbolicExpr> offsets, llvm::ArrayRef<SymbolicExpr> sizes,
              llvm::ArrayRef<int64_t> steps = {});
  /// The elements [offset, offset + size) along one axis.
  Value sliceAxis(Value x, int64_t axis, const SymbolicExpr &offset, const SymbolicExpr &size);
  Value gather(Value x, Value indices, int64_t axis);
  Value pad(Value x, Value value, llvm::ArrayRef<SymbolicExpr> low, llvm::ArrayRef<SymbolicExpr> high,
            llvm::StringRef mode = "constant");
  Value unsqueeze(Value x, llvm::ArrayRef<int64_t> axes);
  Value squeeze(Value x, llvm::ArrayRef<int64_t> axes);
  Value iota(llvm::ArrayRef<SymbolicExpr> dims, int64_t axis, Type element);

  Value constant(mlir::DenseElementsAttr value);
  /// A rank-0 constant of this element type.
  Value scalar(double value, Type element);
  Value like(Value x, double value) { return scalar(value, elt(x)); }
  Value splat(llvm::ArrayRef<SymbolicExpr> dims, double value, Type element);
  Value intVector(llvm::ArrayRef<int64_t> values);
  Value floatVector(llvm::ArrayRef<double> values, Type element);
  /// A small integer tensor of values over symbols: a constant where all are.
  Value fromDims(llvm::ArrayRef<SymbolicExpr> values, llvm::ArrayRef<int64_t> shape, Type element);

  /// Multi-result ops.
  llvm::SmallVector<Value> makeAll(llvm::StringRef name, llvm::ArrayRef<Value> operands, const Attrs &attrs,
                                   llvm::ArrayRef<Type> types = {});
  /// The tensor type; fails when a dimension is negative or the size beyond 2^62 elements.
  RankedTensorType tensor(llvm::ArrayRef<SymbolicExpr> dims, Type element);

  Legalizer &lz;
  mlir::OpBuilder &b;
  onnx::NodeOp op;
  Location loc;
  llvm::StringRef domain;
  int64_t version;
  Scope &scope;

private:
  bool checkOperands(mlir::OperationName name, llvm::ArrayRef<Value> operands);
  bool checkSize(llvm::ArrayRef<SymbolicExpr> dims);
  bool guardBroadcast(llvm::ArrayRef<Value> operands);
  llvm::ArrayRef<Entry> operands;
  llvm::SmallVector<Entry> results;
  llvm::SmallVector<bool> given;
  std::string text;
};

using Handler = void (*)(Node &);

/// The handler of an op type at a version, or null; `why` says what is missing then.
Handler findHandler(llvm::StringRef domain, llvm::StringRef opType, int64_t version, std::string &why);

/// Tries to compute the results from what is known of the operands' elements.
bool foldSymbolically(Node &node);

/// Replaces an op whose operands are all small constants by its result.
/// Gives null when it cannot.
mlir::DenseElementsAttr foldConstant(Operation *op, Legalizer &legalizer);

} // namespace bessemer::legalize
