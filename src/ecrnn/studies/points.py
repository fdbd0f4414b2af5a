"""The points that a search tries: the same scrambled Sobol points for every model, or Optuna's, one study a model.

The first point is the recipe without a search, so what was not tuned is among them. Points are a function of the space,
the seed and, of Optuna's, the scores so far; no point has to do with how many trainings run side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ecrnn.core.errors import EcrnnError
from ecrnn.core.recipe_search import Point
from ecrnn.core.search_space import Dimension

MOST_BEGINNING = 10  # points that Optuna's search begins with, which are those of the other search


def sobol_points(space: Sequence[Dimension], count: int, seed: int) -> list[Point]:
    """``count`` points: {}, and scrambled Sobol points (Owen, 1998) as `scipy.stats.qmc` gives them.

    With the same seed, fewer points are the first ones of more.
    """
    from scipy.stats import qmc

    sampler = qmc.Sobol(len(space), scramble=True, seed=np.random.default_rng(seed))
    cube = sampler.random_base2(max(1, (count - 2).bit_length()))[: count - 1]
    return [{}, *({of.name: of.at(float(u)) for of, u in zip(space, row, strict=True)} for row in cube)]


def beginning(budget: int) -> int:
    """How many points a search of Optuna's begins with before it learns from their scores."""
    return min(MOST_BEGINNING, max(2, budget // 2))


def check_optuna() -> None:
    """Look whether Optuna is there, before anything is trained.

    Raises:
        EcrnnError: it is not; the line names the extra.
    """
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise EcrnnError("--search tpe needs the package optuna; pip install 'ecrnn[tune]'") from error


def next_tpe_point(
    space: Sequence[Dimension],
    tried: Sequence[tuple[Point, float | None]],
    untuned: Point,
    seed: int,
    *,
    higher_is_better: bool,
) -> Point:
    """The point that Optuna's tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) tries next.

    Args:
        space: the dimensions.
        tried: points and their scores, oldest first; None where a training failed. There is no pruner.
        untuned: values of the dimensions at the first point, {}.
        seed: of the search; each point has a stream of its own, so a search that goes on gives the same points.
        higher_is_better: of the score.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(n_startup_trials=0, seed=_stream(seed, len(tried)))
    study = optuna.create_study(
        sampler=sampler,
        pruner=optuna.pruners.NopPruner(),
        direction="maximize" if higher_is_better else "minimize",
    )
    distributions = {of.name: _distribution(of) for of in space}
    for point, score in tried:
        values = {**untuned, **point}
        params = {of.name: values[of.name] for of in space if of.holds(values[of.name])}
        kept = {name: distributions[name] for name in params}
        state = optuna.trial.TrialState.FAIL if score is None else optuna.trial.TrialState.COMPLETE
        study.add_trial(optuna.trial.create_trial(state=state, value=score, params=params, distributions=kept))
    drawn = study.ask(distributions).params
    return {of.name: _as_shown(of, drawn[of.name]) for of in space}


def _stream(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _distribution(of: Dimension) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if of.choices:
        return CategoricalDistribution(of.choices)
    if of.whole:
        return IntDistribution(int(of.low), int(of.high), log=of.log)
    return FloatDistribution(of.low, of.high, log=of.log)


def _as_shown(of: Dimension, value: Any) -> Any:
    """A drawn value with as many digits as the points of the other search have."""
    return value if of.choices or of.whole else min(max(float(f"{value:.4g}"), of.low), of.high)
