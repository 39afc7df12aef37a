// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>

namespace bessemer::runtime {

/// A 64-bit hash against damage, not against an enemy: four lanes of multiply
/// and rotate over 8-byte words, at about the speed of memory. The artifact
/// format depends on it: it never changes.
uint64_t contentHash(const void *data, size_t bytes, uint64_t seed = 0);

} // namespace bessemer::runtime
