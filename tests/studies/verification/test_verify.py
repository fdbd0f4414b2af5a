"""`ecrnn.verify`: which checks a folder gets, and which trial is trained again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from studies.conftest import make_images
from studies.small import Study

from ecrnn.core.errors import EcrnnError, RunDirectoryError, UnknownNameError
from ecrnn.core.events import Step
from ecrnn.studies.verification.result import Verification
from ecrnn.studies.verification.verify import verify


def test_all_of_a_study(left_alone: Path) -> None:
    found = verify(left_alone)
    assert found.holds
    assert found.kind == "study"
    names = ["seals", "trials", "plan", "splits", "scores", "data", "training"]
    assert [check.name for check in found.checks] == names


def test_nothing_is_written(left_alone: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in left_alone.rglob("*")}
    verify(left_alone)
    assert {path: path.stat().st_mtime_ns for path in left_alone.rglob("*")} == before


@pytest.mark.parametrize("train", ["ecnn:1", ("ecnn", 1)])
def test_the_trial_that_is_named_is_trained(left_alone: Path, train: Any) -> None:
    labels = set()
    found = verify(left_alone, train, progress=lambda e: labels.add(e.label) if isinstance(e, Step) else None)
    assert found.holds
    assert labels == {"ecnn, repeat 1"}


def test_no_training(left_alone: Path) -> None:
    events: list[Any] = []
    found = verify(left_alone, "none", progress=events.append)
    assert found.holds
    assert not events
    assert [check.name for check in found.checks] == ["seals", "trials", "plan", "splits", "scores"]


@pytest.mark.parametrize(
    ("train", "kind", "line"),
    [
        ("cnn", EcrnnError, "the trial to train again is MODEL:REPEAT, as in cnn:0, or none, not 'cnn'"),
        ("cnn:2", UnknownNameError, "has no trial cnn:2; its models are cnn, ecnn, its repeats 0 to 1"),
        ("crnn:0", UnknownNameError, "has no trial crnn:0"),
    ],
)
def test_a_trial_that_is_none(left_alone: Path, train: str, kind: type[EcrnnError], line: str) -> None:
    with pytest.raises(kind, match=re.escape(line)):
        verify(left_alone, train)


def test_a_folder_that_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="is no study and no bundle"):
        verify(tmp_path)
    (tmp_path / "across.yaml").write_text("data: []")
    with pytest.raises(RunDirectoryError, match="holds a study for each of several data sets; give one of them"):
        verify(tmp_path)


def test_a_study_whose_settings_were_edited(left_alone: Path, tmp_path: Path) -> None:
    shutil.copytree(left_alone, tmp_path / "study")
    path = tmp_path / "study" / "study.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: 1"))
    found = verify(tmp_path / "study")
    assert not found.holds
    ((check,),) = (found.checks,)
    assert (check.name, check.status) == ("seals", "fails")
    assert "study.yaml is damaged, or was changed by hand" in check.lines[0]


def test_data_that_is_gone_or_changed(tmp_path: Path) -> None:
    """What needs the data is open then, which is no success."""
    images = make_images(tmp_path / "images")
    Study(str(images)).run(tmp_path / "study", models=("cnn",), repeats=1, training={"epochs": 1})

    def states() -> tuple[bool, dict[str, str], str]:
        found = verify(tmp_path / "study")
        return found.holds, {c.name: c.status for c in found.checks if c.status != "holds"}, found.checks[5].lines[0]

    next(images.rglob("*.png")).unlink()
    assert states()[:2] == (False, {"data": "open", "training": "open"})
    assert "are not those the study was begun with" in states()[2]
    shutil.rmtree(images)
    assert states()[:2] == (False, {"data": "open", "training": "open"})
    assert states()[2].startswith("the data is not at hand: ")


def test_a_bundle_has_one_training(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text("{}")
    with pytest.raises(EcrnnError, match="is a bundle, which is of one training; leave train out, or give 'none'"):
        verify(tmp_path, "cnn:0")
    found = verify(tmp_path, "none")
    assert isinstance(found, Verification)
    assert [check.status for check in found.checks] == ["fails"]
