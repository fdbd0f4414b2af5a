"""cli/progress: what is shown of each event on a standard error that is no terminal."""

from __future__ import annotations

import io
import sys

import pytest

from ecrnn.cli.output import complain
from ecrnn.cli.progress import Display, duration
from ecrnn.core.events import Downloading, Epoch, Event, Failed, Finished, Loading, Message, Step, Waiting

EVENTS: tuple[Event, ...] = (
    Downloading("train.gz", 50, 1000),
    Downloading("train.gz", 100, 1000),
    Downloading("train.gz", 199, 1000),
    Downloading("train.gz", 1000, 1000),
    Loading("images", 256, 512),
    Loading("images", 512, 512),
    Waiting(1),
    Message("2 of 3 trials are finished already"),
    Step("cnn, repeat 0", 1, 2, 1, 1),
    Step("cnn, repeat 0", 2, 2, 1, 1),
    Epoch("cnn, repeat 0", 2, 2, 1, 1, {"validation_accuracy": 0.91234, "seconds": 3.4}),
    Finished("cnn", 0),
    Failed("ecnn", 1, "RuntimeError: no"),
)


def test_every_kind_of_event(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        for event in EVENTS:
            display.show(event)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "train.gz: 5 %",
        "train.gz: 10 %",
        "images: 50 %",
        "2 of 3 trials are finished already",
        "cnn, repeat 0: epoch 1 of 1, validation accuracy 91.23 %, 3 s",
        "ecnn, repeat 1 failed: RuntimeError: no",
    ]


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(quiet=True) as display:
        for event in EVENTS:
            display.show(event)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (99, "99 s"), (170, "3 min"), (7500, "2 h 5 min")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_line_is_written_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else two ranks of a training, whose standard error is one, tear each other's lines."""
    pieces: list[str] = []
    stream = io.StringIO()
    monkeypatch.setattr(stream, "write", pieces.append)
    monkeypatch.setattr(sys, "stderr", stream)
    with Display() as display:
        display.show(Message("2 of 3 trials are finished already"))
    complain("no such folder")
    assert pieces == ["2 of 3 trials are finished already\n", "ecrnn: no such folder\n"]


def test_the_time_left_is_that_of_trainings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that took 50 s to begin has not trained for 50 s; tenths of images that were read are no trainings."""
    now = iter([0.0, 1.0, 50.0, 51.0, 60.0])
    monkeypatch.setattr("ecrnn.cli.progress.time.monotonic", lambda: next(now))
    with Display() as display:
        display.show(Loading("images", 80, 100))
        for epoch in (1, 2, 11):
            display.show(Epoch("cnn, repeat 0", epoch, 20, epoch, 20, {"seconds": 1.0}))
    assert [line.rpartition(", ")[2] for line in capsys.readouterr().err.splitlines()[1:]] == [
        "1 s",
        "about 18 s left",
        "about 9 s left",
    ]
