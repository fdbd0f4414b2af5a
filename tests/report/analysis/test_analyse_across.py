"""From studies, or scores from anywhere, to a report across data sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report.across import make_studies
from report.synthetic import make_study

from ecrnn.core.errors import EcrnnError
from ecrnn.report import Analysis, ScoredDataSet, StudyRecord, analyse, analyse_across, analyse_studies, read_study
from ecrnn.report.content.across_tables import evidence_table, pairs_table
from ecrnn.stats import ACCURACY, compare_across, compare_scores, profile


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_studies(tmp_path_factory.mktemp("across"))


def test_the_figures_are_those_of_the_studies(studies: list[Path]) -> None:
    found = analyse_studies(studies, moderators=["classes", "log-n"])
    comparisons = {f"set-{d}": analyse(read_study([folder])).comparison for d, folder in enumerate(studies)}
    n_train = {name: np.log10(one.n_train) for name, one in comparisons.items()}
    classes = {name: d + 2.0 for d, name in enumerate(comparisons)}
    assert found.across == compare_across(comparisons, moderators={"classes": classes, "log-n": n_train})
    assert [(one.name, one.classes, one.image_size, one.planned, one.missing) for one in found.data_sets] == [
        (f"set-{d}", d + 2, 32, 9, 0) for d in range(5)
    ]
    assert found.headline == "On average over 5 data sets, ecrnn-bilstm-16 is better than cnn and crnn-bilstm-16."
    assert found.certainty.startswith("Of 3 pairs, 2 differ, 0 are equivalent and 1 is undecided (random effects, ")
    assert found.title == "cnn, ecrnn-bilstm-16 and crnn-bilstm-16 on 5 data sets"
    assert found.warnings[-1] == "The moderators were named after the results: their slopes are ideas, not findings."


def test_profiles_are_of_all_results(studies: list[Path]) -> None:
    found = analyse_studies(studies)
    one = found.profiles[1]
    scores = [
        np.array(model.scores) for own in found.data_sets for model in own.comparison.models if model.model == one.model
    ]
    assert one.profile == profile(scores, one.profile.scores)
    assert one.profile.share[0] == 1


def test_scores_from_anywhere() -> None:
    rng = np.random.default_rng(0)
    sets = [
        ScoredDataSet(
            f"table {d}",
            compare_scores({"a": rng.normal(0.6, 0.01, 3), "b": rng.normal(0.7, 0.01, 3)}, 70, 30, metric=ACCURACY),
        )
        for d in range(9)
    ]
    found = analyse_across(sets, examples="rows")
    assert found.headline == "On average over 9 data sets, b is better than a."
    assert found.across.ranks is not None
    with pytest.raises(EcrnnError, match=r"^the moderator classes is not known of table 0; leave it out$"):
        analyse_across(sets, moderators=["classes"])
    with pytest.raises(EcrnnError, match=r"^unknown moderator 'clases', did you mean 'classes'\?"):
        analyse_across(sets, moderators=["clases"])
    with pytest.raises(EcrnnError, match=r"^the data set 'table 0' is there twice; splits of one data set are repeats"):
        analyse_across([*sets, sets[0]])


def test_one_data_set_twice_is_refused(studies: list[Path], tmp_path: Path) -> None:
    again = make_study(tmp_path / "again", repeats=3, n_validation=300, fingerprint="02" * 32, data="another-name")
    with pytest.raises(EcrnnError, match=r"s2 and \S+again are studies of one data set; a report across wants each"):
        analyse_studies([*studies, again])
    with pytest.raises(EcrnnError, match=r"^a report across data sets wants two studies or more"):
        analyse_studies([studies[0], studies[0]])


def test_two_tasks_are_refused(studies: list[Path], tmp_path: Path) -> None:
    other = make_study(tmp_path / "other", {"charlm-lstm-128": 2.0}, repeats=3, task="next-token", data="texts")
    with pytest.raises(EcrnnError, match=r"is a study of image-classification and \S+other one of next-token"):
        analyse_studies([studies[0], other])


def test_data_sets_of_one_name_are_told_apart(tmp_path: Path) -> None:
    found = analyse_studies(make_studies(tmp_path, 3, data="photos"))
    assert [one.name for one in found.data_sets] == ["photos (s0)", "photos (s1)", "photos (s2)"]


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    folders = (
        make_studies(tmp_path, 3, failed=[("cnn", 0), ("cnn", 1), ("cnn", 2)])[:1] + make_studies(tmp_path / "b", 4)[1:]
    )
    found = analyse_studies(folders)
    assert found.warnings[0] == "cnn has no finished repeat on set-0; its pairs leave these out."
    assert found.data_sets[0].missing == 3
    assert [one.model for one in found.profiles] == ["ecrnn-bilstm-16", "crnn-bilstm-16"]


def test_what_is_damaged_is_named(tmp_path: Path) -> None:
    """Its figures are left out, which would change the means without a word."""
    folders = make_studies(tmp_path, 3)
    for repeat in (0, 1):
        (folders[1] / "cnn" / f"repeat-{repeat}" / "predictions.npz").write_bytes(b"")
    found = analyse_studies(folders, notes=["First."])
    home = folders[1] / "cnn" / "repeat-0" / "predictions.npz"
    which = f"first cnn, repeat 0: {home} is damaged: it does not match manifest.json"
    assert found.warnings[-2:] == ("First.", f"{folders[1]}: 2 of 9 trials are damaged and left out, {which}.")
    assert found.data_sets[1].missing == 2


def test_before_all_planned_trainings_have_ended_there_is_no_verdict(studies: list[Path], tmp_path: Path) -> None:
    """A data set that is not begun, and repeats that are not. A training that failed has ended."""
    whole = analyse_studies(studies, data_sets=5)
    assert whole.headline.startswith("On average over 5 data sets")
    absent = analyse_studies(studies, data_sets=6)
    begun = analyse_studies(make_studies(tmp_path, 3, planned_repeats=4, n_validation=30, failed=[("cnn", 0)]))
    for found, line in ((absent, "45 of 54 planned trainings have ended."), (begun, "27 of 36 planned trainings have")):
        assert found.headline.startswith(f"Interim, no verdict: {line}")
        assert found.certainty == "A verdict is given when all trainings of the plan have ended."
        assert [pair.verdict for pair in found.across.pairs] == [None] * 3
        assert all(pair.sentence.startswith("Interim, no verdict on ") for pair in found.across.pairs)
    assert begun.headline.endswith("(cnn failed in 3 of 9 trainings).")
    assert (absent.unfinished, begun.unfinished) == (9, 9)
    assert [pair.effects for pair in absent.across.pairs] == [pair.effects for pair in whole.across.pairs]


def test_trainings_that_a_decision_saved_are_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in the report of such a study alone, whose plan says what it waits for."""
    folders = make_studies(tmp_path, 2, planned_repeats=3, n_validation=30, missing=[("cnn", 2)])
    assert analyse_studies(folders).unfinished == 2

    def decided(record: StudyRecord) -> Analysis:
        found = analyse(record)
        assert found.plan is not None
        return replace(found, plan=replace(found.plan, unfinished=0))

    monkeypatch.setattr("ecrnn.report.analysis.analyse_studies.analyse", decided)
    found = analyse_studies(folders)
    assert (found.unfinished, found.planned) == (0, 16)


def test_exploratory_pairs_get_neither_adjustment_nor_verdict(studies: list[Path]) -> None:
    pairs = [("ecrnn-bilstm-16", "cnn"), ("crnn-bilstm-16", "cnn")]
    found = analyse_studies(studies, pairs=pairs, exploratory=True)
    assert found.headline == "Exploratory: 2 pairs over 5 data sets, without adjustment and without verdict."
    assert not any("Chosen after the results" in line for line in found.warnings)
    for pair, judged in zip(found.across.pairs, analyse_studies(studies, pairs=pairs).across.pairs, strict=True):
        assert pair.effects == judged.effects
        assert {pair.verdict, pair.p_holm, pair.p_equivalent_holm, pair.wilcoxon_holm} == {None}
        assert judged.verdict is not None
    table, evidence = pairs_table(found), evidence_table(found)
    assert [column.title for column in table.columns][5:7] == ["p", "New data set, 95 %"]
    assert [row[5].values for row in table.rows] == [(pair.effects.p,) for pair in found.across.pairs if pair.effects]
    assert "Holm" not in " ".join([table.caption, evidence.caption, *(one.title for one in evidence.columns)])


def test_a_verdict_against_a_recipe_at_an_edge_says_so(studies: list[Path]) -> None:
    found = analyse_studies(studies, edges={"cnn": ("lr",), "ecrnn-bilstm-16": ("lr",)})
    line = "But lr of the recipe of cnn lies at the edge of the space that was searched"
    verdicts = {(pair.model_a, pair.model_b): line in pair.sentence for pair in found.across.pairs}
    assert verdicts == {
        ("ecrnn-bilstm-16", "cnn"): True,
        ("crnn-bilstm-16", "cnn"): False,  # undecided
        ("crnn-bilstm-16", "ecrnn-bilstm-16"): False,  # against the first, of which no edge is named
    }
    assert found.certainty.endswith("so a better recipe may lie beyond.")
    assert found.certainty.count("But ") == 1
