from __future__ import annotations

import numpy as np
import pytest

from ecrnn.data.check.suspect_labels import held_out_probabilities, suspects


def by_loops(p: np.ndarray, labels: np.ndarray) -> set[tuple[int, int]]:
    """The rule of the paper, an image and a class at a time."""
    n, classes = p.shape
    threshold = {}
    for j in range(classes):
        of_class = [p[i, j] for i in range(n) if labels[i] == j]
        threshold[j] = sum(of_class) / len(of_class) if of_class else float("inf")
    found = set()
    for i in range(n):
        confident = [j for j in range(classes) if p[i, j] >= threshold[j]]
        if confident and (best := max(confident, key=lambda j: p[i, j])) != labels[i]:
            found.add((i, best))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_rule(seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(4, 0.5), 200)
    labels = np.where(rng.random(200) < 0.7, p.argmax(axis=1), rng.integers(0, 3, 200))  # of class 3 there are few
    found = suspects(p, labels)
    assert {(one.place, one.instead) for one in found} == by_loops(p, labels)
    assert found
    margins = [one.of_label - one.probability for one in found]
    assert margins == sorted(margins)
    assert all(p[one.place, labels[one.place]] == one.of_label for one in found)


def test_planted_labels_are_found_first():
    rng = np.random.default_rng(0)
    true = np.arange(300) % 3
    p = np.full((300, 3), 0.1) + rng.random((300, 3)) * 0.1
    p[np.arange(300), true] += 0.6
    p /= p.sum(axis=1, keepdims=True)
    labels = true.copy()
    planted = rng.choice(300, 15, replace=False)
    labels[planted] = (true[planted] + 1) % 3
    found = suspects(p, labels)
    assert {one.place for one in found} <= set(planted.tolist())  # below the threshold of a class nothing is said
    assert len(found) >= 12
    assert all(one.instead == true[one.place] for one in found)


def test_probabilities_are_means_over_trainings_that_held_an_image_out():
    logits = np.log(np.array([[0.8, 0.2], [0.5, 0.5]])).astype(np.float32) + 7
    again = np.log(np.array([[0.6, 0.4]])).astype(np.float32)
    p, held_out = held_out_probabilities([(np.array([0, 2]), logits), (np.array([0]), again)], 4, 2)
    np.testing.assert_allclose(p, [[0.7, 0.3], [0, 0], [0.5, 0.5], [0, 0]], atol=1e-6)
    assert held_out.tolist() == [True, False, True, False]


def test_a_class_that_no_image_is_labelled_with_is_suspected_of_none():
    p = np.array([[0.1, 0.0, 0.9], [0.2, 0.8, 0.0]])
    assert suspects(p, np.array([0, 1])) == []
