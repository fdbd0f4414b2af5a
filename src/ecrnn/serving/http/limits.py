"""What a server takes and refuses, and the statuses with which it refuses."""

from __future__ import annotations

from dataclasses import dataclass


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


class Refused(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        reason: one line, for people.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason
