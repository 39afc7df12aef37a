# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What tests, demo and benchmarks share: the two engines behind one face, and how they are timed."""
