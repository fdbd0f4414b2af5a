from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecrnn.core.errors import DataError, SettingsError, UnknownNameError
from ecrnn.core.events import Loading
from ecrnn.data.folder import read_image
from ecrnn.tasks.clip_classification import clips
from ecrnn.tasks.clip_classification.clips import chosen, load, make_clip_set


def frame(path: Path, level: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), (level, level, 255 - level)).save(path)
    return path


@pytest.fixture
def films(tmp_path) -> Path:
    root = tmp_path / "films"
    for clip, names in {
        "walks/b": [f"cam2-frame{n}.png" for n in (10, 9, 2, 1, 100)],
        "walks/a": ["007.bmp"],
        "falls/c d": [f"{n:03}.jpg" for n in range(3)],
    }.items():
        for name in names:
            number = int("".join(c for c in Path(name).stem.split("frame")[-1] if c.isdigit()))
            frame(root / clip / name, 10 + number)
    (root / "readme.txt").write_text("not read")
    (root / "walks/b/notes.txt").write_text("not read")
    (root / "walks/list-1.png").write_text("not read")
    frame(root / "walks/.hidden/1.png", 0)
    return root


def levels(found: clips.ClipSet) -> list[list[int]]:
    return found.clips[:, :, 0, 0, 0].tolist()


def test_a_folder_of_clips(films, caplog):
    events = []
    found = load(films, frames=4, image_size=(8, 12), progress=events.append)
    assert found.name == str(films)
    assert found.files == ("falls/c d", "walks/a", "walks/b")
    assert found.classes == ("falls", "walks")
    assert found.labels.tolist() == [0, 1, 1]
    assert found.labels.dtype == np.int64
    assert found.clips.shape == (3, 4, 8, 12, 3)
    assert levels(found)[1:] == [[17, 17, 17, 17], [11, 12, 20, 110]]  # 1, 2 (1.33), 10 (2.67), 100
    np.testing.assert_allclose(levels(found)[0], [10, 11, 12, 12], atol=2)  # JPEG
    assert (len(found), found.n_train, found.frames, found.image) == (3, 3, 4, (3, 8, 12))
    np.testing.assert_array_equal(found.clips[1, 0], read_image(films / "walks/a/007.bmp", (3, 8, 12)))
    assert events == [Loading("images", 12, 12)]
    assert found.left_out == {".txt": 1}
    assert found.notes == (
        f"{films}: left out 1 image in no clip",
        f"{films}: left out 1 file that cannot be read as images: 1 .txt",
    )
    assert found.notes[1] in caplog.text
    assert load(films).clips.shape == (3, 8, 32, 32, 3)
    assert load(films, channels=1).image == (1, 32, 32)


@pytest.mark.parametrize(
    ("count", "frames", "places"),
    [
        *[(5, 5, [0, 1, 2, 3, 4]), (1, 3, [0, 0, 0]), (3, 5, [0, 1, 2, 2, 2])],
        *[(5, 3, [0, 2, 4]), (4, 3, [0, 2, 3]), (100, 2, [0, 99]), (1, 1, [0]), (4, 1, [1])],
    ],
)
def test_frames_are_chosen_evenly(count, frames, places):
    assert chosen(count, frames).tolist() == places


def test_frames_are_chosen_evenly_always():
    for count in range(1, 60):
        for frames in range(2, count + 1):
            places = chosen(count, frames)
            assert (places[0], places[-1], len(places)) == (0, count - 1, frames)
            gaps = np.diff(places)
            assert gaps.min() >= 1
            assert gaps.max() - gaps.min() <= 1


def test_the_fingerprint_is_of_clips_labels_and_classes(films, tmp_path):
    first = load(films, frames=3).fingerprint
    assert load(films, frames=2).fingerprint != first
    films = films.rename(tmp_path / "other")
    assert load(films, frames=3).fingerprint == first
    (films / "falls/c d").rename(films / "falls/e")
    assert load(films, frames=3).fingerprint == first
    (films / "falls").rename(films / "drops")
    second = load(films, frames=3).fingerprint
    assert second != first
    frame(films / "walks/a/007.bmp", 99)
    assert load(films, frames=3).fingerprint not in (first, second)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("walks/b/last.png", r"walks/b/last.png has no number in its name that says its place; rename it"),
        ("walks/b/01.png", r"walks/b has two frames of number 1: (01|cam2-frame1).png and (01|cam2-frame1).png"),
        ("walks/empty/", "walks/empty holds no frames; add images with numbers"),
        ("none/", "none holds no folders with the frames of a clip; give a folder with a sub-folder a class"),
        ("photos/1.png", "photos holds no folders with the frames of a clip"),
    ],
)
def test_wrong_folders_are_one_line(films, change, message):
    if change.endswith("/"):
        (films / change).mkdir()
    else:
        frame(films / change, 1)
    with pytest.raises(DataError, match=message) as caught:
        load(films)
    assert "\n" not in str(caught.value)


def test_damaged_frames_are_named(films):
    (films / "walks/b/cam2-frame9.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"1 of 24 images in .* \(walks/b/cam2-frame9.png: not a PNG"):
        load(films)


def test_long_numbers(films):
    for level, number in enumerate([10**200 + 1, 10**200, 3]):
        frame(films / f"walks/a/{number}.png", level)
    assert levels(load(films, frames=4))[1] == [2, 17, 1, 0]


def test_folders_without_classes(tmp_path, films):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no sub-folders; give a folder with a sub-folder a class, in it"):
        load(tmp_path / "empty")
    one = tmp_path / "one"
    one.mkdir()
    (films / "falls").rename(one / "falls")
    with pytest.raises(DataError, match=r"one holds one class \(falls\), but at least two"):
        load(one)


def test_an_array_file(tmp_path):
    arrays = np.random.default_rng(0).integers(0, 256, (4, 9, 6, 5, 3), np.uint8)
    np.savez(tmp_path / "a.npz", clips=arrays, labels=np.array([1, 0, 1, 0]), classes=np.array(["falls", "walks"]))
    found = load(tmp_path / "a.npz", frames=3)
    np.testing.assert_array_equal(found.clips, arrays[:, [0, 4, 8]])
    assert found.classes == ("falls", "walks")
    assert found.n_train == 4
    assert found.files == ()
    assert load(tmp_path / "a.npz", frames=12, image_size=8, channels=1).clips.shape == (4, 12, 8, 8, 1)
    (tmp_path / "b.npz").write_bytes(b"not an archive")
    with pytest.raises(DataError, match=r"b.npz is damaged or of another kind; give an .npz file with arrays clips"):
        load(tmp_path / "b.npz")


def test_moving():
    found = load("moving", frames=4)
    assert found.name == "moving"
    assert found.clips.shape == (4000, 4, 32, 32, 1)
    assert found.n_train == 3200
    assert found.classes == ("climbs", "falls", "stands", "walks left", "walks right")
    assert found.fingerprint == load("moving", frames=4).fingerprint
    assert found.fingerprint.startswith("a9a9cb72950f")  # another one would break studies of it
    assert load("moving", frames=2, image_size=16, channels=3).clips.shape == (4000, 2, 16, 16, 3)


def test_more_than_the_memory_is_refused_before_it_is_taken(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"moving needs 16777216000 bytes as .*, more than 2147483648; take fewer"):
        load("moving", frames=4096)
    monkeypatch.setattr(clips, "MEMORY_LIMIT", 10_000)
    np.savez(tmp_path / "a.npz", clips=np.zeros((2, 2, 9, 9, 1), np.uint8), labels=np.array([0, 1]))
    with pytest.raises(DataError, match=r"a.npz needs 16384 bytes"):
        load(tmp_path / "a.npz", frames=2, image_size=64)


@pytest.mark.parametrize("frames", [0, 4097, -1])
def test_frames_out_of_bounds(films, frames):
    with pytest.raises(SettingsError, match=f"frames: is {frames}, but a clip has 1 to 4096"):
        load(films, frames=frames)


def test_what_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError, match=r"'movin', did you mean 'moving'\?"):
        load("movin")
    with pytest.raises(DataError, match="no/where does not exist; give a folder with a sub-folder a class, in it a "):
        load("no/where")
    with pytest.raises(DataError, match="channels is 2, but frames have 1"):
        load("moving", channels=2)
    with pytest.raises(DataError, match="image size is 0"):
        load("moving", image_size=0)
    with pytest.raises(DataError, match=r"x holds one class \(a\)"):
        make_clip_set("x", np.zeros((1, 1, 1, 1, 1), np.uint8), np.zeros(1, np.int64), ["a"])
