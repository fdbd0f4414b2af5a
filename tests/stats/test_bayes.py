"""The Bayesian correlated t test."""

import numpy as np
import pytest
from baycomp import two_on_single
from scipy import integrate
from scipy import stats as scipy_stats

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import bayesian_correlated_t, corrected_resampled_t


@pytest.mark.parametrize("rope", [0.001, 0.005, 0.05])
@pytest.mark.parametrize("shift", [-0.01, 0.0, 0.01])
def test_equals_baycomp(rope, shift):
    rng = np.random.default_rng(4)
    a, b = rng.normal(0.7 + shift, 0.01, 30), rng.normal(0.7, 0.01, 30)
    posterior = bayesian_correlated_t(a - b, n_train=900, n_test=100, rope=rope)
    worse, equivalent, better = two_on_single(b, a, rope=rope, runs=3)  # baycomp's difference is y - x
    assert posterior.worse == pytest.approx(worse, abs=1e-12)
    assert posterior.equivalent == pytest.approx(equivalent, abs=1e-12)
    assert posterior.better == pytest.approx(better, abs=1e-12)
    assert posterior.rope == rope


def test_equals_the_integral_of_the_density():
    differences = np.array([0.004, 0.001, 0.003, -0.002])
    rho = 0.3
    scale = differences.std(ddof=1) * np.sqrt(1 / 4 + rho / (1 - rho))
    density = scipy_stats.t(3, differences.mean(), scale).pdf
    expected, _ = integrate.quad(density, -0.005, 0.005)
    assert bayesian_correlated_t(differences, 70, 30).equivalent == pytest.approx(expected, abs=1e-9)


def test_with_no_rope_worse_is_half_the_p_of_the_t_test():
    differences = [0.01, 0.02, 0.005]
    posterior = bayesian_correlated_t(differences, 70, 30, rope=0.0)
    assert posterior.equivalent == pytest.approx(0, abs=1e-12)
    assert posterior.worse == pytest.approx(corrected_resampled_t(differences, 70, 30).p / 2)


def test_equal_differences():
    same = bayesian_correlated_t([0.0] * 3, n_train=35_000, n_test=15_000)
    assert same.equivalent > 0.99
    assert same.worse == same.better
    assert bayesian_correlated_t([0.1] * 3, 35_000, 15_000).better > 0.99
    coarse = bayesian_correlated_t([0.0] * 3, n_train=14, n_test=6)  # six examples say little
    assert coarse.equivalent < 0.5


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: bayesian_correlated_t([0.1], 70, 30), "differences must hold at least 2 values"),
        (
            lambda: bayesian_correlated_t([0.1, 0.2], 70, 30, rope=-0.1),
            "rope must be zero or above, got -0.1",
        ),
    ],
)
def test_wrong_inputs(call, line):
    with pytest.raises(EcrnnError, match=line):
        call()
