// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Panels.h"

namespace bessemer::kernels {

Tensor unpackPanels(const Tensor &packed, int64_t columns, bool transposed, Buffer &memory) {
  if (packed.rank() < 3)
    fail("expected panels [.., N/block, K, block], got shape " + str(packed.shape));
  int64_t panels = packed.shape[packed.rank() - 3], rows = packed.shape[packed.rank() - 2];
  int64_t block = packed.shape.back(), batch = packed.count(0, packed.rank() - 3);
  if (columns < 0 || columns > panels * block)
    fail("expected at most " + str(panels * block) + " columns, got " + str(columns));
  Tensor plain{packed.dtype, Shape(packed.shape.begin(), packed.shape.end() - 3), nullptr};
  plain.shape.insert(plain.shape.end(), {transposed ? columns : rows, transposed ? rows : columns});
  memory = Buffer(plain.dtype, plain.count());
  plain.data = memory.data();
  Shape strides = transposed ? Shape{1, rows} : Shape{columns, 1};
  for (int64_t i = 0; i < batch; ++i)
    for (int64_t first = 0; first < columns; first += block)
      copyStrided(plain.dtype, {rows, std::min(block, columns - first)}, plain.data, strides,
                  i * rows * columns + first * strides[1], packed.data, {block, 1},
                  (i * panels + first / block) * rows * block);
  return plain;
}

} // namespace bessemer::kernels
