"""Signals: noted once, ended by the second, put back, and left alone outside the main thread."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest

from ecrnn.training.interruption import SIGNALS, Interrupted, Interruption


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted(number: int) -> None:
    before = handlers()
    with Interruption() as interruption:
        assert interruption.received is None
        assert handlers() != before
        signal.raise_signal(number)
        assert interruption.received == number
        assert handlers() == before  # so that a second one does what it always did
    assert interruption.received == number
    assert handlers() == before


def test_a_second_ctrl_c_is_heard_at_once() -> None:
    with Interruption():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_one_inside_another() -> None:
    """A second signal is noted by the outer one, and what is entered after it has heard of it."""
    before = handlers()
    with Interruption() as outer:
        with Interruption() as inner:
            signal.raise_signal(signal.SIGTERM)
            assert (outer.received, inner.received) == (None, signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert outer.received == signal.SIGTERM
        with Interruption() as later:
            assert later.received == signal.SIGTERM
            assert handlers() != before  # so that one more does not end it before its first step
    with Interruption() as after:
        assert after.received is None
    assert handlers() == before


def test_a_signal_that_comes_while_one_is_entered_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outer one has noted it, and the inner one would else begin a training as if nothing had come."""
    real, before, sent = signal.signal, handlers(), []

    def interrupted(number: int, handler: Any) -> Any:
        if not sent:
            sent.append(number)
            signal.raise_signal(signal.SIGTERM)
        return real(number, handler)

    with Interruption() as outer:
        monkeypatch.setattr(signal, "signal", interrupted)
        with Interruption() as inner:
            assert (outer.received, inner.received) == (signal.SIGTERM, signal.SIGTERM)
    assert handlers() == before


def test_put_back_without_a_signal_and_after_an_error() -> None:
    before = handlers()
    with Interruption():
        pass
    assert handlers() == before
    with pytest.raises(KeyError), Interruption():
        raise KeyError
    assert handlers() == before


def test_outside_the_main_thread() -> None:
    before, found = handlers(), []

    def work() -> None:
        with Interruption() as interruption:
            found.append((interruption.received, handlers()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(None, before)]


def test_what_it_says() -> None:
    error = Interrupted(signal.SIGTERM)
    assert error.signal == signal.SIGTERM
    assert str(error) == "stopped by SIGTERM; the same command with the same folder goes on"
    assert not isinstance(error, ValueError)  # nothing that the user did wrong
