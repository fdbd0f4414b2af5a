"""CTC decoding: from log-probabilities at every step to a text, by the best path or by prefix beam search.

Source: Graves, Fernandez, Gomez and Schmidhuber, Connectionist Temporal Classification, ICML 2006; prefix beam search
as in Hannun, Maas, Jurafsky and Ng 2014. A path names one id at every step; its text is what is left when repeated ids
are taken once and blanks are left out, so `aa-a` reads "aa". A text's probability is the sum over all paths that read
as it.

The blank is id 0, which is padding in a vocabulary. The loss is `torch.nn.functional.ctc_loss`, whose blank is 0 too.
Only NumPy is used here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecrnn.core.errors import EcrnnError

BLANK = 0
WIDTH = 10  # prefixes that a search keeps by default

Ids = tuple[int, ...]


def needed(ids: Sequence[int]) -> int:
    """The fewest steps in which a path can read as ``ids``: one an id, and a blank between equal neighbours.

    >>> needed([5, 6, 6, 7])
    5
    """
    return len(ids) + sum(before == after for before, after in pairwise(ids))


def greedy(log_probabilities: ArrayLike, lengths: ArrayLike) -> list[list[int]]:
    """The text of the likeliest path, which need not be the likeliest text.

    Args:
        log_probabilities: (B, T, V), float; logits do as well, since only their order at a step counts.
        lengths: (B,), int, steps of each that count, from 0 to T.

    Returns:
        The ids of each text, without blanks.

    >>> greedy(np.log([[[0.1, 0.9], [0.1, 0.9], [0.9, 0.1], [0.1, 0.9]]]), [4])
    [[1, 1]]
    """
    paths = np.asarray(log_probabilities).argmax(axis=2)  # (B, T)
    pairs = zip(paths, np.asarray(lengths), strict=True)
    return [[int(i) for i, _ in groupby(path[:length]) if i != BLANK] for path, length in pairs]


def beam(log_probabilities: ArrayLike, lengths: ArrayLike, width: int = WIDTH) -> list[list[int]]:
    """The likeliest text that prefix beam search finds; see `texts`.

    Args:
        log_probabilities: (B, T, V), float, normalised over V.
        lengths: (B,), int, steps of each that count, from 0 to T.
        width: prefixes kept from step to step, at least 1.

    Returns:
        The ids of each text, without blanks; none where no text has a probability, as after a step of NaN.

    Raises:
        EcrnnError: ``width`` is below 1.
    """
    pairs = zip(np.asarray(log_probabilities), np.asarray(lengths), strict=True)
    searches = [texts(steps[:length], width) for steps, length in pairs]
    return [list(found[0][0]) if found else [] for found in searches]


def texts(log_probabilities: ArrayLike, width: int = WIDTH) -> list[tuple[Ids, float]]:
    """Prefix beam search: the likeliest texts of one image, each with the logarithm of its probability.

    Of every prefix two sums over paths are carried on, of those that end with a blank and of those that end with the
    prefix's last id; only after a blank can the same id come again. After each step the ``width`` prefixes of the
    largest sums stay. The sums are exact where none was dropped, else bounds from below.

    Args:
        log_probabilities: (T, V), float, normalised over V; computed in float64. NaN counts as probability 0.
        width: prefixes kept from step to step, at least 1.

    Returns:
        (ids, log-probability) of at most ``width`` texts, the likeliest first, without such of probability 0.

    Raises:
        EcrnnError: ``width`` is below 1.

    >>> [(ids, round(float(np.exp(log)), 2)) for ids, log in texts(np.log([[0.6, 0.4], [0.6, 0.4]]))]
    [((1,), 0.64), ((), 0.36)]
    """
    if width < 1:
        raise EcrnnError(f"width of a beam search must be at least 1, got {width}")
    prefixes: list[Ids] = [()]
    blank, label = np.zeros(1), np.full(1, -np.inf)  # (K,), log sums of paths that end with a blank, with the last id
    steps = np.asarray(log_probabilities, np.float64)
    for step in np.where(np.isnan(steps), -np.inf, steps):  # (V,)
        prefixes, blank, label = _advance(prefixes, blank, label, step, width)
    return list(zip(prefixes, np.logaddexp(blank, label).tolist(), strict=True))


Sums = NDArray[np.float64]


def _advance(prefixes: list[Ids], blank: Sums, label: Sums, step: Sums, width: int) -> tuple[list[Ids], Sums, Sums]:
    """The ``width`` best prefixes after one more step, best first, and their two sums."""
    both = np.logaddexp(blank, label)  # (K,)
    last = np.array([ids[-1] if ids else BLANK for ids in prefixes], np.int64)  # (K,)
    some = last != BLANK  # all but the empty prefix
    stay_blank = both + step[BLANK]
    stay_label = np.where(some, label + step[last], -np.inf)  # the last id once more reads as one

    longer = both[:, None] + step  # (K, V), each prefix with one more id
    longer[some, last[some]] = blank[some] + step[last[some]]  # the same id counts again only after a blank
    longer[:, BLANK] = -np.inf
    place = {ids: k for k, ids in enumerate(prefixes)}
    for k, ids in enumerate(prefixes):
        if ids and (parent := place.get(ids[:-1])) is not None:  # one more id makes a prefix that is there already
            stay_label[k] = np.logaddexp(stay_label[k], longer[parent, ids[-1]])
            longer[parent, ids[-1]] = -np.inf

    all_blank = np.concatenate([stay_blank, np.full(longer.size, -np.inf)])
    all_label = np.concatenate([stay_label, longer.ravel()])
    sums = np.logaddexp(all_blank, all_label)
    best = np.argsort(-sums, kind="stable")[:width]
    best = best[sums[best] > -np.inf]
    kept = [_prefix(prefixes, int(at), len(step)) for at in best]
    return kept, all_blank[best], all_label[best]


def _prefix(prefixes: list[Ids], at: int, tokens: int) -> Ids:
    """The prefix at a place of `_advance`'s sums: first those that stay, then each with every id."""
    if at < len(prefixes):
        return prefixes[at]
    parent, more = divmod(at - len(prefixes), tokens)
    return (*prefixes[parent], more)
