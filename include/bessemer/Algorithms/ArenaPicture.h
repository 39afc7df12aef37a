// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An arena as a picture: time across, address up, a rectangle for each buffer.
//
//   std::string svg = drawArena({{"x", 0, 2, 0, 4096}, {"y", 1, 3, 4096, 64}}, 4160, "model.onnx");
//
// The time at which the most bytes are live and the height of the arena are
// marked; what is live then is listed beside the picture, the largest first.

#ifndef BESSEMER_ALGORITHMS_ARENAPICTURE_H
#define BESSEMER_ALGORITHMS_ARENAPICTURE_H

#include <cstdint>
#include <string>
#include <vector>

namespace bessemer {

struct ArenaBox {
  std::string name;
  int64_t lower = 0, upper = 0; ///< half-open lifetime
  int64_t offset = 0, bytes = 0;
  int64_t call = 0; ///< in a function: which call of it, from 1; the name is that of the first
};

/// The most bytes that are live at a time.
int64_t largestLiveSum(const std::vector<ArenaBox> &boxes);

/// An SVG document of fixed size.
std::string drawArena(const std::vector<ArenaBox> &boxes, int64_t arenaBytes, const std::string &title);

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_ARENAPICTURE_H
