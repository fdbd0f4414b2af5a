"""`ecrnn report --lang`, which four other commands have too: the page is Korean, every other file as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from report.synthetic import make_study

from ecrnn.report import write_report


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "study"
    return make_study(folder, {"cnn": 0.6, "ecnn": 0.7}, repeats=3, n_validation=100, epochs=2)


def test_only_the_page_is_korean(synthetic: Path, call, tmp_path: Path) -> None:
    english = write_report([synthetic], tmp_path / "en").paths
    done = call("report", synthetic, "--out", tmp_path / "ko", "--lang", "ko")
    assert done.status == 0, done.err
    for name, path in english.items():
        other = (tmp_path / "ko" / name).read_bytes()
        assert (other == path.read_bytes()) == (name != "report.html"), name
    assert "낫습니다" in (tmp_path / "ko" / "report.html").read_text(encoding="utf-8")


def test_a_language_without_pages(synthetic: Path, call, tmp_path: Path) -> None:
    for arguments in (
        ("report", synthetic),
        ("check", tmp_path),
        ("serve", "cifar10"),
        ("evaluate", "cifar10", tmp_path),
        ("explain", "cifar10", tmp_path),
    ):
        done = call(*arguments, "--lang", "fr")
        assert (done.status, done.err) == (2, "ecrnn: unknown language 'fr', pages are in en and ko\n")
    for arguments in (("check", tmp_path), ("evaluate", "cifar10", tmp_path)):  # which write a page with --out alone
        done = call(*arguments, "--lang", "ko")
        assert done.status == 2
        assert done.err.startswith("ecrnn: --lang ko is the language of the page; --out names the folder")
