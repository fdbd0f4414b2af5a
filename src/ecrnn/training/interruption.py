"""Ctrl-C and kill, which take effect at the next step: the training then writes a checkpoint and stops."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """A training stopped by a signal, after its checkpoint was written. ``signal`` is the signal's number."""

    def __init__(self, number: int, advice: str = "the same command with the same folder goes on") -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; {advice}")
        self.signal = number


class Interruption:
    """While entered, SIGINT and SIGTERM are noted in ``received`` instead of ending the process.

    A second signal ends it at once, as without this class, or is noted by one that was entered before. One that is
    entered after a signal has received it, too: what it would begin stops at its first step. Outside the main thread,
    where Python cannot hear signals, nothing changes.

    Args:
        forgiving: a second signal does nothing: torchrun passes on what its processes may have got already, and ends
            them itself where they take too long.
    """

    def __init__(self, forgiving: bool = False) -> None:
        self.received: int | None = None
        self.forgiving = forgiving
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self.received, outer = None, _entered[-1] if _entered else None
            _entered.append(self)
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
            if outer is not None:  # asked last: what comes before is noted by the outer one, what comes later by this
                self.received = self.received or outer.received
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self in _entered:
            _entered.remove(self)
        self._put_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        if not self.forgiving:
            self._put_back()

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before = {}


_entered: list[Interruption] = []  # by the main thread, the last one last
