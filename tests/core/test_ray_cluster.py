"""core/ray_cluster: addresses at which there is no cluster, each of them said at once."""

from __future__ import annotations

import socket
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from core.lines import one_line

from ecrnn.core.errors import EcrnnError
from ecrnn.core.ray_cluster import cluster


def named(address: str) -> str:
    """As Ray has it, for a machine on which no cluster runs."""
    if address == "auto":
        raise ConnectionError("Could not find any running Ray instance. Please set `--address`.")
    return address


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that Ray was asked to connect to, which takes minutes where nobody answers."""
    found: list[str] = []

    def init(address: str, **_: Any) -> None:
        found.append(address)

    services = SimpleNamespace(canonicalize_bootstrap_address=named)
    private = SimpleNamespace(services=services, ray_constants=SimpleNamespace(ENABLE_RAY_CLUSTER=True))
    ray = SimpleNamespace(init=init, shutdown=lambda: None, _private=private)
    monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("{closed}", "there is no Ray cluster at {closed}: Connection refused"),
        ("ray://{closed}", "there is no Ray cluster at ray://{closed}: Connection refused"),
        ("auto", "there is no Ray cluster at auto: none runs on this machine; 'ray start --head' begins one"),
        ("local", "a cluster is called auto or HOST:PORT"),  # which would listen to all
        ("10.0.0.1", "a cluster is called auto or HOST:PORT"),
        ("10.0.0.1:99999", "a cluster is called auto or HOST:PORT"),
        ("", "a cluster is called auto or HOST:PORT"),
    ],
)
def test_where_none_is(calls: list[str], address: str, line: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        closed = f"127.0.0.1:{door.getsockname()[1]}"
    with one_line(EcrnnError, line.format(closed=closed)), cluster(address.format(closed=closed)):
        pass
    assert calls == []


@pytest.mark.parametrize("client", ["", "ray://"])
def test_where_one_listens_ray_is_asked(calls: list[str], client: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        address = f"{client}127.0.0.1:{door.getsockname()[1]}"
        with cluster(address):
            pass
    assert calls == [address]
