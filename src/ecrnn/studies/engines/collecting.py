"""`--engine ray --collect`: trials on a Ray cluster whose nodes do not see the study's folder; this process brings them
back.

A task trains one trial in a folder of its node and sends it as messages (`ecrnn.studies.engines.node_trial`). What has
arrived whole is looked at as a folder from anywhere is, and gets its place in the study by one rename. Nothing of a
trial is kept on its node: where a node or a task is lost before its trial has arrived, the trial is done again from its
beginning.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecrnn.core.attempts import WORK, name_of
from ecrnn.core.config import MAX_SETTINGS
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Epoch, Event, Failed, Finished, Message, from_json
from ecrnn.core.files import make_folder
from ecrnn.core.gpu_slots import share_of_gpu
from ecrnn.core.ray_cluster import check_fits, cluster, freest, last_line, name_of_node, placed, slots
from ecrnn.core.reading import check_inside, read_bytes
from ecrnn.core.runs import FAILURE, STUDY, read_failure, trial_folder
from ecrnn.core.text import printable
from ecrnn.models.family import MAX_SOURCE
from ecrnn.models.own_code import loaded_files
from ecrnn.studies.attempt_folders import put
from ecrnn.studies.engines.node_trial import train_and_send
from ecrnn.studies.engines.protocol import OpenStudy, Trial
from ecrnn.studies.trial_messages import FAILED, FINISHED, LOST, UNFIT, Arriving, parsed
from ecrnn.studies.trials import record_failure
from ecrnn.training.interruption import Interrupted, Interruption

ATTEMPTS = 3  # at a trial, of which none came back, though its node stayed and could train
_AHEAD = 2  # tasks for each that can run: the others wait in Ray, so that new nodes get them at once
_UNREAD = 8  # messages of a task that wait here
_LOOK = 1.0  # seconds between two looks for a signal
_MOST = 2**53  # of seconds, steps and whole numbers in an epoch
_LONGEST = 1000  # characters of a line from a node
_GRACE = 30.0  # seconds for the nodes to delete what they have begun


@dataclass
class _Task:
    """A trial that is under way."""

    trial: Trial
    messages: Any  # Ray's generator of references to them
    arriving: Arriving
    node: str | None  # that it was given to; None: Ray chooses


class CollectingEngine:
    """The `ecrnn.studies.engines.protocol.Engine` of a Ray cluster without a folder that all nodes see.

    Args:
        address: of the cluster, such as "auto" or "10.0.0.1:6379"; None: one of this machine, which ends with the
            trials.
        trials_per_gpu: trials that share a GPU; None: each has one.
    """

    def __init__(self, address: str | None = None, trials_per_gpu: int | None = None) -> None:
        self.address, self.trials_per_gpu = address, trials_per_gpu

    def start(self, study: OpenStudy, trials: Sequence[Trial]) -> None:
        self.study, self.waiting = study, list(trials)
        self.under_way: list[_Task] = []
        self.lost: Counter[Trial] = Counter()
        self.unfit: defaultdict[Trial, dict[str, str]] = defaultdict(dict)  # nodes that cannot train it, and why not
        self.stopping = False
        self.arrivals = study.folder / WORK / "arriving"
        check_inside(self.arrivals, study.folder)

    def events(self) -> Generator[Event, None, None]:
        try:
            with Interruption() as interruption, cluster(self.address) as ray:
                try:
                    yield from self._run(ray, interruption)
                finally:
                    self._cancel(ray)
        finally:
            shutil.rmtree(self.arrivals.parent, ignore_errors=True)
        if interruption.received:
            raise Interrupted(interruption.received, "the same command trains what has not arrived from its beginning")

    def stop(self) -> None:
        self.stopping, self.waiting = True, []

    def _run(self, ray: Any, interruption: Interruption) -> Iterator[Event]:
        training = self.study.settings.training
        needs = {"CPU": float(training.threads or 1), "GPU": share_of_gpu(training.device, self.trials_per_gpu)}
        check_fits(ray, needs)
        task = ray.remote(max_retries=0)(train_and_send)  # whose other half may have arrived, so this process retries
        options = {"num_cpus": needs["CPU"], "num_gpus": needs["GPU"], "_generator_backpressure_num_objects": _UNREAD}
        place = self.study.folder
        study = read_bytes(place / STUDY, MAX_SETTINGS, place)
        code = [(file.name, read_bytes(file, MAX_SOURCE)) for file in loaded_files()]
        while (self.waiting or self.under_way) and not (interruption.received or self.stopping):
            nodes = slots(ray, needs)
            most = _AHEAD * max(1, sum(nodes.values()))
            while len(self.under_way) < most and (trial := self._next(nodes)) is not None:
                node = self._node(trial, nodes)
                root = make_folder(self.arrivals / f"{name_of(trial)}.{secrets.token_hex(4)}")
                messages = task.options(**options, scheduling_strategy=placed(ray, node)).remote(
                    study, trial, code, os.getcwd(), self.trials_per_gpu or 1
                )
                self.under_way.append(_Task(trial, messages, Arriving(root, trial), node))
            tasks = {id(one.messages): one for one in self.under_way}
            ready, _ = ray.wait([one.messages for one in self.under_way], timeout=_LOOK)
            for messages in ready:
                yield from self._take(ray, tasks[id(messages)])

    def _next(self, nodes: Mapping[str, int]) -> Trial | None:
        """The next trial that a node may be able to train, taken from those that wait.

        Raises:
            RunDirectoryError: nothing is under way, and each node has answered for each trial that it cannot train it.
        """
        for trial in self.waiting:
            if not nodes or nodes.keys() - self.unfit[trial].keys():
                self.waiting.remove(trial)
                return trial
        if self.waiting and not self.under_way:
            *_, line = self.unfit[self.waiting[0]].values()
            raise RunDirectoryError(line)
        return None

    def _node(self, trial: Trial, nodes: Mapping[str, int]) -> str | None:
        """The node for a trial; None where Ray may choose, as long as no node has answered that it cannot train."""
        avoided = {node for found in self.unfit.values() for node in found}
        fit = {node: number for node, number in nodes.items() if node not in self.unfit[trial]}
        if not avoided or not fit:
            return None
        return freest(fit, Counter(task.node for task in self.under_way), avoided)

    def _take(self, ray: Any, task: _Task) -> Iterator[Event]:
        """Take the next message of a task."""
        try:
            head, payload = parsed(ray.get(next(task.messages)))
            match head.get("kind"):
                case "event":
                    event = from_json(str(payload, "utf-8", "replace"))
                    if isinstance(event, Message):
                        yield Message(printable(event.text[:_LONGEST]))
                    elif isinstance(event, Epoch) and event.label == self.study.settings.label(*task.trial):
                        _check(event)
                        yield event
                case "piece":
                    task.arriving.add(head, payload)
                case "end":
                    self.under_way.remove(task)
                    yield from self._end(ray, task, head)
                case _:
                    raise EcrnnError("a machine sent a message of no kind")
        except StopIteration:
            yield from self._again(task, "its task ended without a word")
        except ray.exceptions.NodeDiedError:
            self.lost[task.trial] -= 1  # which says nothing of the trial
            yield from self._again(task, "its node was lost")
        except ray.exceptions.RayError as error:
            yield from self._again(task, last_line(error))
        except RunDirectoryError:
            raise
        except EcrnnError as error:  # what arrived is not what was asked for
            ray.cancel(task.messages, force=False)
            yield from self._again(task, str(error))

    def _is_unfit(self, ray: Any, task: _Task, node: object, line: str) -> bool:
        """Note a node that cannot train a trial, which waits for another one; gives whether this is news of a node."""
        unfit = self.unfit[task.trial]
        if not isinstance(node, str) or node in unfit or node not in [known["NodeID"] for known in ray.nodes()]:
            return False
        unfit[node] = line
        self.waiting.append(task.trial)
        return True

    def _end(self, ray: Any, task: _Task, head: Mapping[str, Any]) -> Iterator[Event]:
        """Put a trial that has ended on its machine into its place, or have it done again."""
        study, trial = self.study, task.trial
        how, line = head.get("how"), printable(str(head.get("line"))[:_LONGEST])
        home = trial_folder(study.folder, *trial)
        if how == FINISHED:
            try:
                task.arriving.check(study.settings)
            except EcrnnError as error:
                yield from self._again(task, str(error))
                return
            put(task.arriving.folder, home)
            yield Finished(*trial)
        elif how == FAILED:
            failure = read_failure(task.arriving.root, *trial) or line
            if (task.arriving.folder / FAILURE).exists():
                os.replace(task.arriving.folder / FAILURE, make_folder(home) / FAILURE)
            else:
                record_failure(study.folder, *trial, RunDirectoryError(failure))
            yield Failed(*trial, failure)
        elif how == UNFIT and self._is_unfit(ray, task, head.get("node"), line):
            label, node = study.settings.label(*trial), name_of_node(ray, str(head.get("node")))
            yield Message(f"{label} is done elsewhere, since {node} cannot train it: {line}")
        else:
            yield from self._again(task, line if how in (LOST, UNFIT) else "a machine sent no end of a trial")
            return
        shutil.rmtree(task.arriving.root, ignore_errors=True)

    def _again(self, task: _Task, reason: str) -> Iterator[Event]:
        """Have a trial done again, unless that was tried often enough."""
        if task in self.under_way:
            self.under_way.remove(task)
        shutil.rmtree(task.arriving.root, ignore_errors=True)
        self.lost[task.trial] += 1
        label = self.study.settings.label(*task.trial)
        if self.lost[task.trial] < ATTEMPTS:
            self.waiting.insert(0, task.trial)
            yield Message(f"{label} is done again: {reason}")
        else:
            error = RunDirectoryError(f"begun {ATTEMPTS} times, and never came back: {reason}")
            yield Failed(*task.trial, record_failure(self.study.folder, *task.trial, error))

    def _cancel(self, ray: Any) -> None:
        """Have the nodes give up what they train, and wait until they have deleted it."""
        for task in self.under_way:
            ray.cancel(task.messages, force=False)
        if self.under_way:
            ends = [task.messages.completed() for task in self.under_way]
            ray.wait(ends, num_returns=len(ends), timeout=_GRACE)


def _check(event: Epoch) -> None:
    """Look whether an epoch can be shown: displays divide by its numbers.

    Raises:
        EcrnnError: it cannot.
    """
    seconds = event.metrics.get("seconds", -1.0)
    counted = 0 < event.epoch <= event.epochs < _MOST and 0 < event.step <= event.steps < _MOST
    if not (counted and 0 <= seconds < _MOST and all(abs(x) < _MOST for x in event.metrics.values() if type(x) is int)):
        raise EcrnnError("a machine sent an epoch whose numbers are none of a training")
