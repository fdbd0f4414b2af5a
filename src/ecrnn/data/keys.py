"""Keys of examples: 8 bytes of a hash of what a model is given, by which an example is recognised wherever it lies.

Names, folders, labels, classes and the kind of file play no part: an image is its pixels in the size and the channels
that a model takes, a text is its words. A long text has about sixteen keys a block, at places chosen by what stands
there, so that its blocks are recognised where something was put in front of them.

Beside its key an image has a look: 64 comparisons of neighbours among 9 by 8 parts of it in grey, few of which turn
when it is saved again with losses. Looks do not tell the images of every data set apart, digits least of all, so
they are reported and decide nothing.

Two different examples have the same key with probability 2 ** -64: among 50,000 examples that were trained on and
10,000 others, a mistake has a chance of 3 in 10 ** 11.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ecrnn.core.spelling import nfc

_WINDOW = 32  # characters that a key of a long text covers
_EVERY = 16  # of its places one has a key, of short blocks more
_ONES = np.array([value.bit_count() for value in range(256)], np.uint8)
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, of Fibonacci hashing


class Keys(NamedTuple):
    """Keys of the examples of a data set.

    Attributes:
        keys: uint64 (K,); most examples have one.
        owners: int64 (K,), the example that each key is of, ascending.
        total: number of examples.
        looks: of images, uint64 (total,); of other examples empty.
    """

    keys: np.ndarray
    owners: np.ndarray
    total: int
    looks: np.ndarray = np.zeros(0, np.uint64)

    def known(self, among: np.ndarray) -> np.ndarray:
        """Which examples have more than half of their keys in ``among`` (sorted, uint64): bool (total,)."""
        found = np.zeros(len(self.keys), bool)
        if len(among):
            places = np.minimum(np.searchsorted(among, self.keys), len(among) - 1)
            found = among[places] == self.keys
        of_all = np.bincount(self.owners, minlength=self.total)
        return 2 * np.bincount(self.owners, found, minlength=self.total) > of_all

    def repeated(self, index: np.ndarray) -> int:
        """How many of the examples ``index`` are the same as an earlier one; 0 where examples have several keys."""
        return len(index) - len(np.unique(self.keys[index])) if len(self.keys) == self.total else 0

    def contradicting(self, labels: np.ndarray) -> int:
        """How many examples are the same as one with another label; 0 where examples have several keys."""
        if len(self.keys) != self.total:
            return 0
        _, same = np.unique(self.keys, return_inverse=True)
        labels_of = np.bincount(np.unique(np.stack([same, labels]), axis=1)[0])
        return int((labels_of[same] > 1).sum())

    def of(self, index: np.ndarray) -> np.ndarray:
        """The keys of some examples, sorted, each once: uint64."""
        wanted = np.zeros(self.total, bool)
        wanted[index] = True
        return np.unique(self.keys[wanted[self.owners]])


def of_arrays(arrays: Iterable[np.ndarray]) -> Keys:
    """The keys of images or clips: one each, of shape and bytes."""
    return _one_each(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes() for array in arrays)


def of_images(images: np.ndarray) -> Keys:
    """The keys and looks of images, uint8 (N, H, W, C)."""
    return of_arrays(images)._replace(looks=np.array([_look(image) for image in images], np.uint64))


def _look(image: np.ndarray) -> int:
    from PIL import Image

    grey = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("L")
    parts = np.asarray(grey.resize((9, 8), Image.Resampling.BOX))
    return int.from_bytes(np.packbits(parts[:, 1:] > parts[:, :-1]).tobytes(), "little")


def nearest_looks(looks: np.ndarray, among: np.ndarray) -> np.ndarray:
    """In how many of the 64 comparisons each look differs from the most similar one ``among`` others: int64 (n,)."""
    nearest = np.full(len(looks), 64)
    for i, look in enumerate(looks if len(among) else ()):
        nearest[i] = _ONES[(among ^ look).view(np.uint8)].reshape(-1, 8).sum(axis=1).min()
    return nearest


def of_texts(texts: Iterable[str]) -> Keys:
    """The keys of short texts: one each, of its words composed (NFC), however they are spaced."""
    return _one_each(" ".join(nfc(text).split()).encode() for text in texts)


def _one_each(contents: Iterable[bytes]) -> Keys:
    keys = np.array([_hash(content) for content in contents], np.uint64)
    return Keys(keys, np.arange(len(keys)), len(keys))


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def of_blocks(parts: Iterable[str], length: int) -> Keys:
    """The keys of the blocks of a long text.

    Args:
        parts: the text of each part, which begins with a block and holds whole blocks of ``length`` characters.
        length: of a block.
    """
    keys: list[np.ndarray] = []
    owners: list[np.ndarray] = []
    before = 0
    every = min(_EVERY, 1 << (max(1, length // 16).bit_length() - 1))  # a power of two: about 16 keys a block
    for text in parts:
        blocks = len(text) // length
        hashes = _windows(text)
        places = np.flatnonzero(hashes >> np.uint64(40) & np.uint64(every - 1) == 0)
        owner = places // length
        places, owner = places[owner < blocks], owner[owner < blocks]
        bare = np.setdiff1d(np.arange(blocks), owner)  # of a block without such a place the key is that of the block
        whole = [_hash(text[i * length : (i + 1) * length].encode()) for i in bare]
        owner_of_key = np.concatenate([owner, bare])
        order = np.argsort(owner_of_key, kind="stable")
        keys.append(np.concatenate([hashes[places], np.array(whole, np.uint64)])[order])
        owners.append(owner_of_key[order] + before)
        before += blocks
    return Keys(np.concatenate(keys), np.concatenate(owners).astype(np.int64), before)


def _windows(text: str) -> np.ndarray:
    """A hash of the `_WINDOW` characters from each place on, uint64; none for a shorter text."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    count = max(0, len(codes) - _WINDOW + 1)
    hashes = np.zeros(count, np.uint64)
    with np.errstate(over="ignore"):
        for i in range(_WINDOW):
            hashes = hashes * _BASE + codes[i : i + count]
            hashes ^= hashes >> np.uint64(29)
        hashes *= np.uint64(0xBF58476D1CE4E5B9)
    return hashes ^ (hashes >> np.uint64(32))
