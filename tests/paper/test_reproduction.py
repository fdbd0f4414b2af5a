"""A study beside the paper: what agrees, what is missing, and which family the p values are adjusted over."""

from __future__ import annotations

import numpy as np
import pytest
from paper.papers import paper_record

from ecrnn.paper import Reproduced, Reproduction, Tally, analyse, printed
from ecrnn.report import Analysis
from ecrnn.stats import holm

SPREAD = (-0.004, 0.0, 0.004)  # the same for all models, so differences have no spread


def beside(analysis: Analysis) -> Reproduction:
    assert analysis.supplement is not None
    return analysis.supplement.data


def cell(found: Reproduction, table: int, sides: str, nodes: str) -> Reproduced:
    (one,) = [
        own
        for own in found.comparisons
        if (own.table, f"{own.side_a}-{own.side_b}", own.nodes) == (table, sides, nodes)
    ]
    return one


@pytest.fixture(scope="module")
def same() -> Analysis:
    """The paper's own accuracies."""
    return analyse(paper_record(shifts=SPREAD))


def test_the_papers_own_accuracies_agree_in_everything(same: Analysis) -> None:
    found = beside(same)
    assert len(found.comparisons) == 36
    for own in found.comparisons:
        assert own.difference is not None
        assert own.gap == pytest.approx(own.difference - own.paper_difference)
        assert abs(own.difference - own.paper_difference) < 0.0002, (
            own
        )  # the paper rounded after, here an image is 0.007 points
        assert own.stars == own.paper_stars, own
        assert (own.same_sign, own.same_finding) == (True, True)
        assert (own.model_a, own.model_b) == (own.paper_a, own.paper_b)
    assert found.tallies[-1] == Tally(None, 36, 0, 36, 36, 26, 26, found.tallies[-1].confirmed, 0)
    assert [own.table for own in found.tallies] == [2, 3, 4, 5, None]
    assert [own.marked for own in found.tallies] == [4, 8, 10, 4, 26]
    assert found.departures == ()
    assert found.parameters == 1_715_210
    assert [row.gap for row in found.models] == pytest.approx([0.0] * 17, abs=1e-4)
    assert found.models[0].best_accuracy == pytest.approx(0.7425)
    assert same.headline.startswith("Of the paper's 36 comparisons, 36 have the paper's sign here and 36 the paper's")


def test_differences_without_spread_are_confirmed_unless_too_small(same: Analysis) -> None:
    for own in beside(same).comparisons:
        assert own.difference is not None
        if abs(own.difference) > 0.006:
            assert own.verdict == ("better" if own.difference > 0 else "worse"), own
    counts = beside(same).tallies[-1]
    assert counts.confirmed == counts.marked == 26


def test_the_family_is_the_papers_pairs_each_once(same: Analysis) -> None:
    pairs = same.comparison.pairs
    assert beside(same).family == len(pairs) == 34  # two of the best pairs are among the 32 others
    adjusted = holm([pair.test.p for pair in pairs if pair.test])
    assert [pair.p_holm for pair in pairs] == list(adjusted)
    own = cell(beside(same), 2, "CRNN LSTM-CNN", "16")
    (pair,) = [p for p in pairs if (p.model_a, p.model_b) == ("crnn-lstm-16", "cnn")]
    assert (own.p_holm, own.verdict, own.stars) == (pair.p_holm, pair.verdict, pair.image_test.stars)  # type: ignore[union-attr]


def test_a_baseline_changes_the_other_tables_alone(same: Analysis) -> None:
    against = analyse(paper_record(shifts=SPREAD), baseline="cnn")
    assert beside(against) == beside(same)
    assert len(against.comparison.pairs) == 16
    assert against.headline.startswith("Against cnn")


def test_accuracies_turned_round_contradict() -> None:
    turned = {model: 1.5 - accuracy for model, accuracy in printed.ACCURACIES.items()}
    found = beside(analyse(paper_record(turned, shifts=SPREAD)))
    fixed = [own for own in found.comparisons if own.nodes != printed.BEST]
    assert not any(own.same_sign for own in fixed)
    assert not any(own.same_finding for own in fixed if own.paper_stars)
    counts = found.tallies[1]  # Table 3, all marked
    assert (counts.same_sign, counts.same_finding, counts.confirmed, counts.contradicted) == (0, 0, 0, 8)


def test_best_is_by_our_own_accuracies() -> None:
    ours = dict(printed.ACCURACIES) | {"ecrnn-lstm-32": 0.78, "crnn-lstm-32-32": 0.745}
    own = cell(beside(analyse(paper_record(ours))), 4, "ECRNN LSTM-CRNN LSTM", printed.BEST)
    assert (own.model_a, own.model_b) == ("ecrnn-lstm-32", "crnn-lstm-32-32")
    assert (own.paper_a, own.paper_b) == ("ecrnn-lstm-16", "crnn-lstm-16")
    assert own.difference == pytest.approx(0.035, abs=1e-4)
    assert own.gap == pytest.approx(0.035 - 0.0189, abs=1e-4)


def test_no_difference_has_no_sign_and_is_no_finding() -> None:
    flat = dict.fromkeys(printed.ACCURACIES, 0.75)
    counts = beside(analyse(paper_record(flat))).tallies[-1]
    assert (counts.same_sign, counts.same_finding, counts.marked_here) == (0, 10, 0)
    assert (counts.confirmed, counts.contradicted) == (0, 0)


def test_what_is_missing_is_counted() -> None:
    gone = [("ecrnn-bilstm-32", repeat) for repeat in range(3)]
    record = paper_record(missing=[*gone, ("cnn", 2), ("crnn-lstm-16", 1), ("crnn-lstm-16", 2)])
    found = beside(analyse(record))
    assert [own.missing for own in found.tallies] == [0, 1, 2, 2, 5]  # with its bests
    own = cell(found, 3, "ECRNN BiLSTM-CNN", "32")
    assert (own.difference, own.stars, own.same_sign, own.verdict, own.model_a) == (None,) * 5
    assert cell(found, 2, "CRNN LSTM-CNN", "16").repeats == 1
    assert cell(found, 2, "CRNN LSTM-CNN", "16").verdict is None
    assert cell(found, 2, "CRNN LSTM-CNN", "32").repeats == 2
    assert [row.repeats for row in found.models if row.repeats < 3] == [2, 1, 0]
    assert found.headline.startswith("Of the paper's 36 comparisons, 31 can be made so far; of these, ")


def test_a_study_that_is_hardly_begun() -> None:
    started = [("cnn", 0)]
    everything = [(model, repeat) for model in printed.ACCURACIES for repeat in range(3)]
    found = beside(analyse(paper_record(missing=[trial for trial in everything if trial not in started])))
    assert found.tallies[-1].missing == 36
    assert found.parameters is None
    assert found.family == 0


def test_another_experiment_says_so() -> None:
    record = paper_record(images=1000, shifts=(0.0,), data="digits", split="0.5")
    found = beside(analyse(record))
    assert found.departures == (
        "the data are 'digits', not cifar10",
        "the split is 0.5, not 0.7",
        "35,000 images train and 1,000 validate, not 35,000 and 15,000",
        "1 repeat is planned, not 3",
    )
    assert found.headline.startswith("Not the paper's experiment, for the data are 'digits'")


def test_other_studies_stand_beside_nothing() -> None:
    fewer = {model: accuracy for model, accuracy in printed.ACCURACIES.items() if model != "crnn-lstm-32"}
    analysis = analyse(paper_record(fewer, images=100))
    assert analysis.supplement is None
    assert len(analysis.comparison.pairs) == 16 * 15 // 2


def test_more_models_than_the_papers_do_not_disturb(same: Analysis) -> None:
    more = analyse(paper_record({"ecnn": 0.75, **printed.ACCURACIES}, shifts=SPREAD))
    assert beside(more).comparisons == beside(same).comparisons
    assert more.models[0].model == "ecnn"
    assert np.isclose(more.models[0].summary.mean, 0.75)
