"""Processes to be killed, without the seconds that importing torch takes each: a server that forks.

`Forks` starts this file as a process of its own, which imports everything once and computes nothing. For each request
it forks a child that calls a function by name with a ``progress`` that counts its steps and epochs as ticks, and sends
signals to the child after the tick that was asked for.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

DONE, FAILED, INTERRUPTED, KEYBOARD = 0, 1, 3, 4


class Forks:
    """A server of children; use as a context."""

    def __init__(self, *modules: str) -> None:
        tests = str(Path(__file__).parents[1])
        self.process = subprocess.Popen(
            [sys.executable, __file__, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": tests, "GOMP_SPINCOUNT": "1000"},  # as ecrnn has it beside others
            start_new_session=True,
        )

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=60)

    def __call__(
        self,
        function: str,
        *,
        ticks: int | None = None,
        delay: float = 0.0,
        signals: tuple[str, ...] = ("SIGKILL",),
        hold: bool = False,
        **arguments: Any,
    ) -> int:
        """Call ``function`` ("module:name") in a child.

        Args:
            ticks: after how many ticks the signals are sent, ``delay`` seconds later; None: never.
            hold: the child waits in that tick, so that it cannot end before the signals come.

        Returns:
            The child's exit status, negative for a signal.
        """
        request = {"function": function, "ticks": ticks, "delay": delay, "signals": signals, "hold": hold}
        return self._answer(request | {"arguments": arguments})

    def load(self, *modules: str) -> None:
        """Import ``modules``, so that no later child has to."""
        self._answer({"modules": modules})

    def _answer(self, request: dict[str, Any]) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return int(json.loads(self.process.stdout.readline()))


def _serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(_load(**request) if "modules" in request else _fork(**request)), flush=True)


def _load(modules: list[str]) -> int:
    for module in modules:
        importlib.import_module(module)
    return DONE


def _fork(
    function: str, arguments: dict[str, Any], ticks: int | None, delay: float, signals: list[str], hold: bool
) -> int:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _child(function, arguments, writing, ticks if hold else None)
    os.close(writing)
    seen = 0
    while seen != ticks and os.read(reading, 1):
        seen += 1
    if seen == ticks:
        time.sleep(delay)
        for number, name in enumerate(signals):
            os.kill(pid, signal.Signals[name])
            if number + 1 < len(signals):
                _wait_until_heard(pid)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(reading)
    return status


def _child(function: str, arguments: dict[str, Any], writing: int, hold: int | None) -> NoReturn:
    os.dup2(2, 1)
    status, seen = FAILED, 0

    def progress(event: object) -> None:
        nonlocal seen
        if type(event).__name__ not in ("Step", "Epoch"):
            return
        seen += 1
        os.write(writing, b".")
        if seen == hold:
            for _ in range(12_000):  # Python hears a signal that comes just before a sleep begins only after it
                time.sleep(0.05)

    try:
        module, _, name = function.partition(":")
        getattr(importlib.import_module(module), name)(progress=progress, **arguments)
        status = DONE
    except KeyboardInterrupt:
        status = KEYBOARD
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else FAILED if end.code else DONE
    except Exception as error:  # noqa: BLE001 said by the status and the traceback
        status = INTERRUPTED if type(error).__name__ == "Interrupted" else FAILED
        if status == FAILED:
            traceback.print_exc()
    finally:
        os._exit(status)


def _wait_until_heard(pid: int) -> None:
    """Until the child no longer catches SIGTERM, which is what `Interruption` does when a signal has come."""
    for _ in range(6000):
        caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigCgt" in line)
        if not int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.01)


if __name__ == "__main__":
    os.fsync = os.fstat  # type: ignore[assignment] a kill loses nothing that is written, flushed or not
    _load(sys.argv[1:])
    with contextlib.suppress(KeyboardInterrupt):
        _serve()
