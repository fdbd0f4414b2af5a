"""Studies of small networks that are equal by symmetry, trained on real splits, to measure the errors of verdicts.

k networks with one hidden layer see k disjoint blocks of features that have one distribution, so all have the same
expected accuracy, for every size of training set. Each training draws its own weights and its own order of examples.
How much of the noise of an accuracy comes from training, and how much from the test examples, depends on the task:

- "images": a sum of features tells the class. Networks learn it alike from any seed, so it is the test images that
  make two of them differ.
- "training": the product of two features tells the class (exclusive or), networks are small and stop early. Some get
  stuck, and the seed makes them differ.

For "own" splits the verdict is about one training set. Within it one block of features would by luck be the better one.
So there all networks get the same training set, each in its own block, and their own features of the test examples:
given the training set, they are equal exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Noise = Literal["images", "training"]
Split = Literal["70:30", "90:10", "5-fold", "own"]


@dataclass(frozen=True)
class Learner:
    """A network and its task: ``total`` examples a study, ``features`` of each network, and its training."""

    total: int
    features: int
    hidden: int
    epochs: int
    batch: int
    lr: float


LEARNERS: dict[Noise, Learner] = {
    "images": Learner(total=300, features=6, hidden=12, epochs=15, batch=32, lr=0.02),
    "training": Learner(total=1000, features=4, hidden=4, epochs=8, batch=50, lr=0.02),
}
SHARES: dict[Split, float] = {"70:30": 0.7, "90:10": 0.9, "5-fold": 0.8, "own": 0.7}  # of the examples that train


def equal_networks(
    rng: np.random.Generator, noise: Noise, split: Split, models: int, repeats: int, seeds: int = 1
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """One study of equal networks.

    Args:
        rng: source of all randomness.
        noise: where most of it comes from.
        split: how examples are divided in each repeat; "5-fold" takes new folds every five repeats.
        models: networks that are compared.
        repeats: splits.
        seeds: trainings of each network on each split.

    Returns:
        right: (models, repeats * seeds, n_test), whether each test example is right; trainings of one split follow each
            other.
        index: (repeats * seeds, n_test), which examples these are.
    """
    learner = LEARNERS[noise]
    label, x = _examples(rng, noise, learner, models)  # (N,), (K, N, F)
    parts = _parts(rng, split, learner.total, repeats)
    train, test = (np.repeat(part, seeds, axis=0) for part in parts)  # (R, n_train), (R, n_test)
    if split == "own":
        x[:, train[0]] = x[0, train[0]]
    weights = _trained(rng, learner, x[:, train], label[train])
    side = _outputs(weights, x[:, test])[1]  # (K, R, n_test)
    return (side > 0) == (label[test] > 0), test


def _examples(
    rng: np.random.Generator, noise: Noise, learner: Learner, models: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    label: NDArray[np.float32] = rng.choice(np.array([-1, 1], np.float32), size=learner.total)
    x = rng.standard_normal((models, learner.total, learner.features), dtype=np.float32)
    if noise == "images":
        return label, x + np.float32(0.35) * label[:, None]
    sign = rng.choice(np.array([-1, 1], np.float32), size=(models, learner.total))
    x[..., 0] = np.float32(0.6) * x[..., 0] + sign
    x[..., 1] = np.float32(0.6) * x[..., 1] + sign * label
    return label, x


def _parts(rng: np.random.Generator, split: Split, total: int, repeats: int) -> tuple[NDArray[np.int64], ...]:
    n_train = round(SHARES[split] * total)
    if split == "own":
        order = np.tile(np.arange(total), (repeats, 1))
    elif split == "5-fold":
        shuffled = np.stack([rng.permutation(total) for _ in range(-(-repeats // 5))])
        order = np.stack([np.roll(shuffled[r // 5], -(r % 5) * (total - n_train)) for r in range(repeats)])
    else:
        order = np.stack([rng.permutation(total) for _ in range(repeats)])
    return order[:, :n_train], order[:, n_train:]


Weights = list[NDArray[np.float32]]  # (K, R, F, H), (K, R, 1, H), (K, R, H, 1), (K, R, 1, 1)


def _trained(rng: np.random.Generator, learner: Learner, x: NDArray[np.float32], label: NDArray[np.float32]) -> Weights:
    """All trainings at once, by Adam; ``x`` is (K, R, n, F), ``label`` (R, n)."""
    models, repeats, n, features = x.shape
    shapes = [(features, learner.hidden), (1, learner.hidden), (learner.hidden, 1), (1, 1)]
    scales = [(2 / features) ** 0.5, 0.0, (1 / learner.hidden) ** 0.5, 0.0]
    weights = [
        np.float32(scale) * rng.standard_normal((models, repeats, *shape), dtype=np.float32)
        for shape, scale in zip(shapes, scales, strict=True)
    ]
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    step = 0
    for _ in range(learner.epochs):
        order = rng.random((models, repeats, n), dtype=np.float32).argsort(axis=2)
        for start in range(0, n - learner.batch + 1, learner.batch):
            batch = order[..., start : start + learner.batch]
            rows = np.take_along_axis(x, batch[..., None], axis=2)
            labels = np.take_along_axis(np.broadcast_to(label, (*batch.shape[:2], n)), batch, axis=2)
            step += 1
            _adam(weights, _gradients(weights, rows, labels), moments, step, learner.lr)
    return weights


def _adam(
    weights: Weights,
    gradients: Weights,
    moments: list[tuple[NDArray[np.float32], NDArray[np.float32]]],
    step: int,
    lr: float,
) -> None:
    """One step of Adam (Kingma and Ba 2015) in place; ``moments`` are the means of gradients and of their squares."""
    for weight, gradient, (first, second) in zip(weights, gradients, moments, strict=True):
        np.add(first, np.float32(0.1) * (gradient - first), out=first)
        np.add(second, np.float32(0.001) * (gradient**2 - second), out=second)
        change = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        np.subtract(weight, np.float32(lr) * change, out=weight)


def _outputs(weights: Weights, x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hidden layer (K, R, n, H) and the logarithm of the odds (K, R, n)."""
    hidden = np.maximum(x @ weights[0] + weights[1], 0)
    return hidden, (hidden @ weights[2] + weights[3])[..., 0]


def _gradients(weights: Weights, x: NDArray[np.float32], label: NDArray[np.float32]) -> Weights:
    """Of the mean of log(1 + exp(-label * output))."""
    hidden, output = _outputs(weights, x)
    at_output = (-label / (1 + np.exp(label * output)) / label.shape[-1])[..., None]
    at_hidden = (at_output @ weights[2].swapaxes(-1, -2)) * (hidden > 0)
    return [
        x.swapaxes(-1, -2) @ at_hidden,
        at_hidden.sum(axis=-2, keepdims=True),
        hidden.swapaxes(-1, -2) @ at_output,
        at_output.sum(axis=-2, keepdims=True),
    ]
