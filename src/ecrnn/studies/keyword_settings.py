"""What Python's calls ask for, as the nested settings that a command line gives too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ecrnn.core.config import DataSettings
from ecrnn.core.errors import EcrnnError
from ecrnn.core.events import Progress
from ecrnn.core.files import path_of
from ecrnn.core.keywords import Keywords
from ecrnn.core.search_space import Space
from ecrnn.core.tasks import default
from ecrnn.data import catalogue
from ecrnn.models.baselines import is_estimator, register_object
from ecrnn.models.own_code import load_code
from ecrnn.models.registry import register
from ecrnn.studies.engines.protocol import Place


class CompareOptions(Keywords, total=False):
    """The keywords of `ecrnn.compare`."""

    until_decided: bool
    recipes: str | Path | None
    tune: Literal["nested"] | None
    space: Space | None
    budget: int | None
    search: Literal["same", "tpe"] | None
    split: str | float | None
    seeds_per_split: int | None
    seed: int
    jobs: int
    trials_per_gpu: int | None
    engine: Place
    code: str | Path | None
    out: str | Path | None
    data_dir: str | Path | None
    image_size: int | None
    channels: Literal[1, 3] | None
    groups: Any
    stratify: bool
    metric: str | None
    score_epochs: int | None
    baseline: str | None
    pairs: Sequence[tuple[str, str]] | None
    rope: float | None
    moderators: Sequence[str]
    progress: Progress


def balance(data: Any, groups: Any, stratify: bool) -> dict[str, Any]:
    """Settings of how a split is balanced. The groups of arrays are kept with the arrays.

    Args:
        data, groups, stratify: as of `ecrnn.compare`.
    """
    table = None if groups is None or isinstance(data, tuple) else str(path_of(groups, "groups"))
    return {"groups": table, "stratify": stratify}


def check_many(many: bool, moderators: Sequence[str], groups: Any, *, until_decided: bool) -> None:
    """Look whether what a comparison is asked for goes with one data set, or with ``many``.

    Args:
        many: whether there are several.
        moderators, groups, until_decided: as of `ecrnn.compare`.

    Raises:
        EcrnnError: it does not.
    """
    if moderators and not many:
        raise EcrnnError("moderators want a list of data sets, between which the difference may change")
    if groups is not None and many:
        raise EcrnnError("groups are of one data set, whose examples they name")
    if until_decided and many:
        raise EcrnnError("until_decided is of one data set; over several every model has the same repeats")


def run_code(code: str | Path | None) -> None:
    """Run the file of somebody's own models, where one is named."""
    if code is not None:
        load_code(path_of(code, "code"))


def names_of(models: Sequence[str] | Mapping[str, str | Callable[..., Any]], data: str) -> tuple[str, ...]:
    """The names of models; objects among them are registered first.

    Args:
        models: names, or a mapping as `ecrnn.compare` takes it.
        data: name or place of the data, which says the task of objects.
    """
    if not isinstance(models, Mapping):
        return tuple(models)
    task = catalogue.task_of(data) or default().name
    names = []
    for name, build in models.items():
        if isinstance(build, str):
            names.append(build)
            continue
        if is_estimator(build):
            register_object(name, build, task)
        else:
            register(name, task=task)(build)
        names.append(name)
    return tuple(names)


def nested_settings(
    more: Keywords, data_dir: str | Path | None, split: str | float | None, **others: int | None
) -> dict[str, Any]:
    """What every call can ask for, as nested settings: all but those of the data and ``others`` are of the training.

    Args:
        more: keywords of a call.
        data_dir, split: as of `ecrnn.compare`.
        others: settings by name.
    """
    of_data = {name: value for name, value in more.items() if name in DataSettings.model_fields}
    return {
        "data_dir": data_dir and str(path_of(data_dir, "data_dir")),
        "split": None if split is None else str(split),
        **others,
        **of_data,
        "training": {name: value for name, value in more.items() if name not in of_data},
    }
