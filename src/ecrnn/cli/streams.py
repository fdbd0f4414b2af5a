"""The standard streams of a command: closed ones, odd encodings, readers that have gone, full disks behind them."""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from ecrnn.core.standard_streams import open_closed_streams


class _Output(io.TextIOWrapper):
    """The standard output. ``fault`` is the error that writing to it has ended with, if any."""

    fault: OSError | None = None

    def write(self, text: str) -> int:
        with self._noted():
            return super().write(text)

    def flush(self) -> None:
        with self._noted():
            super().flush()

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.fault = error
            raise


class _Remarks(io.TextIOWrapper):
    """The standard error, where progress and warnings go: that it cannot be written is no reason to stop.

    That its reader has gone is one, as for any program in a pipe.
    """

    def write(self, text: str) -> int:
        with _unless_the_reader_has_gone():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with _unless_the_reader_has_gone():
            super().flush()


@contextlib.contextmanager
def _unless_the_reader_has_gone() -> Iterator[None]:
    """Pass over every OSError met inside but that of a broken pipe."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError:
        pass


def prepare() -> None:
    """Make the standard streams of this process fit for a command."""
    open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:  # not one of a test
        sys.stdout = sys.__stdout__ = _Output(**_taken_over(sys.stdout))  # type: ignore[misc]
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
        sys.stderr = sys.__stderr__ = _Remarks(**_taken_over(sys.stderr))  # type: ignore[misc]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="ecrnn.escaped")  # for names of files that the terminal's encoding does not have


def _taken_over(stream: io.TextIOWrapper) -> dict[str, Any]:
    """The arguments for another text stream over the same buffer."""
    form: dict[str, Any] = {name: getattr(stream, name) for name in ("encoding", "line_buffering", "write_through")}
    return {"buffer": stream.detach(), **form}


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Letters that an encoding does not have as JSON escapes them, so that what is printed as JSON stays JSON."""
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error("ecrnn.escaped", _escaped)


def is_of_output(error: Exception) -> bool:
    """Whether ``error`` says that the standard output could not be written."""
    return error is getattr(sys.stdout, "fault", None)


def discard_output() -> None:
    """Drop what waits for the standard output, which cannot be written."""
    _discard("stdout")


def settle() -> None:
    """Drop what cannot be written at the end: Python would try again, and end with another status."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (OSError, ValueError):
            _discard(name)


def _discard(name: str) -> None:
    number = {"stdout": 1, "stderr": 2}[name]
    with contextlib.suppress(OSError, ValueError):
        if getattr(sys, name).fileno() == number:  # else it is a test's
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, number)
            os.close(null)
    setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 until the process ends
