"""A model's answers to many files: threads decode while the model computes; in the files' order, in bounded memory.

The model gets the files in groups of `GROUP`, whatever the number of threads, so that its answers do not depend on it.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ecrnn.core.errors import DataError
from ecrnn.data.image_file import quiet_pillow
from ecrnn.serving.predictor import ReadsFiles

GROUP = 64  # files that the model gets at a time
_TASK = 8  # of them that one thread decodes in a row
_AHEAD = 4  # groups that are decoded ahead of the model


class Answer(NamedTuple):
    """What a model says of a file: probabilities float64 (classes,), or a text; or None, and why there is none."""

    file: Path
    answer: np.ndarray | str | None
    error: str = ""


def answers_of(
    model: ReadsFiles, files: Sequence[Path], known: Mapping[Path, str] | None = None, threads: int | None = None
) -> Iterator[Answer]:
    """The model's answer to each file, in their order, or why there is none.

    Args:
        model: from `ecrnn.load`; several threads call its `open`.
        files: paths.
        known: errors of files that need not be tried.
        threads: that decode; None: as many as there are cores.

    Raises:
        NotFiniteError: an output is NaN or infinite; it names the file.
    """
    found = known or {}
    threads = threads or os.cpu_count() or 1
    many = len(files) > GROUP
    with quiet_pillow(), _decoders(threads) as pool, _model_threads(max(1, threads // 2) if many else None):
        groups = iter(range(0, len(files), GROUP))
        waiting: deque[tuple[Sequence[Path], list[Future[list[Any]]]]] = deque()
        while True:
            while len(waiting) < _AHEAD and (start := next(groups, None)) is not None:
                group = files[start : start + GROUP]
                parts = (group[k : k + _TASK] for k in range(0, len(group), _TASK))
                waiting.append((group, [pool.submit(_opened, model, part, found) for part in parts]))
            if not waiting:
                return
            group, tasks = waiting.popleft()
            yield from _answered(model, group, [one for task in tasks for one in task.result()])


@contextlib.contextmanager
def _decoders(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads that at the end drops what nobody asks for any more."""
    pool = ThreadPoolExecutor(threads, "decode")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _model_threads(threads: int | None) -> Iterator[None]:
    """Let the model compute with so many threads, and leave the other cores to those that decode."""
    before = torch.get_num_threads()
    if threads is None or threads >= before:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _opened(model: ReadsFiles, files: Sequence[Path], known: Mapping[Path, str]) -> list[Any]:
    """Each file as the model takes it, or the DataError that says why not."""
    found: list[Any] = []
    for file in files:
        try:
            found.append(DataError(known[file]) if file in known else model.open(file))
        except DataError as error:
            found.append(error)
    return found


def _answered(model: ReadsFiles, files: Sequence[Path], opened: Sequence[Any]) -> Iterator[Answer]:
    good = [place for place, one in enumerate(opened) if not isinstance(one, DataError)]
    with model.naming(lambda row: str(files[good[row]])):
        answers = model.answers([opened[place] for place in good]) if good else []
    found = dict(zip(good, answers, strict=True))
    for place, file in enumerate(files):
        yield Answer(file, found[place]) if place in found else Answer(file, None, str(opened[place]))
