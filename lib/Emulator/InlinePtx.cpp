// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Inline PTX, from the closed table of bessemer/Support/InlinePtx.def.
#include "lib/Emulator/Lanes.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace bessemer::emulator;

namespace {
struct Entry {
  StringLiteral text;
  Handler run;
};
#define BESSEMER_PTX_F32(NAME, TEXT, VALUE)                                                                            \
  struct NAME {                                                                                                        \
    template <Lane L> static float apply(double a) { return static_cast<float>(VALUE); }                               \
  };
#include "bessemer/Support/InlinePtx.def"
constexpr Entry table[] = {
#define BESSEMER_PTX_F32(NAME, TEXT, VALUE) {TEXT, runUnary<NAME, Lane::F32>},
#include "bessemer/Support/InlinePtx.def"
};
} // namespace

bool bessemer::emulator::prepareInlinePtx(Preparer &p, Operation *op) {
  StringRef text;
  if (auto ptx = dyn_cast<NVVM::InlinePtxOp>(op); ptx && !ptx.getPredicate())
    text = ptx.getPtxCode();
  else if (auto assembly = dyn_cast<LLVM::InlineAsmOp>(op))
    text = assembly.getAsmString();
  else
    return false;
  for (const Entry &entry : table) {
    if (entry.text != text || op->getNumOperands() != 1 || op->getNumResults() != 1)
      continue;
    Slot a = p.slot(op->getOperand(0)), d = p.defineNew(op, op->getResult(0)).front();
    if (p.laneOf(a) != Lane::F32 || p.laneOf(d) != Lane::F32)
      break;
    Inst &inst = p.emit(op, entry.run);
    inst.a = a;
    inst.dst = d;
    return true;
  }
  return p.fail(op, "expected inline PTX of the table in "
                    "bessemer/Support/InlinePtx.def, got \"" +
                        text + "\"");
}
