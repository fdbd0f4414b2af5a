from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecrnn.core.errors import DataError, SettingsError, UnknownNameError
from ecrnn.core.events import Loading
from ecrnn.data.image_file import decode_line, read_line
from ecrnn.tasks.text_recognition import lines
from ecrnn.tasks.text_recognition.lines import LABELS, load, make_line_set


def line(path: Path, width: int = 60, height: int = 20, level: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (width, height), level).save(path)
    return path


@pytest.fixture
def words(tmp_path) -> Path:
    folder = tmp_path / "words"
    line(folder / "so long.png", 60, 20, 10)
    line(folder / "deeper/a.b.jpg", 30, 20, 200)
    line(folder / "deeper/so long.png", 20, 40, 30)
    line(folder / ".hidden.png")
    (folder / "notes.txt").write_text("not read")
    return folder


def test_a_folder_of_images_named_by_their_text(words):
    events = []
    found = load(words, height=10, progress=events.append)
    assert found.name == str(words)
    assert found.files == ("deeper/a.b.jpg", "deeper/so long.png", "so long.png")
    assert found.texts == ("a.b", "so long", "so long")
    assert [image.shape for image in found.images] == [(10, 15), (10, 5), (10, 30)]
    assert {image.dtype for image in found.images} == {np.dtype(np.uint8)}
    assert [int(image[5, 2]) for image in found.images] == [200, 30, 10]
    assert len(found) == found.n_train == 3
    assert found.height == 10
    assert load(words).height == 32
    assert events == [Loading("images", 3, 3)]


def test_a_table_names_images_and_texts(words, caplog):
    table = b"\xef\xbb\xbffile\ttext\r\nso long.png\tThanks, and \xc3\xa9t\xc3\xa9\r\n\r\ndeeper/a.b.jpg\tno\r\n"
    (words / LABELS).write_bytes(table)
    with caplog.at_level(logging.INFO):
        found = load(words, height=16)
    assert found.texts == ("Thanks, and été", "no")
    assert found.files == ("so long.png", "deeper/a.b.jpg")
    assert "1 images are not in labels.tsv and were passed over" in caplog.text


def test_names_are_composed(tmp_path):
    line(tmp_path / "e\u0301.png")
    assert load(tmp_path).texts == ("é",)


def test_the_fingerprint_is_of_images_and_texts(words, tmp_path):
    first = load(words).fingerprint
    assert load(words).fingerprint == first
    assert load(words, height=31).fingerprint != first
    words = words.rename(tmp_path / "other")
    assert load(words).fingerprint == first
    (words / "so long.png").rename(words / "so lonf.png")
    changed = load(words).fingerprint
    assert changed != first
    line(words / "so lonf.png", 60, 20, 11)
    assert load(words).fingerprint not in (first, changed)


def test_the_fingerprint_tells_widths_apart():
    images = [np.zeros((8, width), np.uint8) for width in (4, 6)]
    first, second = (make_line_set("x", own, ["a", "b"], ["1", "2"]).fingerprint for own in (images, images[::-1]))
    assert first != second


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("so long.png", "labels.tsv, line 1 has 1 column, but should hold file TAB text"),
        ("so long.png\t ", "labels.tsv, line 1 has 1 column"),
        ("n" * 5000 + "\ta", "names 'n{200}', but there is no such file in"),
        ("../words/so long.png\ta", "should be the path of a file in .*words, relative to it"),
        ("/etc/passwd\ta", "'/etc/passwd' should be the path of a file in"),
        ("C:\\a.png\ta", "should be the path of a file in"),
        ("so long.png\ta\nso long.png\tb", "'so long.png' comes twice; leave one"),
        ("gone.png\ta\nlost.png\tb", "names 'gone.png' and 1 more, but there is no such file in"),
        ("deeper\ta", "names 'deeper', but there is no such file"),
        ("notes.txt\ta", r"1 of 1 images in .* cannot be read \(notes.txt: not a PNG"),
        ("\n\n", "holds no images named by their text, nor a labels.tsv that names some"),
    ],
)
def test_a_wrong_table_is_one_line(words, table, message):
    (words / LABELS).write_text(table)
    with pytest.raises(DataError, match=message) as caught:
        load(words)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_a_folder(words):
    (words / LABELS).mkdir()
    with pytest.raises(DataError, match=r"labels.tsv is no file with text"):
        load(words)


def test_damaged_images_and_wrong_widths_are_named_together(words):
    (words / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    line(words / "thin.png", 1, 50)
    line(words / "wide.png", 5000, 2)
    with pytest.raises(DataError, match="3 of 6 images") as caught:
        load(words)
    for part in ("broken.png: ", "thin.png: 1x50 gives 1 pixels of width at height 32, but 4 to 4096", "wide.png: "):
        assert part in str(caught.value)


def test_widths_at_their_bounds(tmp_path):
    assert decode_line(line(tmp_path / "a.png", 4, 32), 32).shape == (32, 4)
    assert decode_line(line(tmp_path / "b.png", 4096, 32), 32).shape == (32, 4096)
    with pytest.raises(DataError, match="4097 pixels of width"):
        decode_line(line(tmp_path / "c.png", 4097, 32), 32)


def test_one_line_as_in_a_set(words):
    found = load(words, height=10)
    np.testing.assert_array_equal(read_line(words / found.files[0], 10), found.images[0])
    np.testing.assert_array_equal(read_line((words / found.files[0]).read_bytes(), 10), found.images[0])
    with pytest.raises(DataError, match=r"cannot read .*notes.txt: not a PNG"):
        read_line(words / "notes.txt", 10)
    with pytest.raises(DataError, match="cannot read the image: not a PNG"):
        read_line(b"x", 10)


def test_lines_are_read_whole_upright_and_onto_white(tmp_path):
    left = Image.new("RGBA", (80, 20), (0, 0, 0, 255))
    left.paste((0, 0, 0, 0), (40, 0, 80, 20))  # the right half is transparent
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    left.save(tmp_path / "a.png", exif=exif)
    pixels = decode_line(tmp_path / "a.png", 10)
    assert pixels.shape == (10, 40)
    assert pixels[:, :19].min() == 255
    assert pixels[:, 21:].max() == 0


def test_a_long_jpeg_keeps_its_detail(tmp_path):
    stripes = np.tile(np.repeat(np.array([0, 255], np.uint8), 64), 16)  # (2048,)
    Image.fromarray(np.tile(stripes, (256, 1))).save(tmp_path / "a.jpg", quality=95)
    pixels = decode_line(tmp_path / "a.jpg", 32)
    assert pixels.shape == (32, 256)
    assert pixels[:, 4::16].max() < 30
    assert pixels[:, 12::16].min() > 225


def test_too_many_images_for_the_memory(words, monkeypatch):
    monkeypatch.setattr(lines, "MEMORY_LIMIT", 2000)
    with pytest.raises(DataError, match="more than 2000 bytes of images at height 32; take fewer"):
        load(words)
    assert len(load(words, height=8)) == 3


@pytest.mark.parametrize("height", [7, 513, -1])
def test_heights_out_of_bounds(words, height):
    with pytest.raises(SettingsError, match=f"height: is {height}, but images of lines have 8 to 512 pixels"):
        load(words, height=height)


def test_what_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError, match=r"'capcha', did you mean 'captcha'\?"):
        load("capcha")
    with pytest.raises(DataError, match="no/where does not exist; give a folder of images named by their text"):
        load("no/where")
    with pytest.raises(DataError, match=r"a.png is a file; give a folder"):
        load(line(tmp_path / "a.png"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no images named by their text"):
        load("empty")


@pytest.mark.parametrize("folder", ["captcha_images", "captcha_images_v2", "."])
def test_captcha_is_found_in_its_folders(tmp_path, monkeypatch, folder):
    monkeypatch.setattr(lines, "_CAPTCHA_COUNT", 3)
    for name in ("22abc.png", "b7p4n.png", "a1b2c.png", "readme.png", "22abc.jpg", "2.png"):
        line(tmp_path / folder / name, 200, 50)
    found = load("captcha", data_dir=tmp_path)
    assert found.name == "captcha"
    assert found.texts == ("22abc", "a1b2c", "b7p4n")
    assert {image.shape for image in found.images} == {(32, 128)}
    assert load("captcha", data_dir=tmp_path, height=25).images[0].shape == (25, 100)


def test_captcha_says_where_to_get_it(tmp_path):
    with pytest.raises(DataError, match=r"captcha is read from a local copy only.*captcha_images_v2.zip .*--data-dir"):
        load("captcha")
    with pytest.raises(DataError, match=r"there is no captcha in .*captcha_images_v2.zip"):
        load("captcha", data_dir=tmp_path)
    with pytest.raises(DataError, match=r"there is no folder .*none \(--data-dir\)"):
        load("captcha", data_dir=tmp_path / "none")
    line(tmp_path / "captcha_images/22abc.png")
    with pytest.raises(DataError, match="holds 1 images of captcha, expected 1040"):
        load("captcha", data_dir=tmp_path)


def test_real_captcha(real_data):
    if not (real_data / "captcha_images").is_dir():
        pytest.skip("no captcha_images in the real data")
    found = load("captcha", data_dir=real_data)
    assert len(found) == found.n_train == 1040
    assert {image.shape for image in found.images} == {(32, 128)}
    assert {len(text) for text in found.texts} == {5}
    assert "".join(sorted(set("".join(found.texts)))) == "2345678bcdefgmnpwxy"
    assert min(image.std() for image in found.images) > 5
