// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Constants of the IR to memory and back, for every element type.
#include "TestModule.h"

#include "dialects/Bess/DTypes.h"
#include "mlir/AsmParser/AsmParser.h"

using namespace bessemer;
using namespace bessemer::reference;
using namespace mlir;

static void expectRoundTrip(StringRef text) {
  TestModule test("");
  Attribute attribute = parseAttribute(text, &test.context);
  auto elements = dyn_cast_or_null<DenseElementsAttr>(attribute);
  ASSERT_TRUE(elements) << text.str();
  HostTensor tensor = fromElements(elements);
  ASSERT_TRUE(tensor.isValid()) << text.str();
  EXPECT_EQ(toElements(tensor, elements.getElementType()), elements) << text.str();
}

TEST(Constants, SurviveTheWayToMemoryAndBack) {
  for (const char *text : {"dense<[1.5, -2.0]> : tensor<2xf32>",
                           "dense<[1.5, -2.0]> : tensor<2xf64>",
                           "dense<[1.5, -2.0]> : tensor<2xf16>",
                           "dense<[1.5, -2.0]> : tensor<2xbf16>",
                           "dense<[1.5, -2.0]> : tensor<2xf8E4M3FN>",
                           "dense<[1.5, -2.0, 0.5]> : tensor<3xf4E2M1FN>",
                           "dense<[[1, -2], [3, 4]]> : tensor<2x2xi64>",
                           "dense<[1, -2]> : tensor<2xi8>",
                           "dense<[1, 254]> : tensor<2xui8>",
                           "dense<[7, -8, 3]> : tensor<3xi4>",
                           "dense<[15, 8, 3]> : tensor<3xui4>",
                           "dense<[1, -2, 0]> : tensor<3xi2>",
                           "dense<[true, false, true]> : tensor<3xi1>",
                           "dense<true> : tensor<3xi1>",
                           "dense<2.5> : tensor<4xf32>",
                           "dense<-3> : tensor<5xi4>",
                           "dense<7> : tensor<i32>",
                           "dense<[(1.0, 2.0), (3.0, 4.0)]> : tensor<2xcomplex<f32>>",
                           "dense<(1.0, 2.0)> : tensor<3xcomplex<f64>>",
                           "dense<> : tensor<0xf32>"})
    expectRoundTrip(text);
}

TEST(Constants, PackTheFirstElementLow) {
  TestModule test("");
  auto elements = cast<DenseElementsAttr>(parseAttribute("dense<[1, 2, -1]> : tensor<3xi4>", &test.context));
  HostTensor tensor = fromElements(elements);
  EXPECT_EQ(tensor.as<uint8_t>()[0], 0x21);
  EXPECT_EQ(tensor.as<uint8_t>()[1], 0x0f);
}

TEST(Constants, OfAnotherTypeAreRefused) {
  TestModule test("");
  EXPECT_FALSE(toElements(floats({1}, {1}), IntegerType::get(&test.context, 32)));
  EXPECT_FALSE(fromElements(ElementsAttr()).isValid());
  EXPECT_FALSE(HostTensor::make(DType::F32, {1 << 30, 1 << 30}).isValid());
  EXPECT_FALSE(HostTensor::make(DType::F32, {-1}).isValid());
}
