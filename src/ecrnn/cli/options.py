"""The options that commands share, spelt once, and how they become settings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ecrnn.core.errors import EcrnnError, SettingsError

if TYPE_CHECKING:
    from ecrnn.core.config import StudySettings, TrainSettings

    AnySettings = TypeVar("AnySettings", StudySettings, TrainSettings)


class WrongCall(EcrnnError):
    """The command line itself asks for something that does not exist; nothing was begun, and the status is 2."""


@contextlib.contextmanager
def wrong_call() -> Iterator[None]:
    """Any `EcrnnError` met inside is the fault of the command line."""
    try:
        yield
    except EcrnnError as error:
        raise WrongCall(str(error)) from error


def language(text: str, *, page: bool = True) -> str:
    """The language that --lang names; ``page`` is whether a page is written."""
    from ecrnn.core.translation import checked

    with wrong_call():
        if checked(text) != "en" and not page:
            raise EcrnnError(f"--lang {text} is the language of the page; --out names the folder that it is written to")
    return text


DATA_PANEL, RECIPE_PANEL, MACHINE_PANEL = "Data", "Recipe", "Machine"  # groups of options in the help

DATA_HELP = (
    "Name of a data set, such as digits or tiny-shakespeare, or path of a file or folder for the model's task, such as "
    "a folder with one sub-folder of images per class."
)
Data = Annotated[str | None, typer.Argument(metavar="DATA", help=DATA_HELP)]
DataSets = Annotated[
    list[str] | None,
    typer.Argument(metavar="DATA...", help=f"{DATA_HELP} Several: a study of each, and one report across them."),
]
Lang = Annotated[
    str,
    typer.Option("--lang", metavar="en|ko", help="Language of the page: English or Korean. Other files are English."),
]
Val = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Folder of the same classes to validate on. Default: a part of DATA.",
        rich_help_panel=DATA_PANEL,
    ),
]
Test = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Folder of the same classes to test on; nothing in it is trained on.",
        rich_help_panel=DATA_PANEL,
    ),
]
Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder that 'ecrnn train' wrote, or cifar10.")]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder with local copies of data sets, in their official layout.", rich_help_panel=DATA_PANEL),
]
ImageSize = Annotated[
    int | None,
    typer.Option(
        help="Height and width of the images, in pixels. Default: the data set's, 32 for a folder.",
        rich_help_panel=DATA_PANEL,
    ),
]
Channels = Annotated[
    int | None,
    typer.Option(
        help="Number of colour channels, 1 (grey) or 3 (RGB). Default: the data set's, 3 for a folder.",
        rich_help_panel=DATA_PANEL,
    ),
]
Fit = Annotated[
    str | None,
    typer.Option(
        help="Way to bring images of other shapes to the size: cut (the middle), pad (all, with black beside it) or "
        "stretch. Default: cut.",
        rich_help_panel=DATA_PANEL,
    ),
]
BadData = Annotated[
    str | None,
    typer.Option(
        help="Files of a folder that cannot be read: refuse them, or skip them, which report and bundle then name. "
        "Default: refuse.",
        rich_help_panel=DATA_PANEL,
    ),
]
Groups = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="CSV with the columns file and group, or .jsonl, for a folder of images: no split parts a group. Files "
        "that it does not name stand alone.",
        rich_help_panel=DATA_PANEL,
    ),
]
Stratify = Annotated[
    bool,
    typer.Option("--stratify", help="Random splits keep each class's share in both parts.", rich_help_panel=DATA_PANEL),
]
Seed = Annotated[
    int | None, typer.Option(help="Seed of splits, initial weights and the order of examples. Default: 0.")
]
Epochs = Annotated[
    int | None,
    typer.Option(
        help="Number of passes over the training examples. Default: 15, or the task's.", rich_help_panel=RECIPE_PANEL
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(help="Number of examples per step. Default: 128, or the task's.", rich_help_panel=RECIPE_PANEL),
]
Lr = Annotated[
    float | None,
    typer.Option(help="Learning rate of Adam. Default: 0.001, or the task's.", rich_help_panel=RECIPE_PANEL),
]
Augment = Annotated[
    str | None,
    typer.Option(
        help="Augmentation of training images: none, or some of flip, mirror, crop, shift, rotate, colour, cutout, "
        "mixup with commas between. Default: none, or the task's.",
        rich_help_panel=RECIPE_PANEL,
    ),
]
Schedule = Annotated[
    str | None,
    typer.Option(
        help="Course of the learning rate: constant, linear, cosine or one-cycle (up to --lr and down). Default: "
        "constant, or the task's.",
        rich_help_panel=RECIPE_PANEL,
    ),
]
ClassWeights = Annotated[
    str | None,
    typer.Option(
        help="Weights of the classes in the loss: none or balanced (a rare class counts as much as a frequent one). "
        "Default: none.",
        rich_help_panel=RECIPE_PANEL,
    ),
]
WeightAveraging = Annotated[
    float | None,
    typer.Option(
        help="Decay per step of the average of the weights, which then predicts, such as 0.99; 0: no average. "
        "Default: 0.",
        rich_help_panel=RECIPE_PANEL,
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        help="Number of epochs without a better one after which the training stops; 0: never. Default: 0.",
        rich_help_panel=RECIPE_PANEL,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(help="Device that computes: auto, cpu or cuda. Default: auto.", rich_help_panel=MACHINE_PANEL),
]
Precision = Annotated[
    str | None,
    typer.Option(
        help="Precision of products: auto, float32 or bfloat16 (where the processor has it). Default: auto.",
        rich_help_panel=MACHINE_PANEL,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="Number of threads per training. Default: the number of cores, divided among the jobs.",
        rich_help_panel=MACHINE_PANEL,
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Address of a Ray cluster, or auto. Default: one of this machine."),
]
Config = Annotated[
    Path | None, typer.Option("--config", help="YAML file of settings, such as the study.yaml of a run directory.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, as in training.optimizer=sgd."),
]
Image = Annotated[
    str | None,
    typer.Option(help="Image size, channels x height x width. Default: 3x32x32, or that of the model's paper."),
]
Classes = Annotated[int | None, typer.Option(help="Number of classes. Default: 10, or that of the model's paper.")]
Tokens = Annotated[
    int | None,
    typer.Option(help="Vocabulary size of a model that reads or writes text. Default: the model's usual one."),
]
SourceTokens = Annotated[
    int | None, typer.Option(help="Vocabulary size of the language a translator reads. Default: the model's usual one.")
]
Frames = Annotated[int | None, typer.Option(help="Number of frames per clip. Default: the model's usual one.")]


def _load(files: list[Path] | None) -> list[Path] | None:
    if files:
        from ecrnn.models.own_code import load_code

        with wrong_call():
            for file in files:
                load_code(file)
    return files


Code = Annotated[
    list[Path] | None,
    typer.Option(
        "--code",
        metavar="FILE",
        help="Python file that registers your models; it is run. May be given several times.",
        callback=_load,
        is_eager=True,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on the standard output instead of text.")]
Reject = Annotated[
    float | None,
    typer.Option(
        "--reject",
        metavar="SHARE",
        help="Share of known inputs that may be rejected, such as 0.05: answers below the probability that so many of "
        "the model's validation examples did not reach. Default: none is.",
        min=0.0,
        max=1.0,
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continuation of the training in the folder, unfinished or with more --epochs.")
]
Beam = Annotated[
    int,
    typer.Option(
        help="Number of hypotheses of beam search, for models that write text; 1: greedy decoding.", min=1, max=1000
    ),
]
Moderators = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Properties of data sets that may change a difference: log-n, classes, image-size, separated by commas. "
        "Default: none.",
    ),
]
Models = Annotated[
    str | None, typer.Option(help="Model names, separated by commas. Default: cnn,crnn-bilstm-16,ecrnn-bilstm-16.")
]
Metric = Annotated[
    str | None,
    typer.Option(help="Score of the verdict: accuracy, macro-f1, balanced-accuracy or auc. Default: the task's."),
]
Baseline = Annotated[
    str | None, typer.Option(help="Model that all others are compared with. Default: every pair is compared.")
]
Pairs = Annotated[
    str | None,
    typer.Option(metavar="A:B,...", help="Pairs of models that are compared, and no others, as in mine:cnn,mine:ecnn."),
]
Rope = Annotated[
    float | None,
    typer.Option(
        help="Largest difference that does not matter, in units of the metric: 0.005 of an accuracy is half a "
        "percentage point. Default: the metric's.",
        min=0,
        max=1,
    ),
]


Recipes = Annotated[
    Path | None,
    typer.Option(
        metavar="TUNE",
        help="Folder that 'ecrnn tune' wrote, whose recipes the models get; no verdict uses what it tuned on.",
    ),
]
Tune = Annotated[
    str | None,
    typer.Option(
        metavar="nested",
        help="Search for a recipe in every trial first, among its training examples alone: nested. Default: none.",
    ),
]
Budget = Annotated[
    int | None, typer.Option(help="Number of points of the search, so of trainings a model. Default: 16.")
]
SearchSpace = Annotated[
    str | None,
    typer.Option(
        "--space",
        metavar="NAME=VALUES,...",
        help="Settings to search: a range lr=1e-4..1e-2:log or choices batch_size=32|128. Default: "
        "lr=1e-4..1e-2:log,weight_decay=0..1e-3.",
    ),
]
Search = Annotated[
    str | None,
    typer.Option(help="Way to search: same (the same Sobol points for every model) or tpe (Optuna's). Default: same."),
]


def settings(
    kind: type[AnySettings], options: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> AnySettings:
    """The settings that a command line asks for, with names of models and the split checked.

    Args:
        kind: `StudySettings` or `TrainSettings`.
        options: the command's options by name, `Context.params`. Options are called as the settings they set.
        defaults: settings that hold where neither options, --set nor --config say anything; those of the models'
            task hold below them.

    Raises:
        WrongCall: the first thing wrong; an option is called as it is spelt on the command line.
    """
    from ecrnn.core.config import merge, parse_assignments, read_yaml
    from ecrnn.data import catalogue
    from ecrnn.data.splits import parse_split
    from ecrnn.studies.settings import read_settings

    file = options["config"]
    try:
        asked = merge(defaults or {}, read_yaml(file) if file else {}, _nested(kind, options))
        asked = merge(asked, parse_assignments(options["assignments"] or []))
        if "data" not in asked:
            raise WrongCall(f"name the data: {', '.join(catalogue.names())}, or a file or folder of your own")
        if "model" in kind.model_fields and "model" not in asked:
            raise WrongCall("name the model, as in --model cnn or --model ecrnn-bilstm-16")
        read = read_settings(kind, asked, str(file) if file else "")
        parse_split(read.split)
    except SettingsError as error:
        option = error.key.removeprefix("training.").split(".")[0]
        set_elsewhere = options.get(option) is None or isinstance(options[option], Mapping)  # --until-decided gives {}
        key = error.key if set_elsewhere else "--" + option.replace("_", "-")
        raise WrongCall(f"{key}: {error.fault}") from error
    except EcrnnError as error:
        raise WrongCall(str(error)) from error
    return read


def _nested(kind: type[AnySettings], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name as nested settings: those of a training under "training"."""
    from ecrnn.core.config import TrainingSettings

    plain = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    nested = {name: plain[name] for name in kind.model_fields if name in plain}
    nested["stratify"] = plain.get("stratify", False)
    return {**nested, "training": {name: plain[name] for name in TrainingSettings.model_fields if name in plain}}


def model_names(text: str | None) -> list[str] | None:
    """The names that --models lists."""
    names = None if text is None else [name.strip() for name in text.split(",") if name.strip()]
    if names == []:
        raise WrongCall("--models names none; give names with commas, as in --models cnn,ecrnn-bilstm-16")
    return names


def pairs(text: str | None) -> list[tuple[str, str]] | None:
    """(A, B) of each pair that --pairs names."""
    if text is None:
        return None
    named = [tuple(name.strip() for name in pair.split(":")) for pair in text.split(",") if pair.strip()]
    if not named or not all(len(pair) == 2 and all(pair) for pair in named):
        raise WrongCall(f"--pairs wants models as A:B, with commas between pairs, as in mine:cnn, not '{text[:100]}'")
    return [(pair[0], pair[1]) for pair in named]


def image_shape(text: str) -> tuple[int, int, int]:
    """(channels, height, width) of what --image says."""
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        raise WrongCall(f"--image wants channels x height x width, as in 3x32x32, not '{text}'")
    return int(parts[0]), int(parts[1]), int(parts[2])
