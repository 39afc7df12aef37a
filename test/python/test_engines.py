# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The comparison that all model tests rest on."""

import numpy as np
import pytest

from testing.engines import worst_error


def test_an_error_within_either_bound_is_right():
    reference = np.array([0.0, 1000.0], np.float32)
    assert worst_error(np.array([0.9e-4, 1000.9], np.float32), reference) <= 1
    assert worst_error(np.array([1.1e-4, 1000.0], np.float32), reference) > 1
    assert worst_error(np.array([0.0, 1001.1], np.float32), reference) > 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_wrong(bad):
    assert worst_error(np.array([bad], np.float32), np.array([1.0], np.float32)) == np.inf
    assert worst_error(np.array([1.0], np.float32), np.array([bad], np.float32)) > 1


def test_infinity_and_nan_equal_themselves():
    values = np.array([np.inf, -np.inf, np.nan], np.float32)
    assert worst_error(values, values) == 0


def test_integers_must_be_equal():
    assert worst_error(np.array([1]), np.array([1])) == 0
    assert worst_error(np.array([1]), np.array([2])) == np.inf


def test_shape_and_type_must_be_equal():
    with pytest.raises(AssertionError, match="expected float32"):
        worst_error(np.zeros((1, 2), np.float32), np.zeros((2, 1), np.float32))
    with pytest.raises(AssertionError, match="got float64"):
        worst_error(np.zeros(2), np.zeros(2, np.float32))
