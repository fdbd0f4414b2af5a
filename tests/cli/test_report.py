"""`ecrnn report --lang`, which four other commands have too: the page is Korean, every other file as it was."""

from __future__ import annotations

import unicodedata
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


def test_runs_and_bundles_spelt_otherwise_than_on_the_disk(
    synthetic: Path, bundle: Path, images: Path, call, tmp_path: Path
) -> None:
    """Decomposed on the disk, as from macOS, and composed in the command; of two that are there each is itself."""
    there, named = (unicodedata.normalize(form, "\ud55c\uae00 \xe9") for form in ("NFD", "NFC"))
    for name, place in (("study", synthetic), ("bundle", bundle)):
        (tmp_path / f"{there} {name}").symlink_to(place)
    study, model = (tmp_path / f"{named} {name}" for name in ("study", "bundle"))
    table = tmp_path / f"{there}.csv"
    table.write_text("model,repeat,score\na,0,0.5\na,1,0.6\na,2,0.6\nb,0,0.4\nb,1,0.5\nb,2,0.6\n")
    one = next(images.rglob("*.png"))
    for number, command in enumerate(
        (
            ("report", study, "--out", tmp_path / "report"),
            ("report", study, "--archive", tmp_path / "archive"),
            ("verify", model, "--train", "none"),
            ("predict", model, one),
            ("judge", tmp_path / f"{named}.csv", "--n-train", 80, "--n-test", 20, "--out", tmp_path / "judged"),
        )
    ):
        done = call(*command)
        assert done.status == 0, (number, done.err)
    for command in (("verify", study, "--train", "none"), ("bundle", study, "--model", "none", "-o", tmp_path / "b")):
        done = call(*command)
        assert "is no study" not in done.err
        assert "is not a run directory" not in done.err
    (tmp_path / f"{named} bundle").mkdir()
    assert "is not a bundle" in call("predict", model, one).err
