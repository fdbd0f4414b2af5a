"""Names that look alike are equal, whatever system wrote them."""

import unicodedata
from pathlib import Path

import pytest

from ecrnn.core.spelling import alike, nfc, on_disk, order

NAMES = ("강아지", "Äpfel", "café", "が", "cat")


def nfd(name: str) -> str:
    return unicodedata.normalize("NFD", name)


@pytest.mark.parametrize("name", NAMES)
def test_both_spellings_are_one_name(name):
    assert nfc(nfd(name)) == nfc(name) == name
    assert alike([name, nfd(name)]) == (None if name.isascii() else (name, nfd(name)))


def test_the_order_does_not_depend_on_the_spelling():
    composed = sorted(NAMES)
    assert sorted(NAMES, key=order) == composed  # as it was before
    assert [nfc(name) for name in sorted(map(nfd, NAMES), key=order)] == composed
    assert alike(NAMES) is None


def test_a_path_is_found_in_the_spelling_of_the_disk(tmp_path):
    there = tmp_path / nfd("사진") / nfd("강아지")
    there.mkdir(parents=True)
    assert on_disk(tmp_path / "사진" / "강아지") == there
    assert on_disk(there) == there
    for missing in (tmp_path / "사진" / "고양이", tmp_path / "없다" / "고양이", Path("/없다")):
        assert not on_disk(missing).exists()
