"""Seed and split told apart: by hand, against NumPy's covariance, exact limits, and known variances."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import compare, seed_and_split
from ecrnn.stats.networks import equal_networks
from ecrnn.stats.simulate_families import family_errors

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "results" / "seeds-per-split"


def test_by_hand() -> None:
    """Means 2 and 6, both with variance 2 within: MSB = 2 * 8, so Var(split) = (16 - 2) / 2."""
    found = seed_and_split([[1, 3], [5, 7]])
    assert (found.splits, found.seeds) == (2, 2)
    assert (found.seed.estimate, found.split.estimate, found.total) == (2.0, 7.0, 9.0)
    assert found.images is None
    low, high = chi2.ppf([0.975, 0.025], 2)
    assert (found.seed.low, found.seed.high) == pytest.approx((4 / low, 4 / high))


def test_without_seed_noise_the_limits_are_those_of_a_variance() -> None:
    means = np.array([3.0, 4.0, 8.0, 9.0])
    found = seed_and_split(np.repeat(means[:, None], 3, axis=1), level=0.9)
    low, high = chi2.ppf([0.95, 0.05], 3)
    total = float(means.var(ddof=1)) * 3
    assert (found.seed.estimate, found.seed.high) == (0, 0)
    assert (found.split.low, found.split.high) == pytest.approx((total / low, total / high))


def test_below_0_is_0() -> None:
    found = seed_and_split([[0, 4], [1, 3.5]])
    assert (found.split.estimate, found.split.low) == (0, 0)
    assert found.split.high > 0


def test_test_examples_are_what_two_trainings_share() -> None:
    rng = np.random.default_rng(1)
    examples = [rng.random((2, 30)) + rng.random(30) for _ in range(3)]
    found = seed_and_split([one.mean(axis=1) for one in examples], examples)
    shared = [np.cov(one)[0, 1] / 30 for one in examples]
    assert found.images is not None
    assert found.training is not None
    assert found.images.estimate == pytest.approx(np.mean(shared))
    half = 4.302652729911275 * np.std(shared, ddof=1) / 3**0.5  # t of 2 degrees of freedom
    assert found.images.high == pytest.approx(np.mean(shared) + half)
    assert found.total == found.seed.estimate + found.training.estimate + found.images.estimate
    assert found.training.high == pytest.approx(max(0, found.split.high - np.mean(shared)))


@pytest.mark.parametrize(
    ("scores", "examples", "line"),
    [
        ([[1, 2]], None, "two splits or more"),
        ([[1], [2]], None, "two splits or more"),
        ([[1, 2], [3, np.nan]], None, "finite"),
        ([[1, 2], [3, 4]], [np.zeros((2, 5))], "of the 2 splits, got 1"),
        ([[1, 2], [3, 4]], [np.zeros((2, 5)), np.zeros((3, 5))], "2 trainings of the same examples"),
    ],
)
def test_what_is_refused(scores: object, examples: object, line: str) -> None:
    with pytest.raises(EcrnnError, match=line):
        seed_and_split(scores, examples)  # type: ignore[arg-type]


def test_trainings_of_one_split_share_its_examples_and_one_a_split_is_as_before() -> None:
    once = equal_networks(np.random.default_rng(3), "images", "5-fold", 2, 4)
    again = equal_networks(np.random.default_rng(3), "images", "5-fold", 2, 4, 1)
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    right, index = equal_networks(np.random.default_rng(3), "images", "70:30", 2, 4, seeds=3)
    assert right.shape == (2, 12, 90)
    assert (index.reshape(4, 3, 90) == index[::3, None]).all()
    assert not (right[:, 0] == right[:, 1]).all()


def test_errors_are_counted_on_the_means_of_splits() -> None:
    expected = 0
    for study in range(8):
        right, index = equal_networks(np.random.default_rng([5, study]), "images", "70:30", 3, 5, seeds=2)
        scores = {f"m{k}": list(of.reshape(5, 2, -1).mean(axis=1)) for k, of in enumerate(right)}
        found = compare(scores, 210, 90, rope=0.0, index=list(index[::2]))
        expected += any(pair.verdict in ("better", "worse") for pair in found.pairs)
    (errors,) = family_errors("images", "70:30", models=(3,), repeats=(5,), seeds_per_split=2, studies=8, seed=5)
    assert errors.seeds_per_split == 2
    assert errors.different == {3: expected / 8}


def components() -> list[dict]:
    return json.loads((FOLDER / "components.json").read_text())["rows"]


def errors() -> list[dict]:
    return json.loads((FOLDER / "errors.json").read_text())["errors"]


def test_known_variances_were_found() -> None:
    """Means within what cutting at 0 adds, and intervals that hold the truth about as often as they say."""
    rows = components()
    assert len(rows) == 15
    for row in rows:
        chance = 3 * (0.05 * 0.95 / row["studies"]) ** 0.5
        assert row["mean"]["seed"] == pytest.approx(row["true"]["seed"], rel=0.05)
        assert row["mean"]["images"] == pytest.approx(row["true"]["images"], abs=0.05)
        assert -0.05 < row["mean"]["training"] - row["true"]["training"] < 0.2
        assert row["covered"]["seed"] > 0.95 - chance
        assert row["covered"]["split"] > 0.95 - chance


def test_no_verdict_errs_above_five_percent_by_more_than_chance() -> None:
    rows = errors()
    assert len(rows) == 12
    for row in rows:
        assert row["seeds_per_split"] == 2
        for share in (*row["different"].values(), *row["equivalent"].values()):
            assert share <= 0.05 + 2 * (0.05 * 0.95 / row["studies"]) ** 0.5


def test_the_docs_hold_both_tables() -> None:
    page = (ROOT / "docs" / "statistics.md").read_text()
    for row in components():
        true, mean, covered = row["true"], row["mean"], row["covered"]
        pairs = [f"{true[part]:.1f} | {mean[part]:.2f}" for part in ("seed", "training", "images")]
        held = [f"{100 * covered[part]:.0f}" for part in ("seed", "split")]
        assert f"| {row['splits']} x {row['seeds']} | {' | '.join([*pairs, *held])} |\n" in page
    for row in errors():
        shares = [*row["different"].values(), *row["equivalent"].values(), row["plain"]]
        cells = " | ".join(f"{100 * share:.1f}" for share in shares)
        assert f"| {row['noise']} | {row['split']} | {row['repeats']} x 2 | {cells} |\n" in page


def test_looks_after_whole_splits_err_as_they_may_and_the_docs_have_them() -> None:
    """Above 5 % by no more than chance, less the more of the variance is the seed's."""
    page = (ROOT / "docs" / "statistics.md").read_text()
    found = json.loads((FOLDER / "until-decided.json").read_text())
    normal = {
        (row["split"], row["models"], row["seeds"], row["of_seed"]): row["better or worse"] for row in found["normal"]
    }
    for row in (*found["normal"], *found["networks"]):
        most = 0.05 + 2 * (0.05 * 0.95 / row["studies"]) ** 0.5
        assert max(row["better or worse"], row.get("equivalent", 0)) <= most
    for split in ("70:30", "90:10"):
        for models in (2, 3):
            shares = [normal[split, models, k, s] for k, s in ((2, 0.0), (2, 0.3), (2, 0.85), (3, 0.85))]
            assert shares[0] > shares[1] > shares[2]
            assert f"| {split} | {models} | {' | '.join(f'{100 * share:.1f}' for share in shares)} |\n" in page
    for two, three in zip(found["networks"][::2], found["networks"][1::2], strict=True):
        cells = [100 * of[word] for word in ("better or worse", "equivalent") for of in (two, three)]
        shown = " | ".join(f"{cell:.1f}" for cell in (*cells, two["splits"]))
        assert f"| {two['noise']} | {two['split']} | {shown} |\n" in page
