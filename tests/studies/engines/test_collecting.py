"""studies/engines/collecting: trials come back from nodes, of a module that only pretends and of a real cluster."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from core.lines import one_line
from studies.nodes import RayCluster, await_
from studies.small import Study, everything, predictions

from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Epoch, Event, Finished, Message, to_json
from ecrnn.core.runs import FAILURE, read_failure, read_settings, trial_folder
from ecrnn.studies.engines.collecting import ATTEMPTS
from ecrnn.studies.engines.protocol import OnRay
from ecrnn.studies.outcome import Outcome
from ecrnn.studies.study import run_study
from ecrnn.studies.trial_messages import FAILED, FINISHED, LOST, UNFIT, files_of, message, pieces
from ecrnn.studies.trials import record_failure
from ecrnn.training.interruption import Interrupted

Script = Callable[[tuple[str, int], int], Iterator[Any]]  # what the n-th task for a trial sends, errors among it


class RayError(Exception):
    pass


class NodeDiedError(RayError):
    pass


class PretendedRay:
    """Tasks send what ``script`` says."""

    def __init__(self, script: Script) -> None:
        self.script, self.tasks, self.cancelled = script, list[tuple[Any, ...]](), 0
        self.machines = [{"NodeID": "a", "Alive": True, "Resources": {"CPU": 1.0}}]
        strategies = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: (node, soft))
        self.util = SimpleNamespace(scheduling_strategies=strategies)
        self.exceptions = SimpleNamespace(RayError=RayError, NodeDiedError=NodeDiedError)
        self._private = SimpleNamespace(ray_constants=SimpleNamespace(ENABLE_RAY_CLUSTER=False))

    def init(self, **options: Any) -> None:
        pass

    def shutdown(self) -> None:
        pass

    def remote(self, **options: Any) -> Any:
        assert options == {"max_retries": 0}
        task = SimpleNamespace(remote=self.begin)
        task.options = lambda **needs: setattr(self, "needs", needs) or task
        return lambda function: task

    def begin(self, study: bytes, trial: tuple[str, int], code: Any, here: str, sharing: int) -> Any:
        number = [sent[1] for sent in self.tasks].count(trial)
        self.tasks.append((study, trial, code, here))
        return Messages(self.script(trial, number))

    def nodes(self) -> list[dict[str, Any]]:
        return self.machines

    def wait(self, tasks: list[Any], num_returns: int = 1, timeout: float = 0) -> tuple[list[Any], list[Any]]:
        return tasks[:1], tasks[1:]

    def get(self, value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    def cancel(self, task: Any, force: bool) -> None:
        assert not force
        self.cancelled += 1


class Messages:
    def __init__(self, messages: Iterator[Any]) -> None:
        self.messages = messages

    def __next__(self) -> Any:
        return next(self.messages)

    def completed(self) -> Any:
        return self


def whole(left_alone: Path) -> Script:
    """Every trial comes back as it was trained."""

    def script(trial: tuple[str, int], number: int) -> Iterator[Any]:
        home = trial_folder(left_alone, *trial)
        label = f"{trial[0]}, repeat {trial[1]}"
        yield message("event", to_json(Epoch(label, 5, 10, 1, 2, {"seconds": 1.0})).encode())
        yield message("event", to_json(Epoch("another", 5, 10, 1, 2, {})).encode())
        yield message("event", to_json(Finished(*trial)).encode())
        yield from pieces(home, files_of(home))
        yield message("end", how=FINISHED, line="")

    return script


def instead(left_alone: Path, *before: Callable[[tuple[str, int]], list[Any]]) -> Script:
    """The first tasks for ("ecnn", 0) send something else."""

    def script(trial: tuple[str, int], number: int) -> Iterator[Any]:
        if trial == ("ecnn", 0) and number < len(before):
            yield from before[number](trial)
        else:
            yield from whole(left_alone)(trial, number)

    return script


@pytest.fixture
def collect(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``collect(script, progress)`` runs the study of ``left_alone`` in `tmp_path / "run"`."""

    def run(script: Script, progress: Callable[[Event], object] = lambda event: None) -> tuple[Outcome, PretendedRay]:
        ray = PretendedRay(script)
        monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
        done = run_study(study.settings(), tmp_path / "run", engine=OnRay(collect=True), progress=progress)
        return done, ray

    return run


@pytest.mark.usefixtures("no_code")
def test_a_study_has_the_bytes_that_its_nodes_sent(collect: Any, left_alone: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    home = trial_folder(tmp_path / "run", "cnn", 1)
    (home / "checkpoint").mkdir(parents=True)  # begun by another engine, and done again from its beginning
    (home / "checkpoint" / "epoch.safetensors").write_text("so far")
    (tmp_path / "run" / "study.yaml").write_bytes((left_alone / "study.yaml").read_bytes())
    done, ray = collect(whole(left_alone), events.append)
    assert sorted(done.trained) == sorted(predictions(left_alone))
    assert (done.failed, done.found) == ({}, [])
    found, trained = everything(tmp_path / "run"), everything(left_alone)
    assert found.keys() == trained.keys()
    for name in trained:
        if name.startswith(("cnn/", "ecnn/")):
            assert found[name][0] == trained[name][0]
    assert [event.label for event in events if isinstance(event, Epoch)] == [
        f"{model}, repeat {repeat}" for repeat in range(2) for model in ("cnn", "ecnn")
    ]
    assert [type(event) for event in events].count(Finished) == 4
    assert ray.needs["num_cpus"] == 1
    assert ray.needs["scheduling_strategy"] == "SPREAD"
    for study, _, code, _ in ray.tasks:  # names and settings alone go to a node
        assert study == (tmp_path / "run" / "study.yaml").read_bytes()
        assert code == []


def test_what_is_lost_is_done_again(collect: Any, left_alone: Path, tmp_path: Path) -> None:
    """As often as nodes die; and twice for other reasons."""
    events: list[Event] = []

    def half(trial: tuple[str, int], error: Exception | None) -> list[Any]:
        home = trial_folder(left_alone, *trial)
        return [*pieces(home, ["config.yaml", "predictions.npz"]), *([error] if error else [])]

    script = instead(
        left_alone,
        *(lambda trial: half(trial, NodeDiedError("the node died")) for _ in range(2 * ATTEMPTS)),
        lambda trial: half(trial, RayError("traces\nthe worker was killed")),
        lambda trial: half(trial, None),
    )
    done, _ = collect(script, events.append)
    assert len(done.trained) == 4
    assert predictions(tmp_path / "run") == predictions(left_alone)
    again = [
        event.text.removeprefix("ecnn, repeat 0 is done again: ") for event in events if isinstance(event, Message)
    ]
    assert again == ["its node was lost"] * 2 * ATTEMPTS + ["the worker was killed", "its task ended without a word"]
    assert not (tmp_path / "run" / ".work").exists()


NO_EPOCHS: list[tuple[int, int, int, int, dict[str, float]]] = [
    (1, 2, 1, 2, {}),
    (0, 0, 1, 2, {"seconds": 1.0}),
    (1, 2, 1, 2, {"seconds": float("nan")}),
    (1, 2, 1, 2, {"seconds": 1.0, "validation_accuracy": 10**400}),
    (1, 10**400, 1, 2, {"seconds": 1.0}),
    (3, 2, 1, 2, {"seconds": 1.0}),
]


def epoch(step: int, steps: int, number: int, epochs: int, metrics: dict[str, float]) -> bytes:
    return message("event", to_json(Epoch("ecnn, repeat 0", step, steps, number, epochs, metrics)).encode())


def pieces_of(*names: str) -> Iterator[bytes]:
    return (message("piece", b"x", name=name, at=0) for name in names)


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        ([message("end", how=LOST, line="the worker was killed by SIGKILL")], "the worker was killed by SIGKILL"),
        ([message("end", how=FINISHED, line="")], "a machine sent ecnn, repeat 0 without its manifest.json"),
        ([message("end", how="well", line="")], "a machine sent no end of a trial"),
        ([message("piece", b"x", name="../../../evil", at=0)], "a machine sent the file '../../../evil'"),
        ([message("hello")], "a machine sent a message of no kind"),
        ([b"x" * 100], "a machine sent a message without a head"),
        ([SimpleNamespace()], "a machine sent what is no message of a trial"),
        ([message("event", b'{"kind": "epoch"}')], "is no event"),
        ([RayError()], "RayError"),
        *(([epoch(*numbers)], "an epoch whose numbers are none of a training") for numbers in NO_EPOCHS),
        (list(pieces_of("checkpoint", "checkpoint/x")), "a machine sent checkpoint/x as a file and as a folder"),
    ],
)
def test_a_trial_that_never_comes_back_has_failed(
    collect: Any, left_alone: Path, tmp_path: Path, sent: list[Any], line: str
) -> None:
    done, _ = collect(instead(left_alone, *[lambda trial: sent] * ATTEMPTS))
    assert len(done.trained) == 3
    assert list(done.failed) == [("ecnn", 0)]
    assert done.failed["ecnn", 0].startswith(f"begun {ATTEMPTS} times, and never came back: ")
    assert line in done.failed["ecnn", 0]
    assert read_failure(tmp_path / "run", "ecnn", 0) == done.failed["ecnn", 0]
    assert [path.name for path in trial_folder(tmp_path / "run", "ecnn", 0).iterdir()] == [FAILURE]
    assert not list(tmp_path.rglob("evil"))


def test_one_trials_pieces_are_no_other_trial(collect: Any, left_alone: Path) -> None:
    def other(trial: tuple[str, int]) -> list[Any]:
        return list(whole(left_alone)(("ecnn", 1), 0))

    done, _ = collect(instead(left_alone, *[other] * ATTEMPTS))
    assert list(done.failed) == [("ecnn", 0)]


def test_the_error_of_a_trial_comes_back_and_is_final(collect: Any, left_alone: Path, tmp_path: Path) -> None:
    record_failure(tmp_path / "node", "ecnn", 0, RuntimeError("loss is not finite"))
    home = trial_folder(tmp_path / "node", "ecnn", 0)

    def failed(trial: tuple[str, int]) -> list[Any]:
        return [*pieces(home, [FAILURE]), message("end", how=FAILED, line="loss is not finite")]

    done, ray = collect(instead(left_alone, failed))
    assert done.failed == {("ecnn", 0): "RuntimeError: loss is not finite"}
    assert len(ray.tasks) == 4
    assert (trial_folder(tmp_path / "run", "ecnn", 0) / FAILURE).read_bytes() == (home / FAILURE).read_bytes()


def unfit(node: str) -> bytes:
    return message("end", how=UNFIT, line="the data is not here", node=node)


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The cluster has nodes a, b and c; c has no processor. The strategies of the tasks, as they begin."""
    strategies: list[Any] = []
    begin = PretendedRay.begin

    def begin_of_three(ray: PretendedRay, *arguments: Any) -> Any:
        ray.machines = [
            {"NodeID": node, "Alive": node != "d", "Resources": {"CPU": 0.0 if node == "c" else 2.0}} for node in "abcd"
        ]
        strategies.append(ray.needs["scheduling_strategy"])
        return begin(ray, *arguments)

    monkeypatch.setattr(PretendedRay, "begin", begin_of_three)
    return strategies


def test_one_bad_node_gets_no_more_trials(collect: Any, left_alone: Path, three: list[Any]) -> None:
    """Every task that Ray places runs on it, as it is always idle; the others name the other node."""

    def script(trial: tuple[str, int], number: int) -> Iterator[Any]:
        return iter([unfit("a")]) if three[-1] == "SPREAD" else whole(left_alone)(trial, number)

    events: list[Event] = []
    done, ray = collect(script, events.append)
    assert (len(done.trained), done.failed) == (4, {})
    assert three.count(("b", True)) == 4
    assert len(ray.tasks) == 4 + three.count("SPREAD")
    assert [event.text.partition(" is ")[2] for event in events if isinstance(event, Message)] == [
        "done elsewhere, since node of Ray (a) cannot train it: the data is not here"
    ] * three.count("SPREAD")


def test_a_study_ends_when_all_nodes_cannot_train_and_nothing_is_under_way(
    collect: Any, left_alone: Path, tmp_path: Path, three: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trials that they can train arrive first."""
    finished: list[Event] = []
    monkeypatch.setattr(PretendedRay, "wait", lambda ray, tasks, timeout: (tasks[-1:], tasks[:-1]))
    with one_line(RunDirectoryError, "the data is not here"):
        collect(instead(left_alone, lambda _: [unfit("a")], lambda _: [unfit("b")]), finished.append)
    assert len([event for event in finished if isinstance(event, Finished)]) == 3
    assert sys.modules["ray"].cancelled == 0
    assert not (tmp_path / "run" / ".work").exists()


@pytest.mark.parametrize("node", ["x", None, ["a"], "c" * 9999])
def test_one_that_cannot_train_and_is_no_node_counts_as_lost(collect: Any, left_alone: Path, node: Any) -> None:
    done, _ = collect(instead(left_alone, *[lambda _: [unfit(node)]] * ATTEMPTS))
    assert list(done.failed) == [("ecnn", 0)]


def test_a_task_that_no_node_can_hold_is_said_at_once(collect: Any, left_alone: Path, monkeypatch: Any) -> None:
    wanted = "a task needs 1 processors and 0 GPUs, and no node of the Ray cluster has them"
    machines = [
        {"NodeID": "a", "Alive": True, "Resources": {"CPU": 0.5}},
        {"NodeID": "b", "Alive": True, "Resources": {"memory": 1e9}},
        {"NodeID": "c", "Alive": False, "Resources": {"CPU": 64.0}},
    ]
    monkeypatch.setattr(PretendedRay, "nodes", lambda ray: machines)
    with one_line(EcrnnError, f"{wanted}: the largest has 0.5 processors and 0 GPUs; take fewer threads, or add"):
        collect(whole(left_alone))


def test_a_signal_gives_up_what_is_under_way(collect: Any, left_alone: Path, tmp_path: Path) -> None:
    rays: list[PretendedRay] = []

    def tell(event: Event) -> None:
        if event == Finished("cnn", 0):
            rays.append(sys.modules["ray"])  # type: ignore[arg-type]
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match="the same command trains what has not arrived from its beginning"):
        collect(whole(left_alone), tell)
    assert rays[0].cancelled == 1
    assert not (tmp_path / "run" / ".work").exists()
    assert len(collect(whole(left_alone))[0].trained) == 3


DRIVER = """
import json, sys
from pathlib import Path
from ecrnn.core.runs import read_settings
from ecrnn.core.events import Message
from ecrnn.studies.engines.protocol import OnRay
from ecrnn.studies.study import run_study
said = []
settings = read_settings(Path(sys.argv[1]))
done = run_study(settings, Path(sys.argv[2]), engine=OnRay(sys.argv[3], collect=True), progress=said.append)
print(json.dumps([len(done.trained), list(done.failed.values()), [e.text for e in said if isinstance(e, Message)]]))
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_nodes_with_folders_of_their_own(cluster: RayCluster, study: Study, tmp_path: Path) -> None:
    """One of them is lost while it trains; all trials come back, with the bytes that one process gives."""
    options: dict[str, Any] = {"models": ("mlp-4", "cnn"), "repeats": 3, "training": {"epochs": 20}}
    study.run(tmp_path / "alone", **options)
    alone, out = tmp_path / "alone", tmp_path / "run"
    stays, lost = cluster.folders
    used: set[str] = set()

    def begun(node: Path) -> list[Path]:
        """The files of epochs of trainings that have not ended."""
        found = []
        for path in node.glob("ecrnn-trial-*/study/.work/*/*/*/metrics.jsonl"):
            with suppress(FileNotFoundError):  # it has ended
                if len(path.read_text().splitlines()) < 20:
                    found.append(path)
        used.update(node.name for _ in found)
        return found

    def lose() -> None:
        await_(lambda: begun(stays))
        cluster.lose_second_while(lambda: begun(lost))

    thread = threading.Thread(target=lose)
    thread.start()
    driver = [sys.executable, "-c", DRIVER, str(alone), str(out), cluster.address]
    done = subprocess.run(driver, capture_output=True, text=True, timeout=1200)
    thread.join()
    assert done.returncode == 0, done.stderr
    trained, failed, said = json.loads(done.stdout.splitlines()[-1])
    assert (trained, failed) == (6, [])
    assert [line.partition(" is done again: ")[2] for line in said] == ["its node was lost"]
    assert used == {"node-0", "node-1"}
    assert predictions(out, **options) == predictions(alone, **options)
    assert read_settings(out) == read_settings(alone)
    for model, repeat in predictions(out, **options):
        ours, theirs = trial_folder(out, model, repeat), trial_folder(alone, model, repeat)
        assert files_of(ours) == files_of(theirs)
        assert (ours / "checkpoint/weights.safetensors").read_bytes() == (
            theirs / "checkpoint/weights.safetensors"
        ).read_bytes()
    assert list(stays.glob("ecrnn-*")) == []
    assert not (out / ".work").exists()
