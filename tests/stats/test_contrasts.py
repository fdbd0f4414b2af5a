"""Groups of models compared by their means: the pair test on means made by hand, and a family of their own."""

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError, UnknownNameError
from ecrnn.stats import (
    MACRO_F1,
    compare,
    compare_scores,
    corrected_resampled_t,
    crossed_t,
    detectable,
    equivalence,
    holm,
    shared_covariance,
)

SIZES = {"n_train": 700, "n_test": 300}
ASKED = {"e over c": (["e1", "e2"], ["c1", "c2"]), "c over cnn": (["c1", "c2"], ["cnn"])}


def study(repeats=4, seed=0):
    rng = np.random.default_rng(seed)
    chances = {"cnn": 0.72, "c1": 0.70, "c2": 0.69, "e1": 0.88, "e2": 0.90}
    return {model: {r: rng.random(300) < p for r in range(repeats)} for model, p in chances.items()}


def test_a_contrast_is_the_pair_test_of_means_adjusted_over_the_contrasts_alone():
    scores = study()
    index = [np.arange(300) + 50 * r for r in range(4)]
    found = compare(scores, **SIZES, contrasts=ASKED, index=index)
    mean = {model: np.array([right.mean() for right in repeats.values()]) for model, repeats in scores.items()}
    expected = [
        corrected_resampled_t((mean["e1"] + mean["e2"]) / 2 - (mean["c1"] + mean["c2"]) / 2, **SIZES),
        corrected_resampled_t((mean["c1"] + mean["c2"]) / 2 - mean["cnn"], **SIZES),
    ]
    assert [contrast.name for contrast in found.contrasts] == list(ASKED)
    for contrast, test, p_holm in zip(found.contrasts, expected, holm([t.p for t in expected]), strict=True):
        assert contrast.pair.test.difference == pytest.approx(test.difference)
        assert contrast.pair.test.p == pytest.approx(test.p)
        assert contrast.pair.p_holm == pytest.approx(p_holm)
        assert contrast.pair.p_equivalent == pytest.approx(equivalence(test, 0.005))
        assert contrast.pair.smallest_detectable == pytest.approx(detectable(test, alpha=0.05 / 2))
    assert found.pairs == compare(scores, **SIZES, index=index).pairs, "the pairs do not notice"
    d = [(scores["c1"][r].astype(float) + scores["c2"][r]) / 2 - scores["cnn"][r] for r in range(4)]
    crossed = crossed_t([row.mean() for row in d], shared_covariance(d, index), 300)
    assert found.contrasts[1].pair.crossed.p == pytest.approx(crossed.p)


def test_sentences_name_the_groups():
    first, second = compare(study(), **SIZES, contrasts=ASKED).contrasts
    assert first.pair.verdict == "better"
    assert first.pair.sentence.startswith("the mean of e1 and e2 is better than the mean of c1 and c2 by ")
    assert second.pair.sentence.startswith("the mean of c1 and c2 against cnn is undecided: ")


def test_eight_noisy_models_find_together_what_no_pair_finds():
    """Each pair has the noise of two trainings; the means have an eighth of it."""
    rng = np.random.default_rng(1)
    scores = {
        f"{family}{k}": rng.normal(level, 0.02, 3).tolist()
        for family, level in (("a", 0.5), ("b", 0.57))
        for k in range(8)
    }
    groups = {"b over a": ([f"b{k}" for k in range(8)], [f"a{k}" for k in range(8)])}
    pairs = [(f"b{k}", f"a{k}") for k in range(8)]
    found = compare_scores(scores, **SIZES, metric=MACRO_F1, pairs=pairs, contrasts=groups)
    assert {pair.verdict for pair in found.pairs} == {"undecided"}
    assert found.contrasts[0].pair.verdict == "better"


def test_only_repeats_that_all_models_have_count():
    scores = study()
    del scores["c2"][1], scores["e1"][3]
    first, second = compare(scores, **SIZES, contrasts=ASKED, failed={"c2": [1]}).contrasts
    assert (first.pair.repeats, second.pair.repeats) == ((0, 2), (0, 2, 3))
    assert "c2 failed in 1 of 4 trainings" in first.pair.sentence
    assert compare(scores, **SIZES, contrasts=ASKED, fixed_test=True).contrasts[1].pair.test.method == "crossed t"


@pytest.mark.parametrize(
    ("contrasts", "error", "line"),
    [
        ({"x": (["e3"], ["cnn"])}, UnknownNameError, r"unknown model 'e3', known are c1, .*contrast 'x'"),
        ({"x": (["e1"], [])}, EcrnnError, "contrast 'x' must name models on both sides"),
        ({"x": (["e1", "e1"], ["cnn"])}, EcrnnError, "and each once"),
        ({"x": (["e1", "cnn"], ["cnn"])}, EcrnnError, "contrast 'x' has cnn on both sides"),
    ],
)
def test_wrong_contrasts(contrasts, error, line):
    with pytest.raises(error, match=line):
        compare(study(), **SIZES, contrasts=contrasts)
