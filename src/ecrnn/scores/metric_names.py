"""The metrics of other tools: what the name of a column says of its values, or else what must be asked."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecrnn.core.errors import EcrnnError, SettingsError
from ecrnn.stats import ACCURACY, CLASS_SCORES, METRICS, Metric

_LONGEST = 64
_MOST_PLACES = 18  # digits after the point
# Names without what tools put before and after them ("val_", "test/", "classif.", "_score").
_BEFORE = re.compile(
    r"(?:(?:test|val|valid|validation|eval|dev|holdout|classif|regr|surv|metrics|final|mean)[._/ -]+)+"
)
_AFTER = re.compile(r"[._ -](?:score|test|val|macro|micro|weighted|samples|ovr|ovo)$")
_SHARES = frozenset(
    [
        "score",
        "accuracy",
        "acc",
        "f1",
        "precision",
        "recall",
        "sensitivity",
        "specificity",
        "auc",
        "roc_auc",
        "auroc",
        "prauc",
        "average_precision",
        "balanced_accuracy",
        "balacc",
        "bacc",
        "jaccard",
        "iou",
        "miou",
        "dice",
        "map",
        "top1",
        "top5",
        "top1_acc",
        "top5_acc",
        "clacc",
        "bleu",
        "em",
        "exact_match",
    ]
)
_SHARES_OF_ERRORS = frozenset(["error", "err", "error_rate", "ce", "mmce", "bbrier", "brier", "eer"])
_HIGHER = frozenset(
    ["r2", "rsq", "kappa", "mcc", "matthews_corrcoef", "ndcg", "return", "reward", "cindex", "ari", "ami", "mi", "elo"]
)
_LOWER = frozenset(
    [
        "loss",
        "log_loss",
        "logloss",
        "nll",
        "cross_entropy",
        "mse",
        "rmse",
        "mae",
        "mape",
        "medae",
        "max_error",
        "bits",
        "nats",
        "perplexity",
        "ppl",
        "wer",
        "cer",
        "deviance",
        "brier_loss",
        "fid",
    ]
)
_WORST = re.compile(r"(?:^|_)(?:loss|error|err|rmse|mse|mae)(?:_|$)")


def metric_of(column: str, *, lower_is_better: bool | None = None, percent: bool = False) -> Metric:
    """The metric that a column of scores holds.

    A share (accuracy, F1, error rates) lies between 0 and 1 and is shown in percent; others have no bounds, are shown
    as they are, and have no region of practical equivalence unless one is named.

    Args:
        column: its name.
        lower_is_better: what the user says; None: what the name says.
        percent: whether its values stand in percent, so that it is a share.

    Raises:
        EcrnnError: the name does not say whether a higher value is better, or is no name.
    """
    if not column.strip() or len(column) > _LONGEST:
        raise EcrnnError(f"the name of a score has 1 to {_LONGEST} characters, not {len(column)}")
    known = {**METRICS, **CLASS_SCORES}.get(column)
    if known is not None and lower_is_better in (None, not known.higher_is_better):
        return known
    plain = plain_name(column)
    lower = lower_is_better
    if lower is None:
        lower = _lower(plain)
    if lower is None:
        raise SettingsError(
            "metric", f"'{column}' does not say whether higher is better; add --higher-is-better or --lower-is-better"
        )
    title = column.strip().replace("_", " ")
    if percent or plain in _SHARES or plain in _SHARES_OF_ERRORS:
        return replace(
            ACCURACY,
            name=column,
            title=title,
            statistics=(),
            of_sums=_no_sums,
            higher_is_better=not lower,
            points="points",
            binary=False,
        )
    return Metric(column, title, (), _no_sums, not lower, 1.0, "", title, 0.0, False, -math.inf, math.inf)


def with_places(metric: Metric, values: Sequence[float]) -> Metric:
    """The metric of these scores, shown with so many digits that the largest has four; shares and ours stay."""
    largest = max((abs(value) for value in values), default=0.0)
    if metric.name in METRICS or metric.most < math.inf or largest == 0:
        return metric
    return replace(metric, places=min(max(metric.decimals, 3 - math.floor(math.log10(largest))), _MOST_PLACES))


def is_known(column: str) -> bool:
    """Whether the name is that of a metric."""
    return column in METRICS or column in CLASS_SCORES or _lower(plain_name(column)) is not None


def plain_name(column: str) -> str:
    """The name of a metric without what tools put around it: "val/F1-macro" is "f1"."""
    name = _BEFORE.sub("", column.strip().lower(), count=1) if _BEFORE.match(column.strip().lower()) else column.lower()
    name = name.strip()
    while _AFTER.search(name):
        name = _AFTER.sub("", name)
    return re.sub(r"[\s./-]+", "_", name)


def _lower(plain: str) -> bool | None:
    """Whether lower is better, as the plain name says; None where it says nothing."""
    if plain.startswith("neg_"):  # scikit-learn turns losses round
        return False
    if plain in _SHARES or plain in _HIGHER:
        return False
    if plain in _LOWER or plain in _SHARES_OF_ERRORS or _WORST.search(plain):
        return True
    return None


def _no_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    raise EcrnnError("scores from elsewhere are no functions of sums over examples")
