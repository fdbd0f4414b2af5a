"""Copies that a split parts: images that are held out and, as themselves or nearly, trained on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Leaks(NamedTuple):
    """Of the images that are held out, those that are the same as one that trains, and further ones that look like one.

    Both int64, ascending, with for each an image that trains and is of its group.
    """

    exact: np.ndarray
    exact_of: np.ndarray
    near: np.ndarray
    near_of: np.ndarray


def leaks(train: np.ndarray, held_out: np.ndarray, exact: np.ndarray, near: np.ndarray) -> Leaks:
    """Find them.

    Args:
        train, held_out: int64, places of images.
        exact, near: int64 (N,), the group of each image, of `near_duplicates.Copies`.
    """
    of_exact, of_near = _first_in(train, exact), _first_in(train, near)
    same = of_exact[exact[held_out]] >= 0
    like = (of_near[near[held_out]] >= 0) & ~same
    a, b = held_out[same], held_out[like]
    return Leaks(a, of_exact[exact[a]], b, of_near[near[b]])


def _first_in(train: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The first image that trains of each group: int64 (N,), -1 where there is none."""
    first = np.full(len(groups), -1, np.int64)
    first[groups[train[::-1]]] = train[::-1]
    return first
