"""Copies among many images: the same ones, ones that look alike, and mirrored ones, as groups.

Hashes of 64 bits that differ in at most seven agree in one of eight bytes (the pigeonhole principle), so only images
that share a byte at its place are compared: every such pair is found at a fraction of all comparisons. A pair that is
found counts when the images are alike at 32x32 grey pixels, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.events import Loading, Progress, silent

MOST_BITS = 7  # beyond, not every pair shares a byte
_ALIKE = 0.96  # correlation of the pixels
_BRIGHTNESS = 24  # levels of 255 by which means and deviations may differ
_KEPT = 8192  # small images in memory, 1 KiB each
_MOST_REFUSED = 100  # pairs of one image that were found and were not alike; further ones are not looked at
_MANY = 10_000  # images, of which comparisons take more than a moment
_BLOCK = 2**20  # comparisons at a time

Small = Callable[[int], np.ndarray]


@dataclass
class Copies:
    """Groups of copies.

    Attributes:
        exact: int64 (N,), the first image with the same content; for an image without a copy its own place.
        near: int64 (N,), the first image of the group that look alike, through any number of others.
        partner: of an image that joined such a group the image that it was found to look like.
        mirrored: those of them that look like their partner mirrored.
        not_compared: pairs that were left out, as an image of theirs had too many that were not alike.
    """

    exact: np.ndarray
    near: np.ndarray
    partner: dict[int, int] = field(default_factory=dict)
    mirrored: set[int] = field(default_factory=set)
    not_compared: int = 0


def copies(
    content: np.ndarray,
    look: np.ndarray,
    mirrored: np.ndarray,
    comparable: np.ndarray,
    readable: np.ndarray,
    bits: int | None,
    small: Small,
    progress: Progress = silent,
) -> Copies:
    """Find the copies among N images.

    Args:
        content: uint64 (N,), equal for the same images.
        look, mirrored: uint64 (N,), hashes of an image and of its mirror image.
        comparable: bool (N,), those whose hashes mean something.
        readable: bool (N,), those that have a content at all.
        bits: in which hashes may differ; None: only the same images are looked for.
        small: of an image its 32x32 grey pixels, or a DataError.
        progress: called with `Loading` events where there are many images.
    """
    assert bits is None or 0 <= bits <= MOST_BITS
    places = np.arange(len(content))
    exact = places.copy()
    kept = places[readable]
    _, first, inverse = np.unique(content[readable], return_index=True, return_inverse=True)
    exact[readable] = kept[first][inverse]
    found = Copies(exact, exact.copy())
    if bits is None:
        return found
    one_each = places[comparable & (exact == places)]
    search = _Search(found, lru_cache(_KEPT)(small))
    steps = 0
    for other, flipped in ((look, False), (mirrored, True)):
        for pairs in candidates(look[one_each], other[one_each], bits, same=not flipped):
            if len(pairs):
                search.join(one_each[pairs], flipped)
            else:  # after each byte
                steps += 1
                if len(content) >= _MANY:
                    progress(Loading("comparisons", steps, 16))
    found.near = np.array([search.root(place) for place in exact.tolist()], np.int64) if len(exact) else exact
    return found


def candidates(hashes: np.ndarray, others: np.ndarray, bits: int, *, same: bool) -> Iterator[np.ndarray]:
    """Pairs (i, j), i < j, whose hashes[i] and others[j] differ in at most ``bits`` bits, each pair once.

    Args:
        hashes, others: uint64 (N,).
        bits: at most `MOST_BITS`.
        same: both are the same hashes.

    Yields:
        int64 (n, 2); after each of the eight bytes an empty one.
    """
    for byte in range(8):
        keys, other_keys = ((h >> np.uint64(8 * byte)).astype(np.uint8) for h in (hashes, others))
        order = np.argsort(keys, kind="stable")
        other_order = order if same else np.argsort(other_keys, kind="stable")
        bounds = np.searchsorted(keys[order], np.arange(257))
        other_bounds = np.searchsorted(other_keys[other_order], np.arange(257))
        for value in range(256):
            left = order[bounds[value] : bounds[value + 1]]
            right = other_order[other_bounds[value] : other_bounds[value + 1]]
            rows = max(1, _BLOCK // max(1, len(right)))
            for start in range(0, len(left) if len(right) else 0, rows):
                yield from _pairs_of(left[start : start + rows], right, hashes, others, bits, byte)
        yield np.zeros((0, 2), np.int64)


def _pairs_of(
    left: np.ndarray, right: np.ndarray, hashes: np.ndarray, others: np.ndarray, bits: int, byte: int
) -> Iterator[np.ndarray]:
    """The pairs of a block that share this byte and none before it."""
    differing = hashes[left][:, None] ^ others[right][None, :]
    a, b = np.nonzero(np.bitwise_count(differing) <= bits)
    i, j, differing = left[a], right[b], differing[a, b]
    new = i < j
    for before in range(byte):
        new &= (differing >> np.uint64(8 * before)).astype(np.uint8) != 0
    if new.any():
        yield np.stack([i[new], j[new]], axis=1)


class _Search:
    """Joins pairs that are alike, as a forest of groups; pairs of one group are not looked at again."""

    def __init__(self, found: Copies, small: Small) -> None:
        self.found, self.small = found, small
        self.parent = found.exact.copy()
        self.refused: dict[int, int] = {}

    def root(self, place: int) -> int:
        while (above := self.parent[place]) != place:
            self.parent[place] = self.parent[above]
            place = int(above)
        return int(place)

    def join(self, pairs: np.ndarray, flipped: bool) -> None:
        for i, j in pairs.tolist():
            first, second = sorted((self.root(i), self.root(j)))
            if first == second:
                continue
            if self.refused.get(i, 0) >= _MOST_REFUSED or self.refused.get(j, 0) >= _MOST_REFUSED:
                self.found.not_compared += 1
                continue
            if not self._alike(i, j, flipped):
                for place in (i, j):
                    self.refused[place] = self.refused.get(place, 0) + 1
                continue
            self.parent[second] = first
            newcomer, other = (j, i) if j not in self.found.partner else (i, j)
            self.found.partner[newcomer] = other
            if flipped:
                self.found.mirrored.add(newcomer)

    def _alike(self, i: int, j: int, flipped: bool) -> bool:
        try:
            one, other = self.small(i), self.small(j)
        except DataError:  # gone bad since it was looked at
            return False
        return alike(one, other[:, ::-1] if flipped else other)


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two images of grey pixels show the same: correlated at 0.96, of about one brightness and contrast."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    if abs(a.mean() - b.mean()) > _BRIGHTNESS or abs(a.std() - b.std()) > _BRIGHTNESS:
        return False
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum()) >= _ALIKE * float(np.sqrt((a * a).sum() * (b * b).sum()))
