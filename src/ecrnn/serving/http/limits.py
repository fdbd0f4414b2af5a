"""What a server takes and refuses, and the statuses with which it refuses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_LEAST_HELD = 2**28  # bytes


@dataclass(frozen=True)
class Limits:
    """The bounds of a server.

    Attributes:
        batch: images that the model takes at once.
        wait: seconds that an image waits for others, while the model has nothing to do.
        queue: images that wait for the model; more are refused (429).
        body: bytes of a request (413).
        pixels: of an image (422).
        images: of a request (422).
        seconds: until an answer is there (504).
    """

    batch: int = 64
    wait: float = 0.005
    queue: int = 256
    body: int = 10_000_000
    pixels: int = 50_000_000
    images: int = 64
    seconds: float = 30.0

    @property
    def held(self) -> int:
        """Bytes of all requests together that are held at once; more are refused (429)."""
        return max(_LEAST_HELD, 4 * self.body)


class Refused(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        reason: one line, for people.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Bodies:
    """The bytes of requests that a server holds, of all connections together.

    Args:
        most: how many it may hold.
    """

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0

    @contextlib.contextmanager
    def of_request(self) -> Iterator[Callable[[int], None]]:
        """What takes so many bytes more for a request, or raises Refused; in the end they are free again."""
        mine = 0

        def take(count: int) -> None:
            nonlocal mine
            if self.held + count > self.most:
                raise Refused(429, f"{self.most:,} bytes of other requests are held already; try again later")
            self.held += count
            mine += count

        try:
            yield take
        finally:
            self.held -= mine
