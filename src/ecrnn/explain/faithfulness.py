"""Does a map of pixels say something about the model? Three tests.

Randomisation (Adebayo et al. 2018): the weights are put in random order, from the head down, and the map is made again.
A map that stays as it was does not depend on what was learnt; an edge detector gives such maps. Compared are the ranks
of the absolute values (Spearman).

Deletion and insertion (Petsiuk, Das and Saenko 2018): the pixels that count most are blurred first, or brought back
first into a blurred image, and the probability of the class is read after each part. The area below is small (deletion)
or large (insertion) where the map names the right pixels. What it is compared with is the same map in other places,
moved round the edges and mirrored: it is as coarse, and pixels in random order would be no match for a coarse map, for
they spoil every part of an image at once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from ecrnn.explain.attribution import Score, blurred

PARTS = 20  # of the pixels, one after another
DRAWS = 3  # of whole networks with random weights
MOVES = 8  # of a map
SAME = 0.5  # rank correlation above which a map does not depend on what was learnt


@dataclass(frozen=True)
class Randomisation:
    """Rank correlations of a map with those of networks whose weights lie in random order.

    Attributes:
        areas: the top-level modules, from the head down.
        correlations: after each of them, and all before it, was put in random order.
        all_random: mean over several draws with every weight in random order.
    """

    areas: tuple[str, ...]
    correlations: tuple[float, ...]
    all_random: float

    @property
    def passed(self) -> bool:
        """Whether the map depends on what was learnt."""
        return self.all_random <= SAME


@dataclass(frozen=True)
class Curve:
    """The probability of the class while pixels go or come.

    Attributes:
        probabilities: after 0, 1, ... of the parts.
        moved: mean of the same over the map in other places.
    """

    probabilities: tuple[float, ...]
    moved: tuple[float, ...]

    @property
    def area(self) -> float:
        """Below the curve, between 0 and 1."""
        return float(np.trapezoid(self.probabilities, dx=1 / (len(self.probabilities) - 1)))

    @property
    def moved_area(self) -> float:
        """Below the mean curve of the map in other places."""
        return float(np.trapezoid(self.moved, dx=1 / (len(self.moved) - 1)))


def randomisation(
    network: nn.Module, make_map: Callable[[nn.Module], np.ndarray], original: np.ndarray, seed: int = 0
) -> Randomisation:
    """The randomisation test of one map.

    Args:
        network: left as it is.
        make_map: gives the map (H, W) of a network of the same structure.
        original: its map of ``network``.
        seed: of the random orders.
    """
    areas = [name for name, module in network.named_children() if any(True for _ in module.parameters())][::-1]
    changed, correlations = copy.deepcopy(network), []
    for number, area in enumerate(areas):
        shuffle(changed.get_submodule(area), seed + number)
        correlations.append(rank_correlation(original, make_map(changed)))
    whole = []
    for draw in range(DRAWS):
        changed = copy.deepcopy(network)
        shuffle(changed, seed + 1000 + draw)
        whole.append(rank_correlation(original, make_map(changed)))
    return Randomisation(tuple(areas), tuple(correlations), float(np.mean(whole)))


@torch.no_grad()
def shuffle(module: nn.Module, seed: int) -> None:
    """Put the values of each parameter, and of each running statistic, in random order; in place.

    What is left is how large they are, and nothing of what was learnt.
    """
    generator = torch.Generator().manual_seed(seed)
    for tensor in (*module.parameters(), *(buffer for buffer in module.buffers() if buffer.is_floating_point())):
        order = torch.randperm(tensor.numel(), generator=generator).to(tensor.device)
        tensor.copy_(tensor.detach().flatten()[order].view(tensor.shape))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's of the absolute values of two maps; 0 where one of them is the same everywhere."""
    one, other = np.abs(one).ravel(), np.abs(other).ravel()
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one, other).statistic)


def deletion(network: nn.Module, image: Tensor, score: Score, values: np.ndarray, seed: int = 0) -> Curve:
    """Pixels are blurred, those that count most first.

    Args:
        network: in evaluation mode.
        image: (1, C, H, W), standardised.
        score: whose target's probability is read.
        values: (H, W), a map.
        seed: of the other places.
    """
    return _curve(network, image, blurred(image), score.target, values, seed)


def insertion(network: nn.Module, image: Tensor, score: Score, values: np.ndarray, seed: int = 0) -> Curve:
    """Pixels come back into the blurred image, those that count most first; arguments as of `deletion`."""
    return _curve(network, blurred(image), image, score.target, values, seed)


def _curve(network: nn.Module, start: Tensor, end: Tensor, target: int, values: np.ndarray, seed: int) -> Curve:
    rng = np.random.default_rng(seed)
    maps = [values, *(moved(values, rng) for _ in range(MOVES))]
    first, last = _probabilities(network, torch.cat([start, end]), target)  # of every curve
    curves = []
    for one in maps:
        order = np.argsort(-one.ravel(), kind="stable")
        curves.append([first, *_probabilities(network, _between(start, end, order), target), last])
    return Curve(tuple(curves[0]), tuple(np.mean(curves[1:], axis=0).tolist()))


def moved(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The map (H, W) elsewhere: mirrored or not, and moved round the edges by a quarter to three quarters each way."""
    shifts = [int(rng.integers(side // 4, side - side // 4 + 1)) for side in values.shape]
    flipped = values[:: rng.choice((1, -1)), :: rng.choice((1, -1))]
    return np.roll(flipped, shifts, (0, 1))


def _between(start: Tensor, end: Tensor, order: np.ndarray) -> Tensor:
    """``start`` with more and more pixels of ``end``, in this order: (`PARTS` - 1, C, H, W), neither of them itself."""
    images = start.repeat(PARTS - 1, 1, 1, 1)
    for number, many in enumerate(np.linspace(0, order.size, PARTS + 1).round().astype(int)[1:-1]):
        changed = torch.zeros(order.size, dtype=torch.bool)
        changed[torch.as_tensor(order[:many].copy())] = True
        mask = changed.view(1, *start.shape[2:]).to(start.device)
        images[number] = torch.where(mask, end[0], images[number])
    return images


@torch.no_grad()
def _probabilities(network: nn.Module, images: Tensor, target: int) -> list[float]:
    probabilities: list[float] = network(images).double().softmax(1)[:, target].tolist()
    return probabilities
