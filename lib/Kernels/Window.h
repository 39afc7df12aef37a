// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Windows that slide over the spatial dimensions of an image: the geometry
// that convolution, pooling and col2im share.
#pragma once

#include "Context.h"

namespace bessemer::kernels {

struct Window {
  Shape image;   ///< spatial extents of what the window slides over
  Shape extents; ///< of the window, in taps
  Shape strides, dilations, low, high;

  /// Reads `strides`, `dilations` and `pads` (absent: 1, 1 and 0) and checks them.
  Window(Context &c, Shape image, Shape extents);

  size_t rank() const { return image.size(); }
  /// How many places the window has along each dimension (ONNX Conv).
  Shape places() const;
  /// Where tap `tap` of the window at `place` reads; may lie outside of the image.
  int64_t source(size_t d, int64_t place, int64_t tap) const {
    return place * strides[d] - low[d] + tap * dilations[d];
  }
};

/// For each tap and each place in [first, first + count) of `places` (flat,
/// row-major) the flat offset in the image, or -1 outside of it: [taps, count].
std::vector<int64_t> tapOffsets(const Window &window, const Shape &places, int64_t first, int64_t count);

/// The index of flat place `flat` in `shape`.
Shape unflatten(int64_t flat, const Shape &shape);

} // namespace bessemer::kernels
