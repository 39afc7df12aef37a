// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// non_max_suppression and roi_align.
#include "Convert.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace bessemer::kernels {
namespace {

struct Box {
  double x0, y0, x1, y1;

  Box(const double *b, bool center) {
    if (center) { // x, y, width, height
      x0 = b[0] - b[2] / 2, x1 = b[0] + b[2] / 2;
      y0 = b[1] - b[3] / 2, y1 = b[1] + b[3] / 2;
    } else { // two opposite corners, y first
      x0 = std::min(b[1], b[3]), x1 = std::max(b[1], b[3]);
      y0 = std::min(b[0], b[2]), y1 = std::max(b[0], b[2]);
    }
  }
  double area() const { return (x1 - x0) * (y1 - y0); }
};

double intersectionOverUnion(const Box &a, const Box &b) {
  double width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0), height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  if (!(width > 0 && height > 0 && a.area() > 0 && b.area() > 0))
    return 0;
  double common = width * height;
  return common / (a.area() + b.area() - common);
}

void runNonMaxSuppression(Context &c) {
  const Tensor &boxes = c.in(0), &scores = c.in(1);
  bool fits = boxes.rank() == 3 && scores.rank() == 3 && boxes.shape[2] == 4 && boxes.shape[0] == scores.shape[0] &&
              boxes.shape[1] == scores.shape[2];
  if (!fits)
    fail("expected boxes [B, N, 4] and scores [B, C, N], got " + str(boxes.shape) + " and " + str(scores.shape));
  int64_t count = boxes.shape[1], classes = scores.shape[1];
  const Tensor *most = c.optional(2), *overlap = c.optional(3), *least = c.optional(4);
  int64_t limit = most ? scalarInt(*most) : 0;
  double iouThreshold = overlap ? scalarDouble(*overlap) : 0;
  double scoreThreshold = least ? scalarDouble(*least) : 0;
  bool center = c.flag("center_point_box");
  std::vector<double> corners = doubles(boxes), values = doubles(scores);
  std::vector<int64_t> selected;
  for (int64_t b = 0; b < boxes.shape[0]; ++b)
    for (int64_t k = 0; k < classes && limit > 0; ++k) {
      const double *score = values.data() + (b * classes + k) * count;
      std::vector<int64_t> candidates, kept;
      for (int64_t i = 0; i < count; ++i)
        if (!std::isnan(score[i]) && (!least || score[i] > scoreThreshold))
          candidates.push_back(i);
      std::sort(candidates.begin(), candidates.end(),
                [&](int64_t p, int64_t q) { return score[p] != score[q] ? score[p] > score[q] : p < q; });
      for (int64_t i : candidates) {
        if (static_cast<int64_t>(kept.size()) >= limit)
          break;
        Box box(corners.data() + (b * count + i) * 4, center);
        bool free = std::none_of(kept.begin(), kept.end(), [&](int64_t j) {
          return intersectionOverUnion(Box(corners.data() + (b * count + j) * 4, center), box) > iouThreshold;
        });
        if (!free)
          continue;
        kept.push_back(i);
        selected.insert(selected.end(), {b, k, i});
      }
    }
  Tensor &y = c.allocate(0, {static_cast<int64_t>(selected.size()) / 3, 3});
  storeInts(y, 0, y.count(), selected.data());
}

/// Bilinear weights of the four elements around a sample of a feature map.
struct Corners {
  int64_t offsets[4] = {};
  double weights[4] = {};

  Corners(double y, double x, int64_t height, int64_t width) {
    if (!(y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width)))
      return;
    auto split = [](double v, int64_t extent, int64_t &low, int64_t &high) {
      v = std::fmax(v, 0);
      low = static_cast<int64_t>(v);
      if (low >= extent - 1) {
        low = high = extent - 1;
        return 0.0;
      }
      high = low + 1;
      return v - static_cast<double>(low);
    };
    int64_t y0, y1, x0, x1;
    double dy = split(y, height, y0, y1), dx = split(x, width, x0, x1);
    int64_t places[4] = {y0 * width + x0, y0 * width + x1, y1 * width + x0, y1 * width + x1};
    double factors[4] = {(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx};
    std::copy(places, places + 4, offsets);
    std::copy(factors, factors + 4, weights);
  }
};

void runRoiAlign(Context &c) {
  const Tensor &x = c.in(0), &rois = c.in(1), &batchIndices = c.in(2);
  if (x.rank() != 4 || rois.rank() != 2 || rois.shape[1] != 4 || batchIndices.shape != Shape{rois.shape[0]})
    fail("expected x [N, C, H, W], rois [R, 4] and batch indices [R], got " + str(x.shape) + ", " + str(rois.shape) +
         " and " + str(batchIndices.shape));
  int64_t rows = c.integer("output_height", 1), columns = c.integer("output_width", 1);
  int64_t sampling = c.integer("sampling_ratio", 0), channels = x.shape[1], height = x.shape[2], width = x.shape[3];
  Tensor &y = c.out(0, {rois.shape[0], channels, rows, columns});
  expectSameType(x, y);
  std::string mode = c.text("mode", "avg");
  expect(mode == "avg" || mode == "max", "expected mode to be avg or max");
  expect((height > 0 && width > 0) || y.count() == 0, "expected a non-empty feature map");
  double spatialScale = c.real("spatial_scale", 1.0), shift = c.flag("half_pixel", true) ? 0.5 : 0;
  std::vector<double> image = doubles(x), regions = doubles(rois), result(static_cast<size_t>(y.count()));
  std::vector<int64_t> batches = loadIndices(batchIndices);
  for (int64_t r = 0; r < rois.shape[0]; ++r) {
    if (batches[r] < 0 || batches[r] >= x.shape[0])
      fail("expected a batch index in [0, " + str(x.shape[0]) + "), got " + str(batches[r]));
    double edges[4]; // x0, y0, x1, y1
    for (int i = 0; i < 4; ++i)
      edges[i] = regions[r * 4 + i] * spatialScale - shift;
    double roiWidth = edges[2] - edges[0], roiHeight = edges[3] - edges[1];
    if (shift == 0) { // the older convention has no empty regions
      roiWidth = std::fmax(roiWidth, 1);
      roiHeight = std::fmax(roiHeight, 1);
    }
    double binHeight = roiHeight / static_cast<double>(rows), binWidth = roiWidth / static_cast<double>(columns);
    auto samples = [&](double bin) {
      double wanted = sampling > 0 ? static_cast<double>(sampling) : std::ceil(bin);
      if (!(wanted < 4096))
        fail("expected fewer than 4096 samples for a bin, got " + std::to_string(wanted));
      return static_cast<int64_t>(std::fmax(wanted, 0));
    };
    int64_t gridRows = samples(binHeight), gridColumns = samples(binWidth);
    double count = static_cast<double>(std::max<int64_t>(gridRows * gridColumns, 1));
    for (int64_t ph = 0; ph < rows; ++ph)
      for (int64_t pw = 0; pw < columns; ++pw)
        for (int64_t s = 0; s < gridRows * gridColumns; ++s) {
          double inRow = (static_cast<double>(s / gridColumns) + 0.5) / static_cast<double>(gridRows);
          double inColumn = (static_cast<double>(s % gridColumns) + 0.5) / static_cast<double>(gridColumns);
          Corners corners(edges[1] + (static_cast<double>(ph) + inRow) * binHeight,
                          edges[0] + (static_cast<double>(pw) + inColumn) * binWidth, height, width);
          for (int64_t ch = 0; ch < channels; ++ch) {
            const double *plane = image.data() + (batches[r] * channels + ch) * height * width;
            double &sum = result[((r * channels + ch) * rows + ph) * columns + pw];
            double parts[4];
            for (int i = 0; i < 4; ++i)
              parts[i] = corners.weights[i] * plane[corners.offsets[i]];
            // ONNX's max takes the largest weighted corner, not the largest sample.
            double largest = *std::max_element(parts, parts + 4);
            if (mode == "avg")
              sum += (parts[0] + parts[1] + parts[2] + parts[3]) / count;
            else
              sum = s == 0 ? largest : std::max(sum, largest);
          }
        }
  }
  storeDoubles(y, 0, y.count(), result.data());
}

} // namespace

std::span<const KernelEntry> detectionKernels() {
  static const KernelEntry list[] = {{"non_max_suppression", runNonMaxSuppression}, {"roi_align", runRoiAlign}};
  return list;
}

} // namespace bessemer::kernels
