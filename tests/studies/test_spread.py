"""The variance of differences before there are any: assumed, given, or of a study."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line
from report.synthetic import make_study
from training.searches import make_tuning

from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.report import analyse, read_study
from ecrnn.stats import ACCURACY, BITS
from ecrnn.studies.spread import SEED_SHARE, Spread, default_spread, given_spread, spread_of

MODELS = {"cnn": 0.7, "ecnn": 0.75}


def test_the_default_is_that_of_a_study_and_wider_where_fewer_examples_validate() -> None:
    spread = default_spread(ACCURACY, 15_000)
    assert (spread.sd, spread.seed_share) == (pytest.approx(0.0099), pytest.approx(0.85))
    assert "results/why" in spread.source
    assert default_spread(ACCURACY, 15_000, 3).sd == pytest.approx(0.006)
    few = default_spread(ACCURACY, 500)
    assert few.sd == pytest.approx(math.sqrt(0.0099**2 + 0.22 * (1 / 500 - 1 / 15_000)))
    assert few.sd**2 * few.seed_share == pytest.approx(0.85 * 0.0099**2)  # examples add nothing to the seed's part
    with pytest.raises(EcrnnError, match=r"give --sd, from the report of an earlier study"):
        default_spread(BITS, 100)


def test_the_seeds_part_is_divided_by_their_number() -> None:
    assert Spread(0.02, 0.75, "").of_means(3) == pytest.approx(math.sqrt(0.0001 + 0.0003 / 3))
    assert (given_spread(0.02).of_means(1), given_spread(0.02).seed_share) == (0.02, SEED_SHARE)


def test_a_studys_variances_are_those_of_its_report(tmp_path: Path) -> None:
    """With several seeds a split both parts; else the whole variance alone."""
    sizes = {"n_validation": 300, "epochs": 1, "score_epochs": 1}
    folder = make_study(tmp_path / "twice", MODELS, repeats=8, seeds_per_split=2, missing=[("ecnn", 7)], **sizes)
    of_pair = analyse(read_study([folder])).variation[-1].found
    found = spread_of(folder, ACCURACY, 300)
    assert found.sd**2 == pytest.approx(of_pair.seed.estimate + of_pair.split.estimate)
    assert found.sd**2 * found.seed_share == pytest.approx(of_pair.seed.estimate)
    assert found.source == f"mean of 1 pair over 3 splits of {folder}"
    with one_line(EcrnnError, f"{folder} scores 300 examples a repeat, and the plan 700: differences vary"):
        spread_of(folder, ACCURACY, 700)
    with one_line(EcrnnError, "compares by accuracy, and the plan is by"):
        spread_of(folder, BITS, 300)
    folder = make_study(tmp_path / "once", MODELS, repeats=5, **sizes)
    a, b = (np.array(model.scores) for model in analyse(read_study([folder])).comparison.models)
    assert spread_of(folder, ACCURACY, 300).sd == pytest.approx((a - b).std(ddof=1))
    assert spread_of(folder, ACCURACY, 300).seed_share == SEED_SHARE


def test_what_has_no_variances(tmp_path: Path) -> None:
    with one_line(RunDirectoryError, "holds a tuning"):
        spread_of(make_tuning(tmp_path / "tune"), ACCURACY, 300)
    one = make_study(tmp_path / "one", MODELS, repeats=1, n_validation=300, epochs=1, score_epochs=1)
    with one_line(EcrnnError, "no pair of models with two whole splits"):
        spread_of(one, ACCURACY, 300)
    none = make_study(tmp_path / "none", MODELS, repeats=1, missing=[("cnn", 0), ("ecnn", 0)])
    with one_line(EcrnnError, "has no finished training"):
        spread_of(none, ACCURACY, 300)
