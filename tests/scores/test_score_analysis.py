"""Scores as a report: the designs, the fairness lines, what is refused, and what rows of examples add."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score

from ecrnn.core.errors import EcrnnError, SettingsError
from ecrnn.report import Analysis
from ecrnn.report.content.tables import report_tables, scores_table
from ecrnn.scores import How, analyse_each, read
from ecrnn.stats import compare_scores, seed_and_split
from ecrnn.stats.metrics import ACCURACY

SIZES = How(n_train=700, n_test=300)
SPLITS = ("s0", "s1", "s2")


def rows(repeats: int = 5, **more: Any) -> list[dict[str, Any]]:
    rng = np.random.default_rng(3)
    means = {"a": 0.7, "b": 0.75, "c": 0.72}
    return [
        {"model": model, "repeat": repeat, "accuracy": mean + rng.normal(0, 0.01), **more}
        for model, mean in means.items()
        for repeat in range(repeats)
    ]


def analysis_of(source: Any, how: How = SIZES, **options: Any) -> Analysis:
    (analysis,) = analyse_each(read(source, **options), how).values()
    return analysis


def line(analysis: Analysis, what: str) -> tuple[str, str]:
    return next((one.status, one.text) for one in analysis.fairness if one.what == what)


def test_the_comparison_is_that_of_stats() -> None:
    table = rows()
    scores = {m: {r["repeat"]: r["accuracy"] for r in table if r["model"] == m} for m in "abc"}
    for how, options in (
        (SIZES, {}),
        (How(700, 300, baseline="b", rope=0.02, alpha=0.1), {"baseline": "b", "rope": 0.02, "alpha": 0.1}),
        (How(700, 300, pairs=[("c", "a")]), {"pairs": [("c", "a")]}),
    ):
        expected = compare_scores(scores, 700, 300, metric=ACCURACY, noun="examples", **options)  # type: ignore[arg-type]
        assert analysis_of(table, how).comparison == expected


def test_tables_of_trainings_are_left_out() -> None:
    tables = {table.key: table for table in report_tables(analysis_of(rows()), every=True)}
    assert "cost" not in tables
    assert [column.names[0] for column in tables["models"].columns] == [
        *("model", "repeats", "mean", "sd", "low", "minimum", "maximum")
    ]
    assert [column.names[0] for column in tables["trials"].columns] == [
        *("model", "repeat", "accuracy", "split", "n_train", "n_test")
    ]
    assert "epoch" not in " ".join(table.caption for table in tables.values())


def test_sizes_are_asked_for() -> None:
    for how, lacking in ((How(), "--n-train and --n-test"), (How(n_train=1), "--n-test"), (How(n_test=1), "--n-train")):
        with pytest.raises(EcrnnError, match=f"overlapping splits; add {lacking}; of k folds"):
            analysis_of(rows(), how)
    with_sizes = rows(n_train=70, n_test=30)
    assert analysis_of(with_sizes, How()).comparison.n_train == 70
    assert analysis_of(with_sizes, SIZES).comparison.n_train == 700  # what is said counts


def test_a_repeat_is_a_split_where_several_seeds_share_it() -> None:
    """Its score is the mean over them; a training that is not there is left out of the mean."""
    table = [{**row, "split": f"s{row['repeat'] // 2}"} for row in rows(6)][:-1]
    scores = {m: [[r["accuracy"] for r in table if (r["model"], r["split"]) == (m, s)] for s in SPLITS] for m in "abc"}
    means = {model: [sum(of) / len(of) for of in splits] for model, splits in scores.items()}
    analysis = analysis_of(table)
    assert analysis.comparison.pairs == compare_scores(means, 700, 300, metric=ACCURACY, noun="examples").pairs
    assert [model.trainings for model in analysis.comparison.models] == [6, 6, 5]
    assert ("Splits", "3, each trained 2 times") in analysis.subject.facts
    assert analysis.warnings[0].startswith("Each split was trained 2 times with different seeds")
    assert (len(analysis.trials), analysis.planned) == (17, 17)
    alone = seed_and_split(scores["a"])
    assert analysis.variation[0].found == alone
    assert [one.found.splits for one in analysis.variation] == [3, 3, 2, 3, 2, 2]


def test_splits_that_cannot_be_told_apart_are_refused() -> None:
    shared = r"repeats . and . of a are of one split, 's.': seeds of one split are no repeats; name the split of every"
    table = [{**row, "split": f"s{row['repeat'] // 2}"} for row in rows(4)]
    for wrong in ({0: "s9"}, {3: ""}, {3: "test"}):  # of the first model alone, none, no name of a split
        with pytest.raises(EcrnnError, match=shared):
            analysis_of([{**row, "split": wrong.get(i, row["split"])} for i, row in enumerate(table[:4])] + table[4:])


def test_answers_of_one_split_are_of_the_same_examples(answers: list[dict[str, Any]]) -> None:
    """Which are of one is known by a name, or else by the examples."""

    def of(examples: int, **more: Any) -> list[dict[str, Any]]:
        """Two trainings a split, or as many that are scored on the same ``examples``."""
        both = [row | {"repeat": 2 * row["repeat"] + seed} for row in answers for seed in (0, 1)]
        return [
            row | {"example": f"{row['repeat'] // examples} {row['example']}"} | {k: v(row) for k, v in more.items()}
            for row in both
        ]

    by_name = analysis_of(of(2, split=lambda row: row["repeat"] // 2), SIZES)
    by_examples, once = analysis_of(of(2), SIZES), analysis_of(answers, SIZES)
    assert by_name.comparison == by_examples.comparison
    assert [pair.test for pair in by_name.comparison.pairs] == [pair.test for pair in once.comparison.pairs]
    assert by_name.variation[0].found.images is not None
    assert by_name.variation[0].found.seed.estimate == 0
    assert len(analysis_of(of(1), SIZES).comparison.repeats) == 2 * len(once.comparison.repeats)
    with pytest.raises(EcrnnError, match="repeats 0 and 1 are of one split, and are scored on other examples"):
        analysis_of(of(1, split=lambda row: row["repeat"] // 2), SIZES)


def test_one_test_set_is_said() -> None:
    analysis = analysis_of(rows(split="own"))
    assert analysis.fixed_test
    assert "Judged as one test set: all repeats have the split 'own'." in analysis.warnings
    assert analysis_of(rows(), How(700, 300, fixed_test=True)).fixed_test
    assert not analysis_of(rows()).fixed_test


def test_sizes_of_one_test_set_are_asked_for_without_a_word_on_splits() -> None:
    with pytest.raises(
        SettingsError, match=r"train and test a model, which the report shows; add --n-train and --n-test$"
    ):
        analysis_of(rows(), How(fixed_test=True))


def test_repeats_that_are_seeds_may_share_a_split() -> None:
    note = (
        "Repeats are numbered by 'seed'. The verdicts hold where each has a split of its own; seeds on one split are "
    )
    seeds = [{"seed" if name == "repeat" else name: value for name, value in row.items()} for row in rows()]
    assert any(line.startswith(note) for line in analysis_of(seeds).warnings)
    with_splits = [{**row, "split": f"s{row['seed']}"} for row in seeds]
    for table, how in ((rows(), SIZES), (with_splits, SIZES), (seeds, How(700, 300, fixed_test=True))):
        assert not any("numbered by" in line for line in analysis_of(table, how).warnings)


def test_fairness_says_only_what_was_checked() -> None:
    analysis = analysis_of([{**row, "seed": row["repeat"]} for row in rows()])
    assert line(analysis, "Seeds") == ("same", "Within a repeat all models have the same seed.")
    assert line(analysis, "Data and splits")[0] == "note"
    assert line(analysis, "Repeats")[0] == "same"
    shifted = [{**row, "seed": row["repeat"] + (row["model"] == "a")} for row in rows()]
    assert line(analysis_of(shifted), "Seeds")[0] == "differs"
    assert line(analysis_of(rows()), "Seeds") == ("note", "The table has no seed.")
    fewer = analysis_of(rows()[1:])
    assert line(fewer, "Repeats")[0] == "differs"
    assert "a has finished 4 of 5 repeats; its pairs use those shared." in fewer.warnings
    assert [len(pair.repeats) for pair in fewer.comparison.pairs] == [4, 4, 5]


def runs(state: str) -> list[dict[str, Any]]:
    """Eight runs of two models, of which one has another state and no score."""
    return [
        {
            "Name": f"run-{model}{seed}",
            "State": state if (model, seed) == ("b", 2) else "finished",
            "Created": "now",
            "model": model,
            "seed": seed,
            "accuracy": None if (model, seed) == ("b", 2) else 0.5 + seed / 100 + (model == "b") / 10,
        }
        for model in "ab"
        for seed in range(4)
    ]


def test_runs_that_failed_stand_in_the_sentences() -> None:
    analysis = analysis_of(runs("crashed"))
    assert [(one.model, one.repeat, one.state) for one in analysis.missing] == [("b", 2, "crashed")]
    assert (analysis.planned, len(analysis.trials)) == (8, 7)
    (pair,) = analysis.comparison.pairs
    for sentence in (analysis.headline, pair.sentence):
        assert "b failed in 1 of 4 trainings (95 % interval 0.6 to 80.6 %), and its score is of those that" in sentence
    assert (pair.repeats, pair.verdict) == ((0, 1, 3), "better")


def test_runs_that_were_stopped_are_noted() -> None:
    analysis = analysis_of(runs("killed"))
    assert "b has no score in 1 of 4 runs; its figures are of the others." in analysis.warnings
    assert "failed" not in analysis.headline


def test_lower_is_better_without_bounds() -> None:
    table = [{"model": m, "repeat": r, "rmse": v + r / 10} for m, v in (("a", 40.0), ("b", 30.0)) for r in range(4)]
    analysis = analysis_of(table)
    (pair,) = analysis.comparison.pairs
    assert (pair.difference, pair.verdict) == (-10, "better")
    assert "lowest" not in analysis.headline
    assert analysis.headline.startswith("b is better than a: 30.1500 rmse")
    assert any("nothing is called equivalent" in note for note in analysis.warnings)
    assert math.isclose(analysis_of(table, How(700, 300, rope=20)).comparison.rope, 20)
    with pytest.raises(EcrnnError, match="rmse"):
        analysis_of([{**row, "rmse": float("inf")} for row in table])


def test_a_score_called_as_a_column_of_reports_has_a_name_of_its_own() -> None:
    table = [{"model": m, "repeat": r, "precision": 0.5 + r / 10} for m in "ab" for r in range(3)]
    analysis = analysis_of(table)
    assert (analysis.comparison.metric, analysis.metric.title) == ("precision_score", "precision")


@pytest.fixture(scope="module")
def answers() -> list[dict[str, Any]]:
    """Two models, three repeats of 40 of 100 examples in three classes."""
    rng, found = np.random.default_rng(0), []
    for repeat in range(3):
        for example in rng.choice(100, 40, replace=False):
            for model, wrong in (("a", 0.4), ("b", 0.2)):
                label = ("cat", "dog", "eel")[example % 3]
                prediction = "dog" if rng.random() < wrong else label
                row = {"model": model, "repeat": repeat, "example": int(example), "label": label}
                found.append({**row, "prediction": prediction})
    return found


@pytest.mark.parametrize("metric", [None, "accuracy", "macro-f1", "balanced-accuracy"])
def test_rows_of_examples(answers: list[dict[str, Any]], metric: str | None) -> None:
    analysis = analysis_of(answers, How(n_train=60), metric=metric)
    assert (analysis.comparison.n_test, analysis.classes) == (40, ("cat", "dog", "eel"))
    for row in analysis.models:
        for repeat, score in zip(row.repeats, row.scores, strict=True):
            own = [one for one in answers if (one["model"], one["repeat"]) == (row.model, repeat)]
            y, p = [one["label"] for one in own], [one["prediction"] for one in own]
            expected = {
                "macro-f1": lambda: f1_score(y, p, average="macro"),  # noqa: B023 called at once
                "balanced-accuracy": lambda: balanced_accuracy_score(y, p),  # noqa: B023
            }.get(metric or "", lambda: np.mean(np.array(y) == p))()  # noqa: B023
            assert score == pytest.approx(expected, abs=1e-12)
    shown = {(row.model, row.name): row.summary for row in analysis.class_scores}
    assert {name for _, name in shown} == {"accuracy", "macro-f1", "balanced-accuracy"}
    for row in analysis.models:
        assert shown[row.model, metric or "accuracy"] == row.summary
    assert "named when the table was judged" in scores_table(analysis).caption
    (a, _) = analysis.confusions
    mine = [one for one in answers if one["model"] == "a"]
    theirs = confusion_matrix([one["label"] for one in mine], [one["prediction"] for one in mine])
    assert np.array_equal(a.counts, theirs)
    assert line(analysis, "Data and splits")[0] == "same"
    assert all(pair.image_test is None for pair in analysis.comparison.pairs)


def test_auc_does_not_follow_from_classes(answers: list[dict[str, Any]]) -> None:
    with pytest.raises(EcrnnError, match="AUC does not follow from the rows of examples"):
        analysis_of(answers, How(n_train=60), metric="auc")


def test_one_training_each_on_one_test_set(answers: list[dict[str, Any]]) -> None:
    analysis = analysis_of([row for row in answers if row["repeat"] == 0], How(n_train=60, fixed_test=True))
    (pair,) = analysis.comparison.pairs
    assert pair.verdict is None
    assert pair.mcnemar is not None
