"""How long OpenMP's threads wait actively for each other, decided before torch loads it.

libgomp's threads look for work in a loop for milliseconds before they sleep. On a quiet machine that is the fastest.
Where another process wants the core, a thread that waits so takes it from the one that it waits for, and two threads
are slower than one.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path

BRIEFLY = "1000"  # turns of the loop: tens of microseconds
_LOAD = Path("/proc/loadavg")
_LOOKS, _APART = 3, 0.001  # a busy process is there each time; one that is waking up is not


def wait_briefly_beside_others(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let this process's OpenMP threads sleep soon, and those of its workers, if others keep the cores busy just now.

    The variables GOMP_SPINCOUNT and OMP_WAIT_POLICY of the user hold. Nothing happens once torch is loaded.

    Args:
        environment: of the process, in which GOMP_SPINCOUNT is set.
    """
    if "torch" in sys.modules or {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & environment.keys():
        return
    all_cores = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else all_cores
    if _others_busy() + usable > all_cores:
        environment["GOMP_SPINCOUNT"] = BRIEFLY


def _others_busy() -> int:
    """How many tasks of other processes run or want to, at each of several looks; 0 where the system does not say."""
    looks = []
    for look in range(_LOOKS):
        if look:
            time.sleep(_APART)
        try:
            running = _LOAD.read_text(encoding="ascii").split()[3].partition("/")[0]
            looks.append(int(running) - 1)  # this one runs too
        except (OSError, ValueError, IndexError):
            return 0
    return min(looks)
