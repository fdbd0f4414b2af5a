from __future__ import annotations

import io
import struct
import threading
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from ecrnn.core.errors import DataError
from ecrnn.data import image_file
from ecrnn.data.image_file import quiet_pillow, read_image, read_whole, resize_images

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
OWN = (3, 20, 30)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


PNG = encoded(Image.fromarray(RGB), "PNG")
JPEG = encoded(Image.fromarray(RGB), "JPEG")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "TIFF", "WEBP", "GIF", "JPEG"])
def test_every_kind_from_bytes_and_from_a_file_of_any_name(kind, tmp_path):
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}.get(kind, {})
    data = encoded(Image.fromarray(RGB), kind, **options)
    found = read_image(data, OWN)
    assert found.dtype == np.uint8
    assert found.shape == (20, 30, 3)
    off = np.abs(found.astype(int) - RGB).mean()
    assert off == 0 if kind not in ("GIF", "JPEG") else off < 20
    (tmp_path / "wrong.bmp").write_bytes(data)
    np.testing.assert_array_equal(read_image(tmp_path / "wrong.bmp", OWN), found)
    np.testing.assert_array_equal(read_image(str(tmp_path / "wrong.bmp"), OWN), found)


def test_grey_is_the_luma_and_rgb_of_grey_is_three_times_it():
    grey = read_image(PNG, (1, 20, 30))
    assert grey.shape == (20, 30, 1)
    np.testing.assert_allclose(grey[..., 0], RGB @ [0.299, 0.587, 0.114], atol=1)
    again = read_image(encoded(Image.fromarray(grey[..., 0]), "PNG"), OWN)
    np.testing.assert_array_equal(again, np.repeat(grey, 3, axis=2))


def test_sixteen_bits_are_scaled_not_cut():
    deep = np.linspace(0, 65535, 600).round().astype(np.uint16).reshape(20, 30)
    expected = np.rint(deep * (255 / 65535))
    for kind in ("PNG", "TIFF"):
        found = read_image(encoded(Image.fromarray(deep), kind), (1, 20, 30))
        np.testing.assert_array_equal(found[..., 0], expected)
    header = b"P5 30 20 65535\n"
    found = read_image(header + deep.astype(">u2").tobytes(), (3, 20, 30))
    np.testing.assert_array_equal(found[..., 1], expected)


def test_pixels_without_a_range_are_refused():
    wide = encoded(Image.fromarray(np.full((4, 4), 10**6, np.int32)), "TIFF")
    with pytest.raises(DataError, match="32 bits"):
        read_image(wide, OWN)
    floats = encoded(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF")
    with pytest.raises(DataError, match="floating-point"):
        read_image(floats, OWN)


def test_one_bit_and_cmyk():
    bits = Image.fromarray(np.eye(20, 30, dtype=bool))
    np.testing.assert_array_equal(read_image(encoded(bits, "PNG"), (1, 20, 30))[..., 0], np.eye(20, 30) * 255)
    cmyk = Image.new("CMYK", (30, 20), (0, 255, 255, 0))  # no cyan, all magenta and yellow: red
    found = read_image(encoded(cmyk, "JPEG", quality=95), OWN)
    assert np.abs(found.astype(int) - [255, 0, 0]).max() < 12


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB"])
def test_transparent_parts_are_white(mode):
    options = {}
    if mode in ("RGBA", "LA"):
        image = Image.new(mode, (30, 20), (0, 0, 0, 0) if mode == "RGBA" else (0, 0))
        image.paste((0, 0, 0, 255) if mode == "RGBA" else (0, 255), (0, 0, 15, 20))
        image.paste((0, 0, 0, 128) if mode == "RGBA" else (0, 128), (0, 0, 15, 5))
    else:
        image = Image.new(mode, (30, 20), 7 if mode != "RGB" else (7, 7, 7))
        image.paste(0, (0, 0, 15, 20))
        if mode == "P":
            image.putpalette([0, 0, 0] * 256)
        options = {"transparency": 7 if mode != "RGB" else (7, 7, 7)}
    found = read_image(encoded(image, "PNG", **options), OWN)
    assert (found[:, 15:] == 255).all()
    assert (found[5:, :15] == 0).all()
    if mode in ("RGBA", "LA"):
        assert np.abs(found[:5, :15].astype(int) - 127).max() <= 1


@pytest.mark.parametrize("bytes_of_alpha", [False, True])
def test_a_palette_with_transparency(bytes_of_alpha):
    image = Image.fromarray(np.tile(np.arange(30, dtype=np.uint8), (20, 1)), "L").convert("P")
    image.putpalette([c for i in range(256) for c in (i, 0, 0)])
    alpha = bytes([0] * 10 + [255] * 20) if bytes_of_alpha else 5
    found = read_image(encoded(image, "PNG", transparency=alpha), OWN)
    white = (found[0] == 255).all(axis=1)
    assert np.flatnonzero(white).tolist() == (list(range(10)) if bytes_of_alpha else [5])
    assert found[0, 20].tolist() == [20, 0, 0]


def test_the_first_frame_of_an_animation():
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "blue", "green")]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert read_image(data, OWN)[3, 3].tolist() == [255, 0, 0], kind


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = {  # how a camera held in this way stores the upright image
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.transpose(1, 0, 2),
        6: RGB.transpose(1, 0, 2)[::-1],
        7: RGB[::-1, ::-1].transpose(1, 0, 2),
        8: RGB.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    np.testing.assert_array_equal(read_image(data, OWN), RGB)


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b""])
def test_damaged_exif_does_not_matter(exif):
    data = encoded(Image.fromarray(RGB), "JPEG", quality=95)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    np.testing.assert_array_equal(read_image(data[:2] + segment + data[2:], OWN), read_image(data, OWN))


def test_other_shapes_are_cropped_in_the_centre():
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = RGB[:, :20]
    found = read_image(encoded(Image.fromarray(wide), "PNG"), (3, 20, 20))
    np.testing.assert_array_equal(found, RGB[:, :20])
    tall = np.ascontiguousarray(wide.transpose(1, 0, 2))
    found = read_image(encoded(Image.fromarray(tall), "PNG"), (3, 20, 20))
    np.testing.assert_array_equal(found, RGB[:, :20].transpose(1, 0, 2))


def test_shrinking_averages_and_growing_interpolates():
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    found = read_image(encoded(Image.fromarray(checks.astype(np.uint8)), "PNG"), (1, 8, 8))
    assert np.abs(found.astype(int) - 127).max() <= 4  # one pixel of eight would be 0 or 255
    two = Image.fromarray(np.array([[0, 200]], np.uint8))
    square = two.resize((2, 2), Image.Resampling.NEAREST)
    ramp = read_image(encoded(square, "PNG"), (1, 8, 8))[0, :, 0]
    assert (np.diff(ramp.astype(int)) >= 0).all()
    assert ramp[0] == 0
    assert ramp[-1] == 200
    assert len(set(ramp.tolist())) >= 4


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (31, 33), (7, 1)])
def test_awkward_shapes(shape):
    data = encoded(Image.fromarray(np.full(shape, 90, np.uint8)), "PNG")
    for image in [(3, 32, 32), (1, 1, 1), (3, 5, 40), (1, 40, 5)]:
        found = read_image(data, image)
        assert found.shape == (image[1], image[2], image[0])
        assert (found == 90).all()


def test_a_large_jpeg_is_decoded_small_but_alike():
    ramp = np.add.outer(np.arange(1600) // 10, np.arange(2000) // 25).astype(np.uint8)
    data = encoded(Image.fromarray(ramp).convert("RGB"), "JPEG", quality=95)
    exact = read_image(encoded(Image.fromarray(ramp).convert("RGB"), "PNG"), (3, 32, 32))
    assert np.abs(read_image(data, (3, 32, 32)).astype(int) - exact).max() <= 3


def png_of(width: int, height: int, idat: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", idat) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [7100, 9600, 14000, 60000])  # ours, Pillow's warning, Pillow's error, huge
def test_decompression_bombs_are_not_decoded(side):
    bomb = png_of(side, side, zlib.compress(bytes(10**6)))
    start = time.perf_counter()
    with pytest.raises(DataError, match="more than 50,000,000 pixels"):
        read_image(bomb, (3, 32, 32))
    assert time.perf_counter() - start < 1


def test_a_bomb_of_text_in_a_png():
    text = zlib.compress(bytes(200 * 2**20), 9)
    chunk = b"zTXt" + b"key\0\0" + text
    data = PNG[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + PNG[33:]
    with pytest.raises(DataError, match="cannot read the image: damaged"):
        read_image(data, OWN)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"not an image",
        PNG[:8],
        PNG[:60],
        PNG[:-200],
        JPEG[:2],
        JPEG[:300],
        JPEG[:-200],
        PNG[:50] + b"\xff" * 100 + PNG[150:],
        png_of(20, 20, b"no zlib"),
        png_of(20, 20, zlib.compress(bytes(10))),
        png_of(0, 0, zlib.compress(b"")),
        b"GIF89a\x05\0\x05\0",
        b"BM" + bytes(60),
        b"P6 2 2 255\n\0",
        b"P6 -1 2 255\n",
        b"II*\0\xff\xff\xff\xff",
        b"RIFF\x10\0\0\0WEBPVP8 ",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
)
def test_damaged_and_foreign_files_are_one_line(data, tmp_path):
    with pytest.raises(DataError, match=r"^cannot read the image: \S") as caught:
        read_image(data, OWN)
    assert "\n" not in str(caught.value)
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(DataError, match=r"^cannot read .*x\.png: \S"):
        read_image(tmp_path / "x.png", OWN)


def test_a_changed_bit_of_a_png_is_the_same_image_or_an_error():
    """Pillow reads past the checksum of the pixels; of this image one bit in 11 gave other pixels."""
    y, x = np.mgrid[0:24, 0:24]
    whole = encoded(Image.fromarray(np.stack([x * 10, y * 10, x * y % 256], -1).astype(np.uint8)), "PNG")
    expected, refused = read_whole(whole), 0
    for bit in range(8 * len(whole)):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        try:
            np.testing.assert_array_equal(read_whole(bytes(content)), expected, f"bit {bit}")
        except DataError:
            refused += 1
    assert refused > 8 * 0.6 * len(whole)


def test_changed_bytes_give_a_image_or_one_error():
    outcomes = set()
    for trial in range(600):
        data = bytearray([PNG, JPEG][trial % 2])
        for _ in range(3):
            data[RNG.integers(len(data))] = RNG.integers(256)
        try:
            assert read_image(bytes(data), (3, 8, 8)).shape == (8, 8, 3)
            outcomes.add("image")
        except DataError:
            outcomes.add("error")
    assert outcomes == {"image", "error"}


@pytest.mark.parametrize("kind", ["PCX", "TGA", "ICO", "SGI"])
def test_other_kinds_that_pillow_knows_are_refused(kind):
    data = encoded(Image.fromarray(RGB), kind)
    Image.open(io.BytesIO(data)).close()
    with pytest.raises(DataError, match="not a PNG, JPEG, BMP, GIF, WebP, TIFF or PPM image"):
        read_image(data, OWN)


def test_what_is_no_file(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        read_image(tmp_path / "none.png", OWN)
    with pytest.raises(DataError, match="it is not a file"):
        read_image(tmp_path, OWN)


def test_arrays_are_resized_as_images_are():
    stack = np.stack([RGB, RGB[::-1]])
    for image in [(3, 8, 8), (1, 20, 30), (3, 25, 10)]:
        found = resize_images(stack, image)
        np.testing.assert_array_equal(found[0], read_image(PNG, image))
    assert resize_images(stack, OWN) is stack
    grey = stack[..., :1]
    np.testing.assert_array_equal(resize_images(grey, OWN), np.repeat(grey, 3, axis=3))


def test_threads_that_overlap_restore_the_warning_filters():
    before = list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with quiet_pillow():
            inside.set()
            leave.wait(5)

    thread = threading.Thread(target=hold)
    with quiet_pillow():  # enters first and leaves first
        thread.start()
        assert inside.wait(5)
    assert warnings.filters != before
    leave.set()
    thread.join()
    assert warnings.filters == before
    assert image_file._entered == []
