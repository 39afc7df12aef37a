// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The order in which the nodes of a graph can be built.
#pragma once

#include "lib/Import/ImportContext.h"

namespace bessemer::import {

/// `node "fc1" (Gemm)`, or `node #12 (Gemm)` for the node at `index` (from 0).
std::string describeNode(const proto::Node &node, unsigned index);

/// Indices of the nodes so that each comes after those whose outputs it (or a
/// subgraph in it) reads. A graph in order stays as it is. A cycle gives a
/// diagnostic that names the nodes on it.
mlir::FailureOr<std::vector<unsigned>> orderNodes(ImportContext &ctx, const proto::Graph &graph);

} // namespace bessemer::import
