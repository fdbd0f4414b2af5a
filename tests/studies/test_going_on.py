"""More epochs on a training that is finished or was stopped, and the best model so far at any time."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line
from studies.small import train_settings
from training.trainings import stop_at, timeless

from ecrnn.core.config import TrainSettings, read_yaml, to_yaml
from ecrnn.core.errors import BundleError, RunDirectoryError
from ecrnn.core.events import Epoch, Event, Message, Progress, silent
from ecrnn.core.seals import seal_text
from ecrnn.serving.bundle import is_bundle, read_metrics
from ecrnn.serving.load import load
from ecrnn.studies.train import train_bundle
from ecrnn.studies.verification.of_bundle import check_bundle
from ecrnn.training.interruption import Interrupted

TRAINING = {"lr": 0.1, "augment": "flip", "weight_averaging": 0.8}
STEPS = 5  # an epoch


def settings(folder: Path, epochs: int, **changes: object):
    keep = changes.pop("keep", "best")
    return train_settings(str(folder), keep=keep, training={**TRAINING, "epochs": epochs, **changes})


def left(out: Path) -> tuple[object, ...]:
    metrics = read_metrics(out)
    metrics.pop("seconds")
    metrics["history"] = [timeless(line) for line in metrics["history"]]
    return (out / "model.safetensors").read_bytes(), metrics, (out / "train.yaml").read_text()


@pytest.fixture(scope="module", params=["best", "last"])
def in_one_go(request, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    out = tmp_path_factory.mktemp("whole") / "mine"
    train_bundle(settings(folder, 6, keep=request.param), out)
    return request.param, out


def test_more_epochs_are_the_bits_of_one_go(folder: Path, tmp_path: Path, in_one_go: tuple[str, Path]) -> None:
    """From a finished training, and twice from one that was stopped, of which once while it had got more."""
    keep, whole = in_one_go
    out, events = tmp_path / "mine", []
    train_bundle(settings(folder, 3, keep=keep), out)
    first = load(out).metrics
    assert keep == "last" or first["epoch"] == 2, "the test needs a best epoch that is not the last"
    stopped: list[Event] = []
    for stop in (4 * STEPS - 2, 5 * STEPS):
        interrupt = stop_at(stop, lambda: signal.raise_signal(signal.SIGTERM))

        def progress(event: Event, interrupt: Progress = interrupt) -> None:
            stopped.append(event)
            interrupt(event)

        with pytest.raises(Interrupted):
            train_bundle(settings(folder, 5 if stop < 20 else 6, keep=keep), out, resume=True, progress=progress)
        assert is_bundle(out)
        assert load(out).metrics["epochs"] >= first["epochs"]
    assert [event.epoch for event in stopped if isinstance(event, Epoch)] == [4, 5]  # and not from the beginning
    assert train_bundle(settings(folder, 6, keep=keep), out, resume=True, progress=events.append)
    assert left(out) == left(whole)
    assert [event.epoch for event in events if isinstance(event, Epoch)] == [6]
    assert sorted(p.name for p in (out / "checkpoint").iterdir()) == ["epoch.safetensors"]
    with one_line(RunDirectoryError, "training.epochs is 5 here and 6 there"):
        train_bundle(settings(folder, 5, keep=keep), out, resume=True)
    with one_line(RunDirectoryError, "training.lr is 0.2 here"):
        train_bundle(settings(folder, 7, keep=keep, lr=0.2), out, resume=True)
    shutil.rmtree(out / "checkpoint")
    assert train_bundle(settings(folder, 6, keep=keep), out, resume=True) is False
    with one_line(RunDirectoryError, out, "keeps no checkpoint/epoch.safetensors"):
        train_bundle(settings(folder, 7, keep=keep), out, resume=True)


def test_the_best_so_far_is_a_bundle_after_every_epoch(folder: Path, tmp_path: Path) -> None:
    out, found = tmp_path / "mine", []
    images = np.zeros((2, 8, 8, 3), np.uint8)

    def progress(event: Event) -> None:
        if not isinstance(event, Epoch):
            return
        model = load(out)
        assert model.predict(images).shape == (2,)
        if event.epoch < 6:
            assert model.metrics["unfinished"] == {"epochs": 6}
            assert not is_bundle(out)
            card = (out / "checkpoint" / f"best-{model.metrics['epochs']}" / "README.md").read_text()
            assert " of 6 (the best so far; training has not ended), adam" in card
            assert model.trained_on is not None
        found.append(model.metrics["epochs"])

    with one_line(BundleError, "there is no folder"):
        load(out)
    train_bundle(settings(folder, 6), out, progress=progress)
    assert load(out).metrics["epoch"] == found[-1]
    assert found == sorted(found)
    assert found[0] == 1
    half = tmp_path / "half"  # killed while the first bundle was written
    (half / "checkpoint" / "best.tmp").mkdir(parents=True)
    shutil.copy(out / "model.safetensors", half / "checkpoint" / "best.tmp")
    with one_line(BundleError, "is not a bundle"):
        load(half)
    (half / "checkpoint" / "best-3").symlink_to(out)
    with one_line(BundleError, "points out of"):
        load(half)
    (half / "checkpoint" / "best-3").unlink()
    shutil.copytree(out, half / "checkpoint" / "best-6")  # whole, as of the same training
    shutil.copy(out / "train.yaml", half)
    assert load(half).metrics["epochs"] == 6
    other = TrainSettings.read(read_yaml(out / "train.yaml")).model_copy(update={"seed": 1})
    (half / "train.yaml").write_text(seal_text(to_yaml(other)))
    with one_line(BundleError, "best-6 is of another training than", "train.yaml: seed is 1 here and 0 there"):
        load(half)
    (half / "checkpoint" / "best-6").rename(half / "checkpoint" / "best-9")
    with one_line(BundleError, "best-9 is of epoch 6, not 9"):
        load(half)


def test_a_rate_that_falls_is_planned_anew_and_says_so(folder: Path, tmp_path: Path) -> None:
    out, events = tmp_path / "mine", []
    train_bundle(settings(folder, 2, schedule="cosine"), out)
    train_bundle(settings(folder, 4, schedule="cosine"), out, resume=True, progress=events.append)
    (text,) = [event.text for event in events if isinstance(event, Message)]
    assert "goes on to epoch 4; it was begun with 2. The cosine rate of its epochs so far was planned for those" in text
    metrics = read_metrics(out)
    rates = [line["lr"] / 0.1 for line in metrics["history"]]
    half = [0.5 * (1 + np.cos(np.pi * done)) for done in (0.4, 0.9, 14 / 20, 19 / 20)]
    assert rates == pytest.approx(half)
    assert metrics["continued"] == [2]
    assert "begun with 2 epochs, for which the rate was planned before" in (out / "README.md").read_text()
    (again,) = [check for check in check_bundle(out, True, None, silent) if check.name == "training"]
    assert (again.status, again.lines[0][:27]) == ("open", "it was begun with 2 epochs ")


def test_another_patience_goes_on_where_one_ended(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    train_bundle(settings(folder, 30, lr=0.5, patience=1), out)
    stopped = read_metrics(out)
    assert stopped["stopped"] == {"epochs": 30, "patience": 1}
    assert train_bundle(settings(folder, 30, lr=0.5, patience=1), out, resume=True) is False
    assert train_bundle(settings(folder, 30, lr=0.5, patience=3), out, resume=True)
    assert read_metrics(out)["epochs"] >= stopped["epochs"] + 2
