"""Studies of tasks other than image classification, in every output: their metric, their words, no others."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from report.synthetic import make_study
from rich.console import Console

from ecrnn.core.manifests import read_manifest, write_manifest
from ecrnn.core.predictions import Scored, write_predictions
from ecrnn.core.reading import read_bytes
from ecrnn.core.runs import read_trial, trial_folder, trial_home
from ecrnn.core.tasks import TASKS
from ecrnn.report import Analysis, Archived, analyse, archive_study, plain, print_report, read_study
from ecrnn.report.content.tables import report_tables
from ecrnn.report.render.write import report_files
from ecrnn.stats import METRICS, compare

pytestmark = pytest.mark.sampled(most=2)

SMALL = {"n_validation": 300, "epochs": 3}
STUDIES = {  # task -> scores of a worse and a better model
    "next-token": {"charlm-rnn-64": 1.72, "charlm-gru-64": 1.60},
    "translation": {"translate": 0.50, "translate-attention": 0.60},
    "captioning": {"caption": 0.50, "caption-attention": 0.60},
    "transcription": {"ocr": 0.09, "ocr-bilstm-64": 0.04},
    "text-classification": {"sentiment-cnn": 0.70, "sentiment": 0.80},
    "clip-classification": {"frames": 0.70, "frames-bilstm-16": 0.80},
}
FINDINGS = {
    "next-token": r"charlm-gru-64 is better than charlm-rnn-64: 1\.\d{4} bits a character on the validation blocks, "
    r"against 1\.\d{4} bits\.",
    "translation": r"translate-attention is better than translate: \d\d\.\d\d BLEU on the validation sentences, "
    r"against \d\d\.\d\d BLEU\.",
    "captioning": r"caption-attention is .*: \d\d\.\d\d BLEU on the validation images, against \d\d\.\d\d BLEU\.",
    "transcription": r"ocr-bilstm-64 is .*: \d\.\d\d % character error rate on the validation images, against "
    r"\d\.\d\d %\.",
    "text-classification": r"sentiment is .*: \d\d\.\d\d % of the validation texts are right, against \d\d\.\d\d %\.",
    "clip-classification": r"frames-bilstm-16 is .*: \d\d\.\d\d % of the validation clips are right, against .* %\.",
}
FOREIGN = {  # words that have no place in a report of the task
    "next-token": r"image|accura|McNemar|True class|cross-entropy|% of|points",
    "translation": r"image|accura|McNemar|True class|\bbits\b|\(%\)",
    "captioning": r"accura|McNemar|True class|\bbits\b|\(%\)",
    "transcription": r"accura|McNemar|True class|\bbits\b|BLEU",
    "text-classification": r"\bbits\b|BLEU",
    "clip-classification": r"\bbits\b|BLEU",
}


Made = tuple[Path, Analysis, dict[str, str]]


@pytest.fixture(scope="module", params=STUDIES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A study of five repeats, one trial of which failed, and its files with what a terminal shows."""
    worse = next(iter(STUDIES[request.param]))
    folder = tmp_path_factory.mktemp("tasks") / "run"
    make_study(folder, STUDIES[request.param], task=request.param, repeats=5, failed=[(worse, 4)], **SMALL)
    analysis = analyse(read_study([folder]))
    console = Console(file=io.StringIO(), width=200)
    print_report(analysis, console)
    return folder, analysis, report_files(analysis) | {"terminal": console.file.getvalue()}  # type: ignore[attr-defined]


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def _visible(name: str, text: str) -> str:
    """What a person reads of a file."""
    if not name.endswith(".html"):
        return text
    text = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", text)


def test_the_comparison_is_that_of_the_raw_statistics(made) -> None:
    folder, analysis, _ = made
    scores: dict[str, dict[int, np.ndarray]] = {model: {} for model in STUDIES[analysis.task]}
    index: dict[int, np.ndarray] = {}
    failed: dict[str, list[int]] = {}
    for model, own in scores.items():
        for repeat in range(5):
            trial = read_trial(folder, model, repeat)
            if trial is None:
                failed.setdefault(model, []).append(repeat)
            else:
                own[repeat] = trial.predictions.statistics
                index[repeat] = trial.predictions.index
    metric, examples = METRICS[TASKS[analysis.task].metric], TASKS[analysis.task].examples
    assert analysis.comparison == compare(scores, 3500, 300, metric=metric, noun=examples, index=index, failed=failed)
    assert analysis.comparison.rope == metric.rope
    (pair,) = analysis.comparison.pairs
    assert (pair.verdict, len(pair.repeats)) == ("better", 4)
    assert (pair.image_test is not None) == metric.binary
    assert analysis.best.model == pair.model_a


def test_findings_say_what_was_measured_on_what(made) -> None:
    analysis = made[1]
    worse = next(iter(STUDIES[analysis.task]))
    failed = (
        f"{worse} failed in 1 of 5 trainings (95 % interval 0.5 to 71.6 %), and its score is of those that succeeded."
    )
    assert re.fullmatch(f"{FINDINGS[analysis.task]} {re.escape(failed)}", analysis.headline)
    folder = made[0]
    worse, better = STUDIES[analysis.task]
    title = analysis.metric.title
    against = analyse(read_study([folder]), baseline=worse).headline
    assert re.match(
        rf"Against {worse} \(\d+\.\d+[ %]* {title}\): {better} is better \([+−]\d+\.\d+ (points|bits)\)\.", against
    )


def test_no_output_speaks_of_another_task(made) -> None:
    _, analysis, files = made
    for name, content in files.items():
        if name != "report.json":  # whose keys are the same for all tasks
            text = _visible(name, content).split("How to repeat it")[0]
            found = re.findall(f".*(?:{FOREIGN[analysis.task]}).*", text)
            assert found == [], name
            if not name.startswith("report-") and name not in ("report.csv", "report.tex"):
                assert analysis.examples in text, name


def test_every_form_shows_the_same_figures(made) -> None:
    _, analysis, files = made
    metric = analysis.metric
    mean = f"{metric.scale * analysis.best.summary.mean:.{metric.decimals}f}"
    difference = f"{metric.scale * abs(analysis.comparison.pairs[0].difference or 0):.{metric.decimals}f}"
    for name in ("report.md", "report-tables.tex", "report.html", "terminal"):
        assert mean in files[name], name
        assert difference in files[name], name
    assert analysis.headline in files["report.md"].replace("\\", "")
    for row, own in zip(_rows(files["report.csv"]), analysis.models, strict=True):
        assert float(row["mean"]) == own.summary.mean
        assert float(row[f"best_epoch_{metric.name}_optimistic"]) == own.best_score
    trials = {(row["model"], int(row["repeat"])): float(row[metric.name]) for row in _rows(files["report-trials.csv"])}
    assert trials == {(m.model, r): s for m in analysis.models for r, s in zip(m.repeats, m.scores, strict=True)}


def test_json_names_task_metric_and_scores(made) -> None:
    _, analysis, files = made
    content = json.loads(files["report.json"])
    metric = analysis.metric
    assert content["task"] == analysis.task
    assert content["comparison"].get("metric", "accuracy") == metric.name
    for trial, own in zip(content["trials"], analysis.trials, strict=True):
        assert (trial[metric.name], trial[f"best_{metric.name}"]) == (own.score, own.best_score)
        assert "score" not in trial
    assert content["models"][0][f"best_{metric.name}"] == analysis.models[0].best_score
    assert plain(analysis.trials[0], metric.name) == content["trials"][0]


def test_reports_of_image_classifiers_have_the_keys_that_they_had(analysis: Analysis) -> None:
    content = plain(analysis)
    assert "task" not in content
    assert "metric" not in content["comparison"]
    assert {"accuracy", "best_accuracy"} < set(content["trials"][0])


def test_curves_are_of_what_was_written(made) -> None:
    _, analysis, files = made
    name, classed = analysis.metric.name, bool(analysis.classes)
    train = [f"train_{name}"] if classed else []
    quantities = [*train, f"validation_{name}", "train_loss", "validation_loss"]
    assert [curve.quantity for curve in analysis.curves] == 2 * quantities
    page = files["report.html"]
    assert f'id="fig-{name}-curves-alt"' in page
    assert ('id="classes"' in page) == classed == bool(analysis.confusions)
    assert {"classes", "confused", "paper"} & {table.key for table in report_tables(analysis)} == (
        {"classes", "confused", "paper"} if classed else set()
    )


def test_an_archive_keeps_the_statistics(made, tmp_path: Path) -> None:
    folder, analysis, _ = made
    assert archive_study(folder, tmp_path / "small") == Archived(added=9, kept=0)
    mine, theirs = plain(analysis), plain(analyse(read_study([tmp_path / "small"])))
    assert mine | {"folders": []} == theirs | {"folders": []}
    archive_study(tmp_path / "small", tmp_path / "again")
    better = list(STUDIES[analysis.task])[1]
    homes = [trial_home(tmp_path / name, better, 0) for name in ("small", "again")]
    files = [read_bytes(home / "predictions.npz", 10_000) for home in homes]
    assert files[0] == files[1]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.sampled(cover=1)
@pytest.mark.parametrize("task", ["next-token", "translation", "transcription"])
@pytest.mark.parametrize("repeats", [1, 3])
def test_a_fixed_test_set(tmp_path: Path, task: str, repeats: int) -> None:
    options = {"task": task, "repeats": repeats, "fixed_test": True}
    analysis = analyse(read_study([make_study(tmp_path / "run", STUDIES[task], **options, **SMALL)]))
    files = report_files(analysis)
    assert f"test {analysis.examples}" in files["report.md"]
    assert ("report-test-set.csv" in files) == (repeats == 1)
    if repeats == 1:
        assert "the intervals tell these trained models apart" in analysis.certainty
        (row,) = _rows(files["report-test-set.csv"])
        interval = analysis.comparison.pairs[0].image_interval
        assert interval is not None
        assert row == {
            **{"model_a": list(STUDIES[task])[1], "model_b": next(iter(STUDIES[task]))},
            **{key: str(getattr(interval, own)) for key, own in (("difference", "estimate"), ("low", "low"))},
            "high": str(interval.high),
        }
        assert f"bootstrap interval over the {analysis.examples}" in files["report.md"]


def test_one_model_alone(tmp_path: Path) -> None:
    headlines = {}
    for task, scores in STUDIES.items():
        one = dict([next(iter(scores.items()))])
        folder = make_study(tmp_path / task, one, task=task, repeats=3, **SMALL)
        headlines[task] = analyse(read_study([folder])).headline
    assert re.fullmatch(
        r"charlm-rnn-64 has 1\.7\d\d\d bits a character on the validation blocks \(3 repeats, SD 0\.\d{4} bits\)\.",
        headlines["next-token"],
    )
    assert re.match(r"ocr has \d+\.\d\d % character error rate on the validation images", headlines["transcription"])
    assert re.match(
        r"frames gives \d\d\.\d\d % of the validation clips the right class", headlines["clip-classification"]
    )


def test_many_models_against_a_baseline_are_ranked_by_the_metric(tmp_path: Path) -> None:
    models = {f"charlm-gru-{8 * i}": 2.0 - 0.1 * i for i in range(1, 7)}
    folder = make_study(tmp_path / "run", models, task="next-token", repeats=3, **SMALL)
    headline = analyse(read_study([folder]), baseline="charlm-gru-16").headline
    assert re.search(r"the largest difference is charlm-gru-48's, −0\.[34]\d{3} bits \(better\)\.", headline)
    assert "charlm-gru-8 is worse" in headline
    best = analyse(read_study([folder])).headline
    assert re.match(r"charlm-gru-48 is better than all 5 others: 1\.\d{4} .* against 1\.\d{4} bits of the next, ", best)
    assert best.endswith("charlm-gru-40.")


def _rewritten(folder: Path, model: str, repeat: int, predictions=None, **facts) -> None:
    home = trial_folder(folder, model, repeat)
    found = read_manifest(home)
    assert found is not None
    if predictions is not None:
        write_predictions(home / "predictions.npz", predictions)
    write_manifest(home, ("metrics.jsonl", "predictions.npz"), found | facts)


INDEX = np.arange(300)


@pytest.mark.parametrize(
    ("predictions", "facts", "reason"),
    [
        (Scored(INDEX, np.ones((300, 3))), {}, r"should have the shape \(n, 10\): matches_1, .*, got \(300, 3\)"),
        (Scored(INDEX, np.full((300, 10), np.nan)), {}, "predictions.npz: statistics must be finite"),
        (Scored(INDEX, np.full((300, 10), -1.0)), {}, "statistics of BLEU must not be negative"),
        (Scored(INDEX, np.ones((300, 10))), {}, "scored on other sentences than translate in this repeat"),
        (None, {"task": "translating"}, "unknown task 'translating', did you mean 'translation'"),
        (None, {"task": ["translation"]}, r"unknown task '\['translation'\]'"),
        (None, {"task": "captioning"}, "another task than translate, repeat 0"),
        (
            None,
            {"task": "image-classification", "classes": ["a"]},
            "holds statistics, where the task of manifest.json has",
        ),
        (None, {"n_train": 0}, "n_train must be a whole number above 0"),
    ],
)
def test_trials_that_do_not_fit_their_task_are_left_out(tmp_path: Path, predictions, facts, reason: str) -> None:
    folder = make_study(tmp_path / "run", STUDIES["translation"], task="translation", repeats=2, **SMALL)
    _rewritten(folder, "translate-attention", 1, predictions, **facts)
    record = read_study([folder])
    (left_out,) = record.unfinished
    assert (left_out.model, left_out.repeat, left_out.state) == ("translate-attention", 1, "damaged")
    assert re.search(reason, left_out.reason)
    assert len(record.trials) == 3


def test_classes_where_the_task_has_none(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "run", {"cnn": 0.7, "ecnn": 0.8}, repeats=2, **SMALL)
    _rewritten(folder, "ecnn", 1, task="translation")
    (left_out,) = read_study([folder]).unfinished
    assert left_out.reason == "predictions.npz holds classes, which translation does not have"


def test_a_misfit_does_not_take_the_others_of_its_repeat_with_it(tmp_path: Path) -> None:
    models = {"a": 0.5, "b": 0.5, "c": 0.5}
    folder = make_study(tmp_path / "run", models, task="translation", repeats=2, **SMALL)
    _rewritten(folder, "a", 1, Scored(INDEX, np.ones((300, 10))), task="captioning")
    assert [(u.model, u.repeat) for u in read_study([folder]).unfinished] == [("a", 1)]
