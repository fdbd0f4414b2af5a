"""`ecrnn serve` as a process: it listens, answers, and stops after the requests under way; what is refused at once."""

from __future__ import annotations

import base64
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cli.conftest import Call
from report.chromium import Page, chromium, executable

PATIENCE = 120  # seconds, on a busy machine


@contextmanager
def serving(bundle: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "ecrnn", "serve", str(bundle), "--port", "0", "--threads", "1", "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["url"]
        finally:
            process.kill()


def ready(url: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            if httpx.get(f"{url}ready", timeout=PATIENCE).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail("the server did not get ready")


def test_it_answers_as_predict_and_stops_after_what_is_under_way(bundle: Path, images: Path, call: Call) -> None:
    one = sorted(images.rglob("*.png"))[0]
    predicted = json.loads(call("predict", bundle, one, "--json").out)
    with serving(bundle, "--max-wait-ms", "1000") as (process, url):
        ready(url)
        answers: list[httpx.Response] = []

        def ask() -> None:
            answers.append(
                httpx.post(f"{url}predict", content=one.read_bytes(), headers={"content-type": "image/png"}, timeout=60)
            )

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.5)  # it waits a second for more images
        process.send_signal(signal.SIGTERM)
        asking.join(PATIENCE)
        assert process.wait(PATIENCE) in (0, -signal.SIGTERM)
    (answer,) = answers
    assert answer.status_code == 200
    expected = {one["class"]: one["probability"] for one in predicted["classes"]}
    assert answer.json()["probabilities"] == pytest.approx(expected, abs=1e-6)


def test_what_is_refused_at_once(call: Call, bundle: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = call("serve", bundle, "--port", taken.getsockname()[1])
    assert done.status == 1
    assert "cannot listen at 127.0.0.1" in done.err
    (tmp_path / "token").write_text("short\n")
    done = call("serve", bundle, "--token-file", tmp_path / "token")
    assert done.status == 1
    assert "at least 16" in done.err
    assert call("serve", tmp_path / "none").status == 1


def test_without_the_extra_one_line_says_what_to_install(
    call: Call, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent: dict[str, Any] = {"uvicorn": None}
    monkeypatch.setitem(sys.modules, "uvicorn", absent["uvicorn"])
    done = call("serve", bundle)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert "pip install 'ecrnn[serve]'" in done.err


@pytest.mark.slow
def test_ctrl_c_ends_it(bundle: Path) -> None:
    with serving(bundle) as (process, url):
        ready(url)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) in (0, 130, -signal.SIGINT)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def waited_for(browser: Page, condition: str) -> None:
    until = time.monotonic() + PATIENCE
    while not browser.evaluate(condition):
        assert time.monotonic() < until, browser.evaluate("document.body.innerText")
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(executable() is None, reason="chromium is not installed")
def test_the_page_in_a_browser(bundle: Path, images: Path, call: Call, tmp_path: Path) -> None:
    one = sorted(images.rglob("*.png"))[0]
    (tmp_path / "<b>bad.png").write_bytes(b"none")
    predicted = json.loads(call("predict", bundle, one, "--json").out)["classes"]
    with serving(bundle) as (_, url), chromium() as browser:
        ready(url)
        browser.open(url)
        waited_for(browser, "document.getElementById('classes').textContent.includes('classes')")
        chooser = browser.call("Runtime.evaluate", expression="document.getElementById('file')")["result"]["objectId"]
        browser.call("DOM.setFileInputFiles", files=[str(tmp_path / "<b>bad.png")], objectId=chooser)
        waited_for(browser, "document.getElementById('error').textContent.includes('cannot read')")
        browser.call("DOM.setFileInputFiles", files=[str(one)], objectId=chooser)
        waited_for(browser, "document.querySelectorAll('#bars li').length > 0")
        rows = browser.evaluate("[...document.querySelectorAll('#bars li')].map(row => row.innerText).join('|')")
        for name, row in zip([c["class"] for c in predicted], rows.split("|"), strict=False):
            assert row.startswith(name)
        assert f"{100 * predicted[0]['probability']:.1f} %" in rows.split("|")[0]
        browser.evaluate("document.getElementById('why').click()")
        waited_for(browser, "document.querySelectorAll('canvas').length > 0")
        assert browser.evaluate("document.querySelectorAll('b b, figcaption b').length") == 0
        asked = {e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"}
        assert {place for place in asked if not place.startswith((url, "data:", "blob:"))} == set()
        assert [event for event in browser.events if event["method"] == "Runtime.exceptionThrown"] == []
        shot = browser.call("Page.captureScreenshot", format="png")["data"]
        (tmp_path / "page.png").write_bytes(base64.b64decode(shot))
