"""What a user may give as lengths, and what is refused in a line."""

import array
import collections

import numpy as np
import pytest
import torch
from recurrence.pairs import KERNELS

from ecrnn.core.errors import EcrnnError
from ecrnn.recurrence import LSTM

pytestmark = pytest.mark.sampled()

LENGTHS = [10, 5, 2]
TAKEN = {
    "list": LENGTHS,
    "tuple": tuple(LENGTHS),
    "deque": collections.deque(LENGTHS),
    "array.array": array.array("h", LENGTHS),
    "numbers of several types": [torch.tensor(10), np.uint8(5), 2],
    "array, other way round": np.array(LENGTHS[::-1])[::-1],
    "array of objects": np.array(LENGTHS, object),
    "array, other order of bytes": np.array(LENGTHS, ">i4"),
    "column": torch.tensor([LENGTHS, LENGTHS]).t()[:, 1],
} | {
    f"{dtype}": torch.tensor(LENGTHS, dtype=getattr(torch, dtype))
    for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
}
REFUSED = {
    "floats": torch.tensor([10.0, 5, 2]),
    "a fraction": [9.9, 5, 2],
    "array of floats": np.array([10.0, 5, 2]),
    "not a number": [10, 5, float("nan")],
    "bools": torch.tensor([True, True, True]),
    "array of bools": np.array([True, True, True]),
    "list of bools": [True, np.True_, torch.tensor(True)],
    "complex": torch.tensor([1j, 2, 3]),
    "texts": ["10", "5", "2"],
    "text": "abc",
    "bytes": b"abc",
    "a set": {10, 5, 2},
    "a dict": {10: 1, 5: 2, 2: 3},
    "a generator": (n for n in LENGTHS),
    "a number": 5,
    "one of NumPy's numbers": np.int64(5),
    "nothing in them": [None, None, None],
    "nested": [[10], [5], [2]],
    "without values": torch.tensor(LENGTHS, device="meta"),
    "sparse": torch.tensor(LENGTHS).to_sparse(),
    "beyond 64 bits": [2**70, 5, 2],
}
WRONG = {
    "too few": [10, 5],
    "too many": [10, 5, 2, 1],
    "none": [],
    "scalar": torch.tensor(10),
    "two dimensions": torch.tensor([LENGTHS]),
    "zero": [0, 5, 2],
    "negative": [-1, 5, 2],
    "too long": [11, 5, 2],
    "beyond 63 bits": np.array([2**64 - 1, 5, 2], np.uint64),
}
each_server = pytest.mark.parametrize("backend", ["auto", "torch", *KERNELS])


@pytest.fixture
def x():
    torch.manual_seed(3)
    return torch.randn(3, 10, 3)


@pytest.mark.parametrize("lengths", TAKEN.values(), ids=TAKEN)
@each_server
def test_whole_numbers_are_taken(backend, lengths, x):
    layer = LSTM(3, 8, batch_first=True, backend=backend)
    output, _ = layer(x, lengths=lengths)
    assert [int((row.abs().sum(1) > 0).sum()) for row in output] == LENGTHS
    assert torch.equal(layer.last_states(x, lengths=lengths)[0][0], output[range(3), [n - 1 for n in LENGTHS]])


@pytest.mark.parametrize("lengths", REFUSED.values(), ids=REFUSED)
@each_server
def test_what_is_no_whole_number_is_refused(backend, lengths, x):
    with pytest.raises(EcrnnError, match=r"^lengths must be whole numbers, .*, got [^\n]{1,60} \(recurrence\)$"):
        LSTM(3, 8, batch_first=True, backend=backend)(x, lengths=lengths)


@pytest.mark.parametrize("lengths", WRONG.values(), ids=WRONG)
@each_server
def test_numbers_that_do_not_fit_are_refused(backend, lengths, x):
    with pytest.raises(
        EcrnnError, match=r"^lengths must be (of shape \(3,\)|from 1 to 10|whole numbers), [^\n]+ \(recurrence\)$"
    ):
        LSTM(3, 8, batch_first=True, backend=backend)(x, lengths=lengths)


@each_server
def test_an_empty_batch_has_no_lengths(backend, x):
    layer = LSTM(3, 8, batch_first=True, backend=backend)
    assert layer(x[:0], lengths=[])[0].shape == (0, 10, 8)
    with pytest.raises(EcrnnError, match=r"^lengths must be of shape \(0,\), "):
        layer(x[:0], lengths=[1])
