from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from ecrnn.core.errors import DataError, UnknownNameError
from ecrnn.tasks.translation import sentence_pairs
from ecrnn.tasks.translation.sentence_pairs import MULTI30K, load, make_pair_set

TRAIN = {"train.en": "one\ntwo\n", "train.fr": "un\r\ndeux"}
TEST = {"test.en": "four\n", "test.fr": "quatre\n"}
VAL = {"val.en": "three\n", "val.fr": "trois\n"}


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        data = content.encode()
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def test_a_folder_of_two_languages(tmp_path):
    write(tmp_path, {**TRAIN, "readme.txt": "no", "train.en.tok": "no", "other.en": "no", ".train.de": "no"})
    found = load(tmp_path)
    assert (found.sources, found.targets) == (("one", "two"), ("un", "deux"))
    assert (found.name, found.n_train, len(found)) == (str(tmp_path), 2, 2)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_parts_and_directions(tmp_path, suffix):
    write(tmp_path, {name + suffix: content for name, content in {**TRAIN, **VAL, **TEST}.items()})
    english, french = ("one", "two", "three", "four"), ("un", "deux", "trois", "quatre")
    for data in (tmp_path, tmp_path / f"train.en{suffix}", str(tmp_path / f"train.en{suffix}")):
        found = load(data)
        assert (found.sources, found.targets, found.n_train) == (english, french, 3)
    other = load(tmp_path / f"train.fr{suffix}")
    assert (other.sources, other.targets, other.n_train) == (french, english, 3)


@pytest.mark.parametrize("name", ["pairs.tsv", "train.tsv"])
def test_a_table(tmp_path, name):
    write(tmp_path, {name: "Source\tTarget\none\tun\n\ntwo\tdeux\n"})
    found = load(tmp_path / name)
    assert (found.sources, found.targets, found.n_train) == (("one", "two"), ("un", "deux"), 2)


def test_an_empty_line_takes_its_partner_along(tmp_path):
    write(tmp_path, {"train.a": "1\n\n3\n4\n \n", "train.b": "one\ntwo\n\nfour\n\n"})
    found = load(tmp_path)
    assert list(zip(found.sources, found.targets, strict=True)) == [("1", "one"), ("4", "four")]


def test_other_line_separators_do_not_shift_the_pairs(tmp_path):
    write(tmp_path, {"train.a": "1\u2028\x85x\n2\n", "train.b": "one\ntwo\x0b\x0c\r\n"})
    found = load(tmp_path)
    assert found.targets == ("one", "two")
    assert found.sources[1] == "2"


def test_the_fingerprint_is_of_the_content(tmp_path):
    pairs = [("one", "un"), ("two", "deux"), ("three", "trois")]
    first = make_pair_set("x", pairs)
    assert make_pair_set("y", pairs).fingerprint == first.fingerprint
    others = [
        make_pair_set("x", pairs[:2], pairs[2:]),
        make_pair_set("x", [(b, a) for a, b in pairs]),
        make_pair_set("x", [*pairs[:2], ("three", "troi")]),
        make_pair_set("x", [*pairs[:2], ("thre", "etrois")]),
    ]
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 5


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no train.<language>; a folder of sentence pairs has two, as in train.en and train.fr"),
        ({"train.en": "x"}, r"holds train. in 1 languages \(en\); a folder"),
        ({**TRAIN, "train.de": "eins\nzwei\n"}, r"holds train. in 3 languages \(de, en, fr\)"),
        ({**TRAIN, "train.en.gz": "one\n"}, r"holds both train.en and train.en.gz; remove one"),
        ({**TRAIN, "test.en": "x"}, "holds test. in en but train. in en, fr"),
        ({**TRAIN, "val.en": "x", "val.de": "x"}, "holds val. in de, en but train. in en, fr"),
        ({"train.en": "1\n2\n3\n", "train.fr": "1\n2\n"}, r"train.en has 3 lines and train.fr has 2; line by line"),
        ({"train.en": "1\n", "train.fr": "1\n"}, "holds 1 pair of sentences to train on; give at least two"),
        ({"train.en": "", "train.fr": ""}, "holds 0 pairs"),
        ({"train.en": "1\n\0\n", "train.fr": "1\n2\n"}, r"train.en, line 2: there is a NUL"),
    ],
)
def test_folders_that_hold_no_pairs(tmp_path, files, message):
    with pytest.raises(DataError, match=message):
        load(write(tmp_path, files))


def test_tables_and_names_that_hold_no_pairs(tmp_path):
    write(tmp_path, {"a.tsv": "one\tun\ntwo\n"})
    with pytest.raises(DataError, match=r"a.tsv, line 2 has 1 column, but should hold source TAB target"):
        load(tmp_path / "a.tsv")
    with pytest.raises(UnknownNameError, match="did you mean 'multi30k-en-fr'"):
        load("multi30k-fr-en")
    with pytest.raises(
        DataError, match=r"no/where does not exist; give a .tsv file of sources and targets, or a folder"
    ):
        load("no/where")


@pytest.fixture
def small(monkeypatch, md5) -> dict[str, bytes]:
    """Small files in place of the official ones."""
    lines = {"train": 3, "val": 2, "test_2016_flickr": 1}
    files = {}
    for file in MULTI30K:
        part, language, _ = file.name.split(".")
        files[file.name] = gzip.compress("".join(f"{part} {language} {i}\n" for i in range(lines[part])).encode())
    plain = {name: md5(gzip.decompress(content)) for name, content in files.items()}
    known = tuple(
        replace(f, md5=md5(files[f.name]), size=len(files[f.name]), unpacked_md5=plain[f.name]) for f in MULTI30K
    )
    monkeypatch.setattr(sentence_pairs, "MULTI30K", known)
    return files


def check(found) -> None:
    assert found.sources == ("train en 0", "train en 1", "train en 2", "val en 0", "val en 1", "test_2016_flickr en 0")
    assert found.targets == tuple(source.replace(" en ", " fr ") for source in found.sources)
    assert (found.name, found.n_train) == ("multi30k-en-fr", 5)


@pytest.mark.parametrize("folder", ["multi30k", "data/task1/raw", "."])
@pytest.mark.parametrize("unpacked", [False, True])
def test_multi30k_from_a_local_copy(tmp_path, small, folder, unpacked):
    (tmp_path / folder).mkdir(exist_ok=True, parents=True)
    for name, content in small.items():
        path = tmp_path / folder / name
        path.write_bytes(content)
        if unpacked:
            path.with_suffix("").write_bytes(gzip.decompress(content))
            path.unlink()
    check(load("multi30k-en-fr", data_dir=tmp_path))


def test_multi30k_that_is_damaged_or_not_there(tmp_path, small):
    with pytest.raises(DataError, match=r"expected train.en.gz and five more, there or in .*multi30k; leave"):
        load("multi30k-en-fr", data_dir=tmp_path)
    for name, content in small.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "val.fr.gz").write_bytes(small["val.en.gz"])
    with pytest.raises(DataError, match=r"val.fr.gz is damaged or another file"):
        load("multi30k-en-fr", data_dir=tmp_path)


def test_multi30k_is_downloaded_once(tmp_path, small, server, monkeypatch):
    server.files = small
    known = tuple(replace(f, urls=(f"{server.url}/{f.name}",)) for f in sentence_pairs.MULTI30K)
    monkeypatch.setattr(sentence_pairs, "MULTI30K", known)
    check(load("multi30k-en-fr", cache=tmp_path))
    check(load("multi30k-en-fr", cache=tmp_path))
    assert sorted(server.asked) == sorted(small)


def test_real_multi30k(real_data):
    if not (real_data / "multi30k").is_dir():
        pytest.skip("no multi30k in the real data")
    found = load("multi30k-en-fr", data_dir=real_data)
    assert (found.n_train, len(found)) == (29000 + 1014, 31014)
    assert found.sources[0] == "Two young, White males are outside near many bushes."
    assert found.targets[0] == "Deux jeunes hommes blancs sont dehors près de buissons."
    assert found.sources[found.n_train] == "A man in an orange hat starring at something."
    assert all(file.size == (real_data / "multi30k" / file.name).stat().st_size for file in MULTI30K)
