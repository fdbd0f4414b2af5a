"""A Ray cluster on this machine, in a process of its own, whose nodes have folders of their own for temporary files.

    python tests/studies/nodes.py FOLDER FOLDER [BLIND]

prints a line of JSON, the address, removes the second node at a line of input, and ends with it. BLIND is a folder of
modules that only the second node has.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TRIES = 3  # a busy machine may be too slow for what Ray waits


@dataclass(frozen=True)
class RayCluster:
    """A head that runs no tasks, and two nodes with a processor each.

    Attributes:
        address: of the head.
        folders: of the nodes, for temporary files.
        process: that has started it.
    """

    address: str
    folders: tuple[Path, Path]
    process: subprocess.Popen[str]

    def lose_second(self) -> None:
        """Kill the second node."""
        assert self.process.stdin is not None
        print(file=self.process.stdin, flush=True)

    def lose_second_while(self, condition: Callable[[], object]) -> None:
        """Kill the second node while a condition holds: all its processes stand still while it is asked."""
        lost = False
        while not lost:
            await_(condition)
            node = with_variable("TMPDIR", str(self.folders[1]))
            send(signal.SIGSTOP, node)
            lost = bool(condition())
            send(signal.SIGKILL if lost else signal.SIGCONT, node)
        self.lose_second()


BLIND = """
import sys

def look(event, arguments):
    if event == "open" and str(arguments[0]).startswith({folder!r}):
        raise PermissionError(13, "Permission denied", arguments[0])

sys.addaudithook(look)
"""  # a sitecustomize.py: whoever starts with it cannot open a file in that folder


@contextmanager
def ray_cluster(place: Path, hidden: Path | None = None) -> Iterator[RayCluster]:
    """A cluster whose nodes have folders in ``place``; the second cannot read what lies in ``hidden``."""
    pytest.importorskip("ray")
    folders = (place / "node-0", place / "node-1")
    for folder in folders:
        folder.mkdir()
    arguments = list(map(str, folders))
    if hidden is not None:
        (place / "blind").mkdir()
        (place / "blind" / "sitecustomize.py").write_text(BLIND.format(folder=str(hidden)))
        arguments.append(str(place / "blind"))
    more = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "RAY_raylet_start_wait_time_s": "300"}
    for attempt in range(1, TRIES + 1):
        with subprocess.Popen(
            [sys.executable, __file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **more},
        ) as process:
            assert process.stdout is not None
            lines = (line for line in process.stdout if line.startswith('{"address"'))
            line = next(lines, None)
            assert line or attempt < TRIES
            if line:
                yield RayCluster(json.loads(line)["address"], folders, process)
                return


def with_variable(name: str, value: str) -> list[int]:
    """The processes that have this variable in their environment, which they have from whoever began them."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended, or is another user's
            if f"{name}={value}".encode() in environment.read_bytes().split(b"\0"):
                found.append(int(environment.parent.name))
    return found


def send(number: signal.Signals, processes: Iterable[int]) -> None:
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def await_(condition: Callable[[], object], seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def main(first: str, second: str, blind: str | None = None) -> None:
    from ray.cluster_utils import Cluster

    made: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    more = {"PYTHONPATH": blind} if blind else {}
    made.add_node(num_cpus=1, env_vars={"TMPDIR": first})
    lost = made.add_node(num_cpus=1, env_vars={"TMPDIR": second, **more})
    print(json.dumps({"address": made.address}), flush=True)
    for _ in sys.stdin:
        made.remove_node(lost, allow_graceful=False)
    made.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
