from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecrnn.core.errors import DataError, UnknownNameError
from ecrnn.core.events import Loading
from ecrnn.data import image_decoding
from ecrnn.data.folder import read_image
from ecrnn.tasks.captioning.captions import load

TABLE = (
    "image\tsplit\tcaption\r\n"
    "t.png\ttest\tThe last .\r\n"
    "a.png\ttrain\tA dog runs .\r\n"
    "deep/b.jpg\tdev\tÉté\r\n"
    "\r\n"
    "a.png\ttrain\tA dog .\r\n"
    "c.png\ttrain\tA cat .\r\n"
)


def write(folder: Path, table: str = TABLE) -> Path:
    for i, name in enumerate(["a.png", "deep/b.jpg", "c.png", "t.png", "not in the table.png"]):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (50 * i, 0, 255 - 50 * i)).save(path)
    (folder / "captions.tsv").write_text(table, encoding="utf-8-sig", newline="")
    return folder


@pytest.fixture
def pets(tmp_path) -> Path:
    return write(tmp_path / "pets")


def test_a_folder_with_parts(pets):
    events = []
    found = load(pets, image_size=(16, 20), progress=events.append)
    assert found.name == str(pets)
    assert found.files == ("a.png", "deep/b.jpg", "c.png", "t.png")
    assert found.captions == (("A dog runs .", "A dog ."), ("Été",), ("A cat .",), ("The last .",))
    assert (len(found), found.n_train, found.image) == (4, 3, (3, 16, 20))
    assert found.images.dtype == np.uint8
    for image, name in zip(found.images, found.files, strict=True):
        np.testing.assert_array_equal(image, read_image(pets / "images" / name, (3, 16, 20)))
    assert len({tuple(image[0, 0]) for image in found.images}) == 4
    assert events == [Loading("images", 4, 4)]
    assert load(pets).image == (3, 96, 96)


@pytest.mark.parametrize("top", ["", "image\tcaption\n", "Image\tCaption\n"])
def test_a_folder_without_parts(tmp_path, top):
    found = load(write(tmp_path, top + "c.png\tsplit\na.png\tA dog .\nc.png\tA cat .\n"), image_size=8)
    assert found.files == ("c.png", "a.png")
    assert found.captions == (("split", "A cat ."), ("A dog .",))
    assert found.n_train == len(found) == 2


def test_the_fingerprint_is_of_images_captions_and_parts(pets, tmp_path):
    first = load(pets, image_size=8).fingerprint
    assert load(pets, image_size=9).fingerprint != first
    pets = pets.rename(tmp_path / "other")
    assert load(pets, image_size=8).fingerprint == first
    seen = {first}
    for old, new in [
        ("The last", "A last"),
        ("\ttest", "\ttrain"),
        ("A dog runs .\r\n", "A dog runs .\r\na.png\ttrain\tx\r\n"),
    ]:
        seen.add(load(write(pets, TABLE.replace(old, new)), image_size=8).fingerprint)
    moved = TABLE.replace("a.png\ttrain\tA dog .", "deep/b.jpg\ttrain\tA dog .")  # same captions, of other images
    seen.add(load(write(pets, moved), image_size=8).fingerprint)
    write(pets)
    Image.new("RGB", (40, 30), (1, 2, 3)).save(pets / "images/t.png")
    seen.add(load(pets, image_size=8).fingerprint)
    assert len(seen) == 6


def test_the_fingerprint_tells_whose_a_caption_is(tmp_path):
    tables = ("a.png\tx\na.png\ty\nc.png\tz\n", "a.png\tx\nc.png\ty\nc.png\tz\n")
    first, second = (load(write(tmp_path, table), image_size=8).fingerprint for table in tables)
    assert first != second


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a.png\ttrain\tA dog .\n", r"captions.tsv, line 1 has 3 columns, but should hold image TAB caption"),
        ("image\tsplit\tcaption\na.png\tA dog .\n", "line 2 has 2 columns, but should hold image TAB split TAB cap"),
        ("image\tcaption\na.png\n", "line 2 has 1 column"),
        ("image\tsplit\tcaption\na.png\t \tA dog .\n", "line 2 has an empty column"),
        ("image\tsplit\tcaption\na.png\tTEST2\tx\n", "'a.png' is of split 'TEST2', but there are train, dev, val, "),
        ("image\tsplit\tcaption\na.png\ttrain\tx\na.png\ttest\tx\n", "'a.png' is both of the training part and"),
        ("image\tsplit\tcaption\na.png\ttest\tx\n", "there is no caption of split train; add some"),
        ("image\tcaption\n\n", "there is no caption at all; add some"),
        ("", "there is no caption at all"),
        ("../captions.tsv\tx\n", "should be the path of a file in .*images, relative to it"),
        ("gone.png\tx\na.png\tx\n", "names 'gone.png', but there is no such file in .*images"),
        ("deep\tx\n", "names 'deep', but there is no such file"),
    ],
)
def test_a_wrong_table_is_one_line(pets, table, message):
    with pytest.raises(DataError, match=message) as caught:
        load(write(pets, table))
    assert "\n" not in str(caught.value)


def test_damaged_images_are_named_together(pets):
    (pets / "images/a.png").write_bytes(b"x")
    (pets / "images/deep/b.jpg").write_bytes(b"\xff\xd8\xff" + bytes(100))
    with pytest.raises(DataError, match=r"2 of 4 images in .* \(a.png: not a PNG.*; deep/b.jpg: .*\); replace"):
        load(pets)


def test_bytes_that_are_not_utf_8(pets):
    (pets / "captions.tsv").write_bytes(b"image\tcaption\na.png\t\xe9t\xe9\n")
    with pytest.raises(DataError, match=r"captions.tsv, line 2: this is not UTF-8 but another encoding"):
        load(pets)


def test_what_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError, match=r"'flicker8k', did you mean 'flickr8k'\? .*images/ and captions.tsv"):
        load("flicker8k")
    with pytest.raises(DataError, match=r"no/where does not exist; give a folder with images/ and captions.tsv"):
        load("no/where")
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=r"empty holds no captions.tsv; give a folder with"):
        load("empty")
    (tmp_path / "full/captions.tsv").mkdir()
    with pytest.raises(DataError, match=r"full holds no captions.tsv"):
        load("full")
    with pytest.raises(DataError, match=r"captions.tsv is a file; give a folder with images/"):
        load(write(tmp_path / "pets") / "captions.tsv")
    with pytest.raises(DataError, match="image size is 0"):
        load("pets", image_size=0)


def test_large_sets_are_mapped(pets, tmp_path, monkeypatch):
    plain = load(pets, image_size=16)
    monkeypatch.setattr(
        image_decoding.load_images, "__kwdefaults__", {**image_decoding.load_images.__kwdefaults__, "memory_limit": 0}
    )
    mapped = load(pets, image_size=16, cache=tmp_path / "cache")
    assert isinstance(mapped.images, np.memmap)
    assert mapped.fingerprint == plain.fingerprint


@pytest.mark.parametrize("below", ["flickr8k", "Flickr8k", "."])
def test_flickr8k_is_found_in_its_folders(tmp_path, below):
    write(tmp_path / below)
    found = load("flickr8k", data_dir=tmp_path)
    assert (found.name, len(found), found.n_train) == ("flickr8k", 4, 3)


def official(folder: Path, **texts: str) -> Path:
    """The official files, whose folder of images is spelt like this."""
    (write(folder) / "images").rename(folder / "Flicker8k_Dataset")
    (folder / "captions.tsv").unlink()
    lists = {"train": "c.png\n", "dev": "a.png\n", "test": "t.png\n"} | texts
    for part, names in lists.items():
        if part != "tokens":
            (folder / f"Flickr_8k.{part}Images.txt").write_text(names)
    tokens = "a.png#0\tA dog .\na.png#1\tA # dog .\nt.png#0\tThe last .\nnone.jpg.1#0\tx\nc.png#0\tA cat .\n"
    (folder / "Flickr8k.token.txt").write_text(texts.get("tokens", tokens))
    return folder


def test_flickr8k_as_it_is_published(tmp_path):
    official(tmp_path / "flickr8k")
    found = load("flickr8k", data_dir=tmp_path)
    assert found.files == ("a.png", "c.png", "t.png")
    assert found.captions == (("A dog .", "A # dog ."), ("A cat .",), ("The last .",))
    assert found.n_train == 2


def test_official_files_that_disagree(tmp_path):
    official(tmp_path / "a", test="t.png\na.png\n")
    with pytest.raises(DataError, match=r"testImages.txt names 'a.png', which is of another list"):
        load(tmp_path / "a")
    (official(tmp_path / "b") / "Flickr_8k.devImages.txt").unlink()
    with pytest.raises(DataError, match=r"cannot read .*Flickr_8k.devImages.txt"):
        load(tmp_path / "b")
    official(tmp_path / "c", train="gone.png\n", tokens="gone.png#0\tx\n")
    with pytest.raises(
        DataError, match=r"token.txt names 'gone.png', but there is no such file in .*Flicker8k_Dataset"
    ):
        load(tmp_path / "c")
    with pytest.raises(DataError, match=r"Flickr8k.token.txt: there is no caption at all"):
        load(official(tmp_path / "d", tokens="a.png\tno number\n"))


def test_flickr8k_says_where_to_get_it_and_how_to_lay_it_out(tmp_path):
    right = r"ask for it at https://\S+, unpack Flickr8k_Dataset.zip and .* --data-dir$"
    with pytest.raises(DataError, match=f"^flickr8k is read from a local copy only: {right}"):
        load("flickr8k")
    with pytest.raises(DataError, match=f"^there is no flickr8k in .*: {right}"):
        load("flickr8k", data_dir=tmp_path)
    with pytest.raises(DataError, match=r"there is no folder .*none \(--data-dir\)"):
        load("flickr8k", data_dir=tmp_path / "none")


@pytest.mark.slow
def test_real_flickr8k(real_data, tmp_path):
    if not (real_data / "flickr8k").is_dir():
        pytest.skip("no flickr8k in the real data")
    found = load("flickr8k", data_dir=real_data, cache=tmp_path)
    assert found.images.shape == (2400, 96, 96, 3)
    assert found.n_train == 2200
    assert {len(own) for own in found.captions} == {5}
    assert found.files[0] == "1000268201_693b08cb0e.jpg"
    assert found.captions[0][1] == "A girl going into a wooden building ."
    assert found.images.std(axis=(1, 2, 3)).min() > 5
    assert list(tmp_path.iterdir()) == []
