// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// PTX from a module, and what ptxas makes of it.
#include "bessemer/Target/CUDA.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

using namespace bessemer;

TEST(Cuda, KnowsItsArchitectures) {
  std::string error;
  EXPECT_EQ(createTargetBackend("cuda:sm_80", "native", error)->machine().cpu, "sm_80");
  EXPECT_EQ(createTargetBackend("cuda:sm_90a", "native", error)->memorySpaces()[1].bytes, 227 << 10);
  EXPECT_FALSE(createTargetBackend("cuda:sm_10", "native", error));
  EXPECT_EQ(error, "expected the target cuda:sm_80 or cuda:sm_90a, got 'cuda:sm_10'");
}

TEST(Cuda, ReadsTheReportOfPtxas) {
  std::vector<cuda::KernelResources> kernels =
      cuda::parseResources("ptxas info    : Compiling entry function 'gemm' for 'sm_80'\n"
                           "ptxas info    : Function properties for gemm\n"
                           "    16 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads\n"
                           "ptxas info    : Used 128 registers, used 1 barriers, 4096 bytes smem, "
                           "384 bytes cmem[0]\n");
  ASSERT_EQ(kernels.size(), 1u);
  EXPECT_EQ(kernels[0].name, "gemm");
  EXPECT_EQ(kernels[0].registers, 128u);
  EXPECT_EQ(kernels[0].stackBytes, 16u);
  EXPECT_EQ(kernels[0].spillStoreBytes, 12u);
  EXPECT_EQ(kernels[0].spillLoadBytes, 8u);
  EXPECT_EQ(kernels[0].sharedBytes, 4096u);
}

TEST(Cuda, EmitsPtxAndACubin) {
  mlir::MLIRContext context;
  context.loadDialect<mlir::LLVM::LLVMDialect, mlir::NVVM::NVVMDialect>();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(R"(
llvm.mlir.global internal @s() {addr_space = 3 : i32} : !llvm.array<64 x f32>
llvm.func @twice(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 64>} {
  %t = nvvm.read.ptx.sreg.tid.x : i32
  %one = llvm.mlir.constant(1 : i32) : i32
  %u = llvm.xor %t, %one : i32
  %s = llvm.mlir.addressof @s : !llvm.ptr<3>
  %pi = llvm.getelementptr %in[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  %v = llvm.load %pi : !llvm.ptr<1> -> f32
  %ps = llvm.getelementptr %s[%t] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
  llvm.store %v, %ps : f32, !llvm.ptr<3>
  nvvm.barrier0
  %pt = llvm.getelementptr %s[%u] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
  %w = llvm.load %pt : !llvm.ptr<3> -> f32
  %po = llvm.getelementptr %out[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  llvm.store %w, %po : f32, !llvm.ptr<1>
  llvm.return
})",
                                                        &context);
  ASSERT_TRUE(module);
  for (std::string arch : {"sm_80", "sm_90a"}) {
    std::string error;
    auto backend = createCudaBackend(arch, error);
    cuda::Ptx ptx = cuda::emitPtx(*module, backend->machine());
    ASSERT_EQ(ptx.error, "");
    EXPECT_NE(ptx.text.find(".target " + arch), std::string::npos);
    EXPECT_NE(ptx.text.find(".entry twice"), std::string::npos);
    EXPECT_NE(ptx.text.find("bar.sync"), std::string::npos) << ptx.text;
    if (cuda::findPtxas().empty())
      FAIL() << "expected ptxas on the PATH: scripts/setup installs it";
    cuda::Cubin cubin = cuda::assemble(ptx.text, arch);
    ASSERT_EQ(cubin.error, "");
    ASSERT_EQ(cubin.kernels.size(), 1u);
    EXPECT_EQ(cubin.kernels[0].name, "twice");
    EXPECT_EQ(cubin.kernels[0].spillStoreBytes, 0u);
    EXPECT_EQ(cubin.kernels[0].sharedBytes, 256u);
    EXPECT_EQ(std::string(cubin.bytes.begin() + 1, cubin.bytes.begin() + 4), "ELF");
  }
  EXPECT_NE(cuda::assemble("nonsense", "sm_80").error, "");
}
