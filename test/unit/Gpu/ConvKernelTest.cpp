// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Convolutions as implicit matrix products: windows that go beyond the image on some sides, strides, dilations, groups,
// numbers of channels that make whole accesses and ones that do not.
#include "Products.h"

#include "passes/Layout/Passes.h"

using namespace bessemer;
using namespace bessemer::gputest;

namespace {
struct Convolution {
  std::string element;
  int64_t images, channels, outputs;
  std::vector<int64_t> image, window, strides, dilations, pads;
  int64_t groups = 1;
  std::string batch = {}; ///< name of the number of images, when only the run knows it
  bool residual = false;  ///< bias, residual and relu behind it

  std::vector<int64_t> result() const {
    std::vector<int64_t> out;
    for (size_t i = 0; i < image.size(); ++i)
      out.push_back((image[i] + pads[i] + pads[image.size() + i] - dilations[i] * (window[i] - 1) - 1) / strides[i] +
                    1);
    return out;
  }
  static std::vector<int64_t> joined(std::vector<int64_t> a, const std::vector<int64_t> &b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }
  std::string imageType(int64_t c, const std::vector<int64_t> &extents) const {
    std::vector<std::string> dims = {batch.empty() ? std::to_string(images) : batch};
    for (int64_t extent : joined({c}, extents))
      dims.push_back(std::to_string(extent));
    return tensor(dims, element);
  }
  static std::string list(const std::vector<int64_t> &values) {
    std::string text;
    for (int64_t v : values)
      text += (text.empty() ? "" : ", ") + std::to_string(v);
    return "array<i64: " + text + ">";
  }
  std::string text() const {
    std::string x = imageType(channels, image), y = imageType(outputs, result());
    std::vector<std::string> dims;
    for (int64_t extent : joined({outputs, channels / groups}, window))
      dims.push_back(std::to_string(extent));
    std::string w = tensor(dims, element), bias = "tensor<" + std::to_string(outputs) + "x" + element + ">";
    auto argument = [](const std::string &name, const std::string &type) {
      return "%" + name + ": " + type + " loc(\"" + name + "\")";
    };
    std::string text = "func.func @main(" + argument("x", x) + ", " + argument("w", w) +
                       (residual ? ", " + argument("b", bias) + ", " + argument("r", y) : "") + ") -> " + y +
                       " {\n  %0 = bess.conv %x, %w" + (residual ? ", %b" : "") + " {strides = " + list(strides) +
                       ", dilations = " + list(dilations) + ", pads = " + list(pads) +
                       ", groups = " + std::to_string(groups) + " : i64} : (" + x + ", " + w +
                       (residual ? ", " + bias : "") + ") -> " + y + "\n";
    if (!residual)
      return text + "  return %0 : " + y + "\n}\n";
    return text + "  %1 = bess.add %0, %r : (" + y + ", " + y + ") -> " + y + "\n  %2 = bess.relu %1 : (" + y +
           ") -> " + y + "\n  return %2 : " + y + "\n}\n";
  }
  std::vector<std::vector<int64_t>> shapes() const {
    std::vector<std::vector<int64_t>> shapes = {joined({images, channels}, image),
                                                joined({outputs, channels / groups}, window)};
    if (residual) {
      shapes.push_back({outputs});
      shapes.push_back(joined({images, outputs}, result()));
    }
    return shapes;
  }
};

void addLayout(mlir::OpPassManager &passes) { addLayoutPasses(passes, Numerics()); }

/// The reason of the program that a graph's convolution (or product) becomes.
std::string reasonOf(GpuKernel &kernel) {
  std::string reason;
  if (kernel.nestedModule)
    kernel.nestedModule.walk([&](mlir::LLVM::LLVMFuncOp function) {
      auto kind = function->getAttrOfType<mlir::StringAttr>("bess.kind");
      if (kind && (kind.getValue() == "conv" || kind.getValue() == "matmul"))
        reason = function->getAttrOfType<mlir::StringAttr>("bess.reason").str();
    });
  return reason;
}
} // namespace

class Convolutions : public testing::TestWithParam<std::tuple<std::string, Convolution>> {};

INSTANTIATE_TEST_SUITE_P(
    Gpu, Convolutions,
    testing::Combine(testing::Values("sm_80", "sm_90a"),
                     testing::Values(
                         // 16-byte copies; a step of depth within one tap, and over several of them.
                         Convolution{"f16", 1, 64, 16, {6, 5}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
                         Convolution{"f16", 2, 8, 24, {7, 7}, {3, 3}, {2, 2}, {1, 1}, {0, 1, 1, 0}, 1, {}, true},
                         // A first layer: three channels; odd numbers of outputs.
                         Convolution{"f16", 1, 3, 17, {9, 9}, {5, 5}, {2, 2}, {1, 1}, {2, 2, 2, 2}},
                         // Copies of 8 bytes, groups, dilations, one spatial dimension, a free batch.
                         Convolution{"bf16", 1, 12, 15, {8, 8}, {3, 2}, {1, 1}, {2, 1}, {2, 1, 2, 0}, 3},
                         Convolution{"f16", 3, 16, 16, {11}, {4}, {1}, {2}, {3, 0}, 2, "n"},
                         Convolution{"f32", 1, 8, 20, {6, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, {}, true},
                         Convolution{"f32", 1, 3, 8, {6, 6}, {2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}})));

TEST_P(Convolutions, MatchTheReference) {
  auto [architecture, convolution] = GetParam();
  GpuKernel kernel(convolution.text(), architecture, GpuModule::machineOf(architecture), addLayout);
  EXPECT_NE(reasonOf(kernel).find("implicit matrix product"), std::string::npos) << reasonOf(kernel);
  EXPECT_EQ(reasonOf(kernel).find("element by element"), std::string::npos) << reasonOf(kernel);
  kernel.matches(convolution.shapes(), toleranceOf(convolution.element));
  kernel.assembles();
}

TEST(Gpu, Tf32Convolutions) {
  Convolution convolution{"f32", 1, 16, 16, {5, 5}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}};
  GpuMachine machine = gpuMachineOf(80);
  machine.tf32 = true;
  GpuKernel kernel(convolution.text(), "sm_80", machine, addLayout);
  kernel.matches(convolution.shapes(), 2e-3);
  kernel.assembles();
  EXPECT_NE(kernel.ptx.text.find("tf32"), std::string::npos);
}

// A 1x1 convolution is a product of the image, with its bias and the rest behind it.
TEST(Gpu, PointwiseConvolutionsAreProducts) {
  for (std::string architecture : {"sm_80", "sm_90a"}) {
    Convolution convolution{"f16", 1, 32, 24, {6, 6}, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, {}, true};
    GpuKernel kernel(convolution.text(), architecture, GpuModule::machineOf(architecture), addLayout);
    EXPECT_NE(reasonOf(kernel).find("a 1x1 convolution: a matrix product of the image"), std::string::npos);
    kernel.matches(convolution.shapes(), toleranceOf("f16"));
    kernel.assembles();
  }
}

// One block of the result and a long depth: the multiprocessors share its steps.
TEST(Gpu, ConvolutionsInEvenShares) {
  for (std::string architecture : {"sm_80", "sm_90a"}) {
    Convolution convolution{"f16", 1, 1024, 16, {3, 3}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, {}, true};
    GpuMachine machine = GpuModule::machineOf(architecture);
    machine.multiprocessors = 2;
    GpuKernel kernel(convolution.text(), architecture, machine, addLayout);
    EXPECT_NE(reasonOf(kernel).find("1 of the blocks in even shares"), std::string::npos) << reasonOf(kernel);
    kernel.matches(convolution.shapes(), toleranceOf("f16"));
    kernel.assembles();
  }
}
