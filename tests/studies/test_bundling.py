"""A trial of a study as a bundle: the same weights, its own figures, and what may not be made one."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line
from scipy.special import log_softmax
from studies.small import Study, everything

from ecrnn.core.config import StudySettings, read_yaml
from ecrnn.core.errors import EcrnnError, RunDirectoryError, UnknownNameError
from ecrnn.core.manifests import checked_manifest, write_manifest
from ecrnn.core.predictions import Predictions, write_predictions
from ecrnn.core.runs import locked, read_trial, trial_folder
from ecrnn.data.image_set import make_image_set
from ecrnn.report import archive_study
from ecrnn.serving.bundle import read_bundle, read_metrics
from ecrnn.serving.evaluation import judge
from ecrnn.serving.load import load
from ecrnn.studies.bundling import bundle_trial
from ecrnn.tasks.image_classification import images as image_data

FILES = ("config.yaml", "metrics.jsonl", "predictions.npz", "checkpoint/weights.safetensors")
LEFT = {"model.safetensors", "bundle.json", "metrics.json", "README.md", "config.yaml", "examples.bin"}


def accuracy(study: Path, model: str, repeat: int) -> float:
    trial = read_trial(study, model, repeat)
    assert trial is not None
    return float(trial.predictions.correct.mean())


def mean_accuracy(study: Path, model: str, repeat: int) -> float:
    """The study's score: the mean over its last epochs, here both."""
    trial = read_trial(study, model, repeat)
    assert trial is not None
    return float(np.mean([of_epoch.statistics[:, 0].mean() for of_epoch in trial.predictions.epochs()]))


@pytest.mark.parametrize("repeat", [0, 1])
def test_it_is_the_trial(left_alone: Path, study: Study, tmp_path: Path, repeat: int) -> None:
    before = everything(left_alone)
    metrics = bundle_trial(left_alone, "ecnn", tmp_path / "mine", repeat=repeat)
    assert everything(left_alone) == before
    assert {path.name for path in (tmp_path / "mine").iterdir()} == LEFT
    trial = left_alone / "ecnn" / f"repeat-{repeat}"
    weights = (trial / "checkpoint" / "weights.safetensors").read_bytes()
    assert (tmp_path / "mine" / "model.safetensors").read_bytes() == weights
    assert read_metrics(tmp_path / "mine") == metrics
    assert metrics["accuracy"] == accuracy(left_alone, "ecnn", repeat)
    means = [mean_accuracy(left_alone, "ecnn", r) for r in (0, 1)]
    assert metrics["trials"] == {
        "finished": 2,
        "best": pytest.approx(max(means)),
        "mean": pytest.approx(np.mean(means)),
        "score": pytest.approx(means[repeat]),
        "score_epochs": 2,
        "metric": "accuracy",
    }
    assert (
        f"by accuracy over the last 2 epochs, this one {100 * means[repeat]:.2f} %, mean"
        in (tmp_path / "mine" / "README.md").read_text()
    )
    assert (metrics["n_train"], metrics["n_validation"], metrics["epochs"]) == (38, 10, 2)
    assert "test" not in metrics
    assert f"repeat {repeat} in the study study " in (tmp_path / "mine" / "README.md").read_text()


def test_half_the_bits_and_the_figures_of_these_weights(left_alone: Path, study: Study, tmp_path: Path) -> None:
    bundle_trial(left_alone, "cnn", tmp_path / "whole", repeat=0)
    metrics = bundle_trial(left_alone, "cnn", tmp_path / "half", repeat=0, half=True)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.52 * sizes[1]
    whole, half = load(tmp_path / "whole", "cpu"), load(tmp_path / "half", "cpu")
    tensors = half.network.state_dict()
    for key, tensor in whole.network.state_dict().items():
        wide = tensor.numpy()
        rounded = wide.astype(np.float16).astype(np.float32) if wide.ndim >= 2 else wide
        np.testing.assert_array_equal(tensors[key].numpy(), rounded)
        assert tensors[key].dtype == tensor.dtype
    trial = read_trial(left_alone, "cnn", 0)
    assert trial is not None
    data = image_data.load(study.data, image_size=8)
    judged = half.judge(data, trial.predictions.index).predictions
    assert metrics["accuracy"] == judged.correct.mean()
    log_likelihood = log_softmax(judged.logits.astype(float), axis=1)[np.arange(len(judged.label)), judged.label]
    assert metrics["loss"] == pytest.approx(-log_likelihood.mean(), rel=1e-6)
    assert metrics["loss"] != read_metrics(tmp_path / "whole")["loss"]
    assert metrics["trials"] == read_metrics(tmp_path / "whole")["trials"]
    assert (
        "; weights of 16 bits, with which it was measured; scores of epochs and trials are of 32 |"
        in (tmp_path / "half" / "README.md").read_text()
    )


def test_an_archive_has_no_weights_to_bundle(left_alone: Path, tmp_path: Path) -> None:
    archive_study(left_alone, tmp_path / "small")
    with one_line(RunDirectoryError, "repeat-1 is of an archive, which keeps no weights", "give the run directory"):
        bundle_trial(tmp_path / "small", "cnn", tmp_path / "mine", repeat=1)
    assert not (tmp_path / "mine").exists()


def test_another_makes_a_bundle_while_this_one_waits(
    left_alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle_trial(left_alone, "cnn", tmp_path / "other", repeat=0)

    @contextlib.contextmanager
    def locked_at_last(place: Path, **options: object) -> Iterator[int]:
        shutil.copytree(tmp_path / "other", place)
        with locked(place, **options) as handle:  # type: ignore[arg-type]
            yield handle

    monkeypatch.setattr("ecrnn.studies.bundling.locked", locked_at_last)
    with one_line(RunDirectoryError, tmp_path / "mine", "holds a bundle already"):
        bundle_trial(left_alone, "ecnn", tmp_path / "mine", repeat=1)
    assert everything(tmp_path / "mine") == everything(tmp_path / "other")


def test_a_bundle_whose_making_was_killed(left_alone: Path, tmp_path: Path) -> None:
    """The same command goes on; one for another trial, or with files of others beside, does not."""
    out = tmp_path / "mine"
    bundle_trial(left_alone, "cnn", out, repeat=0)
    wanted = {name: content for name, (content, _) in everything(out).items()}
    (out / "bundle.json").unlink()
    (out / ".bundle.json.0a1b2c3d.tmp").write_text("{")
    with one_line(RunDirectoryError, out, "not empty"):
        bundle_trial(left_alone, "cnn", out, repeat=1)
    (out / "thesis.txt").write_text("precious")
    with one_line(RunDirectoryError, out, "not empty"):
        bundle_trial(left_alone, "cnn", out, repeat=0)
    (out / "thesis.txt").unlink()
    bundle_trial(left_alone, "cnn", out, repeat=0)
    assert {name: content for name, (content, _) in everything(out).items()} == wanted
    (out / ".lock").write_text("")  # killed between its last file and the end
    with one_line(RunDirectoryError, out, "holds a bundle already"):
        bundle_trial(left_alone, "ecnn", out, repeat=0)
    bundle_trial(left_alone, "cnn", out, repeat=0)
    assert {name: content for name, (content, _) in everything(out).items()} == wanted
    with one_line(RunDirectoryError, out, "holds a bundle already"):
        bundle_trial(left_alone, "cnn", out, repeat=0)


def test_evaluation_finds_its_own_validation_images(left_alone: Path, study: Study, tmp_path: Path) -> None:
    """Those of repeat 1, not of repeat 0; the logits are the trial's."""
    bundle_trial(left_alone, "cnn", tmp_path / "mine", repeat=1)
    predictions = judge(load(tmp_path / "mine", "cpu"), study.data, part="validation").judged.predictions
    trial = read_trial(left_alone, "cnn", 1)
    assert trial is not None
    np.testing.assert_array_equal(predictions.index, trial.predictions.index)
    np.testing.assert_allclose(predictions.logits, trial.predictions.logits, atol=1e-5)


def test_the_settings_repeat_the_trial(left_alone: Path, tmp_path: Path) -> None:
    bundle_trial(left_alone, "cnn", tmp_path / "mine", repeat=1)
    settings = StudySettings.read(read_yaml(tmp_path / "mine" / "config.yaml"))
    assert (settings.models, settings.repeats, settings.first_repeat) == (("cnn",), 1, 1)


@pytest.mark.parametrize("model", ["cnn", "ecnn"])
def test_the_best_is_chosen(left_alone: Path, tmp_path: Path, model: str) -> None:
    metrics = bundle_trial(left_alone, model, tmp_path / "mine")
    means = [mean_accuracy(left_alone, model, repeat) for repeat in (0, 1)]
    assert metrics["repeat"] == means.index(max(means))


def test_the_best_by_the_score_of_the_study(study: Study, tmp_path: Path) -> None:
    """The last epoch alone, and the mean over all, name different trials of these two."""
    study.run(tmp_path / "study", models=("cnn",), repeats=2, score_epochs=2)
    first, second = (read_trial(tmp_path / "study", "cnn", repeat) for repeat in (0, 1))
    assert first is not None
    assert second is not None
    for trial, earlier, last in ((first, 1.0, 0.5), (second, 0.0, 0.6)):
        home = trial_folder(tmp_path / "study", "cnn", trial.repeat)
        right = [np.arange(10) < 10 * share for share in (earlier, last)]
        given = [np.where(one, trial.predictions.label, (trial.predictions.label + 1) % 4) for one in right]
        logits = np.eye(4, dtype=np.float32)[given[1]]
        kept = Predictions(trial.predictions.index, trial.predictions.label, logits, given[0][None].astype(np.int32))
        write_predictions(home / "predictions.npz", kept)
        write_manifest(home, FILES, trial.facts)
    assert bundle_trial(tmp_path / "study", "cnn", tmp_path / "mine")["repeat"] == 0


def test_the_same_study_gives_the_same_bytes(left_alone: Path, tmp_path: Path) -> None:
    for place in ("one", "other"):
        bundle_trial(left_alone, "cnn", tmp_path / place / "mine")
    one, other = (everything(tmp_path / place) for place in ("one", "other"))
    assert {name: content for name, (content, _) in one.items()} == {n: content for n, (content, _) in other.items()}


def test_a_test_part_that_the_study_left_alone(
    folder: Path, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = image_data.load(folder, image_size=8)
    parted = make_image_set("parted", whole.images, whole.labels, whole.classes, n_train=40)
    monkeypatch.setattr(image_data, "load", lambda *_, **__: parted)
    study.run(tmp_path / "study", models=("cnn",), repeats=1)
    metrics = bundle_trial(tmp_path / "study", "cnn", tmp_path / "mine")
    images, labels = np.asarray(whole.images[40:]), whole.labels[40:]
    logits = load(tmp_path / "mine", "cpu").logits(images)
    right = int((logits.argmax(axis=1) == labels).sum())
    assert (metrics["test"]["n"], metrics["test"]["accuracy"]) == (8, right / 8)
    assert f"**{100 * right / 8:.2f} %** on 8 test images" in (tmp_path / "mine" / "README.md").read_text()
    changed = make_image_set("parted", whole.images, whole.labels[::-1].copy(), whole.classes, n_train=40)
    monkeypatch.setattr(image_data, "load", lambda *_, **__: changed)
    with one_line(RunDirectoryError, "are not those the study was begun with"):
        bundle_trial(tmp_path / "study", "cnn", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_test_part_that_validated(
    folder: Path, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = image_data.load(folder, image_size=8)
    parted = make_image_set("parted", whole.images, whole.labels, whole.classes, n_train=40)
    monkeypatch.setattr(image_data, "load", lambda *_, **__: parted)
    study.run(tmp_path / "study", models=("cnn",), repeats=1, split="own")
    metrics = bundle_trial(tmp_path / "study", "cnn", tmp_path / "mine")
    assert metrics["n_validation"] == 8
    assert "test" not in metrics


def test_metrics_that_lack_a_figure(left_alone: Path, tmp_path: Path) -> None:
    """The digests fit: who changed the file wrote the manifest anew."""
    study = Path(shutil.copytree(left_alone, tmp_path / "study"))
    home = study / "cnn" / "repeat-0"
    manifest = checked_manifest(home)
    assert manifest is not None
    (home / "metrics.jsonl").write_text("".join(f'{{"epoch": {epoch}}}\n' for epoch in (1, 2, 3)))
    write_manifest(home, tuple(manifest["files"]), manifest["facts"])
    with one_line(RunDirectoryError, home, "metrics.jsonl, line 1, lacks validation_accuracy"):
        bundle_trial(study, "cnn", tmp_path / "mine")


def test_what_cannot_be_bundled(left_alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    with one_line(RunDirectoryError, tmp_path, "is not a run directory: it has no study.yaml"):
        bundle_trial(tmp_path, "cnn", out)
    with one_line(UnknownNameError, "unknown model 'crnn-lstm-16', known are cnn, ecnn (the models of "):
        bundle_trial(left_alone, "crnn-lstm-16", out)
    with one_line(EcrnnError, "majority is a classifier of scikit-learn, not a network"):
        bundle_trial(left_alone, "majority", out)
    with one_line(RunDirectoryError, "repeat 2 is not among the finished trials", ": 0, 1"):
        bundle_trial(left_alone, "cnn", out, repeat=2)
    study = Path(shutil.copytree(left_alone, tmp_path / "study"))
    weights = study / "cnn" / "repeat-1" / "checkpoint" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"1234")  # no longer what the manifest says
    for repeat in (None, 0, 1):  # with one trial fewer another would be the best, and the card would say another mean
        with one_line(RunDirectoryError, weights, "is damaged", "trains it anew"):
            bundle_trial(study, "cnn", out, repeat=repeat)
    (study / "cnn" / "repeat-0" / "manifest.json").unlink()
    (study / "cnn" / "repeat-1" / "manifest.json").unlink()
    with one_line(RunDirectoryError, "no trial of cnn in", "is finished"):
        bundle_trial(study, "cnn", out)
    assert not out.exists()


def test_nothing_is_overwritten(left_alone: Path, tmp_path: Path) -> None:
    bundle_trial(left_alone, "cnn", tmp_path / "mine")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("precious")
    before = everything(tmp_path)
    for place, line in (
        ("mine", "holds a bundle already"),
        ("thesis", "not empty"),
        ("thesis/thesis.txt", "is a file"),
    ):
        with one_line(RunDirectoryError, tmp_path / place, line):
            bundle_trial(left_alone, "cnn", tmp_path / place)
    assert everything(tmp_path) == before


def test_it_loads(left_alone: Path, tmp_path: Path) -> None:
    bundle_trial(left_alone, "ecnn", tmp_path / "mine")
    description, *_ = read_bundle(tmp_path / "mine")
    assert (description.model, description.classes) == ("ecnn", tuple("abcd"))
