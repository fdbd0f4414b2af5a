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

from ecrnn.core.progress import Tick
from ecrnn.core.text import printable


class Display:
    """Shows ticks of one or several trainings, and lines.

    Progress that cannot be shown does not end a training, but where its reader has gone (`ecrnn ... 2>&1 | head`), it
    is stopped as if by a signal: with a checkpoint.

    Args:
        quiet: show nothing, for --json.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.trainings, self.quiet = 1, quiet
        self.done: dict[str, float] = {}  # label: part done
        self.started: dict[str, float] = {}  # label: part done when first seen, for trainings that go on
        self.begin = time.monotonic()
        self.guard = threading.Lock()
        self.bars: Any = None
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

    def expect(self, trainings: int) -> None:
        """Say how many trainings will run in all, for the time left."""
        self.trainings = trainings
        if self.bars is not None and trainings > 1:
            with self._shown():
                self.tasks[""] = self.bars.add_task("all trials", total=trainings, note="")

    def tick(self, tick: Tick) -> None:
        """Take note of a training's position and show it."""
        with self.guard:
            part = tick.step / tick.steps
            self.started.setdefault(tick.label, 0.0 if tick.step <= 1 else part)
            self.done[tick.label] = part
            if self.quiet:
                return
            with self._shown():
                if self.bars is not None:
                    self._bar(tick)
                elif tick.metrics:
                    self._print(f"{tick.label}: {_epoch(tick)}{self._left()}")

    def line(self, line: str) -> None:
        """Show a line of text."""
        if not self.quiet:
            with self.guard, self._shown():
                self._print(line)

    def bytes(self, what: str, done: int, total: int) -> None:
        """Progress of a download or of decoding pictures, a line each tenth."""
        if 0 < done < total and done * 10 // total != self.done.get(what, -1):
            self.done[what] = done * 10 // total
            self.line(f"{what}: {100 * done // total} %")

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
            print(line, file=sys.stderr, flush=True)

    def _bar(self, tick: Tick) -> None:
        if tick.label not in self.tasks:
            self.tasks[tick.label] = self.bars.add_task(printable(tick.label), total=tick.steps, note="")
        note = _short(tick) if tick.metrics else None
        self.bars.update(self.tasks[tick.label], completed=tick.step, **({"note": note} if note else {}))
        if "" in self.tasks:
            self.bars.update(self.tasks[""], completed=sum(self.done.values()))
        if tick.metrics and tick.step == tick.steps:
            self._print(f"{tick.label}: {_epoch(tick)}")
            self.bars.remove_task(self.tasks.pop(tick.label))

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


def _short(tick: Tick) -> str:
    return f"{tick.epoch}/{tick.epochs}{_metric(tick, ' {title} {value:.1f}{unit}')}"


def _epoch(tick: Tick) -> str:
    shown = _metric(tick, ", validation {title} {value:.2f}{unit}")
    return f"epoch {tick.epoch} of {tick.epochs}{shown}, {duration(tick.metrics['seconds'])}"


def _metric(tick: Tick, form: str) -> str:
    """The task's metric on the validation examples in ``form``; nothing where there is none."""
    from ecrnn.stats.metrics import METRICS

    for metric in METRICS.values():
        if (value := tick.metrics.get(f"validation_{metric.name}")) is not None:
            unit = " %" if metric.unit == "%" else ""
            return form.format(title=metric.title, value=metric.scale * value, unit=unit)
    return ""
