"""The whole check on folders with planted faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line
from PIL import Image

from ecrnn.core.errors import DataError
from ecrnn.core.events import Loading
from ecrnn.data.check.findings import Check
from ecrnn.data.check.folder_check import check_folder
from ecrnn.data.folder import load_folder
from ecrnn.data.splits import parse_split
from ecrnn.report.render.check_files import groups_csv


def image(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(noise).resize((40, 40), Image.Resampling.BICUBIC)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three classes of twelve photographs that have nothing in common."""
    for label, name in enumerate(("cat", "dog", "owl")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(12):
            image(100 * label + i).save(tmp_path / "photos" / name / f"{i:02}.png")
    return tmp_path / "photos"


def of_kind(found: Check, kind: str) -> list[tuple[str, str]]:
    return [(one.file, one.other) for one in found.findings if one.kind == kind]


def test_nothing_is_found_where_nothing_is(photos):
    events = []
    found = check_folder(photos, progress=events.append)
    assert found.would_train
    assert found.findings == ()
    assert found.groups == {}
    assert [(row.name, row.train, row.held_out, row.exact, row.near) for row in found.splits] == [
        (f"0.7, repeat {repeat}", 25, 11, 0, 0) for repeat in range(3)
    ]
    assert (found.files, found.readable) == (36, 36)
    assert events[0] == Loading("images", 36, 36)


def test_planted_faults(photos):
    image(0).save(photos / "cat" / "again.png")  # the same as cat/00.png
    image(101).save(photos / "owl" / "dog.bmp")  # the same as dog/01.png, in another class
    image(202).save(photos / "owl" / "zaved.jpg", quality=70)  # like owl/02.png
    image(5).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photos / "dog" / "mirror.png")  # like cat/05.png
    (photos / "cat" / "12.png").write_bytes(b"")
    image(7).save(photos / "dog" / "00.jpg", "PNG")  # like cat/07.png, and no JPEG
    found = check_folder(photos)
    (refusal,) = found.refusals
    assert refusal.startswith(
        "1 file cannot be read, the first is cat/12.png (it is empty); replace or remove them, or"
    )
    assert of_kind(found, "empty") == [("cat/12.png", "")]
    assert of_kind(found, "label-conflict") == [("dog/00.jpg", "cat/07.png"), ("owl/dog.bmp", "dog/01.png")]
    assert of_kind(found, "duplicate") == [
        ("cat/again.png", "cat/00.png"),
        ("dog/00.jpg", "cat/07.png"),
        ("owl/dog.bmp", "dog/01.png"),
    ]
    assert of_kind(found, "near-duplicate") == [("owl/zaved.jpg", "owl/02.png")]
    assert of_kind(found, "mirrored") == [("dog/mirror.png", "cat/05.png")]
    assert of_kind(found, "near-label-conflict") == [("dog/mirror.png", "cat/05.png")]
    assert of_kind(found, "wrong-name") == [("dog/00.jpg", "")]
    together = "cat/00.png cat/05.png cat/07.png cat/again.png dog/00.jpg dog/01.png dog/mirror.png owl/02.png"
    assert sorted(found.groups) == [*together.split(), "owl/dog.bmp", "owl/zaved.jpg"]
    assert check_folder(photos, bad_data="skip").would_train
    without = check_folder(photos, near=None)
    assert not of_kind(without, "near-duplicate")
    assert of_kind(without, "duplicate") == of_kind(found, "duplicate")


@pytest.mark.parametrize("split", ["0.7", "4-fold", "0.5 stratified"])
def test_leaks_are_those_of_the_splits_that_compare_draws(photos, split):
    for i in range(6):
        image(i).save(photos / "cat" / f"again {i}.png")
    (photos / "dog" / "03.png").write_bytes(b"x")
    found = check_folder(photos, split=split, repeats=5, seed=9, bad_data="skip")
    data = load_folder(photos, (8, 8), skip=True)
    expected = []
    for repeat in range(5):
        drawn = parse_split(split).split(data, 9, repeat)
        train = {data.images[i].tobytes() for i in drawn.train}
        held_out = [data.images[i].tobytes() in train for i in drawn.validation]
        expected.append((drawn.name, len(drawn.train), len(held_out), sum(held_out)))
    assert [(row.name, row.train, row.held_out, row.exact) for row in found.splits] == expected
    assert sum(row.exact for row in found.splits) > 3
    assert {file for file, _ in of_kind(found, "leak")} <= {
        f"cat/{k}{i}.png" for k in ("0", "again ") for i in range(6)
    }


def test_groups_that_it_writes_close_the_leaks(photos, tmp_path):
    for i in range(6):
        image(i).save(photos / "cat" / f"again, {i}.png")
        image(200 + i).save(photos / "owl" / f'"{i}".jpg', quality=60)
    found = check_folder(photos, repeats=4)
    assert sum(row.exact for row in found.splits) > 0
    assert sum(row.near for row in found.splits) > 0
    (tmp_path / "groups.csv").write_text(groups_csv(found))
    again = check_folder(photos, repeats=4, groups=tmp_path / "groups.csv")
    assert [row.exact + row.near for row in again.splits] == [0] * 4
    assert again.groups == found.groups
    (tmp_path / "mine.csv").write_text("file,group\ncat/00.png,x\ndog/00.png,x\n")
    both = check_folder(photos, groups=tmp_path / "mine.csv").groups
    assert both["dog/00.png"] == both["cat/00.png"] == both["cat/again, 0.png"] != both["cat/01.png"]


def test_parts_of_the_data_itself(photos, tmp_path):
    place = tmp_path / "parted"
    for part, first in (("train", 0), ("val", 8), ("test", 10)):
        for name in ("cat", "dog", "owl"):
            (place / part / name).mkdir(parents=True)
            for file in sorted((photos / name).iterdir())[first : first + (8 if part == "train" else 2)]:
                (place / part / name / file.name).write_bytes(file.read_bytes())
    (place / "test" / "cat" / "copy.png").write_bytes((photos / "cat" / "00.png").read_bytes())
    (place / "val" / "owl" / "copy.png").write_bytes((photos / "owl" / "01.png").read_bytes())
    rows = {row.name: (row.train, row.held_out, row.exact) for row in check_folder(place, repeats=1).splits}
    assert rows["the data's own validation part"] == (24, 7, 1)
    assert rows["the data's own test part"] == (31, 7, 1)
    own = check_folder(place, split="own")
    assert [(row.name, row.exact) for row in own.splits] == [
        ("the data's own parts", 1),
        ("the data's own test part", 1),
    ]


def test_folders_that_no_training_takes(photos, tmp_path):
    (photos / "CAT").mkdir()
    image(900).save(photos / "CAT" / "1.png")
    found = check_folder(photos)
    assert "holds 'CAT' and 'cat', which differ in capitals only" in found.refusals[0]
    assert (found.files, found.findings) == (0, ())
    with one_line(DataError, "names 'x.png', but there is no such image"):
        (photos / "CAT" / "1.png").unlink()
        (photos / "CAT").rmdir()
        (tmp_path / "groups.csv").write_text("file,group\nx.png,1\n")
        check_folder(photos, groups=tmp_path / "groups.csv")
    for i in range(11):
        (photos / "owl" / f"{i:02}.png").unlink()
    lost = check_folder(photos, repeats=20)
    assert "no training example is of class 'owl'" in lost.refusals[0]
    assert ("owl", "few-images") in [(one.file, one.kind) for one in lost.findings]
