"""`ecrnn verify`: its lines, its JSON and its status."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any


def test_a_study_that_holds(call: Any, study: Path) -> None:
    done = call("verify", study)
    assert done.status == 0
    assert "holds  trials:   4 trials whole, each file as its manifest says\n" in done.out
    assert done.out.endswith(f"{study}: all that was looked at holds\n")


def test_a_trial_that_is_missing(call: Any, study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "study")
    shutil.rmtree(tmp_path / "study" / "ecnn" / "repeat-1")
    done = call("verify", tmp_path / "study", "--train", "none")
    assert (done.status, done.err) == (1, "")
    assert "fails  trials:   ecnn, repeat 1 is missing, which study.yaml plans\n" in done.out
    assert done.out.endswith("study: not what was trained\n")
    done = call("verify", tmp_path / "study", "--train", "none", "--json")
    assert done.status == 1
    found = json.loads(done.out)
    assert (found["kind"], found["holds"]) == ("study", False)
    states = {check["name"]: check["status"] for check in found["checks"]}
    assert states == {"seals": "holds", "trials": "fails", "plan": "holds", "splits": "holds", "scores": "holds"}


def test_what_stays_open_is_no_success(call: Any, study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "study")
    (tmp_path / "study" / "environment.json").unlink()
    done = call("verify", tmp_path / "study", "--train", "none")
    assert done.status == 1
    assert "open   seals:    there is no environment.json\n" in done.out
    assert done.out.endswith("study: not all of it could be verified\n")


def test_a_trial_that_is_none_is_a_wrong_call(call: Any, study: Path) -> None:
    done = call("verify", study, "--train", "cnn:9")
    assert done.status == 2
    assert "has no trial cnn:9" in done.err
