"""The table of docs/statistics.md that says which interval each design buys, computed again by the test itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecrnn.stats import corrected_resampled_t

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
N = 50_000  # examples in all; the ratio alone counts
SEED = 0.85  # share of the variance of a difference that is the seed's where training is the noise, as in results/why

DESIGNS = [  # split, its test part, splits, trainings on each
    *(("70:30", 0.3, splits, seeds) for splits, seeds in ((5, 1), (10, 1), (20, 1), (30, 1), (5, 2), (10, 2))),
    *(("5-fold", 0.2, folds, 1) for folds in (5, 10, 20, 30)),
    *(("90:10", 0.1, splits, seeds) for splits, seeds in ((5, 1), (10, 1), (20, 1), (30, 1), (5, 2), (10, 2))),
    *(("10-fold", 0.1, folds, 1) for folds in (10, 20, 30)),
]


def half_width(test: float, splits: int, seeds: int, of_seed: float) -> float:
    """In standard deviations of a difference between 70:30 splits; the rest of its variance is of test examples."""
    sd = (of_seed / seeds + (1 - of_seed) * 0.3 / test) ** 0.5
    ends = np.tile([1.0, -1.0], splits // 2 + 1)[:splits]
    differences = sd * (ends - ends.mean()) / ends.std(ddof=1)
    found = corrected_resampled_t(differences, N * (1 - test), N * test)
    return (found.high - found.low) / 2


def test_by_hand() -> None:
    """2.262 is t's quantile for ten repeats; 3/7 the ratio of 70:30."""
    assert half_width(0.3, 10, 1, 1.0) == pytest.approx(2.2621572 * (1 / 10 + 3 / 7) ** 0.5)
    assert half_width(0.1, 10, 2, 0.5) == pytest.approx(2.2621572 * ((1 / 10 + 1 / 9) * (0.25 + 1.5)) ** 0.5)


@pytest.mark.parametrize("design", DESIGNS)
def test_the_page_has_it(design: tuple[str, float, int, int]) -> None:
    split, test, splits, seeds = design
    name = str(splits) if seeds == 1 else f"{splits} x {seeds}"
    widths = " | ".join(f"{half_width(test, splits, seeds, share):.2f}" for share in (0.0, SEED))
    assert f"| {split} | {name} | {splits * seeds} | {widths} |\n" in PAGE.read_text()
