"""One model trained to be kept: from nothing, from a training cut short, and never over something else."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line
from safetensors.numpy import load_file
from studies.small import everything, train_settings
from training.forks import DONE, INTERRUPTED, Forks
from training.trainings import stop_at

from ecrnn.core.config import TrainSettings, read_yaml, to_yaml
from ecrnn.core.errors import DataError, EcrnnError, RunDirectoryError
from ecrnn.core.events import Message, silent
from ecrnn.core.reading import read_json
from ecrnn.core.runs import locked
from ecrnn.core.seals import seal_text
from ecrnn.serving.bundle import read_bundle, read_metrics
from ecrnn.studies.trackers.tracked_run import read_tracked
from ecrnn.studies.train import train_bundle
from ecrnn.studies.verification.of_bundle import check_bundle
from ecrnn.training.interruption import Interrupted

LEFT = {
    *("model.safetensors", "bundle.json", "metrics.json", "README.md", "train.yaml", "metrics.jsonl"),
    "examples.bin",
    "checkpoint",  # of the last epoch, for more of them
}


@pytest.fixture(scope="module")
def bundle(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose training nobody stopped. Not to be written to."""
    out = tmp_path_factory.mktemp("bundle") / "mine"
    assert train_bundle(train_settings(str(folder)), out)
    return out


def weights(out: Path) -> bytes:
    return (out / "model.safetensors").read_bytes()


def interrupt(step: int):
    return stop_at(step, lambda: signal.raise_signal(signal.SIGTERM))


def test_what_it_leaves(bundle: Path) -> None:
    assert {p.name for p in bundle.iterdir()} == LEFT
    description, *_ = read_bundle(bundle)
    assert (description.model, description.classes) == ("cnn", tuple("abcd"))
    metrics = read_json(bundle / "metrics.json")
    assert (metrics["n_train"], metrics["n_validation"], metrics["epochs"]) == (38, 10, 2)
    assert metrics["accuracy_low"] <= metrics["accuracy"] <= metrics["accuracy_high"]
    saved = TrainSettings.read(read_yaml(bundle / "train.yaml"))
    assert saved.fingerprint == metrics["fingerprint"]


def test_a_finished_bundle(bundle: Path, folder: Path) -> None:
    before = everything(bundle)
    with one_line(RunDirectoryError, bundle, "holds a bundle already"):
        train_bundle(train_settings(str(folder)), bundle)
    assert train_bundle(train_settings(str(folder)), bundle, resume=True) is False
    with one_line(RunDirectoryError, bundle, "another training", "seed is 1 here and 0 there"):
        train_bundle(train_settings(str(folder), seed=1), bundle, resume=True)
    assert everything(bundle) == before


def test_the_settings_of_another_training_beside_a_bundle(bundle: Path, folder: Path, tmp_path: Path) -> None:
    """They would have said that the bundle is finished, though it was trained with another rate."""
    mine = tmp_path / "mine"
    shutil.copytree(bundle, mine)
    saved = TrainSettings.read(read_yaml(mine / "train.yaml"))
    other = saved.model_copy(update={"training": saved.training.model_copy(update={"lr": 0.5})})
    (mine / "train.yaml").write_text(seal_text(to_yaml(other)))
    with one_line(RunDirectoryError, mine, "of another training than the bundle beside it: lr is 0.5 here and 0.0"):
        train_bundle(train_settings(str(folder), training={"lr": 0.5}), mine, resume=True)
    with one_line(RunDirectoryError, mine, "of another training than the bundle beside it: lr is 0.5"):
        read_tracked(mine)
    for update, line in (
        ({"start_digest": "0" * 64}, f"start_digest is {'0' * 64}"),
        ({"keep": "last"}, "keep is last"),
    ):
        (mine / "train.yaml").write_text(seal_text(to_yaml(saved.model_copy(update=update))))
        with one_line(RunDirectoryError, f"of another training than the bundle beside it: {line} here and "):
            read_tracked(mine)
    (mine / "train.yaml").write_text(seal_text(to_yaml(saved.model_copy(update={"model": "ecnn"}))))
    with one_line(RunDirectoryError, mine, "than the bundle beside it: model is 'ecnn' here and 'cnn' there"):
        train_bundle(train_settings(str(folder), model="ecnn"), mine, resume=True)
    (mine / "train.yaml").write_text(seal_text(to_yaml(other)))
    plan = {check.name: check for check in check_bundle(mine, False, None, silent)}["plan"]
    assert any("notes another training than the settings: lr" in line for line in plan.lines)


def test_leftover_checkpoints_of_a_finished_bundle(bundle: Path, folder: Path, tmp_path: Path) -> None:
    """Killed between the bundle's last file and the end."""
    shutil.copytree(bundle, tmp_path / "mine")
    (tmp_path / "mine" / "checkpoint" / "step.safetensors").write_text("")
    (tmp_path / "mine" / "checkpoint" / "best-2").mkdir()
    assert train_bundle(train_settings(str(folder)), tmp_path / "mine", resume=True) is False
    assert {p.name for p in (tmp_path / "mine").iterdir()} == LEFT
    assert [p.name for p in (tmp_path / "mine" / "checkpoint").iterdir()] == ["epoch.safetensors"]


@pytest.mark.sampled(most=2)
@pytest.mark.parametrize("step", [1, 5, 8, 10])
def test_resume(bundle: Path, folder: Path, tmp_path: Path, step: int) -> None:
    out, settings = tmp_path / "mine", train_settings(str(folder))
    with pytest.raises(Interrupted):
        train_bundle(settings, out, progress=interrupt(step))
    before = everything(out)
    with one_line(RunDirectoryError, out, "unfinished training", "--resume"):
        train_bundle(settings, out)
    for changes, key in (({"seed": 1}, "seed"), ({"model": "ecnn"}, "model"), ({"keep": "last"}, "keep")):
        with one_line(RunDirectoryError, out, "another training", f"{key} is"):
            train_bundle(train_settings(str(folder), **changes), out, resume=True)
    assert everything(out) == before
    assert train_bundle(settings, out, resume=True)
    assert weights(out) == weights(bundle)
    assert {p.name for p in out.iterdir()} == LEFT
    timeless = [read_metrics(place) for place in (out, bundle)]
    for metrics in timeless:
        metrics.pop("seconds")
        for line in metrics["history"]:
            line.pop("seconds")
    assert timeless[0] == timeless[1]


def test_resume_where_there_is_nothing_begins(folder: Path, bundle: Path, tmp_path: Path) -> None:
    assert train_bundle(train_settings(str(folder)), tmp_path / "mine", resume=True)
    assert weights(tmp_path / "mine") == weights(bundle)


@pytest.mark.slow
@pytest.mark.parametrize("ticks", [4, 12])
def test_killed(forks: Forks, folder: Path, bundle: Path, tmp_path: Path, ticks: int) -> None:
    arguments = {"data": str(folder), "out": str(tmp_path / "mine"), "training": {"checkpoint_seconds": 1e-9}}
    assert forks("studies.small:train", ticks=ticks, hold=True, **arguments) == -signal.SIGKILL
    assert not (tmp_path / "mine" / "bundle.json").exists()
    assert forks("studies.small:train", ticks=1, signals=("SIGTERM",), **arguments) in (INTERRUPTED, DONE)
    assert forks("studies.small:train", **arguments) == DONE
    assert weights(tmp_path / "mine") == weights(bundle)
    assert {p.name for p in (tmp_path / "mine").iterdir()} == LEFT


def test_best_and_last(folder: Path, tmp_path: Path) -> None:
    training = {"epochs": 8, "lr": 0.01}
    for keep in ("best", "last"):
        train_bundle(train_settings(str(folder), keep=keep, training=training), tmp_path / keep)
    best, last = (read_json(tmp_path / keep / "metrics.json") for keep in ("best", "last"))
    accuracies = [line["validation_accuracy"] for line in best["history"]]
    means = [np.mean(accuracies[max(0, n - 5) : n]) for n in range(1, 9)]
    assert means[best["epoch"] - 1] == pytest.approx(max(means))
    assert best["epoch"] < 8, "the test needs a best epoch that is not the last"
    assert best["kept_accuracy"] == accuracies[best["epoch"] - 1] != accuracies[-1]
    assert (best["keep_window"], last["epoch"]) == (5, 8)
    assert not {"kept_accuracy", "keep_window"} & last.keys()
    spread = {"epochs": 5, "lowest": min(accuracies[3:]), "highest": max(accuracies[3:])}
    for metrics in (best, last):  # the figure to expect is the last epoch's, whatever was kept
        assert metrics["accuracy"] == accuracies[-1]
        assert metrics["accuracy_low"] < accuracies[-1] < metrics["accuracy_high"]
        assert metrics["loss"] == metrics["history"][-1]["validation_loss"]
        assert metrics["last_epochs"] == {**spread, "mean": pytest.approx(sum(accuracies[3:]) / 5)}
    one, other = (load_file(tmp_path / keep / "model.safetensors") for keep in ("best", "last"))
    assert any((one[name] != other[name]).any() for name in one)
    card = (tmp_path / "best" / "README.md").read_text()
    assert f"**{100 * accuracies[-1]:.2f} %** on 10 validation" in card
    assert f"| Kept weights | {100 * best['kept_accuracy']:.2f} % on the same" in card


def test_an_early_end_and_the_whole_recipe_are_on_the_card(folder: Path, tmp_path: Path) -> None:
    recipe = {"epochs": 40, "lr": 0.5, "patience": 2, "schedule": "one-cycle", "weight_averaging": 0.9}
    settings = train_settings(str(folder), training=recipe)
    events: list[object] = []
    train_bundle(settings, tmp_path / "mine", progress=events.append)
    metrics = read_json(tmp_path / "mine" / "metrics.json")
    assert metrics["epochs"] == len(metrics["history"]) == metrics["epoch"] + 2
    assert metrics["stopped"] == {"epochs": 40, "patience": 2}
    card = (tmp_path / "mine" / "README.md").read_text()
    line = f"{metrics['epochs']} epochs of 40 (stopped: no better one for 2), adam at 0.5, one-cycle, batch 8, "
    assert f"{line}weights averaged with decay 0.9, float32" in card
    assert sum(isinstance(event, Message) and "stopped after epoch" in event.text for event in events) == 1
    assert {check.name: check.status for check in check_bundle(tmp_path / "mine", False, None, silent)} == {
        "seals": "holds",
        "plan": "holds",
    }


def test_a_training_begun_before_epochs_were_smoothed_goes_on_as_it_was(folder: Path, tmp_path: Path) -> None:
    """Its train.yaml names neither window nor rule; best and batches are averaged as then."""
    old = {"keep_window": 1, "training": {"epochs": 6, "lr": 0.05, "batch_statistics": "even"}}
    train_bundle(train_settings(str(folder), **old), tmp_path / "whole")
    with pytest.raises(Interrupted):
        train_bundle(train_settings(str(folder), **old), tmp_path / "old", progress=interrupt(17))
    path = tmp_path / "old" / "train.yaml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if not re.match(r"#| *(keep_window|batch_statistics):", line)))
    assert len(path.read_text().splitlines()) == len(lines) - 3  # nor was there a line with a digest
    now = train_settings(str(folder), training={"epochs": 6, "lr": 0.05})
    train_bundle(now, tmp_path / "old", resume=True)
    assert weights(tmp_path / "old") == weights(tmp_path / "whole")
    one, other = (read_json(tmp_path / name / "metrics.json") for name in ("old", "whole"))
    assert (one["epoch"], one["keep_window"]) == (other["epoch"], 1)
    with one_line(RunDirectoryError, "another training", "keep_window is 5 here and 1 there"):
        train_bundle(now.model_copy(update={"keep_window": 5}), tmp_path / "old", resume=True)


def test_foreign_folders(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "thesis.txt").write_text("precious")
    for resume in (False, True):
        with one_line(RunDirectoryError, tmp_path, "not empty"):
            train_bundle(train_settings(str(folder)), tmp_path, resume=resume)
        with one_line(RunDirectoryError, "is a file"):
            train_bundle(train_settings(str(folder)), tmp_path / "checkpoint" / "thesis.txt", resume=resume)
    assert [p.name for p in tmp_path.rglob("*")] == ["checkpoint", "thesis.txt"]


def test_checkpoints_that_link_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    """Nothing is written or deleted there."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "epoch.safetensors").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "checkpoint").symlink_to(tmp_path / "elsewhere")
    with one_line(EcrnnError, tmp_path / "out" / "checkpoint", "points out of"):
        train_bundle(train_settings(str(folder)), tmp_path / "out", resume=True)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["epoch.safetensors"]


def test_killed_before_its_settings_were_written(folder: Path, bundle: Path, tmp_path: Path) -> None:
    with locked(tmp_path / "checkpoint"):
        pass
    assert train_bundle(train_settings(str(folder)), tmp_path, resume=True)
    assert weights(tmp_path) == weights(bundle)


@pytest.mark.parametrize("resume", [True, False])
def test_another_finishes_it_while_this_one_waits(
    folder: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resume: bool
) -> None:
    """What is there is looked at again under the lock: nothing is trained twice, and nothing is deleted."""
    out = tmp_path / "mine"

    @contextlib.contextmanager
    def locked_at_last(place: Path, **options: object) -> Iterator[int]:
        shutil.copytree(bundle, place)
        with locked(place, **options) as handle:  # type: ignore[arg-type]
            yield handle

    monkeypatch.setattr("ecrnn.studies.train.locked", locked_at_last)
    monkeypatch.setattr("ecrnn.studies.train.fit", lambda *_, **__: pytest.fail("trained again"))
    if resume:
        assert train_bundle(train_settings(str(folder)), out, resume=True) is False
    else:
        with one_line(RunDirectoryError, out, "holds a bundle already"):
            train_bundle(train_settings(str(folder)), out)
    assert {p.name for p in out.iterdir()} == LEFT
    assert everything(out) == everything(bundle)


def test_a_finished_bundle_is_left_alone_without_a_lock(folder: Path, bundle: Path, tmp_path: Path) -> None:
    """As it may lie on a disk that is read-only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecrnn.studies.train.locked", lambda *_, **__: pytest.fail("locked"))
        assert train_bundle(train_settings(str(folder)), bundle, resume=True) is False
    shutil.copytree(bundle, tmp_path / "mine")
    for name in (".lock", ".bundle.json.0a1b2c3d.tmp"):  # killed at the very end
        (tmp_path / "mine" / name).write_text("")
    assert train_bundle(train_settings(str(folder)), tmp_path / "mine", resume=True) is False
    assert {p.name for p in (tmp_path / "mine").iterdir()} == LEFT


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"model": "cnm"}, EcrnnError),
        ({"model": "forest"}, EcrnnError),
        ({"split": "2"}, DataError),
        ({"split": "0.999"}, DataError),
    ],
)
def test_wrong_from_the_start(folder: Path, tmp_path: Path, changes: dict[str, object], kind: type[Exception]) -> None:
    with one_line(kind):
        train_bundle(train_settings(str(folder), **changes), tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_the_number_of_threads_is_kept(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training goes on where there are other cores than where it was begun."""
    settings = train_settings(str(folder), training={"threads": None, "epochs": 1})
    monkeypatch.setattr("ecrnn.core.devices.available_cores", lambda: 1)
    with pytest.raises(Interrupted):
        train_bundle(settings, tmp_path / "mine", progress=interrupt(2))
    monkeypatch.setattr("ecrnn.core.devices.available_cores", lambda: 2)
    assert train_bundle(settings, tmp_path / "mine", resume=True)
    assert TrainSettings.read(read_yaml(tmp_path / "mine" / "train.yaml")).training.threads == 1


def test_the_same_image_in_two_classes_is_told(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    first, second = sorted((tmp_path / "data").iterdir())[:2]
    shutil.copy(sorted(first.iterdir())[0], second / "copy.png")
    events: list[object] = []
    once = train_settings(str(tmp_path / "data"), training={"epochs": 1})
    train_bundle(once, tmp_path / "out", progress=events.append)
    line = "2 examples lie in several classes, being the same to a model; which class is right?"
    texts = [event.text for event in events if isinstance(event, Message)]
    assert [text for text in texts if "classes" in text] == [f"{tmp_path / 'data'}: {line}"]
