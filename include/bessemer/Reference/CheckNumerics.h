// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `--check-numerics`: evaluates the functions of a module before the first and
// after every pass and names the first pass that changes an answer.
//
//   NumericsCheck check(options);
//   check.addTo(passManager);      // after the passes have been added
//   passManager.run(module);       // fails when a pass broke the tolerance
//
// Two things are compared with the original module in f64 (the oracle): the
// changed module in f64, tightly, which finds a wrong pass whatever its size;
// and the changed module in its declared types, within the given tolerance.
#pragma once

#include "bessemer/Reference/Evaluator.h"

#include <memory>

namespace mlir {
class PassManager;
} // namespace mlir

namespace bessemer::reference {

struct NumericsCheckOptions {
  /// |got - expected| <= absolute + relative * |expected| for f32 results; the
  /// relative tolerance of narrower floats is at least 8 units in the last place.
  double relative = 1e-3, absolute = 1e-4;
  /// For the comparison in f64.
  double oracleRelative = 1e-5, oracleAbsolute = 1e-6;
  uint64_t seed = 1;
  /// Extents for symbols; others get small ones that fit the guards.
  SymbolicExpr::Values symbols = {};
  /// Inputs of `main`; when empty they are random.
  std::vector<HostTensor> inputs = {};
  std::shared_ptr<WeightFiles> files = {};
};

/// Random inputs for a function, within what its uses imply: indices stay in
/// the extent that they index, other integers are 0 or 1 (masks), floats lie in
/// [-1, 1]. Symbols of the argument types get small extents that fit the
/// function's guards; `factor` multiplies them (a model may need a minimal length).
/// Fails, with a diagnostic, on arguments that are no tensors.
mlir::FailureOr<llvm::SmallVector<HostTensor>> makeRandomInputs(mlir::Operation *function, SymbolicExpr::Values symbols,
                                                                uint64_t seed, int64_t factor = 1);

/// Where two tensors differ most, relative to the tolerance.
struct TensorDifference {
  double excess = 0; ///< |got - expected| / tolerance; not above 1: they agree
  int64_t element = 0;
  double expected = 0, got = 0;
  std::string shapes = {}; ///< a sentence when shapes or kinds of elements differ
  bool agrees() const { return shapes.empty() && !(excess > 1); }
};
TensorDifference compareTensors(const HostTensor &expected, const HostTensor &got, double relative, double absolute);

class NumericsCheck {
public:
  explicit NumericsCheck(NumericsCheckOptions options);
  ~NumericsCheck();

  /// Adds the instrumentation, and a last pass that fails when a pass was found
  /// wrong. Turns multithreading of the context off.
  void addTo(mlir::PassManager &passes);

  /// The pass's command-line name (or its class's name), empty: none.
  const std::string &wrongPass() const;
  /// After a run: there was no function that could be evaluated.
  bool checksNothing() const;
  /// Passes after which something was evaluated and agreed.
  int checkedPasses() const;

private:
  struct State;
  std::shared_ptr<State> state;
};

} // namespace bessemer::reference
