"""Answers that a classifier had better not give: below which probability it abstains, from its validation examples.

A bundle keeps in `metrics.json`, for some shares, the probability of the most probable class below which that share of
the validation examples lies. Of n of them and a share s it is the k-th smallest, k = floor(s (n + 1)): an example that
is drawn like them lies below it with a probability of at most s, whatever the model (a conformal quantile; Vovk,
Gammerman and Shafer 2005). It says nothing of examples of another kind, which may well get a high probability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecrnn.core.errors import BundleError, EcrnnError
from ecrnn.core.predictions import Predictions
from ecrnn.models.inference import softmax
from ecrnn.stats import Interval, wilson

SHARES = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
KEPT = "kept_rejection"  # where a table that was made after the training stands, with the name of its data
_MOST = 10**12  # examples


@dataclass(frozen=True)
class Rejection:
    """What a share means for a model.

    Attributes:
        share: of the validation examples that is rejected, at most.
        threshold: probability below which an answer is rejected.
        n: validation examples.
        kept: of them those that are not rejected.
        right: of those kept the ones whose most probable class is the true one.
    """

    share: float
    threshold: float
    n: int
    kept: int
    right: int

    @property
    def accuracy(self) -> Interval:
        """Of the examples that are kept, with Wilson's interval."""
        return wilson(self.right, self.kept)


def rejection_table(predictions: Predictions, seen: np.ndarray | None = None) -> list[dict[str, Any]]:
    """What a bundle keeps: a row for each share of `SHARES` that so many examples can tell.

    Args:
        predictions: those of the bundle's weights for the validation examples.
        seen: indices of examples that are left out, as the weights were trained on them.
    """
    new = np.isin(predictions.index, [] if seen is None else seen, invert=True)
    sure, correct = softmax(predictions.logits[new]).max(axis=1), predictions.correct[new]
    n = len(sure)
    ordered = np.sort(sure)
    rows = []
    for share in SHARES:
        place = math.floor(share * (n + 1) + 1e-9)
        if place < 1:
            continue
        threshold = float(ordered[place - 1])
        kept = sure >= threshold
        hits = int(correct[kept].sum())
        rows.append({"share": share, "threshold": threshold, "n": n, "kept": int(kept.sum()), "right": hits})
    return rows


def rejection(metrics: dict[str, Any], share: float) -> Rejection:
    """Below which probability a model abstains.

    Args:
        metrics: of its bundle, which may come from anywhere.
        share: of examples like its validation examples that may be rejected; the largest that the bundle has up to it
            is taken.

    Raises:
        EcrnnError: the bundle has none so small.
        BundleError: the bundle has none at all, or they are not as they should be.
    """
    kept = metrics.get(KEPT)
    rows = kept.get("rows") if isinstance(kept, dict) else metrics.get("rejection")
    if rows is None:
        raise BundleError(
            "the bundle does not say which probabilities its validation examples got, as those of earlier versions and "
            "of other tasks; 'ecrnn evaluate BUNDLE DATA --write-rejection' takes them of examples that it has not seen"
        )
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows[:100]):
        raise BundleError("metrics.json: rejection should be a list of objects")
    found = [_checked(row) for row in rows[:100]]
    known = [row for row in found if row.share <= share]
    if not known:
        shares = ", ".join(f"{row.share:g}" for row in found) or "none"
        n = found[0].n if found else "too few"
        raise EcrnnError(f"{share:g} is too small a share for {n} validation examples; the bundle has {shares}")
    return max(known, key=lambda row: row.share)


def _checked(row: dict[str, Any]) -> Rejection:
    """A row of a file that may come from anywhere."""
    share, threshold = row.get("share"), row.get("threshold")
    n, kept, hits = (row.get(name) for name in ("n", "kept", "right"))
    fractions = isinstance(share, float) and isinstance(threshold, float) and 0 < share < 1 and 0 <= threshold <= 1
    counts = type(n) is int and type(kept) is int and type(hits) is int
    if not (fractions and counts and 0 <= hits <= kept <= n <= _MOST and kept > 0):  # type: ignore[operator]
        raise BundleError(f"metrics.json: rejection has a row that cannot be: {str(row)[:100]}")
    return Rejection(share, threshold, n, kept, hits)  # type: ignore[arg-type]
