"""The page in a real browser: it answers as `ecrnn predict` does, offline, and asks for nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from report.chromium import Page, chromium, executable
from serving.export import small_bundles

from ecrnn.data.downloads import default_cache
from ecrnn.data.image_file import read_whole
from ecrnn.serving.export.exporting import export
from ecrnn.serving.export.parity import run, session
from ecrnn.serving.export.samples import synthetic_image
from ecrnn.serving.export.web_runtime import TARBALL
from ecrnn.serving.load import load

pytest.importorskip("onnxruntime", reason="no onnxruntime: pip install 'ecrnn[onnx]'")
pytest.importorskip("onnxscript", reason="no onnxscript: pip install 'ecrnn[onnx]'")

RUNTIME = Path(
    os.environ.get("ECRNN_TEST_WEB_RUNTIME", default_cache() / "downloads" / "onnxruntime-web" / TARBALL.name)
)
pytestmark = [
    pytest.mark.skipif(executable() is None, reason="chromium is not installed"),
    pytest.mark.skipif(not RUNTIME.exists(), reason=f"no onnxruntime-web: {RUNTIME} (ECRNN_TEST_WEB_RUNTIME)"),
]


@pytest.fixture
def browser() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Ten files of many kinds and shapes."""
    folder, draw = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    kinds: dict[str, tuple[tuple[int, int], str, dict[str, Any]]] = {
        "wide.png": ((40, 91), "RGB", {}),
        "tall.png": ((120, 37), "RGB", {}),
        "tiny.png": ((5, 9), "RGB", {}),
        "grey.png": ((33, 50), "L", {}),
        "clear.png": ((48, 48), "RGBA", {}),
        "few.gif": ((60, 44), "P", {}),
        "plain.bmp": ((64, 64), "RGB", {}),
        "photo.jpg": ((50, 62), "RGB", {"quality": 90, "subsampling": 0}),
        "turned.jpg": ((60, 44), "RGB", {"quality": 90}),
        "lossless.webp": ((70, 40), "RGB", {"lossless": True}),
    }
    for name, (sides, mode, options) in kinds.items():
        pixels = synthetic_image(draw, *sides, 4 if mode == "RGBA" else 3)
        image = Image.fromarray(pixels).convert(mode)
        exif = Image.Exif()
        if name.startswith("turned"):
            exif[0x0112] = 6
        image.save(folder / name, **options, **({"exif": exif} if exif else {}))
    return [folder / name for name in kinds]


def loaded(browser: Page, path: Path) -> None:
    browser.open(path)
    waited_for(browser, "document.getElementById('status').textContent !== 'Loading the model ...'")
    assert browser.evaluate("document.getElementById('status').textContent") == "Ready."


def waited_for(browser: Page, condition: str, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not browser.evaluate(condition):
        assert time.monotonic() < end, browser.evaluate("document.getElementById('status').textContent")
        time.sleep(0.05)


def choose(browser: Page, image: Path) -> None:
    """Choose a file as a user does, and wait for the answer."""
    browser.evaluate("document.body.dataset.answered = ''")
    found = browser.call("Runtime.evaluate", expression="document.getElementById('file')")
    browser.call("DOM.setFileInputFiles", files=[str(image)], objectId=found["result"]["objectId"])
    waited_for(browser, "document.body.dataset.answered === 'yes'")


def shown(browser: Page) -> dict[str, float]:
    """Names and values of the bars."""
    of_row = "[row.querySelector('.name').textContent, Number(row.dataset.value)]"
    rows = f"[...document.querySelectorAll('#answer li')].map((row) => {of_row})"
    return dict(json.loads(browser.evaluate(f"JSON.stringify({rows})")))


def quiet_and_alone(browser: Page, path: Path) -> None:
    """Nothing was complained of, and nothing asked for but the page itself and what it made."""
    loud = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    assert [event for event in browser.events if event["method"] in loud] == []
    asked = {e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"}
    assert {url for url in asked if not url.startswith(("data:", "blob:null/"))} == {path.resolve().as_uri()}


@pytest.mark.slow
def test_ten_images_as_predict_says(browser: Page, images: list[Path], tmp_path: Path) -> None:
    name = "ecrnn-bilstm-8@rows"
    bundle = small_bundles.write(tmp_path / "bundle", name, (3, 16, 20), {"data": "<i>mine</i>"})
    written = export(bundle, tmp_path / "page.html", "page", runtime=RUNTIME)
    export(bundle, tmp_path / "same.onnx", input="image")
    model, same = load(bundle, "cpu"), session((tmp_path / "same.onnx").read_bytes())
    loaded(browser, written.file)
    for image in images:
        choose(browser, image)
        found = shown(browser)
        probabilities = model.predict_proba([image])[0]
        assert next(iter(found)) == model.predict([image])[0], image.name
        assert found == pytest.approx(dict(zip(model.classes, probabilities, strict=True)), abs=2e-3), image.name
        by_file = run(same, [read_whole(image)[None]])["probabilities"][0]
        near = 2e-5 if image.suffix == ".png" and image.name != "clear.png" else 2e-3
        assert found == pytest.approx(dict(zip(model.classes, by_file, strict=True)), abs=near), image.name
    quiet_and_alone(browser, written.file)
    assert browser.evaluate("document.title") == f"{name} on <i>mine</i>"
    assert browser.evaluate("document.querySelectorAll('#answer b, h1 i').length") == 0


@pytest.mark.slow
def test_what_is_no_image_is_said_and_the_page_goes_on(browser: Page, images: list[Path], tmp_path: Path) -> None:
    bundle = small_bundles.write(tmp_path / "bundle", "mlp-6", (1, 16, 20))
    written = export(bundle, tmp_path / "page.html", "page", runtime=RUNTIME)
    loaded(browser, written.file)
    (tmp_path / "<img src=x>.png").write_bytes(b"no image")
    choose(browser, tmp_path / "<img src=x>.png")
    assert "<img src=x>.png cannot be read as an image" in browser.evaluate(
        "document.getElementById('status').textContent"
    )
    choose(browser, images[0])
    assert next(iter(shown(browser))) == load(bundle, "cpu").predict([images[0]])[0]
    quiet_and_alone(browser, written.file)


@pytest.mark.slow
def test_lines_of_text_as_predict_reads_them(browser: Page, tmp_path: Path) -> None:
    bundle = small_bundles.write(tmp_path / "bundle", "ocr-bilstm-8", (1, 16, 40))
    written = export(bundle, tmp_path / "page.html", "page", runtime=RUNTIME)
    model, draw = load(bundle, "cpu"), np.random.default_rng(2)
    loaded(browser, written.file)
    texts = []
    for number, sides in enumerate(((16, 60), (16, 200), (32, 120), (20, 90))):
        path = tmp_path / f"{number}.png"
        Image.fromarray(draw.integers(0, 256, (*sides, 3), np.uint8)).save(path)
        choose(browser, path)
        texts.append((browser.evaluate("document.getElementById('text').textContent"), model.read([path])[0]))
    assert [found for found, _ in texts] == [expected for _, expected in texts]
    assert any(expected for _, expected in texts)
    quiet_and_alone(browser, written.file)
