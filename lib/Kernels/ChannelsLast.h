// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Images with `layout` = "channels_last", for kernels that know [N, C, spatial..]
// alone: a copy in front and one behind. An oracle may be slow.
#pragma once

#include "Loops.h"

namespace bessemer::kernels {

class ChannelsLast {
public:
  explicit ChannelsLast(Context &c) : last(c.text("layout", "channels_first") == "channels_last") {}

  /// The operand [N, spatial.., C] as [N, C, spatial..].
  Tensor first(const Tensor &x) {
    if (!last || x.rank() < 2)
      return x;
    Shape shape = x.shape;
    std::rotate(shape.begin() + 1, shape.end() - 1, shape.end());
    Tensor turned{x.dtype, shape, nullptr};
    operand = Buffer(x.dtype, x.count());
    turned.data = operand.data();
    int64_t channels = x.shape.back(), plane = x.count(1, x.rank() - 1);
    copyStrided(x.dtype, {x.shape[0], channels, plane}, turned.data, {channels * plane, plane, 1}, 0, x.data,
                {channels * plane, 1, channels}, 0);
    return turned;
  }
  /// Where the kernel writes its result of shape [N, C, spatial..].
  Tensor result(Context &c, const Shape &shape) {
    if (!last)
      return c.out(0, shape);
    Shape turned = shape;
    std::rotate(turned.begin() + 1, turned.begin() + 2, turned.end());
    Tensor plain{c.out(0, turned).dtype, shape, nullptr};
    written = Buffer(plain.dtype, plain.count());
    plain.data = written.data();
    return plain;
  }
  void finish(Context &c, const Tensor &y) {
    if (!last)
      return;
    int64_t channels = y.shape[1], plane = y.count(2, y.rank());
    copyStrided(y.dtype, {y.shape[0], plane, channels}, c.out().data, {channels * plane, channels, 1}, 0, y.data,
                {channels * plane, 1, plane}, 0);
  }

private:
  bool last;
  Buffer operand, written;
};

} // namespace bessemer::kernels
