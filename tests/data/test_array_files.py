from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ecrnn.core.errors import DataError
from ecrnn.data import array_files
from ecrnn.data.array_files import read_array_groups, read_arrays, write_arrays

CLIPS = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 5, 3), np.uint8)


def saved(path: Path, **arrays: object) -> Path:
    np.savez_compressed(path, **{"clips": CLIPS, "labels": np.array([1, 0, 1, 0])} | arrays)
    return path


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def header(text: str, version: tuple[int, int] = (1, 0), data: bytes = b"") -> bytes:
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text) + 1)
    return b"\x93NUMPY" + bytes(version) + length + text.encode() + b"\n" + data


def packed(path: Path, **members: bytes) -> Path:
    members = {"clips": npy(CLIPS), "labels": npy(np.array([1, 0, 1, 0]))} | members
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


@pytest.mark.parametrize(
    ("arrays", "labels", "classes"),
    [
        ({}, [1, 0, 1, 0], ("0", "1")),
        ({"labels": np.array([7, -2, 7, 7], np.int8)}, [1, 0, 1, 1], ("-2", "7")),
        ({"labels": np.array(["b", "a", "b", "ç"])}, [1, 0, 1, 2], ("a", "b", "ç")),
        ({"classes": np.array(["b", "a", "none of it"])}, [1, 0, 1, 0], ("b", "a", "none of it")),
        ({"other": np.zeros(3)}, [1, 0, 1, 0], ("0", "1")),
    ],
)
def test_labels_and_classes(tmp_path, arrays, labels, classes):
    found = read_arrays(saved(tmp_path / "a.npz", **arrays), "clips")
    np.testing.assert_array_equal(found[0], CLIPS)
    assert found[1].dtype == np.int64
    assert (found[1].tolist(), found[2]) == (labels, classes)


def test_classes_that_a_damaged_file_hides_are_missed(tmp_path):
    """One bit of the archive's list, and the names of the classes after it would be gone without a word."""
    content = bytearray(saved(tmp_path / "a.npz", classes=np.array(["falls", "rises"])).read_bytes())
    labels = content.find(b"PK\1\2", content.find(b"PK\1\2") + 1)
    content[labels + 33] ^= 0x40  # a longer comment
    (tmp_path / "a.npz").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert archive.namelist() == ["clips.npy", "labels.npy"]
    with pytest.raises(DataError, match=r"a\.npz is damaged or of another kind"):
        read_arrays(tmp_path / "a.npz", "clips")


@pytest.mark.parametrize("name", ["classes.npy", "groups.npy"])
def test_an_array_whose_name_is_damaged_in_the_list_is_missed(tmp_path, name):
    """These may be missing, so one bit of the name would give classes 0 and 1, or splits that part groups."""
    path = saved(tmp_path / "a.npz", classes=np.array(["falls", "rises"]), groups=np.array([0, 0, 1, 1]))
    content = bytearray(path.read_bytes())
    content[content.rfind(name.encode())] ^= 1
    path.write_bytes(content)
    for read in (lambda: read_arrays(path, "clips"), lambda: read_array_groups(path)):
        with pytest.raises(DataError, match=r"a\.npz is damaged or of another kind"):
            read()


def test_a_comment_does_not_hide_what_is_lost(tmp_path):
    path = saved(tmp_path / "a.npz", classes=np.array(["falls", "rises"]))
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"packed by hand"
    assert read_arrays(path, "clips")[2] == ("falls", "rises")
    content = bytearray(path.read_bytes())
    content[content.find(b"PK\1\2", content.find(b"PK\1\2") + 1) + 33] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz is damaged or of another kind"):
        read_arrays(path, "clips")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_comes_twice_is_refused(tmp_path):
    path = packed(tmp_path / "a.npz")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.npy", npy(np.array([0, 0, 0, 1])))
    with pytest.raises(DataError, match=r"a\.npz is damaged or of another kind"):
        read_arrays(path, "clips")


def test_what_is_written_is_read_again(tmp_path):
    images, classes = CLIPS[:, 0], ("b", "a", "ç")
    write_arrays(tmp_path / "a.npz", "images", images, np.array([1, 0, 2, 0]), classes)
    found = read_arrays(tmp_path / "a.npz", "images")
    np.testing.assert_array_equal(found[0], images)
    assert (found[1].tolist(), found[2]) == ([1, 0, 2, 0], classes)
    with pytest.raises(DataError, match=r"a.npz lacks clips; give an .npz file with arrays clips, labels and"):
        read_arrays(tmp_path / "a.npz", "clips")


def test_images_have_one_axis_less(tmp_path):
    read, _, _ = read_arrays(saved(tmp_path / "a.npz", images=CLIPS[:, 0, ..., 0]), "images")
    np.testing.assert_array_equal(read, CLIPS[:, 0, ..., :1])
    with pytest.raises(DataError, match=r"images are uint8 of shape \(4, 3, 6, 5, 3\), but should be uint8 \(N, H, W"):
        read_arrays(saved(tmp_path / "a.npz", images=CLIPS), "images")


def test_grey_clips_and_other_orders_in_memory(tmp_path):
    found, _, _ = read_arrays(saved(tmp_path / "a.npz", clips=np.asfortranarray(CLIPS[..., 0])), "clips")
    np.testing.assert_array_equal(found, CLIPS[..., :1])
    assert found.flags.c_contiguous


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"clips": CLIPS.astype(np.float32)}, r"clips are float32 of shape \(4, 3, 6, 5, 3\), but should be uint8"),
        ({"clips": CLIPS[..., :2]}, r"clips are uint8 of shape \(4, 3, 6, 5, 2\)"),
        ({"clips": CLIPS[:, :, 0, 0]}, r"clips are uint8 of shape \(4, 3, 3\)"),
        ({"clips": CLIPS[:, :0]}, r"clips are uint8 of shape \(4, 0, 6, 5, 3\)"),
        ({"clips": CLIPS[:0], "labels": np.zeros(0, int)}, r"clips are uint8 of shape \(0, "),
        ({"labels": np.array([1, 0, 1])}, r"labels are int64 of shape \(3,\), but should be .* or texts \(4,\)"),
        ({"labels": np.array([1, 0, 1, 0.5])}, r"labels are float64 of shape \(4,\), but should be whole numbers or t"),
        ({"labels": np.array(["a"] * 4), "classes": np.array(["a"])}, r"labels are <U1 .* should be whole numbers \("),
        ({"classes": np.array(["a"])}, "there is a label 1, but the 1 classes count from 0"),
        ({"classes": np.array(["a", "b"]), "labels": np.array([0, -1, 0, 0])}, "there is a label -1, but the 2"),
        ({"classes": np.array(["a", "a"])}, "classes should be an array of different texts"),
        ({"classes": np.array(["a", ""])}, "classes should be an array of different texts"),
        ({"classes": np.array([b"a", b"b"])}, "classes should be an array of different texts"),
        ({"classes": np.array([["a", "b"]])}, "classes should be an array of different texts"),
        ({"clips": np.array([{}, {}], object)}, "clips.npy holds Python objects, which are not read"),
    ],
)
def test_arrays_that_do_not_hold_what_they_should(tmp_path, arrays, message):
    with pytest.raises(DataError, match=rf"a.npz: .*{message}|a.npz: {message}") as caught:
        read_arrays(saved(tmp_path / "a.npz", **arrays), "clips")
    assert "\n" not in str(caught.value)


def test_what_lacks_arrays_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", clips=CLIPS)
    with pytest.raises(DataError, match=r"a.npz lacks labels; give an .npz file with arrays clips, labels and"):
        read_arrays(tmp_path / "a.npz", "clips")
    np.savez(tmp_path / "b.npz", x=CLIPS, labels=CLIPS)
    with pytest.raises(DataError, match=r"b.npz lacks clips"):
        read_arrays(tmp_path / "b.npz", "clips")
    with pytest.raises(DataError, match=r"cannot read .*gone.npz: No such file"):
        read_arrays(tmp_path / "gone.npz", "clips")


def test_more_than_the_memory_is_told_from_the_header(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.npz")
    monkeypatch.setattr(array_files, "MEMORY_LIMIT", CLIPS.nbytes - 1)
    monkeypatch.setattr(np.lib.format, "read_array", None)  # would fail if it were called
    with pytest.raises(DataError, match=f"clips.npy holds {CLIPS.nbytes} bytes, more than {CLIPS.nbytes - 1}; give"):
        read_arrays(path, "clips")


@pytest.mark.parametrize("data", [npy(CLIPS) + b"x", npy(CLIPS)[:-1]])
def test_a_header_and_a_size_that_differ(tmp_path, monkeypatch, data):
    path = packed(tmp_path / "a.npz", clips=data)
    monkeypatch.setattr(np.lib.format, "read_array", None)  # would fail if it were called
    with pytest.raises(DataError, match=r"a.npz: clips.npy is damaged: its header and its size differ"):
        read_arrays(path, "clips")


@pytest.mark.filterwarnings("ignore:Reading")  # NumPy's, of headers that Python 2 wrote
@pytest.mark.parametrize(
    "clips",
    [
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 16, 512, 512, 3), }"),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (4, 3, 6, 5, 3), }", data=b"few"),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }", data=b"too many"),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (-4, -3, 1), }", data=bytes(12)),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (4, 3.0), }", data=bytes(12)),
        header("{'descr': '<U999999999', 'fortran_order': False, 'shape': (9,), }"),
        header("{'descr': '|V0', 'fortran_order': False, 'shape': (99999999999,), }"),
        header("{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (4,), }", data=bytes(4)),
        header("[" * 5000),
        header("__import__('os').system('false')"),
        header(" " * 20000, (2, 0)),
        header("{}"),
        header("\udcff".encode("utf-8", "surrogatepass").decode("latin-1")),
        header("{}", (3, 0)),
        header("{}", (9, 9)),
        b"",
        b"\x93NUMPY",
        b"not an array",
    ],
)
def test_hostile_headers_are_one_line(tmp_path, clips):
    path = packed(tmp_path / "a.npz", clips=clips)
    with pytest.raises(DataError, match=r"a.npz(:| is damaged)") as caught:
        read_arrays(path, "clips")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [0, 10, 100, -10, -1])
def test_cut_and_changed_files_are_one_line(tmp_path, cut):
    path = saved(tmp_path / "a.npz")
    data = path.read_bytes()
    path.write_bytes(data[:cut])
    with pytest.raises(DataError, match=r"a.npz is damaged or of another kind"):
        read_arrays(path, "clips")
    path.write_bytes(data[:300] + bytes([data[300] ^ 255]) + data[301:])
    with pytest.raises(DataError, match=r"a.npz is damaged or of another kind"):
        read_arrays(path, "clips")
