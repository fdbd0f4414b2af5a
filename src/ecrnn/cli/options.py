"""The options that commands share, spelt once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ecrnn.core.errors import EcrnnError


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
TrialsPerGpu = Annotated[
    int | None,
    typer.Option(
        help="Number of trials that share a GPU, and without --jobs as many on each GPU of this machine. Default: "
        "jobs have the GPUs in turn.",
        min=1,
        max=64,
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
