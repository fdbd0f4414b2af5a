"""Progress on the standard error: bars with the time left on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from ecrnn.cli.output import remark
from ecrnn.core.events import Downloading, Epoch, Event, Failed, Loading, Message, Step, Waiting
from ecrnn.core.text import printable


class Display:
    """Shows the events of one or several trainings, and lines.

    Progress that cannot be shown does not end a training, but where its reader has gone (`ecrnn ... 2>&1 | head`), it
    is stopped as if by a signal: with a checkpoint.

    Args:
        quiet: show nothing, for --json.
        each: what the trials of a model are: repeats, or points of a search.
    """

    def __init__(self, quiet: bool = False, each: str = "repeat") -> None:
        self.trainings, self.quiet, self.each = 1, quiet, each
        self.done: dict[str, float] = {}  # label: part done
        self.started: dict[str, float] = {}  # label: part done when first seen, for trainings that go on
        self.begin = time.monotonic()
        self.guard = threading.Lock()
        self.bars: Any = None
        self.begun: dict[str, float] = {}  # of what is loaded, when it began
        self.tenths: dict[str, int] = {}  # of what is loaded, as far as was shown
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> Display:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

            console = Console(stderr=True)
            columns = [
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                TimeElapsedColumn(),
            ]
            if console.width < 80:
                columns = columns[::2]
            self.bars = Progress(*columns, TimeRemainingColumn(), console=console)
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bars is not None:
            with self._shown():
                self.bars.stop()

    def show(self, event: Event) -> None:
        """Show what has happened."""
        match event:
            case Downloading(what, done, total) | Loading(what, done, total):
                self._part(what, done, total)
            case Waiting(trials):
                self._expect(trials)
            case Step() | Epoch():
                self._training(event)
            case Message(text):
                self.line(text)
            case Failed(model, repeat, error):
                self.line(f"{model}, {self.each} {repeat} failed: {error}")

    def _expect(self, trainings: int) -> None:
        """Note how many trainings will run in all, for the time left."""
        self.trainings = trainings
        if self.bars is not None and "" in self.tasks:
            with self._shown():
                self.bars.update(self.tasks[""], total=trainings)
        elif self.bars is not None and trainings > 1:
            with self._shown():
                self.tasks[""] = self.bars.add_task("all trials", total=trainings, note="")

    def _training(self, event: Step | Epoch) -> None:
        """Take note of a training's position and show it."""
        with self.guard:
            part = event.step / event.steps
            if not self.started:  # what it took to begin, such as to read the data, is no part of the pace
                self.begin = time.monotonic()
                self.started[event.label] = part
            self.started.setdefault(event.label, 0.0 if event.step <= 1 else part)
            self.done[event.label] = part
            if self.quiet:
                return
            with self._shown():
                if self.bars is not None:
                    self._bar(event)
                elif isinstance(event, Epoch):
                    self._print(f"{event.label}: {_epoch(event)}{self._left()}")

    def line(self, line: str) -> None:
        """Show a line of text."""
        if not self.quiet:
            with self.guard, self._shown():
                self._print(line)

    def _part(self, what: str, done: int, total: int) -> None:
        """Show a download or the decoding of images, a line each tenth."""
        now = time.monotonic()
        begin = self.begun.setdefault(what, now)
        if 0 < done < total and done * 10 // total != self.tenths.get(what, -1):
            self.tenths[what] = done * 10 // total
            left = (now - begin) * (total - done) / done
            self.line(f"{what}: {100 * done // total} %{f', about {duration(left)} left' if left >= 5 else ''}")

    @contextlib.contextmanager
    def _shown(self) -> Iterator[None]:
        """Around all that is drawn: what becomes of it where it cannot be."""
        try:
            yield
        except BrokenPipeError:
            self.quiet = True
            os.kill(os.getpid(), signal.SIGTERM)
        except OSError:  # such as a terminal that has been closed
            self.quiet = True

    def _print(self, line: str) -> None:
        line = printable(line)
        if self.bars is not None:
            self.bars.console.print(line, markup=False, highlight=False, emoji=False)
        else:
            remark(line)

    def _bar(self, event: Step | Epoch) -> None:
        label = event.label
        if label not in self.tasks:
            self.tasks[label] = self.bars.add_task(printable(label), total=event.steps, note="")
        note = {"note": _short(event)} if isinstance(event, Epoch) else {}
        self.bars.update(self.tasks[label], completed=event.step, **note)
        if "" in self.tasks:
            self.bars.update(self.tasks[""], completed=sum(self.done.values()))
        if isinstance(event, Epoch) and event.step == event.steps:
            self._print(f"{label}: {_epoch(event)}")
            self.bars.remove_task(self.tasks.pop(label))

    def _left(self) -> str:
        """The time left, from the part of all trainings done since the start."""
        worked = sum(self.done.values()) - sum(self.started.values())
        left = self.trainings - sum(self.done.values())
        if worked <= 0 or left <= 0.0001:
            return ""
        return f", about {duration((time.monotonic() - self.begin) * left / worked)} left"


def duration(seconds: float) -> str:
    """Seconds for people: "48 s", "3 min", "2 h 5 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _short(epoch: Epoch) -> str:
    return f"{epoch.epoch}/{epoch.epochs}{_metric(epoch, ' {title} {value:.1f}{unit}')}"


def _epoch(epoch: Epoch) -> str:
    shown = _metric(epoch, ", validation {title} {value:.2f}{unit}")
    return f"epoch {epoch.epoch} of {epoch.epochs}{shown}, {duration(epoch.metrics['seconds'])}"


def _metric(epoch: Epoch, form: str) -> str:
    """The task's metric on the validation examples in ``form``; nothing where there is none."""
    from ecrnn.stats.metrics import METRICS

    for metric in METRICS.values():
        if (value := epoch.metrics.get(f"validation_{metric.name}")) is not None:
            unit = " %" if metric.unit == "%" else ""
            return form.format(title=metric.title, value=metric.scale * value, unit=unit)
    return ""
