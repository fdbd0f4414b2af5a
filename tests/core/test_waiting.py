"""core/waiting: threads sleep soon where others want the cores, and nothing changes on a quiet machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecrnn.core import waiting


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """`machine(running, cores)`: what /proc/loadavg says at each look, and how many cores there are, all ours."""

    def put(running: list[int | None], cores: int = 2) -> None:
        files = []
        for number, count in enumerate(running):
            files.append(tmp_path / str(number))
            if count is not None:
                files[-1].write_text(f"0.52 0.58 0.59 {count}/777 12345\n")
        looks = iter(files)

        class Load:
            def read_text(self, encoding: str) -> str:
                return next(looks).read_text(encoding=encoding)

        monkeypatch.setattr(waiting, "_LOAD", Load())
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: cores)
        monkeypatch.delitem(sys.modules, "torch", raising=False)

    return put


@pytest.mark.parametrize(
    ("running", "briefly"),
    [([1, 1, 1], False), ([2, 2, 2], True), ([9, 3, 2], True), ([3, 1, 2], False), ([None], False), ([2, None], False)],
)
def test_only_what_is_busy_at_every_look_counts(machine, running, briefly) -> None:
    machine(running)
    environment: dict[str, str] = {}
    waiting.wait_briefly_beside_others(environment)
    assert environment == ({"GOMP_SPINCOUNT": waiting.BRIEFLY} if briefly else {})


def test_others_do_not_matter_where_there_are_cores_for_all(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine([5, 5, 5], cores=2)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    environment: dict[str, str] = {}
    waiting.wait_briefly_beside_others(environment)
    assert environment == {}


@pytest.mark.parametrize("chosen", [{"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "active"}])
def test_the_users_choice_holds(machine, chosen) -> None:
    machine([9, 9, 9])
    environment = dict(chosen)
    waiting.wait_briefly_beside_others(environment)
    assert environment == chosen


def test_nothing_happens_once_torch_is_loaded(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine([9, 9, 9])
    monkeypatch.setitem(sys.modules, "torch", waiting)
    environment: dict[str, str] = {}
    waiting.wait_briefly_beside_others(environment)
    assert environment == {}


def test_the_command_looks_before_torch_is_loaded() -> None:
    """And hands on what it found to its workers, by the environment."""
    code = (
        "import os, sys; from ecrnn.core import waiting; waiting._others_busy = lambda: 99\n"
        "from ecrnn.cli.main import main\n"
        "sys.exit = lambda status: print(status, os.environ['GOMP_SPINCOUNT'])\n"
        "main(['--version'])"
    )
    environment = {name: v for name, v in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.splitlines()[-1] == "0 1000"
