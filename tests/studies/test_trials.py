"""One trial: what it leaves, and how it fails."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from core.lines import one_line
from sklearn.naive_bayes import GaussianNB
from studies.small import Study, everything, predictions
from training.trainings import Stop

from ecrnn.core.devices import threads
from ecrnn.core.errors import DataError, EcrnnError, RunDirectoryError, TrainingError
from ecrnn.core.events import Event, Step
from ecrnn.core.reading import read_json
from ecrnn.core.runs import read_failure, read_settings, read_trial, trial_folder
from ecrnn.core.tasks import default
from ecrnn.models import registry
from ecrnn.models.baselines import register_object
from ecrnn.models.build import build
from ecrnn.models.weights import load_weights
from ecrnn.studies import trials
from ecrnn.studies.outcome import Outcome
from ecrnn.studies.trials import record_failure, run_trial
from ecrnn.training.finished import read_finished
from ecrnn.training.interruption import Interrupted


def test_facts(left_alone: Path) -> None:
    trial = read_trial(left_alone, "ecnn", 1)
    assert trial is not None
    facts = trial.facts
    assert (facts["model"], facts["repeat"], facts["n_train"], facts["n_validation"]) == ("ecnn", 1, 38, 10)
    assert facts["trainable"] == sum(p.numel() for p in build("ecnn", (3, 8, 8), 4).parameters())
    assert facts["parameters"] > facts["trainable"]  # batch statistics are counted too, as Keras does
    assert (facts["device"], facts["precision"], facts["threads"]) == ("cpu", "float32", 1)
    assert facts["classes"] == list("abcd")
    assert (facts["steps"], facts["skipped_steps"], facts["roll_backs"]) == (2 * 5, 0, 0)
    assert facts["last_accuracy"] == trial.metrics[-1]["validation_accuracy"] == trial.predictions.correct.mean()
    assert facts["best_accuracy"] == max(line["validation_accuracy"] for line in trial.metrics)
    assert facts["seconds"] == pytest.approx(sum(line["seconds"] for line in trial.metrics))
    assert facts["fixed_test"] is False


def test_the_weights_are_those_that_predicted(left_alone: Path, study: Study) -> None:
    from ecrnn.tasks.image_classification.objective import ImageClassification

    settings = study.settings()
    images = trials.load(settings)
    split = trials.split_of(images, settings, 1)
    processor = trials.prepare(default(), images, split, settings)
    network = build("ecnn", images.image, 4, seed=99)
    load_weights(network, trial_folder(left_alone, "ecnn", 1) / "checkpoint" / "weights.safetensors")
    with threads(1):  # as the study did: the bits of a convolution depend on the number
        again = ImageClassification(images, split, processor, settings.training, 0).predict(network)
    found = read_trial(left_alone, "ecnn", 1)
    assert found is not None
    assert again.logits.tolist() == found.predictions.logits.tolist()


def test_stopped_before_its_manifest_was_written(study: Study, tmp_path: Path) -> None:
    """The checkpoints are deleted after the manifest, not before: what was trained is not trained again."""

    def train(events: list[Event]) -> Outcome:
        return study.run(tmp_path, models=("mlp-4",), repeats=1, progress=events.append)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "write_manifest", stop)
        assert len(train([]).failed) == 1
    events: list[Event] = []
    assert train(events).trained == [("mlp-4", 0)]
    assert not any(isinstance(event, Step) for event in events)


def stop(*_: object, **__: object) -> None:
    raise Stop


@pytest.fixture(scope="module")
def baselines(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network and two baselines."""
    place = tmp_path_factory.mktemp("baselines") / "study"
    outcome = study.run(place, models=("ecnn", "forest", "logistic"))
    assert len(outcome.trained) == 6
    assert not outcome.failed
    return place


def test_the_facts_of_a_baseline(baselines: Path) -> None:
    home = trial_folder(baselines, "logistic", 1)
    files = sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())
    assert files == ["config.yaml", "manifest.json", "metrics.jsonl", "predictions.npz"], "no weights, nothing pickled"
    trial = read_finished(baselines, read_settings(baselines), "logistic", 1)
    assert trial is not None
    facts, (metrics,) = trial.facts, trial.metrics
    assert facts["estimator"] == "LogisticRegression"
    assert facts["parameters"] == facts["trainable"] == 4 * 192 + 4
    assert (facts["steps"], facts["best_epoch"], facts["device"], facts["precision"]) == (None, 1, "cpu", "float32")
    assert facts["last_accuracy"] == facts["best_accuracy"] == trial.predictions.correct.mean()
    assert facts["seconds"] == metrics["seconds"]
    network = read_trial(baselines, "ecnn", 1)
    assert network is not None
    assert trial.predictions.index.tolist() == network.predictions.index.tolist()
    assert {key: facts[key] for key in ("seed", "n_train", "preprocessing")} == {
        key: network.facts[key] for key in ("seed", "n_train", "preprocessing")
    }


def test_a_baseline_that_goes_on_has_the_same_bits(baselines: Path, study: Study, tmp_path: Path) -> None:
    models = ("ecnn", "forest", "logistic")
    shutil.copytree(baselines, tmp_path / "study")
    (trial_folder(tmp_path / "study", "forest", 0) / "manifest.json").unlink()
    shutil.rmtree(trial_folder(tmp_path / "study", "logistic", 1))
    before = everything(tmp_path / "study")["logistic/repeat-0/predictions.npz"]
    outcome = study.run(tmp_path / "study", models=models)  # in this process
    assert outcome.trained == [("forest", 0), ("logistic", 1)]
    assert predictions(tmp_path / "study", models=models) == predictions(baselines, models=models)
    assert everything(tmp_path / "study")["logistic/repeat-0/predictions.npz"] == before


def test_an_object_that_has_changed_does_not_go_on(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    models = ("ecnn", "bayes")
    register_object("bayes", GaussianNB(), "image-classification")
    study.run(tmp_path / "study", models=models, repeats=1)
    register_object("bayes", GaussianNB(), "image-classification")
    assert study.run(tmp_path / "study", models=models, repeats=1).trained == []
    register_object("bayes", GaussianNB(var_smoothing=0.1), "image-classification")
    with one_line(EcrnnError, "GaussianNB(var_smoothing=0.1) has SHA-256 ", "bring that one back"):
        study.run(tmp_path / "study", models=models)
    with one_line(EcrnnError, "model 'bayes' is known to this process alone"):
        study.run(tmp_path / "other", models=models, jobs=2)


FAILURES = {
    "a bug": (ZeroDivisionError("oh no"), "ZeroDivisionError: oh no"),
    "two lines": (RuntimeError("first\nsecond"), "RuntimeError: first"),
    "a ValueError of others": (ValueError("first\nsecond"), "ValueError: first"),
    "no words": (MemoryError(), "MemoryError: "),
    "one of ours": (TrainingError("loss is not finite"), "loss is not finite"),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_failed_trial(
    study: Study, left_alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """It is recorded, the rest goes on, and it is tried again next time."""
    error, line = FAILURES[what]
    fit, calls = trials.fit_events, []

    def failing(*arguments, label, **more):
        calls.append(label)
        if label == "cnn, repeat 0":
            raise error
        return fit(*arguments, label=label, **more)

    monkeypatch.setattr(trials, "fit_events", failing)
    outcome = study.run(tmp_path, repeats=1)
    assert calls == ["cnn, repeat 0", "ecnn, repeat 0"]
    assert outcome.failed == {("cnn", 0): line}
    assert outcome.trained == [("ecnn", 0)]
    assert read_failure(tmp_path, "cnn", 0) == line
    recorded = read_json(trial_folder(tmp_path, "cnn", 0) / "error.json")
    assert "Traceback" in recorded["trace"]
    assert recorded["time"].endswith("+00:00")

    finished = everything(tmp_path / "ecnn")
    monkeypatch.setattr(trials, "fit_events", fit)
    outcome = study.run(tmp_path, repeats=1)
    assert outcome.trained == [("cnn", 0)]
    assert outcome.found == [("ecnn", 0)]
    assert not (trial_folder(tmp_path, "cnn", 0) / "error.json").exists()
    assert predictions(tmp_path, repeats=1)["cnn", 0] == predictions(left_alone)["cnn", 0]
    assert everything(tmp_path / "ecnn") == finished


def test_divergence_fails_a_trial(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecrnn.tasks.image_classification.objective import ImageClassification

    loss = ImageClassification.loss

    def infinite(self, *arguments):
        healthy = loss(self, *arguments)
        return replace(healthy, mean=healthy.mean * math.inf)

    monkeypatch.setattr(ImageClassification, "loss", infinite)
    outcome = study.run(tmp_path, repeats=1, models=("cnn",))
    assert "epoch 1, step 1 is not finite" in outcome.failed["cnn", 0]
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("error", [RunDirectoryError("disk full"), Interrupted(15)])
def test_what_ends_a_study(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    calls: list[int] = []

    def failing(*_, **__):
        calls.append(1)
        raise error

    monkeypatch.setattr(trials, "fit_events", failing)
    with pytest.raises(type(error)):
        study.run(tmp_path)
    assert len(calls) == 1
    assert not list(tmp_path.rglob("error.json"))


def test_a_finished_trial_is_left_alone(left_alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(left_alone)
    settings = read_settings(left_alone)
    monkeypatch.setattr(trials, "fit_events", lambda *_, **__: pytest.fail("trained again"))
    assert list(trials.run_trial(trials.load(settings), left_alone, settings, "cnn", 0)) == []
    other = settings.model_copy(update={"seed": 1})  # whose folder of an attempt or of a search was copied
    with one_line(RunDirectoryError, "repeat-0 is of another study: seed is 1 here and 0 there; delete it"):
        list(trials.run_trial(trials.load(settings), left_alone, other, "cnn", 0))
    shutil.copytree(left_alone / "cnn" / "repeat-1", tmp_path / "cnn" / "repeat-0")
    with one_line(RunDirectoryError, "repeat-0 is of another trial, cnn, repeat 1; delete it"):
        list(trials.run_trial(trials.load(settings), tmp_path, settings, "cnn", 0))
    assert everything(left_alone) == before


def test_load(study: Study) -> None:
    images = trials.load(study.settings())
    assert images.image == (3, 8, 8)
    assert trials.load(study.settings(fingerprint=images.fingerprint)).fingerprint == images.fingerprint
    with one_line(RunDirectoryError, "not those the study was begun with"):
        trials.load(study.settings(fingerprint="0" * 64))
    with one_line(DataError):
        trials.load(study.settings(data="/no/such/folder"))


def test_record_failure_in_a_new_folder(tmp_path: Path) -> None:
    assert record_failure(tmp_path / "new", "cnn", 3, KeyError("x")) == "KeyError: 'x'"
    assert read_failure(tmp_path / "new", "cnn", 3) == "KeyError: 'x'"


def test_a_model_whose_code_has_changed_is_not_trained(study: Study, tmp_path: Path) -> None:
    settings = study.settings(models=("cnn",)).model_copy(update={"sources": {"cnn": "0" * 64}})
    with one_line(EcrnnError, "and 'cnn' had 000000000000 in"):
        list(run_trial(trials.load(settings), tmp_path, settings, "cnn", 0))
    assert not list(tmp_path.rglob("config.yaml"))
