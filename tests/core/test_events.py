"""core/events: every kind survives JSON, what is no event is one line, and generators are passed on and closed."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import get_args

import pytest
from core.lines import one_line

from ecrnn.core.errors import EcrnnError
from ecrnn.core.events import (
    Downloading,
    Epoch,
    Event,
    Failed,
    Finished,
    Loading,
    Message,
    Step,
    Waiting,
    from_json,
    from_plain,
    passed_on,
    silent,
    to_json,
)

EVENTS = (
    Downloading("train-images-idx3-ubyte.gz", 131_072, 9_912_422),
    Loading("grün\u0308e Bilder", 256, 1797),
    Waiting(30),
    Step("cnn, repeat 2", 7, 120, 1, 12),
    Epoch("cnn, repeat 2", 10, 120, 1, 12, {"epoch": 1, "train_loss": 0.1 + 0.2, "validation_accuracy": 1e-300}),
    Message("고양이: 3 examples,\n\u2028 \U0001f408 \ud800 '\"\\ end"),
    Failed("ecrnn-bilstm-16@columns", 0, "RuntimeError: naïve"),
    Finished("cnn", 12),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_kind_survives_json(event: Event) -> None:
    line = to_json(event)
    assert line.isascii()
    assert line.splitlines() == [line]
    assert json.loads(line)["kind"] == type(event).__name__.lower()
    again = from_json(line)
    assert type(again) is type(event)
    assert again == event
    assert to_json(again) == line


def test_all_kinds_are_tried() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))


STEP = json.loads(to_json(EVENTS[3]))
EPOCH = json.loads(to_json(EVENTS[4]))


@pytest.mark.parametrize(
    ("plain", "fault"),
    [
        ({}, "its kind should be one of downloading, loading,"),
        ({"kind": "tick"}, "its kind should be one of"),
        ({"kind": ["step"]}, "its kind should be one of"),
        ({**STEP, "more": 1}, "it should hold label, step, steps, epoch, epochs"),
        ({"kind": "waiting"}, "it should hold trials"),
        ({**STEP, "step": "7"}, "its step should be of type int"),
        ({**STEP, "step": True}, "its step should be of type int"),
        ({**STEP, "label": None}, "its label should be of type str"),
        ({**EPOCH, "metrics": {"loss": "0.5"}}, "its metrics should be of type"),
        ({**EPOCH, "metrics": [0.5]}, "its metrics should be of type"),
    ],
)
def test_what_is_no_event(plain: dict, fault: str) -> None:
    with one_line(EcrnnError, fault):
        from_plain(plain)
    with one_line(EcrnnError, fault):
        from_json(json.dumps(plain))


@pytest.mark.parametrize("line", ["", "{", "[]", "null", "[" * 100_000, "9" * 5000])
def test_lines_that_hold_no_object(line: str) -> None:
    with one_line(EcrnnError, "is no event: it is not an object of JSON"):
        from_json(line)


def counted(closed: list[bool]) -> Generator[Event, None, str]:
    try:
        for number in range(3):
            yield Waiting(number)
        return "all"
    finally:
        closed.append(True)


def test_events_are_passed_on_in_order() -> None:
    seen: list[Event] = []
    assert passed_on(counted([]), seen.append) == "all"
    assert seen == [Waiting(0), Waiting(1), Waiting(2)]
    assert passed_on(counted([]), silent) == "all"


def test_an_error_of_who_listens_closes_the_generator() -> None:
    closed: list[bool] = []

    def progress(event: Event) -> None:
        raise KeyError("of the caller")

    with pytest.raises(KeyError, match="of the caller") as caught:  # which keeps all frames alive
        passed_on(counted(closed), progress)
    assert closed == [True], caught
