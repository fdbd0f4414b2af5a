"""Run directories become one record: what is finished, what is not and why, and which folders belong
together."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report.synthetic import make_study

from ecrnn.core.config import StudySettings, read_yaml, to_yaml
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.files import write_json
from ecrnn.core.manifests import read_manifest, write_manifest
from ecrnn.core.predictions import PredictedClasses, read_predictions, write_predictions
from ecrnn.core.runs import read_settings, read_trial, trial_folder, write_settings
from ecrnn.core.seals import seal
from ecrnn.report import analyse, read_study

SMALL = {"n_validation": 60, "epochs": 2}
TWO = {"cnn": 0.7, "ecnn": 0.8}


def test_everything_that_is_finished_is_read_and_the_rest_is_said(study: Path) -> None:
    record = read_study([study])
    assert (len(record.trials), record.planned) == (28, 30)
    assert {(u.model, u.repeat): (u.state, u.reason) for u in record.unfinished} == {
        ("crnn-bilstm-16", 4): ("failed", "the loss is not finite at epoch 2, step 17 (policy stop)"),
        ("ecrnn-bilstm-16", 9): ("not started", "no folder of this trial"),
    }
    for trial in record.trials:
        raw = read_trial(study, trial.model, trial.repeat)
        assert raw is not None
        np.testing.assert_array_equal(trial.predictions.correct, raw.predictions.correct)


def _spoil_bytes(folder: Path) -> None:
    (folder / "predictions.npz").write_bytes(b"half")


def _drop_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _spoil_facts(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    write_manifest(folder, tuple(manifest["files"]), manifest["facts"] | {"classes": ["only", "two"]})


def _flip_facts(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"n_train": 3', '"n_train": 9'))


def _no_facts(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["facts"] = None
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("wrong", [10, -1])
def test_classes_of_an_archive_must_be_among_those_named(tmp_path: Path, wrong: int) -> None:
    folder = make_study(tmp_path / "run", TWO, repeats=1, **SMALL)
    home = trial_folder(folder, "ecnn", 0)
    facts, own = read_manifest(home), read_predictions(home / "predictions.npz")
    assert facts is not None
    predicted = own.predicted.copy()
    predicted[7] = wrong
    write_predictions(home / "predictions.npz", PredictedClasses(own.index, own.label, predicted))
    write_manifest(home, ("predictions.npz", "metrics.jsonl"), facts)
    (left,) = read_study([folder]).unfinished
    assert (left.model, left.state) == ("ecnn", "damaged")
    assert left.reason == "predictions.npz does not fit the 10 classes of manifest.json"


def test_what_workers_train_is_no_trial_that_nobody_has_begun(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "run", TWO, repeats=3, **SMALL)
    for repeat in (1, 2):
        shutil.rmtree(trial_folder(folder, "ecnn", repeat))
    (folder / ".work" / "ecnn.2.1.0a1b2c3d.folder" / "ecnn" / "repeat-2").mkdir(parents=True)
    (folder / ".work" / "ecnn.1.1").write_text("")  # a claim alone, at this moment
    left = [(one.model, one.repeat, one.state, one.reason) for one in read_study([folder]).unfinished]
    assert left == [
        ("ecnn", 1, "not started", "no folder of this trial"),
        ("ecnn", 2, "unfinished", "training was interrupted or still runs"),
    ]


@pytest.mark.parametrize(
    ("spoil", "state", "reason"),
    [
        (_spoil_bytes, "damaged", "does not match manifest.json"),
        (_drop_manifest, "unfinished", "interrupted or still runs"),
        (_spoil_facts, "damaged", "does not fit the 2 classes"),
        (_flip_facts, "damaged", "manifest.json is damaged, or was changed by hand"),
        (_no_facts, "damaged", ""),
    ],
)
def test_damaged_trials_are_left_out_and_named(tmp_path: Path, spoil, state: str, reason: str) -> None:
    folder = make_study(tmp_path / "run", TWO, repeats=3, **SMALL)
    spoil(trial_folder(folder, "ecnn", 1))
    record = read_study([folder])
    assert [(t.model, t.repeat) for t in record.trials] == [
        *(("cnn", r) for r in range(3)),
        ("ecnn", 0),
        ("ecnn", 2),
    ]
    (left_out,) = record.unfinished
    assert (left_out.model, left_out.repeat, left_out.state) == ("ecnn", 1, state)
    assert reason in left_out.reason
    assert len(analyse(record).comparison.pairs[0].repeats) == 2


def test_trials_scored_on_other_images_are_not_paired(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "run", TWO, repeats=2, **SMALL)
    home = trial_folder(folder, "ecnn", 1)
    facts, own = read_manifest(home), read_predictions(home / "predictions.npz")
    assert facts is not None
    write_predictions(home / "predictions.npz", replace(own, index=own.index + 10))  # the same labels
    write_manifest(home, ("metrics.jsonl", "predictions.npz"), facts)
    (left_out,) = read_study([folder]).unfinished
    assert left_out.reason == "scored on other images than cnn in this repeat"


def test_nothing_finished_is_an_error_with_the_first_reason(tmp_path: Path) -> None:
    everything = [(model, repeat) for model in TWO for repeat in range(2)]
    folder = make_study(tmp_path / "run", TWO, repeats=2, failed=everything, **SMALL)
    with pytest.raises(RunDirectoryError, match=r"no finished trial in .*; cnn, repeat 0: the loss is not finite"):
        read_study([folder])


@pytest.mark.parametrize(
    ("content", "match"), [(None, "has no study.yaml"), ("models: 3\n", "'data' is missing|models")]
)
def test_what_is_no_run_directory_is_said_so(tmp_path: Path, content: str | None, match: str) -> None:
    if content:
        (tmp_path / "study.yaml").write_text(content)
    with pytest.raises(EcrnnError, match=match):
        read_study([tmp_path])


def test_a_model_that_is_a_path_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "run", TWO, repeats=1, **SMALL)
    settings = StudySettings.read(read_yaml(folder / "study.yaml"))
    (folder / "study.yaml").write_text(to_yaml(settings.model_copy(update={"models": ("../other",)})))
    with pytest.raises(RunDirectoryError, match="is a path, not a name"):
        read_study([folder])


def test_folders_with_other_models_and_repeats_are_one_study(tmp_path: Path) -> None:
    a = make_study(tmp_path / "a", {"cnn": 0.7}, repeats=2, **SMALL)
    b = make_study(tmp_path / "b", TWO, repeats=2, first_repeat=1, data="elsewhere", **SMALL)
    record = read_study([a, b])
    assert [(t.model, t.repeat) for t in record.trials] == [
        ("cnn", 0),
        ("cnn", 1),
        ("cnn", 2),
        ("ecnn", 1),
        ("ecnn", 2),
    ]
    assert record.planned == 5
    assert "cnn, repeat 1 is finished in 2 folders; the first one counts." in record.notes


@pytest.mark.parametrize(
    ("other", "match"),
    [
        ({"seed": 7}, "seed is 0 here and 7 there"),
        ({"split": "5-fold"}, "split is 0.7 here and 5-fold there"),
        ({"fingerprint": "cd" * 32}, "fingerprint is abab"),
        ({"training": {"epochs": 2, "lr": 0.1}}, "training.lr is 0.001 here and 0.1 there"),
    ],
)
def test_folders_of_different_studies_are_refused_naming_the_difference(tmp_path: Path, other, match: str) -> None:
    a = make_study(tmp_path / "a", TWO, repeats=1, **SMALL)
    b = make_study(tmp_path / "b", TWO, repeats=1, **(SMALL | other))
    with pytest.raises(RunDirectoryError, match=match) as caught:
        read_study([a, b])
    assert "\n" not in str(caught.value)


def test_threads_do_not_make_another_study(tmp_path: Path) -> None:
    a = make_study(tmp_path / "a", TWO, repeats=1, training={"epochs": 2, "threads": 1}, **SMALL)
    b = make_study(tmp_path / "b", {"lenet5": 0.5}, repeats=1, training={"epochs": 2}, facts={"threads": 8}, **SMALL)
    analysis = analyse(read_study([a, b]))
    threads = next(line for line in analysis.fairness if line.what == "Threads a training")
    assert (threads.status, threads.text) == ("differs", "2, 8, not the same in all trials.")


def _changed(rng: random.Random, data: bytes) -> bytes:
    """A flipped bit, a cut, or another digit."""
    at = rng.randrange(len(data))
    how = rng.choice(("flip", "cut", "digit"))
    if how == "cut":
        return data[:at]
    digits = [place for place, byte in enumerate(data) if byte in b"0123456789"]
    if how == "digit" and digits:
        at = rng.choice(digits)
        return data[:at] + bytes([rng.choice(b"0123456789")]) + data[at + 1 :]
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


@pytest.mark.parametrize("changes", [50, pytest.param(300, marks=pytest.mark.slow)])
def test_changed_files_change_no_figure(tmp_path: Path, changes: int) -> None:
    """Seeded changes of any file: the same figures, or a line that names the file."""
    whole = make_study(tmp_path / "whole", TWO, repeats=2, **SMALL)
    write_settings(whole, read_settings(whole))
    write_json(whole / "environment.json", seal(json.loads((whole / "environment.json").read_text())))
    good = read_study([whole])
    files, rng = sorted(path for path in whole.rglob("*") if path.is_file()), random.Random(0)
    lines: list[tuple[str, str]] = []
    for _ in range(changes):
        path = rng.choice(files)
        data = path.read_bytes()
        path.write_bytes(_changed(rng, data))
        try:
            found = read_study([whole])
        except EcrnnError as error:
            lines.append((path.name, str(error)))
        else:
            assert found.settings == good.settings
            facts = {(trial.model, trial.repeat): trial.facts for trial in good.trials}
            assert all(trial.facts == facts[trial.model, trial.repeat] for trial in found.trials)
            same = {**found.environments[0], **good.environments[0]} == found.environments[0]  # but for an unknown key
            assert same or path.name in " ".join(found.notes)
            assert len(found.trials) == 4 or path.name in found.unfinished[0].reason
        path.write_bytes(data)
    assert lines
    assert all(name in line for name, line in lines)


@pytest.mark.parametrize("content", [None, "", "{}", "[]", "{"])
def test_an_environment_that_says_nothing_is_told(tmp_path: Path, content: str | None) -> None:
    study = make_study(tmp_path / "study", TWO, repeats=2, **SMALL)
    (study / "environment.json").unlink()
    if content is not None:
        (study / "environment.json").write_text(content)
    record = read_study([study])
    assert record.environments == ({},)
    (note,) = record.notes
    assert "environment.json" in note
    assert note.endswith(": machine and versions are not known.")
