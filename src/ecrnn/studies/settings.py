"""From what was asked for to settings: the defaults of the models' task are laid under it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ecrnn.core.config import StudySettings, TrainSettings, merge
from ecrnn.models.names import common_task

AnySettings = TypeVar("AnySettings", StudySettings, TrainSettings)


def read_settings(kind: type[AnySettings], asked: Mapping[str, Any], where: str = "") -> AnySettings:
    """Settings of a study or a training, checked, with the names of its models.

    Args:
        kind: `StudySettings` or `TrainSettings`.
        asked: nested plain data; None means "not given".
        where: what it comes from, for the error.

    Raises:
        EcrnnError: the first thing wrong, such as models of two tasks; one line.
    """
    models = asked.get("models") if kind is StudySettings else [asked.get("model")]
    named = isinstance(models, list | tuple) and models and all(isinstance(model, str) for model in models)
    defaults = common_task(models).defaults if named else {}  # if not, reading the settings says what is wrong
    return kind.read(merge(defaults, asked), where)
