// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the command line does not show: models in memory, and every way to cut
// a model short. The models are written with the importer's own MessageWriter.
#include "bessemer/Import/Import.h"
#include "dialects/Onnx/Onnx.h"
#include "lib/Import/MessageWriter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/SmallString.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace bessemer;
using bessemer::import::Message;

namespace {

/// y = Softmax(x + w, axis=1) of 2x2, w inline.
std::string smallModel() {
  auto type = [] {
    Message shape;
    for (int i = 0; i < 2; ++i) {
      Message dim;
      shape.message(1, std::move(dim.varint(1, 2)));
    }
    Message tensor, type;
    tensor.varint(1, 1).message(2, std::move(shape));
    type.message(1, std::move(tensor));
    return type;
  };
  auto port = [&](const char *name) {
    Message info;
    info.text(1, name).message(2, type());
    return info;
  };
  const float values[] = {1, 2, 3, 4};
  Message weight, add, axis, softmax, graph, opset, model;
  weight.varint(1, 2).varint(1, 2).varint(2, 1).text(8, "w");
  weight.bytes(9, {reinterpret_cast<const char *>(values), sizeof values});
  add.text(1, "x").text(1, "w").text(2, "s").text(3, "plus").text(4, "Add");
  axis.text(1, "axis").varint(3, 1).varint(20, 2);
  softmax.text(1, "s").text(2, "y").text(3, "soft").text(4, "Softmax").message(5, std::move(axis));
  graph.message(1, std::move(add)).message(1, std::move(softmax)).text(2, "g");
  graph.message(5, std::move(weight)).message(11, port("x")).message(12, port("y"));
  opset.varint(2, 17);
  model.varint(1, 8).message(7, std::move(graph)).message(8, std::move(opset));
  std::string bytes;
  for (const Message::Piece &piece : model.pieces())
    bytes += piece.text;
  return bytes;
}

class ImportTest : public testing::Test {
protected:
  ImportTest()
      : handler(&context, [this](Diagnostic &diagnostic) {
          errors.push_back(diagnostic.str());
          return success();
        }) {}
  OwningOpRef<ModuleOp> importBytes(StringRef bytes) {
    return importOnnxBuffer(&context, "m.onnx", ArrayRef<char>(bytes.data(), bytes.size()));
  }
  onnx::NodeOp findNode(ModuleOp module, StringRef opType) {
    onnx::NodeOp found;
    module.walk([&](onnx::NodeOp node) {
      if (node.getOpType() == opType)
        found = node;
    });
    return found;
  }

  MLIRContext context{MLIRContext::Threading::DISABLED};
  std::vector<std::string> errors;
  ScopedDiagnosticHandler handler;
};

TEST_F(ImportTest, WeightsOfAModelInMemoryAreRangesOfTheBuffer) {
  std::string bytes = smallModel();
  OwningOpRef<ModuleOp> module = importBytes(bytes);
  ASSERT_TRUE(module);
  EXPECT_TRUE(succeeded(verify(*module)));
  auto weights = module->lookupSymbol<func::FuncOp>("main").getOps<onnx::WeightOp>();
  ASSERT_FALSE(weights.empty());
  bess::SourceAttr source = (*weights.begin()).getSource();
  EXPECT_EQ(source.getFile(), "host:model");
  ASSERT_EQ(source.getLength(), 16);
  float third;
  memcpy(&third, bytes.data() + source.getOffset() + 8, 4);
  EXPECT_EQ(third, 3.0f);
}

TEST_F(ImportTest, EveryCutOfAModelIsRefusedWithOneError) {
  std::string bytes = smallModel();
  for (size_t length = 0; length + 1 < bytes.size(); ++length) {
    errors.clear();
    // A copy of exactly this length, so that ASan sees a byte read beyond it.
    std::vector<char> cut(bytes.begin(), bytes.begin() + length);
    OwningOpRef<ModuleOp> module = importOnnxBuffer(&context, "m.onnx", cut);
    if (module)
      EXPECT_GT(length, bytes.size() - 5) << "only the opset is missing";
    else
      EXPECT_EQ(errors.size(), 1u) << "cut at " << length;
  }
}

TEST_F(ImportTest, EveryChangedByteGivesAModuleOrAnError) {
  const std::string bytes = smallModel();
  for (size_t at = 0; at < bytes.size(); ++at)
    for (int value : {0x00, 0x7f, 0x80, 0xff}) {
      errors.clear();
      std::string changed = bytes;
      changed[at] = char(value);
      OwningOpRef<ModuleOp> module = importBytes(changed);
      if (module)
        EXPECT_TRUE(succeeded(verify(*module))) << "byte " << at;
      else
        EXPECT_EQ(errors.size(), 1u) << "byte " << at;
    }
}

TEST_F(ImportTest, ExportGivesTheSameBytesForAModelInTheExportersOrder) {
  std::string bytes = smallModel();
  OwningOpRef<ModuleOp> module = importBytes(bytes);
  ASSERT_TRUE(module);
  llvm::SmallString<0> out;
  llvm::raw_svector_ostream os(out);
  ASSERT_TRUE(succeeded(exportOnnx(*module, os, ArrayRef<char>(bytes.data(), bytes.size()))));
  OwningOpRef<ModuleOp> again = importBytes(out);
  ASSERT_TRUE(again);
  EXPECT_EQ(out.size(), bytes.size());
}

TEST_F(ImportTest, ExportRefusesASourceThatIsNotThere) {
  std::string bytes = smallModel();
  OwningOpRef<ModuleOp> module = importBytes(bytes);
  ASSERT_TRUE(module);
  llvm::SmallString<0> out;
  llvm::raw_svector_ostream os(out);
  EXPECT_TRUE(failed(exportOnnx(*module, os)));
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_NE(
      errors[0].find(
          "expected weights in files, got some in the memory of the process that imported the model (host:model)"),
      std::string::npos)
      << errors[0];
  EXPECT_TRUE(out.empty());
}

TEST_F(ImportTest, AttributesAreReadWithDefaultsAndKinds) {
  OwningOpRef<ModuleOp> module = importBytes(smallModel());
  ASSERT_TRUE(module);
  onnx::NodeOp node = findNode(*module, "Softmax");
  ASSERT_TRUE(node);
  EXPECT_EQ(*onnx::getInt(node, "axis"), 1);
  EXPECT_EQ(*onnx::getInt(node, "other", 7), 7);
  EXPECT_TRUE(failed(onnx::getFloat(node, "axis", 0.0f)));
  EXPECT_TRUE(failed(onnx::getInts(node, "axes")));
  EXPECT_EQ(errors,
            (std::vector<std::string>{"node \"soft\" (Softmax): attribute \"axis\": expected a float, got an int",
                                      "node \"soft\" (Softmax): attribute \"axes\" is missing"}));
}

TEST_F(ImportTest, LocationsNameFileAndNodes) {
  OwningOpRef<ModuleOp> module = importBytes(smallModel());
  ASSERT_TRUE(module);
  Location both = FusedLoc::get(&context, {findNode(*module, "Add").getLoc(), findNode(*module, "Softmax").getLoc()});
  EXPECT_EQ(onnx::getModelFile(both), "m.onnx");
  EXPECT_EQ(onnx::getNodeNames(both), (SmallVector<StringRef>{"plus", "soft"}));
  std::string text;
  llvm::raw_string_ostream os(text);
  {
    onnx::DiagnosticPrinter printer(&context, os);
    emitError(both) << "does not fit";
  }
  EXPECT_EQ(text, "m.onnx: error: node \"plus\": does not fit\n");
}

TEST_F(ImportTest, ExternalDataNeedsABaseDirectory) {
  Message entry, tensor, graph, opset, model;
  entry.text(1, "location").text(2, "w.bin");
  tensor.varint(1, 4).varint(2, 1).text(8, "w").message(13, std::move(entry)).varint(14, 1);
  graph.message(5, std::move(tensor));
  opset.varint(2, 17);
  model.varint(1, 8).message(7, std::move(graph)).message(8, std::move(opset));
  EXPECT_FALSE(importBytes(model.pieces().front().text));
  EXPECT_EQ(errors,
            (std::vector<std::string>{"initializer \"w\": external data of a model in memory needs a base directory"}));
}

} // namespace
