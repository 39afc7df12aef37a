// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where the external data of a tensor is, checked against the file.
#pragma once

#include "lib/Import/ImportContext.h"

namespace bessemer::import {

/// Source of `size` bytes, from the entries location, offset and length of a
/// TensorProto. `what` begins the diagnostic, e.g. `initializer "w"`. The file
/// must lie in the model's directory, also after following symbolic links.
mlir::FailureOr<bess::SourceAttr> importExternalData(ImportContext &ctx, const proto::KeyValues &entries, int64_t size,
                                                     const llvm::Twine &what, mlir::Location loc);

} // namespace bessemer::import
