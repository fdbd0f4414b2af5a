"""Errors of whole families of pairs: counted as `compare` counts them, rare in a quick run, and as the docs say."""

import json
from pathlib import Path

import numpy as np
import pytest

from ecrnn.stats import compare
from ecrnn.stats.networks import equal_networks
from ecrnn.stats.simulate_families import family_errors

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("split", ["70:30", "own"])
def test_words_are_those_of_compare(split):
    """Study by study at rope 0, where only "better" and "worse" can be said."""
    expected = 0
    for study in range(8):
        right, index = equal_networks(np.random.default_rng([5, study]), "images", split, 3, 5)
        scores = {f"m{k}": list(of) for k, of in enumerate(right)}
        found = compare(scores, 210, 90, rope=0.0, fixed_test=split == "own", index=list(index))
        expected += any(pair.verdict in ("better", "worse") for pair in found.pairs)
    (errors,) = family_errors("images", split, models=(3,), repeats=(5,), studies=8, seed=5)
    assert errors.different == {3: expected / 8}


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize(("noise", "split"), [("images", "own"), ("images", "70:30"), ("training", "own")])
def test_a_quick_run_errs_rarely(noise, split):
    (errors,) = family_errors(noise, split, models=(2, 3), repeats=(5,), studies=60, seed=1)
    for share in (*errors.different.values(), *errors.equivalent.values()):
        assert share <= 0.05 + 3 * (0.05 * 0.95 / 60) ** 0.5
    if (noise, split) == ("images", "own"):
        assert errors.corrected > 0.2, "what judged own test parts before"


def committed():
    return json.loads((ROOT / "results" / "verdict-errors" / "errors.json").read_text())["errors"]


def test_no_committed_error_is_above_five_percent_by_more_than_chance():
    rows = committed()
    assert len(rows) == 16
    for row in rows:
        for share in (*row["different"].values(), *row["equivalent"].values()):
            assert share <= 0.05 + 2 * (0.05 * 0.95 / row["studies"]) ** 0.5


def test_the_docs_hold_the_committed_errors():
    page = (ROOT / "docs" / "statistics.md").read_text()
    for row in committed():
        shares = [*row["different"].values(), *row["equivalent"].values(), row["plain"]]
        cells = " | ".join(f"{100 * share:.1f}" for share in shares)
        assert f"| {row['noise']} | {row['split']} | {row['repeats']} | {cells} |\n" in page
