"""The metrics by which trained models are judged, each a function of sums over examples.

Every example gives a few numbers, its statistics: (right, 1) for accuracy, (nats, characters) for bits, (edits, length)
for the character error rate, matches and lengths for BLEU. A metric over many examples is a function of their sums, so
the same examples pair two models, and resampling examples is adding other rows.

Values are fractions where a metric is shown in percent: BLEU 0.41, not 41.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: as files hold it: `validation_<name>` in metrics.jsonl, `last_<name>` in a manifest.
        title: as a report calls it.
        statistics: names of the numbers that each example gives.
        of_sums: from sums of the statistics (..., k) to values (...), float64.
        higher_is_better: False for errors and bits.
        scale: what a value is multiplied by to be shown; 100 for percent.
        unit: of a shown value, such as "%"; "" for none.
        points: of a shown difference, such as "points".
        rope: half the width of the region of practical equivalence, in values; see `ecrnn.stats.compare`.
        binary: each example is right or wrong, which some tests need.
        least, most: what a value can be at all; no interval goes beyond.
        places: digits after the point of a shown value; None: as `scale` says.
    """

    name: str
    title: str
    statistics: tuple[str, ...]
    of_sums: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    higher_is_better: bool
    scale: float
    unit: str
    points: str
    rope: float
    binary: bool = False
    least: float = -math.inf
    most: float = math.inf
    places: int | None = None

    @property
    def decimals(self) -> int:
        """Digits after the point of a shown value: a ten-thousandth of a value is shown, so two in percent."""
        if self.places is not None:
            return self.places
        return max(0, 4 - round(math.log10(self.scale)))

    @property
    def difference_unit(self) -> str:
        """What follows a shown difference, so that the metric is named: "points" (of accuracy), "points of BLEU"."""
        if not self.points:
            return f"of {self.title}"
        named = self.name == "accuracy" or self.points in self.title
        return self.points if named else f"{self.points} of {self.title}"

    def difference_of(self, size: str) -> str:
        """A shown size with its unit, in the singular where it is one: "0.5 points", "1 point"."""
        first, blank, rest = self.difference_unit.partition(" ")
        return f"{size} {first.removesuffix('s') if size == '1' else first}{blank}{rest}"

    @property
    def widest(self) -> float:
        """The largest difference that two values can have."""
        return self.most - self.least

    def value(self, statistics: ArrayLike) -> float:
        """The metric over examples.

        Args:
            statistics: (n, k), one row an example.

        Raises:
            EcrnnError: another shape, no examples, or numbers that are not finite or below 0.
        """
        return float(self.of_sums(self.checked(statistics).sum(axis=0)))

    def over_epochs(self, epochs: int) -> Metric:
        """The mean of this metric over several epochs: an example has the statistics of all of them, side by side."""
        if epochs == 1:
            return self
        return replace(
            self,
            statistics=self.statistics * epochs,
            of_sums=partial(_mean_over_parts, self.of_sums, epochs),
            binary=False,
        )

    def influence(self, statistics: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far each example moves the value: n - 1 times the value minus the value without it (the jackknife's).

        Of a mean such as accuracy it is the example minus the mean. Other metrics are as good as the mean of these
        where no single example weighs much.

        Args:
            statistics: (n, k), checked, one row an example.

        Returns:
            (n,), the mean is about 0.
        """
        sums = statistics.sum(axis=0)
        return (len(statistics) - 1) * (self.of_sums(sums) - self.of_sums(sums - statistics))

    def checked(self, statistics: ArrayLike, name: str = "statistics") -> NDArray[np.float64]:
        """``statistics`` as float64 (n, k); what `value` raises."""
        array = np.asarray(statistics, np.float64)
        if array.ndim != 2 or array.shape[1] != len(self.statistics) or len(array) == 0:
            wanted = f"(n, {len(self.statistics)}): {', '.join(self.statistics)}"
            raise EcrnnError(f"{name} of {self.title} should have the shape {wanted}, got {array.shape}")
        _checks.vector(name, array.ravel())
        if (array < 0).any():
            raise EcrnnError(f"{name} of {self.title} must not be negative")
        return array

    def shown(self, value: float) -> str:
        """``value`` as people read it, without its unit: "73.25", "2.1043"."""
        return f"{self.scale * value:.{self.decimals}f}"

    def measured(self, value: float) -> str:
        """``value`` with its unit, or what it is: "73.25 %", "2.1043 bits", "41.30 BLEU"."""
        return f"{self.shown(value)} {self.unit or self.title}"

    def better(self, a: float, b: float) -> bool:
        """Whether the value ``a`` is better than ``b``."""
        return a > b if self.higher_is_better else a < b


def _mean_over_parts(
    of_sums: Callable[[NDArray[np.float64]], NDArray[np.float64]], parts: int, sums: NDArray[np.float64]
) -> NDArray[np.float64]:
    return of_sums(sums.reshape(*sums.shape[:-1], parts, -1)).mean(axis=-1)


def _ratio(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first sum divided by the second; 0 of 0 is 0."""
    above, below = sums[..., 0], sums[..., 1]
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _bits(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return _ratio(sums) / math.log(2)


def bleu_of_sums(sums: NDArray[np.float64], order: int = 4) -> NDArray[np.float64]:
    """BLEU (Papineni et al. 2002) from sums of n-gram matches, n-grams given, and lengths.

    Args:
        sums: (..., 10): matches of 1- to 4-grams, 1- to 4-grams of the hypotheses, length of the hypotheses, length of
            the references (of each sentence's nearest in length).
        order: longest n-grams that count, 1 to 4.

    Returns:
        (...), between 0 and 1; 0 where no n-gram of some length matches (no smoothing).

    Raises:
        EcrnnError: an order outside 1 to 4.
    """
    if order not in (1, 2, 3, 4):
        raise EcrnnError(f"order must be from 1 to 4, got {order}")
    matches, ngrams = sums[..., :order], sums[..., 4 : 4 + order]
    hypothesis, reference = sums[..., 8], sums[..., 9]
    some = (matches > 0).all(axis=-1)
    precision = np.divide(matches, ngrams, out=np.ones_like(matches), where=matches > 0)
    mean = np.exp(np.log(precision).mean(axis=-1))
    short = np.divide(reference, hypothesis, out=np.ones_like(reference), where=hypothesis > 0)
    return np.where(some, mean * np.exp(np.minimum(0.0, 1.0 - short)), 0.0)


ACCURACY = Metric("accuracy", "accuracy", ("right", "n"), _ratio, True, 100.0, "%", "points", 0.005, True, 0.0, 1.0)
BITS = Metric("bits", "bits a character", ("nats", "characters"), _bits, False, 1.0, "bits", "bits", 0.01, least=0.0)
BLEU = Metric(
    "bleu",
    "BLEU",
    (*(f"matches_{n}" for n in (1, 2, 3, 4)), *(f"given_{n}" for n in (1, 2, 3, 4)), "hypothesis", "reference"),
    bleu_of_sums,
    True,
    100.0,
    "",
    "points",
    0.005,
    least=0.0,
    most=1.0,
)
CER = Metric(
    "cer", "character error rate", ("edits", "characters"), _ratio, False, 100.0, "%", "points", 0.005, least=0.0
)

#: Others that are shown beside these: BLEU of shorter n-grams, errors counted in words, texts without any error, nats.
BLEU_1, BLEU_2, BLEU_3 = (
    replace(BLEU, name=f"bleu_{n}", title=f"BLEU-{n}", of_sums=partial(bleu_of_sums, order=n)) for n in (1, 2, 3)
)
NATS = replace(BITS, name="nats", title="nats a character", of_sums=_ratio, unit="nats", points="nats")
WHOLE = replace(ACCURACY, name="whole", title="whole texts right")
WER = replace(CER, name="wer", title="word error rate", statistics=("edits", "words"))

METRICS = {metric.name: metric for metric in (ACCURACY, BITS, BLEU, CER)}
