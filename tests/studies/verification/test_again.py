"""A training done again: the same bits, and where not, what differs first and why it may."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save, save_file

from ecrnn.core.predictions import Predictions
from ecrnn.core.runs import FinishedTrial, read_settings, read_trial, trial_folder
from ecrnn.core.seals import seal
from ecrnn.report import archive_study
from ecrnn.studies.trials import load
from ecrnn.studies.verification.again import (
    Kept,
    check_trial,
    compared,
    other_array,
    other_machine,
    other_metrics,
    other_weights,
)
from ecrnn.studies.verification.result import Check


def trained_again(folder: Path, machine: list[str] | None = None) -> Check:
    settings = read_settings(folder)
    return check_trial(folder, settings, ("ecnn", 1), load(settings), machine or [], lambda event: None)


def test_it_is_the_same_to_the_bit(left_alone: Path, tmp_path: Path) -> None:
    wanted = Check("training", "holds", ("ecnn, repeat 1 trained again, 2 epochs: the same to the bit",))
    assert trained_again(left_alone) == wanted
    archive_study(left_alone, tmp_path / "archive")
    assert trained_again(tmp_path / "archive", ["torch was 1 and is 2"]) == wanted


@pytest.fixture
def of_trial(left_alone: Path) -> tuple[Kept, FinishedTrial, Path]:
    trial, home = read_trial(left_alone, "cnn", 0), trial_folder(left_alone, "cnn", 0)
    assert trial is not None
    weights = (home / "checkpoint" / "weights.safetensors").read_bytes()
    return Kept("cnn, repeat 0", trial.metrics, trial.predictions, weights, {}), trial, home


def test_what_differs_first_is_named(of_trial: tuple[Kept, FinishedTrial, Path]) -> None:
    kept, again, home = of_trial
    assert isinstance(kept.predictions, Predictions)
    logits = kept.predictions.logits.copy()
    logits[3, 1] = np.nextafter(logits[3, 1], np.float32(np.inf))
    other = replace(kept, predictions=replace(kept.predictions, logits=logits), weights=b"no safetensors")
    (line,) = compared(other, again, home, []).lines
    values = f"{logits[3, 1]} kept, {kept.predictions.logits[3, 1]} now"
    start = "cnn, repeat 0 trained again differs, first in predictions.npz: logits, "
    assert line.startswith(f"{start}1 of 40 values, first [3, 1]: {values}; machine, threads and versions are as in")
    metrics = [{**kept.metrics[0], "train_loss": 0.25}, *kept.metrics[1:]]
    (line,) = compared(replace(other, metrics=metrics), again, home, []).lines
    assert f"first in metrics.jsonl, epoch 1: train_loss 0.25 kept, {kept.metrics[0]['train_loss']} now" in line


def test_other_bits_on_another_machine_leave_it_open(of_trial: tuple[Kept, FinishedTrial, Path]) -> None:
    kept, again, home = of_trial
    other = replace(kept, metrics=[{**line, "train_loss": 0.0} for line in kept.metrics])
    assert compared(other, again, home, []).status == "fails"
    found = compared(other, again, home, ["processor was A and is B"])
    assert found.status == "open"
    assert found.lines[0].endswith("not verified, as not all is as it was: processor was A and is B")


def test_an_archive_knows_the_logits_by_their_digest(of_trial: tuple[Kept, FinishedTrial, Path]) -> None:
    kept, again, home = of_trial
    bare = replace(kept, predictions=None, weights=None, digests={"predictions.npz": "0" * 64})
    (line,) = compared(bare, again, home, []).lines
    assert "first in predictions.npz, of which the archive keeps the digest" in line


def test_metrics_but_for_seconds() -> None:
    assert not list(other_metrics([{"epoch": 1, "seconds": 1.0}], [{"epoch": 1, "seconds": 2.0}]))
    assert list(other_metrics([{"epoch": 1}], [])) == ["metrics.jsonl: 1 epoch kept, 0 now"]
    assert list(other_metrics([{"epoch": 1}], [{"epoch": 1, "lr": 1}])) == [
        "metrics.jsonl, epoch 1: lr None kept, 1 now"
    ]


def test_arrays_to_the_bit() -> None:
    zeros = np.zeros((2, 2), np.float32)
    assert other_array(zeros, zeros.copy()) is None
    assert other_array(zeros, -zeros) == "4 of 4 values, first [0, 0]: 0.0 kept, -0.0 now"
    assert other_array(zeros, zeros.astype(np.float64)) == ("float32 of shape [2, 2] kept, float64 of shape [2, 2] now")


def test_weights_tensor_by_tensor(tmp_path: Path) -> None:
    a = {"bias": np.zeros(2, np.float32), "weight": np.ones(3, np.float32)}
    assert not list(other_weights(save(a), save(a)))
    b = {**a, "weight": np.array([1, 1, 2], np.float32)}
    first = next(iter(other_weights(save(a), save(b))))
    assert first == "the weights: weight, 1 of 3 values, first [2]: 1.0 kept, 2.0 now"
    assert next(iter(other_weights(b"nothing", save(b)))) == "the weights: one of the files cannot be read"
    save_file(a, tmp_path / "a")
    assert load_file(tmp_path / "a").keys() == a.keys()


def test_what_is_not_as_in_the_environment(left_alone: Path, tmp_path: Path) -> None:
    facts = {"device": "cpu"}
    assert other_machine(left_alone, facts) == []
    assert other_machine(left_alone, {"device": "cuda"}) == ["it was trained on cuda, where bits are not promised"]
    shutil.copy(left_alone / "environment.json", tmp_path)
    path = tmp_path / "environment.json"
    content = json.loads(path.read_text())
    del content["digest"]
    content["packages"]["torch"] = "1.0"
    path.write_text(json.dumps(seal({**content, "cpu_capability": "AVX9"})))
    now = json.loads((left_alone / "environment.json").read_text())
    assert other_machine(tmp_path, facts) == [
        f"cpu_capability was AVX9 and is {now['cpu_capability']}",
        f"torch was 1.0 and is {now['packages']['torch']}",
    ]
    path.unlink()
    assert other_machine(tmp_path, facts)[0].startswith("machine and versions are not known: cannot read ")
