"""Connections that end: none waits longer than a limit for the head of a request, or for its answer to be read.

uvicorn has a time only for what comes after an answer. A client that sent half a head, or nothing, or never read, kept
its connection for ever, and as many as are allowed kept all others out.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD = 10.0  # seconds for the head of a request
READING = 30.0  # seconds for an answer to be read, beside those until it is there
_AT_ONCE = struct.pack("ii", 1, 0)


def timed(seconds: float, head: float = HEAD, reading: float = READING) -> type[H11Protocol]:
    """The protocol of a server.

    Args:
        seconds: until an answer is there, as of `ecrnn.serving.http.limits.Limits`.
        head: for the head of a request.
        reading: for an answer to be read.
    """

    class Timed(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._arm(head)

        def data_received(self, data: bytes) -> None:
            waited = self.conn.their_state is h11.IDLE
            super().data_received(data)
            if waited and self.conn.their_state not in (h11.IDLE, h11.ERROR):  # the head is there
                self._arm(seconds + reading)

        def on_response_complete(self) -> None:
            answered = self.cycle
            self._arm(reading if self.transport.get_write_buffer_size() else head)
            super().on_response_complete()
            if self.cycle is not answered:  # the next request had come already, and has begun
                self._arm(seconds + reading)

        def connection_lost(self, exc: Exception | None) -> None:
            self._disarm()
            super().connection_lost(exc)

        def _arm(self, until: float) -> None:
            self._disarm()
            self._timer = self.loop.call_later(until, self._end)

        def _end(self) -> None:
            """Close at once: what the client has not read is dropped, by the system too."""
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.transport.abort()

        def _disarm(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Timed
