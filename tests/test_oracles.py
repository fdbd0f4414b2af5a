"""The helpers of the tests must be able to fail."""

import numpy as np
import pytest
import torch
from oracles import central_differences, compare, fresh_memory_is_nan, tolerance


def test_compare_accepts_what_is_within_the_tolerance():
    expected = {"a": np.array([1.0, -2.0]), "zero": np.zeros(2), "none": np.empty((0, 3)), "number": 3.0}
    compare(expected, {**expected, "a": torch.tensor([1.0, -2.000001])}, 1e-6)


@pytest.mark.parametrize(
    ("actual", "message"),
    [
        ({"a": [[1.0, 2.0], [3.0, 4.1]]}, r"a: relative error 2.50e-02 at \(1, 1\), 4.1 instead of 4"),
        ({"a": [[1.0, 2.0], [np.nan, 4.0]]}, r"a: actual is nan at \(1, 0\)"),
        ({"a": [[1.0, np.inf], [3.0, 4.0]]}, r"a: actual is inf at \(0, 1\)"),
        ({"a": [1.0, 2.0, 3.0, 4.0]}, r"a: shape \(4,\) instead of \(2, 2\)"),
        ({}, "a: not there"),
        ({"a": [[1.0, 2.0], [3.0, 4.0]], "b": 1.0}, "b: not expected"),
    ],
)
def test_compare_says_what_is_off(actual, message):
    with pytest.raises(AssertionError, match=message):
        compare({"a": [[1.0, 2.0], [3.0, 4.0]]}, actual, 1e-2)


def test_compare_looks_at_all_tensors():
    with pytest.raises(AssertionError, match=r"2 of 3 tensors are off:\na: .*\nc: "):
        compare({"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 2.0, "b": 1.0, "c": 2.0}, 1e-3)


@pytest.mark.parametrize("actual", [0.0, 1e-5])
def test_compare_where_zero_is_expected(actual):
    compare({"a": 0.0}, {"a": actual}, 1e-4)
    with pytest.raises(AssertionError, match="a: relative error"):
        compare({"a": 0.0}, {"a": 1e-3}, 1e-4)


def test_compare_fails_on_nan_expected_and_on_nothing():
    with pytest.raises(AssertionError, match="a: expected is nan"):
        compare({"a": np.nan}, {"a": np.nan}, 1.0)
    with pytest.raises(AssertionError, match="nothing to compare"):
        compare({}, {}, 1.0)


def test_compare_fails_when_the_tolerance_is_nan():
    with pytest.raises(AssertionError):
        compare({"a": 1.0}, {"a": 1.0}, float("nan"))


def test_tolerance_depends_on_dtype_and_steps():
    assert tolerance(torch.float32, 64) == tolerance("float32", 64) == tolerance(np.float32, 64)
    assert tolerance(np.dtype("float64"), 1) < 1e-14
    assert tolerance("float32", 1) < tolerance("float32", 1024) < 1e-5
    with pytest.raises(KeyError):
        tolerance("int8")


def test_central_differences_of_a_cubic():
    arrays = {"v": np.array([[0.5, -1.0]]), "w": np.array(2.0)}
    gradients = central_differences(lambda: float((arrays["v"] ** 3).sum() * arrays["w"]), arrays)
    compare({"v": [[1.5, 6.0]], "w": 0.125 - 1.0}, gradients, 1e-9)
    np.testing.assert_array_equal(arrays["v"], [[0.5, -1.0]])


def test_central_differences_want_float64():
    with pytest.raises(AssertionError, match="v is float32"):
        central_differences(lambda: 0.0, {"v": np.ones(1, np.float32)})


def test_fresh_memory_is_nan_inside_only():
    before = torch.are_deterministic_algorithms_enabled()
    with fresh_memory_is_nan():
        assert torch.empty(1000).isnan().all()
    assert torch.are_deterministic_algorithms_enabled() == before
