"""The settings of a comparison, checked."""

from __future__ import annotations

from dataclasses import dataclass

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks
from ecrnn.stats.metrics import Metric

_SMALLEST_LEVEL = 1e-15  # 1 less than that is still another number than 1


@dataclass(frozen=True)
class Settings:
    """As of `ecrnn.stats.compare`, with the metric's own region of equivalence where none was given."""

    metric: Metric
    n_train: int
    n_test: int
    rope: float
    alpha: float
    seed: int
    fixed_test: bool
    noun: str
    difference: float | None


def checked(
    metric: Metric,
    n_train: int,
    n_test: int,
    rope: float | None,
    alpha: float,
    seed: int,
    fixed_test: bool,
    noun: str,
    difference: float | None,
) -> Settings:
    """The settings.

    Raises:
        EcrnnError: one of them is out of range.
    """
    alpha, rope = _checks.share("alpha", alpha), _checks.not_negative("rope", metric.rope if rope is None else rope)
    if alpha < _SMALLEST_LEVEL:
        raise EcrnnError(
            f"alpha must be at least {_SMALLEST_LEVEL:g}, below which nothing can be computed, got {alpha:g}"
        )
    n_train, n_test = _checks.whole("n_train", n_train), _checks.whole("n_test", n_test)
    if difference is not None:
        _checks.positive("difference", difference)
    return Settings(metric, n_train, n_test, rope, alpha, seed, fixed_test, noun, difference)
