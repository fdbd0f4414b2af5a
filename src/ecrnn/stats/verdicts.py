"""One word for one pair of models, and what a reader must be told about few repeats."""

from __future__ import annotations

from typing import Literal

from ecrnn.stats import _checks
from ecrnn.stats.paired import PairedT

Verdict = Literal["better", "worse", "equivalent", "undecided"]

MIN_REPEATS = 3  # below, no verdict
FEW_REPEATS = 10  # below, a warning


def verdict(
    test: PairedT, p_holm: float, p_equivalent: float, alpha: float = 0.05, *, higher_is_better: bool = True
) -> Verdict | None:
    """Whether a is better than b, worse, equivalent or undecided; None below MIN_REPEATS repeats.

    In this order:

    1. "equivalent" when two one-sided tests show, after Holm's adjustment, that the difference lies within the region
       of practical equivalence, even when it is significant. With many repeats a difference can be surely not zero and
       just as surely too small to matter; "better" would mislead there. Who cares for smaller differences sets a
       smaller rope, and at rope 0 nothing is equivalent.
    2. "better" or "worse", by the sign of the difference, when the Holm-adjusted p of the test is below alpha.
    3. "undecided" otherwise, which is not evidence of equality.

    Of all pairs together, any false "better" or "worse" has a probability of at most alpha, and any false "equivalent"
    has. The two nulls of one pair, no difference and one of the rope or more, exclude each other, so nothing is split
    between them.

    Args:
        test: on a - b, from :func:`corrected_resampled_t` or :func:`crossed_t`.
        p_holm: its p, adjusted over all pairs of the comparison.
        p_equivalent: p of :func:`equivalence`, adjusted over all pairs likewise.
        alpha: level of the tests.
        higher_is_better: False for scores that count errors or bits: then a negative a - b makes a the better one.

    Raises:
        EcrnnError: an alpha outside (0, 1).
    """
    alpha = _checks.share("alpha", alpha)
    if test.n < MIN_REPEATS:
        return None
    return word(test.difference, p_holm, p_equivalent, alpha, higher_is_better=higher_is_better)


def word(difference: float, p_holm: float, p_equivalent: float, alpha: float, *, higher_is_better: bool) -> Verdict:
    """The verdict of `verdict` where there is enough to make one."""
    if p_equivalent < alpha:
        return "equivalent"
    if p_holm < alpha:
        return "better" if (difference > 0) == higher_is_better else "worse"
    return "undecided"


def repeats_warning(repeats: int) -> str | None:
    """The sentence to print beside results from few ``repeats``, or None when there are FEW_REPEATS or more."""
    if repeats < MIN_REPEATS:
        return f"Only {_times(repeats)}: no verdict below {MIN_REPEATS}."
    if repeats < FEW_REPEATS:
        return (
            f"Only {_times(repeats)}: the spread between trainings is known poorly below {FEW_REPEATS}, so "
            "intervals are wide and real differences stay undecided."
        )
    return None


def _times(repeats: int) -> str:
    return f"{repeats} repeat" if repeats == 1 else f"{repeats} repeats"
