"""Clients that send nothing, half a head or read nothing lose their connection; slow ones that go on do not."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from ecrnn.serving.http.connections import timed

LARGE = b"x" * 8_000_000  # more than a socket holds
HEAD = b"GET /%s HTTP/1.1\r\nHost: a\r\n"


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["path"] == "/slow":
        await asyncio.sleep(0.7)
    while (await receive()).get("more_body"):
        pass
    body = LARGE if scope["path"] == "/large" else b"done"
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    protocol = timed(3, head=0.5, reading=0.9)
    server = uvicorn.Server(uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(20)


def ended(client: socket.socket) -> float:
    """Seconds until the server ends a connection that nothing is read from."""
    begun = time.monotonic()
    while time.monotonic() < begun + 10:
        state = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        if state != 1:  # established
            return time.monotonic() - begun
        time.sleep(0.02)
    raise AssertionError("the connection was kept")


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", HEAD % b"", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"]
)
def test_what_never_becomes_a_request(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(sent)
        assert 0.3 < ended(client) < 8


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
def test_an_answer_that_nobody_reads(port: int, more: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(HEAD % b"large" + more + b"\r\n")
        assert 0.7 < ended(client) < 3.5


def test_slow_clients_are_served(port: int) -> None:
    """A head in pieces, an answer that takes longer than a head may, and a second request on the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        for piece in (b"GET /slow HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n" + HEAD % b"" + b"\r\n"):
            client.sendall(piece)
            time.sleep(0.1)
        found = b""
        while found.count(b"done") < 2:
            found += client.recv(4096)
            assert found
        assert 0.3 < ended(client) < 8
