// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// AttributeProto -> attributes, references and subgraphs of a node.
#pragma once

#include "lib/Import/ImportContext.h"

namespace bessemer::import {

struct ImportedAttributes {
  mlir::NamedAttrList values, refs;
  /// Graph attributes in order: `name`, or `name[i]` for lists of graphs.
  llvm::SmallVector<std::pair<std::string, const proto::Graph *>> subgraphs;
  /// Attribute name -> what only the way back needs.
  mlir::NamedAttrList details;
};

/// `what` begins diagnostics, e.g. `node "fc1" (Gemm)`.
mlir::FailureOr<ImportedAttributes> importAttributes(ImportContext &ctx, llvm::ArrayRef<proto::Attribute> attributes,
                                                     const llvm::Twine &what, mlir::Location loc);

/// NodeDeviceConfigurationProto as NodeOp documents it.
mlir::ArrayAttr importDeviceConfigurations(ImportContext &ctx,
                                           llvm::ArrayRef<proto::NodeDeviceConfiguration> configurations);

} // namespace bessemer::import
