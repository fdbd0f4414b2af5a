from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecrnn.core.errors import DataError, UnknownNameError
from ecrnn.data import catalogue
from ecrnn.data import cifar as cifar_module
from ecrnn.data.cifar import read_members
from ecrnn.data.mnist import read_idx
from ecrnn.data.sources import SOURCES, TERMS
from ecrnn.tasks.image_classification import images


def check_same(raw, official):
    np.testing.assert_array_equal(raw.images, official.images)
    np.testing.assert_array_equal(raw.labels, official.labels)
    assert raw.labels.dtype == np.int64
    assert raw.images.dtype == np.uint8


@pytest.mark.parametrize("place", ["folder", "parent", "archive's folder", "archive"])
def test_cifar_is_found_in_every_local_layout(cifar, tmp_path, place):
    source = cifar.source
    match place:
        case "folder":
            data_dir = cifar.write(tmp_path / "any name", unpacked=True)
        case "parent":
            data_dir = cifar.write(tmp_path / source.folder, unpacked=True).parent
        case "archive's folder":
            data_dir = cifar.write(tmp_path)
        case "archive":
            data_dir = cifar.write(tmp_path) / source.archive.name
    raw = source.load(data_dir, tmp_path / "cache")
    check_same(raw, cifar)
    assert raw.n_train == 4 * len(source.train)
    assert raw.classes == tuple(f"class {i}" for i in range(10))
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize("below", ["", "first", "last"])
def test_idx_is_found_in_every_local_layout(idx, tmp_path, unpacked, below):
    name = {"": "", "first": idx.source.folders[0], "last": idx.source.folders[-1]}[below]
    idx.write(tmp_path / name, unpacked)
    raw = idx.source.load(tmp_path, tmp_path / "cache")
    check_same(raw, idx)
    assert raw.n_train == 7


def test_idx_files_with_a_dot_in_their_names(mnist, tmp_path):
    for name, data in mnist.unpacked.items():
        (tmp_path / name.replace("-idx", ".idx")).write_bytes(data)
    check_same(mnist.source.load(tmp_path, tmp_path), mnist)


@pytest.mark.parametrize(("unpacked", "name"), [(True, "data_batch_2"), (False, "cifar-10-python.tar.gz")])
def test_a_changed_cifar_file_is_named_with_both_checksums(cifar10, tmp_path, unpacked, name):
    path = cifar10.write(tmp_path, unpacked) / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    expected = {f.name: f.md5 for f in (cifar10.source.archive, *cifar10.source.members)}[name]
    message = rf"{name} is damaged.*its MD5 is [0-9a-f]{{32}}, expected {expected}; delete it and give the command"
    with pytest.raises(DataError, match=message):
        cifar10.source.load(tmp_path, tmp_path)


@pytest.mark.parametrize("unpacked", [False, True])
def test_a_changed_idx_file_is_named(mnist, tmp_path, unpacked):
    name = "t10k-labels-idx1-ubyte" + ("" if unpacked else ".gz")
    path = mnist.write(tmp_path, unpacked) / name
    path.write_bytes(path.read_bytes()[:-1] + b"\1")  # a label, or the size at the end of a .gz
    with pytest.raises(DataError, match=rf"{name} is damaged"):
        mnist.source.load(tmp_path, tmp_path)


@pytest.mark.parametrize("unpacked", [False, True])
def test_mnist_is_not_taken_for_fashion_mnist(mnist, tmp_path, unpacked):
    others = {(file.unpacked_md5 if unpacked else file.md5): f"{file.name} of mnist" for file in mnist.source.files}
    mnist.write(tmp_path, unpacked)
    with pytest.raises(DataError, match=r"\(it is train-images-idx3-ubyte.gz of mnist\)"):
        replace(SOURCES["fashion-mnist"], others=others).load(tmp_path, tmp_path)


def test_mnist_and_fashion_mnist_know_each_other():
    mnist, fashion = SOURCES["mnist"], SOURCES["fashion-mnist"]
    assert {file.md5 for file in fashion.files} <= mnist.others.keys()
    for file in mnist.files:
        assert fashion.others[file.md5] == fashion.others[file.unpacked_md5] == f"{file.name} of mnist"


def test_missing_files_are_named(cifar10, mnist, tmp_path):
    cifar10.write(tmp_path / "c", unpacked=True)
    (tmp_path / "c" / "data_batch_3").unlink()
    with pytest.raises(DataError, match="lacks data_batch_3 of cifar10"):
        cifar10.source.load(tmp_path / "c", tmp_path)
    mnist.write(tmp_path / "m")
    (tmp_path / "m" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"lacks train-labels-idx1-ubyte.gz of mnist"):
        mnist.source.load(tmp_path / "m", tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100"])
def test_an_empty_or_missing_data_dir_says_what_was_expected(tmp_path, name):
    with pytest.raises(DataError, match=f"there is no {name} in .*: expected .*leave --data-dir out"):
        images.load(name, data_dir=tmp_path, cache=tmp_path)
    with pytest.raises(DataError, match=r"there is no folder .*nowhere \(--data-dir\)"):
        images.load(name, data_dir=tmp_path / "nowhere", cache=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [0, 1, 2, 10]}, "labels that are not whole numbers from 0 to 9"),
        ({"labels": [0, 1, 2, -1]}, "labels that are not"),
        ({"labels": [0, 1, 2, b"3"]}, "labels that are not"),
        ({"labels": [0, 1]}, r"shape \(4, 3072\) for 2 labels"),
        ({"data": np.zeros((4, 3071), np.uint8)}, r"shape \(4, 3071\)"),
        ({"data": [1, 2]}, "no 'data'"),
    ],
)
def test_a_batch_that_does_not_hold_what_it_should(cifar10, tmp_path, python_2_pickle, change, message):
    batch = {"data": np.zeros((4, 3072), np.uint8), "labels": [0, 1, 2, 3]} | change
    data = python_2_pickle(batch)
    cifar10.unpacked["data_batch_1"] = data
    first = replace(cifar10.source.train[0], md5=hashlib.md5(data).hexdigest())
    source = replace(cifar10.source, train=(first, *cifar10.source.train[1:]))
    cifar10.write(tmp_path, unpacked=True)
    with pytest.raises(DataError, match=f"data_batch_1 has .*{message}|data_batch_1 has {message}"):
        source.load(tmp_path, tmp_path)


def archive(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_only_the_expected_regular_members_are_read(tmp_path):
    data = archive(
        (member("../../etc/passwd"), b"no"),
        (member("/f/a"), b"absolute"),
        (member("other/f/a"), b"elsewhere"),
        (member("a"), b"not in the folder"),
        (member("f/a", tarfile.SYMTYPE, "/etc/passwd"), b""),
        (member("f/a", tarfile.LNKTYPE, "f/b"), b""),
        (member("f/a", tarfile.CHRTYPE), b""),
        (member("f/a"), b"right"),
        (member("f/a"), b"second"),
        (member("./f/b"), b"too"),
    )
    assert read_members(data, "f", {"a", "b"}, Path("x")) == {"a": b"right", "b": b"too"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [0, 10, 100, -10, -1])
def test_a_cut_archive_is_one_line(cut):
    data = archive((member("f/a"), np.random.default_rng(0).bytes(5000)))
    with pytest.raises(DataError, match=r"x is a damaged archive|x lacks [ab]"):
        read_members(data[:cut], "f", {"a", "b"}, Path("x"))


@pytest.mark.parametrize("content", [b"", b"text", b"text" * 1000, b"\xff" * 2000])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_is_no_archive_is_one_line(content, pack):
    data = pack(content)  # here, not above: a gzip header holds the time, and a test's name must not
    with pytest.raises(DataError, match=r"damaged archive|lacks"):
        read_members(data, "f", {"a"}, Path("x"))


def test_archive_bombs_are_stopped(monkeypatch):
    monkeypatch.setattr(cifar_module, "_LARGEST_MEMBER", 1000)
    monkeypatch.setattr(cifar_module, "_LARGEST_ARCHIVE", 50_000)
    with pytest.raises(DataError, match="member of 1001 bytes, too large"):
        read_members(archive((member("f/a"), bytes(1001))), "f", {"a"}, Path("x"))
    many = archive(*((member(f"f/{i}"), bytes(1000)) for i in range(100)))
    with pytest.raises(DataError, match="unpacks to more than 50000 bytes"):
        read_members(many, "f", {"a"}, Path("x"))
    long_name = member("f/" + "n" * 100_000)  # its header alone is too long
    with pytest.raises(DataError, match="unpacks to more than 50000 bytes"):
        read_members(archive((long_name, b"")), "f", {"a"}, Path("x"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an idx file"),
        (b"\0\0\x08\x01\0\0", "not an idx file"),
        (b"\0\0\x0d\x01\0\0\0\x01x", "not an idx file"),
        (b"\0\0\x08\x03\0\0\0\x01" + b"x" * 9, "not an idx file"),
        (b"\0\0\x08\x01\0\0\0\x02x", "fewer bytes than the 2"),
        (b"\0\0\x08\x01\0\0\0\x01xy", "more bytes than the 1"),
        (b"\0\0\x08\x01\0\0\0\0", "says its shape is"),
        (b"\0\0\x08\x01\xff\xff\xff\xffx", "says its shape is"),
    ],
)
def test_wrong_idx_files_are_one_line(data, message):
    with pytest.raises(DataError, match=f"^f .*{message}"):
        read_idx(io.BytesIO(data), 1, Path("f"))


@pytest.mark.parametrize("end", [5, 15, -8, -1])
def test_cut_gzip_is_one_line(end):
    packed = gzip.compress(b"\0\0\x08\x01\0\0\x03\xe8" + np.random.default_rng(0).bytes(1000))
    with pytest.raises(DataError, match="f is damaged or cut off"):
        read_idx(gzip.GzipFile(fileobj=io.BytesIO(packed[:end])), 1, Path("f"))


def test_a_gzip_bomb_is_not_unpacked():
    packed = gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(b"\0\0\x08\x01\0\0\0\x05" + bytes(10_000_000))))
    with pytest.raises(DataError, match="more bytes than the 5"):
        read_idx(packed, 1, Path("f"))
    assert packed.tell() < 100


def test_digits_need_no_file_and_no_network(tmp_path):
    digits = images.load("digits", data_dir=tmp_path, cache=tmp_path)
    assert digits.images.shape == (1797, 32, 32, 1)
    assert digits.image == (1, 32, 32)
    assert digits.n_train == 1797 == len(digits)
    assert digits.classes == tuple("0123456789")
    assert digits.images.max() == 255
    assert digits.images.min() == 0
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    own = images.load("digits", image_size=8, cache=tmp_path)
    assert own.images[0, 0].ravel().tolist() == [0, 0, 80, 207, 143, 16, 0, 0]  # 0 0 5 13 9 1 0 0 of 16
    assert images.load("digits", image_size=(20, 24), channels=3, cache=tmp_path).image == (3, 20, 24)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_real_cifar10(real_data, tmp_path):
    if not (real_data / "cifar-10-batches-py").is_dir():
        pytest.skip("no cifar-10-batches-py in the real data")
    found = images.load("cifar10", data_dir=real_data, cache=tmp_path)
    assert found.images.shape == (60000, 32, 32, 3)
    assert found.n_train == 50000
    assert found.classes[3] == "cat"
    assert np.bincount(found.labels[:50000]).tolist() == [5000] * 10
    assert found.labels[:5].tolist() == [6, 9, 9, 4, 1]  # frog, truck, truck, deer, automobile
    assert found.images[0, 0, 0].tolist() == [59, 62, 63]  # the first training image's corner, as published
    np.testing.assert_allclose(found.images[:50000].mean((0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=1e-4)


@pytest.mark.slow
def test_real_mnist(real_data, tmp_path):
    if not (real_data / "mnist").is_dir():
        pytest.skip("no mnist in the real data")
    found = images.load("mnist", data_dir=real_data / "mnist", cache=tmp_path)
    assert found.images.shape == (70000, 28, 28, 1)
    assert found.n_train == 60000
    assert found.labels[:5].tolist() == [5, 0, 4, 1, 9]
    np.testing.assert_allclose(found.images[:60000].mean() / 255, 0.1307, atol=1e-4)
    shutil.copytree(real_data / "mnist", tmp_path / "bare")
    for path in (tmp_path / "bare").iterdir():  # unpacked, the published checksums are ours
        (tmp_path / "bare" / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    again = images.load("mnist", data_dir=tmp_path / "bare", cache=tmp_path)
    assert again.fingerprint == found.fingerprint


def test_unknown_names_name_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError, match=r"unknown data set 'cifar-10', did you mean 'cifar10'\? .*folder"):
        images.load("cifar-10", cache=tmp_path)
    with pytest.raises(DataError, match="no/where does not exist; give a folder"):
        images.load("./no/where", cache=tmp_path)
    assert images.names() == ["cifar10", "cifar100", "digits", "fashion-mnist", "mnist"]


def test_terms_of_every_data_set():
    assert TERMS.keys() == set(catalogue.names())
