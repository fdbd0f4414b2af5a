"""Each scan against loops written from the table in `ecrnn.layers.orders`."""

import hashlib

import numpy as np
import pytest

from ecrnn.core.errors import UnknownNameError
from ecrnn.layers.orders import DEFAULT_SCAN, SCANS, scan_order

SIZES = [(2, 2, 256), (1, 1, 3), (3, 2, 4), (1, 5, 2), (4, 1, 1)]


def by_loops(scan, maps):
    """The sequence (steps, features) that ``scan`` makes of one map (H, W, C), value by value."""
    height, width, channels = maps.shape
    match scan:
        case "flatten-hwc":
            return [[maps[y, x, c]] for y in range(height) for x in range(width) for c in range(channels)]
        case "flatten-chw":
            return [[maps[y, x, c]] for c in range(channels) for y in range(height) for x in range(width)]
        case "rows":
            return [[maps[y, x, c] for x in range(width) for c in range(channels)] for y in range(height)]
        case "columns":
            return [[maps[y, x, c] for y in range(height) for c in range(channels)] for x in range(width)]
        case "positions":
            return [[maps[y, x, c] for c in range(channels)] for y in range(height) for x in range(width)]
    raise AssertionError(scan)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scan", [s for s in SCANS if s != "random"])
def test_order_is_that_of_the_table(scan, size):
    maps = np.random.default_rng(0).standard_normal(size)
    order = scan_order(scan, *size)
    expected = np.array(by_loops(scan, maps))
    assert expected.shape == (order.steps, order.features)
    np.testing.assert_array_equal(maps.ravel()[order.index].reshape(expected.shape), expected)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scan", SCANS)
def test_every_value_is_read_once(scan, size):
    order = scan_order(scan, *size)
    assert order.steps * order.features == np.prod(size)
    np.testing.assert_array_equal(np.sort(order.index), np.arange(np.prod(size)))
    assert order.index.dtype == np.int64


def test_random_never_changes():
    """A model trained with this scan would be another one if the permutation changed."""
    index = scan_order("random", 2, 2, 256).index
    digest = hashlib.sha256(np.ascontiguousarray(index, dtype="<i8").tobytes()).hexdigest()[:16]
    assert digest == "a1111c8ace522b08"
    np.testing.assert_array_equal(index, scan_order("random", 2, 2, 256).index)
    assert (index != np.arange(1024)).mean() > 0.99


def test_the_default_is_the_papers():
    assert DEFAULT_SCAN == "flatten-hwc"
    np.testing.assert_array_equal(scan_order(DEFAULT_SCAN, 2, 3, 4).index, np.arange(24))


@pytest.mark.parametrize(("wrong", "right"), [("colums", "columns"), ("row", "rows"), ("positons", "positions")])
def test_unknown_scan_names_the_nearest(wrong, right):
    with pytest.raises(UnknownNameError, match=rf"^unknown scan '{wrong}', did you mean '{right}'\?$"):
        scan_order(wrong, 2, 2, 2)


def test_unknown_scan_like_none_lists_all():
    with pytest.raises(UnknownNameError, match=r"^unknown scan 'zigzag', known are columns, flatten-chw, "):
        scan_order("zigzag", 2, 2, 2)
