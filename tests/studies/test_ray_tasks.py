"""studies/ray_tasks: what the driver does, with a module that only pretends; and a real cluster that loses parts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from core.lines import one_line
from studies.nodes import RayCluster, await_, ray_cluster, with_variable
from studies.small import Study, predictions, settings

from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Epoch, Event, Failed, Finished, Message, Waiting
from ecrnn.core.ray_cluster import slots
from ecrnn.core.runs import locked, trial_folder, write_settings
from ecrnn.studies import ray_tasks
from ecrnn.studies.engines.protocol import OnRay
from ecrnn.studies.ray_tasks import run_on_ray
from ecrnn.studies.shared_trials import SharedTrials
from ecrnn.studies.study import run_study
from ecrnn.training.interruption import Interrupted


class PretendedRay:
    """Tasks are calls of ``act``; the ones that were cancelled end with it."""

    class RayError(Exception):
        pass

    def __init__(self, act: Callable[[], str]) -> None:
        self.act, self.calls, self.tasks, self.cancelled = act, list[str](), list[int](), list[int]()
        self.exceptions = SimpleNamespace(RayError=self.RayError)
        self.machines, self.at = ["a"], ""  # where the task under way runs
        strategies = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: node if soft else None)
        self.util = SimpleNamespace(scheduling_strategies=strategies)
        self.asked: list[str] = []  # of each task, SPREAD or a node
        self._private = SimpleNamespace(ray_constants=SimpleNamespace(ENABLE_RAY_CLUSTER=False))

    def init(self, **options: Any) -> None:
        self.calls.append(f"init {options['address']}")
        self.options = options

    def is_initialized(self) -> bool:
        return False  # where a task runs that this process has called itself

    def shutdown(self) -> None:
        self.calls.append("shutdown")

    def remote(self, **options: Any) -> Any:
        assert options == {"max_retries": -1, "retry_exceptions": False}
        task = SimpleNamespace(remote=self.begin)
        task.options = lambda **needs: setattr(self, "needs", needs) or task
        return lambda function: task

    def begin(self, *arguments: Any) -> int:
        self.asked.append(self.needs["scheduling_strategy"])
        self.tasks.append(len(self.tasks))
        return self.tasks[-1]

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": node, "Alive": True, "Resources": {"CPU": 2.0}, "NodeManagerHostname": f"host-{node}"}
            for node in self.machines
        ]

    def wait(self, tasks: list[int], num_returns: int = 1, timeout: float = 0) -> tuple[list[int], list[int]]:
        return tasks[:num_returns], tasks[num_returns:]

    def get(self, task: int) -> tuple[str, str]:
        """Ray gives a task that it may place to the first node, which is idle again at once if it cannot train."""
        self.at = self.machines[0] if self.asked[task] == "SPREAD" else self.asked[task]
        return self.act(), self.at

    def cancel(self, task: int, force: bool) -> None:
        assert not force
        self.cancelled.append(task)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_settings(tmp_path / "s", settings("any", models=("cnn", "ecnn"), repeats=2))
    return tmp_path / "s"


def pretend(monkeypatch: pytest.MonkeyPatch, act: Callable[[], str]) -> PretendedRay:
    ray = PretendedRay(act)
    monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
    monkeypatch.setattr("ecrnn.core.ray_cluster.check_listens", lambda *_: None)
    return ray


def trains(place: Path) -> Callable[[], str]:
    """A task that finishes a trial, but fails ecnn, repeat 0."""
    trials = SharedTrials(place, settings("any", models=("cnn", "ecnn"), repeats=2), host="node")

    def act() -> str:
        with locked(place, shared=True):
            attempt = trials.take()
            assert attempt is not None
            (attempt.folder / "metrics.jsonl").write_text('{"epoch": 1, "seconds": 1.5}\n')
            if attempt.trial == ("ecnn", 0):
                trials.fail(attempt, RuntimeError("no luck"))
            else:
                (attempt.folder / "manifest.json").write_text(json.dumps({"facts": {"host": "node"}}))
                trials.publish(attempt)
        return ""

    return act


def test_tasks_until_nothing_is_left(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pretend(monkeypatch, trains(place))
    events: list[Event] = []
    done = run_on_ray(place, progress=events.append)
    assert (done.finished, done.planned, done.left) == (3, 4, 0)
    assert done.failed == {("ecnn", 0): "RuntimeError: no luck"}
    assert sorted(done.trained) == [("cnn", 0), ("cnn", 1), ("ecnn", 1)]
    assert events[0] == Waiting(4)
    ended = [event for event in events if isinstance(event, Finished | Failed)]
    assert sorted((event.model, event.repeat) for event in ended) == sorted(
        [("cnn", 0), ("ecnn", 0), ("cnn", 1), ("ecnn", 1)]
    )
    assert len(ray.tasks) == 4
    assert ray.calls == ["init local", "shutdown"]
    assert ray.needs == {"num_cpus": 1, "num_gpus": 0, "scheduling_strategy": "SPREAD"}


def test_an_engine_of_a_study(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, or with the address of a cluster that is there."""
    out, options = tmp_path / "run", {"models": ("cnn", "ecnn"), "repeats": 2}

    def act() -> str:
        return trains(out)()  # by a worker that knows nothing of before

    ray = pretend(monkeypatch, act)
    done = run_study(study.settings(**options), out, engine="ray")
    assert sorted(done.trained) == [("cnn", 0), ("cnn", 1), ("ecnn", 1)]
    assert done.failed == {("ecnn", 0): "RuntimeError: no luck"}
    run_study(study.settings(**options), out, engine=OnRay("10.0.0.1:6379"))
    assert ray.calls == ["init local", "shutdown", "init 10.0.0.1:6379", "shutdown"]
    tuning = {"space": {"lr": "1e-4..1e-2:log"}, "search": "tpe", "part": "0.2"}
    with one_line(EcrnnError, "each point waits for all before it, which workers cannot share"):
        run_study(study.settings(models=("cnn",), tuning=tuning), tmp_path / "tuning", engine="ray")
    monkeypatch.setitem(sys.modules, "ray", None)
    for engine in ("ray", OnRay(collect=True)):
        with one_line(EcrnnError, "--engine ray needs the package ray"):
            run_study(study.settings(), tmp_path / "other", engine=engine)
    assert not (tmp_path / "other").exists()
    assert not (tmp_path / "tuning").exists()


def test_paths_start_from_the_drivers_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ray_tasks, "work", lambda *_, **options: seen.append(os.getcwd()))
    (tmp_path / "here").mkdir()
    assert ray_tasks._train("s", 60.0, [], str(tmp_path / "here"), 1) == ("", "")
    assert ray_tasks._train("s", 60.0, [], str(tmp_path / "not there"), 1) == ("", "")
    assert seen == [str(tmp_path / "here")] * 2


def test_what_a_cluster_is_asked_for(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of this machine: no dashboard, nothing reported; another one is left as it is."""
    ray = pretend(monkeypatch, trains(place))
    run_on_ray(place)
    assert ray.options["include_dashboard"] is False
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    run_on_ray(place, address="10.0.0.1:6379")
    assert ray.options["address"] == "10.0.0.1:6379"
    assert "include_dashboard" not in ray.options
    ray._private.ray_constants.ENABLE_RAY_CLUSTER = True
    with one_line(EcrnnError, "Ray was imported before and would listen to other machines"):
        run_on_ray(place)


def test_a_task_that_no_node_can_hold_is_said_at_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processors and its GPU must be of one node; the one with a GPU is the largest of such a task."""
    ray = pretend(monkeypatch, trains(place))
    nodes = [{"CPU": 64.0}, {"CPU": 4.0, "GPU": 1.0}]
    ray.nodes = lambda: [{"NodeID": str(has), "Alive": True, "Resources": has} for has in nodes]  # type: ignore
    training = {"threads": 8, "device": "cuda"}
    write_settings(place.parent / "cuda", settings("any", models=("cnn",), training=training))
    with one_line(
        EcrnnError, "8 processors and 1 GPUs, and no node of the Ray cluster has them: the largest has 4 pro"
    ):
        run_on_ray(place.parent / "cuda")
    assert ray.tasks == []
    assert slots(ray, {"CPU": 3.0, "GPU": 0.0}) == {str(nodes[0]): 21, str(nodes[1]): 1}
    assert slots(ray, {"CPU": 3.0, "GPU": 1.0}) == {str(nodes[1]): 1}


def test_trials_that_share_a_gpu(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray is asked for a part of one, and the trainings know it."""
    training = {"threads": 1, "device": "cuda"}
    write_settings(place, settings("any", models=("cnn", "ecnn"), repeats=2, training=training))
    ray, sharing = pretend(monkeypatch, trains(place)), []
    begin = ray.begin
    ray.begin = lambda *arguments: sharing.append(arguments[-1]) or begin(*arguments)  # type: ignore
    ray.nodes = lambda: [{"NodeID": "a", "Alive": True, "Resources": {"CPU": 9.0, "GPU": 1.0}}]  # type: ignore
    assert run_on_ray(place, trials_per_gpu=3).finished == 3
    assert ray.needs["num_gpus"] == 0.3333
    assert set(sharing) == {3}
    assert len(ray.tasks) == 4  # of six that have room or wait
    run_on_ray(place)
    monkeypatch.setattr(ray_tasks, "work", lambda *_, **options: sharing.append(os.environ["ECRNN_TRIALS_PER_GPU"]))
    monkeypatch.setenv("ECRNN_TRIALS_PER_GPU", "1")
    ray_tasks._train("s", 60.0, [], str(place), 3)
    assert sharing[-1] == "3"


@pytest.mark.parametrize("bad", ["ac", "b", "abc"])
def test_a_node_that_cannot_train_gets_no_more_trials(place: Path, monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    """Others train what is left, and the run says which node it was; only where none is left it ends."""
    train, events = trains(place), list[Event]()
    ray = pretend(monkeypatch, lambda: f"no data on {ray.at}" if ray.at in bad else train())
    ray.machines = ["a", "b", "c"]
    if bad == "abc":
        with one_line(RunDirectoryError, "no node of the Ray cluster can train: no data on c"):
            run_on_ray(place, progress=events.append)
        assert ray.calls[-1] == "shutdown"
        assert ray.cancelled == []
    else:
        assert run_on_ray(place, progress=events.append).finished == 3
    lines = [event.text for event in events if isinstance(event, Message)]
    known = [node for node in bad if node in ray.asked or node == "a"]
    assert lines == [f"node host-{node} ({node}) gets no more trials: no data on {node}" for node in known]
    after = ray.asked[ray.asked.index("b") :] if "b" in ray.asked else []
    assert after.count("a") == 0
    assert "SPREAD" not in after
    assert all(after.count(node) <= 4 for node in bad)


def test_a_node_on_which_tasks_of_ray_fail(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray does not say where that was, so the next tasks are given to nodes by name. An error of Ray is one line."""
    train, events, texts = trains(place), list[Event](), iter(["first\nthe last one", "", "\n", *"x" * 9])

    def act() -> str:
        if ray.at == "a":
            raise PretendedRay.RayError(*filter(None, [next(texts)]))
        return train()

    ray = pretend(monkeypatch, act)
    ray.machines = ["a", "b"]
    assert run_on_ray(place, progress=events.append).finished == 3
    assert ray.asked == ["SPREAD"] * 4 + ["a", "b"] * 2 + ["b"] * (len(ray.asked) - 8)
    assert [event.text for event in events if isinstance(event, Message)] == [
        "a node cannot train, and Ray does not say which: a task of Ray failed: the last one",
        "node host-a (a) gets no more trials: a task of Ray failed: x",
    ]
    write_settings(place.parent / "t", settings("any", models=("cnn",), repeats=1))
    ray.machines, texts = ["a"], iter(["", "\n"])
    with one_line(RunDirectoryError, "no node of the Ray cluster can train: a task of Ray failed: RayError"):
        run_on_ray(place.parent / "t")


def test_a_signal_cancels_without_force(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pretend(monkeypatch, lambda: signal.raise_signal(signal.SIGINT) or "")
    with pytest.raises(Interrupted) as stopped:
        run_on_ray(place)
    assert stopped.value.signal == signal.SIGINT
    assert ray.cancelled
    assert ray.calls[-1] == "shutdown"


def test_epochs_of_all_workers_in_one_display(place: Path) -> None:
    trials = SharedTrials(place, settings("any", models=("cnn",), repeats=1), host="node")
    attempt = trials.take()
    assert attempt is not None
    (attempt.folder / "metrics.jsonl").write_text('{"epoch": 1, "seconds": 1.5}\n{"epoch": 2, "seconds": 2.5}\n')
    path = attempt.folder / "metrics.jsonl"
    shown = list(ray_tasks._new_epochs(path, trials, attempt.trial, 1))
    assert shown == [Epoch("cnn, repeat 0", 2, 2, 2, 2, {"epoch": 2, "seconds": 2.5})]
    assert list(ray_tasks._new_epochs(path, trials, attempt.trial, 2)) == []
    assert list(ray_tasks._new_epochs(path.parent / "gone", trials, attempt.trial, 0)) == []


def test_without_ray(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with one_line(EcrnnError, "--engine ray needs the package ray; pip install 'ecrnn[ray]'"):
        run_on_ray(place)


LOOPBACK = ("0100007F:", "0000000000000000FFFF00000100007F:", "00000000000000000000000001000000:")  # as /proc has it
DRIVER = """
import json, sys
from pathlib import Path
from ecrnn.studies.ray_tasks import run_on_ray
from ecrnn.core.events import Message
said = []
done = run_on_ray(Path(sys.argv[1]), address=sys.argv[2], lease=8.0, progress=said.append)
lines = [event.text for event in said if isinstance(event, Message)]
print(json.dumps([done.finished, done.left, len(done.failed), lines]))
"""


def begun(out: Path) -> list[Path]:
    """The checkpoints of trials under way."""
    return list((out / ".work").glob("*.folder/*/repeat-*/checkpoint/*.safetensors"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_loses_a_worker_and_a_node(cluster: RayCluster, study: Study, tmp_path: Path) -> None:
    """Twelve trials: all of them finished, with the bytes of a study that one process has trained."""
    options: dict[str, Any] = {"models": ("mlp-4", "ecnn"), "repeats": 6}
    options["training"] = {"epochs": 30, "checkpoint_seconds": 0.1}
    out, alone = tmp_path / "run", tmp_path / "alone"
    study.run(alone, **options)
    run_study(study.settings(**options), out, engine="none")
    lost: list[str] = []

    def lose() -> None:
        await_(lambda: begun(out))
        worker = next(iter(claims(out).values()))
        os.kill(parent_of(worker["pid"]), signal.SIGKILL)  # Ray's process, whose child the worker is
        lost.append("worker")
        count = len(list(out.glob("*/*/manifest.json")))
        await_(lambda: len(list(out.glob("*/*/manifest.json"))) > count and begun(out))
        cluster.lose_second()
        lost.append("node")

    thread = threading.Thread(target=lose)
    thread.start()
    driver = [sys.executable, "-c", DRIVER, str(out), cluster.address]
    done = subprocess.run(driver, capture_output=True, text=True, timeout=1200)
    thread.join()
    assert done.returncode == 0, done.stderr
    assert lost == ["worker", "node"]
    assert json.loads(done.stdout.splitlines()[-1]) == [12, 0, 0, []]
    assert predictions(out, **options) == predictions(alone, **options)
    for model, repeat in predictions(out, **options):
        names = {path.relative_to(alone) for path in trial_folder(alone, model, repeat).rglob("*")}
        assert names == {path.relative_to(out) for path in trial_folder(out, model, repeat).rglob("*")}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_with_a_node_that_does_not_see_the_study(study: Study, tmp_path: Path) -> None:
    """The other one trains all of it, and the run names the one that did not."""
    options: dict[str, Any] = {"models": ("mlp-4",), "repeats": 3}
    out = tmp_path / "run"
    run_study(study.settings(**options), out, engine="none")
    (tmp_path / "nodes").mkdir()
    with ray_cluster(tmp_path / "nodes", hidden=out) as cluster:
        driver = [sys.executable, "-c", DRIVER, str(out), cluster.address]
        done = subprocess.run(driver, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    finished, left, failed, (line,) = json.loads(done.stdout.splitlines()[-1])
    assert (finished, left, failed) == (3, 0, 0)
    assert line.startswith(f"node {socket.gethostname()} ")
    assert line.endswith(f"gets no more trials: cannot read {out / 'study.yaml'}: Permission denied")


def claims(out: Path) -> dict[str, Any]:
    """What the claims of the moment say, of those that are held."""
    found = {}
    for path in (out / ".work").glob("*.1"):
        lines = [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]
        if lines and not any("ended" in line for line in lines):
            found[path.name] = lines[0]
    return found


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_of_this_machine_listens_to_nobody_else(study: Study, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    run_study(study.settings(models=("mlp-4",), repeats=1), tmp_path / "run", engine="none")
    seen = set[str]()
    driver = [sys.executable, "-c", DRIVER.replace("sys.argv[2]", "None"), str(tmp_path / "run")]
    env = {**os.environ, "ECRNN_TEST_CLUSTER": str(tmp_path)}  # which all processes of the cluster have from the driver
    with subprocess.Popen(driver, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        while process.poll() is None:
            seen |= listening(with_variable("ECRNN_TEST_CLUSTER", str(tmp_path)))
            time.sleep(0.2)
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1]) == [1, 0, 0, []]
    assert seen
    assert {address for address in seen if not address.startswith(LOOPBACK)} == set()


def listening(processes: list[int]) -> set[str]:
    """The addresses, as the kernel writes them, on which they take connections; 0100007F is 127.0.0.1."""
    sockets = set[str]()
    for pid in processes:
        with suppress(FileNotFoundError):  # it has ended
            for handle in os.listdir(f"/proc/{pid}/fd"):
                with suppress(FileNotFoundError):
                    sockets.add(os.readlink(f"/proc/{pid}/fd/{handle}"))
    lines = [line for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    rows = [line.split() for line in lines]
    return {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}
