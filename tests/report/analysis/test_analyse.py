"""The numbers of a report are those of `ecrnn.stats` on the raw predictions, and its sentences claim no
more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from report.synthetic import make_study

from ecrnn.core.errors import EcrnnError, UnknownNameError
from ecrnn.core.runs import read_trial
from ecrnn.report import Analysis, analyse, read_study
from ecrnn.report.content.pair_tables import pairs_table, power_table
from ecrnn.report.render.markdown import to_markdown
from ecrnn.stats import PAPER_TEST_WARNING, compare

FAILED = {"crnn-bilstm-16": [4]}  # of the fixture `study`
SMALL = {"n_validation": 300, "epochs": 3}


def _raw(study: Path, models, repeats: int = 10):
    scores: dict[str, dict[int, np.ndarray]] = {}
    for model in models:
        for repeat in range(repeats):
            trial = read_trial(study, model, repeat)
            if trial is not None:
                scores.setdefault(model, {})[repeat] = trial.predictions.correct
    return scores


def _index(study: Path, repeats: int = 10):
    trials = {repeat: read_trial(study, "cnn", repeat) for repeat in range(repeats)}
    return {repeat: trial.predictions.index for repeat, trial in trials.items() if trial}


def _of(study: Path, **options) -> Analysis:
    return analyse(read_study([study]), **options)


def test_the_comparison_is_that_of_the_raw_scores(study: Path, analysis: Analysis) -> None:
    models = ("cnn", "crnn-bilstm-16", "ecrnn-bilstm-16")
    assert analysis.comparison == compare(
        _raw(study, models), n_train=3500, n_test=600, index=_index(study), failed=FAILED
    )
    against = _of(study, baseline="cnn", rope=0.01)
    assert against.comparison == compare(
        _raw(study, models), 3500, 600, baseline="cnn", rope=0.01, index=_index(study), failed=FAILED
    )


def test_repeats_are_told_of_a_difference_that_is_named_in_points(study: Path, analysis: Analysis) -> None:
    titles = [column.title for column in power_table(analysis).columns]
    assert titles == ["A", "B", "Repeats", "Smallest detectable (points)"]
    named = _of(study, difference=4)
    assert named.comparison == compare(
        _raw(study, ("cnn", "crnn-bilstm-16", "ecrnn-bilstm-16")),
        3500,
        600,
        index=_index(study),
        failed=FAILED,
        difference=0.04,
    )
    table = power_table(named)
    assert table.columns[-1].title == "Repeats for 4 points"
    needed = [pair.repeats_needed for pair in named.comparison.pairs]
    assert [row[-1].values for row in table.rows] == [(n,) for n in needed]
    assert max(needed) > 2


def test_several_seeds_on_the_data_sets_own_test_part_are_judged_over_seeds_and_images(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "run", {"cnn": 0.5, "ecnn": 0.6}, repeats=4, fixed_test=True, **SMALL)
    analysis = _of(folder, difference=1)
    (pair,) = analysis.comparison.pairs
    assert pair == compare(_raw(folder, ("cnn", "ecnn"), 4), 1, 300, fixed_test=True, difference=0.01).pairs[0]
    assert (pair.verdict, pair.test.method, pair.crossed) == ("better", "crossed t", None)
    assert (
        "(crossed t over seeds and images, Holm-adjusted over the pairs: at most 5 % for any false"
        in analysis.certainty
    )
    assert "crossed t over seeds and images test, p adjusted by Holm" in pairs_table(analysis).caption
    assert "corrected" not in to_markdown(analysis)


def test_rows_and_curves_come_from_manifests_and_metrics(study: Path, analysis: Analysis) -> None:
    trials = [t for r in range(10) if (t := read_trial(study, "crnn-bilstm-16", r))]
    row = analysis.models[1]
    assert row.repeats == tuple(t.repeat for t in trials)
    assert row.seconds == pytest.approx(np.mean([t.facts["seconds"] for t in trials]))
    assert row.total_seconds == pytest.approx(sum(t.facts["seconds"] for t in trials))
    assert row.best_score == pytest.approx(np.mean([t.facts["best_accuracy"] for t in trials]))
    curve = next(c for c in analysis.curves if (c.model, c.quantity) == ("crnn-bilstm-16", "validation_loss"))
    at_7 = [line["validation_loss"] for t in trials for line in t.metrics if line["epoch"] == 7]
    assert (curve.mean[6], curve.low[6], curve.high[6]) == pytest.approx((np.mean(at_7), min(at_7), max(at_7)))


def test_confusions_count_every_image_once_a_repeat(study: Path, analysis: Analysis) -> None:
    own = analysis.confusions[0]
    counts = np.array(own.counts)
    expected = np.zeros((10, 10), dtype=int)
    for repeat in range(10):
        trial = read_trial(study, "cnn", repeat)
        assert trial is not None
        np.add.at(expected, (trial.predictions.label, trial.predictions.logits.argmax(axis=1)), 1)
    np.testing.assert_array_equal(counts, expected)
    assert own.classes[3].recall == expected[3, 3] / expected[3].sum()
    assert own.classes[3].precision == expected[3, 3] / expected[:, 3].sum()
    first = own.most_confused[0]
    wrong = expected - np.diag(expected.diagonal())
    assert (first.n, wrong[int(first.true), int(first.given)]) == (wrong.max(), wrong.max())


def test_the_headline_says_who_is_better(analysis: Analysis) -> None:
    assert analysis.headline.startswith("ecrnn-bilstm-16 is better than cnn and crnn-bilstm-16: 7")
    assert "Of 3 pairs, 2 differ, 0 are equivalent within 0.5 points, and 1 is undecided" in analysis.certainty
    assert any("Only 8 repeats" in line for line in analysis.warnings)
    assert analysis.paper_warning == PAPER_TEST_WARNING


def test_against_a_baseline_the_headline_names_each_verdict(study: Path) -> None:
    headline = _of(study, baseline="cnn").headline
    assert headline.startswith("Against cnn (7")
    assert "crnn-bilstm-16 is undecided (" in headline
    assert "ecrnn-bilstm-16 is better (+3." in headline


@pytest.mark.parametrize("repeats", [1, 2])
def test_one_and_two_repeats_give_no_verdict(tmp_path: Path, repeats: int) -> None:
    analysis = _of(make_study(tmp_path / "run", {"cnn": 0.6, "ecnn": 0.9}, repeats=repeats, **SMALL))
    assert analysis.headline.startswith("No verdict: ecnn has 9")
    assert all(pair.verdict is None for pair in analysis.comparison.pairs)
    assert "better" not in analysis.headline
    said = {1: "From one repeat nothing can be said", 2: "No verdict is given below 3 repeats."}
    assert analysis.certainty.startswith(said[repeats])
    assert "8 times in 10" not in analysis.certainty


def test_one_model_alone(tmp_path: Path) -> None:
    analysis = _of(make_study(tmp_path / "run", {"cnn": 0.6}, repeats=3, **SMALL))
    assert analysis.comparison.pairs == ()
    assert analysis.headline.endswith("points).")
    assert "3 repeats, SD" in analysis.headline
    assert analysis.certainty == "There is one model, so nothing is compared."


def test_equal_models_are_equivalent_or_undecided_never_better(tmp_path: Path) -> None:
    accuracies = {"a": 0.7, "b": 0.7, "c": 0.7}
    analysis = _of(make_study(tmp_path / "run", accuracies, repeats=5, n_validation=2000, epochs=1))
    assert analysis.headline.startswith("No model is shown to be the best: ")


def test_a_fixed_test_set_has_mcnemar_and_no_verdict(tmp_path: Path) -> None:
    models = {"cnn": 0.6, "ecnn": 0.7}
    folder = make_study(tmp_path / "run", models, repeats=1, fixed_test=True, **SMALL)
    analysis = _of(folder)
    assert analysis.comparison == compare(_raw(folder, models, 1), 3500, 300, fixed_test=True)
    assert analysis.comparison.pairs[0].mcnemar is not None
    assert analysis.part == "test"
    assert "the data set's own test part" in analysis.fairness[0].text


def test_a_model_without_a_finished_trial_is_missing_not_compared(tmp_path: Path) -> None:
    folder = make_study(
        tmp_path / "run", {"cnn": 0.6, "ecnn": 0.7}, repeats=2, failed=[("ecnn", 0), ("ecnn", 1)], **SMALL
    )
    analysis = _of(folder)
    assert [row.model for row in analysis.models] == ["cnn"]
    assert len(analysis.missing) == 2
    assert analysis.headline.endswith(" ecnn failed in all 2 trainings and is not compared.")
    with pytest.raises(EcrnnError, match="baseline 'ecnn' has no finished trial"):
        _of(folder, baseline="ecnn")
    with pytest.raises(UnknownNameError, match="did you mean 'cnn'"):
        _of(folder, baseline="cn")


def test_what_was_not_equal_is_said(tmp_path: Path) -> None:
    a = make_study(tmp_path / "a", {"cnn": 0.6}, repeats=2, **SMALL)
    b = make_study(
        tmp_path / "b",
        {"ecnn": 0.7},
        repeats=2,
        facts={"device": "cuda", "skipped_steps": 3, "seed": 1},
        **SMALL,
    )
    lines = {line.what: line for line in analyse(read_study([a, b])).fairness}
    assert {what for what, line in lines.items() if line.status == "differs"} == {
        "Seeds",
        "Size and time",
        "Device",
        "Skipped steps",
    }
    assert lines["Device"].text == "cpu, cuda, not the same in all trials."
    assert lines["Optimizer steps"].text == "84 in every trial."


def test_a_classifier_of_scikit_learn_is_called_one(tmp_path: Path) -> None:
    network = make_study(tmp_path / "a", {"cnn": 0.6}, repeats=2, **SMALL)
    facts = {"estimator": "RandomForestClassifier", "steps": None, "parameters": None, "trainable": None}
    forest = make_study(tmp_path / "b", {"forest": 0.7}, repeats=2, facts=facts, **SMALL)
    lines = {line.what: line for line in analyse(read_study([network, forest])).fairness}
    recipe = lines["Training recipe"]
    assert recipe.status == "differs"
    assert recipe.text.startswith("The networks: 3 epochs, batches of 128, adam with learning rate 0.001 (constant)")
    assert recipe.text.endswith(
        "of the whole data. forest (RandomForestClassifier) is scikit-learn's, fitted once to the training values, "
        "standardised like the others', with scikit-learn's own method and settings."
    )
    assert lines["Optimizer steps"].text == "84 in a trial of a network; forest took none."
    assert lines["Size and time"].status == "differs"
    assert "400,586 to 400,586" not in lines["Size and time"].text
    assert "of forest not counted" in lines["Size and time"].text
    alone = {line.what: line.text for line in _of(forest).fairness}
    assert alone["Training recipe"].startswith("forest (RandomForestClassifier) is scikit-learn's")
    assert alone["Optimizer steps"] == "None was taken."


def test_the_command_names_what_is_not_the_default(tmp_path: Path) -> None:
    training = {"epochs": 3, "lr": 0.01, "optimizer": "sgd", "precision": "float32"}
    folder = make_study(
        tmp_path / "run",
        {"cnn": 0.6},
        repeats=2,
        first_repeat=3,
        data="my data",
        training=training,
        n_validation=50,
    )
    assert _of(folder).command == (
        "ecrnn compare 'my data' --models cnn --repeats 2 --split 0.7 --seed 0 --score-epochs 1 --epochs 3 "
        "--batch-size 128 --lr 0.01 --precision float32 --set first_repeat=3 --set training.optimizer=sgd "
        "--set training.batch_statistics=even"
    )
