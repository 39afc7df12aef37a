// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt %s -split-input-file -verify-diagnostics

tile.kernel @what grid <"1"> views 1 outputs 1 symbols 0 kind "point" reason "" schedule {} {
^bb0(%y: !tile.view<<"8">, f32>, %i: index):
  %ok = arith.constant true
  // expected-error @+1 {{expected one of the kernel faults, got "weather"}}
  tile.check %ok "weather" : i1
  tile.return
}

// -----

tile.kernel @condition grid <"1"> views 1 outputs 1 symbols 0 kind "point" reason "" schedule {} {
^bb0(%y: !tile.view<<"8">, f32>, %i: index):
  // expected-error @+1 {{expected an i1 or a tile of i1, got 'index'}}
  tile.check %i "index" : index
  tile.return
}
