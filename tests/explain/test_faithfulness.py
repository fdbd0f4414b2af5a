"""The tests of maps, on models of which it is known what they look at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ecrnn.explain.attribution import Score, blurred
from ecrnn.explain.faithfulness import (
    PARTS,
    Curve,
    deletion,
    insertion,
    moved,
    randomisation,
    rank_correlation,
    shuffle,
)
from ecrnn.models.build import build


class Corner(nn.Module):
    """Class 1 by the mean of the upper left corner, 4x4; the head's weights are what was learnt."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.zeros(2, 64)
        weight[1].view(8, 8)[:4, :4] = 1.0
        self.head = nn.Linear(64, 2, bias=False)
        self.head.weight = nn.Parameter(weight)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.flatten(1))


def corner_of(network: nn.Module) -> np.ndarray:
    """The true map of a `Corner`."""
    return network.head.weight[1].detach().view(8, 8).numpy().copy()


def spotted() -> Tensor:
    """Bright points, which blur to little, in the corner and elsewhere."""
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, ::2, ::2] = 2.0
    return image


def test_a_true_map_passes_and_an_edge_detector_fails() -> None:
    network = Corner()
    true = randomisation(network, corner_of, corner_of(network))
    assert true.areas == ("head",)
    assert true.correlations == (pytest.approx(true.all_random, abs=0.5),)
    assert abs(true.all_random) < 0.5
    assert true.passed
    edges = np.random.default_rng(0).random((8, 8))
    fixed = randomisation(network, lambda _network: edges, edges)
    assert fixed.all_random == pytest.approx(1)
    assert not fixed.passed
    assert network.head.weight[1].sum() == 16  # left as it was


def test_deletion_and_insertion_know_the_right_pixels() -> None:
    network, image = Corner(), spotted()
    values = corner_of(network) * image[0, 0].numpy()
    good, bad = (deletion(network, image, Score(1), sign * values) for sign in (1, -1))
    assert good.area < good.moved_area < bad.area
    good, bad = (insertion(network, image, Score(1), sign * values) for sign in (1, -1))
    assert good.area > good.moved_area > bad.area
    with torch.no_grad():
        whole = float(network(image).softmax(1)[0, 1])
    assert good.probabilities[-1] == pytest.approx(whole)
    assert deletion(network, image, Score(1), values).probabilities[0] == pytest.approx(whole)


def test_each_point_of_a_curve_is_that_of_its_image_alone() -> None:
    network = Corner()
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1, 8, 8))).float()
    values = np.random.default_rng(1).normal(size=(8, 8))
    soft, order = blurred(image), np.argsort(-values.ravel())
    for start, end, found in (
        (image, soft, deletion(network, image, Score(1), values)),
        (soft, image, insertion(network, image, Score(1), values)),
    ):
        expected = []
        for part in range(PARTS + 1):
            shown = start.flatten().clone()
            many = round(part * 64 / PARTS)
            shown[order[:many].copy()] = end.flatten()[order[:many].copy()]
            expected.append(float(network(shown.view(1, 1, 8, 8)).softmax(1)[0, 1].detach()))
        assert abs(expected[0] - expected[-1]) > 0.01
        assert found.probabilities == pytest.approx(expected, abs=1e-6)


def test_areas_by_hand() -> None:
    curve = Curve((1.0, 0.5, 0.0), (1.0, 1.0, 0.0))
    assert (curve.area, curve.moved_area) == (0.5, 0.75)


def test_shuffled_weights_are_the_same_numbers() -> None:
    network = build("ecrnn-lstm-4", image=(1, 16, 16), classes=3, seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    shuffle(network, 5)
    for name, value in network.state_dict().items():
        assert torch.equal(value.flatten().sort()[0], before[name].flatten().sort()[0]), name
        assert torch.equal(value, before[name]) == (len(value.unique()) <= 1), name


def test_rank_correlation() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(6, 6))
    assert rank_correlation(one, -3 * one) == pytest.approx(1)
    assert rank_correlation(one, np.zeros((6, 6))) == 0
    assert abs(rank_correlation(one, rng.normal(size=(6, 6)))) < 0.5


def test_a_moved_map_is_as_coarse_and_elsewhere() -> None:
    values = np.zeros((8, 8))
    values[:2, :2] = [[1, 2], [3, 4]]
    for seed in range(20):
        elsewhere = moved(values, np.random.default_rng(seed))
        assert sorted(elsewhere.ravel()) == sorted(values.ravel())
        rows, columns = np.nonzero(elsewhere)
        assert len(set(rows)) == len(set(columns)) == 2
        assert not np.array_equal(elsewhere, values)
