"""`ecrnn predict --engine ray`: the parts of the files as tasks of a Ray cluster, all of whose nodes see what is read
and written.

A task is `ecrnn predict --part 3/40` in a process of its own, so a part is what it is without Ray: it appears whole or
not at all, finished ones are skipped, and what a lost node had under way is done again elsewhere. The parts stay parts:
joined to one file they would have to be written twice, and after each change anew.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ecrnn.cli.output import complain, say
from ecrnn.cli.predict_parts import Part
from ecrnn.cli.predictions import Written
from ecrnn.core.errors import EcrnnError
from ecrnn.core.ray_cluster import check_fits, cluster, last_line, slots
from ecrnn.core.text import counted
from ecrnn.training.interruption import Interrupted, Interruption

FILES_A_PART = 2000  # where nobody says how many parts
ATTEMPTS = 3  # at a part, on whatever nodes, after which the command ends
_AHEAD = 2  # tasks for each that can run: the others wait in Ray, so that new nodes get them at once
_LOOK = 1.0  # seconds between two looks for a signal
_GRACE = 30.0  # seconds for the tasks to end
_LONGEST = 100_000  # characters of what a part says


def predict_on_ray(
    words: Sequence[str],
    parts: int,
    done: Callable[[Part], Written | None],
    *,
    threads: int,
    gpu: bool,
    address: str | None,
) -> Written:
    """Do the parts that are not done yet.

    Args:
        words: of the command for a part, without "predict" and ``--part``.
        parts: how many.
        done: what a finished part holds; None where it is not finished.
        threads: of a part.
        gpu: whether each needs one.
        address: of the cluster; None: one of this machine.

    Returns:
        The sums over all parts.

    Raises:
        EcrnnError: there is no Ray or no such cluster, none of its nodes can hold a part, or a part cannot be done.
        Interrupted: SIGINT or SIGTERM came; finished parts stay.
    """
    all_parts = [Part(number, parts) for number in range(1, parts + 1)]
    finished = {part: found for part in all_parts if (found := done(part)) is not None}
    waiting = [part for part in all_parts if part not in finished]
    if finished:
        say(f"{len(finished):,} of {counted(parts, 'parts')} are done already")
    if waiting:
        with Interruption() as interruption, cluster(address) as ray:
            tasks = _Tasks(ray, words, done, {"CPU": float(threads), "GPU": float(gpu)})
            finished |= tasks.run(waiting, interruption)
        if interruption.received:
            raise Interrupted(interruption.received, "finished parts stay, and the same command does the others")
    return Written(*map(sum, zip(*finished.values(), strict=True)))


class _Tasks:
    def __init__(
        self, ray: Any, words: Sequence[str], done: Callable[[Part], Written | None], needs: dict[str, float]
    ) -> None:
        self.ray, self.done, self.needs = ray, done, needs
        task = ray.remote(max_retries=-1, retry_exceptions=False)(_predict)  # a lost node is retried by Ray
        self.task = task.options(num_cpus=needs["CPU"], num_gpus=needs["GPU"], scheduling_strategy="SPREAD")
        self.words = list(words)
        self.under_way: dict[Any, Part] = {}
        self.failed: Counter[Part] = Counter()

    def run(self, waiting: list[Part], interruption: Interruption) -> dict[Part, Written]:
        """Do the parts; gives those that are done."""
        check_fits(self.ray, self.needs)
        finished: dict[Part, Written] = {}
        try:
            while (waiting or self.under_way) and not interruption.received:
                most = _AHEAD * max(1, sum(slots(self.ray, self.needs).values()))
                while waiting and len(self.under_way) < most:
                    part = waiting.pop(0)
                    words = ["predict", "--part", str(part), *self.words]
                    self.under_way[self.task.remote(words, os.getcwd())] = part
                ended, _ = self.ray.wait([*self.under_way], timeout=_LOOK)
                for task in ended:
                    part = self.under_way.pop(task)
                    if (written := self._end(task, part)) is not None:
                        finished[part] = written
                    else:
                        waiting.insert(0, part)
        finally:
            for task in self.under_way:
                self.ray.cancel(task, force=False)
            if self.under_way:
                self.ray.wait([*self.under_way], num_returns=len(self.under_way), timeout=_GRACE)
        return finished

    def _end(self, task: Any, part: Part) -> Written | None:
        """What a part that has ended holds; None where it is to be done again.

        Raises:
            EcrnnError: that was tried often enough.
        """
        try:
            status, out, errors = self.ray.get(task)
        except self.ray.exceptions.RayError as error:
            status, out, errors = 1, "", last_line(error)
        lines = errors.splitlines()
        if (written := self.done(part)) is not None:
            for line in lines:
                complain(line.removeprefix("ecrnn: "))
            say(out.strip() or f"part {part} is done")
            return written
        self.failed[part] += 1
        why = lines[-1].removeprefix("ecrnn: ") if lines else f"it ended with status {status}"
        if self.failed[part] == ATTEMPTS:
            raise EcrnnError(f"part {part} was begun {ATTEMPTS} times and is not done: {why}")
        complain(f"part {part} is done again: {why}")
        return None


def _predict(words: list[str], here: str) -> tuple[int, str, str]:
    """What a node does: one part, in a process of its own; gives its status, and what it said.

    Paths start from the folder ``here``, as for the driver, if the node sees it too.
    """
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "ecrnn", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        cwd=here if os.path.isdir(here) else None,
        start_new_session=True,
    ) as process:
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):  # a signal, which Python hears in between
                    out, errors = process.communicate(timeout=0.5)
                    return process.returncode, out[-_LONGEST:], errors[-_LONGEST:]
        finally:
            process.kill()
