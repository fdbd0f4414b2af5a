"""`ecrnn predict --engine ray`: the parts that are missing, by a module that only pretends and by a real cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from studies.nodes import await_, ray_cluster

from ecrnn.cli import predict_on_ray as module
from ecrnn.cli.predict import _options_of_part


class PretendedRay:
    """Tasks are calls of `predict_on_ray._predict`, when they are asked for."""

    class RayError(Exception):
        pass

    def __init__(self) -> None:
        self.begun = list[str]()
        self.exceptions = SimpleNamespace(RayError=self.RayError)
        self._private = SimpleNamespace(ray_constants=SimpleNamespace(ENABLE_RAY_CLUSTER=False))
        self.cancelled = 0

    def init(self, **options: Any) -> None:
        self.begun.append(f"init {options['address']}")

    def shutdown(self) -> None:
        self.begun.append("shutdown")

    def remote(self, **options: Any) -> Any:
        assert options == {"max_retries": -1, "retry_exceptions": False}

        def options_of(function: Callable[..., Any]) -> Any:
            task = SimpleNamespace(remote=lambda words, here: self.begin(words, function))
            task.options = lambda **needs: setattr(self, "needs", needs) or task
            return task

        return options_of

    def begin(self, words: list[str], function: Callable[..., Any]) -> Any:
        self.begun.append(words[2])
        return lambda: function(words, os.getcwd())

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": "a", "Alive": True, "Resources": {"CPU": 4.0}}]

    def wait(self, tasks: list[Any], num_returns: int = 1, timeout: float = 0) -> tuple[list[Any], list[Any]]:
        return tasks[:num_returns], tasks[num_returns:]

    def get(self, task: Callable[[], Any]) -> Any:
        return task()

    def cancel(self, task: Any, force: bool) -> None:
        self.cancelled += 1


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch, call: Any) -> PretendedRay:
    made = PretendedRay()
    monkeypatch.setitem(sys.modules, "ray", made)  # type: ignore[arg-type]
    monkeypatch.setattr("ecrnn.core.ray_cluster.check_listens", lambda *_: None)

    def predict(words: list[str], here: str) -> tuple[int, str, str]:
        done = call(*words)
        return done.status, done.out, done.err

    monkeypatch.setattr(module, "_predict", predict)
    return made


def test_what_is_missing_is_done(call: Any, bundle: Path, images: Path, tmp_path: Path, ray: PretendedRay) -> None:
    words = ("predict", bundle, images, "-o", tmp_path / "parts", "--engine", "ray")
    refused = call(*words, "--parts", 3, "--threads", 5)
    assert refused.err.startswith(
        "ecrnn: a task needs 5 processors and 0 GPUs, and no node of the Ray cluster has them"
    )
    assert (refused.status, ray.begun) == (1, ["init local", "shutdown"])
    ray.begun.clear()
    done = call(*words, "--parts", 3, "--threads", 2, "--top", 2)
    outs = [tmp_path / "parts" / f"part-{number}-of-3.jsonl" for number in (1, 2, 3)]
    assert (done.status, done.err) == (0, "")
    assert done.out == "".join(f"12 predictions in {out}\n" for out in outs)
    assert ray.begun == ["init local", "1/3", "2/3", "3/3", "shutdown"]
    assert ray.needs == {"num_cpus": 2.0, "num_gpus": 0.0, "scheduling_strategy": "SPREAD"}
    assert "".join(out.read_text() for out in outs) == call("predict", bundle, images, "--top", 2, "--json").out

    outs[1].write_bytes(outs[1].read_bytes()[:-40])
    done = call(*words, "--parts", 3, "--threads", 2, "--top", 2, "--ray-address", "10.0.0.1:6379")
    assert done.out == f"2 of 3 parts are done already\n12 predictions in {outs[1]}\n"
    assert ray.begun[5:] == ["init 10.0.0.1:6379", "2/3", "shutdown"]
    done = call(*words, "--parts", 3, "--top", 2)
    assert (done.status, done.out) == (0, "3 of 3 parts are done already\n")
    assert len(ray.begun) == 8
    for option in (("--top", 1), ("--format", "csv"), ("--reject", 0.5)):  # those are others
        assert call(*words, *option).status == 0
        assert ray.begun[-2] == "1/1"


def test_the_options_of_a_part() -> None:
    asked = {
        "top": 3,
        "beam": 4,
        "excel": True,
        "reject": 0.05,
        "device": None,
        "code": [Path("/a b/mine.py"), Path("x")],
    }
    words = ["--format", "csv", "--top", "3", "--beam", "4", "--threads", "2", "--excel", "--reject", "0.05", "--code"]
    assert _options_of_part(asked, "csv", 2) == [*words, "/a b/mine.py", "--code", str(Path("x").resolve())]


def test_a_bad_file_is_said_and_a_part_that_fails_is_tried_again(
    call: Any, bundle: Path, images: Path, tmp_path: Path, ray: PretendedRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    words = ("predict", bundle, images, tmp_path / "bad.png", "-o", tmp_path / "parts", "--engine", "ray", "--parts", 2)
    real, faults = module._predict, [(-9, "", ""), (1, "", "ecrnn: no bundle is here\n"), ray.RayError("a\nkilled")]

    def predict(words: list[str], here: str) -> tuple[int, str, str]:
        if words[2] != "2/2" or not faults:
            return real(words, here)
        if isinstance(fault := faults.pop(0), Exception):
            raise fault
        return fault

    monkeypatch.setattr(module, "_predict", predict)
    done = call(*words)
    assert done.status == 1
    last = done.err.splitlines()[-1]
    assert last == "ecrnn: part 2/2 was begun 3 times and is not done: killed"
    assert "ecrnn: part 2/2 is done again: it ended with status -9\n" in done.err
    assert "ecrnn: part 2/2 is done again: no bundle is here\n" in done.err
    done = call(*words)
    assert done.status == 1
    assert done.out.startswith("1 of 2 parts are done already\n")
    assert "bad.png" in done.err or "bad.png" in call(*words).out
    again = call(*words)
    assert (again.status, again.out) == (1, "2 of 2 parts are done already\n")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--engine", "ray"), "--part wants a file or a folder for the predictions"),
        (("--engine", "ray", "-o", "a.csv"), "--engine ray wants a folder for its parts, as in -o predictions/"),
        (("--engine", "ray", "-o", "a", "--part", "1/2"), "--engine ray does all parts; --parts says how many"),
        (("--parts", 3), "--parts is for --engine ray"),
        (("--ray-address", "auto"), "--ray-address is for --engine ray"),
        (("--engine", "rya"), "did you mean 'ray'?"),
    ],
)
def test_wrong_calls(call: Any, bundle: Path, images: Path, options: tuple[Any, ...], line: str) -> None:
    done = call("predict", bundle, images, *options)
    assert done.status == 2 or "unknown" in done.err
    assert line in done.err


def test_a_part_is_a_process_of_its_own(tmp_path: Path) -> None:
    status, out, errors = module._predict(["--version"], str(tmp_path / "not there"))
    assert (status, errors) == (0, "")
    assert out.startswith("ecrnn ")
    assert module._predict(["predict", "nothing-here.png"], str(tmp_path))[0] == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_loses_a_node(
    call: Any, bundle: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "parts"
    with ray_cluster(tmp_path) as cluster:
        command = [sys.executable, "-P", "-m", "ecrnn", "predict", str(bundle), images.name, "-o", str(out)]
        command += ["--engine", "ray", "--parts", "6", "--threads", "1", "--ray-address", cluster.address]

        def lose() -> None:
            await_(lambda: list(out.glob("*.part.json")))
            cluster.lose_second()

        thread = threading.Thread(target=lose)
        thread.start()
        done = subprocess.run(command, cwd=images.parent, capture_output=True, text=True, timeout=900)
        thread.join()
    assert done.returncode == 0, done.stderr
    together = "".join((out / f"part-{number}-of-6.jsonl").read_text() for number in range(1, 7))
    monkeypatch.chdir(images.parent)
    assert together == call("predict", bundle, images.name, "--json").out
    again = subprocess.run([*command[:-2]], cwd=images.parent, capture_output=True, text=True)
    assert again.stdout == "6 of 6 parts are done already\n"
