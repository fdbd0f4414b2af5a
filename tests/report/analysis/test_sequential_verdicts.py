"""Reports of studies that trained until they were decided: verdicts, looks, what is missing, and the figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from report.synthetic import make_study

from ecrnn.report import analyse, read_study
from ecrnn.report.content.look_table import looks_table
from ecrnn.report.content.tables import report_tables
from ecrnn.report.render.look_figure import draw_looks
from ecrnn.report.render.write import report_files
from ecrnn.stats import ACCURACY, SequentialPlan, compare_sequentially, usual_looks

PLAN: dict[str, Any] = {
    "sequential": {"looks": usual_looks(10), "n_train": 3500, "n_test": 1500},
    "planned_repeats": 10,
    "score_epochs": 1,
}
PAIRS = (("crnn-bilstm-16", "cnn"), ("ecrnn-bilstm-16", "cnn"), ("ecrnn-bilstm-16", "crnn-bilstm-16"))


def report_of(folder: Path, **options: Any) -> Any:
    return analyse(read_study([folder]), **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A study in which somebody has trained everything all the same."""
    return report_of(make_study(tmp_path_factory.mktemp("whole") / "study", **PLAN))


@pytest.fixture(scope="module")
def stopped(whole: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same study as it trains by itself: without what comes after the looks that closed its pairs."""
    last = {row.model: 0 for row in whole.models}
    for pair in whole.sequential.pairs:
        for model in (pair.model_a, pair.model_b):
            last[model] = max(last[model], pair.looks[-1].repeats)
    missing = [(model, repeat) for model, count in last.items() for repeat in range(count, 10)]
    assert missing
    return report_of(make_study(tmp_path_factory.mktemp("stopped") / "study", missing=missing, **PLAN))


def test_verdicts_are_those_of_the_looks(whole: Any) -> None:
    scores = {row.model: dict(zip(row.repeats, row.scores, strict=True)) for row in whole.models}
    plan = SequentialPlan(usual_looks(10), 3500, 1500, ACCURACY.rope)
    expected = compare_sequentially(scores, PAIRS, plan, metric=ACCURACY)
    assert whole.sequential == expected
    for pair, shown in zip(expected.pairs, whole.comparison.pairs, strict=True):
        last = pair.looks[-1]
        assert (shown.model_a, shown.model_b) == (pair.model_a, pair.model_b)
        assert shown.repeats == tuple(range(last.repeats))
        assert shown.difference == pytest.approx(last.difference)
        assert (shown.verdict, shown.p_holm) == (pair.verdict, pair.p_holm)
        assert (shown.test.low, shown.test.high) == (last.low, last.high)
        assert shown.test.p == pytest.approx(last.p)
        assert (shown.crossed, shown.smallest_detectable) == (None, None)
    words = {(pair.model_a, pair.model_b): pair.verdict for pair in expected.pairs}
    assert words == {PAIRS[0]: "undecided", PAIRS[1]: "better", PAIRS[2]: "better"}


def test_trainings_that_were_saved_are_not_missing_and_change_nothing(whole: Any, stopped: Any) -> None:
    assert stopped.missing == ()
    assert not stopped.interim
    assert stopped.planned == len(stopped.trials) < len(whole.trials) == 30
    assert stopped.sequential == whole.sequential
    assert [pair.verdict for pair in stopped.comparison.pairs] == [pair.verdict for pair in whole.comparison.pairs]
    assert f"{len(stopped.trials)} of at most 30 trainings" in stopped.certainty
    assert "Looks were planned after 3, 4, 5, 6, 7, 8, 9, 10 repeats" in stopped.certainty
    assert "5 % for any false better or worse" in stopped.certainty
    assert stopped.warnings == ()


def test_sentences_name_the_look(stopped: Any) -> None:
    undecided, better, _ = (pair.sentence for pair in stopped.comparison.pairs)
    last = stopped.sequential.pairs[1].looks[-1]
    assert better.startswith("ecrnn-bilstm-16 is better than cnn by ")
    assert f"decided at the look after {last.repeats} of at most 10 repeats" in better
    assert "repeated 95 % interval" in better
    assert "sequential p" in better
    assert "is undecided, given up at the look after" in undecided


def test_every_look_is_in_the_table_and_the_files(stopped: Any) -> None:
    table = looks_table(stopped)
    assert len(table.rows) == sum(len(pair.looks) for pair in stopped.sequential.pairs)
    assert {row[-1].text for row in table.rows} >= {"better", "given up"}
    keys = [table.key for table in report_tables(stopped, every=True)]
    assert "looks" in keys
    assert "power" not in keys  # of a fixed number of repeats
    assert "crossed" not in keys
    files = report_files(stopped)
    assert "report-looks.csv" in files
    assert "report-looks.svg" in files
    assert "From look to look" in files["report.html"]
    data = json.loads(files["report.json"])
    assert data["sequential"]["plan"]["looks"] == list(usual_looks(10))
    assert data["sequential"]["pairs"][1]["looks"][-1]["p_sequential"] < 0.05


@pytest.mark.usefixtures("undrawn")
def test_before_the_next_look_nothing_is_said(stopped: Any, tmp_path: Path) -> None:
    """Two trainings of the first look are missing: that, and no verdict."""
    missing = [("cnn", 2), ("crnn-bilstm-16", 2)] + [(model, r) for model in ("cnn", "crnn-bilstm-16") for r in (3, 9)]
    interim = report_of(make_study(tmp_path / "study", missing=missing, **PLAN))
    assert interim.interim
    assert interim.certainty == (
        "A verdict is given at looks, after 3, 4, 5, 6, 7, 8, 9, 10 repeats; 2 planned trainings are not finished."
    )
    assert [(trial.model, trial.repeat) for trial in interim.missing] == missing[:2]
    assert {pair.verdict for pair in interim.comparison.pairs} == {None}
    assert interim.headline.startswith("Interim, no verdict")
    assert all(not pair.looks for pair in interim.sequential.pairs)
    assert report_files(interim)
    draw_looks(interim)


def test_a_failed_training_comes_with_a_later_look(tmp_path: Path) -> None:
    found = report_of(make_study(tmp_path / "study", failed=[("cnn", 0)], **PLAN))
    assert found.sequential.pairs[1].looks[0].repeats == 3
    assert found.comparison.pairs[1].repeats[0] == 1
    assert [trial.state for trial in found.missing] == ["failed"]
    assert "cnn failed in 1 of " in found.comparison.pairs[1].sentence
    assert "failed" not in found.comparison.pairs[2].sentence


def test_with_several_seeds_a_look_is_after_whole_splits(tmp_path: Path) -> None:
    """The looks are those of the means of splits, of which the last stands in the sentences and pairs."""
    settings = PLAN | {"planned_repeats": 20, "repeats": 20, "seeds_per_split": 2, "n_validation": 300}
    found = report_of(make_study(tmp_path / "study", failed=[("cnn", 3)], missing=[("cnn", 19)], **settings))
    once = {row.model: dict(zip(row.repeats, row.scores, strict=True)) for row in found.models}
    del once["cnn"][9]  # half a split
    plan = SequentialPlan(usual_looks(10), 3500, 1500, ACCURACY.rope)
    expected = compare_sequentially(once, PAIRS, plan, metric=ACCURACY)
    for pair, other, shown in zip(found.sequential.pairs, expected.pairs, found.comparison.pairs, strict=True):
        assert [look.repeats for look in pair.looks] == [look.repeats for look in other.looks]
        assert [look.p_sequential for look in pair.looks] == pytest.approx([look.p_sequential for look in other.looks])
        assert shown.repeats == tuple(range(pair.looks[-1].repeats))
        assert shown.difference == pytest.approx(pair.looks[-1].difference)
    assert f"{len(found.trials)} of at most 60 trainings" in found.certainty
    assert "Looks were planned after 3, 4, 5, 6, 7, 8, 9, 10 splits" in found.certainty
    assert "cnn failed in 1 of 19 trainings" in found.comparison.pairs[0].sentence
    assert "--repeats 20 --split 0.7 --seed 0 --seeds-per-split 2" in found.command
    assert "sequential.looks" not in found.command


def test_what_is_chosen_afterwards_is_said_to_err_more(whole: Any, tmp_path: Path) -> None:
    found = report_of(make_study(tmp_path / "study", **PLAN), baseline="cnn")
    assert found.sequential is None
    assert any("tested as if the number of repeats had been fixed" in line for line in found.warnings)


@pytest.mark.usefixtures("undrawn")
def test_other_studies_have_no_looks(tmp_path: Path) -> None:
    plain = report_of(make_study(tmp_path / "study", repeats=3))
    assert plain.sequential is None
    assert not looks_table(plain).rows
    assert draw_looks(plain) is None
    files = report_files(plain)
    assert not [name for name in files if "looks" in name]
    assert '"sequential"' not in files["report.json"]


def test_the_command_is_that_of_the_plan(stopped: Any, tmp_path: Path) -> None:
    """Also where no model trained all ten repeats; what is not the default has a name of its own."""
    assert " --repeats 10 " in stopped.command
    assert " --until-decided " in stopped.command
    assert "sequential" not in stopped.command
    plan = {"looks": (3, 6, 10), "alpha": 0.1, "n_train": 3500, "n_test": 1500}
    other = report_of(make_study(tmp_path / "study", **{**PLAN, "sequential": plan}))
    assert "--set 'sequential.looks=[3, 6, 10]' --set sequential.alpha=0.1" in other.command
