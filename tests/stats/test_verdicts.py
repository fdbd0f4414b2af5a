"""The verdict word in each of its cases, and the warning about few repeats."""

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import corrected_resampled_t, equivalence, repeats_warning, verdict

UNSURE = 0.6  # p of equivalence


def test_better_worse_and_undecided():
    up = corrected_resampled_t([0.02, 0.021, 0.022], 70, 30)
    down = corrected_resampled_t([-0.02, -0.021, -0.022], 70, 30)
    assert verdict(up, 0.049, UNSURE) == "better"
    assert verdict(down, 0.049, UNSURE) == "worse"
    assert verdict(up, 0.05, UNSURE) == "undecided"
    assert verdict(up, 0.049, UNSURE, alpha=0.01) == "undecided"


def test_the_adjusted_p_decides_not_the_raw_one():
    test = corrected_resampled_t([0.02, 0.021, 0.022], 70, 30)
    assert test.p < 0.05
    assert verdict(test, 0.2, UNSURE) == "undecided"


@pytest.mark.parametrize(("p_equivalent", "word"), [(0.049, "equivalent"), (0.05, "undecided")])
def test_equivalent_below_alpha(p_equivalent, word):
    assert verdict(corrected_resampled_t([0.001, 0.002, 0.0], 70, 30), 0.5, p_equivalent) == word


def test_significant_but_too_small_to_matter_is_equivalent():
    test = corrected_resampled_t([0.0020, 0.0021, 0.0019, 0.0020], 70, 30)
    assert test.p < 0.001
    assert verdict(test, test.p, equivalence(test, 0.005)) == "equivalent"
    assert verdict(test, test.p, equivalence(test, 0.0)) == "better"


def test_no_verdict_below_three_repeats():
    test = corrected_resampled_t([0.02, 0.02], 70, 30)
    assert verdict(test, 0.0, UNSURE) is None


@pytest.mark.parametrize(
    ("repeats", "line"),
    [
        (1, "Only 1 repeat: no verdict below 3."),
        (2, "Only 2 repeats: no verdict below 3."),
        (3, "Only 3 repeats: the spread between trainings is known poorly below 10"),
        (9, "Only 9 repeats: the spread"),
    ],
)
def test_few_repeats_are_warned_of(repeats, line):
    assert repeats_warning(repeats).startswith(line)


def test_ten_repeats_are_not_few():
    assert repeats_warning(10) is None


def test_alpha_is_checked():
    with pytest.raises(EcrnnError, match="alpha must lie strictly between 0 and 1, got 5"):
        verdict(corrected_resampled_t([0.0, 0.1, 0.2], 70, 30), 0.5, UNSURE, alpha=5)
