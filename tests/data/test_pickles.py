from __future__ import annotations

import io
import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest

from ecrnn.core.errors import DataError
from ecrnn.data.pickles import read_pickle

PIXELS = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
BATCH = {
    "data": PIXELS,
    "labels": [3, 0, 9, 300],
    "batch_label": "one",
    "filenames": [b"a.png", b"b\xff.png"],
}


def as_text(key: bytes | str) -> str:
    return key.decode() if isinstance(key, bytes) else key


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("order", ["C", "F"])
def test_batches_of_every_protocol_come_back(protocol, order):
    batch = BATCH | {"data": np.asarray(PIXELS, order=order), "more": (1, None, True, -(2**40))}
    found = read_pickle(pickle.dumps(batch, protocol), "batch")
    assert found.keys() == batch.keys()
    assert found["data"].dtype == np.uint8
    np.testing.assert_array_equal(found.pop("data"), batch.pop("data"))
    assert found == batch


def test_batches_of_python_2_come_back_as_bytes(python_2_pickle):
    found = {as_text(k): v for k, v in read_pickle(python_2_pickle(BATCH), "batch").items()}
    np.testing.assert_array_equal(found["data"], PIXELS)
    assert found["labels"] == [3, 0, 9, 300]
    assert found["batch_label"] == b"one"
    assert found["filenames"] == [b"a.png", b"b\xff.png"]


def test_a_shared_array_is_the_same_array():
    found = read_pickle(pickle.dumps([PIXELS, PIXELS, [PIXELS]], 2), "batch")
    assert found[0] is found[1] is found[2][0]


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


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def global_call(path: str) -> list[bytes]:
    text = path.encode()
    return [
        b"cos\nmkdir\n(S'" + text + b"'\ntR.",
        b"(S'" + text + b"'\nios\nmkdir\n.",
        b"(cos\nmkdir\nS'" + text + b"'\no.",
        b"\x80\x02cos\nmkdir\n" + b"X" + struct.pack("<I", len(text)) + text + b"\x85R.",
        b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.",
        b"\x80\x02c__builtin__\nexec\nX\x01\x00\x00\x001\x85R.",
        b"\x80\x02cnumpy\nfromfile\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x13core.multiarray.dot\x93.",
        b"\x80\x02c_codecs\ndecode\n.",
    ]


@pytest.mark.parametrize("case", range(9))
def test_names_that_are_not_allowed_are_not_called(tmp_path, case):
    path = tmp_path / "made"
    with pytest.raises(DataError, match=r"^bad is not a pickle of plain data.*it was not run$"):
        read_pickle(global_call(str(path))[case], "bad")
    assert not path.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_reduce_is_not_run(tmp_path, protocol):
    data = pickle.dumps({"data": Attack(str(tmp_path / "made"))}, protocol)
    with pytest.raises(DataError):
        read_pickle(data, "bad")
    assert not (tmp_path / "made").exists()
    pickle.loads(data)
    assert (tmp_path / "made").exists()  # the attack itself works, so the test can fail


class Slots:
    def __init__(self):
        self.x = 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({(1, 2): 3}, "keys"),
        (PIXELS.astype(np.int64), "uint8"),
        (np.array([object()]), "uint8"),
        (np.zeros(2, [("a", "u1")]), "uint8"),
        (1.5, "BINFLOAT"),
        ({1, 2}, "not plain data|__builtin__|builtins"),
        (np.uint8(3), "scalar"),
        (np.dtype("u1"), "unfinished"),
        (np.zeros((1,) * 5, np.uint8), "shape"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_other_data_is_refused(value, reason, protocol):
    with pytest.raises(DataError, match=reason):
        read_pickle(pickle.dumps(value, protocol), "bad")


def test_instances_are_refused():
    with pytest.raises(DataError, match=r"Slots|NEWOBJ"):
        read_pickle(pickle.dumps(Slots(), 2).replace(b"test_pickles", b"somewhere_xx"), "bad")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x02.",
        b"\x80\x02N",  # no end
        b"\x80\x02NN.",  # two values
        b"\x80\x02(.",  # a mark alone
        b"\x80\x02(q\x00.",
        b"\x80\x02h\x07.",  # a memo entry that is not there
        b"\x80\x02t.",
        b"\x80\x02]K\x01K\x02a.",
        b"\x80\x02}K\x01K\x02s(K\x01u.",  # odd number of items
        b"\x80\x02K\x01K\x02a.",  # append to a number
        b"\x80\x02NNb.",
        b"\x80\x02NNR.",
        b"\x80\x02Pid\n.",
        b"\x80\x02K\x01Q.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02I99\n.",
        b"\x80\x05\x97.",  # out-of-band buffer
        b"\x80\x04K\x01K\x02\x93.",
        b"\xff\xfe\xfd",
        b"\x80\x02T\xff\xff\xff\xffabc.",
        b"\x80\x02T\xff\xff\xff\x7fabc.",
        b"\x80\x02B\xff\xff\xff\xffabc.",
        b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"abc.",
        b"\x80\x04\x8d" + (2**64 - 1).to_bytes(8, "little") + b"abc.",
        b"\x80\x05\x96" + (2**50).to_bytes(8, "little") + b"abc.",
        b"\x80\x02\x8b\xff\xff\xff\x7fabc.",
    ],
)
def test_nonsense_is_one_line(data):
    with pytest.raises(DataError, match=r"^bad is not a pickle of plain data and uint8 arrays \(.*\)") as caught:
        read_pickle(data, "bad")
    assert "\n" not in str(caught.value)


def test_every_truncation_is_an_error(python_2_pickle):
    data = python_2_pickle(BATCH)
    for end in range(len(data)):
        with pytest.raises(DataError):
            read_pickle(data[:end], "cut")


def test_an_array_larger_than_its_bytes_is_refused(python_2_pickle):
    data = python_2_pickle({"data": PIXELS})
    huge = data.replace(b"(K\x04K\x06t", b"(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft")
    assert huge != data
    with pytest.raises(DataError, match="shape does not fit"):
        read_pickle(huge, "bad")


def test_changed_bytes_give_data_or_one_error(python_2_pickle):
    rng = np.random.default_rng(0)
    originals = [python_2_pickle(BATCH), *(pickle.dumps(BATCH, p) for p in (2, 4, 5))]
    outcomes = set()
    for trial in range(3000):
        data = bytearray(originals[trial % len(originals)])
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(len(data))] = rng.integers(256)
        try:
            read_pickle(bytes(data), "changed")
            outcomes.add("data")
        except DataError:
            outcomes.add("error")
    assert outcomes == {"data", "error"}


def test_deep_and_recursive_lists_are_harmless():
    deep = b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."
    assert len(read_pickle(deep, "deep")) == 1
    loop: list = []
    loop.append(loop)
    found = read_pickle(pickle.dumps(loop, 2), "loop")
    assert found[0] is found


def test_references_do_not_multiply():
    value: list = [b"x" * 1000]
    for _ in range(60):  # 2**60 strings, were they copied
        value = [value, value]
    tracemalloc.start()
    read_pickle(pickle.dumps(value, 4), "bomb")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_encoding_the_same_text_again_and_again_is_refused():
    out = io.BytesIO()
    out.write(b"\x80\x02c_codecs\nencode\nq\x01X" + struct.pack("<I", 100_000) + b"x" * 100_000)
    out.write(b"q\x02X\x06\x00\x00\x00latin1q\x03000](" + b"h\x01h\x02h\x03\x86R" * 10_000 + b"e.")
    data = out.getvalue().replace(b"000](", b"\x86\x85\x85](")
    with pytest.raises(DataError, match="larger than the file"):
        read_pickle(data, "bomb")
