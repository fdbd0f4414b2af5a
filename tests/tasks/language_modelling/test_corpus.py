from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ecrnn.core.errors import DataError, SettingsError, UnknownNameError
from ecrnn.core.events import Downloading
from ecrnn.data import textfiles
from ecrnn.tasks.language_modelling import corpus
from ecrnn.tasks.language_modelling.corpus import TINY_SHAKESPEARE, load, make_corpus

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def predicted(blocks: list[str]) -> str:
    return "".join(block[1:] for block in blocks)


def test_blocks_share_one_character_and_predict_each_once():
    found = make_corpus("x", ALPHABET, "", 4)
    assert len(found) == found.n_train == 6
    assert [found.block(i) for i in range(6)] == ["abcde", "efghi", "ijklm", "mnopq", "qrstu", "uvwxy"]
    assert found.text == ALPHABET[:25]
    assert len(make_corpus("x", ALPHABET[:25], "", 4)) == 6
    assert len(make_corpus("x", ALPHABET[:24], "", 4)) == 5


@pytest.mark.parametrize("length", [2, 3, 4, 5, 7])
@pytest.mark.parametrize("n_test", [8, 9, 10, 11, 12])
def test_nothing_of_the_test_part_is_seen_in_training(length, n_test):
    train, test = ALPHABET, ALPHABET[:n_test].upper()
    found = make_corpus("x", train, test, length)
    blocks = [found.block(i) for i in range(len(found))]
    assert {len(block) for block in blocks} == {length + 1}
    n_train = 25 // length
    assert found.n_train == n_train
    assert len(found) - n_train == (n_test - 1) // length
    assert predicted(blocks[:n_train]) == train[1 : n_train * length + 1]
    assert predicted(blocks[n_train:]) == test[1 : (len(found) - n_train) * length + 1]
    assert "".join(blocks[:n_train]).islower()
    assert "".join(blocks[n_train:]).isupper()


def test_blocks_out_of_range():
    found = make_corpus("x", ALPHABET, "", 4)
    for i in (-1, 6):
        with pytest.raises(IndexError):
            found.block(i)


@pytest.mark.parametrize(
    ("train", "test", "length"),
    [("", "", 4), ("a" * 8, "", 4), ("a" * 4, "a" * 9, 4), ("a" * 9, "a" * 4, 4), ("a" * 9, "a", 4)],
)
def test_too_little_text(train, test, length):
    with pytest.raises(DataError, match=r"x has [0-9 +]+ characters, too few for blocks of 4; give more text"):
        make_corpus("x", train, test, length)


def test_two_blocks_will_do():
    assert len(make_corpus("x", "a" * 9, "", 4)) == 2
    assert len(make_corpus("x", "a" * 5, "a" * 5, 4)) == 2


@pytest.mark.parametrize("length", [-1, 0, 1, 65537])
def test_lengths_out_of_bounds(length):
    with pytest.raises(SettingsError, match=f"length: is {length}, but a block has 2 to 65536 characters"):
        make_corpus("x", ALPHABET, "", length)


def test_the_fingerprint_is_of_the_blocks():
    first = make_corpus("x", ALPHABET, "", 4)
    assert make_corpus("other", ALPHABET, "", 4).fingerprint == first.fingerprint
    assert make_corpus("x", ALPHABET[:25], "", 4).fingerprint == first.fingerprint
    others = [
        make_corpus("x", ALPHABET, "", 5),
        make_corpus("x", ALPHABET[:24] + "Y", "", 4),
        make_corpus("x", ALPHABET[:13], ALPHABET[13:25], 4),
    ]
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 4
    early, late = make_corpus("x", "a" * 5, "a" * 9, 4), make_corpus("x", "a" * 9, "a" * 5, 4)
    assert early.text == late.text
    assert early.fingerprint != late.fingerprint


def test_a_file_and_a_folder(tmp_path):
    for name, content in {
        "b.txt": "second\r\nfile",
        "a.txt": "\ufefffirst file\n\n",
        "deep/c.TXT": "third",
        "empty.txt": "\n",
        "notes.md": "not read",
        ".hidden.txt": "not seen",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content.encode())
    assert load(tmp_path, length=2).text == "first file\n\nsecond\nfile\n\nthird"[:29]
    found = load(str(tmp_path / "b.txt"), length=2)
    assert (found.text, found.name) == ("second\nfile", str(tmp_path / "b.txt"))
    assert found.n_train == len(found) == 5


def test_errors_of_files_and_folders(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"holds no .txt files"):
        load(tmp_path, length=2)
    (tmp_path / "a.txt").write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"a.txt, line 1: this is not UTF-8"):
        load(tmp_path, length=2)
    with pytest.raises(DataError, match=r"a.txt, line 1: this is not UTF-8"):
        load(tmp_path / "a.txt", length=2)
    with pytest.raises(
        DataError, match=r"no/where does not exist; give a .txt file or a folder of them, or tiny-shake"
    ):
        load("no/where", length=2)
    with pytest.raises(UnknownNameError, match="did you mean 'tiny-shakespeare'"):
        load("tinyshakespeare", length=2)
    (tmp_path / "a.txt").write_text("a" * 60)
    (tmp_path / "b.txt").write_text("b" * 60)
    monkeypatch.setattr(corpus, "LARGEST_FILE", 100)
    monkeypatch.setattr(textfiles, "LARGEST_FILE", 100)
    with pytest.raises(DataError, match="holds more than 100 characters"):
        load(tmp_path, length=2)


@pytest.fixture
def small(monkeypatch, md5) -> bytes:
    """A small file in place of the official one."""
    content = ("".join(ALPHABET[i % 26] for i in range(100)) + "\n").encode()
    file = replace(TINY_SHAKESPEARE, md5=md5(content), size=len(content))
    monkeypatch.setattr(corpus, "TINY_SHAKESPEARE", file)
    return content


@pytest.mark.parametrize("folder", ["tinyshakespeare", "tiny-shakespeare", "."])
def test_tiny_shakespeare_from_a_local_copy(tmp_path, small, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "input.txt").write_bytes(small)
    found = load("tiny-shakespeare", length=4, data_dir=tmp_path)
    assert found.name == "tiny-shakespeare"
    assert (len(found), found.n_train) == (24, 22)  # 101 characters: 90 and 11
    assert found.block(22) == small.decode()[90:95]
    (tmp_path / folder / "input.txt").write_bytes(small[:-1])
    with pytest.raises(DataError, match=r"input.txt is damaged or another file: its MD5 is"):
        load("tiny-shakespeare", length=4, data_dir=tmp_path)


def test_tiny_shakespeare_is_downloaded_once(tmp_path, small, server, monkeypatch):
    server.files = {"input.txt": small}
    file = replace(corpus.TINY_SHAKESPEARE, urls=(f"{server.url}/input.txt",))
    monkeypatch.setattr(corpus, "TINY_SHAKESPEARE", file)
    events = []
    first = load("tiny-shakespeare", length=4, cache=tmp_path, progress=events.append)
    assert load("tiny-shakespeare", length=4, cache=tmp_path) == first
    assert server.asked == ["input.txt"]
    assert events[-1] == Downloading("input.txt", 101, 101)


def test_tiny_shakespeare_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"no tiny-shakespeare in .*: expected input.txt, .*leave .* to download it$"):
        load("tiny-shakespeare", length=4, data_dir=tmp_path)


def test_real_tiny_shakespeare(real_data):
    if not (real_data / "tinyshakespeare").is_dir():
        pytest.skip("no tinyshakespeare in the real data")
    found = load("tiny-shakespeare", length=128, data_dir=real_data)
    assert found.block(0).startswith("First Citizen:\nBefore we proceed")
    assert (found.n_train, len(found)) == (1003853 // 128, 1003853 // 128 + 111539 // 128)
    assert found.block(found.n_train).startswith("?\n\nGREMIO:\nGood morrow")
    assert len(set(found.text)) == 65
    assert (Path(real_data) / "tinyshakespeare" / "input.txt").stat().st_size == TINY_SHAKESPEARE.size
