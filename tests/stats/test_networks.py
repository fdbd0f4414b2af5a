"""Simulated networks: their gradients, their splits, and that they are equal and useful."""

import numpy as np
import pytest

from ecrnn.stats import networks
from ecrnn.stats.networks import LEARNERS, SHARES, equal_networks


def test_gradients_equal_central_differences():
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(1, 1, *shape)) for shape in ((3, 4), (1, 4), (4, 1), (1, 1))]
    x, label = rng.normal(size=(1, 1, 7, 3)), rng.choice([-1.0, 1.0], size=(1, 1, 7))

    def loss():
        return np.logaddexp(0, -label * networks._outputs(weights, x)[1]).mean()

    for weight, gradient in zip(weights, networks._gradients(weights, x, label), strict=True):
        for at in np.ndindex(weight.shape):
            kept = weight[at]
            ends = []
            for step in (1e-6, -1e-6):
                weight[at] = kept + step
                ends.append(loss())
            weight[at] = kept
            assert gradient[at] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-7)


@pytest.mark.parametrize("split", list(SHARES))
@pytest.mark.parametrize("noise", list(LEARNERS))
def test_studies_repeat_themselves_and_divide_as_they_say(noise, split):
    right, index = equal_networks(np.random.default_rng(1), noise, split, 2, 5)
    again, _ = equal_networks(np.random.default_rng(1), noise, split, 2, 5)
    np.testing.assert_array_equal(right, again)
    total = LEARNERS[noise].total
    n_test = total - round(SHARES[split] * total)
    assert right.shape == (2, 5, n_test)
    assert index.shape == (5, n_test)
    used = np.unique(index)
    assert len(used) == {"own": n_test, "5-fold": total}.get(split, len(used))
    assert 0.6 < right.mean() < 0.95


def test_seeds_make_the_difference_in_one_task_and_hardly_in_the_other():
    spread = {}
    for noise in LEARNERS:
        right, _ = equal_networks(np.random.default_rng(2), noise, "own", 9, 10)
        spread[noise] = right.mean(axis=2).std(axis=1).mean()
    assert spread["training"] > 2 * spread["images"]
