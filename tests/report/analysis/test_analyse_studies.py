"""From the run directories of studies to a report across data sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report.across import make_studies
from report.synthetic import make_study

from ecrnn.core.errors import EcrnnError
from ecrnn.report import Analysis, StudyRecord, analyse, analyse_studies, read_study
from ecrnn.stats import compare_across


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
