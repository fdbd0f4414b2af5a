"""The graph that brings a whole image to the network's size, against Pillow by the rules of `ecrnn.data.fitting`."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from ecrnn.core.form import Fit
from ecrnn.data.fitting import fitted
from ecrnn.data.image_file import LINE_WIDTHS, decode_line, quiet_pillow
from ecrnn.serving.examples import png
from ecrnn.serving.export.image_graph import image_graph, joined, line_graph, standing_before
from ecrnn.serving.export.parity import run, session
from ecrnn.serving.export.samples import synthetic_image

onnx: Any = pytest.importorskip("onnx", reason="no onnx: pip install 'ecrnn[onnx]'")
pytest.importorskip("onnxruntime", reason="no onnxruntime: pip install 'ecrnn[onnx]'")

SIDES = ((1, 1), (5, 9), (33, 32), (64, 64), (100, 37), (37, 100), (300, 8), (241, 319))
SIZES = ((3, 32, 32), (1, 16, 40), (3, 64, 48))


def network(inputs: str, outputs: str, body: str, opset: int = 20) -> Any:
    header = f'<ir_version: 10, opset_import: ["" : {opset}]>'
    return onnx.parser.parse_model(f"{header} g ({inputs}) => ({outputs}) {{ {body} }}")


def images() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    noise = [draw.integers(0, 256, (*sides, 3), np.uint8) for sides in SIDES]
    return [*noise, *(synthetic_image(draw, *sides, 3) for sides in SIDES)]


@pytest.mark.sampled(most=5)
@pytest.mark.parametrize("fit", get_args(Fit))
@pytest.mark.parametrize("size", SIZES)
def test_at_most_one_level_from_pillow(size: tuple[int, int, int], fit: Fit) -> None:
    channels, height, width = size
    shape = f"uint8[batch, {height}, {width}, {channels}]"
    rest = network(f"{shape} pixels", f"{shape} out", "out = Identity (pixels)")
    model = joined(standing_before(image_graph(size, fit), rest), rest)
    onnx.checker.check_model(model, full_check=True)
    opened, unlike = session(model.SerializeToString()), []
    for image in images():
        found = run(opened, [image[None]])["out"][0].astype(int)
        expected = fitted(Image.fromarray(image).convert("L" if channels == 1 else "RGB"), height, width, fit)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 1, image.shape
        unlike.append((found != expected).mean())
    assert np.mean(unlike) < 0.15  # Pillow 13 reduces the rows of tall images first, which rounds at another place


def test_lines_of_text_have_their_height_and_a_width_in_proportion() -> None:
    rest = network(
        "uint8[batch, 24, width, 1] pixels, int64[batch] widths",
        "uint8[batch, 24, width, 1] out, int64[batch] columns",
        "out = Identity (pixels) columns = Identity (widths)",
    )
    model = joined(standing_before(line_graph(24, LINE_WIDTHS), rest), rest)
    onnx.checker.check_model(model, full_check=True)
    opened = session(model.SerializeToString())
    for image in (image for image in images() if image.shape[0] < 10 * image.shape[1]):
        outputs = run(opened, [image[None]])
        with quiet_pillow():
            expected = decode_line(png(image), 24)
        assert outputs["columns"] == [expected.shape[1]]
        assert np.abs(outputs["out"][0, :, :, 0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("fit", get_args(Fit))
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_of_the_right_size_stays_as_it_is(channels: int, fit: Fit) -> None:
    rest = network(f"uint8[batch, 64, 64, {channels}] pixels", "uint8[batch, 64, 64, 3] out", "out = Identity (pixels)")
    opened = session(standing_before(image_graph((channels, 64, 64), fit), rest).SerializeToString())
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    found = run(opened, [image[None]])["pixels"][0]
    expected = np.asarray(Image.fromarray(image).convert("L" if channels == 1 else "RGB")).reshape(found.shape)
    assert (found == expected).all()


def test_a_cut_elsewhere_is_seen() -> None:
    rest = network("uint8[batch, 8, 8, 3] pixels", "uint8[batch, 8, 8, 3] out", "out = Identity (pixels)")
    model = standing_before(image_graph((3, 8, 8), "cut"), rest)
    image = synthetic_image(np.random.default_rng(0), 40, 91, 3)
    found = run(session(model.SerializeToString()), [image[None]])["pixels"][0].astype(int)
    assert np.abs(found - fitted(Image.fromarray(image), 8, 8, "cut-half-pixels")).max() > 1


@pytest.mark.parametrize("opset", [18, 23])
def test_the_versions_are_the_networks(opset: int) -> None:
    rest = network("uint8[batch, 8, 8, 3] pixels", "uint8[batch, 8, 8, 3] out", "out = Identity (pixels)", opset)
    model = joined(standing_before(image_graph((3, 8, 8), "pad"), rest), rest)
    assert [one.version for one in model.opset_import] == [opset]
    assert [side.dim_value for side in model.graph.output[0].type.tensor_type.shape.dim] == [1, 8, 8, 3]
    onnx.checker.check_model(model, full_check=True)
