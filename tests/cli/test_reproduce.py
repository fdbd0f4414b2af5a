"""`ecrnn reproduce`: the settings it stands for, going on with a study of compare's, and what it prints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecrnn.core.config import StudySettings
from ecrnn.paper import MODELS, PROFILES

PAPER_LINE = ("--repeats", 3, "--seed", 0, "--split", "0.7", "--precision", "bfloat16", "--jobs", 2, "--threads", 1,
    "--score-epochs", 1, "--set", "training.batch_statistics=even")  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[StudySettings, Path, dict[str, Any]]]:
    """What the commands would run, instead of running it."""
    calls: list[tuple[StudySettings, Path, dict[str, Any]]] = []

    def run(settings: StudySettings, folder: Path, **options: Any) -> int:
        calls.append((settings, folder, options))
        return 0

    monkeypatch.setattr("ecrnn.cli.compare.run", run)
    monkeypatch.setattr("ecrnn.cli.reproduce.run", run)
    return calls


def test_the_paper_profile_is_the_study_that_compare_makes(call: Any, asked: Any) -> None:
    names = ",".join(MODELS)
    assert call("compare", "cifar10", "--models", names, *PAPER_LINE).status == 0
    assert call("reproduce", "--profile", "paper", "--threads", 1).status == 0
    assert asked[0][0] == asked[1][0]


def test_options_reach_the_settings(call: Any, asked: Any, tmp_path: Path) -> None:
    line = ("--data-dir", tmp_path, "--jobs", 3, "--threads", 2, "--device", "cpu", "--out", tmp_path / "x", "--json")
    assert call("reproduce", *line).status == 0
    settings, folder, options = asked[0]
    assert settings.data_dir == str(tmp_path)
    assert (settings.training.threads, settings.training.device, settings.training.epochs) == (2, "cpu", 2)
    assert folder == tmp_path / "x"
    assert options == {"jobs": 3, "as_json": True}


@pytest.mark.parametrize(("cores", "device", "jobs"), [(2, "cpu", 2), (64, "cpu", 8), (64, "cuda", 1)])
def test_jobs_follow_the_machine(
    call: Any, asked: Any, monkeypatch: pytest.MonkeyPatch, cores: int, device: str, jobs: int
) -> None:
    monkeypatch.setattr("ecrnn.core.devices.available_cores", lambda: cores)
    monkeypatch.setattr("ecrnn.core.devices.resolve_device", lambda name: device)
    assert call("reproduce", "--profile", "paper").status == 0
    assert asked[0][1:] == (Path("runs/reproduce-paper"), {"jobs": jobs, "as_json": False})


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--profile", "papers"), "unknown profile 'papers', did you mean 'paper'?"),
        (("--device", "gpu"), "did you mean 'cuda'?"),
        (("--jobs", "0"), "--jobs: "),
    ],
)
def test_wrong_calls(call: Any, asked: Any, options: tuple[str, ...], line: str) -> None:
    done = call("reproduce", *options)
    assert done.status == 2
    assert line in done.err
    assert done.err.count("\n") == 1
    assert asked == []


@pytest.mark.slow
def test_it_goes_on_with_a_study_and_sets_the_paper_beside_it(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quick profile made smaller still: 17 models at 8x8, one repeat, one epoch of three steps."""
    small = PROFILES["quick"].training.model_copy(update={"epochs": 1, "batch_size": 512})
    quick = PROFILES["quick"].model_copy(update={"image_size": 8, "repeats": 1, "training": small})
    monkeypatch.setitem(PROFILES, "quick", quick)
    out = tmp_path / "study"
    line = ("--image-size", 8, "--epochs", 1, "--batch-size", 512, "--threads", 1, "--repeats", 1, "--out", out)
    line = (*line, "--score-epochs", 1, "--set", "training.batch_statistics=even")
    assert call("compare", "digits", "--models", "cnn,ecrnn-lstm-16", *line).status == 0
    shutil.rmtree(out / "ecrnn-lstm-16")
    done = call("reproduce", "--jobs", 1, "--out", out)
    assert done.status == 0, done.err
    assert "quick: the paper's models" in done.err
    assert "1 of 17 trials is finished already" in done.err
    assert "note: the data are 'digits', not cifar10" in done.out.replace("\n", " ")
    assert "+3.83***" in done.out
    saved = yaml.safe_load((out / "study.yaml").read_text())
    assert sorted(saved["models"]) == sorted(MODELS)
    content = json.loads((out / "report" / "report.json").read_text())
    assert content["reproduction"]["tallies"][-1]["missing"] == 0
    again = call("reproduce", "--jobs", 1, "--out", out, "--json")
    assert (again.status, again.err) == (0, "")
    assert json.loads(again.out) == content
