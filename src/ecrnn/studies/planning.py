"""What a study will cost before anything is trained: trainings and hours of the fixed and of the sequential design.

The cost of a training is extrapolated, see `ecrnn.studies.training_time`. What the designs find is simulated for the
difference that the user names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ecrnn.core.config import StudySettings
from ecrnn.core.devices import resolve
from ecrnn.core.errors import EcrnnError, SettingsError
from ecrnn.core.events import Message, Progress, silent
from ecrnn.core.seeds import trial_seed
from ecrnn.data.image_set import ImageSet
from ecrnn.models.names import common_task
from ecrnn.models.own_check import check_models
from ecrnn.models.spec import check
from ecrnn.stats import Metric, SequentialPlan, simulate_plan, usual_looks
from ecrnn.stats._pairs import chosen
from ecrnn.stats.class_scores import metric_for
from ecrnn.stats.sequential_designs import fixed, least_repeats
from ecrnn.studies.settings import models_of
from ecrnn.studies.tasks import prepare
from ecrnn.studies.training_time import ModelTime, time_training
from ecrnn.studies.trials import load, split_of

POWER = 0.8
STUDIES = 4000  # that are simulated for each figure
_DISAGREE = 0.22  # share of the validation images of results/why that one of two networks gives the right class alone
_N_TEST = 15_000  # of them in each repeat
_SD = {1: 0.0099, 3: 0.0060}  # by epochs of the score: median over the 36 pairs of results/why
_SOURCE = "{points} points of the 36 pairs of results/why (CIFAR-10, {score}; median), widened to {n:,} examples"


@dataclass(frozen=True)
class Design:
    """What a design of ``repeats`` at the most costs and finds.

    Attributes:
        repeats: number of repeats of each model, at the most.
        found: probability that a pair with the named difference gets its "better".
        trainings, hours: mean, where the difference is the named one.
        trainings_equal, hours_equal: mean, where there is none.
        most_trainings, most_hours: if no pair is decided before the end.
    """

    repeats: int
    found: float
    trainings: float
    hours: float
    trainings_equal: float
    hours_equal: float
    most_trainings: int
    most_hours: float


@dataclass(frozen=True)
class StudyPlan:
    """The two designs, with as many repeats as were asked for and with as many as find the difference.

    ``difference``, ``sd`` (of a pair's differences between repeats) and ``rope`` are in values of the metric. The named
    difference is that of ``differing`` to all other models, which are taken to be equal. ``enough_fixed`` and
    ``enough_sequential`` find it with probability ``power``; None: no number of repeats up to 60 does.
    """

    data: str
    models: tuple[ModelTime, ...]
    pairs: tuple[tuple[str, str], ...]
    differing: str
    n_train: int
    n_test: int
    metric: str
    difference: float
    sd: float
    sd_source: str
    rope: float
    alpha: float
    power: float
    fixed: Design
    sequential: Design
    enough_fixed: Design | None
    enough_sequential: Design | None


def plan_study(
    settings: StudySettings,
    *,
    difference: float,
    sd: float | None = None,
    arrays: ImageSet | None = None,
    progress: Progress = silent,
) -> StudyPlan:
    """Time a part of an epoch of each model, and simulate both designs.

    Args:
        settings: settings of the study; ``settings.repeats`` is the most that each model is trained, and its baseline
            or pairs are what is compared.
        difference: true difference that would matter, in values of the metric, above 0.
        sd: standard deviation of the differences of two models between repeats; None: `default_sd`.
        arrays: the examples, where they are no data set by name and no folder.
        progress: called with what is loaded and timed.

    Raises:
        EcrnnError: wrong names, data or settings; a split that has no repeats; or no default for ``sd``.
    """
    if settings.seeds_per_split > 1:
        raise SettingsError(
            "seeds_per_split", "a plan is of one training a split; docs/statistics.md has what more buy"
        )
    models = models_of(settings)
    task = common_task(models)
    metric = metric_for(task, settings.metric)
    if not (math.isfinite(difference) and difference > 0):
        raise EcrnnError(f"difference must be above 0, got {difference:g}")
    data = load(settings, progress) if arrays is None else arrays
    split = split_of(data, settings, settings.first_repeat)
    if split.kind == "own":
        raise EcrnnError("a plan needs random splits or folds (--split 0.7, --split 5-fold), not the data's own part")
    pairs = chosen([str(model) for model in models], settings.baseline, settings.pairs)
    if not pairs:
        raise EcrnnError("a plan compares models, and needs at least two; name them with --models")
    processor = prepare(task, data, split, settings)
    check(processor.sizes, *models)
    check_models(processor.sizes, *models)
    n_train, n_test = len(split.train), len(split.validation)
    source = "given"
    if sd is None:
        sd, source = default_sd(metric, n_test, settings.score_epochs)
    rope = metric.rope if settings.rope is None else settings.rope
    most = SequentialPlan(usual_looks(settings.repeats), n_train, n_test, rope)  # fails now rather than after timing
    times = []
    for model in models:
        training = resolve(settings.of_trial(str(model), 0).training)
        timed = time_training(model, data, split, processor, training, trial_seed(settings.seed, 0))
        times.append(timed)
        progress(Message(f"{model}: {timed.steps} of {timed.steps_an_epoch} steps of an epoch timed"))
    differing = settings.baseline or pairs[-1][0]
    designs = _Designs(most, times, pairs, differing, difference, sd)
    enough_fixed, enough_sequential = designs.enough()
    return StudyPlan(
        data=data.name,
        models=tuple(times),
        pairs=tuple(pairs),
        differing=differing,
        n_train=n_train,
        n_test=n_test,
        metric=metric.name,
        difference=difference,
        sd=sd,
        sd_source=source,
        rope=rope,
        alpha=most.alpha,
        power=POWER,
        fixed=designs.of(settings.repeats, sequential=False),
        sequential=designs.of(settings.repeats, sequential=True),
        enough_fixed=enough_fixed,
        enough_sequential=enough_sequential,
    )


def default_sd(metric: Metric, n_test: int, score_epochs: int = 1) -> tuple[float, str]:
    """The standard deviation of a difference between repeats that is taken where none is named, and its source.

    Fewer validation examples widen it: a share d of examples on which two networks differ adds d / n_test to the
    variance.

    Raises:
        EcrnnError: the metric is not accuracy, of which alone there is a study.
    """
    if metric.name != "accuracy":
        line = f"the SD of differences of {metric.title} between repeats is not known beforehand"
        raise EcrnnError(f"{line}; give --sd, from the report of an earlier study ('Evidence behind the verdicts')")
    epochs = 3 if score_epochs >= 3 else 1
    known = _SD[epochs]
    score = "mean of the last three epochs" if epochs == 3 else "last epoch"
    sampling = _DISAGREE * (1 / n_test - 1 / _N_TEST)
    sd = math.sqrt(max(known**2 + sampling, _DISAGREE / n_test))
    return sd, _SOURCE.format(score=score, points=f"{100 * known:.2f}", n=n_test)


class _Designs:
    """Designs of one study: costs of its models, and what its pairs would show."""

    def __init__(
        self,
        plan: SequentialPlan,
        times: Sequence[ModelTime],
        pairs: Sequence[tuple[str, str]],
        differing: str,
        difference: float,
        sd: float,
    ) -> None:
        names = [time.model for time in times]
        self.plan, self.sd = plan, sd
        self.hours = [time.seconds / 3600 for time in times]
        self.pairs = [(names.index(a), names.index(b)) for a, b in pairs]
        self.compared = {model for pair in self.pairs for model in pair}
        self.means = [difference * (name == differing) for name in names]

    def of(self, repeats: int, *, sequential: bool) -> Design:
        """The design with so many repeats at the most."""
        plan = replace(self.plan, looks=usual_looks(repeats))
        plan = plan if sequential else fixed(plan)
        there, none = (
            simulate_plan(plan, means, self.pairs, sd=self.sd, studies=STUDIES)
            for means in (self.means, [0.0] * len(self.means))
        )
        return Design(
            repeats,
            there.found or 0.0,
            there.trainings,
            self._hours(there.repeats),
            none.trainings,
            self._hours(none.repeats),
            repeats * len(self.compared),
            repeats * math.fsum(self.hours[model] for model in self.compared),
        )

    def enough(self) -> tuple[Design | None, Design | None]:
        """The fixed and the sequential design that find the difference with probability `POWER`."""
        needed = least_repeats(self.plan, self.means, self.pairs, sd=self.sd, power=POWER)
        fixed_one, sequential = (
            None if repeats is None else self.of(repeats, sequential=sequential)
            for repeats, sequential in zip(needed, (False, True), strict=True)
        )
        return fixed_one, sequential

    def _hours(self, repeats: Sequence[float]) -> float:
        return math.fsum(count * hours for count, hours in zip(repeats, self.hours, strict=True))
