// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Support/TensorMap.h"

std::string bessemer::checkTensorMap(const TensorMap &map) {
  auto expected = [](const std::string &what, uint64_t got) {
    return "expected " + what + " of a tensor map, got " + std::to_string(got);
  };
  if (map.elementBytes != 1 && map.elementBytes != 2 && map.elementBytes != 4 && map.elementBytes != 8)
    return expected("elements of 1, 2, 4 or 8 bytes", map.elementBytes);
  if (map.rank < 1 || map.rank > TensorMap::mostDims)
    return expected("1 to 5 dimensions", map.rank);
  if (map.address % 16)
    return expected("a multiple of 16 as the address", map.address);
  if (map.swizzleBytes != 0 && map.swizzleBytes != 32 && map.swizzleBytes != 64 && map.swizzleBytes != 128)
    return expected("a swizzle of 32, 64 or 128 bytes", map.swizzleBytes);
  for (unsigned d = 0; d < map.rank; ++d) {
    if (map.sizes[d] < 1 || map.sizes[d] > uint64_t(1) << 32)
      return expected("1 to 2^32 elements along dimension " + std::to_string(d), map.sizes[d]);
    if (map.box[d] < 1 || map.box[d] > 256)
      return expected("a box of 1 to 256 elements along dimension " + std::to_string(d), map.box[d]);
    if (d > 0 && (map.strides[d - 1] % 16 || map.strides[d - 1] >= uint64_t(1) << 40))
      return expected("a multiple of 16 below 2^40 as the stride of dimension " + std::to_string(d),
                      map.strides[d - 1]);
  }
  uint64_t row = uint64_t(map.box[0]) * map.elementBytes;
  if (row % 16)
    return expected("rows of a multiple of 16 bytes in the box", row);
  if (map.swizzleBytes && row > map.swizzleBytes)
    return expected("rows of at most " + std::to_string(map.swizzleBytes) + " bytes in the box", row);
  return {};
}
