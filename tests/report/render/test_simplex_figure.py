"""The triangle of a pair over data sets: dots where the draws are, and the test's own shares in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from report.across import make_studies

from ecrnn.report.analysis.analyse_across import AcrossAnalysis
from ecrnn.report.analysis.analyse_studies import analyse_studies
from ecrnn.report.render.across_files import across_files
from ecrnn.stats import bayesian_signed_rank
from ecrnn.stats.signed_rank import signed_rank_draws


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_studies(tmp_path_factory.mktemp("simplex"))


@pytest.fixture(scope="module")
def analysis(folders: list[Path]) -> AcrossAnalysis:
    return analyse_studies(folders)


def test_the_draws_are_the_tests(analysis: AcrossAnalysis) -> None:
    draws = signed_rank_draws([0.01, 0.02, -0.001], 0.005, draws=4000)
    assert draws.sum(axis=1) == pytest.approx(np.ones(4000))
    posterior = bayesian_signed_rank([0.01, 0.02, -0.001], 0.005, draws=4000)
    shares = np.bincount(draws.argmax(axis=1), minlength=3) / 4000
    assert (posterior.worse, posterior.equivalent, posterior.better) == tuple(shares)


def test_each_pair_has_a_cloud_about_its_posterior(analysis: AcrossAnalysis) -> None:
    assert [(one.model_a, one.model_b) for one in analysis.clouds] == [
        (pair.model_a, pair.model_b) for pair in analysis.across.pairs
    ]
    for one in analysis.clouds:
        most = np.array(one.draws).argmax(axis=1)
        share = (most == 2).mean()
        assert share == pytest.approx(one.posterior.better, abs=4 * (0.25 / len(one.draws)) ** 0.5)


def test_it_is_in_the_page_and_not_in_json(analysis: AcrossAnalysis) -> None:
    files = across_files(analysis)
    assert "Better, equivalent or worse over data sets" in files["report.html"]
    assert "clouds" not in files["report.json"]
    assert files["report-simplex.svg"].count("<use") > 1000


def test_what_is_chosen_after_the_results_is_flagged(folders: list[Path], analysis: AcrossAnalysis) -> None:
    planned = across_files(analysis)
    assert "chosen" not in planned["report.md"].lower()
    assert "chosen_after" not in planned["report.json"]
    later = across_files(analyse_studies(folders, baseline="cnn"))
    for name in ("report.md", "report.html"):
        assert "(chosen after the results)." in later[name]
    assert '"chosen_after": true' in later["report.json"]
    assert (
        "verdict,chosen_after_the_results" in later["report-pairs.csv" if "report-pairs.csv" in later else "report.csv"]
    )
