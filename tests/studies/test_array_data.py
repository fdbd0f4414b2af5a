"""Arrays as the data of a study: kept in its folder, known again by their content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line
from studies.small import everything, predictions, settings
from training.trainings import image_set

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import DataError, EcrnnError, RunDirectoryError
from ecrnn.data.image_set import ImageSet
from ecrnn.studies.array_data import ARRAYS, images_of, keep_arrays
from ecrnn.studies.study import Outcome, run_study
from ecrnn.studies.trials import load


def of(folder: Path, count: int = 48) -> ImageSet:
    return of_arrays(folder, np.array(list("abcd" * 15))[:count])


def of_arrays(folder: Path, labels: np.ndarray) -> ImageSet:
    return images_of((image_set(60).images[: len(labels)], labels), its_settings(folder))


def its_settings(folder: Path) -> StudySettings:
    return settings(str(folder / ARRAYS), image_size=None)


def fingerprint(folder: Path) -> str:
    return load(its_settings(folder)).fingerprint


def run(folder: Path, images: ImageSet, **options: int) -> Outcome:
    return run_study(its_settings(folder), folder, arrays=images, **options)


def test_a_study_of_arrays_is_a_study_of_its_file(tmp_path: Path) -> None:
    outcome = run(tmp_path / "a", of(tmp_path / "a"))
    assert len(outcome.trained) == 4
    assert fingerprint(tmp_path / "a") == of(tmp_path).fingerprint
    before = everything(tmp_path / "a")
    assert run(tmp_path / "a", of(tmp_path / "a")).trained == []
    assert run_study(its_settings(tmp_path / "a"), tmp_path / "a").trained == []
    assert everything(tmp_path / "a") == before


@pytest.mark.slow
def test_two_jobs_have_the_same_bits(tmp_path: Path) -> None:
    run(tmp_path / "a", of(tmp_path / "a"))
    outcome = run(tmp_path / "b", of(tmp_path / "b"), jobs=2)
    assert (len(outcome.trained), outcome.failed) == (4, {})
    assert predictions(tmp_path / "a") == predictions(tmp_path / "b")


def test_other_arrays_do_not_go_on_and_destroy_nothing(tmp_path: Path) -> None:
    images = of(tmp_path)
    run(tmp_path / "a", images)
    before = everything(tmp_path / "a")
    with one_line(RunDirectoryError, "holds another study: the images of", "choose another --out"):
        run(tmp_path / "a", of(tmp_path / "a", 47))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / ARRAYS).write_text("mine")
    with one_line(RunDirectoryError, "is not empty and holds no study"):
        run(tmp_path / "thesis", of(tmp_path / "thesis"))
    assert everything(tmp_path / "a") == before
    assert (tmp_path / "thesis" / ARRAYS).read_text() == "mine"


@pytest.mark.parametrize("content", [None, b"", b"cut"])
def test_a_file_that_is_missing_or_damaged_is_written_anew(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / ARRAYS).write_bytes(content)
    keep_arrays(of(tmp_path), tmp_path)
    assert fingerprint(tmp_path) == of(tmp_path).fingerprint


def test_a_link_out_of_the_study_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "study" / ARRAYS).symlink_to(tmp_path / "mine")
    with one_line(EcrnnError, "points out of"):
        keep_arrays(of(tmp_path), tmp_path / "study")
    assert (tmp_path / "mine").read_text() == "precious"


def test_names_of_classes_are_checked(tmp_path: Path) -> None:
    with one_line(DataError, "has 1,001 characters"):
        of_arrays(tmp_path, np.array(["a" * 1001, *"abcd" * 12]))
