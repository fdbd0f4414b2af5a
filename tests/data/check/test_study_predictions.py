"""Labels that a study contradicts, from a study that was really trained on planted ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from cli.conftest import call_main
from core.lines import one_line
from PIL import Image
from studies.small import Study

from ecrnn.core.errors import DataError, RunDirectoryError
from ecrnn.data.check.folder_check import check_folder
from ecrnn.data.check.study_predictions import read_study_predictions
from ecrnn.data.folder import list_folder
from ecrnn.report import archive_study
from ecrnn.studies.of_folder import check_study_of

PLANTED = ("a/003.png", "a/017.png", "b/105.png", "c/231.png")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three colours in noise, 40 images each; four lie in a wrong class, and one file cannot be read."""
    place = tmp_path_factory.mktemp("photos")
    for label, name in enumerate("abc"):
        (place / name).mkdir()
        for i in range(40):
            number = 100 * label + i
            wrong = f"{name}/{number:03}.png" in PLANTED
            pixels = np.random.default_rng(number).integers(0, 120, (8, 8, 3), np.uint8)
            pixels[..., (label + wrong) % 3] += 100
            Image.fromarray(pixels).save(place / name / f"{number:03}.png")
    (place / "b" / "000.png").write_bytes(b"")
    return place


@pytest.fixture(scope="module")
def study(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "study"
    training = {"epochs": 6, "lr": 0.01}
    outcome = Study(str(photos)).run(
        out, models=("majority", "mlp-8"), repeats=4, split="4-fold", bad_data="skip", training=training
    )
    assert not outcome.failed
    return out


def test_planted_labels_are_found(photos: Path, study: Path) -> None:
    found = check_folder(photos, study=study, near=None, bad_data="skip")
    suspect = [one for one in found.findings if one.kind == "suspect-label"]
    assert {one.file for one in suspect[:4]} == set(PLANTED), "the clearest come first"
    assert len(suspect) <= 8
    assert suspect[0].detail.split(" ")[0] == "abca"["abc".index(suspect[0].file[0]) + 1]
    assert found.predicted == 120
    assert (found.study, found.would_train) == (str(study), True)


def test_the_model_that_is_most_often_right_is_asked(photos: Path, study: Path) -> None:
    found = read_study_predictions(study, list_folder(photos))
    assert found.model == "mlp-8"
    assert not found.held_out[list_folder(photos).files.index("b/000.png")]
    assert found.held_out.sum() == 120
    np.testing.assert_allclose(found.probabilities[found.held_out].sum(axis=1), 1)


def test_studies_that_do_not_fit(photos: Path, study: Path, tmp_path: Path) -> None:
    archive_study(study, tmp_path / "archive")
    with one_line(DataError, "holds no finished trial with probabilities of classes; an archive keeps none"):
        check_folder(photos, study=tmp_path / "archive")
    with one_line(RunDirectoryError, "is not a run directory"):
        check_folder(photos, study=tmp_path)
    other = tmp_path / "other"
    shutil.copytree(photos, other)
    (other / "a" / "001.png").rename(other / "b" / "001.png")
    with one_line(DataError, "is of other images than"):
        check_folder(other, study=study)
    (other / "b" / "001.png").rename(other / "a" / "001.png")
    check_study_of(study, other)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(other / "a" / "001.png")  # as many images of each class
    read_study_predictions(study, list_folder(other))
    with one_line(DataError, f"{study} is of other images than {other}, or some were added, removed or altered"):
        check_study_of(study, other)
    assert "or some were added, removed or altered" in call_main("check", other, "--study", study).err


def test_a_study_with_folders_that_validate_and_test(photos: Path, tmp_path: Path) -> None:
    """The study's own folders are gone, so only those that are named now can be the ones that are read."""
    parts = {}
    for part, change in (("val", 255), ("test", 127)):  # other images than those that train
        shutil.copytree(photos, tmp_path / part)
        (tmp_path / part / "b" / "000.png").unlink()
        for file in (tmp_path / part).glob("*/*.png"):
            Image.fromarray(np.asarray(Image.open(file)) ^ np.uint8(change)).save(file)
        parts[part] = str(tmp_path / part)
    Study(str(photos)).run(tmp_path / "study", models=("majority",), repeats=1, **parts, bad_data="skip")
    val, test = ((tmp_path / part).rename(tmp_path / f"moved {part}") for part in parts)
    check_study_of(tmp_path / "study", photos, val=val, test=test)
    for others in ({}, {"val": val}, {"test": test}, {"val": test, "test": val}):
        with one_line(DataError, "is of other images than"):
            check_study_of(tmp_path / "study", photos, **others)
    command = ("check", photos, "--bad-data", "skip", "--study", tmp_path / "study", "--near", "off", "--val", val)
    assert "is of other images than" in call_main(*command).err
    assert "is of other images than" not in call_main(*command, "--test", test).err
