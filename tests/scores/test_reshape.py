"""Tables that become a row a score."""

from __future__ import annotations

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.scores import reshape
from ecrnn.scores.exports import choose
from ecrnn.scores.score_table import Table, parse_csv, read_table


def rows(table: Table) -> list[tuple[object, ...]]:
    return list(zip(*table.columns.values(), strict=True))


def test_a_column_a_model() -> None:
    table = parse_csv("dataset,a,b\niris,.1,.2\nwine,.3,.4\niris,.5,.6\n", "t")
    long = reshape.of_wide(table)
    assert list(long.columns) == ["model", "repeat", "dataset", "score"]
    assert rows(long) == [
        ("a", 0, "iris", ".1"),
        ("b", 0, "iris", ".2"),
        ("a", 0, "wine", ".3"),
        ("b", 0, "wine", ".4"),
        ("a", 1, "iris", ".5"),
        ("b", 1, "iris", ".6"),
    ]
    assert list(long.numbers) == [2, 2, 3, 3, 4, 4]
    assert choose(parse_csv("a,b\n1,2\n", "t"), "wide").table.columns["repeat"] == [0, 0]


def test_candidates_are_called_by_what_differs() -> None:
    held = {
        "param_C": [1, 2],
        "param_kernel": ["rbf", "rbf"],
        "split0_test_score": [0.5, 0.6],
        "split1_test_score": [0.7, 0.8],
    }
    assert rows(reshape.of_cv_results(read_table(held))) == [
        ("C=1", 0, 0.5),
        ("C=1", 1, 0.7),
        ("C=2", 0, 0.6),
        ("C=2", 1, 0.8),
    ]


def test_faults() -> None:
    with pytest.raises(EcrnnError, match="the scores of a should have one length"):
        reshape.of_validations(read_table({"a": {"test_x": [1, 2], "test_y": [1]}}))
    with pytest.raises(EcrnnError, match=r"should be called <estimator>_<measure>.csv"):
        reshape.of_resamples(parse_csv("Resamples:,0\nWine,1\n", "scores.csv"))
