"""A study in small: it gives the study's own report, grows with it, and is the same bytes each time."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line
from report.synthetic import make_study

from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.manifests import write_manifest
from ecrnn.core.predictions import Predictions, read_predictions, write_predictions
from ecrnn.core.reading import read_json
from ecrnn.core.runs import locked, read_trial, trial_home
from ecrnn.report import Archived, analyse, archive_study, plain, read_study

TWO = {"cnn": 0.7, "ecrnn-bilstm-16": 0.8}
FILES = {"config.yaml", "manifest.json", "metrics.jsonl", "predictions.npz"}
SMALL = {"repeats": 3, "n_validation": 400, "epochs": 2}


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def files(archive: Path, model: str, repeat: int) -> set[str]:
    """What `trials.zip` holds of a trial."""
    with zipfile.ZipFile(archive / "trials.zip") as packed:
        start = f"{model}/repeat-{repeat}/"
        return {name.removeprefix(start) for name in packed.namelist() if name.startswith(start)}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two models, three repeats; one trial failed."""
    return make_study(tmp_path / "run", TWO, failed=[("cnn", 2)], **SMALL)


def test_the_archive_gives_the_studys_own_report(run: Path, tmp_path: Path) -> None:
    (run / "cnn" / "repeat-0" / "checkpoint").mkdir()
    (run / "cnn" / "repeat-0" / "checkpoint" / "weights.safetensors").write_bytes(b"weights")
    assert archive_study(run, tmp_path / "small") == Archived(added=5, kept=0)
    mine, theirs = (plain(analyse(read_study([folder]))) for folder in (run, tmp_path / "small"))
    assert theirs["folders"] == [str(tmp_path / "small")]
    assert mine | {"folders": []} == theirs | {"folders": []}
    assert mine["missing"][0]["state"] == "failed"
    assert set(contents(tmp_path / "small")) == {"study.yaml", "environment.json", "trials.zip"}
    assert files(tmp_path / "small", "cnn", 0) == FILES


def test_each_image_keeps_its_class(run: Path, tmp_path: Path) -> None:
    archive_study(run, tmp_path / "small")
    for model in TWO:
        mine, theirs = (read_trial(folder, model, 1) for folder in (run, tmp_path / "small"))
        assert mine is not None
        assert theirs is not None
        for name in ("index", "label", "predicted", "correct"):
            np.testing.assert_array_equal(getattr(mine.predictions, name), getattr(theirs.predictions, name))
        assert (mine.facts, mine.metrics) == (theirs.facts, theirs.metrics)


def test_the_same_study_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        archive_study(run, tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    archive_study(tmp_path / "a", tmp_path / "c")  # and so does an archive
    assert contents(tmp_path / "a") == contents(tmp_path / "c")


def test_manifests_say_what_they_were_made_from(run: Path, tmp_path: Path) -> None:
    archive_study(run, tmp_path / "small")
    mine, theirs = (read_json(trial_home(folder, "cnn", 0) / "manifest.json") for folder in (run, tmp_path / "small"))
    assert theirs["archived_from"] == mine["files"]
    assert theirs["files"]["predictions.npz"] != mine["files"]["predictions.npz"]
    assert theirs["files"]["metrics.jsonl"] == mine["files"]["metrics.jsonl"]


def test_archived_again_it_gets_what_was_finished_since(tmp_path: Path) -> None:
    whole = make_study(tmp_path / "whole", TWO, **SMALL)
    run = shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(run / "cnn" / "repeat-2")
    (run / "ecrnn-bilstm-16" / "repeat-2" / "manifest.json").unlink()
    small = tmp_path / "small"
    assert archive_study(run, small) == Archived(added=4, kept=0)
    before = (small / "trials.zip").stat().st_mtime_ns
    assert archive_study(run, small) == Archived(added=0, kept=4)
    assert (small / "trials.zip").stat().st_mtime_ns == before  # not even written again
    assert archive_study(whole, small) == Archived(added=2, kept=4)
    archive_study(whole, tmp_path / "at-once")
    assert contents(small) == contents(tmp_path / "at-once")
    assert archive_study(run, small) == Archived(added=0, kept=4)  # nothing is taken away
    assert contents(small) == contents(tmp_path / "at-once")


def test_a_failure_is_gone_when_the_trial_is_finished(run: Path, tmp_path: Path) -> None:
    archive_study(run, tmp_path / "small")
    assert files(tmp_path / "small", "cnn", 2) == {"error.json"}
    shutil.rmtree(run)
    archive_study(make_study(run, TWO, **SMALL), tmp_path / "small")
    assert files(tmp_path / "small", "cnn", 2) == FILES


def test_models_that_the_archive_has_already_stay(tmp_path: Path) -> None:
    archive_study(make_study(tmp_path / "one", {"cnn": 0.7}, **SMALL), tmp_path / "small")
    archive_study(make_study(tmp_path / "other", {"ecnn": 0.7}, **SMALL), tmp_path / "small")
    record = read_study([tmp_path / "small"])
    assert record.settings.models == ("cnn", "ecnn")
    assert len(record.trials) == 6


def _other_result(run: Path, archive: Path) -> None:
    home = run / "cnn" / "repeat-1"
    archive_study(run, archive)
    given = read_predictions(home / "predictions.npz")
    write_predictions(home / "predictions.npz", Predictions(given.index, given.label, -given.logits))
    manifest = json.loads((home / "manifest.json").read_text())
    write_manifest(home, tuple(manifest["files"]), manifest["facts"])


def _other_study(run: Path, archive: Path) -> None:
    make_study(archive, TWO, seed=5, **SMALL)


def _other_things(run: Path, archive: Path) -> None:
    archive.mkdir()
    (archive / "thesis.txt").write_text("")


def _file(run: Path, archive: Path) -> None:
    archive.write_text("")


def _itself(run: Path, archive: Path) -> None:
    archive.symlink_to(run)


def _no_study(run: Path, archive: Path) -> None:
    (run / "study.yaml").unlink()


@pytest.mark.parametrize(
    ("prepare", "line"),
    [
        (_other_result, "holds another result than .*repeat-1; choose another --archive"),
        (_other_study, "holds another study: seed is 0 here and 5 there; choose another --archive"),
        (_other_things, "is not empty and holds no study; choose another --archive"),
        (_file, "is a file; an archive is a folder, choose another --archive"),
        (_itself, "is the study itself; choose another --archive"),
        (_no_study, "is not a run directory"),
    ],
)
def test_what_is_refused(run: Path, tmp_path: Path, prepare: Callable[[Path, Path], None], line: str) -> None:
    prepare(run, tmp_path / "small")
    before = contents(run)
    with pytest.raises(RunDirectoryError, match=line):
        archive_study(run, tmp_path / "small")
    assert contents(run) == before


def test_an_archive_that_was_killed_in_its_first_write_goes_on(run: Path, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    for name in (".lock", ".study.yaml.0a1b2c3d.tmp"):
        (tmp_path / "small" / name).write_text("")
    assert archive_study(run, tmp_path / "small").added
    archive_study(run, tmp_path / "whole")
    assert contents(tmp_path / "small") == contents(tmp_path / "whole")
    assert ".lock" not in contents(tmp_path / "small")


def test_two_archives_at_once(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locked.__wrapped__, "__defaults__", (0.1,))
    with locked(tmp_path / "small"), one_line(RunDirectoryError, "another process", "choose another --archive"):
        archive_study(run, tmp_path / "small")


def test_a_damaged_trial_is_left_out(run: Path, tmp_path: Path) -> None:
    (run / "ecrnn-bilstm-16" / "repeat-1" / "metrics.jsonl").write_text("{}\n")
    archived = archive_study(run, tmp_path / "small")
    assert (archived.added, archived.kept) == (4, 0)
    (fault,) = archived.faults
    assert fault.startswith("ecrnn-bilstm-16, repeat 1 was left out: ")
    assert fault.endswith("metrics.jsonl is damaged: it does not match manifest.json")


OLD = Path(__file__).parents[2] / "fixtures" / "archive-0.1.0"  # of `run` above with one model, two repeats


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return shutil.copytree(OLD, tmp_path / "old")


def test_an_archive_of_an_earlier_version_is_read(old: Path) -> None:
    record = read_study([old])
    assert [(trial.model, trial.repeat, trial.predictions.label.size) for trial in record.trials] == [
        ("cnn", 0, 60),
        ("cnn", 1, 60),
    ]
    assert [round(float(trial.predictions.correct.mean()), 3) for trial in record.trials] == [0.7, 0.7]


def test_an_archive_of_an_earlier_version_is_packed(old: Path, tmp_path: Path) -> None:
    assert archive_study(old, tmp_path / "new") == Archived(added=2, kept=0)
    assert set(contents(tmp_path / "new")) == {"study.yaml", "environment.json", "trials.zip"}
    mine, theirs = (plain(analyse(read_study([folder]))) for folder in (old, tmp_path / "new"))
    assert mine | {"folders": []} == theirs | {"folders": []}
    before, after = (read_json(trial_home(folder, "cnn", 1) / "manifest.json") for folder in (old, tmp_path / "new"))
    assert before["archived_from"] == after["archived_from"]


def test_an_archive_of_an_earlier_version_grows(old: Path, tmp_path: Path) -> None:
    """What it has stays in its folders; what is new lies beside them."""
    before = contents(old)
    run = make_study(tmp_path / "run", {"ecnn": 0.8}, repeats=2, n_validation=60, epochs=2)
    assert archive_study(run, old) == Archived(added=2, kept=0)
    assert contents(old) == before | {name: contents(old)[name] for name in ("study.yaml", "trials.zip")}
    assert [trial.model for trial in read_study([old]).trials] == ["cnn", "cnn", "ecnn", "ecnn"]


def test_a_damaged_trial_of_an_earlier_version_is_one_line(old: Path) -> None:
    (old / "cnn" / "repeat-1" / "predictions.npz").write_bytes(b"")
    with one_line(RunDirectoryError, "repeat-1 is damaged; delete it, or choose another --archive"):
        archive_study(OLD, old)


def test_a_changed_bit_is_seen(run: Path, tmp_path: Path) -> None:
    """In the archive: the report leaves the trial out by name; copied again, it is whole."""
    archive_study(run, tmp_path / "small")
    packed = tmp_path / "small" / "trials.zip"
    whole = packed.read_bytes()
    with zipfile.ZipFile(packed) as zipped:
        place = zipped.getinfo("ecrnn-bilstm-16/repeat-1/predictions.npz").header_offset + 200
    packed.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    damaged = [trial for trial in read_study([tmp_path / "small"]).unfinished if trial.state == "damaged"]
    assert [(trial.model, trial.repeat) for trial in damaged] == [("ecrnn-bilstm-16", 1)]
    assert "trials.zip is damaged" in damaged[0].reason
    part = Path(shutil.copytree(run, tmp_path / "part"))
    shutil.rmtree(part / "ecrnn-bilstm-16" / "repeat-1")  # trained elsewhere, and not at hand any more
    shutil.copytree(tmp_path / "small", tmp_path / "other")
    (fault,) = archive_study(part, tmp_path / "other").faults
    assert fault.startswith("ecrnn-bilstm-16, repeat 1 was left out: ")
    assert "trials.zip holds it damaged" in fault
    assert archive_study(run, tmp_path / "small") == Archived(added=1, kept=4)
    assert packed.read_bytes() == whole


@pytest.mark.parametrize("content", [b"", b"PK", bytes(100)])
def test_a_file_that_is_no_zip_is_one_line(run: Path, tmp_path: Path, content: bytes) -> None:
    archive_study(run, tmp_path / "small")
    (tmp_path / "small" / "trials.zip").write_bytes(content)
    for work in (lambda: read_study([tmp_path / "small"]), lambda: archive_study(run, tmp_path / "small")):
        with one_line(EcrnnError, "trials.zip is damaged or holds something else: it does not end as an archive"):
            work()


def test_a_link_out_of_the_archive_is_refused(run: Path, tmp_path: Path) -> None:
    archive_study(run, tmp_path / "small")
    packed = tmp_path / "small" / "trials.zip"
    packed.rename(tmp_path / "elsewhere.zip")
    packed.symlink_to(tmp_path / "elsewhere.zip")
    with one_line(EcrnnError, "points out of"):
        read_study([tmp_path / "small"])
