// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt %s --bessemer-symbols-in-memory | FileCheck %s

// A block beyond those that have work leaves before the first barrier.
// CHECK-LABEL: func.func @row
// CHECK-SAME: (%{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>, %[[WORDS:.*]]: !llvm.ptr<1>)
// CHECK: %[[AT:.*]] = llvm.getelementptr %[[WORDS]][1]
// CHECK: %[[N:.*]] = llvm.load %[[AT]] invariant {alignment = 8 : i64}
// CHECK: %[[FIRST:.*]] = llvm.getelementptr %[[WORDS]][0]
// CHECK: %[[BLOCKS:.*]] = llvm.load %[[FIRST]] invariant
// CHECK: %[[INSIDE:.*]] = arith.cmpi ult, %{{.*}}, %[[BLOCKS]] : i64
// CHECK: cf.cond_br %[[INSIDE]], ^[[BODY:.*]], ^[[LEAVE:.*]]
// CHECK: ^[[BODY]]:
// CHECK: arith.index_castui %[[N]]
// CHECK: ^[[LEAVE]]:
// CHECK-NEXT: return

// The general scheme counts its points itself, and what is behind the symbols stays.
// CHECK-LABEL: func.func @general
// CHECK-SAME: (%{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>, %{{.*}}: i64, %{{.*}}: !llvm.ptr<1>)
// CHECK-NOT: cf.cond_br

// CHECK-LABEL: func.func @constant
// CHECK-SAME: (%{{.*}}: !llvm.ptr<1>)
module {
  module @kernels {
    func.func @row(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>, %n: i64) attributes {bess.block = 32 : i64, bess.symbols = 1 : i64} {
      %0 = arith.index_castui %n : i64 to index
      %1 = arith.index_castui %0 : index to i64
      llvm.store %1, %y : i64, !llvm.ptr<1>
      nvvm.barrier0
      return
    }
    func.func @general(%x: !llvm.ptr<1>, %n: i64, %m: i64, %workspace: !llvm.ptr<1>, %bytes: i64, %faults: !llvm.ptr<1>)
        attributes {bess.block = 32 : i64, bess.symbols = 2 : i64, bess.takes_workspace} {
      %0 = arith.addi %n, %m : i64
      llvm.store %0, %x : i64, !llvm.ptr<1>
      return
    }
    func.func @constant(%x: !llvm.ptr<1>) attributes {bess.block = 32 : i64} {
      return
    }
  }
}
