"""Settings of the search for recipes: so many points of a space for every model, on examples that no verdict uses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ecrnn.core.checked_settings import Settings

Point = dict[str, Any]  # settings of a training by name; {}: as without a search
Part = Annotated[str, Field(pattern=r"^0?\.\d{1,20}$", max_length=25, coerce_numbers_to_str=True)]


class SearchSettings(Settings):
    """What is searched, and how."""

    space: dict[str, str] = Field(min_length=1, max_length=20)  # by setting, see `ecrnn.core.search_space`
    budget: int = Field(16, ge=2, le=256)  # points, so trainings a model
    search: Literal["same", "tpe"] = "same"


class TuningSettings(SearchSettings):
    """A study whose repeats are points: each is a recipe, and all of them have one split and one seed.

    The split is that of the study, applied to ``part`` of the examples, which the seed draws; or where a comparison
    tunes inside each of its repeats, to the training examples of the split ``within`` with the number ``split_number``.
    """

    part: Part | None = None
    within: str | None = Field(None, max_length=50)
    split_number: int = Field(0, ge=0, lt=2**31)
    repeat: int = Field(0, ge=0, lt=2**31)  # of whose seed all points are
    points: dict[str, tuple[Point, ...]] = Field({}, max_length=2000)  # by model, the first is {}


class TunedSettings(SearchSettings):
    """How the recipes of a comparison were found.

    Either by a tuning on ``part`` of the examples, which ``seed`` drew, and on which no trial trains or validates; or
    without a part, anew in each trial, among its training examples.
    """

    split: str = Field("0.7", max_length=50, coerce_numbers_to_str=True)  # of the examples that are tuned on
    part: Part | None = None
    seed: int = Field(0, ge=0, lt=2**31)
    fingerprint: str | None = Field(None, pattern="^[0-9a-f]{64}$")  # of the data of the tuning
    edges: dict[str, tuple[str, ...]] = Field({}, max_length=2000)  # settings at an end of the space, by model
    others: Point = Field({}, max_length=100)  # settings with which was tuned, where they are others here
