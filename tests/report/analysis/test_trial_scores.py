"""The score of a trial is the mean over its last epochs, whatever the metric; tests of images are of the last one."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from report.synthetic import make_statistics, make_study
from scipy import stats

from ecrnn.core.manifests import checked_manifest, write_manifest
from ecrnn.core.predictions import write_predictions
from ecrnn.core.runs import read_trial
from ecrnn.report import Analysis, analyse, archive_study, plain, read_study
from ecrnn.report.content.pair_tables import paper_table
from ecrnn.report.content.tables import report_tables
from ecrnn.report.render.markdown import to_markdown
from ecrnn.report.render.write import report_files
from ecrnn.stats import BLEU, CER, METRICS, class_scores, compare, mcnemar, paper_test

MODELS = {"cnn": 0.6, "ecnn": 0.7}
SMALL = {"n_validation": 300, "epochs": 5, "repeats": 4, "score_epochs": 3}


def _of(study: Path, **options) -> Analysis:
    return analyse(read_study([study]), **options)


def _correct(study: Path, model: str, repeat: int) -> np.ndarray:
    """(3, n): which images are right after each of the last epochs, from the arrays of the file itself."""
    with np.load(study / model / f"repeat-{repeat}" / "predictions.npz") as file:
        last = file["logits"].argmax(1)
        return np.stack([*(row ^ last for row in file["earlier"]), last]) == file["label"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("epochs") / "run", MODELS, **SMALL)


@pytest.fixture(scope="module")
def analysis(study: Path) -> Analysis:
    return _of(study)


def test_the_mean_of_the_last_three_epochs_by_hand(study: Path, analysis: Analysis) -> None:
    for row in analysis.models:
        by_hand = [_correct(study, row.model, repeat).mean() for repeat in range(4)]
        assert row.scores == pytest.approx(by_hand, abs=1e-15)
        assert len(set(by_hand)) > 1
    for trial in analysis.trials:
        each = _correct(study, trial.model, trial.repeat).mean(axis=1)
        assert trial.epoch_scores == pytest.approx(tuple(each), abs=1e-15)
        lines = (study / trial.model / f"repeat-{trial.repeat}" / "metrics.jsonl").read_text().splitlines()[-3:]
        assert trial.epoch_scores == tuple(json.loads(line)["validation_accuracy"] for line in lines)
    differences = np.subtract(*(row.scores for row in reversed(analysis.models)))
    (pair,) = analysis.comparison.pairs
    assert pair.difference == pytest.approx(differences.mean())
    error = differences.std(ddof=1) * np.sqrt(1 / 4 + 300 / 3500)
    assert pair.test.p == pytest.approx(2 * stats.t.sf(abs(differences.mean()) / error, 3), rel=1e-9)


def test_a_report_may_count_fewer_epochs(study: Path) -> None:
    one, two = _of(study, score_epochs=1), _of(study, score_epochs=2)
    for number, row in enumerate(one.models):
        assert row.scores == tuple(_correct(study, row.model, repeat)[-1].mean() for repeat in range(4))
        by_hand = [_correct(study, row.model, repeat)[-2:].mean() for repeat in range(4)]
        assert two.models[number].scores == pytest.approx(by_hand, abs=1e-15)
    assert one.trials[0].epoch_scores == ()
    assert one.subject.moment == "after the last epoch"


def test_tests_of_single_images_are_of_the_last_epoch(study: Path, analysis: Analysis) -> None:
    a, b = (np.concatenate([_correct(study, model, r)[-1] for r in range(4)]) for model in ("ecnn", "cnn"))
    assert analysis.comparison.pairs[0].image_test == paper_test(a.mean(), b.mean(), a.size)
    assert paper_table(analysis).caption.endswith("Of the last epoch alone.")
    assert np.trace(analysis.confusions[1].counts) == a.sum()


def test_one_training_each_on_a_fixed_test_set(tmp_path: Path) -> None:
    study = make_study(tmp_path / "run", MODELS, **SMALL | {"repeats": 1}, fixed_test=True)
    (pair,) = _of(study).comparison.pairs
    a, b = _correct(study, "ecnn", 0), _correct(study, "cnn", 0)
    assert pair.mcnemar == mcnemar(a[-1], b[-1])
    assert pair.image_interval.estimate == pytest.approx(a.mean() - b.mean())
    assert "McNemar's test is of the last epoch alone." in to_markdown(_of(study))


def test_several_seeds_on_a_fixed_test_set_have_the_crossed_variance_of_the_means(tmp_path: Path) -> None:
    study = make_study(tmp_path / "run", MODELS, **SMALL, fixed_test=True)
    (pair,) = _of(study).comparison.pairs
    means = {model: {r: _correct(study, model, r).mean(axis=0) for r in range(4)} for model in MODELS}
    by_hand = compare(means, 3500, 300, fixed_test=True).pairs[0]
    assert pair.test.standard_error == pytest.approx(by_hand.test.standard_error, rel=1e-12)


@pytest.mark.parametrize("task", ["next-token", "translation", "transcription"])
def test_every_metric_is_averaged_as_a_metric(tmp_path: Path, task: str) -> None:
    """Of BLEU, which is no mean over texts, the mean of three BLEUs, not the BLEU of three epochs together."""
    study = make_study(tmp_path / "run", {"a": 0.6, "b": 0.7}, task=task, **SMALL)
    found = _of(study)
    metric = found.metric
    for row in found.models:
        for repeat, score in enumerate(row.scores):
            predictions = read_trial(study, row.model, repeat).predictions
            each = [metric.value(s) for s in (*predictions.earlier, predictions.statistics)]
            assert score == pytest.approx(np.mean(each), rel=1e-12)
            assert len(set(each)) == 3
    assert found.comparison.pairs[0].test is not None


def test_a_metric_over_epochs() -> None:
    rng, index = np.random.default_rng(3), np.arange(40)
    three = [make_statistics(rng, "bleu", index, score) for score in (0.5, 0.6, 0.7)]
    each = [BLEU.value(one) for one in three]
    assert BLEU.over_epochs(3).value(np.concatenate(three, axis=1)) == pytest.approx(np.mean(each), rel=1e-14)
    assert BLEU.over_epochs(1) is BLEU
    without = [np.mean([BLEU.value(np.delete(one, i, axis=0)) for one in three]) for i in index]
    influence = BLEU.over_epochs(3).influence(np.concatenate(three, axis=1))
    assert influence == pytest.approx(39 * (np.mean(each) - np.array(without)), rel=1e-9)
    assert METRICS["cer"] is CER


@pytest.mark.parametrize("metric", ["macro-f1", "balanced-accuracy", "auc"])
def test_scores_that_were_named_are_averaged_too(tmp_path: Path, metric: str) -> None:
    study = make_study(tmp_path / "run", MODELS, metric=metric, **SMALL)
    archive_study(study, tmp_path / "archive")
    scores = {}
    for model in MODELS:
        for repeat in range(4):
            predictions = read_trial(study, model, repeat).predictions
            if metric == "auc":  # of the epochs before the last it stands in metrics.jsonl
                powers = np.exp(predictions.logits.astype(np.float64))
                last = class_scores(predictions.label, predictions.predicted, powers / powers.sum(1, keepdims=True))
                each = [0.75 + 0.03, 0.75 + 0.04, last["auc"]]
            else:
                given = (*predictions.earlier, predictions.predicted)
                each = [class_scores(predictions.label, of_epoch)[metric] for of_epoch in given]
            scores[model, repeat] = np.mean(each)
    found = _of(study)
    assert [trial.score for trial in found.trials] == pytest.approx([scores[t.model, t.repeat] for t in found.trials])
    row = next(row for row in found.class_scores if (row.model, row.name) == ("cnn", metric))
    assert row.scores == pytest.approx([scores["cnn", repeat] for repeat in range(4)])
    if metric != "auc":
        assert [t.score for t in _of(tmp_path / "archive").trials] == [t.score for t in found.trials]


def test_an_archive_says_the_same(study: Path, analysis: Analysis, tmp_path: Path) -> None:
    archive_study(study, tmp_path / "archive")
    again = _of(tmp_path / "archive")
    assert again.comparison == analysis.comparison
    assert again.trials == analysis.trials
    assert again.headline == analysis.headline


def test_a_model_with_one_epoch_counts_that(study: Path, tmp_path: Path) -> None:
    """As a classifier of scikit-learn beside networks: of two folders, one with a single epoch."""
    one = make_study(tmp_path / "one", {"forest": 0.5}, **SMALL | {"epochs": 1, "score_epochs": 1})
    assert "score_epochs" not in (one / "study.yaml").read_text()
    for path in (one / "study.yaml", *one.glob("forest/*/config.yaml")):
        path.write_text(path.read_text().replace("epochs: 1\n", "epochs: 5\n") + "score_epochs: 3\n")
    for home in one.glob("forest/*"):
        manifest = json.loads((home / "manifest.json").read_text())
        write_manifest(home, list(manifest["files"]), manifest["facts"])
    found = analyse(read_study([study, one]))
    assert [row.model for row in found.models] == ["cnn", "ecnn", "forest"]
    forest = found.models[-1]
    assert forest.scores == tuple(read_trial(one, "forest", r).predictions.correct.mean() for r in range(4))
    assert found.subject.epochs == 3


def test_a_trial_of_another_study_that_keeps_fewer_epochs_does_not_count(tmp_path: Path) -> None:
    study = make_study(tmp_path / "run", MODELS, **SMALL)
    other = make_study(tmp_path / "other", MODELS, **SMALL | {"score_epochs": 1})
    shutil.rmtree(study / "cnn" / "repeat-1")
    shutil.copytree(other / "cnn" / "repeat-1", study / "cnn" / "repeat-1")
    (missing,) = _of(study).missing
    assert (missing.model, missing.repeat, missing.state) == ("cnn", 1, "damaged")
    assert missing.reason.endswith(
        "config.yaml is of another study than study.yaml: score_epochs is 3 here and None there"
    )


@pytest.mark.usefixtures("undrawn")
def test_the_pages_say_so(analysis: Analysis) -> None:
    assert analysis.headline.endswith(" (mean of the last 3 epochs).")
    assert (
        "on the validation images (mean of the last 3 epochs), over the repeats" in report_tables(analysis)[0].caption
    )
    choices = next(line.text for line in analysis.fairness if line.what == "Choices")
    assert "every figure is the mean of the last 3 epochs, as planned before." in choices
    assert "Accuracies are the mean of the last 3 epochs" in analysis.subject.source
    for table in report_tables(analysis):
        if table.key in ("classes", "confused", "paper"):
            assert table.caption.endswith("Of the last epoch alone."), table.key
    assert "last epoch." not in to_markdown(analysis).replace("Of the last epoch alone.", "")
    trial = plain(analysis)["trials"][0]
    assert trial["accuracy"] == pytest.approx(np.mean(trial["epoch_scores"]))
    rows = list(csv.DictReader(io.StringIO(report_files(analysis)["report-trials.csv"])))
    assert [float(row["accuracy"]) for row in rows] == [trial.score for trial in analysis.trials]


@pytest.mark.parametrize(
    ("facts", "earlier", "reason"),
    [
        ({"score_epochs": 2}, None, "predictions.npz holds those of 3 epochs, which manifest.json"),
        ({"score_epochs": None}, None, "predictions.npz holds those of 3 epochs, which manifest.json"),
        ({"score_epochs": "many"}, None, "manifest.json: score_epochs must be a whole number"),
        ({"score_epochs": 6}, 5, "predictions.npz holds those of 6 epochs, which manifest.json"),
        ({}, 2, "predictions.npz does not fit the 10 classes of manifest.json"),
    ],
)
def test_epochs_that_cannot_be_true_are_damage(tmp_path: Path, facts: dict, earlier: int | None, reason: str) -> None:
    """The digests fit: who changed the files wrote the manifest anew."""
    study = make_study(tmp_path / "run", MODELS, **SMALL | {"repeats": 1})
    home = study / "cnn" / "repeat-0"
    manifest = checked_manifest(home)
    predictions = read_trial(study, "cnn", 0).predictions
    if earlier is not None:  # classes that there are not, or more epochs than the training had
        epoch = np.full(300, 10 if earlier == 2 else 1, np.int32)
        write_predictions(home / "predictions.npz", predictions.with_earlier([epoch] * earlier))
    write_manifest(home, tuple(manifest["files"]), manifest["facts"] | facts)
    (missing,) = _of(study).missing
    assert (missing.model, missing.state) == ("cnn", "damaged")
    assert reason in missing.reason
