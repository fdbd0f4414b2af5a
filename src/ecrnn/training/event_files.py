"""The metrics of trainings as TensorBoard reads them, written by its own package (extra `tensorboard`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from ecrnn.core.errors import EcrnnError
from ecrnn.core.events import Epoch, Event, Progress
from ecrnn.core.files import make_folder


@contextlib.contextmanager
def to_tensorboard(folder: Path, progress: Progress) -> Iterator[Progress]:
    """Progress that writes the metrics of every epoch into ``folder`` as well, each training's into one of its own.

    "train_loss" is the scalar "loss/train", "validation_accuracy" is "accuracy/validation"; the step is the epoch. A
    training that goes on adds a file to those of its epochs before.

    Args:
        folder: which `tensorboard --logdir` is given.
        progress: called with every event.

    Raises:
        EcrnnError: TensorBoard's package is missing, or the folder cannot be made.
    """
    try:
        writer: Any = import_module("torch.utils.tensorboard").SummaryWriter
    except ImportError as error:
        line = "--tensorboard needs the package tensorboard"
        raise EcrnnError(f"{line}; pip install 'ecrnn[tensorboard]'") from error
    make_folder(folder)
    with contextlib.ExitStack() as stack:
        writers: dict[str, Any] = {}

        def written(event: Event) -> None:
            if isinstance(event, Epoch):
                if event.label not in writers:
                    writers[event.label] = stack.enter_context(writer(str(folder / event.label)))
                for name, value in event.metrics.items():
                    if name != "epoch":
                        writers[event.label].add_scalar(tag(name), value, event.epoch)
                writers[event.label].flush()
            progress(event)

        yield written


def tag(name: str) -> str:
    """What trackers call a metric: "loss/train" for "train_loss"."""
    part, _, metric = name.partition("_")
    return f"{metric}/{part}" if part in ("train", "validation") else name
