// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What GraphImporter knows of the graph that it is building.
#pragma once

#include "lib/Import/GraphImporter.h"

#include "llvm/ADT/DenseSet.h"

namespace bessemer::import {

struct GraphImporter::GraphState {
  GraphState(const proto::Graph &graph, mlir::Block *block, const Scope *outer) : graph(graph), block(block) {
    scope.outer = outer;
  }

  const proto::Graph &graph;
  mlir::Block *block;
  Scope scope;
  /// What the file says of a value; an output's own entry goes first.
  llvm::DenseMap<llvm::StringRef, const proto::ValueInfo *> info;
  /// Values whose type alone does not give the TypeProto back.
  llvm::DenseSet<llvm::StringRef> inexact;
};

} // namespace bessemer::import
