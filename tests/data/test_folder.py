from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecrnn.core.errors import DataError
from ecrnn.core.events import Loading
from ecrnn.data import image_decoding
from ecrnn.data.folder import image_files, list_folder, load_folder, names_images, read_image
from ecrnn.tasks.image_classification import images


def image(path: Path, level: int = 100, size: tuple[int, int] = (40, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, 0, 255 - level)).save(path)
    return path


@pytest.fixture
def pets(tmp_path) -> Path:
    root = tmp_path / "pets"
    for i, name in enumerate(["dog/b.png", "dog/a.jpg", "cat/z.bmp", "cat/deep/er/a.png", "dog/A.PNG", "emu/1.gif"]):
        image(root / name, 10 * i)
    for name in ["notes.txt", "dog/Thumbs.db", "cat/deep/list.csv", "loose.png"]:
        (root / name).write_bytes(b"not read")
    for name in [".DS_Store", "dog/.hidden.png", ".git/x.png", "cat/.thumbs/a.png"]:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"not seen")
    return root


FILES = ("cat/deep/er/a.png", "cat/z.bmp", "dog/A.PNG", "dog/a.jpg", "dog/b.png", "emu/1.gif")


def test_classes_and_files_are_sorted_and_others_counted(pets, caplog):
    listing = list_folder(pets)
    assert listing.classes == ("cat", "dog", "emu")
    assert listing.files == FILES
    assert listing.labels.tolist() == [0, 0, 1, 1, 1, 2]
    assert listing.left_out == {".csv": 1}  # Thumbs.db is a system's, and what lies beside the classes is of none
    assert "pets: left out 1 file that cannot be read as images: 1 .csv" in caplog.text
    assert (listing.n_train, listing.n_validation) == (6, 0)


def test_a_folder_is_an_image_set(pets, tmp_path):
    events = []
    found = images.load(pets, cache=tmp_path / "c", progress=events.append)
    assert found.images.shape == (6, 32, 32, 3)
    assert found.name == str(pets)
    assert found.files == FILES
    assert found.n_train == 6
    assert found.classes == ("cat", "dog", "emu")
    for i, name in enumerate(FILES):
        np.testing.assert_array_equal(found.images[i], read_image(pets / name, (3, 32, 32)))
    assert len({tuple(p[0, 0]) for p in found.images}) == 6
    assert events == [Loading("images", 6, 6)]
    assert not (tmp_path / "c").exists()
    again = images.load(str(pets), image_size=32, channels=3, cache=tmp_path)
    assert again.fingerprint == found.fingerprint
    grey = images.load(pets, image_size=(10, 12), channels=1, cache=tmp_path)
    assert grey.image == (1, 10, 12)


def test_a_name_wins_over_a_folder_unless_it_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/1.png", "b/1.png"):
        image(tmp_path / "digits" / name)
        image(tmp_path / "mine" / name)
    assert len(images.load("digits", cache=tmp_path)) == 1797
    assert len(images.load("./digits", cache=tmp_path)) == 2
    assert len(images.load(Path("digits"), cache=tmp_path)) == 2
    assert len(images.load("mine", cache=tmp_path)) == 2


def test_damaged_images_are_counted_and_named_in_one_line(pets):
    whole = (pets / "dog/a.jpg").read_bytes()
    (pets / "dog/cut.jpg").write_bytes(whole[: len(whole) // 2])
    (pets / "dog/empty.png").write_bytes(b"")
    (pets / "cat/text.jpeg").write_bytes(b"hello")
    (pets / "emu/gone.png").symlink_to(pets / "nowhere.png")
    (pets / "emu/folder.png").mkdir()
    with pytest.raises(
        DataError, match=r"^4 of 10 images in .*pets cannot be read \(cat/text.jpeg: not a PNG"
    ) as caught:
        load_folder(pets)
    message = str(caught.value)
    assert "dog/cut.jpg: " in message
    assert "; ...); replace or remove them" in message
    assert "\n" not in message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_does_not_hang(pets):
    os.mkfifo(pets / "dog/pipe.png")
    with pytest.raises(DataError, match=r"1 of 7 images .*\(dog/pipe.png: it is not a file\)"):
        load_folder(pets)


def test_links_to_images_and_classes_are_followed_but_no_loops(tmp_path):
    elsewhere = image(tmp_path / "elsewhere/one.png").parent
    root = tmp_path / "root"
    image(root / "a/1.png")
    (root / "a/2.png").symlink_to(elsewhere / "one.png")
    (root / "a/loop").symlink_to(root)
    (root / "b").symlink_to(elsewhere)
    assert load_folder(root).files == ("a/1.png", "a/2.png", "b/one.png")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ["1.png", "2.jpg"],
            "holds 2 images but no sub-folders; put the images of each class into a sub-folder",
        ),
        ([], "holds no sub-folders; put"),
        ([".hidden/1.png"], "holds no sub-folders; put"),
        (["a/1.png"], r"holds one class \(a\), but at least two"),
        (["a/1.png", "b/x.txt"], "root/b holds no images; add some or remove it"),
        (
            ["a/1.png", "b/x.txt", "c/.1.png", "d/d.md"],
            r"root/b holds no images \(nor do 2 more class folders\)",
        ),
    ],
)
def test_wrong_layouts(tmp_path, files, message):
    root = tmp_path / "root"
    root.mkdir()
    for name in files:
        image(root / name) if name.endswith(("png", "jpg")) else (root / name).parent.mkdir(exist_ok=True)
        if not name.endswith(("png", "jpg")):
            (root / name).write_text("x")
    with pytest.raises(DataError, match=message) as caught:
        load_folder(root)
    assert "\n" not in str(caught.value)


def test_no_folder(tmp_path):
    with pytest.raises(DataError, match="none does not exist; give a folder with one sub-folder a class"):
        load_folder(tmp_path / "none")
    file = image(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"x.png is a file; give a folder"):
        images.load(file, cache=tmp_path)


def test_many_images_keep_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(image_decoding, "_CHUNK", 7)
    for i in range(40):
        image(tmp_path / f"{'ab'[i % 2]}/{i:02}.png", 6 * i, (8, 8))
    events = []
    found = load_folder(tmp_path, (8, 8), progress=events.append)
    assert found.images[:, 0, 0, 0].tolist() == [6 * int(Path(f).stem) for f in found.files]
    assert events == [Loading("images", done, 40) for done in (7, 14, 21, 28, 35, 40)]


def cached(cache: Path) -> list[Path]:
    """The images that are kept, without their checksums."""
    return sorted(cache.rglob("*.npy"))


def test_a_set_beyond_the_limit_is_mapped_and_reused(pets, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    plain = load_folder(pets, (16, 16), cache=cache, memory_limit=6 * 16 * 16 * 3)
    assert not isinstance(plain.images, np.memmap)
    assert not cache.exists()
    mapped = load_folder(pets, (16, 16), cache=cache, memory_limit=6 * 16 * 16 * 3 - 1)
    assert isinstance(mapped.images, np.memmap)
    assert mapped.fingerprint == plain.fingerprint
    assert not mapped.images.flags.writeable
    [file] = cached(cache)
    with monkeypatch.context() as patch:
        patch.setattr(image_decoding, "decode", None)  # would fail if it were called
        again = load_folder(pets, (16, 16), cache=cache, memory_limit=0)
    assert again.fingerprint == plain.fingerprint
    image(pets / "emu/1.gif", 200)
    os.utime(pets / "emu/1.gif", ns=(1, 1))
    changed = load_folder(pets, (16, 16), cache=cache, memory_limit=0)
    assert changed.fingerprint != plain.fingerprint
    load_folder(pets, (16, 17), cache=cache, memory_limit=0)
    assert len(cached(cache)) == 3
    assert file.exists()


def test_damaged_images_leave_nothing_in_the_cache(pets, tmp_path):
    (pets / "dog/a.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match="1 of 6 images"):
        load_folder(pets, cache=tmp_path / "cache", memory_limit=0)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_damaged_cache_is_named(pets, tmp_path):
    load_folder(pets, cache=tmp_path / "cache", memory_limit=0)
    [file] = cached(tmp_path / "cache")
    data = file.read_bytes()
    for wrong, message in [(b"", "is damaged"), (data[:-5], "is damaged"), (data[:40], "is damaged")]:
        file.write_bytes(wrong)
        with pytest.raises(DataError, match=f"{message}; delete it and give the command again"):
            load_folder(pets, cache=tmp_path / "cache", memory_limit=0)
    np.save(file, np.zeros(3))
    with pytest.raises(DataError, match="does not hold the images of"):
        load_folder(pets, cache=tmp_path / "cache", memory_limit=0)
    np.save(file, np.array([{}], object), allow_pickle=True)
    with pytest.raises(DataError, match="is damaged"):
        load_folder(pets, cache=tmp_path / "cache", memory_limit=0)


def test_image_files(pets, tmp_path):
    assert image_files(pets / "dog/a.jpg") == [pets / "dog/a.jpg"]
    assert image_files(pets / "notes.txt") == [pets / "notes.txt"]  # a file named by the user is tried
    found = [str(p.relative_to(pets)) for p in image_files(pets)]
    assert found == sorted([*FILES, "loose.png"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no images"):
        image_files(tmp_path / "empty")
    with pytest.raises(DataError, match="there is no file or folder"):
        image_files(tmp_path / "none")


def test_what_names_images(tmp_path):
    for place in ("photos/a.JPG", "photos/b.txt", "deeper/photos/a.png", "hidden/.a.png", "like/a.png/b.txt"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    names = ["photos", "photos/a.JPG", "none.jpeg", "photos/b.txt", "deeper", "hidden", "like", "like/a.png", "none"]
    assert [name for name in names if names_images(tmp_path / name)] == names[:3]


def test_real_photographs(real_data, tmp_path):
    if not (real_data / "flowers").is_dir():
        pytest.skip("no flowers in the real data")
    found = images.load(real_data / "flowers", image_size=64, cache=tmp_path)
    assert found.images.shape == (550, 64, 64, 3)
    assert np.bincount(found.labels).tolist() == [110] * 5
    assert found.classes == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert found.images.std(axis=(1, 2, 3)).min() > 5  # no image is empty
