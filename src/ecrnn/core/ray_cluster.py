"""Ray, where it is installed: a cluster that is there, or one of this machine alone. Extra `ray`.

Inside a cluster Ray protects nothing: who reaches its ports and has its token can run what he likes. A cluster that is
started here listens on this machine alone, has no dashboard and reports nothing home.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ecrnn.core.errors import EcrnnError

_LOCAL = "local"
_CLIENT = "ray://"
_ADDRESS, _MAX_PORT = re.compile(r".+:[0-9]{1,5}"), 65_535
_PATIENCE = 10.0  # seconds for a cluster to take a connection


def import_ray(address: str | None = None) -> Any:
    """The module ray, not connected yet.

    Args:
        address: of the cluster that will be connected; None: one of this machine.

    Raises:
        EcrnnError: it is not installed; or it was imported before, so that a cluster of this machine would listen to
            others.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # or it reports home
    if address is None and "ray" not in sys.modules:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # by which it listens on loopback alone, on Linux too
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise EcrnnError("--engine ray needs the package ray; pip install 'ecrnn[ray]'") from error
    if address is None and ray._private.ray_constants.ENABLE_RAY_CLUSTER:
        line = "Ray was imported before and would listen to other machines"
        raise EcrnnError(f"{line}; name a cluster, or start ecrnn in a process of its own")
    return ray


@contextmanager
def cluster(address: str | None) -> Iterator[Any]:
    """The module ray, connected to a cluster for as long as the block lasts.

    Args:
        address: such as "auto" or "10.0.0.1:6379"; None: one of this machine, which ends with the block.

    Raises:
        EcrnnError: as `import_ray`, or there is no such cluster.
    """
    ray = import_ray(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    here = {"include_dashboard": False}
    try:
        if address is not None:
            check_listens(ray, address)
        ray.init(address=address or _LOCAL, **quiet, **(here if address is None else {}))
    except (OSError, RuntimeError, ValueError) as error:
        line = getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__
        raise EcrnnError(f"there is no Ray cluster at {address or _LOCAL}: {line[:200]}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def check_listens(ray: Any, address: str) -> None:
    """Look whether somebody takes connections at an address, where Ray would try for minutes, deaf to signals.

    Raises:
        OSError: nobody does, or no cluster is known to this machine.
        ValueError: it is no address.
    """
    place = address.removeprefix(_CLIENT)
    if address == "auto" or (place == address and _ADDRESS.fullmatch(place)):
        try:  # Ray calls this machine by another name than 127.0.0.1
            place = ray._private.services.canonicalize_bootstrap_address(address) or ""
        except ConnectionError as error:
            raise ConnectionError("none runs on this machine; 'ray start --head' begins one") from error
    host, _, port = place.rpartition(":")
    if not _ADDRESS.fullmatch(place) or int(port) > _MAX_PORT:
        raise ValueError("a cluster is called auto or HOST:PORT, as in 10.0.0.1:6379")
    socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()


def slots(ray: Any, needs: Mapping[str, float]) -> dict[str, int]:
    """How many tasks with those needs, such as {"CPU": 2.0, "GPU": 0.0}, each node can run at one time, by its id.

    Nodes that can run none, and those that are lost, are left out.
    """
    found = {}
    for node in ray.nodes():
        resources = node["Resources"]
        if node["Alive"]:
            room = min(resources.get(kind, 0.0) / need for kind, need in needs.items() if need)
            found[node["NodeID"]] = int(room + 1e-6)
    return {node: number for node, number in found.items() if number}


def freest(slots: Mapping[str, int], busy: Mapping[str | None, int], avoided: Collection[str]) -> str:
    """The node for the next task, where this process chooses: one that can train before one that could not.

    Args:
        slots: nodes to choose from, as of `slots`; at least one.
        busy: tasks that each of them has.
        avoided: nodes that could not do a task. Such a node is idle again in seconds, so Ray would give it all of them.
    """
    return min(sorted(slots), key=lambda node: (node in avoided, busy.get(node, 0) / slots[node]))


def placed(ray: Any, node: str | None) -> Any:
    """How Ray places a task: on that node for as long as it lives; spread where there is none."""
    return ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=True) if node else "SPREAD"


def name_of_node(ray: Any, node: str) -> str:
    """What people call a node: the name and address of its machine, and its id, since a machine may have several."""
    known: Mapping[str, Any] = next((one for one in ray.nodes() if one["NodeID"] == node), {})
    machine = " ".join(filter(None, (known.get("NodeManagerHostname"), known.get("NodeManagerAddress"))))
    return f"node {machine or 'of Ray'} ({node[:8]})"


def check_fits(ray: Any, needs: Mapping[str, float]) -> None:
    """Look whether a node can run a task with those needs, for which Ray would wait without end and without a word.

    Raises:
        EcrnnError: none can, as the cluster is now; the line says what the largest has.
    """
    if slots(ray, needs):
        return
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    largest: Mapping[str, float] = max(
        alive, key=lambda has: (needs["GPU"] and has.get("GPU", 0.0), has.get("CPU", 0.0)), default={}
    )
    wanted = f"a task needs {_amounts(needs)}, and no node of the Ray cluster has them"
    raise EcrnnError(f"{wanted}: the largest has {_amounts(largest)}; take fewer threads, or add a node first")


def _amounts(resources: Mapping[str, float]) -> str:
    return f"{resources.get('CPU', 0.0):g} processors and {resources.get('GPU', 0.0):g} GPUs"


def node_id() -> str:
    """The id of the node that this task of Ray runs on; "" outside one."""
    ray: Any = sys.modules.get("ray")
    return ray.get_runtime_context().get_node_id() if ray is not None and ray.is_initialized() else ""


def last_line(error: BaseException) -> str:
    """The last line of an error of Ray, whose text begins with the traces of other machines; or its kind."""
    lines = str(error).strip().splitlines()
    return lines[-1][:300] if lines else type(error).__name__
