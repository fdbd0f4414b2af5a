"""What a study will cost before anything is trained: trainings and hours of the fixed and of the sequential design.

The cost of a training is extrapolated, see `ecrnn.studies.training_time`. What the designs find is simulated for the
difference that the user names. With several seeds a split the repeats of a design are splits, whose scores are means:
their spread is made of the variances of seed and split, see `ecrnn.studies.spread`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scipy import special

from ecrnn.core.config import StudySettings
from ecrnn.core.devices import resolve
from ecrnn.core.epoch_lines import LARGEST
from ecrnn.core.errors import EcrnnError
from ecrnn.core.events import Message, Progress, silent
from ecrnn.core.files import path_of
from ecrnn.core.seeds import trial_seed
from ecrnn.data.image_set import ImageSet
from ecrnn.models.names import common_task
from ecrnn.models.own_check import check_models
from ecrnn.models.spec import check
from ecrnn.stats import SequentialPlan, simulate_plan, usual_looks
from ecrnn.stats._pairs import chosen
from ecrnn.stats.class_scores import metric_for
from ecrnn.stats.sequential_designs import fixed, least_repeats
from ecrnn.studies.settings import models_of
from ecrnn.studies.spread import default_spread, given_spread, spread_of
from ecrnn.studies.tasks import on_cpu, prepare
from ecrnn.studies.training_time import ModelTime, time_training
from ecrnn.studies.trials import load, split_of

POWER = 0.8
STUDIES = 4000  # that are simulated for each figure


@dataclass(frozen=True)
class Design:
    """What a design of ``repeats`` at the most costs and finds.

    Attributes:
        repeats: number of repeats of each model, at the most; with several seeds a split, of splits.
        found: probability that a pair with the named difference gets its "better".
        trainings, hours: mean, where the difference is the named one.
        trainings_equal, hours_equal: mean, where there is none.
        most_trainings, most_hours: if no pair is decided before the end.
        half_width: of the interval of a difference after all repeats: how far from 0 it must be found to be told apart,
            for one pair. Of the sequential design it is the repeated one.
    """

    repeats: int
    found: float
    trainings: float
    hours: float
    trainings_equal: float
    hours_equal: float
    most_trainings: int
    most_hours: float
    half_width: float


@dataclass(frozen=True)
class StudyPlan:
    """The two designs, with as many repeats as were asked for and with as many as find the difference.

    ``difference``, ``sd`` (of a pair's differences between repeats) and ``rope`` are in values of the metric. The named
    difference is that of ``differing`` to all other models, which are taken to be equal. With several seeds a split
    ``sd`` is of the means over the seeds, and ``seed_share`` is what the seed has of the variance of one training's
    difference. ``enough_fixed`` and
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
    seeds_per_split: int
    seed_share: float
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
    variances: str | Path | None = None,
    arrays: ImageSet | None = None,
    progress: Progress = silent,
) -> StudyPlan:
    """Time a part of an epoch of each model, and simulate both designs.

    Args:
        settings: settings of the study; ``settings.repeats`` is the most that each model is trained, and its baseline
            or pairs are what is compared. Its repeats are trainings, ``seeds_per_split`` of them on each split.
        difference: true difference that would matter, in values of the metric, above 0.
        sd: standard deviation of the differences of two models between trainings on splits of their own; None:
            `ecrnn.studies.spread.default_spread`.
        variances: folder of a finished study, whose variances of differences are taken, in place of ``sd``.
        arrays: the examples, where they are no data set by name and no folder.
        progress: called with what is loaded and timed.

    Raises:
        EcrnnError: wrong names, data or settings; a split that has no repeats; or no default for ``sd``.
    """
    if sd is not None and variances is not None:
        raise EcrnnError("give an sd or a study whose variances are taken, not both")
    models = models_of(settings)
    task = common_task(models)
    metric = metric_for(task, settings.metric)
    if not (math.isfinite(difference) and difference > 0):
        raise EcrnnError(f"difference must be above 0, got {difference:g}")
    for value, what in ((difference, "differ by"), (sd or 0.0, "differ with an SD of")):
        if value > (most_apart := min(metric.widest, LARGEST)):
            shown, at_most = (f"{metric.scale * one:g}" for one in (value, most_apart))
            raise EcrnnError(f"no two models {what} {metric.difference_of(shown)}, at most {at_most}")
    data = load(settings, progress) if arrays is None else arrays
    split = split_of(data, settings, settings.first_repeat)
    if split.kind == "own":
        raise EcrnnError("a plan needs random splits or folds (--split 0.7, --split 5-fold), not the data's own part")
    pairs = chosen([str(model) for model in models], settings.baseline, settings.pairs)
    if not pairs:
        raise EcrnnError("a plan compares models, and needs at least two; name them with --models")
    processor = prepare(task, data, split, settings)
    check(processor.sizes, *models)
    check_models(processor.sizes, *models, examples=on_cpu(data, split, processor, settings.training))
    n_train, n_test = len(split.train), len(split.validation)
    if variances is not None:
        spread = spread_of(path_of(variances, "variances"), metric, n_test)
    else:
        spread = given_spread(sd) if sd is not None else default_spread(metric, n_test, settings.score_epochs)
    seeds = settings.seeds_per_split
    sd, splits = spread.of_means(seeds), settings.repeats // seeds
    rope = metric.rope if settings.rope is None else settings.rope
    most = SequentialPlan(usual_looks(splits), n_train, n_test, rope)  # fails now rather than after timing
    times = []
    for model in models:
        training = resolve(settings.of_trial(str(model), 0).training)
        timed = time_training(model, data, split, processor, training, trial_seed(settings.seed, 0))
        times.append(timed)
        progress(Message(f"{model}: {timed.steps} of {timed.steps_an_epoch} steps of an epoch timed"))
    differing = settings.baseline or pairs[-1][0]
    designs = _Designs(most, times, pairs, differing, difference, sd, seeds)
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
        sd_source=spread.source,
        seeds_per_split=seeds,
        seed_share=spread.seed_share,
        rope=rope,
        alpha=most.alpha,
        power=POWER,
        fixed=designs.of(splits, sequential=False),
        sequential=designs.of(splits, sequential=True),
        enough_fixed=enough_fixed,
        enough_sequential=enough_sequential,
    )


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
        seeds: int,
    ) -> None:
        names = [time.model for time in times]
        self.plan, self.sd, self.seeds = plan, sd, seeds
        self.hours = [seeds * time.seconds / 3600 for time in times]  # of a repeat
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
            self.seeds * there.trainings,
            self._hours(there.repeats),
            self.seeds * none.trainings,
            self._hours(none.repeats),
            self.seeds * repeats * len(self.compared),
            repeats * math.fsum(self.hours[model] for model in self.compared),
            self._half_width(plan),
        )

    def _half_width(self, plan: SequentialPlan) -> float:
        repeats = plan.looks[-1]
        level = float(plan.boundaries.level(plan.alpha, len(plan.looks) - 1))
        return -float(special.stdtrit(repeats - 1, level / 2)) * self.sd * math.sqrt(1 / repeats + plan.q)

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
