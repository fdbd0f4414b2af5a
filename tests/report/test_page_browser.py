"""The page in a real browser: silent, on its own, dark when asked, and no wider than a telephone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from report.chromium import Page, chromium, executable
from report.synthetic import make_study

from ecrnn.report import write_report

pytestmark = pytest.mark.skipif(executable() is None, reason="chromium is not installed")
LONG = "ecrnn-bilstm-" + "-".join(["1024"] * 8)
WIDTH = "document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture(scope="module")
def page_file(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report([study], tmp_path_factory.mktemp("page")).paths["report.html"]


def _size(page: Page, width: int) -> None:
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)


def _scheme(page: Page, value: str) -> None:
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])


def test_no_complaints_and_no_requests(browser: Page, page_file: Path) -> None:
    browser.open(page_file)
    complaints = [
        event
        for event in browser.events
        if event["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    ]
    assert complaints == []
    asked = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [page_file.resolve().as_uri()]


def test_dark_mode_changes_paper_and_ink_and_keeps_contrast(browser: Page, page_file: Path) -> None:
    browser.open(page_file)
    seen = {}
    for scheme in ("light", "dark"):
        _scheme(browser, scheme)
        body, text, caption = (
            browser.evaluate(f"getComputedStyle(document.querySelector('{where}')).{what}")
            for where, what in (("body", "backgroundColor"), ("svg text", "fill"), ("caption", "color"))
        )
        seen[scheme] = body
        assert _contrast(body, text) > 7, (scheme, body, text)
        assert _contrast(body, caption) > 4.5, (scheme, body, caption)
        for word in ("better", "undecided", "worse", "equivalent", "none"):
            badge = browser.evaluate(f"getComputedStyle(document.querySelector('.badge.{word}')).color")
            assert _contrast(body, badge) > 4.5, (scheme, word, badge)
        heat = "getComputedStyle(document.querySelector('.heat .right-class'))"
        _assert_readable(browser.evaluate(f"{heat}.backgroundColor"), browser.evaluate(f"{heat}.color"))
    assert seen["light"] != seen["dark"]
    _scheme(browser, "light")


def test_nothing_is_wider_than_a_telephone(browser: Page, page_file: Path, tmp_path: Path) -> None:
    models = {"cnn": 0.6, LONG: 0.7}
    classes = [f"a class with a long name and no end {i}" for i in range(10)] + ["x" * 200]
    odd = make_study(tmp_path / "run", models, repeats=3, n_validation=60, epochs=2, classes=classes)
    for path in (page_file, write_report([odd]).paths["report.html"]):
        browser.open(path)
        for width in (400, 1200):
            _size(browser, width)
            assert browser.evaluate(WIDTH) <= width
    browser.call("Emulation.clearDeviceMetricsOverride")


def _channels(colour: str) -> list[float]:
    """rgb(1, 2, 3) or color(srgb 0.1 0.2 0.3) as three numbers from 0 to 1."""
    inside = colour[colour.index("(") + 1 : -1].replace("srgb", "").replace(",", " ").split()[:3]
    scale = 1.0 if colour.startswith("color(") else 255.0
    return [float(part) / scale for part in inside]


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _channels(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    """Contrast ratio as WCAG 2 defines it."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _assert_readable(background: str, text: str) -> None:
    assert _contrast(background, text) > 4.5, (background, text)
