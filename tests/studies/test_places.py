"""A study and a training go on wherever their data and their own folder lie, and however these are spelt."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line
from PIL import Image
from studies.conftest import make_images
from studies.small import of_trainings, settings, train_settings
from training.trainings import stop_at

import ecrnn
from ecrnn import api
from ecrnn.core.config import StudySettings, read_yaml
from ecrnn.core.errors import RunDirectoryError
from ecrnn.studies.study import Outcome, run_study
from ecrnn.studies.train import train_bundle
from ecrnn.tasks.image_classification import images
from ecrnn.training.interruption import Interrupted

NAME, DECOMPOSED = "gr\u00fcn", "gru\u0308n"
SMALL = {"models": ("mlp-4",), "training": {"epochs": 1}}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder and the home folder, with data in `grün`, a link to it, and another folder beside it."""
    make_images(tmp_path / NAME)
    (tmp_path / "link").symlink_to(NAME)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def run(data: str, repeats: int, out: str = "run", **changes: object) -> Outcome:
    return run_study(settings(data, repeats=repeats, **SMALL, **changes), Path(out))


SPELLINGS: dict[str, Callable[[Path], str]] = {
    "slash": lambda place: f"{NAME}/",
    "dot": lambda place: f"./{NAME}",
    "dots": lambda place: f"other/../{NAME}/.",
    "twice": lambda place: f".//{NAME}//",
    "absolute": lambda place: str(place / NAME),
    "home": lambda place: f"~/{NAME}",
    "link": lambda place: "link",
    "link with a slash": lambda place: f"{place}/link/",
    "decomposed": lambda place: DECOMPOSED,
    "decomposed at home": lambda place: f"~/{DECOMPOSED}/",
}


def test_the_same_folder_spelt_otherwise(place: Path) -> None:
    run(NAME, 1)
    for spelling in SPELLINGS.values():
        assert run(spelling(place), 1).trained == []
    outcome = run("link/", 2)
    assert (outcome.found, outcome.trained) == ([("mlp-4", 0)], [("mlp-4", 1)])
    assert run(NAME, 2).trained == []


def test_a_study_may_begin_with_any_spelling(place: Path) -> None:
    run(f"~/{DECOMPOSED}/", 1)
    assert StudySettings.read(read_yaml(place / "run" / "study.yaml")).data == f"~/{DECOMPOSED}/"
    assert run(NAME, 1).trained == []


def test_data_that_was_moved(place: Path) -> None:
    run(NAME, 1)
    (place / NAME).rename(place / "other" / "photos")
    assert run("other/photos", 2).found == [("mlp-4", 0)]
    assert StudySettings.read(read_yaml(place / "run" / "study.yaml")).data == "other/photos"
    shutil.copytree(place / "other" / "photos", place / "copy")
    assert run("copy", 2).trained == []


def test_another_working_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(NAME, 1)
    monkeypatch.chdir(place / "other")
    assert run(f"../{NAME}", 2, out="../run").found == [("mlp-4", 0)]


def test_a_study_that_was_moved_in_the_middle_of_a_training(place: Path) -> None:
    run(NAME, 2, out="whole")
    stop = stop_at(3, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted):
        run_study(settings(NAME, repeats=2, **SMALL), Path("run"), progress=stop)
    assert list((place / "run").rglob("step.safetensors"))
    (place / "run").rename(place / "other" / "moved")
    (place / NAME).rename(place / "photos")
    steps = []
    moved = place / "other" / "moved"
    run_study(
        settings("photos", repeats=2, **SMALL), moved, progress=of_trainings(lambda event: steps.append(event.step))
    )
    assert steps[0] == 4  # it goes on where it was
    for repeat in (0, 1):
        files = [f / "mlp-4" / f"repeat-{repeat}" / "predictions.npz" for f in (place / "whole", moved)]
        assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
def test_workers_find_the_data_where_it_lies_now(place: Path) -> None:
    run(NAME, 1)
    (place / NAME).rename(place / "photos")
    outcome = run_study(settings("~/photos/", repeats=3, **SMALL), place / "run", jobs=2)
    assert (outcome.trained, outcome.failed) == ([("mlp-4", 1), ("mlp-4", 2)], {})


def _remove(data: Path) -> None:
    next(iter(sorted(data.rglob("*.png")))).unlink()


def _add(data: Path) -> None:
    shutil.copy(next(data.rglob("*.png")), data / "a" / "one-more.png")


def _alter(data: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(sorted(data.rglob("*.png"))[0])


def _rename(data: Path) -> None:
    (data / "a").rename(data / "z")


@pytest.mark.parametrize("change", [_remove, _add, _alter, _rename])
def test_data_that_differs(place: Path, change: Callable[[Path], None]) -> None:
    run(NAME, 1)
    shutil.copytree(place / NAME, place / "copy")
    change(place / "copy")
    line = f"run holds another study: the images of 'copy' are not those of '{NAME}', with which it was begun"
    with one_line(RunDirectoryError, line, "choose another --out"):
        run("copy", 2)
    change(place / NAME)
    with one_line(RunDirectoryError, f"the images of '{NAME}' have changed since it was begun: some were added"):
        run(NAME, 2)


def test_what_shapes_the_data_is_named_first(place: Path) -> None:
    run(NAME, 1)
    with one_line(RunDirectoryError, "run holds another study: image_size is 16 here and 8 there"):
        run("link", 2, image_size=16)


def test_a_registered_name_is_no_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = images.load("digits", image_size=8, channels=3)
    monkeypatch.setattr(images, "load", lambda *args, **more: digits)
    run("digits", 1)
    with one_line(RunDirectoryError, "run was begun with the data 'digits', not with './digits'", "--out"):
        run("./digits", 2)


def test_a_training_that_goes_on(place: Path) -> None:
    stop = stop_at(7, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted):
        train_bundle(train_settings(NAME, model="mlp-4"), place / "out", progress=stop)
    (place / "out").rename(place / "moved")
    other, seen = train_settings(f"{place}/link/", model="mlp-4"), []
    assert train_bundle(
        other, place / "moved", resume=True, progress=of_trainings(lambda event: seen.append(event.step))
    )
    assert seen[0] == 8
    for spelling in SPELLINGS.values():
        again = train_settings(spelling(place), model="mlp-4")
        assert train_bundle(again, place / "moved", resume=True) is False


def test_a_training_on_data_that_differs(place: Path) -> None:
    train_bundle(train_settings(NAME, model="mlp-4"), place / "out")
    _remove(place / NAME)
    with one_line(RunDirectoryError, "holds another training: the images of", "have changed", "another -o"):
        train_bundle(train_settings(NAME, model="mlp-4"), place / "out", resume=True)


def test_the_studys_own_folder_spelt_otherwise(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "write_report", lambda *arguments, **more: None)
    more = {"image_size": 8, "epochs": 1, "threads": 1}
    ecrnn.compare(NAME, ["mlp-4"], 2, out="~/gr\u00fcn-study", **more)
    ecrnn.compare(NAME, ["mlp-4"], 2, out=f"./{DECOMPOSED}-study/", **more)
    assert {name for name in os.listdir(place) if "study" in name} == {f"{NAME}-study"}
    ecrnn.train(NAME, "mlp-4", "~/bundle", **more)
    assert (place / "bundle" / "bundle.json").is_file()
