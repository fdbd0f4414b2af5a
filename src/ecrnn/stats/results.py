"""What a comparison gives, as plain data: models, pairs, and all of them together.

A difference is model_a minus model_b everywhere, in values of the metric: fractions for accuracy, where positive means
that model_a is better; where lower is better (bits, errors), negative does. Verdicts and probabilities are about
model_a; their sign never flips. ``json.dumps(dataclasses.asdict(comparison), allow_nan=False)`` always
works.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecrnn.stats.bayes import Posterior
from ecrnn.stats.intervals import Interval, Summary
from ecrnn.stats.mcnemar import ImageTest, McNemar
from ecrnn.stats.metrics import ACCURACY
from ecrnn.stats.paired import PairedT
from ecrnn.stats.verdicts import Verdict


@dataclass(frozen=True)
class ModelScores:
    """One model: the repeats it has finished, the metric over the examples of each, their summary (None without).

    ``failed`` are the repeats in which its training failed, and ``failure`` is their share of those that ended, with
    Clopper and Pearson's interval (None where none failed): all else is of trainings that succeeded. ``trainings`` are
    those that succeeded, where a repeat has several; None: as many as repeats.
    """

    model: str
    repeats: tuple[int, ...]
    scores: tuple[float, ...]
    summary: Summary | None
    failed: tuple[int, ...] = ()
    failure: Interval | None = None
    trainings: int | None = None


@dataclass(frozen=True)
class Pair:
    """Two models on the repeats that both have finished; a difference is model_a minus model_b.

    ``difference`` and ``probability`` (of model_a being better) are None without a shared repeat. ``test`` and what
    rests on it need two repeats, ``verdict`` three. ``p_equivalent`` is that of two one-sided tests
    (`ecrnn.stats.equivalence`); ``p_holm`` and ``p_equivalent_holm`` are adjusted over all pairs. ``test`` is the one
    that the verdict stands on: the corrected resampled t, and the crossed t on a fixed test set, where it needs scores
    of single examples. ``crossed`` and ``crossed_p_holm`` are the crossed t of random splits, shown beside it, which
    needs to know which example is which. ``image_test`` is the paper's, None for scores other than right and wrong.
    ``image_interval``, a bootstrap over the examples, is there only for one trained model each on a fixed test set,
    ``mcnemar`` too if the scores are right and wrong.

    ``smallest_detectable`` and ``repeats_needed``, of the difference that was named, stand for power 0.8 at alpha
    divided by the number of pairs, the hardest step of Holm's adjustment. ``smallest_detectable`` is None also where no
    difference that the metric can have is as large, ``repeats_needed`` also where no number of repeats is enough, or
    where no difference was named.
    """

    model_a: str
    model_b: str
    repeats: tuple[int, ...]
    difference: float | None = None
    test: PairedT | None = None
    p_holm: float | None = None
    p_equivalent: float | None = None
    p_equivalent_holm: float | None = None
    crossed: PairedT | None = None
    crossed_p_holm: float | None = None
    probability: Interval | None = None
    posterior: Posterior | None = None
    verdict: Verdict | None = None
    image_test: ImageTest | None = None
    smallest_detectable: float | None = None
    repeats_needed: int | None = None
    mcnemar: McNemar | None = None
    image_interval: Interval | None = None
    sentence: str = ""


@dataclass(frozen=True)
class Contrast:
    """The mean over the models of ``plus`` against that over ``minus``, compared like two models.

    ``pair`` is of the repeats that all of them have finished; its p are adjusted over the contrasts alone.
    """

    name: str
    plus: tuple[str, ...]
    minus: tuple[str, ...]
    pair: Pair


@dataclass(frozen=True)
class Comparison:
    """All models in the order given, all pairs, the settings, and what a reader must be told.

    ``repeats`` are the numbers of all repeats that any model has finished, ``metric`` is the name of one in
    `ecrnn.stats.metrics.METRICS` or `ecrnn.stats.class_scores.CLASS_SCORES`. ``named_difference`` is the one that
    ``repeats_needed`` of the pairs is of.
    """

    models: tuple[ModelScores, ...]
    pairs: tuple[Pair, ...]
    n_train: int
    n_test: int
    repeats: tuple[int, ...]
    rope: float
    alpha: float
    baseline: str | None
    fixed_test: bool
    warnings: tuple[str, ...]
    metric: str = ACCURACY.name
    named_difference: float | None = None
    contrasts: tuple[Contrast, ...] = ()
