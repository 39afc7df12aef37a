// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sparse initializers: values and their positions, written out densely.
#include "lib/Import/TensorImport.h"
#include "lib/Import/TypeImport.h"

#include "bessemer/Support/WeightReader.h"
#include "dialects/Bess/DTypes.h"

#include "llvm/Support/MathExtras.h"

#include <cstring>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::import;

/// Position in the dense tensor of the `i`-th value: `indices` has either
/// linear positions (one for each value) or coordinates (a row for each value).
static std::optional<int64_t> position(ArrayRef<int64_t> indices, ArrayRef<int64_t> dims, int64_t i, bool linear,
                                       int64_t size) {
  if (linear)
    return indices[i] >= 0 && indices[i] < size ? std::optional(indices[i]) : std::nullopt;
  int64_t at = 0;
  for (auto [axis, dim] : llvm::enumerate(dims)) {
    int64_t index = indices[i * dims.size() + axis];
    if (index < 0 || index >= dim)
      return std::nullopt;
    at = at * dim + index;
  }
  return at;
}

FailureOr<ImportedTensor> import::densify(ImportContext &ctx, const proto::SparseTensor &sparse, const Twine &what,
                                          Location loc) {
  auto error = [&] { return emitError(loc) << what << ": "; };
  if (!sparse.values || !sparse.indices) {
    error() << "expected values and indices in a sparse tensor";
    return failure();
  }
  auto values = importTensor(ctx, *sparse.values, true, what + " (values)", loc);
  auto indices = importTensor(ctx, *sparse.indices, true, what + " (indices)", loc);
  if (failed(values) || failed(indices))
    return failure();

  DType dtype = bess::getDType(values->type);
  int64_t size = 1;
  bool fits = dtype != DType::String && !isPacked(dtype) && dtype != DType::Bool;
  for (int64_t dim : sparse.dims)
    fits = fits && dim >= 0 && !llvm::MulOverflow(size, dim, size) && size <= maxInlineBytes;
  if (!fits || byteSize(dtype, size) > maxInlineBytes || !values->elements || !indices->elements) {
    error() << "sparse tensors of more than " << maxInlineBytes
            << " bytes when dense, or of an element type of less than a byte, are not supported";
    return failure();
  }
  int64_t count = values->type.getNumElements(), rank = int64_t(sparse.dims.size());
  ArrayRef<int64_t> shape = indices->type.getShape();
  bool linear = shape.size() == 1;
  if (values->type.getRank() != 1 || !indices->type.getElementType().isSignlessInteger(64) ||
      !(linear ? shape[0] == count : shape.size() == 2 && shape[0] == count && shape[1] == rank)) {
    error() << "expected int64 indices of shape [" << count << "] or [" << count << ", " << rank
            << "] and values of rank 1 in a sparse tensor";
    return failure();
  }
  auto positions = llvm::to_vector(cast<DenseElementsAttr>(indices->elements).getValues<int64_t>());
  auto dense = cast<DenseElementsAttr>(values->elements);
  size_t unit = bitWidth(dtype) / 8;
  ArrayRef<char> raw = dense.getRawData();
  std::vector<char> bytes(byteSize(dtype, size), 0);
  for (int64_t i = 0; i < count; ++i) {
    std::optional<int64_t> at = position(positions, sparse.dims, i, linear, size);
    if (!at) {
      error() << "index " << i << " of the sparse tensor lies outside of its shape";
      return failure();
    }
    std::memcpy(&bytes[*at * unit], &raw[dense.isSplat() ? 0 : i * unit], unit);
  }
  ImportedTensor result;
  result.type = RankedTensorType::get(sparse.dims, values->type.getElementType());
  result.elements = makeElements(result.type, bytes);
  DictBuilder details(ctx);
  details.set("values", values->elements).set("indices", indices->elements);
  details.set("values_details", values->details).set("indices_details", indices->details);
  details.set("dims", ctx.builder.getDenseI64ArrayAttr(sparse.dims));
  result.details = details.get();
  return result;
}
