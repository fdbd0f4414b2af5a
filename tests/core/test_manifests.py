"""core/manifests: what counts as finished, and that nothing else does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from core.lines import one_line
from core.trials import FILES

from ecrnn.core import runs
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.manifests import checked_manifest, read_manifest, write_manifest
from ecrnn.core.reading import sha256
from ecrnn.core.seals import seal


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["missing", "changed", "longer", "a folder"])
def test_a_file_that_does_not_match(trial: Path, name: str, how: str) -> None:
    path = trial / name
    data = path.read_bytes()
    path.unlink()
    match how:
        case "changed":
            path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        case "longer":
            path.write_bytes(data + b"\0")
        case "a folder":
            path.mkdir()
    assert read_manifest(trial) is None
    with one_line(RunDirectoryError, path):
        runs.read_trial(trial.parents[1], "cnn", 2)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        "{}",
        '{"format": 1, "files": {}, "facts": {}}',
        '{"format": 1, "files": [], "facts": {}}',
        '{"format": 1, "files": "predictions.npz", "facts": {}}',
        '{"format": 1, "files": {"predictions.npz": 3}, "facts": {}}',
    ],
)
def test_damaged_manifests(trial: Path, content: str) -> None:
    (trial / "manifest.json").write_text(content)
    assert read_manifest(trial) is None


@pytest.mark.parametrize(
    "change",
    [
        {"format": 3},
        {"format": "1"},
        {"format": True},
        {"format": 1.0},
        {"facts": None},
        {"facts": [1]},
        {"facts": "x"},
    ],
)
def test_foreign_manifests(trial: Path, change: dict[str, Any]) -> None:
    manifest = json.loads((trial / "manifest.json").read_text())
    del manifest["digest"]
    (trial / "manifest.json").write_text(json.dumps(seal(manifest)))
    assert read_manifest(trial) == {"seconds": 1.5}
    (trial / "manifest.json").write_text(json.dumps(seal(manifest | change)))
    assert read_manifest(trial) is None


def test_a_manifest_of_format_1(trial: Path) -> None:
    """As they were written before there were digests of the facts."""
    manifest = json.loads((trial / "manifest.json").read_text())
    del manifest["digest"]
    (trial / "manifest.json").write_text(json.dumps(manifest))
    with one_line(RunDirectoryError, "manifest.json is damaged"):
        checked_manifest(trial)
    (trial / "manifest.json").write_text(json.dumps(manifest | {"format": 1}))
    assert read_manifest(trial) == {"seconds": 1.5}


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])  # seventh: each bit of some bytes
def test_every_changed_bit_of_a_manifest_is_seen(trial: Path, every: int) -> None:
    path = trial / "manifest.json"
    good = path.read_bytes()
    for at in range(0, 8 * len(good), every):
        data = bytearray(good)
        data[at // 8] ^= 1 << at % 8
        path.write_bytes(bytes(data))
        assert read_manifest(trial) in (None, {"seconds": 1.5})


def test_nothing_of_a_trial_points_out_of_its_study(trial: Path, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "cnn").rename(tmp_path / "elsewhere")
    (tmp_path / "study" / "cnn").symlink_to(tmp_path / "elsewhere")
    with one_line(RunDirectoryError, "points out of", tmp_path / "study"):
        runs.read_trial(tmp_path / "study", "cnn", 2)
    (tmp_path / "alias").symlink_to(tmp_path / "study")
    (tmp_path / "study" / "cnn").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "study" / "cnn")
    assert runs.read_trial(tmp_path / "alias", "cnn", 2) is not None


@pytest.mark.parametrize(
    "name", ["../outside", "checkpoint/../../outside", "{absolute}", "", ".", "nul\0byte", "a/b/c"]
)
def test_a_manifest_does_not_reach_outside(trial: Path, name: str) -> None:
    outside = trial.parent / "outside"
    outside.write_bytes(b"outside")
    name = name.format(absolute=outside)
    manifest = json.loads((trial / "manifest.json").read_text())
    del manifest["digest"]
    manifest["files"][name] = sha256(outside, 100)
    (trial / "manifest.json").write_text(json.dumps(seal(manifest)))
    assert read_manifest(trial) is None
    with one_line(RunDirectoryError, "which is no file of a trial"):
        checked_manifest(trial)


def test_a_manifest_with_too_many_files(trial: Path) -> None:
    manifest = json.loads((trial / "manifest.json").read_text())
    del manifest["digest"]
    digests = {f"file-{number}": "" for number in range(17)}
    (trial / "manifest.json").write_text(json.dumps(seal(manifest | {"files": manifest["files"] | digests})))
    with one_line(RunDirectoryError, "manifest.json names", "more than the 16 of a trial"):
        checked_manifest(trial)


def test_a_manifest_needs_its_files(trial: Path) -> None:
    (trial / "manifest.json").unlink()
    with one_line(EcrnnError, "other", "No such file"):
        write_manifest(trial, [*FILES, "other"], {})
    assert not (trial / "manifest.json").exists()
