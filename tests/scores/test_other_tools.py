"""Files that MLflow, scikit-learn and tsml-eval wrote (made/make.py), and what autorank, baycomp and statsmodels say
of the same scores where they compute the same."""

from __future__ import annotations

import json
import math
from pathlib import Path

import baycomp
import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from ecrnn.report import Analysis
from ecrnn.scores import How, analyse_each, read

MADE = Path(__file__).parent / "made"


def scores_of(analysis: Analysis) -> dict[str, np.ndarray]:
    return {row.model: np.array(row.scores) for row in analysis.models}


def check_with_statsmodels(analysis: Analysis) -> None:
    """The corrected t is statsmodels' paired t with a larger variance, and Holm's adjustment is its own."""
    comparison, scores = analysis.comparison, scores_of(analysis)
    p_values = []
    for pair in comparison.pairs:
        differences = scores[pair.model_a] - scores[pair.model_b]
        r = len(differences)
        assert pair.test is not None
        if not differences.any():  # where statsmodels divides 0 by 0
            assert pair.test.p == 1
            p_values.append(1.0)
            continue
        t, _, df = DescrStatsW(differences).ttest_mean()
        t *= math.sqrt((1 / r) / (1 / r + comparison.n_test / comparison.n_train))
        assert pair.test.statistic == pytest.approx(t, rel=1e-9)
        p_values.append(2 * stats.t.sf(abs(t), df))
        assert pair.test.p == pytest.approx(p_values[-1], rel=1e-9)
    adjusted = multipletests(p_values, method="holm")[1]
    assert [pair.p_holm for pair in comparison.pairs] == pytest.approx(list(adjusted), rel=1e-9)


def test_mlflow_and_autorank() -> None:
    reading = read(MADE / "mlflow-runs.csv", metric="test_accuracy")
    assert "read as MLflow runs: model from 'params.model', repeat from 'params.seed'" in reading.sentence
    (analysis,) = analyse_each(reading, How()).values()
    assert (analysis.comparison.n_train, analysis.comparison.n_test) == (1257, 540)  # params of every run
    check_with_statsmodels(analysis)
    autorank = json.loads((MADE / "autorank.json").read_text())
    for row in analysis.models:
        assert row.summary.mean == pytest.approx(autorank["means"][row.model], rel=1e-12)
        assert row.summary.sd == pytest.approx(autorank["sds"][row.model], rel=1e-9)
    r, ratio = 10, 540 / 1257
    for pair in analysis.comparison.pairs:
        plain = autorank["pairs"][f"{pair.model_a}:{pair.model_b}"]
        assert plain["test"] == "ttest"  # on scores as if they were of ten data sets
        t = stats.t.isf(plain["p"] / 2, r - 1) * math.sqrt((1 / r) / (1 / r + ratio))
        assert pair.test is not None
        assert pair.test.p == pytest.approx(2 * stats.t.sf(t, r - 1), rel=1e-6)


def test_cross_validate_and_baycomp() -> None:
    """Two runs of 5-fold cross-validation: baycomp's correlation is 1/5, as n_test / (n_test + n_train) is."""
    reading = read(MADE / "cross_validate.json")
    (analysis,) = analyse_each(reading, How(n_train=480, n_test=120, rope=0.02)).values()
    assert [row.model for row in analysis.models] == ["bayes", "tree", "knn"]
    check_with_statsmodels(analysis)
    scores = scores_of(analysis)
    for pair in analysis.comparison.pairs:
        a, b = scores[pair.model_a], scores[pair.model_b]
        theirs = baycomp.two_on_single(b, a, rope=0.02, runs=2)
        assert pair.posterior is not None
        ours = (pair.posterior.worse, pair.posterior.equivalent, pair.posterior.better)
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_a_search_has_a_model_for_each_candidate() -> None:
    content = json.loads((MADE / "cv_results.json").read_text())
    for source in (MADE / "cv_results.json", content):
        reading = read(source, metric="accuracy")
        (analysis,) = analyse_each(reading, How(n_train=420, n_test=180)).values()
        for row, params, mean in zip(analysis.models, content["params"], content["mean_test_accuracy"], strict=True):
            assert row.model == f"C={params['C']}, kernel={params['kernel']}"
            assert row.summary.mean == pytest.approx(mean, rel=1e-12)
        check_with_statsmodels(analysis)
    assert scores_of(analyse_each(read(content, metric="f1_macro"), How(n_train=1, n_test=1))[""])


def test_tsml_eval() -> None:
    """A file an estimator; tsml-eval's own means of each data set are in accuracy_mean.csv."""
    reading = read(sorted(MADE.glob("*_accuracy.csv")))
    analyses = analyse_each(reading, How(n_train=1257, n_test=540))
    header, *rows = [line.split(",") for line in (MADE / "accuracy_mean.csv").read_text().splitlines()]
    assert list(analyses) == [row[0] for row in rows] == ["Digits", "Wine"]
    for name, *means in rows:
        found = {row.model: row.summary.mean for row in analyses[name].models}
        assert found == pytest.approx(dict(zip(header[1:], map(float, means), strict=True)), rel=1e-12)
        check_with_statsmodels(analyses[name])


def test_aeon_in_python() -> None:
    """What get_estimator_results gives: resamples by estimator and data set."""
    held = {"HC2": {"Chinatown": np.array([0.98, 0.97, 0.99])}, "TSF": {"Chinatown": np.array([0.95, 0.96, 0.95])}}
    reading = read(held)
    assert reading.sentence.startswith("the table was read as aeon's results")
    assert reading.scores["Chinatown"].values == {
        "HC2": {0: 0.98, 1: 0.97, 2: 0.99},
        "TSF": {0: 0.95, 1: 0.96, 2: 0.95},
    }
