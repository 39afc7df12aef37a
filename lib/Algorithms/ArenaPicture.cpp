// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/ArenaPicture.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <tuple>

namespace bessemer {

namespace {

constexpr double plotLeft = 90, plotTop = 60, plotWidth = 1000, plotHeight = 620, listLeft = 1120, pageWidth = 1500,
                 pageHeight = 740;
constexpr size_t listed = 30;

std::string escaped(const std::string &text) {
  std::string out;
  for (unsigned char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c >= 0x20 || c == '\t')
      out += char(c);
  }
  return out;
}

std::string nameOf(const ArenaBox &box) {
  return box.call ? box.name + ", call " + std::to_string(box.call) : box.name;
}

/// The end of a name tells more than its beginning: "/encoder/layer.0/.../MatMul".
std::string shortened(const std::string &name, size_t length) {
  if (name.size() <= length)
    return name;
  size_t from = name.size() - length + 1;
  while (from < name.size() && (name[from] & 0xc0) == 0x80)
    ++from; // not into the middle of a character
  return "\xe2\x80\xa6" + name.substr(from);
}

std::string bytesText(int64_t bytes) {
  static constexpr const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = double(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit)
    value /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
  return text;
}

/// The first time at which the most bytes are live, and how many.
std::pair<int64_t, int64_t> peakOf(const std::vector<ArenaBox> &boxes) {
  std::map<int64_t, int64_t> change;
  for (const ArenaBox &box : boxes) {
    change[box.lower] += box.bytes;
    change[box.upper] -= box.bytes;
  }
  std::pair<int64_t, int64_t> peak{0, 0};
  int64_t live = 0;
  for (auto [time, delta] : change) {
    live += delta;
    if (live > peak.second)
      peak = {time, live};
  }
  return peak;
}

class Picture {
public:
  Picture(const std::vector<ArenaBox> &boxes, int64_t arenaBytes)
      : boxes(boxes), arenaBytes(std::max<int64_t>(arenaBytes, 1)) {
    for (const ArenaBox &box : boxes)
      end = std::max(end, box.upper);
    std::tie(peakTime, peakBytes) = peakOf(boxes);
  }

  std::string draw(const std::string &title) {
    print("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" height=\"%g\" viewBox=\"0 0 %g %g\" "
          "font-family=\"DejaVu Sans, Helvetica, sans-serif\">\n",
          pageWidth, pageHeight, pageWidth, pageHeight);
    print("<rect width=\"%g\" height=\"%g\" fill=\"white\"/>\n", pageWidth, pageHeight);
    text(plotLeft, 26, 16, "start", title + ": arena of " + bytesText(arenaBytes));
    text(plotLeft, 46, 11, "start",
         "at step " + std::to_string(peakTime) + " " + bytesText(peakBytes) +
             " are live: " + std::to_string(peakBytes * 1000 / arenaBytes / 10) + "." +
             std::to_string(peakBytes * 1000 / arenaBytes % 10) + " % of the arena");
    axes();
    for (size_t i = 0; i < boxes.size(); ++i)
      drawBox(boxes[i], i);
    markPeak();
    list();
    out += "</svg>\n";
    return out;
  }

private:
  template <typename... Args> void print(const char *format, Args... args) {
    char buffer[512];
    std::snprintf(buffer, sizeof buffer, format, args...);
    out += buffer;
  }
  void text(double x, double y, double size, const char *anchor, const std::string &content,
            const char *color = "#222") {
    print("<text x=\"%.1f\" y=\"%.1f\" font-size=\"%g\" text-anchor=\"%s\" fill=\"%s\">", x, y, size, anchor, color);
    out += escaped(content) + "</text>\n";
  }
  double x(int64_t time) const { return plotLeft + plotWidth * double(time) / double(std::max<int64_t>(end, 1)); }
  double y(int64_t address) const { return plotTop + plotHeight * (1 - double(address) / double(arenaBytes)); }

  void axes() {
    for (int i = 0; i <= 5; ++i) {
      int64_t address = arenaBytes * i / 5, time = end * i / 5;
      print("<line x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", plotLeft, plotLeft + plotWidth,
            y(address), y(address));
      text(plotLeft - 8, y(address) + 4, 11, "end", bytesText(address));
      text(x(time), plotTop + plotHeight + 18, 11, "middle", std::to_string(time));
    }
    text(plotLeft + plotWidth / 2, plotTop + plotHeight + 40, 12, "middle", "step of the program");
  }

  void drawBox(const ArenaBox &box, size_t number) {
    double left = x(box.lower), width = std::max(x(box.upper) - left, 0.5);
    double top = y(box.offset + box.bytes), height = std::max(y(box.offset) - top, 0.5);
    // Neighbours differ: the golden angle around the wheel of colours.
    int hue = int(double(number) * 137.508) % 360;
    print("<g><rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"hsl(%d,55%%,78%%)\" "
          "stroke=\"hsl(%d,45%%,40%%)\" stroke-width=\"0.6\"/>",
          left, top, width, height, hue, hue);
    out += "<title>" + escaped(nameOf(box)) + ": " + std::to_string(box.bytes) + " bytes at " +
           std::to_string(box.offset) + ", steps " + std::to_string(box.lower) + " to " + std::to_string(box.upper) +
           "</title>";
    double size = std::min(11.0, std::min(width, height) * 0.8);
    // A name that does not fit across goes up where there is more room.
    bool upright = height > 1.2 * width && height > 40 && double(nameOf(box).size()) * 0.62 * size > width;
    if (upright)
      size = std::min(11.0, width * 0.8);
    double room = (upright ? height : width) - 4;
    auto letters = size > 0 ? size_t(room / (0.62 * size)) : 0;
    if (size >= 5.5 && letters >= 4) {
      double cx = left + width / 2, cy = top + height / 2;
      print("<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.1f\" text-anchor=\"middle\" dominant-baseline=\"central\" "
            "fill=\"#222\"",
            cx, cy, size);
      if (upright)
        print(" transform=\"rotate(-90 %.1f %.1f)\"", cx, cy);
      out += ">" + escaped(shortened(nameOf(box), letters)) + "</text>";
    }
    out += "</g>\n";
  }

  void markPeak() {
    double at = (x(peakTime) + x(std::min(peakTime + 1, end))) / 2;
    print("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%g\" y2=\"%g\" stroke=\"#c00\" stroke-width=\"1.5\" "
          "stroke-dasharray=\"6 4\"/>\n",
          at, at, plotTop - 8, plotTop + plotHeight);
    print("<line x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#c00\" stroke-width=\"1.5\"/>\n", plotLeft,
          plotLeft + plotWidth, y(arenaBytes), y(arenaBytes));
    text(at, plotTop - 10, 11, at > plotLeft + plotWidth - 60 ? "end" : "middle", "peak", "#c00");
  }

  void list() {
    std::vector<const ArenaBox *> live;
    for (const ArenaBox &box : boxes)
      if (box.lower <= peakTime && peakTime < box.upper && box.bytes > 0)
        live.push_back(&box);
    std::sort(live.begin(), live.end(), [](const ArenaBox *a, const ArenaBox *b) {
      return a->bytes != b->bytes ? a->bytes > b->bytes : a->offset < b->offset;
    });
    double line = plotTop + 10;
    text(listLeft, line, 12, "start", "live at the peak", "#c00");
    for (size_t i = 0; i < live.size() && i < listed; ++i) {
      line += 18;
      text(listLeft + 62, line, 11, "end", bytesText(live[i]->bytes));
      text(listLeft + 70, line, 11, "start", shortened(nameOf(*live[i]), 44));
    }
    if (live.size() > listed)
      text(listLeft + 70, line + 18, 11, "start", "and " + std::to_string(live.size() - listed) + " more");
  }

  const std::vector<ArenaBox> &boxes;
  int64_t arenaBytes, end = 1, peakTime = 0, peakBytes = 0;
  std::string out;
};

} // namespace

int64_t largestLiveSum(const std::vector<ArenaBox> &boxes) { return peakOf(boxes).second; }

std::string drawArena(const std::vector<ArenaBox> &boxes, int64_t arenaBytes, const std::string &title) {
  return Picture(boxes, arenaBytes).draw(title);
}

} // namespace bessemer
