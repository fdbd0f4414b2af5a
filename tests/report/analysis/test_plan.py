"""A report keeps to the plan of its study, or says that it does not; before the planned repeats there is no verdict."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from core.lines import one_line
from report.synthetic import make_study

from ecrnn.core.config import StudySettings, read_yaml, to_yaml
from ecrnn.core.errors import EcrnnError
from ecrnn.paper import MODELS as PAPER
from ecrnn.paper import analyse as analyse_paper
from ecrnn.report import Analysis, analyse, plain, read_study
from ecrnn.report.content.pair_tables import pairs_table
from ecrnn.report.content.tables import verdict_words
from ecrnn.report.render.csv_file import to_csv
from ecrnn.report.render.markdown import to_markdown
from ecrnn.report.render.write import report_files

MODELS = {"cnn": 0.5, "ecnn": 0.6, "cnn-50": 0.7}
SMALL = {"n_validation": 300, "epochs": 3, "repeats": 4}
WORDS = ("better", "worse", "equivalent", "undecided")


def _of(study: Path, **options) -> Analysis:
    return analyse(read_study([study]), **options)


def _change(study: Path, **settings) -> None:
    """Somebody went on with the study, with other settings."""
    old = StudySettings.read(read_yaml(study / "study.yaml"))
    (study / "study.yaml").write_text(to_yaml(old.model_copy(update=settings)))


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plan") / "run"
    return make_study(folder, MODELS, planned_repeats=4, baseline="cnn", rope=0.02, score_epochs=2, **SMALL)


def test_a_report_compares_what_was_planned(planned: Path) -> None:
    found = _of(planned)
    assert found.comparison == _of(planned, baseline="cnn", rope=0.02, score_epochs=2).comparison
    assert [(pair.model_a, pair.model_b) for pair in found.comparison.pairs] == [("ecnn", "cnn"), ("cnn-50", "cnn")]
    assert found.comparison.rope == 0.02
    assert (found.plan.chosen_after, found.plan.unfinished, found.interim) == ((), 0, False)
    assert {pair.verdict for pair in found.comparison.pairs} == {"better"}
    assert "chosen after" not in to_markdown(found)
    assert " --score-epochs 2 --baseline cnn --rope 0.02 --epochs 3 " in found.command
    assert plain(found)["plan"] == {
        "score_epochs": 2, "baseline": "cnn", "pairs": None, "rope": 0.02, "repeats": 4,
        "repeats_now": 4, "chosen_after": [], "unfinished": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"baseline": "ecnn"}, "baseline ecnn, where cnn was planned"),
        ({"rope": 0.1}, "rope 0.1, where 0.02 was planned"),
        ({"score_epochs": 1}, "score_epochs 1, where 2 was planned"),
        ({"pairs": [("cnn-50", "ecnn")]}, "pairs cnn-50:ecnn, where none was planned"),
    ],
)
@pytest.mark.usefixtures("undrawn")
def test_another_choice_was_made_after_the_results(planned: Path, asked: dict, line: str) -> None:
    found = _of(planned, **asked)
    assert f"Chosen after the results: {line}." in found.warnings
    assert "chosen after the results)." in found.headline
    table = pairs_table(found)
    assert all(row[-1].text.endswith(" (chosen after the results)") for row in table.rows)
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert {row["verdict"] for row in rows} <= set(WORDS)
    assert all(row["chosen_after_the_results"] == "yes" for row in rows)
    for name, content in report_files(found).items():
        if name in ("report.md", "report.html", "report.tex"):
            assert "chosen after the results" in content, name


def test_the_rope_of_the_metric_is_planned_where_none_is_named(tmp_path: Path) -> None:
    study = make_study(tmp_path / "run", {"cnn": 0.5, "ecnn": 0.6}, planned_repeats=4, **SMALL)
    assert _of(study, rope=0.005).plan.chosen_after == ()
    assert _of(study, rope=0.02).plan.chosen_after == ("rope 0.02, where 0.005 was planned",)


def test_an_interim_report_says_no_word(tmp_path: Path) -> None:
    missing = [("ecnn", 3), ("cnn-50", 3)]
    study = make_study(tmp_path / "run", MODELS, planned_repeats=4, score_epochs=1, missing=missing, **SMALL)
    found = _of(study)
    assert found.interim
    assert found.headline.startswith(
        "Interim, no verdict: 2 planned trainings are not finished; cnn-50 has the highest"
    )
    assert found.certainty == (
        "A verdict is given when all 4 repeats of the plan are finished; 2 planned trainings are not finished."
    )
    assert {pair.verdict for pair in found.comparison.pairs} == {None}
    assert [row[-1].text for row in pairs_table(found).rows] == ["interim, no verdict"] * 3
    for pair in found.comparison.pairs:
        assert pair.sentence.startswith(
            f"Interim, no verdict on {pair.model_a} against {pair.model_b}: a difference of +"
        )
        assert pair.sentence.endswith(" points after 3 of 4 planned repeats.")
        assert not any(word in pair.sentence for word in WORDS)
    assert ("no verdict", "Planned trainings are not finished: nothing is claimed before.") in verdict_words(found)
    whole = make_study(tmp_path / "whole", MODELS, planned_repeats=4, score_epochs=1, **SMALL)
    assert {pair.verdict for pair in _of(whole).comparison.pairs} == {"better"}


def test_the_first_trials_of_a_plan_make_a_report(tmp_path: Path) -> None:
    """Of models of the plan nothing is finished yet."""
    of = {"planned_repeats": 4, "score_epochs": 1, **SMALL}
    waiting = [("ecnn", repeat) for repeat in range(4)] + [("cnn-50", 3)]
    pairs = make_study(tmp_path / "pairs", MODELS, missing=waiting, pairs=[["ecnn", "cnn"], ["cnn-50", "cnn"]], **of)
    found = _of(pairs)
    assert [(pair.model_a, pair.model_b) for pair in found.comparison.pairs] == [("cnn-50", "cnn")]
    assert found.plan.pairs == (("ecnn", "cnn"), ("cnn-50", "cnn"))
    assert found.headline.startswith("Interim, no verdict: 5 planned trainings are not finished;")
    baseline = _of(make_study(tmp_path / "baseline", MODELS, missing=waiting, baseline="ecnn", **of))
    assert baseline.comparison.pairs == ()
    assert baseline.headline.startswith("Interim, no verdict: 5 planned trainings are not finished;")
    assert "ecnn" in to_markdown(baseline)
    assert report_files(baseline)
    one = _of(make_study(tmp_path / "one", MODELS, missing=[*waiting, *(("cnn-50", r) for r in range(3))], **of))
    assert [row.model for row in one.models] == ["cnn"]
    assert one.headline.startswith("cnn gives ")
    with one_line(EcrnnError, "baseline 'ecnn' has no finished trial, so nothing can be compared with it"):
        _of(pairs, baseline="ecnn")


def test_a_training_that_failed_is_a_result(tmp_path: Path) -> None:
    study = make_study(tmp_path / "run", MODELS, planned_repeats=4, failed=[("cnn", 1)], **SMALL)
    found = _of(study)
    assert not found.interim
    assert {pair.verdict for pair in found.comparison.pairs} == {"better"}


def test_a_plan_that_was_raised_is_named(tmp_path: Path) -> None:
    study = make_study(tmp_path / "run", MODELS, planned_repeats=3, **SMALL)
    assert any(line.startswith("The plan was 3 repeats and was changed to 4:") for line in _of(study).warnings)
    _change(study, repeats=6)
    found = _of(study)
    assert found.headline.startswith("Interim, no verdict: 6 planned trainings are not finished;")
    assert found.comparison.pairs[0].sentence.endswith(" after 4 of 6 planned repeats.")
    _change(study, repeats=4, planned_repeats=7)
    assert _of(study).headline.startswith("Interim, no verdict: 9 planned trainings are not finished;")


def test_a_study_from_before_there_were_plans(tmp_path: Path) -> None:
    study = make_study(tmp_path / "run", MODELS, missing=[("ecnn", 3)], **SMALL)
    for options in ({}, {"baseline": "cnn"}, {"rope": 0.1}):
        found = _of(study, **options)
        assert found.plan is None
        assert "plan" not in plain(found)
        assert all(pair.verdict for pair in found.comparison.pairs)
        assert not any("chosen after" in line.lower() for line in (*found.warnings, found.headline))


def test_what_a_report_cannot_choose(planned: Path) -> None:
    with one_line(EcrnnError, "the study keeps the predictions of the last 2 epochs; --score-epochs is 1 to 2"):
        _of(planned, score_epochs=3)
    with one_line(EcrnnError, "give a baseline or pairs to compare, not both"):
        _of(planned, baseline="cnn", pairs=[("ecnn", "cnn")])


def test_folders_of_one_study(tmp_path: Path) -> None:
    of = {"planned_repeats": 2, **SMALL | {"repeats": 2}}
    first = make_study(tmp_path / "first", MODELS, **of)
    second = make_study(tmp_path / "second", MODELS, first_repeat=2, **of)
    other = make_study(tmp_path / "other", MODELS, first_repeat=2, baseline="cnn", **of)
    together = analyse(read_study([first, second]))
    assert (together.plan.repeats, together.plan.repeats_now, together.plan.chosen_after) == (4, 4, ())
    assert all(pair.verdict for pair in together.comparison.pairs)
    apart = analyse(read_study([first, other]))
    assert apart.plan.chosen_after == ("which models are compared: the folders were planned apart",)


def test_the_papers_pairs_are_those_of_a_study_of_its_models(tmp_path: Path) -> None:
    accuracies = {model: 0.6 + 0.01 * number for number, model in enumerate(PAPER)}
    of = {"planned_repeats": 3, "score_epochs": 2, "n_validation": 100, "epochs": 2, "repeats": 3}
    found = analyse_paper(read_study([make_study(tmp_path / "run", accuracies, **of)]))
    assert found.plan.chosen_after == ()
    assert found.headline.endswith(" (mean of the last 2 epochs).")
    assert any("Ours is the mean of the last 2 epochs" in table.caption for table in found.supplement.tables)
    ours = {model.model: model.ours for model in found.supplement.data.models}
    assert ours == {row.model: row.summary.mean for row in found.models}
    against = analyse_paper(read_study([tmp_path / "run"]), baseline="cnn")
    assert against.plan.chosen_after == ("baseline cnn, where none was planned",)
