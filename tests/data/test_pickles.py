from __future__ import annotations

import os
import pickle
import struct

import numpy as np
import pytest

from ecrnn.core.errors import DataError
from ecrnn.data.pickles import read_pickle

PIXELS = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
BATCH = {"data": PIXELS, "labels": [3, 0, 9, 300], "batch_label": "one", "filenames": [b"a.png", b"b\xff.png"]}


def test_batches_of_python_2_come_back_as_bytes(python_2_pickle):
    found = read_pickle(python_2_pickle(BATCH), "batch")
    assert found.keys() == {b"data", b"labels", b"batch_label", b"filenames"}
    assert found[b"data"].dtype == np.uint8
    np.testing.assert_array_equal(found[b"data"], PIXELS)
    assert found[b"labels"] == [3, 0, 9, 300]
    assert found[b"batch_label"] == b"one"
    assert found[b"filenames"] == [b"a.png", b"b\xff.png"]


@pytest.mark.parametrize("name", ["batches.meta", "test_batch"])
def test_real_batches_equal_unpickling(real_data, name):
    path = real_data / "cifar-10-batches-py" / name
    if not path.exists():
        pytest.skip(f"no {path}")
    data = path.read_bytes()
    expected = pickle.loads(data, encoding="bytes")
    found = read_pickle(data, name)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x80\x02]q\x01(h\x01K\x05e.", "recursive"),  # a list that holds itself
        (b"\x80\x02}q\x01U\x01aq\x02]K\x01as.", {b"a": [1]}),  # one item at a time
        (b"\x80\x02(U\x01aq\x02h\x02r\x00\x01\x00\x00j\x00\x01\x00\x00t.", (b"a", b"a", b"a")),  # the memo
        (b"\x80\x02(NK\x01\x85K\x02K\x03\x86\x88t.", (None, (1,), (2, 3), True)),
    ],
)
def test_what_cpickle_writes_of_plain_data(data, value):
    found = read_pickle(data, "batch")
    if value == "recursive":
        assert found[0] is found
        assert found[1:] == [5]
    else:
        assert found == value == pickle.loads(data, encoding="bytes")


def test_columns_first_is_read_as_such(python_2_pickle):
    data = python_2_pickle(PIXELS).replace(b"\x89", b"\x88")  # the flag of Fortran's order
    np.testing.assert_array_equal(read_pickle(data, "batch"), PIXELS.reshape(6, 4).T)


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def calls(path: str) -> list[bytes]:
    """Pickles that make a folder or evaluate text when they are loaded."""
    text = path.encode()
    return [
        b"cos\nmkdir\n(S'" + text + b"'\ntR.",
        b"(S'" + text + b"'\nios\nmkdir\n.",
        b"(cos\nmkdir\nS'" + text + b"'\no.",
        b"\x80\x02cos\nmkdir\nU" + bytes([len(text)]) + text + b"\x85R.",
        b"\x80\x02c__builtin__\neval\nU\x011\x85R.",
        *(pickle.dumps({"data": Attack(path)}, protocol) for protocol in range(6)),
    ]


@pytest.mark.parametrize("case", range(11))
def test_nothing_is_called(tmp_path, case):
    path = tmp_path / "folder"
    data = calls(str(path))[case]
    with pytest.raises(DataError, match=r"^bad is not a batch of CIFAR .*it was not run$"):
        read_pickle(data, "bad")
    assert not path.exists()
    if case != 4:
        pickle.loads(data)
        assert path.exists()  # the attack itself works, so the test can fail


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pickle.dumps(1.5, 2), "opcode BINFLOAT is not plain data"),
        (b"\x80\x02c_codecs\nencode\n.", "it names '_codecs encode'"),  # as Python 3 writes bytes
        (b"\x80\x04\x8f.", "opcode EMPTY_SET"),
    ],
)
def test_other_data_is_refused(data, reason):
    with pytest.raises(DataError, match=reason):
        read_pickle(data, "bad")


def test_other_arrays_are_refused(python_2_pickle):
    data = python_2_pickle(PIXELS)
    for change in ((b"U\x02u1", b"U\x02i1"), (b"(K\x01(", b"(K\x02(")):  # the type, the version of the state
        with pytest.raises(DataError, match="not an array of uint8"):
            read_pickle(data.replace(*change), "bad")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x02N",  # no end
        b"\x80\x02NN.",  # two values
        b"\x80\x02h\x07.",  # a memo entry that is not there
        b"\x80\x02t.",  # no mark
        b"\x80\x02}(K\x01u.",  # an odd number of items
        b"\x80\x02K\x01K\x02a.",  # append to a number
        b"\x80\x02}]K\x01s.",  # a key that is a list
        b"\x80\x02NNb.",
        b"\xff\xfe\xfd",
        b"\x80\x02T\xff\xff\xff\xffabc.",
        b"\x80\x02T\xff\xff\xff\x7fabc.",
    ],
)
def test_nonsense_is_one_line(data):
    with pytest.raises(DataError, match=r"^bad is not a batch of CIFAR as published \(.+\)") as caught:
        read_pickle(data, "bad")
    assert "\n" not in str(caught.value)


def test_every_truncation_is_an_error(python_2_pickle):
    data = python_2_pickle(BATCH)
    for end in range(len(data)):
        with pytest.raises(DataError):
            read_pickle(data[:end], "cut")


def test_an_array_larger_than_its_bytes_is_refused(python_2_pickle):
    data = python_2_pickle({"data": PIXELS})
    size = struct.pack("<i", 2**31 - 1)
    huge = data.replace(b"(K\x04K\x06t", b"(J" + size + b"J" + size + b"t")
    assert huge != data
    with pytest.raises(DataError, match="reshape"):
        read_pickle(huge, "bad")


def test_changed_bytes_give_data_or_one_error(python_2_pickle):
    rng = np.random.default_rng(0)
    original = python_2_pickle(BATCH)
    outcomes = set()
    for _ in range(1000):
        data = bytearray(original)
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(len(data))] = rng.integers(256)
        try:
            read_pickle(bytes(data), "changed")
            outcomes.add("data")
        except DataError:
            outcomes.add("error")
    assert outcomes == {"data", "error"}
