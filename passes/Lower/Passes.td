// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef BESSEMER_LOWER_PASSES
#define BESSEMER_LOWER_PASSES
include "mlir/Pass/PassBase.td"

def LowerTileToCpu : Pass<"bessemer-lower-tile-to-cpu", "::mlir::ModuleOp"> {
  let summary = "expand tile programs into loops over vectors";
  let description = [{
    Each `tile.kernel` becomes a `func.func` in a nested module `@kernels`, with the
    calling convention of the runtime:
    `(buffers: ptr, symbols: ptr, begin: i64, end: i64, workspace: ptr)`, which
    runs the grid's points [begin, end).

    Tiles are not materialized: a store (or a reduction) pulls its operand, a
    vector at a time, through the elementwise ops down to the loads. What is
    read by more than one such traversal and is not cheap goes to scratch memory
    as the first of them passes by. `tile.dot` becomes register blocks, whose
    epilogue is evaluated while the sums are in registers.

    The vector width and the number of registers are in the module's
    `bess.target` (default: AVX2).
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::vector::VectorDialect", "::mlir::scf::SCFDialect",
                           "::mlir::func::FuncDialect", "::mlir::math::MathDialect", "::mlir::arith::ArithDialect"];
}

def GroupShortRows : Pass<"bessemer-group-short-rows", "::mlir::ModuleOp"> {
  let summary = "let a block compute several short rows, or a square of rows that are read across";
  let description = [{
    Of a program on rows of at most 256 elements the last dimension of the grid becomes the rows of its tiles; the kernel's schedule says how many, `rows`,
    so that layouts spread them over lanes and warps. Where a row is read across the memory's rows, as a transposition does, a block takes a square
    of 64 x 64 of the result. Rows of 257 to 2048 elements have a warp each, or two rows a warp, several in a block (`rows` and `warps` of the schedule), where
    the model of `bessemer/Algorithms/GpuRowSchedule.h` expects to gain. Programs that do more with the number of their row than to read and write there stay as they are.

    ```mlir
    // before: grid <"1000">
    %0 = tile.load %x[%row, %zero] dims [1] {in_bounds} : ... -> tensor<16xf32>
    // after: grid <"8">, schedule {rows = 128 : i64}
    %0 = tile.load %x[%first, %zero] dims [0, 1] sizes(%left) {in_bounds} : ... -> tensor<?x16xf32>
    ```
  }];
  let dependentDialects = ["::bessemer::tile::TileDialect", "::mlir::arith::ArithDialect"];
}

def CutColumnReductions : Pass<"bessemer-cut-column-reductions", "::mlir::ModuleOp"> {
  let summary = "let each block reduce some columns of a matrix over its rows, a piece of them at a time";
  let description = [{
    A program whose tiles of rank 2 are only reduced over their rows, with the columns next to each other in memory, gets another dimension of the grid,
    over parts of the columns: as many as leave no multiprocessor without work, but whole sectors. A loop over pieces of the rows carries a tile of partial results,
    which `tile.reduce` combines behind it. What follows is computed on tiles of one row.

    ```mlir
    // before: grid <"1">
    %0 = tile.load %x[%zero, %zero] dims [0, 1] : ... -> tensor<4096x4096xf32>
    %1 = tile.reduce sum %0 axis 0 : tensor<4096x4096xf32> -> tensor<4096xf32>
    // after: grid <"1", "256">, schedule {rows = 256 : i64}
    %s = scf.for %i = %c0 to %c4096 step %c256 iter_args(%before = %none) -> tensor<256x16xf32> {
      %0 = tile.load %x[%i, %first] dims [0, 1] : ... -> tensor<256x16xf32>
      %next = arith.addf %before, %0 : tensor<256x16xf32>
      scf.yield %next : tensor<256x16xf32>
    }
    %1 = tile.reduce sum %s axis 0 : tensor<256x16xf32> -> tensor<1x16xf32>
    ```
  }];
  let dependentDialects = ["::bessemer::tile::TileDialect", "::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def CutLongRows : Pass<"bessemer-cut-long-rows", "::mlir::ModuleOp"> {
  let summary = "compute rows that are too long for the registers in pieces";
  let description = [{
    A program on rows that are longer than a quarter of a multiprocessor's registers, or of unknown length, becomes loops over pieces of the row: one
    for each reduction and one for the stores, each computing what it needs from the loads again. A loop carries a tile of partial results, which
    `tile.reduce` combines behind it; what is left behind the last whole piece follows the loop. Where the length is known, loads that several loops need and
    that no other row has are marked `kept`, with a number for each input: they go by way of a ring of pieces in shared memory, and the schedule says how large it
    is (`ring_pieces`), how many pieces of a row go through it (`kept_pieces`; what follows has loops of its own, with loads that are not kept), how many blocks a
    multiprocessor has (`resident`), and how many there are at most (`grid_blocks`): each goes on to further rows. Programs with anything but loads, elementwise ops, broadcasts,
    reductions and stores of rows of one length stay as they are.

    ```mlir
    // before
    %0 = tile.load %x[%row, %zero] dims [1] : ... -> tensor<65536xf32>
    %1 = tile.reduce sum %0 axis 0 : tensor<65536xf32> -> tensor<1xf32>
    // after
    %s = scf.for %i = %c0 to %c65536 step %c16384 iter_args(%before = %none) -> tensor<16384xf32> {
      %0 = tile.load %x[%row, %i] dims [1] {kept = 0 : i64} : ... -> tensor<16384xf32>
      %next = arith.addf %before, %0 : tensor<16384xf32>
      scf.yield %next : tensor<16384xf32>
    } {bess.pieces}
    %1 = tile.reduce sum %s axis 0 : tensor<16384xf32> -> tensor<1xf32>
    ```
  }];
  let dependentDialects = ["::bessemer::tile::TileDialect", "::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
}

def AssignGpuLayouts : Pass<"bessemer-assign-gpu-layouts", "::mlir::ModuleOp"> {
  let summary = "say which register of which lane and warp holds each element of each tile";
  let description = [{
    Each tile of a `tile.kernel` gets a `#tile.layout` as its encoding, and the
    kernel's schedule the number of `warps` and the width of accesses, `vector`.
    A tile may be smaller than its layout; what is beyond it is padding. Long
    rows take more warps: a row is to stay in registers. In a kernel with a `tile.dot`
    all tiles lie as the sums of the product do, and `tile.convert` is placed where
    one must lie elsewhere: a computed left operand, a result of two bytes an element
    that is stored.

    A program that has no such layouts keeps its tiles as they are and is lowered in the general way
    (`bessemer-lower-tile-to-gpu`); with `strict` it is an error.

    ```mlir
    // before
    %0 = tile.load %x[%row, %zero] dims [1] : ... -> tensor<512xf32>
    // after, with schedule {vector = 4 : i64, warps = 1 : i64}
    %0 = tile.load %x[%row, %zero] dims [1] : ...
        -> tensor<512xf32, #tile.layout<"[4] x {register = [[1], [2]], lane = [[4], [8], [16], [32], [64]], warp = []} -> {dim0 = 128}">>
    ```
  }];
  let options = [Option<"strict", "strict", "bool", "false", "a program that has no layouts is an error">];
  let dependentDialects = ["::bessemer::tile::TileDialect"];
}

def LowerTileToGpu : Pass<"bessemer-lower-tile-to-gpu", "::mlir::ModuleOp"> {
  let summary = "expand tile programs with layouts into the code of one GPU thread";
  let description = [{
    Each `tile.kernel` becomes a `func.func` in a nested module `@kernels`, with a
    pointer to global memory for each view, an i64 for each symbol, and the
    threads of a block in `bess.block`; its grid is one-dimensional, a block for each point of the kernel's.
    A tile becomes a scalar for each register of its layout. A reduction goes
    over registers, then over lanes by shuffles, then over warps through shared
    memory; `tile.convert` goes by the plan for its two layouts. A `tile.dot` becomes
    a loop over the depth: its operands go through stages of shared memory
    (`cp.async`), fragments to `mma.sync` or multiply-adds. In a loop of the program
    the operand of the next product is copied while one is computed.
    What a block takes of shared memory beyond 48 KiB is
    in `bess.shared`.

    A program without layouts, or that needs another layout on the way, is lowered in the general way: a block's threads deal out
    the elements of a tile and each pulls its elements through the program, as the CPU lowering pulls vectors. With `strict` it is an
    error, by the name of its node. The function then has three arguments more: the workspace, its bytes for each block, and where
    `tile.check` leaves its finding.

    ```mlir
    // before
    %1 = tile.reduce sum %0 axis 0 : tensor<512xf32, #layout> -> tensor<1xf32, #one>
    // after: 15 additions, then five of
    %15 = nvvm.shfl.sync bfly %all, %14, %c1, %c31 : f32 -> f32
    %16 = arith.addf %14, %15 : f32
    ```
  }];
  let options = [Option<"strict", "strict", "bool", "false", "no general lowering: what the layouts do not do is an error">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect", "::mlir::vector::VectorDialect", "::mlir::scf::SCFDialect",
                           "::mlir::func::FuncDialect", "::mlir::math::MathDialect", "::mlir::arith::ArithDialect"];
}

def MarkConstantViews : Pass<"bessemer-mark-constant-views", "::mlir::ModuleOp"> {
  let summary = "say which buffers of a kernel are weights in all of its launches";
  let description = [{
    What nothing writes during a run may be read before the launches in front have ended: on `sm_90a` a product's first copies of its weights are
    under way when it waits for them (`griddepcontrol.wait`). A view counts when every launch of the kernel passes a weight or a constant for it, or a reshape of one,
    also as an argument of an outlined layer.

    ```mlir
    %w = bess.weight "w" <...> : tensor<64x64xf16>
    %y = bess.launch @matmul_0(%x, %w) : ...
    // after
    tile.kernel @matmul_0 ... attributes {bess.constant_views = array<i64: 1>}
    ```
  }];
}

def SymbolsInMemory : Pass<"bessemer-symbols-in-memory", "::mlir::ModuleOp"> {
  let summary = "let GPU kernels read their symbols from device memory";
  let description = [{
    A kernel with symbols (`bess.symbols` of them) takes one pointer instead of an i64 for each: to its
    number of blocks and the symbols, an i64 each. So a launch that is recorded once (a CUDA graph) is replayed with other
    sizes, which are written to those words. It may have more blocks than the words say: those leave at once.

    ```mlir
    // before
    func.func @row(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>, %n: i64) attributes {bess.symbols = 1 : i64}
    // after
    func.func @row(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>, %words: !llvm.ptr<1>) {
      %0 = llvm.getelementptr %words[1] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i64
      %n = llvm.load %0 invariant : !llvm.ptr<1> -> i64
      %2 = llvm.load %1 invariant : !llvm.ptr<1> -> i64        // of words[0]
      %3 = arith.cmpi ult, %block, %2 : i64
      cf.cond_br %3, ^body, ^leave
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect", "::mlir::cf::ControlFlowDialect",
                           "::mlir::func::FuncDialect", "::mlir::arith::ArithDialect"];
}

def LowerKernelsToLlvm : Pass<"bessemer-lower-kernels-to-llvm", "::mlir::ModuleOp"> {
  let summary = "take the functions of the nested module @kernels to the LLVM dialect";
  let description = [{
    Transcendental functions become polynomials (upstream `math`; erf, and exp on a CPU, those of `passes/Lower/MathApproximation.h`),
    exp on a GPU its instruction for powers of two,
    loops become branches, vectors LLVM vectors. `main` and the other host functions are left alone.
    A function with `bess.block` becomes a GPU kernel: `nvvm.kernel`, `nvvm.reqntid`.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::cf::ControlFlowDialect", "::mlir::vector::VectorDialect"];
  let options = [Option<"upstreamFunctions", "upstream-functions", "bool", "false", "erf, and exp on a GPU, by upstream's polynomials, three times as long">];
}

def VerifyLowered : Pass<"bessemer-verify-lowered", "::mlir::ModuleOp"> {
  let summary = "state the form that lower leaves";
  let description = [{
    Fails when a `tile.kernel` is left, when an op of the nested module @kernels is not of the LLVM or NVVM dialect, when a
    `bess.launch` names no function of it that has a grid, or when a `bess` op has a location without a name. Changes nothing.
    ```mlir
    llvm.func @row_0(...) attributes {bess.grid = #bess.dims<"4">, bess.workspace = "0"}   // in module @kernels
    ```
  }];
}
#endif
