"""Arrays as PNG images: colours, contrast, places."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from ecrnn.report.render.pixels import AGAINST, FOR, filter_sheet, over_time, overlaid, png, tiled, uri


def test_an_address_holds_the_pixels() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    for array in (pixels, pixels[..., :1], pixels[..., 0]):
        content = base64.b64decode(uri(png(array)).removeprefix("data:image/png;base64,"))
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), array.squeeze())


def test_signs_have_colours() -> None:
    image = np.full((2, 2, 3), 128, np.uint8)
    shown = overlaid(image, np.array([[4.0, 0.0], [-2.0, 0.0]])).astype(int)
    assert np.array_equal(shown[0, 1], [128, 128, 128])
    assert np.abs(shown[0, 0] - (128 + 0.85 * (FOR - 128))).max() <= 1
    assert np.abs(shown[1, 0] - (128 + 0.425 * (AGAINST - 128))).max() <= 1
    assert np.array_equal(overlaid(image, np.zeros((2, 2))), image)


def test_maps_side_by_side() -> None:
    maps = np.array([[[0.0, 1.0]], [[5.0, 5.0]]])
    assert tiled(maps).tolist() == [[0, 255, 128, 0, 0]]
    assert tiled(maps, gap=0).tolist() == [[0, 255, 0, 0]]


def test_filters_in_rows() -> None:
    filters = np.random.default_rng(0).normal(size=(20, 3, 3, 3))
    sheet = filter_sheet(filters)
    assert sheet.shape == (7, 63, 3)
    one = sheet[:3, 4:7].astype(float)
    expected = (filters[1] - filters[1].min()) / np.ptp(filters[1]) * 255
    assert np.abs(one - expected.transpose(1, 2, 0)).max() <= 0.5
    assert filter_sheet(filters[:, :1]).shape == (7, 63, 3)


def test_values_over_time() -> None:
    values = np.array([[-1.0, 0.0], [1.0, 5.0]])  # two steps, two nodes
    assert over_time(values, -1, 1).tolist() == [[0, 255], [128, 255]]
