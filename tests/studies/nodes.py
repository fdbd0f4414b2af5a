"""A Ray cluster on this machine, in a process of its own, whose nodes have folders of their own for temporary files.

    python tests/studies/nodes.py PLACE

prints a line of JSON, the address and the folders, removes the second node at a line of input, and ends with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def ray_cluster(place: Path) -> Iterator[RayCluster]:
    """A cluster whose nodes have folders in ``place``."""
    pytest.importorskip("ray")
    folders = (place / "node-0", place / "node-1")
    for folder in folders:
        folder.mkdir()
    more = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "RAY_raylet_start_wait_time_s": "300"}
    for attempt in range(1, TRIES + 1):
        with subprocess.Popen(
            [sys.executable, __file__, *map(str, folders)],
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


def await_(condition: Callable[[], object], seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def main(folders: list[str]) -> None:
    from ray.cluster_utils import Cluster

    made: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [made.add_node(num_cpus=1, env_vars={"TMPDIR": folder}) for folder in folders]
    print(json.dumps({"address": made.address}), flush=True)
    for _ in sys.stdin:
        made.remove_node(nodes[1], allow_graceful=False)
    made.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
