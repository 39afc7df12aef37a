// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The walk over the ops of a graph, its subgraphs and its local functions.
#include "passes/Legalize/Legalizer.h"
#include "passes/Legalize/CustomOp.h"
#include "passes/Legalize/Node.h"

#include "mlir/IR/Iterators.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

static constexpr int64_t maxNodes = 2000000;

static StringRef normalDomain(StringRef domain) { return domain == "ai.onnx" ? StringRef("") : domain; }

void Legalizer::block(Block &source, Block::iterator from, Scope &scope, SmallVectorImpl<Entry> &results) {
  for (auto it = from; it != source.end(); ++it) {
    Operation &current = *it;
    if (auto node = dyn_cast<onnx::NodeOp>(current)) {
      if (std::string why = this->node(node, scope); !why.empty())
        return splitRest(source, std::next(it), node, scope, results, std::move(why));
      continue;
    }
    if (!current.hasTrait<OpTrait::IsTerminator>()) {
      op(current, scope);
      continue;
    }
    for (Value operand : current.getOperands()) {
      const Entry *entry = scope.lookup(operand);
      results.push_back(entry ? *entry : Entry::poison());
    }
  }
}

void Legalizer::subgraph(Region &region, const Scope &parent, ArrayRef<Entry> arguments,
                         SmallVectorImpl<Entry> &results) {
  Scope scope;
  scope.parent = &parent;
  scope.depth = parent.depth + 1;
  Block &body = region.front();
  for (auto [argument, entry] : llvm::zip(body.getArguments(), arguments))
    scope.values[argument] = entry;
  block(body, body.begin(), scope, results);
}

void Legalizer::op(Operation &current, Scope &scope) {
  if (auto absent = dyn_cast<onnx::AbsentOp>(current)) {
    scope.values[absent.getY()] = Entry::absent();
    return;
  }
  if (auto weight = dyn_cast<onnx::WeightOp>(current)) {
    auto type = dyn_cast<RankedTensorType>(weight.getY().getType());
    if (!type || !type.hasStaticShape() || isa<onnx::StringType>(type.getElementType())) {
      reportFailure(weight.getLoc(), ("initializer \"" + weight.getName() + "\": expected a tensor of numbers").str());
      scope.values[weight.getY()] = Entry::poison();
      return;
    }
    // Shape operands and the scalars that patterns look for are constants; the
    // rest stays a reference, so that repeated layers differ in weights only.
    int64_t elements = type.getNumElements();
    bool small = elements <= 32 || (isa<IntegerType>(type.getElementType()) && type.getElementTypeBitWidth() >= 32);
    auto made = bess::WeightOp::create(b, weight.getLoc(), type, weight.getNameAttr(), weight.getSource());
    scope.values[weight.getY()] = Entry::ofTensor(made);
    if (small)
      if (DenseElementsAttr value = constant(made))
        scope.values[weight.getY()] =
            Entry::ofTensor(bess::ConstantOp::create(b, weight.getLoc(), value.getType(), value));
    return;
  }
  if (auto constant = dyn_cast<onnx::ConstantOp>(current)) {
    DenseElementsAttr value = elementsOf(constant.getValue(), *this);
    if (value)
      scope.values[constant.getY()] =
          Entry::ofTensor(bess::ConstantOp::create(b, constant.getLoc(), value.getType(), value));
    else
      scope.values[constant.getY()] = Entry::poison(),
      reportFailure(constant.getLoc(),
                    "initializer \"" + constant.getName().str() + "\": expected a tensor of numbers");
    return;
  }
  reportFailure(current.getLoc(),
                ("expected an op of the onnx dialect, got " + current.getName().getStringRef()).str());
  for (Value result : current.getResults())
    scope.values[result] = Entry::poison();
}

std::string Legalizer::node(onnx::NodeOp node, Scope &scope) {
  SmallVector<Entry> operands;
  bool poisoned = false;
  for (Value operand : node.getInputs()) {
    const Entry *entry = scope.lookup(operand);
    operands.push_back(entry ? *entry : Entry::poison());
    poisoned |= operands.back().kind == Entry::Kind::Poison;
  }
  auto poison = [&] {
    for (Value result : node.getOutputs())
      scope.values[result] = Entry::poison();
    return std::string();
  };
  StringRef domain = normalDomain(node.getDomain());
  std::string why;
  // What the host has registered is the host's to compute, also where we could.
  const kernels::CustomOpInfer *custom = findCustomOp(*this, domain, node.getOpType());
  Handler handler = custom ? nullptr : findHandler(domain, node.getOpType(), node.getVersion(), why);
  // Behind a node that failed, an op that is unknown itself is still reported: all of them at once.
  if (poisoned &&
      (handler || custom || module.lookupSymbol((domain + ":" + node.getOpType() + ":" + node.getOverload()).str())))
    return poison();
  // Functions that call functions several times grow exponentially.
  if (++nodesSeen > maxNodes) {
    reportFailure(module.getLoc(),
                  "expected at most " + std::to_string(maxNodes) + " nodes after the local functions are inlined");
    return poison();
  }
  bool isStandard = domain.empty() && handler;
  if (!isStandard && !custom && inlineFunction(node, domain, scope, operands))
    return {};

  Node context(*this, node, domain, scope, operands);
  if (custom)
    customOp(context, *custom);
  else if (!handler)
    context.fail(why);
  else if (!foldSymbolically(context) && !context.failed())
    handler(context);
  if (!context.failed())
    for (auto [i, entry] : llvm::enumerate(context.outputs()))
      if (!context.isGiven(i) && context.wants(i))
        context.fail("result " + Twine(i) + " is not supported");
  if (context.failed()) {
    std::string text;
    StringRef name = node.getNodeName();
    if (auto named = dyn_cast<NameLoc>(node.getLoc()); named && name.empty())
      name = named.getName();
    llvm::raw_string_ostream(text) << "node \"" << name << "\" (" << node.getOpType() << ", domain "
                                   << (domain.empty() ? "ai.onnx" : domain) << " version " << node.getVersion()
                                   << "): " << context.failure();
    if (context.branchesDiffer)
      return text;
    reportFailure({node.getLoc(), text, handler || custom});
    return poison();
  }
  for (auto [result, entry] : llvm::zip(node.getOutputs(), context.outputs()))
    scope.values[result] = entry;
  notePredicate(node, scope);
  return {};
}

bool Legalizer::inlineFunction(onnx::NodeOp node, StringRef domain, Scope &scope, ArrayRef<Entry> operands) {
  auto callee = module.lookupSymbol<func::FuncOp>((domain + ":" + node.getOpType() + ":" + node.getOverload()).str());
  if (!callee || callee.isExternal() || callee.getBody().empty())
    return false;
  Scope body;
  body.depth = scope.depth + 1;
  if (body.depth > 64) {
    reportFailure(node.getLoc(), "local functions nest deeper than 64 calls");
    for (Value result : node.getOutputs())
      scope.values[result] = Entry::poison();
    return true;
  }
  // The call's attributes, with the function's defaults below them.
  NamedAttrList attributes;
  if (auto info = callee->getAttrOfType<DictionaryAttr>("onnx.function"))
    if (auto defaults = dyn_cast_or_null<DictionaryAttr>(info.get("defaults")))
      for (NamedAttribute attribute : defaults)
        attributes.set(attribute.getName(), attribute.getValue());
  Node call(*this, node, domain, scope, operands);
  for (NamedAttribute attribute : node.getOnnxAttributes())
    attributes.set(attribute.getName(), attribute.getValue());
  if (DictionaryAttr references = node.getRefAttrsAttr())
    for (NamedAttribute reference : references)
      if (Attribute value = call.attr(reference.getName()))
        attributes.set(reference.getName(), value);
  body.callAttributes = attributes.getDictionary(module.getContext());
  Block &source = callee.getBody().front();
  for (auto [i, argument] : llvm::enumerate(source.getArguments()))
    body.values[argument] = i < operands.size() ? operands[i] : Entry::absent();
  SmallVector<Entry> results;
  block(source, source.begin(), body, results);
  for (auto [i, result] : llvm::enumerate(node.getOutputs()))
    scope.values[result] = i < results.size() ? results[i] : Entry::poison();
  return true;
}

// ---- the main function -----------------------------------------------------------

bool Legalizer::addDim(StringRef text) {
  size_t at = text.find_first_of("<=");
  if (at == StringRef::npos || at == 0)
    return false;
  StringRef name = text.take_front(at).trim(), rest = text.drop_front(at);
  bool exact = rest.consume_front("=");
  if (!exact && !rest.consume_front("<="))
    return false;
  int64_t value;
  if (rest.trim().getAsInteger(10, value) || value < 0)
    return false;
  if (exact)
    bindings[name.str()] = SymbolicExpr(value);
  else
    bounds[name.str()] = SymbolicRange{0, value};
  return true;
}

bool Legalizer::argumentTypes(func::FuncOp function, SmallVectorImpl<Type> &types) {
  for (auto [i, argument] : llvm::enumerate(function.getArguments())) {
    std::string name = "input " + std::to_string(i);
    if (auto attribute = function.getArgAttrOfType<StringAttr>(i, "onnx.name"))
      name = attribute.str();
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || isa<onnx::StringType>(type.getElementType())) {
      std::string text;
      llvm::raw_string_ostream(text) << "graph input \"" << name
                                     << "\": expected a tensor of numbers of known rank, got " << argument.getType();
      reportFailure(argument.getLoc(), text);
      types.push_back(argument.getType());
      continue;
    }
    Dims dims = bess::getDims(type);
    if (!isa_and_nonnull<bess::DimsAttr>(type.getEncoding())) {
      Attribute named = function.getArgAttr(i, "onnx.dims");
      for (auto [d, dim] : llvm::enumerate(dims)) {
        if (dim.isConstant())
          continue;
        StringRef symbol;
        if (auto list = dyn_cast_or_null<bess::DimsAttr>(named); list && d < list.getExprs().size())
          symbol = list.getExprs()[d].getValue();
        if (auto list = dyn_cast_or_null<ArrayAttr>(named); list && d < list.size())
          if (auto text = dyn_cast<StringAttr>(list[d]))
            symbol = text.getValue();
        if (symbol.empty() || symbol == "?")
          dim = SymbolicExpr::symbol(name + "_dim" + std::to_string(d));
        else if (auto parsed = SymbolicExpr::parse(std::string_view(symbol)))
          dim = *parsed;
        else
          dim = SymbolicExpr::symbol(std::string_view(symbol));
      }
    } else {
      for (auto [d, dim] : llvm::enumerate(dims))
        if (dim == SymbolicExpr::symbol("?"))
          dim = SymbolicExpr::symbol(name + "_dim" + std::to_string(d));
    }
    for (SymbolicExpr &dim : dims) {
      for (const std::string &symbol : dim.symbols())
        usedSymbols.insert(symbol);
      dim = bind(dim);
    }
    types.push_back(bess::getTensorType(dims, type.getElementType()));
  }
  return failures.empty();
}

static std::string outputName(func::FuncOp function, size_t i) {
  if (auto name = function.getResultAttrOfType<StringAttr>(unsigned(i), "onnx.name"))
    return ("\"" + name.getValue() + "\"").str();
  return std::to_string(i);
}

LogicalResult Legalizer::run(func::FuncOp function) {
  if (function.isExternal() || function.getBody().empty())
    return success();
  SmallVector<Type> types;
  argumentTypes(function, types);
  Block &source = function.getBody().front();
  Block *target = new Block();
  function.getBody().push_back(target);
  Scope scope;
  for (auto [argument, type] : llvm::zip(source.getArguments(), types)) {
    Value made = target->addArgument(type, argument.getLoc());
    scope.values[argument] = isa<RankedTensorType>(type) ? Entry::ofTensor(made) : Entry::poison();
  }
  b.setInsertionPointToEnd(target);
  Location named = NameLoc::get(StringAttr::get(module.getContext(), "graph"), function.getLoc());
  for (const auto &[name, range] : bounds)
    if (usedSymbols.count(name))
      bess::GuardOp::create(b, named, "le", SymbolicExpr::symbol(name).str(), std::to_string(range.hi),
                            name + " is bounded");
  SmallVector<Entry> results;
  block(source, source.begin(), scope, results);

  SmallVector<Value> values;
  for (auto [i, entry] : llvm::enumerate(results)) {
    if (entry.kind == Entry::Kind::Tensor)
      values.push_back(entry.tensor);
    else if (entry.kind != Entry::Kind::Poison || failures.empty())
      reportFailure(function.getLoc(),
                    "graph output " + outputName(function, i) + ": expected a tensor, got a sequence or nothing");
  }
  for (auto &[guard, text] : warnings)
    if (failures.empty() && guard->getParentOfType<func::FuncOp>() == function)
      emitWarning(guard->getLoc()) << text;
  clearDiscarded();
  if (!failures.empty()) {
    reportAll();
    target->dropAllReferences();
    target->erase();
    return failure();
  }
  func::ReturnOp::create(b, function.getLoc(), values);
  source.dropAllReferences();
  source.erase();
  SmallVector<Type> resultTypes;
  for (Value value : values)
    resultTypes.push_back(value.getType());
  function.setFunctionType(FunctionType::get(module.getContext(), types, resultTypes));

  // What only served shape inference is dead now.
  function.walk<WalkOrder::PostOrder, ReverseIterator>([](Operation *dead) {
    if (isOpTriviallyDead(dead))
      dead->erase();
  });
  return success();
}

// ---- failures ----------------------------------------------------------------

void Legalizer::reportFailure(Failure failure) {
  // A node of a function that is inlined often is reported once.
  if (reported.insert({failure.loc.getAsOpaquePointer(), failure.text}).second || failures.empty())
    failures.push_back(std::move(failure));
}

std::vector<Legalizer::Failure> Legalizer::takeFailures(size_t count) {
  std::vector<Failure> taken(std::make_move_iterator(failures.begin() + count),
                             std::make_move_iterator(failures.end()));
  failures.erase(failures.begin() + count, failures.end());
  for (const Failure &failure : taken)
    reported.erase({failure.loc.getAsOpaquePointer(), failure.text});
  return taken;
}

void Legalizer::reportAll() {
  for (const Failure &failure : failures)
    emitError(failure.loc) << failure.text;
}

// ---- symbols ------------------------------------------------------------------

SymbolicExpr Legalizer::freshSymbol(StringRef hint) {
  std::string name;
  for (char c : hint)
    name += llvm::isAlnum(c) || c == '_' ? c : '_';
  if (name.empty() || llvm::isDigit(name[0]))
    name = "n" + name;
  std::string candidate;
  do
    candidate = name + "_" + std::to_string(symbolCounters[name]++);
  while (!usedSymbols.insert(candidate).second);
  return SymbolicExpr::symbol(candidate);
}

bool Legalizer::guardEqual(const SymbolicExpr &x, const SymbolicExpr &y, Location loc, StringRef message) {
  if (x == y)
    return true;
  if (!x.isValid() || !y.isValid() || SymbolicExpr::knownNotEqual(x, y, bounds))
    return false;
  std::string left = x.str(), right = y.str();
  // Guards inside of a branch hold there only.
  std::string key = left + " in " + std::to_string(reinterpret_cast<uintptr_t>(b.getInsertionBlock()));
  if (guards.insert({key, right}).second)
    bess::GuardOp::create(b, loc, "eq", left, right, message);
  return true;
}

void Legalizer::guardLessEqual(const SymbolicExpr &x, const SymbolicExpr &y, Location loc, StringRef message) {
  if (SymbolicExpr::knownLessEqual(x, y, bounds))
    return;
  std::string left = x.str(), right = y.str();
  std::string key = left + " below in " + std::to_string(reinterpret_cast<uintptr_t>(b.getInsertionBlock()));
  if (guards.insert({key, right}).second)
    bess::GuardOp::create(b, loc, "le", left, right, message);
}

Dims Legalizer::boundElements(Value value, Location loc, StringRef hint) {
  Block *here = b.getInsertionBlock();
  for (Block *at = here; at; at = at->getParentOp() ? at->getParentOp()->getBlock() : nullptr) {
    if (auto it = boundValues.find({value, at}); it != boundValues.end())
      return it->second;
    if (isa_and_nonnull<func::FuncOp>(at->getParentOp()))
      break;
  }
  int64_t count = cast<RankedTensorType>(value.getType()).getNumElements();
  Dims symbols;
  SmallVector<std::string> names;
  for (int64_t i = 0; i < count; ++i) {
    symbols.push_back(freshSymbol(hint));
    names.push_back(std::string(*symbols.back().isSymbol()));
  }
  SmallVector<StringRef> references(names.begin(), names.end());
  bess::BindSymbolsOp::create(b, loc, value, b.getStrArrayAttr(references));
  boundValues[{value, here}] = symbols;
  return symbols;
}
