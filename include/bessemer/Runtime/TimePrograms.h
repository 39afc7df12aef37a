// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Programs that compute the same, timed against each other: candidates of `bessemer tune`. They get the same random
// inputs, on the device where they have one. The runs alternate, so that a clock that changes meets all of them; two of
// each come first and do not count. Time is the device's own (Context::runTimed).
//
//   std::vector<ProgramTiming> timings;
//   Status status = timePrograms(models, /*rounds=*/9, timings);
//   timings[0].seconds, timings[1].seconds, timings[1].difference;
#pragma once

#include "bessemer/Runtime/Model.h"

#include <span>

namespace bessemer::runtime {

struct ProgramTiming {
  double seconds = 0;       ///< of a run: the median
  double low = 0, high = 0; ///< the fastest and the slowest
  /// The largest |y - y0| over the root mean square of y0, y0 being the outputs of the first program; of large outputs
  /// some four million elements each. Infinite where one of the two is not finite.
  double difference = 0;
  std::string error; ///< why it could not run; empty: it ran
};

/// `models` have inputs and outputs of the same constant shapes, f32, f16 or bf16; inputs are uniform in [-1, 1).
/// Fails when they do not; what one of the programs fails with is in its timing.
Status timePrograms(std::span<const std::shared_ptr<const Model>> models, int rounds,
                    std::vector<ProgramTiming> &timings);

} // namespace bessemer::runtime
