"""Reports of classifiers by a score that was named beforehand: verdicts on it, all scores in a table."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from report.synthetic import make_study
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from ecrnn.core.errors import EcrnnError, UnknownNameError
from ecrnn.core.runs import read_trial
from ecrnn.report import analyse, archive_study, plain, read_study
from ecrnn.report.content.tables import report_tables
from ecrnn.report.render.write import report_files
from ecrnn.stats import metric_named

MODELS = {"cnn": 0.6, "ecnn": 0.7}
SMALL = {"n_validation": 300, "epochs": 3, "repeats": 4}


def by_scikit_learn(study: Path, model: str, repeat: int) -> dict[str, float]:
    trial = read_trial(study, model, repeat)
    assert trial is not None
    predictions = trial.predictions
    powers = np.exp(predictions.logits.astype(np.float64))
    probability = powers / powers.sum(axis=1, keepdims=True)
    label, given = predictions.label, predictions.logits.argmax(axis=1)
    return {
        "accuracy": float((label == given).mean()),
        "macro-f1": f1_score(label, given, average="macro"),
        "balanced-accuracy": balanced_accuracy_score(label, given),
        "auc": roc_auc_score(label, probability, multi_class="ovr", average="macro"),
    }


@pytest.mark.parametrize("metric", ["accuracy", "macro-f1", "balanced-accuracy", "auc"])
def test_the_verdict_is_on_the_score_that_was_named(tmp_path: Path, metric: str) -> None:
    study = make_study(tmp_path / "run", MODELS, metric=metric, **SMALL)
    analysis = analyse(read_study([study]))
    assert analysis.metric is metric_named(metric)
    exact = {model: [by_scikit_learn(study, model, repeat) for repeat in range(4)] for model in MODELS}
    for row in analysis.models:
        assert row.scores == pytest.approx([scores[metric] for scores in exact[row.model]], rel=1e-12)
    difference = np.mean([a[metric] - b[metric] for a, b in zip(exact["ecnn"], exact["cnn"], strict=True)])
    (pair,) = analysis.comparison.pairs
    assert pair.difference == pytest.approx(difference)
    assert (pair.image_test is None) == (metric != "accuracy")
    for row in analysis.class_scores:
        assert row.scores == pytest.approx([scores[row.name] for scores in exact[row.model]], rel=1e-12)
        assert row.summary is not None
        assert row.summary.mean == pytest.approx(np.mean(row.scores))
    assert [(row.model, row.name) for row in analysis.class_scores] == [
        (model, name) for model in MODELS for name in ("accuracy", "macro-f1", "balanced-accuracy", "auc")
    ]
    assert all(trial.score == exact[trial.model][trial.repeat][metric] for trial in analysis.trials) or metric == "auc"
    assert {curve.quantity for curve in analysis.curves} >= {"validation_accuracy", "validation_loss"}
    word = "of the validation images are right" if metric == "accuracy" else metric_named(metric).title
    assert word in analysis.headline


@pytest.mark.usefixtures("undrawn")
def test_every_output_has_the_table(tmp_path: Path) -> None:
    study = make_study(tmp_path / "run", MODELS, metric="macro-f1", **SMALL)
    analysis = analyse(read_study([study]))
    files = report_files(analysis)
    rows = list(csv.DictReader(io.StringIO(files["report-scores.csv"])))
    means = {(row.model, row.name): row.summary.mean for row in analysis.class_scores if row.summary}
    assert [float(row["auc"]) for row in rows] == [means[model, "auc"] for model in MODELS]
    assert [float(row["macro-f1_sd"]) for row in rows] == [row.summary.sd for row in analysis.models]
    for name in ("report.html", "report.md", "report-tables.tex"):
        assert "Balanced accuracy" in files[name], name
        assert "which was named before the first training" in files[name], name
    content = json.loads(files["report.json"])
    assert content["comparison"]["metric"] == "macro-f1"
    assert [row["name"] for row in content["class_scores"]][:2] == ["accuracy", "macro-f1"]
    assert "--metric macro-f1" in content["command"]
    assert "best_epoch_macro-f1_optimistic" not in files["report.csv"]
    assert "optimistic; it enters no test" not in files["report.md"].split("## Comparisons")[0]


def test_a_study_that_names_none_has_no_table(tmp_path: Path) -> None:
    analysis = analyse(read_study([make_study(tmp_path / "run", MODELS, **SMALL)]))
    assert analysis.class_scores == ()
    assert "class_scores" not in plain(analysis)
    assert "metric" not in plain(analysis)["settings"]
    assert "scores" not in [table.key for table in report_tables(analysis, every=True)]


def test_an_archive_has_the_auc_of_the_manifest(tmp_path: Path) -> None:
    facts = {"auc": 0.75}
    study = make_study(tmp_path / "run", MODELS, metric="auc", facts=facts, **SMALL)
    archive_study(study, tmp_path / "archive")
    analysis = analyse(read_study([tmp_path / "archive"]))
    assert {row.scores for row in analysis.models} == {(0.75,) * 4}
    early = make_study(tmp_path / "early", MODELS, metric="auc", **SMALL)
    archive_study(early, tmp_path / "early-archive")
    with pytest.raises(EcrnnError, match="cnn, repeat 0 has no AUC: its examples are of one class, there are too many"):
        analyse(read_study([tmp_path / "early-archive"]))
    other = make_study(tmp_path / "other", MODELS, metric="macro-f1", **SMALL)
    archive_study(other, tmp_path / "other-archive")
    analysis = analyse(read_study([tmp_path / "other-archive"]))
    assert [row.summary is None for row in analysis.class_scores] == [False, False, False, True] * 2


def test_folders_are_one_study_only_by_one_score(tmp_path: Path) -> None:
    names = {None: "none", "accuracy": "accuracy", "auc": "auc"}
    for number, (metric, name) in enumerate(names.items()):
        make_study(tmp_path / name, {list(MODELS)[number % 2]: 0.6}, metric=metric, **SMALL)
    assert len(analyse(read_study([tmp_path / "none", tmp_path / "accuracy"])).models) == 2
    with pytest.raises(EcrnnError, match="are not one study: metric is None here and auc there"):
        read_study([tmp_path / "none", tmp_path / "auc"])


def test_a_score_of_another_task_is_one_line(tmp_path: Path) -> None:
    study = make_study(tmp_path / "run", MODELS, metric="bleu", **SMALL)
    with pytest.raises(
        UnknownNameError, match="unknown metric 'bleu', known are accuracy, auc, balanced-accuracy, macro-f1"
    ):
        analyse(read_study([study]))
