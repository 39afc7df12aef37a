// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The symbols that a function takes from its callers.
#include "lib/Driver/Emit.h"

using namespace mlir;
using namespace bessemer;

static void addSymbols(const SymbolicExpr &expr, std::set<std::string> &into) {
  for (std::string &symbol : expr.symbols())
    into.insert(std::move(symbol));
}

static void addText(StringRef text, std::set<std::string> &into) {
  if (std::optional<SymbolicExpr> expr = SymbolicExpr::parse(text.str()))
    addSymbols(*expr, into);
}

const std::set<std::string> &ProgramEmitter::symbolsOf(func::FuncOp function) {
  auto [it, isNew] = symbols.try_emplace(function.getOperation());
  if (!isNew)
    return it->second;
  std::set<std::string> read, defined;
  function.walk([&](Operation *op) {
    for (Type type : op->getOperandTypes())
      for (const SymbolicExpr &dim : bess::getDims(type))
        addSymbols(dim, read);
    for (Type type : op->getResultTypes())
      for (const SymbolicExpr &dim : bess::getDims(type))
        addSymbols(dim, read);
    for (NamedAttribute attr : op->getAttrs())
      if (auto dims = dyn_cast<bess::DimsAttr>(attr.getValue()))
        for (const SymbolicExpr &expr : bess::parseDims(dims))
          addSymbols(expr, read);
    if (auto guard = dyn_cast<bess::GuardOp>(op)) {
      addText(guard.getLhs(), read);
      addText(guard.getRhs(), read);
    }
    if (auto trilu = dyn_cast<bess::TriluOp>(op))
      addText(trilu.getK(), read);
    if (auto bind = dyn_cast<bess::BindSymbolsOp>(op))
      for (Attribute symbol : bind.getSymbols())
        defined.insert(cast<StringAttr>(symbol).str());
    if (auto call = dyn_cast<func::CallOp>(op))
      if (auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, call.getCalleeAttr());
          callee && callee != function)
        for (const std::string &symbol : symbolsOf(callee))
          read.insert(symbol);
  });
  for (const std::string &symbol : defined)
    read.erase(symbol);
  return symbols[function.getOperation()] = std::move(read);
}
