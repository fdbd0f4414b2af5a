"""A folder made to harm, through every command that reads images: nothing crashes or hangs, every bad file is named,
and no name is obeyed by a terminal, a page or a spreadsheet. Over 40 hostile files here, over 200 in the slow lane."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import pytest
from cli.conftest import TINY, Done, call_main
from cli.hostile import CLASSES, HTML, make_hostile
from starlette.testclient import TestClient

import ecrnn
from ecrnn.core.text import printable
from ecrnn.data.image_file import SUFFIXES
from ecrnn.serving.http.app import Server
from ecrnn.serving.http.limits import Limits

SECONDS = 300  # for one command on a busy machine; what waits at a pipe or a device waits for ever
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202a-\u202e\u2066-\u2069]")  # by a terminal


class Hostile(NamedTuple):
    """The folder, its bad files and what they are, and a bundle trained on its good ones."""

    place: Path
    bad: dict[str, str]
    bundle: Path
    trained: Done


@contextmanager
def within_time() -> Iterator[None]:
    """Fails where something hangs."""

    def late(*_: object) -> None:
        raise TimeoutError(f"it hangs: {SECONDS} s are over")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def called(*arguments: object) -> Done:
    """A command that ends with a status of its own, in time, and prints nothing that a terminal obeys."""
    with within_time():
        done = call_main(*arguments)
    assert done.status in (0, 1), done.err
    assert "internal error" not in done.err
    assert not OBEYED.search(done.out + done.err)
    return done


@pytest.fixture(scope="module", params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["some", "over 200"])
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    home = tmp_path_factory.mktemp("hostile")
    place = home / "photos"
    bad = make_hostile(place, every=request.param)
    odd = [
        path for path in place.rglob("*") if path.is_symlink() or not path.name[:2].isdigit() or path.suffix != ".png"
    ]
    assert len(odd) > (200 if request.param else 40)
    trained = called("train", place, "--model", "cnn", *TINY, "--bad-data", "skip", "-o", home / "bundle")
    return Hostile(place, bad, home / "bundle", trained)


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def check_page(page: str) -> None:
    """Nothing in a page comes from a name: no script, no handler, no address outside."""
    tags = Tags(page).tags
    assert not [tag for tag, _ in tags if tag in ("script", "iframe", "object", "embed", "b", "i")]
    assert not [attributes for _, attributes in tags if any(name.startswith("on") for name in attributes)]
    sources = [attributes["src"] for tag, attributes in tags if tag == "img"]
    assert all(re.match(r"data:image/(?:jpeg|png);base64,", source or "") for source in sources)
    assert "default-src 'none'" in page
    assert not OBEYED.search(page)
    assert "49 =" not in page, "a template in a name was filled in"


def test_check_names_every_bad_file(hostile: Hostile, tmp_path: Path) -> None:
    place, bad = hostile.place, hostile.bad
    done = called("check", place, "-o", tmp_path, "--jobs", "2", "--repeats", "1")
    assert done.status == 1
    found = json.loads((tmp_path / "check.json").read_text())
    named = {one["file"]: one["kind"] for one in found["findings"] if one["severity"] == "error"}
    assert set(named) == {os.fsencode(file).decode("utf-8", "surrogateescape") for file in bad}
    for name in ("pipe.png", "zero.png", "random.png", "itself.png", "nowhere.png", "to pipe.png", "socket.png"):
        assert named[f"{CLASSES[1]}/{name}"] == "not-a-file"
    assert named[f"{CLASSES[1]}/bomb.png"] == "too-large"
    assert named[f"{CLASSES[1]}/large.png"] == "too-large", "more than we take, less than Pillow refuses"
    assert named[f"{CLASSES[1]}/empty.png"] == "empty"
    page = (tmp_path / "check.html").read_text(encoding="utf-8")
    check_page(page)
    rows = list(csv.reader(io.StringIO((tmp_path / "findings.csv").read_text(encoding="utf-8"), newline="")))
    assert {len(row) for row in rows} == {5}
    assert not [cell for row in rows for cell in row if re.match(r"[=+@\t\r-]", cell)], "a spreadsheet would run it"
    assert not OBEYED.search((tmp_path / "findings.csv").read_text(encoding="utf-8"))
    ecrnn.check(place, out=tmp_path / "ko", language="ko", repeats=1)
    check_page((tmp_path / "ko" / "check.html").read_text(encoding="utf-8"))
    assert not (place.parent / "owned").exists()


def test_train_refuses_or_counts_them(hostile: Hostile, tmp_path: Path) -> None:
    assert hostile.trained.status == 0
    refused = called("train", hostile.place, "--model", "cnn", *TINY, "-o", tmp_path / "bundle")
    assert refused.status == 1
    assert refused.err.count("\n") <= 2
    assert f"{len(hostile.bad):,} " in refused.err
    assert not (tmp_path / "bundle").exists()
    description = (hostile.bundle / "bundle.json").read_text(encoding="utf-8")
    assert json.loads(description)["classes"] == sorted(CLASSES[: len(json.loads(description)["classes"])])
    left_out = json.loads(description)["bad_files"]
    assert sorted(left_out) == sorted(hostile.bad)
    card = (hostile.bundle / "README.md").read_text(encoding="utf-8")
    assert not OBEYED.search(card)
    assert not re.search(r"(?<!\\)<(?:script|img|b)", card)


@pytest.mark.parametrize("style", ["csv", "jsonl", "table"])
def test_predict_answers_about_the_others(hostile: Hostile, style: str) -> None:
    done = called("predict", hostile.bundle, hostile.place, "--format", style)
    assert done.status == 1
    if style == "jsonl":
        lines = [json.loads(line) for line in done.out.splitlines()]
        failed = {one["file"] for one in lines if "error" in one}
        assert failed == {str(hostile.place / file) for file in hostile.bad}
        assert len(lines) - len(failed) > 12
    else:
        said = done.err.splitlines()
        assert len([line for line in said if "cannot read" in line]) == len(hostile.bad)
        for file in hostile.bad:
            assert any(printable(file) in line for line in said), f"{file!r} is not named"


def test_evaluate_says_what_it_left_out(hostile: Hostile, tmp_path: Path) -> None:
    done = called("evaluate", hostile.bundle, hostile.place, "--part", "all", "-o", tmp_path)
    if done.status == 0:
        assert str(len(hostile.bad)) in done.out
        check_page((tmp_path / "evaluation.html").read_text(encoding="utf-8"))
    else:
        assert done.err.count("\n") == 1
        assert f"{len(hostile.bad):,} " in done.err


def test_explain_explains_the_others(hostile: Hostile, tmp_path: Path) -> None:
    good = next(path for path in sorted((hostile.place / CLASSES[1]).iterdir()) if path.name == "new\nline.png")
    files = [hostile.place / file for file in sorted(hostile.bad)][:: max(1, len(hostile.bad) // 40)]
    done = called("explain", hostile.bundle, *files, good, "--methods", "cam", "-o", tmp_path / "why.html")
    assert done.status == 1
    for file in files:
        assert printable(file) in done.err, f"{file!r} is not named"
    check_page((tmp_path / "why.html").read_text(encoding="utf-8"))


def test_serve_refuses_each_alone(hostile: Hostile) -> None:
    """Only what can be sent: the bytes of regular files, under their names."""
    model = ecrnn.load(hostile.bundle)
    server = Server(model, Limits(images=1000, body=100_000_000), threads=2)
    sent = {file: hostile.place / file for file, kind in hostile.bad.items() if kind != "no file"}
    good = hostile.place / "good" / "00.png"
    with within_time(), TestClient(server.app()) as client:
        for start in range(0, len(sent), 40):
            part = list(sent.items())[start : start + 40]
            form = [("file", (printable(file), path.read_bytes())) for file, path in part]
            answer = client.post("/predict", files=[*form, ("file", ("good.png", good.read_bytes()))])
            *refused, answered = answer.json()["images"]
            assert {one["status"] for one in refused} == {422}
            assert all(one["error"] for one in refused)
            assert answered["class"] in model.classes
        for name in ('"><script>', "\x1b[31m", "a\r\nX-Owned: 1"):
            answer = client.post("/predict", files=[("file", (name, good.read_bytes()))])
            assert answer.status_code in (200, 400, 422)
            assert "x-owned" not in answer.headers
        page = client.get("/")
        assert HTML not in page.text
        assert "script-src 'unsafe-inline'" in page.headers["content-security-policy"]
        assert client.get("/ready").status_code == 200
        assert client.get("/model").json()["classes"] == list(model.classes)


def test_the_set_holds_every_kind_of_image(tmp_path: Path) -> None:
    bad = make_hostile(tmp_path / "photos", images=1)
    assert {Path(file).suffix for file in bad} >= {".png", ".jpg", ".gif", ".bmp", ".webp", ".tif", ".ppm"}
    assert {Path(file).suffix for file in bad} <= SUFFIXES
