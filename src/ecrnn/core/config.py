"""Typed settings: what a training and a study can be told, with every bound declared once.

A YAML file, `--set a.b=c` and command-line options all end in these models; an unknown key or a value out of bounds is
one line. The resolved settings are saved with every run, and running from the saved file repeats the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from ecrnn.core.augmentations import Augment
from ecrnn.core.batch_size import BatchSize
from ecrnn.core.checked_settings import Settings
from ecrnn.core.errors import EcrnnError
from ecrnn.core.form import (
    FIT_BEFORE,
    BadData,
    Channels,
    Fit,
    Frames,
    Height,
    ImageSize,
    Length,
    Tokens,
    VocabularySize,
)
from ecrnn.core.reading import read_text
from ecrnn.core.recipe_search import Point, TunedSettings, TuningSettings
from ecrnn.core.seals import check_text
from ecrnn.core.settings_faults import LONGEST_KEY
from ecrnn.core.yaml_loader import load_yaml

MAX_SETTINGS = 2**20  # bytes of a file
MAX_TRIALS = 50_000  # of a study
MAX_REPEATS = 10_000
MAX_BAD_FILES = 1000  # that a run leaves out and names
MAX_MARKS = 20_000  # of a file; a model takes two or three
_MARKS = ("\n", "\r", ",", "[", "{", ": ", "- ", "? ")  # a YAML value has one of them before it


Contrasts = dict[str, dict[Literal["plus", "minus"], tuple[str, ...]]]
Look = Annotated[int, Field(ge=1, le=MAX_REPEATS)]  # how many splits there are at a look
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Schedule = Literal["constant", "linear", "cosine", "one-cycle"]
ClassWeights = Literal["none", "balanced"]


class TrainingSettings(Settings):
    """How one network is trained. The defaults are the recipe of the paper's study, where the paper is silent ours."""

    epochs: int = Field(15, ge=1, le=100_000)
    batch_size: BatchSize = 128
    lr: float = Field(1e-3, gt=0, le=10, allow_inf_nan=False)
    optimizer: Literal["adam", "adamw", "sgd", "muon"] = "adam"
    weight_decay: float = Field(0.0, ge=0, le=1, allow_inf_nan=False)
    momentum: float = Field(0.9, ge=0, lt=1)  # sgd only
    schedule: Schedule = "constant"
    warmup: float | None = Field(None, ge=0, lt=1)  # share of all steps whose rate rises; None: 0, of one-cycle 0.3
    augment: Augment = "none"
    standardise: Literal["global", "per-channel"] = "global"
    non_finite: Literal["stop", "skip", "roll-back"] = "stop"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    clip_norm: float = Field(0.0, ge=0, allow_inf_nan=False)  # largest norm of all gradients together; 0: any
    cutoff: float = Field(1e-8, ge=0, lt=1)  # where back-propagation through time may end (docs/recurrence.md)
    batch_statistics: Literal["recent", "even"] = "recent"  # averages of batches that predict; docs/decisions has it
    truncate_steps: int = Field(0, ge=0, lt=2**31)  # truncated back-propagation (docs/gradients.md); 0: all
    threads: int | None = Field(None, ge=1, le=1024)  # of one training; None: all cores, divided among the jobs
    checkpoint_seconds: float = Field(60.0, gt=0, allow_inf_nan=False)  # between checkpoints inside an epoch
    label_smoothing: float = Field(0.0, ge=0, lt=1)  # share of each label that all classes get alike
    class_weights: ClassWeights = "none"  # of the loss; balanced: n / (classes * n of the class), of what trains
    weight_averaging: float = Field(0.0, ge=0, lt=1)  # decay a step of the weights' average, which predicts; 0: none
    patience: int = Field(0, ge=0, le=100_000)  # epochs without a better one after which training stops; 0: never

    @property
    def besides(self) -> tuple[str, ...]:
        """What a recipe has beside optimizer, rate, batches and augmentation, in words."""
        found = {
            f"the first {100 * (self.warmup or 0):g} % of the steps warm-up": self.warmup,
            f"label smoothing {self.label_smoothing:g}": self.label_smoothing,
            f"{self.class_weights} class weights": self.class_weights != "none",
            f"weights averaged with decay {self.weight_averaging:g}": self.weight_averaging,
        }
        return tuple(words for words, there in found.items() if there)


class TaskSettings(Settings):
    """Which examples a task is given, and the form to which it brings them; each task's own class is made of this one.

    Attributes:
        data: a registered name, a file or a folder.
        val, test: others of the same kind, to validate and to test on.
    """

    data: str
    val: str | None = None
    test: str | None = None


class DataSettings(Settings):
    """Which examples, as runs save it: one after another the settings of ecrnn's own tasks, None where not given.

    What a task makes of them is its `TaskSettings`, with its bounds; defaults stand in its facts. Settings that none of
    these tasks has, those of tasks of other packages, lie in ``form``.
    """

    data: str = Field(max_length=4096)
    data_dir: str | None = Field(None, max_length=4096)
    val: str | None = None  # another folder of the same kind, to validate on
    test: str | None = None  # another folder of the same kind, to test on
    image_size: ImageSize | None = None
    channels: Channels | None = None
    fit: Fit | None = None
    frames: Frames | None = None
    height: Height | None = None
    tokens: Tokens | None = None
    vocabulary: VocabularySize | None = None
    length: Length | None = None
    bad_data: BadData | None = None
    bad_files: tuple[str, ...] = Field((), max_length=MAX_BAD_FILES)  # that were left out
    groups: str | None = Field(None, max_length=4096)
    form: dict[str, Any] = Field({}, max_length=100)
    fingerprint: str | None = Field(None, pattern="^[0-9a-f]{64}$")  # of all examples

    @model_serializer(mode="wrap")
    def _plain(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `_OMITTED` where there are none, as in files from before there were any."""
        plain: dict[str, Any] = dump(self)
        if self.fingerprint and plain.get("score_epochs") == 1:  # what a run's file means that does not name it
            del plain["score_epochs"]
        if self.fingerprint and plain.get("fit") == FIT_BEFORE:
            del plain["fit"]
        if plain.get("seeds_per_split") == 1:
            del plain["seeds_per_split"]
        return {key: value for key, value in plain.items() if key not in _OMITTED or value not in (None, {}, [], ())}


PLAN = ("baseline", "pairs", "contrasts", "rope", "planned_repeats", "across_moderators")  # beside the score
_OMITTED = (
    "val",
    "test",
    "bad_data",
    "bad_files",
    "groups",
    "form",
    "sources",
    "recipes",
    "metric",
    "sequential",
    "tuning",
    "tuned",
    "start",
    "start_digest",
    "freeze",
    "continued",
    *PLAN,
)


class _RunSettings(DataSettings):
    """Settings that are saved with a run, and may have been saved before some of them existed."""

    sources: dict[str, Digest] = Field({}, max_length=2000)  # SHA-256 of the files of families of somebody's own code

    @model_validator(mode="before")
    @classmethod
    def _as_they_were_meant(cls, values: Any) -> Any:
        """What a run's file does not name was done as it was before; all files of runs have a fingerprint."""
        if not isinstance(values, Mapping) or not values.get("fingerprint"):
            return values
        before = {"keep_window": 1, "score_epochs": 1, "fit": FIT_BEFORE}
        known = {**{key: value for key, value in before.items() if key in cls.model_fields}, **values}
        training = values.get("training", {})
        if isinstance(training, Mapping):
            known["training"] = {"batch_statistics": "even", **training}
        return known


class SequentialSettings(Settings):
    """The plan of a study that trains until its pairs are decided; what is None is filled in when it is begun."""

    looks: tuple[Look, ...] | None = Field(None, min_length=1, max_length=60)  # None: the usual ones
    alpha: float = Field(0.05, gt=0, lt=1)
    slack: float = Field(3.0, ge=0, allow_inf_nan=False)  # standard errors of hope before a pair is given up
    seed: int = Field(0, ge=0, lt=2**31)  # of the simulated boundaries
    n_train: int | None = Field(None, ge=1, lt=2**53)  # of a repeat, which the boundaries are simulated for
    n_test: int | None = Field(None, ge=1, lt=2**53)


class StudySettings(_RunSettings):
    """k models x r repeats on one data set. A trial's saved settings are a study of one model and one repeat.

    The plan of a verdict is written down before the first training: ``metric`` and ``score_epochs``, which make the
    score of a trial, ``baseline`` or ``pairs``, which say what is compared, ``rope``, and ``planned_repeats``.
    """

    models: tuple[str, ...] = Field(min_length=1, max_length=2000)
    repeats: int = Field(3, ge=1, le=MAX_REPEATS)
    first_repeat: int = Field(0, ge=0, lt=2**31)
    split: str = Field("0.7", coerce_numbers_to_str=True)
    seeds_per_split: int = Field(1, ge=1, le=1000)  # repeats, one after another, on the same split; seeds differ
    seed: int = Field(0, ge=0, lt=2**31)
    metric: str | None = Field(None, max_length=50)  # by which models are compared; None: the task's
    score_epochs: int = Field(3, ge=1, le=1000)  # last epochs, or as many as there are, whose mean metric is the score
    baseline: str | None = Field(None, max_length=200)  # with which all others are compared
    pairs: tuple[tuple[str, str], ...] | None = Field(None, min_length=1, max_length=MAX_TRIALS)  # that are compared
    contrasts: Contrasts | None = Field(None, min_length=1, max_length=100)  # by name: means over models, compared
    rope: float | None = Field(None, ge=0, allow_inf_nan=False)  # in values of the metric; None: the metric's
    planned_repeats: int | None = Field(None, ge=1, le=MAX_REPEATS)  # when it was begun; None: in runs without a plan
    across_moderators: str | None = Field(None, max_length=1000)  # of a comparison of data sets; "none": none was named
    sequential: SequentialSettings | None = None  # trains until decided; None: all models on all repeats
    training: TrainingSettings = TrainingSettings()
    recipes: dict[str, Point] = Field({}, max_length=2000)  # by model: settings of its training that differ
    tuning: TuningSettings | None = None  # repeats are points of a search for recipes
    tuned: TunedSettings | None = None  # recipes were searched for, or are in each trial

    @property
    def nested(self) -> bool:
        """Whether each trial searches for its recipe first, among its training examples."""
        return self.tuned is not None and self.tuned.part is None

    def drawn(self, repeat: int) -> int:
        """The repeat by which the seed and the split of a trial are drawn: the same for all points of a search."""
        return repeat if self.tuning is None else self.tuning.repeat

    def label(self, model: str, repeat: int) -> str:
        """What a trial is called: "cnn, repeat 2", of a search "cnn, point 2"."""
        if self.tuning is None:
            return f"{model}, repeat {repeat}"
        inside = f"repeat {self.tuning.repeat}, " if self.tuning.within else ""
        return f"{model}, {inside}point {repeat}"

    def recipe(self, model: str, repeat: int) -> Point:
        """The settings of a trial's training that differ from those of the study."""
        point = {} if self.tuning is None else self.tuning.points.get(model, ({},) * (repeat + 1))[repeat]
        return {**self.recipes.get(model, {}), **point}

    def split_number(self, repeat: int) -> int:
        """Number of the split that a repeat is trained on."""
        return repeat // self.seeds_per_split

    def repeats_of(self, split: int) -> range:
        """The repeats that are trained on the split with this number."""
        return range(split * self.seeds_per_split, (split + 1) * self.seeds_per_split)

    def of_trial(self, model: str, repeat: int) -> Self:
        """The study of one model and one repeat: the settings of a trial, with the model's recipe in its training."""
        training = TrainingSettings.read(merge(self.training.model_dump(), self.recipe(model, repeat)), model)
        update: dict[str, Any] = {
            "models": (model,),
            "repeats": 1,
            "first_repeat": repeat,
            "training": training,
            "recipes": {},
            **dict.fromkeys(("metric", "sequential", *PLAN)),
        }
        if self.tuning is not None:
            update["tuning"] = self.tuning.model_copy(update={"points": {}})
        if self.tuned is not None:
            update["tuned"] = self.tuned.model_copy(update={"edges": {}, "others": {}})
        if self.sources:
            update["sources"] = {name: digest for name, digest in self.sources.items() if begins(model, name)}
        return self.model_copy(update=update)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if len(self.models) * self.repeats > MAX_TRIALS:
            raise ValueError(
                f"{len(self.models):,} models in {self.repeats:,} repeats are more than {MAX_TRIALS:,} trials"
            )
        for model, recipe in self.recipes.items():
            TrainingSettings.read(recipe, f"recipes.{model[:LONGEST_KEY]}")
        for model, points in (self.tuning.points if self.tuning else {}).items():
            for point in points:
                TrainingSettings.read(point, f"tuning.points.{model[:LONGEST_KEY]}")
        return self


def begins(model: str, family: str) -> bool:
    """Whether the name of a model begins with that of a family."""
    return model == family or model.startswith((f"{family}-", f"{family}@", f"{family}+"))


class TrainSettings(_RunSettings):
    """One model trained to be kept."""

    model: str
    split: str = Field("0.8", coerce_numbers_to_str=True)
    seed: int = Field(0, ge=0, lt=2**31)
    keep: Literal["best", "last"] = "best"
    start: str | None = Field(None, max_length=4096)  # the bundle from whose weights it starts
    start_digest: Digest | None = None  # SHA-256 of these
    freeze: str | None = Field(None, min_length=1, max_length=200)  # the stage up to which these do not move, or "all"
    continued: tuple[int, ...] = Field((), max_length=1000)  # epochs planned before, where the rate depended on them
    processes: int = Field(1, ge=1, le=100_000)  # that torchrun has started, which train together
    keep_window: int = Field(5, ge=1, le=1000)  # epochs over whose mean score the best one is chosen
    training: TrainingSettings = TrainingSettings()


_NOT_YAML = (yaml.YAMLError, ValueError, OverflowError, RecursionError)  # the last three of what PyYAML reads itself


def read_yaml(path: Path, within: Path | None = None, *, sealed: bool = False) -> dict[str, Any]:
    """A YAML file of settings as nested plain data.

    Args:
        path: of the file.
        within: the folder that it must lie in, see `ecrnn.core.reading.opened`.
        sealed: compare it with the digest in its first line, if it has one (`ecrnn.core.seals`).

    Raises:
        EcrnnError: the file is missing, damaged, not YAML, or not a mapping.
    """
    text = read_text(path, MAX_SETTINGS, within)
    if sealed:
        check_text(text, path)
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path) -> dict[str, Any]:
    """A text of settings in YAML as nested plain data; ``path`` is for errors.

    Raises:
        EcrnnError: it is not YAML, or not a mapping.
    """
    if sum(text.count(mark) for mark in _MARKS) > MAX_MARKS:
        raise EcrnnError(f"{path} holds more values than any settings file")
    try:
        values = load_yaml(text)
    except _NOT_YAML as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise EcrnnError(f"{path}{place}: not valid YAML: {problem}") from error
    if not isinstance(values, dict):
        raise EcrnnError(f"{path}: expected 'key: value' lines, found {type(values).__name__}")
    return values


def to_yaml(settings: Settings) -> str:
    """Settings as YAML that `read_yaml` and `Settings.read` turn into the same settings again."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings laid over each other, the last wins; None in a later one means "not given"."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping):
                below = merged.get(key)
                merged[key] = merge(below if isinstance(below, Mapping) else {}, value)
            elif value is not None:
                merged[key] = value
    return merged


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """`["training.lr=0.01"]` as nested data; values are read as YAML.

    >>> parse_assignments(["training.lr=0.01", "repeats=5"])
    {'training': {'lr': 0.01}, 'repeats': 5}
    """
    result: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not all(path.split(".")):
            raise EcrnnError(f"--set wants key=value, as in --set training.lr=0.01, not '{assignment}'")
        try:
            value: Any = load_yaml(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise EcrnnError(f"--set {path}: '{text}' is not a value that YAML knows") from error
        for key in reversed(path.split(".")):
            value = {key: value}
        result = merge(result, value)
    return result


def differences(mine: Settings, theirs: Settings) -> list[str]:
    """The keys in which two settings differ, each as "key: mine here, theirs there"."""
    here, there = _flat(mine.model_dump(mode="json")), _flat(theirs.model_dump(mode="json"))
    keys = [key for key in here | there if here.get(key) != there.get(key)]
    return [f"{key} is {here.get(key)} here and {there.get(key)} there" for key in keys]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat
