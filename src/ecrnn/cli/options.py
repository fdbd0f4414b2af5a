"""The options that commands share, spelt once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help="digits, mnist, fashion-mnist, cifar10, cifar100, or a folder with one sub-folder a class."),
]
Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder that 'ecrnn train' left.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder with local copies of data sets, in their official layout.")]
ImageSize = Annotated[int | None, typer.Option(help="Pixels a side. Default: the data set's own, 32 for a folder.")]
Channels = Annotated[int | None, typer.Option(help="1 grey, 3 RGB. Default: the data set's own, 3 for a folder.")]
Seed = Annotated[int | None, typer.Option(help="Of splits, weights and order. Default: 0.")]
Epochs = Annotated[int | None, typer.Option(help="Passes over the training pictures. Default: 15.")]
BatchSize = Annotated[int | None, typer.Option(help="Pictures a step. Default: 128.")]
Lr = Annotated[float | None, typer.Option(help="Learning rate of Adam. Default: 0.001.")]
Augment = Annotated[str | None, typer.Option(help="none, flip or flip-crop. Default: none.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda. Default: auto.")]
Precision = Annotated[
    str | None, typer.Option(help="auto, float32 or bfloat16 (where the processor has it). Default: auto.")
]
Threads = Annotated[int | None, typer.Option(help="Of one training. Default: all cores, divided among the jobs.")]
Config = Annotated[Path | None, typer.Option("--config", help="YAML file of settings, such as a run's own study.yaml.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, as in training.optimizer=sgd.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an unfinished training in the folder.")]


def layered(config: Path | None, options: dict[str, Any], assignments: list[str] | None) -> dict[str, Any]:
    """Settings from a file, with the options given laid over them, and --set over both."""
    from ecrnn.core.config import merge, parse_assignments, read_yaml

    return merge(read_yaml(config) if config else {}, options, parse_assignments(assignments or []))
